"""The CVAE paradox, cause by cause: what the clusters capture, and whether the decoder uses its label."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import torch
import xarray as xr
import yaml

from lib import information, scores, statistics, training
from lib.models import ModelConfig, StackedVAE
from lib.series import NOTEBOOKS
from lib.statistics import Interval


def association(
    clusters: pd.Series, values: pd.DataFrame, labels: pd.Series, n_permutations: int = 200, seed: int = 0
) -> pd.DataFrame:
    """Share of each column's variance that lies between clusters (eta squared), marginal and within labels.

    clusters [track], values [track, name] (numbers; text columns are left out), labels [track]. `within` first removes
    label means from the values, so genre cannot speak through them. `p` compares `within` with the
    largest share of any column under clusters permuted inside each label (Westfall and Young 1993), so it is corrected
    for the number of columns; `null` is the mean under those permutations.
    """
    numeric = values.select_dtypes("number").loc[clusters.index]
    numeric = numeric.loc[:, numeric.std() > 1e-12].fillna(numeric.mean())
    y = labels.loc[clusters.index].to_numpy()
    codes = np.unique(clusters.to_numpy(), return_inverse=True)[1]
    x = numeric.to_numpy(float)
    inside = information.remove_means(x, y)
    inside[:, inside.std(0) < 1e-9 * x.std(0)] = 0  # a column that is a function of the label has nothing left
    rng = np.random.default_rng([seed, 31])
    within, nulls = _eta_squared(inside, codes), []
    for _ in range(n_permutations):
        shuffled = codes.copy()
        for name in np.unique(y):
            rows = np.flatnonzero(y == name)
            shuffled[rows] = codes[rng.permutation(rows)]
        nulls.append(_eta_squared(inside, shuffled))
    nulls = np.stack(nulls)
    p = (1 + (nulls.max(1, keepdims=True) >= within).sum(0)) / (1 + n_permutations)
    return pd.DataFrame(
        {
            "name": numeric.columns,
            "marginal": _eta_squared(x, codes),
            "within": within,
            "null": nulls.mean(0),
            "p": p,
        }
    ).sort_values("within", ascending=False, ignore_index=True)


def _eta_squared(x: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Between-cluster share of the variance of each column of x [N, D]."""
    total = ((x - x.mean(0)) ** 2).sum(0)
    rest = (information.remove_means(x, codes) ** 2).sum(0)
    return np.where(total > 0, 1 - rest / np.where(total > 0, total, 1), 0)


@torch.no_grad()
def decode_under(latents: xr.Dataset, x: pd.DataFrame, labels: pd.Series, seed: int = 0) -> pd.DataFrame:
    """Held-out reconstruction error per run, given the right label, a wrong one, and a random one.

    latents of a conditional model, x [track, D] its raw features, labels [track]. The encoder always reads the right
    label; only the decoder's label is changed. Returns columns seed, right, wrong, random (mean summed squared error).
    """
    model, data, y, names = _reload(latents, x, labels)
    rng = np.random.default_rng([seed, 41])
    others = {
        "right": y,
        "wrong": (y + rng.integers(1, len(names), len(y))) % len(names),
        "random": rng.integers(0, len(names), len(y)),
    }
    mu, _ = model.encode(data, _codes(y, model))
    held = torch.from_numpy(~latents.train.values)
    out = {"seed": latents.seed.values}
    for name, code in others.items():
        error = (model.decode(mu, _codes(code, model)) - data).square().sum(-1)
        out[name] = [float(error[r][held[r]].mean()) for r in range(model.n_runs)]
    return pd.DataFrame(out)


@torch.no_grad()
def encode_under(latents: xr.Dataset, x: pd.DataFrame, labels: pd.Series, seed: int = 0) -> dict[str, np.ndarray]:
    """mu [seed, track, latent] with the encoder told the true label, one fixed label, a wrong one, or all (averaged).

    A probe on mu under the true label partly reads the label that the encoder was given; under the others it cannot.
    """
    model, data, y, names = _reload(latents, x, labels)
    rng = np.random.default_rng([seed, 43])
    wrong = (y + rng.integers(1, len(names), len(y))) % len(names)
    told = {"true": y, "fixed": np.zeros_like(y), "wrong": wrong}
    out = {name: model.encode(data, _codes(code, model))[0].numpy() for name, code in told.items()}
    every = [model.encode(data, _codes(np.full_like(y, c), model))[0] for c in range(len(names))]
    return out | {"averaged": torch.stack(every).mean(0).numpy()}


@torch.no_grad()
def swap(latents: xr.Dataset, x: pd.DataFrame, labels: pd.Series) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What the decoder makes of tracks of one genre under another's label, means over runs and tracks.

    Returns cost [true genre, told genre], the rise of squared error against the right label; and profile
    [told genre, D], the mean decoding of all tracks under that label minus the mean over labels, in standardised units.
    """
    model, data, y, names = _reload(latents, x, labels)
    mu, _ = model.encode(data, _codes(y, model))
    decoded = torch.stack([model.decode(mu, _codes(np.full_like(y, c), model)) for c in range(len(names))])
    error = (decoded - data).square().sum(-1).mean(1).numpy()  # [told, track]
    cost = pd.DataFrame({told: error[i] - error[y, np.arange(len(y))] for i, told in enumerate(names)})
    cost = cost.groupby(np.array(names)[y]).mean().rename_axis(index="true genre", columns="told genre")
    profile = decoded.mean((1, 2)).numpy()
    return cost, pd.DataFrame(profile - profile.mean(0), index=names, columns=x.columns)


def _reload(latents: xr.Dataset, x: pd.DataFrame, labels: pd.Series):
    """The trained stack, its standardised input [R, N, D], the class numbers and names of the tracks."""
    names = sorted(labels.unique())
    y = pd.Categorical(labels.loc[x.index], categories=names).codes.astype(int)
    scaled = [training.standardise(x.to_numpy(), np.flatnonzero(train)) for train in latents.train.values]
    return training.restore(latents), torch.from_numpy(np.stack(scaled)), y, names


def _codes(y: np.ndarray, model: StackedVAE) -> torch.Tensor:
    return torch.as_tensor(y).expand(model.n_runs, -1)


# --- remedies and guesses, judged against predictions made before the run ---------------------------------------------


def judge(prediction: str, change: Interval) -> bool | None:
    """Did a prediction hold? None where there are too few seeds for an interval.

    "up" and "down" hold when the interval of the paired change lies on that side of zero, "same" when it includes zero,
    "not up" when it reaches zero or below.
    """
    if not np.isfinite(change.low):
        return None
    holds = {"up": change.low > 0, "down": change.high < 0, "same": not change.excludes_zero, "not up": change.low <= 0}
    if prediction not in holds:
        raise ValueError(f"a prediction is one of {list(holds)}, not {prediction!r}")
    return bool(holds[prediction])


def predictions(kind: str) -> list[dict]:
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


def judged(kind: str, tables: dict[str, pd.DataFrame], base: pd.DataFrame) -> pd.DataFrame:
    """Every prediction beside its result: name, metric, predicted, change (paired over seeds), held.

    `tables` name -> score rows of the changed model, `base` those of the unchanged one.
    """
    rows = []
    for entry in predictions(kind):
        for metric in [m for m in ("nmi", "silhouette", "active_dims", "kl") if m in entry]:
            change = statistics.paired(scores.of_seed(tables[entry["name"]], metric), scores.of_seed(base, metric))
            rows.append(
                {
                    "name": entry["name"],
                    "metric": metric,
                    "predicted": entry[metric],
                    "change": change,
                    "held": judge(entry[metric], change),
                }
            )
    return pd.DataFrame(rows)


def design(table: pd.DataFrame, metric: str, beta: float) -> pd.DataFrame:
    """One metric of the 2 x 2 x 2 design [seed, (beta, enc, dec)] from rows of the score table."""
    cells = {}
    for b, enc, dec in itertools.product((1.0, beta), (0, 1), (0, 1)):
        method = "cvae" if enc or dec else "vae" if b == 1 else "beta_vae"
        setting = f"beta={b:g}" + (f" enc={enc} dec={dec}" if enc or dec else "")
        rows = table[(table["method"] == method) & (table["setting"] == setting) & (table["features"] == "mfcc")]
        cells[b, enc, dec] = scores.of_seed(rows, metric)
    values = pd.DataFrame(cells)
    values.columns.names = ["beta", "enc", "dec"]
    return values


def factorial_effects(values: pd.DataFrame) -> pd.DataFrame:
    """Main effects and interactions of a full two-level design, seed by seed.

    values [seed, cell], columns a MultiIndex of factor levels (two each). An effect is the mean over cells where the
    product of the factors' signs (high +, low -) is positive, minus the mean where it is negative (Box, Hunter and
    Hunter 2005, chapter 5). Returns columns effect ("beta", "beta x dec", ...) and change (an `Interval`).
    """
    names = list(values.columns.names)
    codes = [np.unique(values.columns.get_level_values(name), return_inverse=True)[1] for name in names]
    if len(values.columns) != 2 ** len(names) or any(code.max() != 1 for code in codes):
        raise ValueError("a full design with two levels of each factor is needed")
    rows = []
    for size in range(1, len(names) + 1):
        for factors in itertools.combinations(range(len(names)), size):
            sign = np.prod([2 * codes[f] - 1 for f in factors], axis=0)
            change = (values.to_numpy() * sign).sum(1) / (len(sign) / 2)
            rows.append({"effect": " x ".join(names[f] for f in factors), "change": statistics.interval(change)})
    return pd.DataFrame(rows)
