"""Is a silhouette more than any cloud of that shape would give? Null models for clusters."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import stats

from lib.clustering import cluster, silhouette

NULLS = ("gaussian", "copula", "isotropic")


class Excess(NamedTuple):
    """A silhouette beside its null."""

    value: float
    null_mean: float
    null_std: float
    z: float  # (value - null_mean) / null_std
    p: float  # share of null draws at or above the value, (1 + hits) / (1 + draws)
    draws: np.ndarray  # [draws]

    @property
    def excess(self) -> float:
        """What is left of the silhouette after its null's mean."""
        return self.value - self.null_mean


def draw_null(points: np.ndarray, kind: str, rng: np.random.Generator, n_active: int | None = None) -> np.ndarray:
    """One cloud without clusters, shaped as points [N, D].

    `gaussian`: the data's covariance. `copula`: the data's own marginals, joined by a Gaussian copula with its rank
    correlation. `isotropic`: a unit Gaussian in `n_active` dimensions (default D).
    """
    n, d = points.shape
    if kind == "isotropic":
        return rng.standard_normal((n, n_active or d))
    if kind == "gaussian":
        return rng.multivariate_normal(np.zeros(d), np.atleast_2d(np.cov(points.T)), size=n, method="eigh")
    if kind == "copula":
        ranks = stats.rankdata(points, axis=0) / (n + 1)
        correlation = np.atleast_2d(np.corrcoef(stats.norm.ppf(ranks).T))
        gauss = rng.multivariate_normal(np.zeros(d), np.nan_to_num(correlation), size=n, method="eigh")
        order = gauss.argsort(0).argsort(0)
        return np.take_along_axis(np.sort(points, axis=0), order, axis=0)
    raise ValueError(f"unknown null {kind!r}; known are {NULLS}")


def silhouette_null(
    points: np.ndarray, k: int, kind: str = "gaussian", n_nulls: int = 20, seed: int = 0, n_init: int = 10,
    n_active: int | None = None,
) -> np.ndarray:
    """Silhouettes [n_nulls] of k-means on clouds without clusters, clustered with the data's own effort (`n_init`)."""
    rng = np.random.default_rng([seed, 77])
    out = []
    for i in range(n_nulls):
        cloud = draw_null(points, kind, rng, n_active)
        out.append(silhouette(cloud, cluster(cloud, k, seed=seed + i, n_init=n_init)))
    return np.array(out)


def excess(value: float, null: np.ndarray, std: float | None = None) -> Excess:
    """A silhouette against draws of its null; `std` is a draw's spread where it is known better than from `null`."""
    std = float(null.std(ddof=1)) if std is None else std
    z = (value - float(null.mean())) / std if std > 0 else float("nan")
    return Excess(value, float(null.mean()), std, z, float((1 + (null >= value).sum()) / (1 + len(null))), null)


def best_k(points: np.ndarray, ks: range | list[int], seed: int = 0, n_init: int = 10) -> tuple[int, dict[int, float]]:
    """The k whose k-means has the highest silhouette, and the silhouette of each k."""
    curve = {k: silhouette(points, cluster(points, k, seed=seed, n_init=n_init)) for k in ks if k < len(points)}
    return max(curve, key=curve.get), curve


def stability(points: list[np.ndarray], k: int, agree: Callable[[np.ndarray, np.ndarray], float], seed: int = 0) -> float:
    """Mean pairwise agreement (say, ARI) of the k-means clusters of several latents of the same tracks."""
    found = [cluster(p, k, seed=seed) for p in points]
    pairs = [agree(found[i], found[j]) for i in range(len(found)) for j in range(i)]
    return float(np.mean(pairs)) if pairs else float("nan")
