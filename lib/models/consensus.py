"""Consensus clustering: many partitions of the same tracks, how often each pair shares a cluster, and one cut of that.

Partitions are k-means after UMAP, one a seed, and heads in the manner of SCAN (Van Gansbeke et al. 2020, 2005.12320);
their co-association (Fred and Jain 2005, "evidence accumulation") is cut by spectral clustering. No label is seen, but
for how many there are: k is given.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import torch
import yaml
from pydantic import BaseModel, ConfigDict
from sklearn.cluster import SpectralClustering
from sklearn.neighbors import NearestNeighbors

from lib.models import training, umap
from lib.scores import agreement, clustering, nulls
from lib.store import sizes
from lib.store.series import NOTEBOOKS
from lib.store.streams import stream

PROTOCOL = NOTEBOOKS / "protocols" / "consensus.yaml"


class Protocol(BaseModel):
    """Every constant of the consensus row (`PROTOCOL`): fixed before any real corpus was met by it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    n_umaps: int  # UMAP and k-means with seeds of their own
    umap_dim: int
    umap_epochs: int
    n_heads: int
    neighbours: int  # of a track, that a head shall put in its cluster
    entropy_weight: float  # of the entropy of a head's mean assignment, beside consistency
    steps: int  # of Adam, all tracks at once
    learning_rate: float
    weight_decay: float
    null_seeds: int  # seeds whose null is drawn as well


def protocol(path: Path = PROTOCOL) -> Protocol:
    """The constants in a protocol's file."""
    return Protocol(**yaml.safe_load(path.read_text())["constants"])


def coassociation(partitions: np.ndarray) -> np.ndarray:
    """Share of partitions [partition, track] in which two tracks share a cluster: [track, track], 1 on the diagonal."""
    shared = np.zeros((partitions.shape[1],) * 2)
    for one in partitions:
        shared += one[:, None] == one
    return shared / len(partitions)


def cut(shared: np.ndarray, k: int, seed: int) -> np.ndarray:
    """k clusters [track] of a co-association [track, track]: scikit-learn's spectral clustering, it as the affinity."""
    with warnings.catch_warnings():  # that the graph falls into parts: then these are clusters
        warnings.simplefilter("ignore", UserWarning)
        return SpectralClustering(k, affinity="precomputed", random_state=seed).fit_predict(shared)


def partitions(points: np.ndarray, k: int, seed: int, choice: Protocol) -> np.ndarray:
    """The partitions [partition, track] of points [track, d] that are joined: those after UMAP, then the heads'."""
    seeds = [1000 * seed + i for i in range(choice.n_umaps)]
    options = {"min_dist": 0.0, "n_epochs": choice.umap_epochs, "init": "pca"}
    maps = umap.umap(points, choice.umap_dim, seeds, **options) if seeds else []
    found = [clustering.cluster(each.astype(float), k, seed=one) for each, one in zip(maps, seeds, strict=True)]
    return np.stack([*found, *heads(points, k, seed, choice)])


def heads(points: np.ndarray, k: int, seed: int, choice: Protocol) -> np.ndarray:
    """Partitions [head, track] of linear heads on points [track, d], each from its own start.

    SCAN's loss: -log of the probability that a track and a random one of its neighbours share a cluster, minus the
    weighted entropy of the mean assignment, which likes clusters of equal size.
    """
    if not choice.n_heads:
        return np.empty((0, len(points)), dtype=int)
    where, rng = training.device(), stream(seed, "neighbours of heads")
    near = NearestNeighbors(n_neighbors=min(choice.neighbours, len(points) - 1)).fit(points)
    near = near.kneighbors(return_distance=False)
    x = torch.from_numpy(points / points.std()).float().to(where)
    with training.seeded(seed):
        weight = torch.randn(choice.n_heads, x.shape[1], k, device=where) / x.shape[1] ** 0.5
        weight, bias = weight.requires_grad_(), torch.zeros(choice.n_heads, 1, k, device=where, requires_grad=True)
        optimiser = torch.optim.AdamW([weight, bias], lr=choice.learning_rate, weight_decay=choice.weight_decay)
        for _ in range(choice.steps):
            picked = near[np.arange(len(near)), rng.integers(0, near.shape[1], len(near))]
            likely = torch.softmax(x @ weight + bias, dim=-1)  # [head, track, k]
            same = (likely * likely[:, torch.from_numpy(picked)]).sum(-1)
            mean = likely.mean(1)
            entropy = -(mean * mean.clamp_min(1e-8).log()).sum(-1)
            loss = (-same.clamp_min(1e-8).log().mean(-1) - choice.entropy_weight * entropy).sum()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return likely.detach().argmax(-1).cpu().numpy()


def consensus(points: np.ndarray, k: int, seed: int, choice: Protocol) -> tuple[np.ndarray, float]:
    """The row of one seed: k clusters [track] of points [track, d], and how far its partitions agree with them.

    That is the mean NMI of the clusters with each partition (Strehl and Ghosh 2002); it reads no labels. Above
    `sizes.EXACT` tracks it is the row of a sample, and each track goes where its nearest one in the sample is.
    """
    some = sizes.sample(len(points), seed, "rows of a consensus")
    if some is not None:
        found, agreed = consensus(points[some], k, seed, choice)
        return found[clustering.nearest(points, points[some])], agreed
    parts = partitions(points, k, seed, choice)
    found = cut(coassociation(parts), k, seed)
    return found, float(np.mean([agreement.nmi(found, part) for part in parts]))


def of_nothing(points: np.ndarray, k: int, seed: int, choice: Protocol) -> tuple[np.ndarray, float]:
    """`consensus` of a Gaussian cloud of the points' covariance, which is drawn before UMAP: the null of the row."""
    cloud = nulls.draw_null(points.astype(float), "gaussian", stream(seed, "clouds of a consensus"))
    return consensus(cloud.astype(np.float32), k, seed, choice)
