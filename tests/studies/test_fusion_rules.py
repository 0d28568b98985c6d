"""Each verdict on fusion can be yes, no, and open where it may be."""

import pandas as pd

from lib.studies.fusion import rules
from tests import contrary

GAINS = pd.DataFrame({"view": "noisy", "method": ["concat", "late"], "nats": [0.5, 1.0], "bound": [-0.02, 0.03],
                      "over_better": [contrary.effect(0.0), contrary.effect(0.1)],
                      "over_audio": [contrary.effect(-0.1), contrary.effect(0.1)]})


def test_gains_are_judged_by_the_highest_bound_and_need_five_seeds():
    assert rules.none_gains(GAINS, 5)["verdict"] is False and rules.none_gains(GAINS, 5)["method"] == "late"
    assert rules.none_gains(GAINS[:1], 5)["verdict"] is True
    assert rules.some_gain(GAINS, 5)["verdict"] is True and rules.some_gain(GAINS, 5)["able"] == "late"
    assert rules.some_gain(GAINS[:1], 5)["verdict"] is False
    assert rules.none_gains(GAINS, 4)["verdict"] is None and rules.some_gain(GAINS, 4)["verdict"] is None
    assert rules.gains_above_zero(0.01)["verdict"] is True and rules.gains_above_zero(-0.01)["verdict"] is False


def test_losses_are_named_and_counted():
    assert rules.some_lose(GAINS)["said"] == "concat"
    assert (rules.some_lose(GAINS)["k"], rules.some_lose(GAINS)["n"]) == (1, 2)
    assert rules.some_lose(GAINS[1:])["verdict"] is False and rules.some_lose(GAINS[1:])["said"] == ""


def test_what_dealing_within_labels_costs_says_whether_it_is_a_label():
    little, half, much = (contrary.seeds(value) for value in (0.01, 0.15, 0.2))
    assert rules.acts_as_label(little, much)["verdict"] is True
    assert rules.acts_as_label(half, much)["verdict"] is False  # more than half
    assert rules.acts_as_label(little, contrary.seeds(0.0))["verdict"] is False
    assert rules.only_a_label(much, little)["verdict"] is True
    assert rules.only_a_label(much, half)["verdict"] is False


def test_information_that_a_range_needs_is_read_off_the_curve():
    reached = pd.Series([0.25, 0.5, 0.75], index=[0.0, 1.0, 2.0])
    ruling = rules.needs_information(reached, 0.375, 0.625)
    assert ruling["verdict"] is True and (ruling["low"], ruling["high"]) == (0.5, 1.5)
    assert rules.needs_information(reached, 0.125, 0.5)["verdict"] is False


def test_what_one_latent_tells_more():
    assert rules.reads_more(contrary.seeds(0.4), contrary.seeds(0.1, first=1))["verdict"] is True
    assert rules.reads_more(contrary.seeds(0.1), contrary.seeds(0.1, first=1))["verdict"] is False
    assert rules.reads_more(contrary.seeds(0.4)[:1], contrary.seeds(0.1)[:1])["verdict"] is None
