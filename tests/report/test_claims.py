"""No sentence prints a number that is not there: it says "Not decided", and why."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.report import claims, rules, style
from lib.report.digits import texts
from lib.scores.intervals import Interval, compare, interval, paired
from lib.store import artifacts, runs
from lib.studies.fusion import rules as fusion
from lib.studies.unsupervised import rules as unsupervised
from lib.studies.unsupervised import when_it_pays

NOTHING = interval([])
MISSING = [float("nan"), np.float32("nan"), float("inf"), -np.inf, NOTHING, Interval(np.nan, np.nan, np.nan, 3)]


def stated(run, shown, value, verdict=True, sentence="NMI {nmi:.3f}", rule="gap above zero"):
    shown(lambda: claims.state(run, "some_claim", (sentence, sentence), verdict, rule, {"nmi": value}, {"nmi": value}))
    return runs.load_records(run.folder)["04_vae"]["findings"][-1]


@pytest.mark.parametrize("value", MISSING, ids=str)
@pytest.mark.parametrize("verdict, rule", [(True, "a rule"), (False, "a rule"), (None, "a rule"), (True, "")])
def test_a_number_that_is_not_there_is_not_printed(prepared_run, shown, value, verdict, rule):
    found = stated(prepared_run[0], shown, value, verdict, rule=rule)
    assert found["text"].startswith("Not decided on this run: some claim.") and found["verdict"] is None
    assert "nan" not in found["text"] and "inf" not in found["text"] and "n = 0" not in found["text"]
    assert "not there" in found["text"] and "tracks" not in found["text"].split("not there")[1]


def test_parts_of_a_number_count_and_what_is_not_printed_does_not(prepared_run, shown):
    run = prepared_run[0]
    assert stated(run, shown, NOTHING, sentence="NMI {nmi.mean:.3f}")["verdict"] is None
    assert stated(run, shown, float("nan"), sentence="No number.")["text"] == "No number."
    assert "0.500" in stated(run, shown, Interval(0.5, np.nan, np.nan, 1))["text"]


@pytest.mark.parametrize("scored, said", [(0, "every value of mood has"), (1, "every value of mood but one has"),
                                          (2, None)])
def test_the_reason_is_that_labels_have_few_tracks(prepared_run, shown, scored, said):
    run = prepared_run[0]
    about = {name: value for name, value in artifacts.load_corpus(run).items() if name not in ("id", "corpus_key", "n")}
    tracks = artifacts.load(run, "tracks").index.tolist()
    artifacts.save_corpus(run, tracks, about | {"n_labels_scored": scored, "label": "mood"})
    text = stated(run, shown, float("nan"))["text"]
    assert ("fewer than 5 tracks" in text) is (said is not None) and (said or "Not decided") in text


def test_captions_and_tables_and_figures_in_words_have_a_dash(prepared_run, monkeypatch):
    run = prepared_run[0]
    monkeypatch.setitem(claims.registry()["tables"], "some", "Chance {chance:.3f}, {gap}, {n}.")
    assert claims.caption(run, "tables", "some", chance=float("nan"), gap=NOTHING, n=3) == "Chance –, –, 3."
    assert texts(MISSING) == ["–"] * len(MISSING)
    figure, ax = style.new()
    style.say(ax, f"from {np.nan:.3g} to {np.inf:.3g}, Nancy {-np.inf} infinite")
    assert style.words(figure).rstrip(".") == "from no number to no number, Nancy no number infinite"


@given(st.sampled_from(MISSING), st.booleans())
def test_no_ruling_rests_on_what_is_not_there(value, verdict):
    assert rules.ruling(verdict, "words", value=value, n=3)["verdict"] is None
    assert rules.ruling(verdict, "words", n=3, names="nan")["verdict"] is verdict


def test_rules_do_not_decide_without_scores():
    gone = pd.Series([np.nan, np.nan], [0, 1])
    row = pd.Series({"method": "late", "nats": 1.0, "view": "v", "bound": -np.inf, "over_better": NOTHING,
                     "over_audio": NOTHING})
    rows = pd.DataFrame([row, row])
    family = compare({"a": (gone, gone)})
    found = [
        rules.changes(paired(gone, gone)), rules.above_zero(NOTHING), rules.any_above_zero([NOTHING, NOTHING]),
        rules.above(NOTHING, 0.1), rules.below(float("nan"), 1), rules.at_most(gone, 1), rules.at_most([1], [np.nan]),
        rules.correlated_below(float("nan"), -0.7, 5), rules.significant(family),
        fusion.some_lose(rows), fusion.none_gains(rows, 10), fusion.some_gain(rows, 10),
        fusion.acts_as_label(gone, gone), fusion.only_a_label(gone, gone), fusion.reads_more(gone, gone),
        unsupervised.pays(pd.Series({"better": 0, "not resolved": 0, "worse": 0})),
        unsupervised.turns(NOTHING, NOTHING),
    ]
    assert [one["verdict"] for one in found] == [None] * len(found)
    assert rules.at_most(1, np.inf)["verdict"] is True
    assert family["verdict"].tolist() == ["no scores"]
    assert np.isnan(when_it_pays.where_better(pd.DataFrame({"dim": [2], "VAE - PCA": [NOTHING]})))
