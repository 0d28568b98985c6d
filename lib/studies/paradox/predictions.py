"""What was predicted of changes to the earlier study's CVAE (notebooks/predictions.yaml), and what became of it."""

from __future__ import annotations

import pandas as pd
import yaml

from lib.models.latents import sweep_latents
from lib.models.vae import ModelConfig
from lib.report.glossary import shown
from lib.report.rules import MARGIN, in_words, judge
from lib.scores import intervals
from lib.scores import table as scores
from lib.store.runs import Run
from lib.store.series import NOTEBOOKS
from lib.studies.paradox import experiments

MARGINS = {"nmi": MARGIN, "silhouette": MARGIN, "active_dims": 0.5, "kl": 0.1}  # changes up to which are none; kl: nats


def written(kind: str) -> list[dict]:
    """The predictions of one kind ("guesses" or "remedies"), as they were written before the run."""
    return yaml.safe_load((NOTEBOOKS / "predictions.yaml").read_text())[kind]


def changed(config: ModelConfig, change: dict) -> ModelConfig:
    """The model with a prediction's change made to it; what it then no longer needs is taken out."""
    values = config.asdict() | change
    values["hidden"] = tuple(values["hidden"])
    if values["prior"] == "mixture":
        values["n_components"] = values["n_labels"]
    if not (values["y_encoder"] or values["y_decoder"] or values["auxiliary"] or values["prior"] == "label"):
        values["n_labels"] = 0
    return ModelConfig(**values)


def trials(run: Run, x: pd.DataFrame, labels: pd.Series,
           stored: pd.DataFrame) -> tuple[dict[str, pd.DataFrame], dict[str, ModelConfig]]:
    """Every change of the predictions made to the earlier study's CVAE: score rows and configuration by name.

    Settings of notebook 07 are read from its rows in `stored`; the others are trained on the seeds of a sweep, and
    scored without nulls.
    """
    conditioned = experiments.config(run, x.shape[1], labels, beta=run.settings.beta)
    known = [changed(conditioned, {"beta": b, "y_encoder": e, "y_decoder": d})
             for b in (1.0, run.settings.beta) for e, d in ((True, False), (False, True), (True, True))]
    rows, configs, seeds = {}, {}, run.settings.seeds(run.settings.n_seeds_sweep)
    for entry in written("guesses") + written("remedies"):
        name, one = entry["name"], changed(conditioned, entry["change"])
        configs[name] = one
        if one in known:
            rows[name] = experiments.of_setting(stored, "cvae", one.setting)
            continue
        method, given = ("cvae_trial", labels) if one.reads_labels else ("vade", None)
        found = sweep_latents(run, method, x, one, [one.beta], seeds, labels=given, kept=())[one.beta]
        rows[name] = scores.score(run, found.assign_attrs(setting=name), labels, nulls=False)
    return rows, configs


def margins(table: pd.DataFrame) -> str:
    """The changes up to which a table of `judged` counts none, in words."""
    return in_words(f"{MARGINS[metric]:g} for {shown(metric)}" for metric in table["metric"].unique())


def judged(kind: str, tables: dict[str, pd.DataFrame], base: pd.DataFrame) -> pd.DataFrame:
    """Every prediction beside its result: name, metric, predicted, change (paired over seeds), held.

    `tables` name -> score rows of the changed model, `base` those of the unchanged one.
    """
    rows = []
    for entry in written(kind):
        for metric in [m for m in MARGINS if m in entry]:
            values = (scores.of_seed(table, metric) for table in (tables[entry["name"]], base))
            change = intervals.paired(*values, metric)
            rows.append((entry["name"], metric, entry[metric], change, judge(entry[metric], change, MARGINS[metric])))
    return pd.DataFrame(rows, columns=["name", "metric", "predicted", "change", "held"])
