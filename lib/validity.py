"""Are there clusters? Null models, dip tests, the gap statistic, stability, and a verdict from a stated rule.

Nothing here sees a label.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats
from scipy.cluster.hierarchy import linkage
from scipy.optimize import isotonic_regression
from scipy.spatial.distance import pdist, squareform
from sklearn import metrics

from lib.clustering import RESTARTS, cluster, silhouette

NULLS = ("gaussian", "copula", "isotropic")
ALPHA = 0.01  # level of each test in the verdict's rule
SEPARATE = 1.5  # separation from which groups count as clusters; single Gaussians in two dimensions or more stay below
VERDICTS = ("clusters", "a non-Gaussian continuum", "nothing beyond a Gaussian")
RULE = (f"beyond a Gaussian: silhouette differs from its matched-covariance null, or a dip test rejects, at {ALPHA:g} "
        f"each; clusters: also a separation of at least {SEPARATE:g}")


# --- null models -------------------------------------------------------------------------------------------------


class Excess(NamedTuple):
    """A silhouette beside its null."""

    value: float
    null_mean: float
    null_std: float
    z: float  # (value - null_mean) / null_std
    p: float  # share of null draws at or above the value, (1 + hits) / (1 + draws)
    draws: np.ndarray  # [draws]
    freedom: int = 0  # degrees of freedom of null_std

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

    `gaussian`: the data's covariance. `copula`: the data's own marginals, joined by a Gaussian copula with its rank
    correlation (clusters that one coordinate alone shows are therefore in this null). `isotropic`: a unit Gaussian in
    `n_active` dimensions (default D).
    """
    n, d = points.shape
    if kind == "isotropic":
        return rng.standard_normal((n, n_active or d))
    if kind == "gaussian":
        return rng.multivariate_normal(np.zeros(d), np.atleast_2d(np.cov(points.T)), size=n, method="eigh")
    if kind == "copula":
        normal = stats.norm.ppf(stats.rankdata(points, axis=0) / (n + 1))
        with np.errstate(invalid="ignore", divide="ignore"):  # a constant coordinate correlates with nothing
            correlation = np.atleast_2d(np.corrcoef(normal.T))
        gauss = rng.multivariate_normal(np.zeros(d), np.nan_to_num(correlation), size=n, method="eigh")
        order = gauss.argsort(0).argsort(0)
        return np.take_along_axis(np.sort(points, axis=0), order, axis=0)
    raise ValueError(f"unknown null {kind!r}; known are {NULLS}")


def silhouette_null(
    points: np.ndarray, k: int, kind: str = "gaussian", n_nulls: int = 20, seed: int = 0, n_init: int = RESTARTS,
    n_active: int | None = None,
) -> np.ndarray:
    """Silhouettes [n_nulls] of k-means on clouds without clusters, clustered with the data's own effort (`n_init`)."""
    rng = np.random.default_rng([seed, 77])
    out = []
    for i in range(n_nulls):
        cloud = draw_null(points, kind, rng, n_active)
        out.append(silhouette(cloud, cluster(cloud, k, seed=seed + i, n_init=n_init)))
    return np.array(out)


@lru_cache(maxsize=4096)
def isotropic_silhouette(n: int, n_active: int, k: int, draw: int) -> float:
    """One draw of the isotropic null: `n` points, `n_active` dimensions. It needs no data, so settings share it."""
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
    p = float((1 + (null >= value).sum()) / (1 + len(null)))
    return Excess(value, float(null.mean()), std, z, p, null, len(null) - 1 if freedom is None else freedom)


# --- dip tests ---------------------------------------------------------------------------------------------------


def dip(values: np.ndarray) -> float:
    """Hartigan's dip of a sample [N]: least sup distance between its distribution function and any unimodal one.

    Hartigan and Hartigan 1985, Annals of Statistics 13(1). The modal interval shrinks to the touching points of the
    greatest convex minorant and the least concave majorant where these are farthest apart. No dip is below 1/(2N).
    """
    x, counts = np.unique(np.asarray(values, dtype=float), return_counts=True)
    n = counts.sum()
    above = np.cumsum(counts).astype(float)  # the distribution function, in tracks, at each value
    below = above - counts  # and just left of it
    worst, first, last = 1.0, 0, len(x) - 1
    while first < last:
        u, low, high = (a[first : last + 1] for a in (x, below, above))
        left, right = _minorant(u, low), _minorant(u, -high)  # indices of touching points
        convex, concave = np.interp(u, u[left], low[left]), np.interp(u, u[right], high[right])
        touching = np.union1d(left, right)
        at = touching[np.argmax((concave - convex)[touching])]
        if concave[at] - convex[at] <= worst:
            break
        start, end = left[left <= at][-1], right[right >= at][0]
        worst = max(worst, (high - convex)[:start].max(initial=0), (concave - low)[end + 1 :].max(initial=0))
        first, last = first + int(start), first + int(end)
    return float(worst / (2 * n))


def _minorant(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Indices where the greatest convex minorant of the points (x, y) touches them: slopes pooled until they rise."""
    width = np.diff(x)
    return isotonic_regression(np.diff(y) / width, weights=width).blocks


def dip_p(value: float, n: int) -> float:
    """p of a dip of `n` values against the uniform distribution, by simulation; above 1,000 values by its limit law,
    where sqrt(n) dip no longer depends on n. Clearly unimodal samples (a Gaussian, say) get p near 1."""
    null = _uniform_dips(min(n, 1000))
    return float((1 + (null >= value * np.sqrt(n)).sum()) / (1 + len(null)))


@lru_cache(maxsize=64)
def _uniform_dips(n: int, draws: int = 999) -> np.ndarray:
    rng = np.random.default_rng([n, 7])
    return np.sqrt(n) * np.array([dip(rng.random(n)) for _ in range(draws)])


def leading_component(points: np.ndarray) -> np.ndarray:
    """Coordinates [N] of points [N, D] along their direction of largest variance."""
    centred = points - points.mean(0)
    return centred @ np.linalg.eigh(np.atleast_2d(np.cov(centred.T)))[1][:, -1]


def sampled_distances(points: np.ndarray, n_pairs: int = 5000, seed: int = 0) -> np.ndarray:
    """Euclidean distances [n_pairs] of random pairs of different rows of points [N, D]."""
    rng = np.random.default_rng([seed, 13])
    i = rng.integers(0, len(points), n_pairs)
    j = (i + rng.integers(1, len(points), n_pairs)) % len(points)
    return np.linalg.norm(points[i] - points[j], axis=1)


# --- separation, and the verdict ---------------------------------------------------------------------------------


def separation(points: np.ndarray, share: float = 0.05, most: int = 2000, seed: int = 0) -> float:
    """How much wider the gap between two groups of points [N, D] is than the spacing inside them; at least 1.

    The cluster tree of the nearest-neighbour density (single linkage of mutual reachability distances, Campello et al.
    2013; branches below `share` of the points are pruned, as in Stuetzle 2003): the largest ratio, over merges of two
    branches, of the merging distance to the larger of their median distances to the (2 % N)th neighbour. A curved or
    skewed continuum stays near 1, because it can be walked without crossing a gap. A random `most` rows if there are
    more.
    """
    if len(points) > most:
        points = points[np.random.default_rng([seed, 17]).choice(len(points), most, replace=False)]
    n = len(points)
    neighbour = min(max(10, n // 50), n - 1)
    reach = squareform(pdist(points))
    spacing = np.partition(reach, neighbour, axis=1)[:, neighbour]
    np.maximum(reach, spacing[:, None], out=reach)
    np.maximum(reach, spacing, out=reach)
    members, ratio = [[i] for i in range(n)], 1.0
    for a, b, height, _ in linkage(squareform(reach, checks=False), "single"):
        small, large = sorted((members[int(a)], members[int(b)]), key=len)
        if len(small) >= share * n and height > 0:
            inside = max(np.median(spacing[small]), np.median(spacing[large]))
            ratio = max(ratio, float(height / inside) if inside > 0 else float("inf"))
        large.extend(small)
        members.append(large)
    return ratio


def shape(points: np.ndarray, seed: int = 0) -> dict[str, float]:
    """What the verdict needs beside silhouettes, of points [N, D]: p of the dips of leading component and pairwise
    distances, and separation."""
    distances = sampled_distances(points, seed=seed)
    return {
        "dip_component_p": dip_p(dip(leading_component(points)), len(points)),
        "dip_distances_p": dip_p(dip(distances), len(distances)),
        "separation": separation(points, seed=seed),
    }


class Evidence(NamedTuple):
    """What is known of the clusters of one latent."""

    silhouettes: dict[str, Excess]  # by kind of null
    dip_component_p: float
    dip_distances_p: float
    separation: float

    @property
    def verdict(self) -> str:
        """See `verdict`."""
        return verdict(self.silhouettes["gaussian"], self.dip_component_p, self.dip_distances_p, self.separation)


def examine(points: np.ndarray, k: int, n_active: int | None = None, n_nulls: int = 20, seed: int = 0,
            n_init: int = RESTARTS) -> Evidence:
    """Evidence for clusters in one latent [N, D] at an assumed k; `n_active` defaults to the participation ratio."""
    value = silhouette(points, cluster(points, k, seed=seed, n_init=n_init))
    n_active = n_active or max(1, round(participation_ratio(points)))
    nulls = {kind: silhouette_null(points, k, kind, n_nulls, seed, n_init, n_active) for kind in NULLS}
    return Evidence({kind: excess(value, null) for kind, null in nulls.items()}, **shape(points, seed))


def verdict(gaussian: Excess, dip_component_p: float, dip_distances_p: float, apart: float) -> str:
    """One of `VERDICTS`, by `RULE`, from a silhouette beside its matched-covariance null, dip p and separation.

    Three tests at `ALPHA`: a Gaussian is called something else with probability at most 3 ALPHA (about ALPHA in
    practice, since a Gaussian's dips are smaller than a uniform's). The converse is no proof: a wide ring or a mild
    bend may pass as a Gaussian, and clusters that overlap are called a continuum.
    """
    beyond = gaussian.differs or min(dip_component_p, dip_distances_p) <= ALPHA
    return VERDICTS[2] if not beyond else VERDICTS[0] if apart >= SEPARATE else VERDICTS[1]


# --- how many clusters? ------------------------------------------------------------------------------------------


def best_k(points: np.ndarray, ks: range | list[int], seed: int = 0,
           n_init: int = RESTARTS) -> tuple[int, dict[int, float]]:
    """The k whose k-means has the highest silhouette, and the silhouette of each k."""
    curve = {k: silhouette(points, cluster(points, k, seed=seed, n_init=n_init)) for k in ks if k < len(points)}
    return max(curve, key=curve.get), curve


def gap_statistic(points: np.ndarray, k_max: int = 15, n_references: int = 10, seed: int = 0,
                  n_init: int = 2) -> pd.DataFrame:
    """Gap statistic of points [N, D] for k = 1 to k_max: columns `gap` and `error` (its simulation error), index k.

    Tibshirani, Walther and Hastie 2001: mean log within-cluster sum of squares of uniform clouds in the box along the
    data's principal components, minus the data's own. See `gap_k` for the choice.
    """
    rng = np.random.default_rng([seed, 19])
    centred = points - points.mean(0)
    axes = np.linalg.svd(centred, full_matrices=False)[2]
    box = centred @ axes.T
    clouds = [rng.uniform(box.min(0), box.max(0), box.shape) for _ in range(n_references)]
    rows = {}
    for k in range(1, min(k_max, len(points) - 1) + 1):
        null = np.array([_log_within(cloud, k, seed, n_init) for cloud in clouds])
        rows[k] = (null.mean() - _log_within(box, k, seed, n_init), null.std() * np.sqrt(1 + 1 / n_references))
    return pd.DataFrame.from_dict(rows, orient="index", columns=["gap", "error"]).rename_axis("k")


def _log_within(points: np.ndarray, k: int, seed: int, n_init: int) -> float:
    found = cluster(points, k, seed=seed, n_init=n_init) if k > 1 else np.zeros(len(points), int)
    return float(np.log(sum(((points[found == c] - points[found == c].mean(0)) ** 2).sum() for c in np.unique(found))))


def gap_k(table: pd.DataFrame) -> int:
    """The smallest k whose gap is at least the next one's less its error; the largest tried if there is none."""
    gap, error = table["gap"].to_numpy(), table["error"].to_numpy()
    enough = np.flatnonzero(gap[:-1] >= gap[1:] - error[1:])
    return int(table.index[enough[0] if len(enough) else -1])


_CRITERIA = {"silhouette": silhouette, "calinski_harabasz": metrics.calinski_harabasz_score,
             "davies_bouldin": metrics.davies_bouldin_score}


def criteria(points: np.ndarray, k_max: int = 15, seed: int = 0, n_init: int = 2) -> pd.DataFrame:
    """Curves [k, criterion] for the number of k-means clusters of points [N, D]: see `choose_k`."""
    curves = gap_statistic(points, k_max, seed=seed, n_init=n_init)
    for k in curves.index[1:]:
        found = cluster(points, k, seed=seed, n_init=n_init)
        for name, score in _CRITERIA.items():
            curves.loc[k, name] = score(points, found)
    return curves


def choose_k(curves: pd.DataFrame) -> dict[str, int]:
    """The number of clusters that each criterion chooses, from the curves of `criteria`.

    Silhouette and Calinski-Harabasz are to be high, Davies-Bouldin low; they cannot choose 1. The gap statistic can.
    """
    best = {name: curves[name].idxmin() if name == "davies_bouldin" else curves[name].idxmax() for name in _CRITERIA}
    return {"gap": gap_k(curves)} | {name: int(k) for name, k in best.items()}


# --- stability ---------------------------------------------------------------------------------------------------


def stability(points: list[np.ndarray], k: int, agree: Callable[[np.ndarray, np.ndarray], float], seed: int = 0,
              n_init: int = RESTARTS) -> float:
    """Mean pairwise agreement (say, ARI) of the k-means clusters of several latents of the same tracks."""
    found = [cluster(p, k, seed=seed, n_init=n_init) for p in points]
    pairs = [agree(found[i], found[j]) for i in range(len(found)) for j in range(i)]
    return float(np.mean(pairs)) if pairs else float("nan")


def seed_stability(points: list[np.ndarray], k: int, kind: str = "gaussian", n_nulls: int = 5, seed: int = 0,
                   n_init: int = 3) -> Excess:
    """ARI between the k-means clusters of several seeds' latents [N, D] each, beside clouds without clusters.

    A null draw is one cloud with the joint covariance (or copula) of all seeds' coordinates, cut up again: its parts
    are as alike, linearly, as the seeds are.
    """
    rng = np.random.default_rng([seed, 23])
    cuts = np.cumsum([p.shape[1] for p in points])[:-1]
    clouds = [np.split(draw_null(np.hstack(points), kind, rng), cuts, axis=1) for _ in range(n_nulls)]
    null = [stability(cloud, k, metrics.adjusted_rand_score, seed, n_init) for cloud in clouds]
    return excess(stability(points, k, metrics.adjusted_rand_score, seed, n_init), np.array(null))


def subsample_stability(points: np.ndarray, k: int, subsamples: list[np.ndarray], kind: str = "gaussian",
                        n_nulls: int = 5, seed: int = 0, n_init: int = 3) -> Excess:
    """ARI, on shared tracks, between k-means clusters of subsamples of points [N, D], beside clouds without clusters.

    `subsamples` are row numbers (`statistics.subsamples` keeps duplicates together); each is compared with the next.
    """
    rng = np.random.default_rng([seed, 29])
    null = [_overlap(draw_null(points, kind, rng), k, subsamples, seed, n_init) for _ in range(n_nulls)]
    return excess(_overlap(points, k, subsamples, seed, n_init), np.array(null))


def _overlap(points: np.ndarray, k: int, subsamples: list[np.ndarray], seed: int, n_init: int) -> float:
    found = [pd.Series(cluster(points[rows], k, seed=seed, n_init=n_init), rows) for rows in subsamples]
    pairs = [pd.concat(pair, axis=1, join="inner").to_numpy().T for pair in zip(found, found[1:], strict=False)]
    return float(np.mean([metrics.adjusted_rand_score(*pair) for pair in pairs]))
