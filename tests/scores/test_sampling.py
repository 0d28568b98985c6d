"""What is computed of a sample agrees with what all rows give, within the error that it says of itself."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lib.models import umap
from lib.scores import agreement, clustering, jackknife, probes, sampling
from lib.store import sizes

N, K = 3000, 6


@pytest.fixture(scope="module")
def cloud() -> tuple[np.ndarray, np.ndarray]:
    """Six groups that overlap [3000, 8], and their labels."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, K, N)
    return 1.3 * rng.standard_normal((K, 8))[labels] + rng.standard_normal((N, 8)), labels


@pytest.fixture
def sampled(monkeypatch):
    """As if a thousand rows were many."""
    monkeypatch.setattr(sizes, "EXACT", 1000)
    monkeypatch.setattr(sizes, "LEARNED", 800)


@pytest.fixture(scope="module")
def found(cloud) -> pd.DataFrame:
    """What samples of a third give."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sizes, "EXACT", 1000)
        patch.setattr(sizes, "LEARNED", 800)
        return sampling.errors(*cloud, K).set_index("of")


def exactly(points: np.ndarray, labels: np.ndarray, measure: str) -> float:
    if measure == "silhouette":
        return clustering.silhouette(points, clustering.cluster(points, K))
    if measure in probes.READERS:
        return probes.probe_accuracy(points, labels, measure)
    return agreement.external(labels, clustering.cluster(points, K, measure))["nmi"]


@pytest.mark.slow
@pytest.mark.parametrize("measure, most", [("silhouette", 0.006), ("agglomerative", 0.05), ("spectral", 0.1),
                                           ("rbf", 0.03), ("knn", 0.03)])
def test_a_sample_of_a_third_agrees_with_all_three_thousand_rows(cloud, found, measure, most):
    whole = exactly(cloud[0] / cloud[0].std(0), cloud[1], measure)
    one = found.loc["kmeans" if measure == "silhouette" else measure]
    assert abs(one["value"] - whole) < most and 0 < one["error"] < most, (one, whole)
    assert one["tracks used"] == (800 if measure in probes.READERS else 1000)


@pytest.mark.parametrize("method", clustering.CLUSTERERS)
def test_every_row_has_a_cluster_though_a_sample_was_clustered(cloud, sampled, method):
    found = clustering.cluster(cloud[0], K, method, seed=3)
    assert found.shape == (N,) and found.min() >= -1
    np.testing.assert_array_equal(found, clustering.cluster(cloud[0], K, method, seed=3))


def test_nothing_is_sampled_up_to_the_size_that_is_exact(cloud, monkeypatch):
    monkeypatch.setattr(sizes, "stream", lambda *_: pytest.fail("a sample was drawn"))
    assert sizes.EXACT >= N and sampling.errors(*cloud, K).empty
    ids = np.arange(N) % K
    clustering.silhouette(cloud[0], ids)
    jackknife.silhouettes(cloud[0], ids, np.arange(N) % 3)
    whole = probes.folds(2).split(cloud[0], ids)
    for one, other in zip(probes.of_some(cloud[0], ids, 2), whole, strict=True):
        np.testing.assert_array_equal(one[0], other[0])


def test_silhouettes_without_units_are_of_the_sample_of_the_silhouette(cloud, sampled):
    ids = np.random.default_rng(1).integers(0, K, N)
    whole = jackknife.silhouettes(cloud[0], ids, np.arange(N) % 4, seed=2)[0]
    assert whole == pytest.approx(clustering.silhouette(cloud[0], ids, 2))


def test_blocks_of_rows_are_the_rows():
    data = np.random.default_rng(0).random((600, 3))
    assert [len(block) for block in sizes.blocks(data)] == [256, 256, 88]
    np.testing.assert_array_equal(sizes.by_blocks(lambda block: block * 2, data), data * 2)


@pytest.mark.slow
def test_neighbours_of_many_rows_are_nearly_all_found(cloud, monkeypatch):
    whole = umap.neighbours(cloud[0], 20)
    points = np.vstack([cloud[0], cloud[0][:3]])  # and copies
    monkeypatch.setattr(sizes, "EXACT", 1000)
    far, near = umap.neighbours(points, 20)
    assert far.shape == near.shape == (N + 3, 20) and (near != np.arange(N + 3)[:, None]).all()
    found = np.mean([len({*a} & {*b}) for a, b in zip(whole[1], near, strict=False)]) / 20
    assert found > 0.97
    assert np.isclose(far[3:N, 0], whole[0][3:, 0], rtol=1e-4).mean() > 0.98
