"""Maps that never see a label: what an honest study may have made of a source, as the null of `conditioning`."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor

from lib.store.arithmetic import standardised

CHEAP = ("linear", "relu", "tanh", "whitened components", "two layers")
TRAINED = ("trained autoencoder",)


def clipped(x: np.ndarray, most: float = 4.0) -> np.ndarray:
    """Standardised columns of x [N, D] without constant ones, cut at `most` standard deviations so that heavy tails do
    not decide a mean square, and standardised again."""
    return standardised(np.clip(standardised(x.astype(float), drop=True), -most, most), 1e-9, drop=True)


def draw(kind: str, x: np.ndarray, width: int, rng: np.random.Generator) -> np.ndarray:
    """A label-free image [N, width or fewer] of standardised x [N, D]: one of `CHEAP` or `TRAINED`.

    Layers have Gaussian weights; a gain from 0.5 to 3 takes them from almost linear to folded; biases let ReLUs fold
    anywhere.
    """
    n, d = x.shape
    if kind == "whitened components":
        left = np.linalg.svd(x - x.mean(0), full_matrices=False)[0]
        kept = left[:, : min(width, d)] * np.sqrt(n)
        return kept @ np.linalg.qr(rng.standard_normal((kept.shape[1], kept.shape[1])))[0]
    if kind == "trained autoencoder":
        return _bottleneck(x, width, rng)
    gain = np.exp(rng.uniform(np.log(0.5), np.log(3.0)))
    inner = gain * x @ rng.standard_normal((d, width)) / np.sqrt(d) + 0.5 * rng.standard_normal(width)
    if kind == "linear":
        return inner
    if kind == "relu":
        return np.maximum(inner, 0)
    if kind == "tanh":
        return np.tanh(inner)
    hidden = np.maximum(x @ rng.standard_normal((d, 64)) * np.sqrt(2 / d) + 0.2 * rng.standard_normal(64), 0)
    return np.tanh(gain * hidden @ rng.standard_normal((64, width)) / 8)


def _bottleneck(x: np.ndarray, width: int, rng: np.random.Generator) -> np.ndarray:
    """The code [N, width] of an autoencoder with one hidden layer on either side, trained on x alone."""
    kind = str(rng.choice(["relu", "tanh"]))
    network = MLPRegressor(hidden_layer_sizes=(64, width, 64), activation=kind, max_iter=60, learning_rate_init=3e-3,
                           random_state=int(rng.integers(2**31)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # published ones stop early, too
        network.fit(x, x)
    hidden = x @ network.coefs_[0] + network.intercepts_[0]
    hidden = np.maximum(hidden, 0) if kind == "relu" else np.tanh(hidden)
    return hidden @ network.coefs_[1] + network.intercepts_[1]
