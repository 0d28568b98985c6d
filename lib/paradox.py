"""The CVAE paradox, cause by cause: what the clusters capture, and whether the decoder uses its label."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
import xarray as xr

from lib import information, training


def association(
    clusters: pd.Series, values: pd.DataFrame, labels: pd.Series, n_permutations: int = 200, seed: int = 0
) -> pd.DataFrame:
    """Share of each column's variance that lies between clusters (eta squared), marginal and within labels.

    clusters [track], values [track, name] (numbers; text columns are left out), labels [track]. `within` first removes
    label means from the values, so genre cannot speak through them. `p` is of `within` under clusters permuted inside
    each label, Bonferroni-corrected over the columns; `null` is the mean under those permutations.
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
    p = (1 + (nulls >= within).sum(0)) / (1 + n_permutations)
    return pd.DataFrame(
        {
            "name": numeric.columns,
            "marginal": _eta_squared(x, codes),
            "within": within,
            "null": nulls.mean(0),
            "p": np.minimum(p * x.shape[1], 1),
        }
    ).sort_values("within", ascending=False, ignore_index=True)


def _eta_squared(x: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Between-cluster share of the variance of each column of x [N, D]."""
    total = ((x - x.mean(0)) ** 2).sum(0)
    rest = (information.remove_means(x, codes) ** 2).sum(0)
    return np.where(total > 0, 1 - rest / np.where(total > 0, total, 1), 0)


@torch.no_grad()
def decode_under(latents: xr.Dataset, x: pd.DataFrame, labels: pd.Series, seed: int = 0) -> pd.DataFrame:
    """Held-out reconstruction error per track and run, given the right label, a wrong one, and a random one.

    latents of a conditional model, x [track, D] its raw features, labels [track]. The encoder always reads the right
    label; only the decoder's label is changed. Returns columns seed, right, wrong, random (mean summed squared error).
    """
    names = sorted(labels.unique())
    y = pd.Categorical(labels.loc[x.index], categories=names).codes.astype(int)
    rng = np.random.default_rng([seed, 41])
    others = {
        "right": y,
        "wrong": (y + rng.integers(1, len(names), len(y))) % len(names),
        "random": rng.integers(0, len(names), len(y)),
    }
    model = training.restore(latents)
    data = torch.from_numpy(
        np.stack([training.standardise(x.to_numpy(), np.flatnonzero(t)) for t in latents.train.values])
    )
    runs = model.n_runs
    codes = {k: torch.as_tensor(v).expand(runs, -1) for k, v in others.items()}
    mu, _ = model.encode(data, codes["right"])
    held = torch.from_numpy(~latents.train.values)
    out = {"seed": latents.seed.values}
    for name, code in codes.items():
        error = (model.decode(mu, code) - data).square().sum(-1)
        out[name] = [float(error[r][held[r]].mean()) for r in range(runs)]
    return pd.DataFrame(out)
