"""Arithmetic that several packages share: entropy in nats, columns and blocks on one scale, modulation in time."""

from __future__ import annotations

import numpy as np
import scipy.fft
from scipy.special import xlogy


def entropy(p: np.ndarray, axis: int | None = None):
    """Entropy in nats of probabilities, over all of them or along one axis."""
    return -xlogy(p, p).sum(axis)


def joint(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Joint frequencies [A, B] of two codings [n] by whole numbers from 0."""
    rows, columns = int(a.max()) + 1, int(b.max()) + 1
    return np.bincount(a * columns + b, minlength=rows * columns).reshape(rows, columns) / len(a)


def mutual_information(joint: np.ndarray) -> float:
    """Mutual information in nats of a joint distribution [A, B]."""
    return max(0.0, float(entropy(joint.sum(1)) + entropy(joint.sum(0)) - entropy(joint)))


def standardised(x: np.ndarray, least: float | None = None, drop: bool = False) -> np.ndarray:
    """Columns of x [N, D] with mean 0 and variance 1; constant ones become zero, or are left out (`drop`).

    Constant is a standard deviation of at most `least`: by default what rounding can give.
    """
    spread = x.std(0)
    varies = ~(spread <= (1e-12 * np.abs(x).max(initial=0) if least is None else least))  # NaN stays NaN
    if drop:
        return (x - x.mean(0))[:, varies] / spread[varies]
    return np.where(varies, x - x.mean(0), 0) / np.where(varies, spread, 1)


def unit_variance(x):
    """x [N, D], an array or a table, centred and scaled to a total variance of one; columns keep their proportions."""
    centred = x - x.mean(0)
    total = float((np.asarray(centred) ** 2).sum() / max(len(x), 1))
    return centred / np.sqrt(total) if total > 0 else centred


def modulation(levels: np.ndarray, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """Power of levels' swings [..., frequency] over time [..., frame] (Hann window, mean removed), and their
    frequencies, Hz; `rate` in frames per second."""
    windowed = (levels - levels.mean(-1, keepdims=True)) * np.hanning(levels.shape[-1])
    return np.abs(scipy.fft.rfft(windowed, axis=-1)) ** 2, scipy.fft.rfftfreq(levels.shape[-1], 1 / rate)
