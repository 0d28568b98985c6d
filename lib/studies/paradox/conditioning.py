"""The designed experiment of the CVAE: beta x label in the encoder x label in the decoder, with a control, effects,
the numbers measured before on GTZAN, and whether each verdict turns when it must."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from functools import partial

import pandas as pd
import xarray as xr

from lib.models.latents import mlp_latents, schedule_of, sweep_latents
from lib.models.vae import ModelConfig
from lib.report.rules import Ruling
from lib.scores import nulls
from lib.scores import table as scores
from lib.scores.intervals import Interval, over
from lib.scores.verdict import Evidence
from lib.store import engine
from lib.store.runs import Run
from lib.studies.paradox import experiments, rules

BEYOND = "separation: it exceeds that of a Gaussian"
FACTORS = ("beta", "enc", "dec")
SHOWN = ("silhouette", "silhouette_null", "nmi", "nmi_null", "probe_mu", "active_dims", "kl")
CHANGED = ("silhouette", "excess", "nmi", "probe_mu", "active_dims", "kl")  # metrics whose effects are given
CHAIN = ("active_dims", "silhouette", "excess", "nmi", "probe_z")  # of the two chains behind the paradox
Cell = tuple[float, bool, bool]  # beta, label in the encoder, label in the decoder


def configs(run: Run, x: pd.DataFrame, labels: pd.Series) -> dict[Cell, ModelConfig]:
    """The models of the eight cells for x [track, D] and labels [track]."""
    cells = itertools.product((1.0, run.settings.beta), (False, True), (False, True))
    return {(beta, enc, dec): experiments.config(run, x.shape[1], labels if enc or dec else None,
                                                 beta=beta, y_encoder=enc, y_decoder=dec) for beta, enc, dec in cells}


def trained(run: Run, x: pd.DataFrame, labels: pd.Series) -> dict[Cell, xr.Dataset]:
    """Latents of every cell; without a label they are the VAE and the beta-VAE of the other notebooks."""
    plain = {1.0: "vae", run.settings.beta: "beta_vae"}
    return engine.together({
        cell: partial(mlp_latents, run, "cvae" if any(cell[1:]) else plain[cell[0]], x, config, run.seeds,
                      labels=labels if any(cell[1:]) else None)
        for cell, config in configs(run, x, labels).items()})


def permuted(run: Run, x: pd.DataFrame, labels: pd.Series) -> dict[float, xr.Dataset]:
    """Latents by beta of the model with the label on both sides, labels [track] permuted over all tracks."""
    shuffled = nulls.permuted_labels(labels, run.settings.seed)
    return engine.together({cell[0]: partial(mlp_latents, run, "cvae_permuted", x, config, run.seeds, labels=shuffled)
                            for cell, config in configs(run, x, labels).items() if all(cell[1:])})


def rows(tables: Mapping[Cell, pd.DataFrame]) -> pd.DataFrame:
    """The score rows of all cells, with columns beta, enc and dec (0 or 1)."""
    return pd.concat([table.assign(beta=beta, enc=int(enc), dec=int(dec))
                      for (beta, enc, dec), table in tables.items()])


def cells(run: Run, latents: Mapping[Cell, xr.Dataset], genre: pd.Series, table: pd.DataFrame,
          metrics: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Metrics of the eight cells `latents`: NMI, silhouette and its excess as replicates [(block, seed), cell] (the
    null of the excess stays as it is), others [seed, cell] from rows of the score table."""
    by_seed = {metric: experiments.design(table, metric, run.settings.beta) for metric in (*metrics, "silhouette")}
    found = dict(by_seed)
    for metric in {"silhouette", "nmi"} & {*found}:
        parts = {cell: scores.replicates(run, latents[cell[0], bool(cell[1]), bool(cell[2])], genre, metric)
                 for cell in by_seed[metric].columns}
        found[metric] = pd.DataFrame(parts).rename_axis(columns=by_seed[metric].columns.names)
    if "excess" in found:
        seeds, null = found["silhouette"].index.get_level_values("seed"), by_seed["silhouette"] - by_seed["excess"]
        found["excess"] = found["silhouette"] - null.reindex(seeds).to_numpy()
    return {metric: found[metric] for metric in metrics}


def effects(found: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Main effects and interactions (rows) on metrics (columns) as intervals, from `cells`."""
    return pd.DataFrame({metric: experiments.factorial_effects(one).set_index("effect")["change"]
                         for metric, one in found.items()})


def simple(found: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Simple effects (rows: beta without and with the label, the decoder's label at each beta) on metrics (columns) as
    intervals, from `cells`."""
    return pd.DataFrame({metric: {name: over(change) for name, change in experiments.simple_effects(one).items()}
                         for metric, one in found.items()}).rename_axis("effect")


def excess_moved(cell: pd.DataFrame, beta: float) -> dict[str, pd.Series]:
    """What beta and what the label in the decoder change of the silhouette's excess over its null (of `cells`),
    averaged over the other factors."""
    return {name: cell.xs(high, axis=1, level=name).mean(axis=1) - cell.xs(low, axis=1, level=name).mean(axis=1)
            for name, low, high in (("beta", 1.0, beta), ("dec", 0, 1))}


def causes(found: pd.DataFrame, beta: float) -> pd.DataFrame:
    """The candidate causes, named for readers, with their `effects`."""
    names = {"beta": f"beta 1 to {beta:g}", "dec": "label in the decoder", "enc": "label in the encoder",
             "beta x dec": "beta with label in the decoder"}
    return found.loc[list(names)].rename(names).rename_axis("cause").reset_index()


def chains(found: pd.DataFrame) -> dict[tuple[str, str], Interval]:
    """The two chains behind the paradox for `plots.causes`: (cause, consequence) -> one of the `effects`."""
    links = {("beta", "active\ndimensions"): ("beta", "active_dims"),
             ("active\ndimensions", "silhouette"): ("beta", "silhouette"),
             ("label in\ndecoder", "{label} in z"): ("dec", "probe_z"), ("{label} in z", "NMI"): ("dec", "nmi")}
    return {link: found.loc[place] for link, place in links.items()}


# --- against what was measured before --------------------------------------------------------------------------------
def against_earlier(run: Run, x: pd.DataFrame, labels: pd.Series, genre: pd.Series,
                    design: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame] | None:
    """`experiments.against_earlier` of score rows with enc and dec, and of the same design trained for half the epochs;
    None where the corpus is not GTZAN."""
    if run.settings.corpus not in ("gtzan", "gtzan_logmel"):
        return None
    half, tables = schedule_of(run)._replace(epochs=run.settings.epochs // 2), {}
    seeds = run.settings.seeds(run.settings.n_seeds_sweep)
    for cell, config in configs(run, x, labels).items():
        found = sweep_latents(run, "cvae_half", x, config, [cell[0]], seeds,
                              labels=labels if any(cell[1:]) else None, schedule=half)[cell[0]]
        tables[cell] = scores.score(run, found, genre, nulls=False, probes=True)
    return experiments.against_earlier(design), experiments.against_earlier(rows(tables))


def both_lengths(full: pd.DataFrame, half: pd.DataFrame) -> pd.DataFrame:
    """The two tables of `against_earlier` as one, for readers."""
    names = {"here": "this run", "meets": "contains it"}
    there = full.drop(columns=["miss", "reach"]).rename(columns=names)
    return there.assign(**{"half of the epochs": half["here"], "contains it, too": half["meets"]})


# --- does each verdict turn when it must? ----------------------------------------------------------------------------
def verdicts(run: Run, x: pd.DataFrame, labels: pd.Series, genre: pd.Series, stored: pd.DataFrame,
             cvae: Evidence) -> dict[str, dict[str, Ruling]]:
    """Rulings by question: under true labels, under shuffled ones (`experiments.controls`), and on Gaussian features of
    the same means and covariance. x [track, D], labels that models are given and that readers look for [track],
    `stored` rows of the score table, evidence for clusters in the CVAE."""
    seed = run.settings.seed
    config = experiments.config(run, x.shape[1], labels, beta=run.settings.beta)
    alike, beta = experiments.matched_gaussian(x, labels, seed), config.beta
    smooth = sweep_latents(run, "cvae_gaussian", alike, config, [beta], run.seeds[:3], labels=labels, kept=())[beta]
    shuffled = nulls.permuted_labels(labels, seed)
    return {
        "true labels": experiments.controls(run, x, labels, genre, stored) | {BEYOND: rules.beyond_gaussian(cvae)},
        "permuted labels": experiments.controls(run, x, shuffled, genre, stored, "cvae_permuted"),
        "Gaussian features": {BEYOND: rules.beyond_gaussian(scores.evidence(scores.score(run, smooth, genre)))},
    }


def verdict_table(rulings: Mapping[str, Mapping[str, Ruling]]) -> pd.DataFrame:
    """A row per question, a column per condition of `verdicts`."""
    found = {name: {question: one["verdict"] for question, one in some.items()} for name, some in rulings.items()}
    return pd.DataFrame(found).rename_axis("question").reset_index()
