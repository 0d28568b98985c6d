"""How many clusters? The gap statistic, other criteria, and stability."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
from sklearn import metrics

from lib.scores import nulls
from lib.scores.clustering import cluster, silhouette
from lib.scores.nulls import Excess
from lib.store.streams import stream

STARTS = 3  # of k-means, where stability is asked for


# --- how many clusters? ------------------------------------------------------------------------------------------
def gap_statistic(points: np.ndarray, k_max: int = 15, n_references: int = 10, seed: int = 0,
                  n_init: int = 2) -> pd.DataFrame:
    """Gap statistic of points [N, D] for k = 1 to k_max: columns `gap` and `error` (its simulation error), index k.

    Tibshirani, Walther and Hastie 2001: mean log within-cluster sum of squares of uniform clouds in the box along the
    data's principal components, minus the data's own. See `gap_k` for the choice.
    """
    rng = stream(seed, "uniform clouds of the gap")
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
def mean_ari(points: list[np.ndarray], k: int) -> float:
    """Mean pairwise agreement (ARI) of the k-means clusters of several latents of the same tracks."""
    pairs = itertools.combinations([cluster(p, k, n_init=STARTS) for p in points], 2)
    return float(np.mean([metrics.adjusted_rand_score(b, a) for a, b in pairs])) if len(points) > 1 else float("nan")


def seed_stability(points: list[np.ndarray], k: int, n_nulls: int = 5) -> Excess:
    """ARI between the k-means clusters of several seeds' latents [N, D] each, beside clouds without clusters.

    A null draw is one Gaussian cloud with the joint covariance of all seeds' coordinates, cut up again: its parts are
    as alike, linearly, as the seeds are.
    """
    rng = stream(0, "clouds for seeds")
    cuts = np.cumsum([p.shape[1] for p in points])[:-1]
    clouds = [np.split(nulls.draw_null(np.hstack(points), "gaussian", rng), cuts, axis=1) for _ in range(n_nulls)]
    return nulls.excess(mean_ari(points, k), np.array([mean_ari(cloud, k) for cloud in clouds]))


def subsample_stability(points: np.ndarray, k: int, subsamples: list[np.ndarray], n_nulls: int = 5) -> Excess:
    """ARI, on shared tracks, between k-means clusters of subsamples of points [N, D], beside clouds without clusters.

    `subsamples` are row numbers (`intervals.subsamples` keeps duplicates together); each is compared with the next.
    """
    rng = stream(0, "clouds for subsamples")
    null = [_overlap(nulls.draw_null(points, "gaussian", rng), k, subsamples) for _ in range(n_nulls)]
    return nulls.excess(_overlap(points, k, subsamples), np.array(null))


def _overlap(points: np.ndarray, k: int, subsamples: list[np.ndarray]) -> float:
    found = [pd.Series(cluster(points[rows], k, n_init=STARTS), rows) for rows in subsamples]
    pairs = [pd.concat(pair, axis=1, join="inner").to_numpy().T for pair in zip(found, found[1:], strict=False)]
    return float(np.mean([metrics.adjusted_rand_score(*pair) for pair in pairs]))
