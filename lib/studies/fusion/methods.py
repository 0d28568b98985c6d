"""Two modalities of the same tracks made into one, without labels: a ladder of methods, its controls, and what it
gains.

A modality is a table [track, column]; modalities are joined by track id. Every method gives points [track, column] that
are then clustered alike, so the methods differ in what they join and in nothing else.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd
from sklearn.cross_decomposition import CCA
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning

from lib.features import blocks
from lib.scores import clustering, properties
from lib.store.arithmetic import unit_variance
from lib.store.streams import stream

Points = dict[int, pd.DataFrame]  # by seed: [track, column]


def balanced_weight(a: pd.DataFrame, b: pd.DataFrame, k: int, seed: int = 0, steps: int = 5, most: int = 500) -> float:
    """The weight of the second modality at which the joint clusters serve both modalities alike; no label is used.

    Served: the share of a modality's variance that lies between the joint clusters, relative to what k-means on that
    modality alone reaches. More weight serves the second modality better and the first worse, so the balance is found
    by bisection, on a sample of `most` tracks where there are more.
    """
    a, b = blocks.join(a, b)
    rows = np.sort(stream(seed, "tracks of balanced blocks").permutation(len(a))[:most])
    one, two = (unit_variance(modality.iloc[rows].to_numpy(float)) for modality in (a, b))

    def between(points: np.ndarray, clustered: np.ndarray) -> float:
        ids = clustering.cluster(clustered, k, seed=seed, n_init=1)
        return 1 - float((properties.remove_means(points, ids) ** 2).sum() / len(points))

    own = between(one, one), between(two, two)
    low, high = 0.0, 1.0
    for _ in range(steps):
        weight = (low + high) / 2
        joint = np.hstack([np.sqrt(1 - weight) * one, np.sqrt(weight) * two])
        if between(one, joint) * own[1] > between(two, joint) * own[0]:
            low = weight
        else:
            high = weight
    return (low + high) / 2


def balanced_blocks(a: pd.DataFrame, b: pd.DataFrame, k: int, seed: int = 0) -> pd.DataFrame:
    """`weighted_blocks` with the weight of `balanced_weight`."""
    return blocks.weighted_blocks(a, b, balanced_weight(a, b, k, seed))


def canonical(a: pd.DataFrame, b: pd.DataFrame, k: int) -> pd.DataFrame:
    """The k - 1 pairs of directions along which the modalities correlate most, each direction of unit variance.

    Where modalities are independent given the cluster, these directions span the clusters' means (Chaudhuri et al.
    2009). Each modality is first reduced to one principal component for every ten tracks, or CCA would correlate noise
    perfectly.
    """
    a, b = blocks.join(a, b)
    one, two = (_reduced(modality.to_numpy(float)) for modality in (a, b))
    n_pairs = max(1, min(k - 1, one.shape[1], two.shape[1]))
    with warnings.catch_warnings():  # weak directions need not converge
        warnings.simplefilter("ignore", ConvergenceWarning)
        scores = CCA(n_pairs, max_iter=500, tol=1e-4).fit(one, two).transform(one, two)
    columns = [f"{side}_{i}" for side in "ab" for i in range(n_pairs)]
    points = np.hstack(scores)
    return pd.DataFrame(points / np.maximum(points.std(0), 1e-12), a.index, columns)


def _reduced(points: np.ndarray) -> np.ndarray:
    """Principal components of points [N, D] that vary, at most one for every ten rows."""
    scores = PCA(max(1, min(len(points) // 10, points.shape[1])), svd_solver="full").fit_transform(points)
    spread = scores.std(0)
    return scores[:, spread >= 1e-5 * spread[0]]


def consensus(a: pd.DataFrame, b: pd.DataFrame, k: int, seed: int = 0, repeats: int = 3) -> pd.DataFrame:
    """Late fusion: each modality is clustered alone, `repeats` times; a track's columns say which clusters it was in.

    k-means on these columns finds the partition that shares most (quadratic) mutual information with all of them
    (Topchy, Jain and Punch 2005). How clusters are numbered makes no difference.
    """
    a, b = blocks.join(a, b)
    parts = {}
    for side, modality in (("a", a.to_numpy(float)), ("b", b.to_numpy(float))):
        for i in range(repeats):
            ids = clustering.cluster(modality, k, seed=1000 * seed + i, n_init=1)
            parts |= {f"{side}_{i}_{c}": (ids == c).astype(float) for c in np.unique(ids)}
    return pd.DataFrame(parts, index=a.index)


METHODS: dict[str, Callable[[pd.DataFrame, pd.DataFrame, int, int], pd.DataFrame]] = {  # of modalities, clusters, seed
    "concat": lambda a, b, k, seed: blocks.concatenate(a, b),
    "blocks": lambda a, b, k, seed: blocks.weighted_blocks(a, b),
    "weighted": balanced_blocks,
    "cca": lambda a, b, k, seed: canonical(a, b, k),
    "late": consensus,
}
MEANING = {
    "concat": "columns side by side",
    "blocks": "columns side by side, each modality scaled to the same total variance",
    "weighted": "the same, weighted so that the joint clusters explain both modalities equally well",
    "cca": "canonical variates of both modalities, k − 1 pairs",
    "late": "consensus of clusterings of each modality alone",
    "poe": "latent of a VAE with a product of experts; tracks may lack a modality",
}
