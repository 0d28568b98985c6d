"""What notebook 01 says of a corpus."""

import pandas as pd
import pytest

from lib.report import rules
from lib.store import artifacts
from lib.studies.corpus import checks


@pytest.mark.parametrize("met, verdict", [
    (["met", "met"], True), (["met", "not met"], False), (["met", "compatible"], None),
    (["compatible", "not met"], False),
])
def test_windows_are_met_only_where_every_interval_lies_inside(met, verdict):
    ruling = rules.all_inside(pd.Series(met))
    assert ruling["verdict"] is verdict
    assert [ruling[name] for name in ("n", "out", "compatible", "inside")] == [2, *map(met.count, (
        "not met", "compatible", "met"))]


@pytest.mark.parametrize("n", [0, 2])
def test_at_least_one(n):
    assert rules.at_least_one(n)["verdict"] is (n > 0) is not rules.none_at_all(n)["verdict"]


def test_copies_count_what_the_other_setting_would_leave(prepared_run):
    rows = [("a", "t1", 2, True, "x/2.wav"), ("a", "t2", 2, True, "x/1.wav"), ("b", "t3", 2, False, "x/3.wav"),
            ("b", "t4", 2, False, "y/3.wav")]
    run, *_ = prepared_run
    artifacts.save(run, "duplicates", pd.DataFrame(rows, columns=["group", "track", "n", "labels_agree", "file"]))
    found = checks.copies(run, 10)
    assert (found["groups"], found["across"], found["policy"]) == (
        2, 1, "all copies are kept (one of each would leave 7 of 10 tracks)")
    listed = checks.copies_listed(run)
    assert listed.to_numpy().tolist() == [["x/1.wav = x/2.wav", True], ["x/3.wav = y/3.wav", False]]


def test_one_track_of_each_label():
    labels = pd.Series(["b", "a", "b", "c"], index=["t1", "t2", "t3", "t4"])
    assert checks.one_of_each(labels, most=2) == {"a": "t2", "b": "t1"}


def test_carried_names_the_best_first():
    found = checks.best_encoded(pd.Series({"tempo": 0.01, "loudness": 0.3, "brightness": 0.6}))
    assert (found["n"], found["k"], found["names"]) == (3, 2, "brightness and loudness")
