"""Scores with units left out are those of what is left, and their intervals stay those of `intervals`."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.models.latents import raw_latents
from lib.scores import agreement, clustering, intervals, jackknife, probes


def cloud(seed, n=60, k=4, m=12):
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, k, n)
    return rng.standard_normal((n, 3)) + 2 * ids[:, None], ids, rng.integers(0, m, n)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_silhouettes_are_those_of_what_is_left(seed):
    points, ids, block = cloud(seed)
    found = jackknife.silhouettes(points, ids, np.unique(block, return_inverse=True)[1])
    expected = [clustering.silhouette(points[block != one], ids[block != one]) for one in np.unique(block)]
    assert found[0] == pytest.approx(clustering.silhouette(points, ids))
    assert found[1:] == pytest.approx(expected, abs=1e-9)


def test_a_cluster_that_is_left_out_whole():
    points, ids, _ = cloud(0, k=3)
    found = jackknife.without_blocks(points, ids, ids)
    expected = [clustering.silhouette(points[ids != one], ids[ids != one]) for one in range(3)]
    assert found == pytest.approx(expected)
    two = jackknife.without_blocks(points[ids < 2], ids[ids < 2], ids[ids < 2])
    assert np.isnan(two).all()


def test_means_leave_out_blocks_and_what_does_not_count():
    values, block = np.array([1.0, np.nan, 3.0, 5.0]), np.array([0, 0, 1, 2])
    assert jackknife.means(values, block) == pytest.approx([3, 4, 3, 2])


def test_replicates_give_the_same_interval_as_the_statistic():
    rng = np.random.default_rng(0)
    values, groups = rng.standard_normal((4, 90)) + 0.3, rng.integers(0, 20, 90)
    direct = intervals.over_seeds_and_groups(lambda rows: values[:, rows].mean(1), groups)
    series = jackknife.of_tracks(dict(enumerate(values)), intervals.blocks(groups))
    assert intervals.over(series) == pytest.approx(direct.interval)
    assert intervals.p_of_zero(intervals.over(series)) == pytest.approx(direct.p)
    assert intervals.whole(series).to_numpy() == pytest.approx(values.mean(1))
    assert intervals.paired(series + 1, series)[:3] == pytest.approx((1, 1, 1))


def test_of_the_score_table_they_are_the_whole(prepared_run):
    run, x, labels = prepared_run
    found = raw_latents(run, x, [0, 1])
    y = np.unique(labels.loc[found.track.values], return_inverse=True)[1]
    nmi = intervals.whole(jackknife.of(run, found, labels, "nmi", 3))
    for seed in found.seed.values.tolist():
        ids = [clustering.cluster(found.mu.sel(seed=seed).values.astype(float), 3, seed=1000 * seed + j)
               for j in range(run.settings.n_cluster_seeds)]
        assert nmi[seed] == pytest.approx(np.mean([agreement.external(y, one)["nmi"] for one in ids]))
    probe = intervals.whole(jackknife.of(run, found, labels, "probe_mu", 3))
    first = found.seed.values.tolist()[0]
    assert probe[first] == pytest.approx(
        probes.linear_probe(found.mu.sel(seed=first).values.astype(float), y, first, 0).accuracy)


def test_stored_replicates_are_read_as_they_were(prepared_run):
    run, x, labels = prepared_run
    found = raw_latents(run, x, [0, 1])
    replicates = jackknife.of(run, found, labels, "nmi", 3)
    table = jackknife.stored(found, "nmi", replicates)
    again = jackknife.read(table, "nmi", method=found.attrs["method"])
    pd.testing.assert_series_equal(again.sort_index(), replicates.sort_index(), check_names=False)


def test_a_family_of_replicates_is_judged_by_their_intervals():
    rng = np.random.default_rng(0)
    block = intervals.blocks(np.arange(40))
    a, b = (jackknife.of_tracks(dict(enumerate(rng.standard_normal((3, 40)) + up)), block) for up in (3, 0))
    few = jackknife.of_tracks(dict(enumerate(rng.standard_normal((3, 9)))), intervals.blocks(np.arange(9)))
    table = intervals.compare({"clear": (a, b), "same": (b, b + 0 * a), "few": (few, few * 2)}).set_index("comparison")
    assert table["verdict"].to_dict() == {
        "clear": intervals.SIGNIFICANT, "same": "not significant", "few": intervals.FEW_UNITS,
    }


def test_no_interval_leaves_the_range_of_its_quantity():
    """Few units or seeds near an end of the range: every way to make an interval stays inside."""
    block = intervals.blocks(np.arange(12))
    near = jackknife.of_tracks({s: np.where(np.arange(12) < 11 - s, 1.0, 0.0) for s in range(2)}, block)
    free, kept = intervals.over(near), intervals.over(near, intervals.SHARE)
    assert free.high > 1 and kept.high == 1 and kept[:2] == free[:2]
    assert intervals.of_metric([0.99, 0.4], "nmi")[1:3] == (0, 1)
    over = intervals.over_tracks(lambda rows: float(rows.mean() / 11), np.arange(12), 20, (0.4, 0.6))
    assert over.low == 0.4 and over.high == 0.6


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_nmi_without_blocks_is_that_of_what_is_left(seed):
    _, ids, block = cloud(seed, k=3, m=5)
    y = np.where(block == 0, 3, np.random.default_rng(seed).integers(0, 3, len(ids)))  # one label in one block alone
    keep = [np.ones(len(y), bool), *(block != one for one in range(6))]
    expected = [agreement.nmi(np.unique(y[some], return_inverse=True)[1], ids[some]) for some in keep]
    assert agreement.nmi_without(y, ids, block, 6) == pytest.approx(expected, abs=1e-12)
    assert np.isnan(agreement.nmi_without(y[:9], ids[:9], np.zeros(9, int), 1)[1])
