"""Entropy, mutual information and active dimensions, in nats."""

from __future__ import annotations

import numpy as np


def mutual_information(joint: np.ndarray) -> float:
    """Mutual information in nats of a joint distribution."""
    product = joint.sum(1, keepdims=True) * joint.sum(0)
    return float((joint * np.log(np.where(joint > 0, joint / np.where(product > 0, product, 1), 1))).sum())


ACTIVE_NATS = 0.1  # a latent dimension is active when its mean KL exceeds this


def active_dimensions(kl: np.ndarray) -> np.ndarray:
    """Number of latent dimensions with KL above 0.1 nats; kl [..., L] -> [...].

    Not Burda's Var(mu) > 0.01, which counts all ten dimensions of a collapsed CVAE as active.
    """
    return (np.asarray(kl) > ACTIVE_NATS).sum(-1)


def entropy(y: np.ndarray) -> float:
    """Entropy in nats of the labels [N] as they are distributed."""
    share = np.unique(y, return_counts=True)[1] / len(y)
    return float(-(share * np.log(share)).sum())
