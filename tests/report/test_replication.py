"""Claims over corpora: states by sign and corrected p, and what a collection of several runs counts as."""

from __future__ import annotations

import pytest

from lib.report import replication
from lib.report.replication import HOLDS, REVERSED, UNDECIDED
from lib.scores.intervals import Interval, interval, p_of_zero
from lib.store import runs

CLEAR, UNCLEAR = (0.2, 0.15, 0.25, 10), (0.2, -0.1, 0.5, 10)


def found(**effects) -> dict:
    return {name: {"numbers": {replication.general()[name]["effect"]: [*effect]}} for name, effect in effects.items()}


def test_a_claim_holds_is_reversed_or_is_not_decided():
    said = replication.verdicts(found(umap_gain=CLEAR, decoder_removes_genre=CLEAR, vae_vs_ae=UNCLEAR,
                                      permuted=(0.2, float("nan"), float("nan"), 1)))
    assert {name: one.state for name, one in said.items()} == {
        "umap_gain": HOLDS, "decoder_removes_genre": REVERSED, "vae_vs_ae": UNDECIDED, "permuted": UNDECIDED}


def test_claims_of_a_corpus_are_corrected_together():
    barely = Interval(0.1, 0.005, 0.195, 10)  # p about 0.04
    names = list(replication.general())[:4]
    assert replication.verdicts(found(**{names[0]: [*barely]}))[names[0]].state in (HOLDS, REVERSED)
    many = replication.verdicts(found(**{name: [*barely] for name in names}))
    assert {one.state for one in many.values()} == {UNDECIDED}
    assert all(one.p == pytest.approx(4 * p_of_zero(barely)) for one in many.values())


def test_the_p_of_an_interval_is_that_of_a_t_test():
    from scipy import stats

    values = [0.1, 0.3, -0.05, 0.2, 0.15]
    assert p_of_zero(interval(values)) == pytest.approx(stats.ttest_1samp(values, 0).pvalue)
    assert p_of_zero(interval([0.1])) != p_of_zero(interval([0.1]))  # NaN: no interval, no p


@pytest.mark.parametrize("states, said", [
    ({"a": HOLDS, "b": HOLDS, "c": HOLDS}, "2 of 2"),  # a and b are one collection
    ({"a": HOLDS, "b": UNDECIDED, "c": REVERSED}, "1 of 2"),
    ({"a": HOLDS, "b": REVERSED, "c": HOLDS}, "1 of 2; split on x"),
    ({"a": UNDECIDED, "b": UNDECIDED, "c": HOLDS}, "1 of 1; not decided on x"),
    ({"a": replication.ABSENT, "b": replication.ABSENT, "c": UNDECIDED}, "0 of 0; not decided on y"),
])
def test_collections_count_once(states, said):
    assert replication.counted(states, {"a": "x", "b": "x", "c": "y"}) == said


def test_the_table_names_what_was_tried():
    runs = [("one", "corpus one", found(umap_gain=CLEAR, vae_vs_ae=UNCLEAR)),
            ("two", "corpus two", found(umap_gain=CLEAR))]
    page = "\n".join(replication.section(runs, {}))
    assert "one: 2, two: 1" in page and "holds: +0.200 [+0.150, +0.250]" in page and "2 of 2" in page
    assert replication.section([("one", "corpus one", {})], {}) == []


def test_every_general_claim_names_a_sign():
    for name, about in replication.general().items():
        assert about["sign"] in (1, -1) and about["says"].endswith("."), name


def test_every_general_claim_is_judged_over_seeds_and_units(smoke):
    """Its effect is recorded with degrees of freedom of its own: `intervals.over_blocks` made it."""
    findings = {one["name"]: one for record in runs.load_records(smoke[0]).values() for one in record["findings"]}
    said = {name: findings[name]["numbers"][about["effect"]] for name, about in replication.general().items()
            if name in findings}
    assert len(said) > 10
    assert {name for name, effect in said.items() if Interval(*effect).freedom is None} == set()
