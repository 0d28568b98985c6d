"""Rows of arrays: which are identical, which are equal up to rounding, and what lies between labels."""

from __future__ import annotations

import itertools

import numpy as np
from scipy import stats
from sklearn.neighbors import NearestNeighbors

from lib.store.arithmetic import standardised

EQUAL = 1e-6  # of a column's spread: the same input computed in another batch differs by less
MOST_OF_A_GROUP = 40  # rows of one group of equal ones that are compared pair by pair


def identical(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number of each row's group of identical rows [N], and the groups' sizes."""
    flat = np.ascontiguousarray(x + 0.0)  # -0 becomes 0
    keys = flat.view(np.dtype((np.void, flat.itemsize * flat.shape[1]))).ravel()
    _, group, counts = np.unique(keys, return_inverse=True, return_counts=True)
    return group.ravel(), counts


def groups_of_equal(x: np.ndarray) -> list[np.ndarray]:
    """Row numbers of each group of two or more rows of x [N, D] that are equal up to rounding."""
    spread = x.std(0)
    varies = spread > 1e-12 * np.abs(x).max(initial=0)
    if not varies.any():
        return []
    coded = np.round((x[:, varies] - x[:, varies].mean(0)) / spread[varies] / EQUAL)
    direction = np.random.default_rng(59).standard_normal(coded.shape[1])  # the same for every array
    key = coded @ direction / np.linalg.norm(direction)
    order = np.argsort(key, kind="stable")
    near = np.diff(key[order]) <= np.sqrt(coded.shape[1])  # rows equal lie together in any direction
    cuts = np.split(order, np.flatnonzero(~near) + 1)
    return [np.sort(group) for part in cuts if len(part) > 1 for group in _equal_in(coded, part)]


def _equal_in(coded: np.ndarray, part: np.ndarray) -> list[np.ndarray]:
    left, out = part, []
    while len(left) > 1:
        same = np.abs(coded[left] - coded[left[0]]).max(1) <= 1
        out += [left[same]] if same.sum() > 1 else []
        left = left[~same]
    return out


def pairs_of(groups: list[np.ndarray]) -> list[tuple[int, int]]:
    """All pairs (i < j) inside groups, of large groups those of its first `MOST_OF_A_GROUP` rows."""
    return [(int(i), int(j)) for group in groups for i, j in itertools.combinations(group[:MOST_OF_A_GROUP], 2)]


def equal_across(x: np.ndarray, y: np.ndarray) -> list[tuple[int, int]]:
    """Pairs of rows equal in x [N, D] and of two labels."""
    return [(i, j) for i, j in pairs_of(groups_of_equal(x)) if y[i] != y[j]]


def equal_pairs(source: np.ndarray, target: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Of the pairs equal in the source, how many are equal in the target: of one label, and of two.

    `equal_p`: chance that those of two labels are kept so rarely if labels play no role (Fisher's exact test); 1 where
    pairs of one label differ too (a sample of z, dropout) or there are none.
    """
    where = np.full(len(target), -1)
    for number, group in enumerate(groups_of_equal(target)):
        where[group] = number
    counts = {True: [0, 0], False: [0, 0]}
    for i, j in pairs_of(groups_of_equal(source)):
        counts[y[i] == y[j]][0] += int(where[i] >= 0 and where[i] == where[j])
        counts[y[i] == y[j]][1] += 1
    (kept, same), (crossed, across) = counts[True], counts[False]
    certain = same > 0 and kept == same and across > 0
    p = stats.fisher_exact([[kept, same - kept], [crossed, across - crossed]], "greater")[1] if certain else 1.0
    return {"equal": same, "equal_kept": kept, "equal_across": across, "equal_across_kept": crossed,
            "equal_p": float(p)}


def between(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Share of each standardised column's variance [D] that lies between labels."""
    codes = np.unique(y, return_inverse=True)[1]
    counts = np.bincount(codes)
    means = np.stack([np.bincount(codes, column) / counts for column in (x - x.mean(0)).T], 1)
    return (counts[:, None] * means**2).sum(0) / len(y) / np.maximum(x.var(0), 1e-300)


def label_step(source: np.ndarray, x: np.ndarray, y: np.ndarray, k: int = 6) -> float:
    """How much farther apart in x neighbours in the source of another label lie than those of the same, at equal
    distance in the source: a ratio by least squares of log distances, to be read beside a test; NaN for few pairs."""
    a, b = standardised(source, drop=True), standardised(x, drop=True)
    far, near = NearestNeighbors(n_neighbors=min(k, len(y) - 1)).fit(a).kneighbors()
    here = np.sqrt(((b[:, None, :] - b[near]) ** 2).sum(2)).ravel()
    far, other = far.ravel(), (y[:, None] != y[near]).ravel().astype(float)
    keep = (far > 1e-6 * np.median(far)) & (here > 1e-6 * np.median(here))
    if not 20 <= other[keep].sum() <= keep.sum() - 20:
        return float("nan")
    design = np.c_[np.ones(keep.sum()), np.log(far[keep]), other[keep]]
    return float(np.exp(np.linalg.lstsq(design, np.log(here[keep]), rcond=None)[0][2]))
