"""Are there clusters? Dip tests and separation, and a verdict from a stated rule."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.cluster.hierarchy import linkage
from scipy.optimize import isotonic_regression
from scipy.spatial.distance import pdist, squareform

from lib.scores.clustering import RESTARTS, cluster, silhouette
from lib.scores.nulls import ALPHA, NULLS, Excess, excess, participation_ratio, silhouette_null, upper_p
from lib.store.remembering import shared
from lib.store.streams import stream

SEPARATE = 1.5  # separation from which groups count as clusters; single Gaussians in two dimensions or more stay below
VERDICTS = ("clusters", "non-Gaussian without a gap", "nothing beyond a Gaussian")
RULE = (f"beyond a Gaussian: silhouette differs from its matched-covariance null, or a dip test rejects, at {ALPHA:g} "
        f"each; clusters: also a separation of at least {SEPARATE:g}")


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
    return float(upper_p(value * np.sqrt(n), np.array(_uniform_dips(min(n, 1000)))))


@shared
def _uniform_dips(n: int, draws: int = 999) -> list[float]:
    rng = stream(n, "uniform samples for dips")
    return [float(np.sqrt(n) * dip(rng.random(n))) for _ in range(draws)]


def leading_component(points: np.ndarray) -> np.ndarray:
    """Coordinates [N] of points [N, D] along their direction of largest variance."""
    centred = points - points.mean(0)
    return centred @ np.linalg.eigh(np.atleast_2d(np.cov(centred.T)))[1][:, -1]


def sampled_distances(points: np.ndarray, n_pairs: int = 5000, seed: int = 0) -> np.ndarray:
    """Euclidean distances [n_pairs] of random pairs of different rows of points [N, D]."""
    rng = stream(seed, "pairs of rows")
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
        points = points[stream(seed, "rows of a cluster tree").choice(len(points), most, replace=False)]
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


def shape_of(points: np.ndarray, seed: int = 0) -> dict[str, float]:
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
        """One of `VERDICTS`, by `RULE`, from the silhouette beside its matched-covariance null, dip p and separation.

        Three tests at `ALPHA`: a Gaussian is called something else with probability at most 3 ALPHA (about ALPHA in
        practice, since a Gaussian's dips are smaller than a uniform's). The converse is no proof: a wide ring or a mild
        bend may pass as a Gaussian, and clusters that overlap are said to have no gap.
        """
        if not (self.silhouettes["gaussian"].differs or min(self.dip_component_p, self.dip_distances_p) <= ALPHA):
            return VERDICTS[2]
        return VERDICTS[0] if self.separation >= SEPARATE else VERDICTS[1]


def examine(points: np.ndarray, k: int, n_active: int | None = None, n_nulls: int = 20, seed: int = 0,
            n_init: int = RESTARTS) -> Evidence:
    """Evidence for clusters in one latent [N, D] at an assumed k; `n_active` defaults to the participation ratio."""
    value = silhouette(points, cluster(points, k, seed=seed, n_init=n_init))
    n_active = n_active or max(1, round(participation_ratio(points)))
    nulls = {kind: silhouette_null(points, k, kind, n_nulls, seed, n_init, n_active) for kind in NULLS}
    return Evidence({kind: excess(value, null) for kind, null in nulls.items()}, **shape_of(points, seed))
