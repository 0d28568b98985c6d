"""Consensus clustering: known answers, chance, unequal classes, and the same numbers twice."""

import numpy as np
import pytest

from lib.models import consensus
from lib.scores import agreement

CHOICE = consensus.protocol()
HEADS_ONLY = CHOICE.model_copy(update={"n_umaps": 0})
SMALL = CHOICE.model_copy(update={"n_umaps": 2, "n_heads": 3})


def blobs(sizes: list[int], d: int = 12, apart: float = 4.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Points [track, d] in clouds of these sizes, and the cloud of each."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    return (apart * rng.standard_normal((len(sizes), d))[y] + rng.standard_normal((len(y), d))).astype(np.float32), y


def test_co_association_is_the_share_of_partitions_that_join_a_pair():
    shared = consensus.coassociation(np.array([[0, 0, 1], [5, 2, 2]]))
    assert shared.tolist() == [[1, 0.5, 0], [0.5, 1, 0.5], [0, 0.5, 1]]


def test_the_cut_follows_the_majority_of_partitions():
    """Two of three partitions know the answer; the third is dealt at random. Cluster numbers mean nothing."""
    rng, y = np.random.default_rng(0), np.repeat([0, 1, 2], 30)
    parts = np.stack([y, (y + 1) % 3, rng.permutation(y)])
    assert agreement.nmi(y, consensus.cut(consensus.coassociation(parts), 3, seed=0)) == pytest.approx(1)


@pytest.mark.slow
@pytest.mark.parametrize("sizes, least", [([40, 40, 40, 40], 0.95), ([100, 40, 20, 12], 0.8)], ids=["equal", "unequal"])
def test_clouds_far_apart_are_recovered(sizes, least):
    """The consensus finds them, though heads like clusters of equal size and agree less where they are not."""
    x, y = blobs(sizes)
    found, agreed = consensus.consensus(x, 4, seed=0, choice=SMALL)
    assert agreement.nmi(y, found) > 0.95 and agreed > least


def test_heads_find_clouds_of_unequal_size_less_exactly_but_do_not_collapse():
    x, y = blobs([100, 40, 20, 12])
    parts = consensus.heads(x, 4, 0, HEADS_ONLY)
    assert parts.shape == (CHOICE.n_heads, len(x))
    assert np.mean([agreement.nmi(y, part) for part in parts]) > 0.6
    assert min(len(np.unique(part)) for part in parts) > 1


@pytest.mark.slow
@pytest.mark.parametrize("k", [2, 3, 7])
def test_there_are_k_clusters(k):
    x, _ = blobs([30, 30, 30])
    assert len(np.unique(consensus.consensus(x, k, 0, SMALL)[0])) == k


@pytest.mark.slow
def test_where_there_is_nothing_to_find_agreement_is_that_of_chance():
    x, y = blobs([50, 50, 50])
    found, agreed = consensus.of_nothing(x, 3, 0, SMALL)
    clear, well = consensus.consensus(x, 3, 0, SMALL)
    assert agreement.nmi(y, found) < 0.08 < 0.9 < agreement.nmi(y, clear)
    assert agreed < well


def test_the_null_has_the_points_covariance_and_none_of_their_tracks(monkeypatch):
    met = []
    monkeypatch.setattr(consensus, "consensus", lambda x, *rest: met.append(x))
    x, _ = blobs([2000, 2000], d=3)
    consensus.of_nothing(x, 2, 0, CHOICE)
    assert np.allclose(np.cov(met[0].T), np.cov(x.T), atol=1.5)
    assert not (met[0][:, None] == x[None, :200]).all(-1).any()


@pytest.mark.slow
def test_the_same_seed_gives_the_same_clusters_and_another_seed_other_parts():
    x, _ = blobs([40, 30, 20], apart=0.8)
    first, again, other = (consensus.partitions(x, 3, seed, SMALL) for seed in (0, 0, 1))
    assert (first == again).all() and not (first == other).all()
    assert (consensus.consensus(x, 3, 0, SMALL)[0] == consensus.consensus(x, 3, 0, SMALL)[0]).all()


@pytest.mark.slow
def test_few_tracks_do():
    x, _ = blobs([6, 6])
    assert len(consensus.consensus(x, 2, 0, SMALL)[0]) == 12
