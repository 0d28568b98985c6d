"""Active dimensions, and the entropy of labels, in nats."""

from __future__ import annotations

import numpy as np

from lib.store import arithmetic

ACTIVE_NATS = 0.1  # a latent dimension is active when its mean KL exceeds this


def active_dimensions(kl: np.ndarray) -> np.ndarray:
    """Number of latent dimensions with KL above 0.1 nats; kl [..., L] -> [...].

    Not Burda's Var(mu) > 0.01, which counts all ten dimensions of a collapsed CVAE as active.
    """
    return (np.asarray(kl) > ACTIVE_NATS).sum(-1)


def label_entropy(labels: np.ndarray) -> float:
    """Entropy of the labels [N] as they are distributed: all that anything can know of them."""
    return float(arithmetic.entropy(np.unique(labels, return_counts=True)[1] / len(labels)))
