"""Does one dimension of a code mean one thing? DCI and MIG, the null that rotating the code gives, and linear theory.

Rotating a code changes nothing that it knows, only which dimension says it; so a score counts beside that of the same
code rotated at random.
"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from scipy import stats
from sklearn.linear_model import lars_path_gram

from lib.scores import information
from lib.store.arithmetic import entropy, mutual_information, standardised

BINS = 20  # equal-count bins of a code's dimension for mutual information, as disentanglement_lib has
FACTOR_BINS = 10  # and of a factor with more values than that


class Alignment(NamedTuple):
    """DCI of one code (Eastwood and Williams 2018), all between 0 and 1."""

    disentanglement: float  # does a dimension matter to one factor only?
    completeness: float  # does a factor need one dimension only?
    informativeness: float  # R^2 of the factors, mean


def importances(codes: np.ndarray, factors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How much each dimension of codes [N, L] says of each factor [N, F]: importances [L, F], and R^2 [F].

    Absolute coefficients of a lasso on standardised dimensions, its penalty the one with the lowest BIC. Factors are
    ranked first (normal scores), so that their units and outliers do not matter. Needs more than L + 1 rows.

    What scikit-learn's `LassoLarsIC("bic")` finds factor by factor, from one Gram matrix for all of them.
    """
    x, (n, dims) = standardised(codes, 1e-9), codes.shape
    if n <= dims + 1:
        raise ValueError(f"{n} rows do not tell the noise of a fit to {dims} dimensions")
    y = stats.norm.ppf((stats.rankdata(factors, axis=0) - 0.5) / n)
    y -= y.mean(0)
    gram, covariances = x.T @ x, x.T @ y
    noise = ((y - x @ np.linalg.lstsq(x, y)[0]) ** 2).sum(0) / (n - dims - 1)  # variance that least squares leaves
    found, r2 = np.zeros(covariances.shape), np.zeros(y.shape[1])
    for j, target in enumerate(y.T):
        if not x.any() or np.ptp(target) < 1e-9:
            continue
        with warnings.catch_warnings():  # of dimensions that are copies of each other: one of them is dropped
            warnings.simplefilter("ignore")
            path = lars_path_gram(covariances[:, j], gram, n_samples=n, method="lasso")[2]  # [L, penalty]
        left = ((target[:, None] - x @ path) ** 2).sum(0)
        bic = left / noise[j] + np.log(n) * (np.abs(path) > np.finfo(float).eps).sum(0)
        best = bic.argmin()
        found[:, j], r2[j] = np.abs(path[:, best]), max(0.0, 1 - left[best] / (target**2).sum())
    return found, r2


def dci(weights: np.ndarray, r2: np.ndarray) -> Alignment:
    """Disentanglement, completeness and informativeness from `importances` [L, F] and R^2 [F].

    One minus the entropy of a dimension's importances over factors (of a factor's over dimensions), weighted by how
    much importance the dimension (the factor) has; 0 where there is none.
    """
    total = weights.sum()
    if total <= 0:
        return Alignment(0.0, 0.0, 0.0)
    single, whole = _sharpness(weights) @ weights.sum(1), _sharpness(weights.T) @ weights.sum(0)
    return Alignment(min(1.0, float(single / total)), min(1.0, float(whole / total)), float(r2.mean()))


def _sharpness(weights: np.ndarray) -> np.ndarray:
    """One minus the normalised entropy of each row [A, B] -> [A]; 0 for rows of zeros, 1 where there is one column."""
    if weights.shape[1] < 2:
        return np.ones(len(weights))
    share = weights / np.maximum(weights.sum(1, keepdims=True), 1e-300)
    return np.where(weights.sum(1) > 0, np.clip(1 - entropy(share, 1) / np.log(weights.shape[1]), 0, 1), 0)


def mig(codes: np.ndarray, factors: np.ndarray) -> float:
    """Mutual information gap (Chen et al. 2018, 1802.04942) of codes [N, L] and known factors [N, F]: between the two
    dimensions that say most of a factor, as a share of its entropy, mean over factors."""
    codes = np.where(codes.std(0) > 1e-9, codes, 0)
    x, y = [_one_hot(column, BINS) for column in codes.T], [_one_hot(column, FACTOR_BINS) for column in factors.T]
    gaps = []
    for factor in y:
        shares = sorted([mutual_information(each.T @ factor / len(codes)) for each in x] + [0.0], reverse=True)
        gaps.append((shares[0] - shares[1]) / max(entropy(factor.mean(0)), 1e-12))
    return float(np.mean(gaps))


def _one_hot(values: np.ndarray, bins: int) -> np.ndarray:
    """Values [N] in bins of equal count, or each value its own where there are few: [N, bins that hold something]."""
    names, ids = np.unique(values, return_inverse=True)
    if len(names) > bins:
        ids = np.minimum((stats.rankdata(values) - 1) * bins // len(values), bins - 1).astype(int)
    return np.eye(ids.max() + 1)[:, np.unique(ids)][ids]


def rotated(codes: np.ndarray, seed: int = 0) -> np.ndarray:
    """The same code [N, L], its standardised dimensions rotated at random: what it knows, spread over all of them."""
    rotation = stats.ortho_group.rvs(codes.shape[1], random_state=seed) if codes.shape[1] > 1 else np.eye(1)
    return standardised(codes, 1e-9) @ rotation


def alignment(latents: xr.Dataset, factors: pd.DataFrame, seeds: list[int], known: bool,
              n_rotations: int = 3) -> pd.DataFrame:
    """Alignment of the active dimensions of each seed's mu with factors [track, F], beside the same code rotated.

    Rows [seed, metric, value]: dci_disentanglement, dci_completeness, dci_informativeness, each with `_null` (mean over
    `n_rotations` draws), and mig with its null where the factors are `known` causes, not measurements. NaN
    where fewer than two dimensions are active: there is nothing to tell apart.
    """
    target, rows = factors.loc[latents.track.values].to_numpy(float), []
    for seed in seeds:
        one = latents.sel(seed=seed)
        codes = one.mu.values[:, one.kl.values > information.ACTIVE_NATS].astype(float)
        if codes.shape[1] < 2:
            codes = np.full((len(target), 2), np.nan)
        rows += [(seed, name, value) for name, value in _measures(codes, target, known).items()]
        null = pd.DataFrame([_measures(rotated(codes, 100 * seed + i), target, known) for i in range(n_rotations)])
        rows += [(seed, f"{name}_null", value) for name, value in null.mean().items()]
    return pd.DataFrame(rows, columns=["seed", "metric", "value"])


def _measures(codes: np.ndarray, target: np.ndarray, known: bool) -> dict[str, float]:
    if np.isnan(codes).any():
        return dict.fromkeys([f"dci_{name}" for name in Alignment._fields] + ["mig"] * known, np.nan)
    found = {f"dci_{name}": value for name, value in dci(*importances(codes, target))._asdict().items()}
    return found | ({"mig": mig(codes, target)} if known else {})
