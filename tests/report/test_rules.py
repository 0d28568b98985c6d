"""Each rule's verdict can turn, and says what decided."""

import numpy as np
import pandas as pd
import pytest

from lib.report import rules
from lib.scores import nulls
from lib.scores.intervals import Interval, compare

UP, FLAT, DOWN = (Interval(mean, mean - 1, mean + 1, 3) for mean in (2, 0.5, -2))


def drawn(value: float, n: int = 20) -> nulls.Excess:
    """A silhouette beside draws of a null with mean 0 and standard deviation 0.1."""
    draws = np.linspace(-1, 1, n)
    return nulls.excess(value, 0.1 * draws / draws.std(ddof=1))


@pytest.mark.parametrize("ruling, verdict", [
    (rules.any_above_zero([DOWN, UP]), True),
    (rules.any_above_zero([DOWN, FLAT]), False),
    (rules.above(UP, 0.9), True),
    (rules.above(UP, 1.1), False),
    (rules.below(1, 2), True),
    (rules.below(2, 2), False),
    (rules.above_null(drawn(0.4)), True),
    (rules.above_null(drawn(0.2)), False),
    (rules.above_null(drawn(-0.4)), False),  # no draw of its null, but below it
])
def test_verdicts_turn(ruling, verdict):
    assert ruling["verdict"] is verdict and ruling["rule"]


def test_the_difference_that_decided_is_shown():
    assert rules.any_above_zero(iter([DOWN, UP, FLAT]))["difference"] == UP


def test_one_rule_for_silhouette_and_null():
    """With few draws three standard deviations are no surprise; with many they are."""
    assert [rules.above_null(drawn(0.31, n))["verdict"] for n in (6, 1000)] == [False, True]


def test_a_family_says_which_comparisons_are_significant_and_which_cannot_be():
    a, b = pd.Series(np.arange(8.0)), pd.Series(np.zeros(8))
    table = compare({"clear": (a + 1, b), "few": (a[:2], b[:2])})
    found = rules.significant(table)
    assert found["verdict"] is True and found["names"] == "clear (+4.500)" and (found["n"], found["few"]) == (1, 1)
    assert rules.significant(table[table["comparison"] == "few"])["verdict"] is None
    assert rules.significant(compare({"none": (b, b)}))["verdict"] is False
