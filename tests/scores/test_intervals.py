"""The one interval over training seeds and sampling units: it covers, and says nothing from few units."""

import numpy as np
import pytest

from lib.scores import agreement
from lib.scores.intervals import LEAST_UNITS, over_seeds_and_groups

TRUTH, TIMES = 0.3, 400


def difference(rng, units, seeds, of_unit, of_seed, of_both=0.3, of_track=1.0):
    """A simulated paired difference [seed, track] whose mean is `TRUTH`, and the unit of each track."""
    unit = np.repeat(np.arange(units), rng.integers(4, 16, units))
    values = TRUTH + of_unit * rng.standard_normal(units)[unit] + of_track * rng.standard_normal(len(unit))
    values = values + of_seed * rng.standard_normal((seeds, 1))
    return values + of_both * rng.standard_normal((seeds, len(unit))), unit


@pytest.mark.slow
@pytest.mark.parametrize("about", [(20, 5, 1.0, 0.2), (12, 5, 0.5, 0.3), (40, 5, 0.2, 0.5), (23, 3, 1.0, 0.05),
                                   (300, 5, 0.5, 0.05)], ids=str)
def test_it_covers_the_truth_of_grouped_tracks(about):
    """Units and seeds, and how much each of them moves the difference."""
    covered = 0
    for i in range(TIMES):
        values, unit = difference(np.random.default_rng([i, *map(int, about[:2])]), *about)
        found = over_seeds_and_groups(lambda rows, v=values: v[:, rows].mean(1), unit).interval
        covered += found.low <= TRUTH <= found.high
    assert 0.93 <= covered / TIMES <= 0.97


@pytest.mark.slow
def test_it_covers_the_difference_of_two_agreements():
    """NMI of two clusterings with labels, of units whose tracks are alike. Single tracks are noise in single seeds
    here, which is counted twice: rather too wide than too narrow."""
    def agreements(rng, units, seeds=3):
        unit = np.repeat(np.arange(units), 8)
        y = np.where(rng.random(len(unit)) < 0.5, rng.integers(0, 3, units)[unit], rng.integers(0, 3, len(unit)))
        ids = [[np.where(rng.random(len(unit)) < share + 0.06 * rng.standard_normal(), y,
                         rng.integers(0, 3, len(unit))) for _ in range(seeds)] for share in (0.7, 0.5)]
        return y, np.array(ids), unit

    def gain(y, ids, rows):
        pairs = zip(*ids, strict=True)
        return np.array([agreement.nmi(y[rows], a[rows]) - agreement.nmi(y[rows], b[rows]) for a, b in pairs])

    y, ids, _ = agreements(np.random.default_rng(0), 1000, 2000)
    truth, covered = gain(y, ids, np.arange(len(y))).mean(), 0
    for i in range(TIMES):
        y, ids, unit = agreements(np.random.default_rng([1, i]), 40)
        found = over_seeds_and_groups(lambda rows, y=y, ids=ids: gain(y, ids, rows), unit).interval
        covered += found.low <= truth <= found.high
    assert 0.93 <= covered / TIMES <= 0.99


def test_it_is_that_of_a_mean_where_seeds_agree_and_every_track_is_a_unit():
    values = np.random.default_rng(0).standard_normal(60)
    found = over_seeds_and_groups(lambda rows: np.full(3, values[rows].mean()), np.arange(60))
    error = values.std(ddof=1) / np.sqrt(60)
    assert found.interval.high - found.interval.mean == pytest.approx(2.001 * error, rel=1e-3)
    assert found.interval.n == 60 and 0 < found.p < 1


def test_few_units_or_a_single_seed_decide_nothing():
    rng = np.random.default_rng(0)
    for units, seeds in ((LEAST_UNITS - 1, 5), (30, 1)):
        values, unit = difference(rng, units, seeds, 1.0, 0.2)
        found = over_seeds_and_groups(lambda rows, v=values: v[:, rows].mean(1), unit)
        assert np.isnan(found.interval.low) and np.isnan(found.p) and found.interval.n == units
    values, unit = difference(rng, LEAST_UNITS, 5, 1.0, 0.2)
    assert np.isfinite(over_seeds_and_groups(lambda rows: values[:, rows].mean(1), unit).interval.low)


def test_copies_of_one_unit_are_no_news():
    """Each track five times says as much as once."""
    values, unit = np.random.default_rng(0).standard_normal((3, 20)), np.arange(20)
    once, often = (over_seeds_and_groups(lambda rows, v=v: v[:, rows].mean(1), u).interval for v, u in
                   ((values, unit), (np.repeat(values, 5, axis=1), np.repeat(unit, 5))))
    assert once == pytest.approx(often)


def test_what_does_not_vary_has_no_width():
    found = over_seeds_and_groups(lambda rows: np.full(3, 0.5), np.arange(30))
    assert found.interval[:3] == (0.5, 0.5, 0.5) and found.p == 0
    assert over_seeds_and_groups(lambda rows: np.zeros(3), np.arange(30)).p == 1
