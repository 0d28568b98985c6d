"""Active dimensions, and the entropy of labels, in nats."""

from __future__ import annotations

import numpy as np

from lib.store import arithmetic
from lib.store.streams import stream

ACTIVE_NATS = 0.1  # a latent dimension is active when its mean KL exceeds this


def active_dimensions(kl: np.ndarray) -> np.ndarray:
    """Number of latent dimensions with KL above 0.1 nats; kl [..., L] -> [...].

    Not Burda's Var(mu) > 0.01, which counts all ten dimensions of a collapsed CVAE as active.
    """
    return (np.asarray(kl) > ACTIVE_NATS).sum(-1)


def beyond_chance(found: np.ndarray, labels: np.ndarray, seed: int = 0, n: int = 50) -> tuple[float, np.ndarray]:
    """Mutual information in nats that codes `found` [N] have with `labels` [N] in this very sample (whole numbers from
    0), less what permuted labels have on average; and that of the `n` permutations."""
    rng = stream(seed, "permuted labels of clusters")
    null = np.array([arithmetic.mutual_information(arithmetic.joint(rng.permutation(labels), found))
                     for _ in range(n)])
    return arithmetic.mutual_information(arithmetic.joint(labels, found)) - float(null.mean()), null


def label_entropy(labels: np.ndarray) -> float:
    """Entropy of the labels [N] as they are distributed: all that anything can know of them."""
    return float(arithmetic.entropy(np.unique(labels, return_counts=True)[1] / len(labels)))
