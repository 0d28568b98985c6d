"""Nulls: rows and labels permuted, clouds without clusters, and a score beside them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from lib.scores.clustering import RESTARTS, cluster, silhouette
from lib.store.remembering import shared
from lib.store.streams import stream


# --- permutations ------------------------------------------------------------------------------------------------
def permutation(n: int, rng: np.random.Generator, within: np.ndarray | None = None, kinds=None) -> np.ndarray:
    """A random order [n] of rows; with labels `within` [n] only among the rows of each, drawn in the order of `kinds`
    (default: sorted)."""
    order = np.arange(n)
    for label in [None] if within is None else np.unique(within) if kinds is None else kinds:
        rows = order if within is None else np.flatnonzero(within == label)
        order[rows] = rng.permutation(rows)
    return order


def permuted(table: pd.DataFrame, seed: int, within: pd.Series | None = None) -> pd.DataFrame:
    """The table with its rows permuted over all tracks, or only among tracks of one label (`within` [track]).

    The control of every fusion score: what survives a permutation within genre acts only as a label.
    """
    groups = (None, None) if within is None else (within.loc[table.index].to_numpy(), within.unique())
    order = permutation(len(table), stream(seed, "permuted rows"), *groups)
    return pd.DataFrame(table.to_numpy()[order], index=table.index, columns=table.columns)


def permuted_labels(labels: pd.Series, seed: int) -> pd.Series:
    """The same labels [track], permuted over all tracks."""
    return labels.sample(frac=1, random_state=seed).set_axis(labels.index)


def upper_p(value, null: np.ndarray):
    """p-value of a value, or of several, among draws of a null [draw, ...]: the share that is as large, itself
    counted."""
    return (1 + (null >= value).sum(0)) / (1 + len(null))


NULLS = ("gaussian", "copula", "isotropic")
ALPHA = 0.01  # level of each test in the verdict's rule


# --- null models -------------------------------------------------------------------------------------------------
class Excess(NamedTuple):
    """A silhouette beside its null."""

    value: float
    null_mean: float
    z: float  # (value - null_mean) / standard deviation of the null
    draws: np.ndarray  # [draws]
    freedom: int = 0  # degrees of freedom of that standard deviation

    @property
    def excess(self) -> float:
        """What is left of the silhouette after its null's mean."""
        return self.value - self.null_mean

    @property
    def differs(self) -> bool:
        """Is the value no draw of its null, at level `ALPHA`, two-sided, by the t-distribution of a new draw?"""
        wide = np.sqrt(1 + 1 / max(len(self.draws), 1))
        return bool(self.freedom > 0 and 2 * stats.t.sf(abs(self.z) / wide, self.freedom) <= ALPHA)


def draw_null(points: np.ndarray, kind: str, rng: np.random.Generator, n_active: int | None = None) -> np.ndarray:
    """One cloud without clusters, shaped as points [N, D].

    `gaussian`: the data's covariance, as in SigClust (Liu et al. 2008). `copula`: the data's own marginals, joined by a
    Gaussian copula with its rank correlation (clusters that one coordinate alone shows are therefore in this null).
    `isotropic`: a unit Gaussian in `n_active` dimensions (default D).
    """
    n, d = points.shape
    if kind == "isotropic":
        return rng.standard_normal((n, n_active or d))
    if kind == "gaussian":
        return rng.multivariate_normal(np.zeros(d), np.atleast_2d(np.cov(points.T)), size=n, method="eigh",
                                       check_valid="ignore")
    if kind == "copula":
        normal = stats.norm.ppf(stats.rankdata(points, axis=0) / (n + 1))
        with np.errstate(invalid="ignore", divide="ignore"):  # a constant coordinate correlates with nothing
            correlation = np.atleast_2d(np.corrcoef(normal.T))
        gauss = rng.multivariate_normal(np.zeros(d), np.nan_to_num(correlation), size=n, method="eigh")
        order = gauss.argsort(0).argsort(0)
        return np.take_along_axis(np.sort(points, axis=0), order, axis=0)
    raise ValueError(f"unknown null {kind!r}; known are {NULLS}")


def silhouette_null(points: np.ndarray, k: int, kind: str = "gaussian", n_nulls: int = 20, seed: int = 0,
                    n_init: int = RESTARTS, n_active: int | None = None) -> np.ndarray:
    """Silhouettes [n_nulls] of k-means on clouds without clusters, clustered with the data's own effort (`n_init`)."""
    rng = stream(seed, "clouds without clusters")
    clouds = (draw_null(points, kind, rng, n_active) for _ in range(n_nulls))
    return np.array([silhouette(c, cluster(c, k, seed=seed + i, n_init=n_init)) for i, c in enumerate(clouds)])


@shared
def isotropic_silhouette(n: int, n_active: int, k: int, draw: int) -> float:
    """One draw of the isotropic null: `n` points, `n_active` dimensions. It needs no data, so all settings share it."""
    return float(silhouette_null(np.empty((n, n_active)), k, "isotropic", 1, seed=draw)[0])


def participation_ratio(points: np.ndarray) -> float:
    """Effective number of dimensions of points [N, D]: (sum of eigenvalues)^2 / sum of squared eigenvalues."""
    values = np.linalg.eigvalsh(np.atleast_2d(np.cov(points.T)))
    return float(values.sum() ** 2 / (values**2).sum()) if values.any() else 0.0


def excess(value: float, null: np.ndarray, std: float | None = None, freedom: int | None = None) -> Excess:
    """A silhouette against draws of its null; `std` (with its degrees of freedom) is a draw's spread where it is known
    better than from `null`."""
    std = float(null.std(ddof=1)) if std is None else std
    z = (value - float(null.mean())) / std if std > 0 else float("nan")
    freedom = len(null) - 1 if freedom is None else freedom
    return Excess(value, float(null.mean()), z, null, freedom)
