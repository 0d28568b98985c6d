"""How much does the label add to what one array tells of another? Kernel ridge regression, with the label and without.

The measure behind `conditioning`: an array that was computed from a source alone can be predicted from it as well
without the label as with it.
"""

from __future__ import annotations

import numpy as np
from sklearn.metrics import pairwise_distances

RIDGES = np.logspace(-4, 2, 5)
FLOOR = 0.01  # of a target's variance: below, errors are those of the ridge, and their ratio says nothing
WIDTHS = (4.0, 1.0)  # of Gaussian kernels, in median squared distances


class Teller:
    """A source x [N, D] (standardised) and labels y [N] as kernels, decomposed once for any number of targets."""

    def __init__(self, x: np.ndarray, y: np.ndarray):
        same = (y[:, None] == y[None, :]).astype(float)
        self.without, self.beside = [], []
        for kernel in _kernels(x):
            self.without.append(_decomposed(kernel + 1))
            # the label moves the source's function (sum), and bends it a little
            self.beside.append(_decomposed((kernel + 1) * (1 + 0.3 * same) + same))

    def errors(self, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean squared errors [C] of columns [N, C] (standardised), each row left out in turn: without the label and
        with it, by the kernel and ridge that serve a column best."""
        return _least(self.without, targets), _least(self.beside, targets)


def _kernels(x: np.ndarray) -> list[np.ndarray]:
    far = pairwise_distances(x, metric="sqeuclidean")
    middle = max(float(np.median(far)), 1e-12)
    return [x @ x.T / x.shape[1], *(10 * np.exp(-far / (width * middle)) for width in WIDTHS)]


def _decomposed(kernel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    values, vectors = np.linalg.eigh(kernel)
    return np.maximum(values, 0), vectors


def _least(kernels: list[tuple[np.ndarray, np.ndarray]], targets: np.ndarray) -> np.ndarray:
    least = np.full(targets.shape[1], np.inf)
    for values, vectors in kernels:
        turned, squares = vectors.T @ targets, vectors**2
        for ridge in RIDGES:
            weights = 1 / (values + ridge)
            left_out = vectors @ (weights[:, None] * turned) / (squares @ weights)[:, None]
            least = np.minimum(least, (left_out**2).mean(0))
    return least


def gain(without: np.ndarray, beside: np.ndarray) -> float:
    """What the label adds to a target: log of the ratio of its mean squared errors over columns [C], `FLOOR` added."""
    return float(np.log((without.mean() + FLOOR) / (beside.mean() + FLOOR)))
