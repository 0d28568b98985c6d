"""Streams of random numbers by name: who draws for another purpose draws other numbers, from the same seed."""

from __future__ import annotations

import numpy as np

STREAMS = {
    "permuted labels of a clustering": 0,  # the score table counts on from here, by clustering seed
    "held-out groups": 1, "order of batches": 2,  # of models
    "permuted labels of the explorer": 3, "permuted labels of a probe": 5, "order of an online code": 6,
    "uniform samples for dips": 7, "rows of a silhouette": 11, "pairs of rows": 13, "rows of a cluster tree": 17,
    "uniform clouds of the gap": 19, "clouds for seeds": 23, "clouds for subsamples": 29, "groups of subsamples": 31,
    "words and fields refiled": 37, "bootstrap of mteb": 41, "permuted labels of clusters": 43,
    "permuted order of texts": 47, "rows of an array": 51, "tracks of balanced blocks": 53, "topics of dosed texts": 61,
    "simulated leaks": 67, "integral over vectors": 71, "vectors of a modality": 73, "noise as a modality": 79,
    "clouds without clusters": 77, "blocks of units": 83, "permuted nuisances": 89, "groups left out": 97,
    "tracks of a coincidence": 101, "label-free maps": 107, "hidden parts of a source": 109,
    "orders within labels": 113, "neighbours of heads": 131, "clouds of a consensus": 137,
    "permuted labels of an array": 127, "variants of the corpus": 149, "clouds to embed": 151,
    "rows of a clustering": 157, "rows of a reader": 163, "rows of a consensus": 167, "rows to measure sampling": 173,
    # These have the number of another stream, from before streams had names: they meet different data
    "permuted rows": 11, "recordings refiled": 29, "tracks permuted within labels": 31, "permuted slots": 31,
    "permuted texts": 41, "labels given to a decoder": 41, "labels given to an encoder": 43,
    "matched Gaussian features": 47, "permuted clusters of an array": 53,
}


def stream(seed: int, name: str, *more: int) -> np.random.Generator:
    """The random numbers of one purpose (`STREAMS`) at this seed; `more` numbers tell repetitions apart."""
    return np.random.default_rng([seed, STREAMS[name], *more])
