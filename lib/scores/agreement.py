"""Agreement of two partitions of the same tracks."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn import metrics
from sklearn.metrics.cluster import contingency_matrix

from lib.store import arithmetic
from lib.store.labels import FEW

METRICS = ("nmi", "ami", "ari", "accuracy", "purity", "inverse_purity")


def counted(labels: np.ndarray) -> np.ndarray:
    """Which of the rows count in scores of labels [N]: those whose label has at least five tracks; none of them where
    fewer than two labels have."""
    _, codes, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    return (sizes[codes] >= FEW) & ((sizes >= FEW).sum() > 1)


def external(labels: np.ndarray, clusters: np.ndarray) -> dict[str, float]:
    """Agreement of clusters with labels, both [N], over the rows that count (`counted`); NaN where none does.

    `purity` gives each cluster its commonest label, `inverse_purity` each label its commonest cluster; `accuracy` is
    the best one-to-one matching (Hungarian). Noise (-1) counts as one more cluster. `ami` and `ari` are corrected for
    chance, `nmi` (arithmetic mean) is not.
    """
    rows = counted(labels)
    labels, clusters = np.asarray(labels)[rows], np.asarray(clusters)[rows]
    if not len(labels):
        return dict.fromkeys(METRICS, float("nan"))
    table = contingency_matrix(labels, clusters)
    rows, columns = linear_sum_assignment(table, maximize=True)
    return {
        "nmi": _nmi(table / table.sum()),
        "ami": float(metrics.adjusted_mutual_info_score(labels, clusters)),
        "ari": float(metrics.adjusted_rand_score(labels, clusters)),
        "accuracy": float(table[rows, columns].sum() / table.sum()),
        "purity": float(table.max(axis=0).sum() / table.sum()),
        "inverse_purity": float(table.max(axis=1).sum() / table.sum()),
    }


def nmi(a: np.ndarray, b: np.ndarray) -> float:
    """scikit-learn's `normalized_mutual_info_score` of two codings [n] by whole numbers from 0, in a thirtieth of its
    time; NaN of none."""
    return _nmi(arithmetic.joint(a, b)) if len(a) else float("nan")


def _nmi(joint: np.ndarray) -> float:
    """The same of a joint distribution [A, B]."""
    whole = float(arithmetic.entropy(joint.sum(1)) + arithmetic.entropy(joint.sum(0)))
    return 2 * arithmetic.mutual_information(joint) / whole if whole > 0 else 1.0


def nmi_without(a: np.ndarray, b: np.ndarray, block: np.ndarray, n_blocks: int) -> np.ndarray:
    """`nmi` of two codings [n] of all rows, then without each block of rows [n]: [1 + n_blocks], from one table of
    counts per block. NaN where nothing is left."""
    shape = (n_blocks, int(a.max()) + 1, int(b.max()) + 1)
    each = np.bincount(np.ravel_multi_index((block, a, b), shape), minlength=np.prod(shape)).reshape(shape)
    counts = each.sum(0) - np.concatenate([np.zeros((1, *shape[1:]), int), each])
    with np.errstate(invalid="ignore"):
        joint = counts / counts.sum((1, 2), keepdims=True)
        single = sum(arithmetic.entropy(joint.sum(axis), 1) for axis in (1, 2))
        mutual = np.maximum(single - arithmetic.entropy(joint.reshape(len(joint), -1), 1), 0)
        return np.where(single == 0, 1.0, 2 * mutual / single)


def nmi_null(labels: np.ndarray, clusters: np.ndarray, rng: np.random.Generator, draws: int = 20) -> np.ndarray:
    """NMI [draws] of labels and clusters, both [n], with the labels permuted: what chance gives to `external`."""
    rows = counted(labels)
    y, found = (np.unique(part[rows], return_inverse=True)[1] for part in (labels, clusters))
    return np.array([nmi(rng.permutation(y), found) for _ in range(draws)])
