"""Nuisances taken out of features without a network: what is fitted is fitted on training tracks alone."""

from __future__ import annotations

import numpy as np


def means(x: np.ndarray, codes: np.ndarray, train: np.ndarray) -> np.ndarray:
    """x [N, D] minus the mean of each track's group (codes [N]) over the training rows.

    A group without training rows, an unseen one, has the mean of its own tracks.
    """
    return x - _of_groups(x, codes, train)[0]


def zscores(x: np.ndarray, codes: np.ndarray, train: np.ndarray) -> np.ndarray:
    """The same over each group's standard deviations (at least a tenth of the pooled ones): ComBat's location and
    scale (Johnson et al. 2007) without its shrinkage."""
    mean, square = _of_groups(x, codes, train)
    spread = np.sqrt(np.maximum(square - mean**2, 0))
    pooled = np.sqrt(((x - mean)[train] ** 2).mean(0))
    return (x - mean) / np.maximum(spread, np.maximum(0.1 * pooled, 1e-8))


def _of_groups(x: np.ndarray, codes: np.ndarray, train: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means of x and of its squares [N, D] over each track's group."""
    origin = x[train].mean(0)
    known = np.zeros(len(x), bool)
    known[train] = True
    known |= ~np.isin(codes, codes[train])
    member = np.eye(codes.max() + 1)[codes]
    count = np.maximum(member[known].sum(0), 1)[:, None]
    first, second = ((member[known].T @ part[known] / count)[codes] for part in (x - origin, (x - origin) ** 2))
    return first + origin, second + 2 * first * origin + origin**2


def linear(x: np.ndarray, targets: np.ndarray, train: np.ndarray) -> np.ndarray:
    """x [N, D] as near as can be to what it was, but uncorrelated with targets [N, T] over the training rows: LEACE
    (Belrose et al. 2023, arXiv 2306.03819). It is one affine map, which a track goes through without its group."""
    mean = x[train].mean(0)
    centred, wanted = x[train] - mean, targets[train] - targets[train].mean(0)
    values, vectors = np.linalg.eigh(centred.T @ centred / len(train))
    kept = values > 1e-9 * values[-1]
    root, basis = np.sqrt(values[kept]), vectors[:, kept]
    whiten, colour = basis / root @ basis.T, basis * root @ basis.T
    left, size, _ = np.linalg.svd(whiten @ centred.T @ wanted / len(train), full_matrices=False)
    left = left[:, size > 1e-9 * max(size[0], 1e-300)]
    return x - (x - mean) @ whiten @ left @ left.T @ colour
