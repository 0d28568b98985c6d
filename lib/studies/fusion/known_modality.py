"""A made-up second modality of the tracks whose information about the label is set, and computed rather than assumed.

A track's label passes a channel and becomes a code, one code per label; the code becomes a vector, its own direction
times `signal`, plus Gaussian noise. Two kinds put the loss in different places: in a `discrete` modality codes are
wrong and vectors clear, so it clusters perfectly at any information, even none; in a `noisy` modality codes are right
and vectors noisy. Either is drawn from the label alone: given the label it is independent of the audio, so it can add
to audio only what it says about the label, and its mistakes are not audio's.

Information is that of a track drawn from the population, with labels as common as among the tracks given; what a
finite sample happens to hold scatters around it. Nothing here comes from music.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.optimize import brentq

from lib.store.arithmetic import entropy, mutual_information
from lib.store.labels import must_be_open
from lib.store.streams import stream

KINDS = ("discrete", "noisy")
CLEAR = 12.0  # signal at which codes lie 17 standard deviations apart: vectors tell them without error
SAMPLES = 20_000  # of the Monte Carlo integral


class Made(NamedTuple):
    """What a second modality of a set amount of information is made by."""

    kind: str
    labels: np.ndarray  # [K], sorted
    channel: np.ndarray  # [code, label]: P(code | label)
    signal: float  # length of a code's vector, in standard deviations of the noise of one dimension
    code: float  # I(code; label) in nats, exact; the vectors hold at most that (data processing inequality)
    information: float  # I(vector; label) in nats, by Monte Carlo
    error: float  # its standard error, nats


def vector_information(channel: np.ndarray, prior: np.ndarray, signal: float, n: int = SAMPLES,
                       seed: int = 0) -> tuple[float, float]:
    """I(vector; label) in nats and its standard error: the mean fall from the prior's entropy to the posterior's.

    Codes have orthogonal vectors, so noise outside their span says nothing and is left out. The same draws serve every
    channel and signal, which makes the value a smooth function of both.
    """
    rng = stream(seed, "integral over vectors")
    joint = channel * prior
    chosen = np.searchsorted(np.cumsum(joint.sum(1)), rng.random(n) * joint.sum()).clip(max=len(joint) - 1)
    vectors = rng.standard_normal((n, len(joint)))
    vectors[np.arange(n), chosen] += signal
    # p(vector, label), up to a factor that labels share: the densities of two codes differ in signal x coordinate
    posterior = np.exp(signal * (vectors - vectors.max(1, keepdims=True))) @ joint
    posterior /= posterior.sum(1, keepdims=True)
    left = entropy(posterior, 1)
    return max(0.0, float(entropy(prior) - left.mean())), float(left.std(ddof=1) / np.sqrt(n))


def make(kind: str, labels: pd.Series, information: float) -> Made:
    """The modality of a kind that knows `information` nats of `labels` [track], 0 to their entropy (more is cut to it).

    A discrete modality is solved in its codes, whose information is exact, a noisy one in its vectors. Raises
    `ValueError` for another kind or a negative amount.
    """
    must_be_open(labels, "supervised_control")
    names, codes = np.unique(labels.to_numpy(), return_inverse=True)
    prior = np.bincount(codes) / len(codes)
    if kind not in KINDS or information < 0:
        raise ValueError(f"a modality is one of {KINDS} and knows 0 nats or more, not {kind!r} with {information}")
    channel, signal, whole = np.eye(len(names)), CLEAR, float(entropy(prior))
    if kind == "discrete" and information < whole - 1e-9:
        channel = _mixed(prior, _solve(lambda w: mutual_information(_mixed(prior, w) * prior), information, 1.0))
    elif kind == "noisy" and information < whole - 1e-3:
        signal = _solve(lambda s: vector_information(channel, prior, s)[0], information, CLEAR)
    return Made(kind, names, channel, signal, mutual_information(channel * prior),
                *vector_information(channel, prior, signal))


def _mixed(prior: np.ndarray, right: float) -> np.ndarray:
    """The channel [code, label] that keeps the label with chance `right`, and else draws a code as labels are drawn."""
    return right * np.eye(len(prior)) + (1 - right) * prior[:, None]


def _solve(value, wanted: float, high: float) -> float:
    """Where a function that rises from 0 at 0 reaches `wanted`."""
    return 0.0 if wanted < 1e-9 else brentq(lambda x: value(x) - wanted, 0.0, high, xtol=1e-6)


def draw(made: Made, labels: pd.Series, dim: int, seed: int) -> pd.DataFrame:
    """One draw of a modality for `labels` [track]: vectors [track, dim] of expected total variance one.

    Codes, their directions and the noise are drawn anew with the seed. Needs `dim` of at least the number of labels.
    """
    must_be_open(labels, "supervised_control")
    rng = stream(seed, "vectors of a modality")
    given = made.channel[:, np.searchsorted(made.labels, labels.to_numpy())]  # [code, track]
    chosen = (np.cumsum(given, axis=0) < rng.random(len(labels))).sum(0).clip(max=len(given) - 1)
    directions = np.linalg.qr(rng.standard_normal((dim, len(given))))[0].T  # [code, dim]
    vectors = made.signal * directions[chosen] + rng.standard_normal((len(labels), dim))
    shares = made.channel @ (np.bincount(np.searchsorted(made.labels, labels.to_numpy())) / len(labels))
    total = dim + made.signal**2 * (1 - (shares**2).sum())
    return pd.DataFrame(vectors / np.sqrt(total), labels.index)


def noise(tracks: pd.Index, dim: int, seed: int) -> pd.DataFrame:
    """A modality of no information and no clusters: Gaussian noise [track, dim] of expected total variance one."""
    values = stream(seed, "noise as a modality").standard_normal((len(tracks), dim)) / np.sqrt(dim)
    return pd.DataFrame(values, tracks)
