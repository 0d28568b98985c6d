"""The consensus row in the series, its protocol, and the meetings with real corpora that the protocol announced."""

import subprocess

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import yaml

from lib.models.consensus import PROTOCOL, Protocol, protocol
from lib.scores import intervals
from lib.scores import table as scores
from lib.store.series import NOTEBOOKS, ROOT
from lib.studies.unsupervised import best_row, consensus
from tests import meetings

SMALL = protocol().model_dump() | {"n_umaps": 1, "n_heads": 2, "steps": 40}


@pytest.fixture
def points(prepared_run):
    """Features of the made-up run for two seeds, as `consensus.points` gives them."""
    _, x, _ = prepared_run
    rng = np.random.default_rng(0)
    drawn = np.stack([x.to_numpy() + 0.01 * rng.standard_normal(x.shape) for _ in range(2)]).astype(np.float32)
    return xr.Dataset({"x": (("seed", "track", "column"), drawn)}, {"seed": [0, 1], "track": x.index.to_numpy()})


@pytest.mark.slow
def test_labels_that_are_clusters_are_found_and_permuted_ones_are_not(prepared_run, points):
    run, _, labels = prepared_run
    rows = consensus.score(run, points, labels, SMALL)
    assert intervals.by_seed(rows, "nmi").min() > 0.9 and intervals.by_seed(rows, "nmi_null").max() < 0.1
    assert intervals.by_seed(rows, "part_nmi_null").index.tolist() == [0]
    assert set(rows["clusterer"]) == {"consensus"} and set(rows["role"]) == {"method"}
    shown = scores.summary(rows, consensus.SHOWN, clusterer="consensus")
    assert len(shown) == 1 and shown["seeds"][0] == 2


@pytest.mark.slow
def test_the_order_of_tracks_of_the_labels_changes_nothing(prepared_run, points):
    run, _, labels = prepared_run
    once = consensus.score(run, points, labels, SMALL)
    pd.testing.assert_frame_equal(once, consensus.score(run, points, labels.iloc[::-1], SMALL))


@pytest.mark.slow
def test_on_the_built_in_corpus_the_row_is_marked_as_tuned_there(prepared_run, points):
    run, _, labels = prepared_run
    assert run.settings.corpus == "controlled"
    assert set(best_row.stored(run, consensus.score(run, points, labels, SMALL))["role"]) == {scores.TUNED}


# --- the protocol and its meetings -------------------------------------------------------------------------------
def committed(*arguments: str) -> str:
    """What git says, or "" where this is no clone of the repository."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""


def results() -> pd.DataFrame:
    if not consensus.RESULTS.is_file():
        pytest.skip("the protocol has met no corpus yet")
    return pd.read_csv(consensus.RESULTS)


def test_the_protocol_says_what_it_has_to():
    about = yaml.safe_load(PROTOCOL.read_text())
    Protocol(**about["constants"])
    assert {"parts", "k", "seeds", "reported", "predicted", "settled_on", "seen", "date"} <= set(about)
    runs = {run["name"] for run in yaml.safe_load((NOTEBOOKS / "corpora.yaml").read_text())["runs"]}
    assert set(about["meetings"]) <= runs and len(about["meetings"]) == 4


def test_the_results_are_of_this_protocol():
    """One edit of the protocol after a meeting, and its hash is not that of the results."""
    assert set(results()["protocol"]) == {consensus.digest()}
    assert set(results()["name"]) <= set(meetings.meetings())


def test_an_edited_protocol_has_another_hash(tmp_path):
    edited = tmp_path / "consensus.yaml"
    edited.write_bytes(PROTOCOL.read_bytes().replace(b"\n", b"\r\n"))
    assert consensus.digest(edited) == consensus.digest()
    edited.write_text(PROTOCOL.read_text().replace("n_umaps: ", "n_umaps: 1"))
    assert consensus.digest(edited) != consensus.digest()


def test_the_protocol_is_older_than_its_results():
    results()
    name = str(PROTOCOL.relative_to(ROOT))
    last, first = committed("log", "-1", "--format=%H", "--", name), committed(
        "log", "--diff-filter=A", "--format=%H", "--", str(consensus.RESULTS.relative_to(ROOT)))
    if not last or not first:
        pytest.skip("no history of git here, or the results are not committed yet")
    first = first.splitlines()[-1]
    assert last != first
    assert subprocess.run(["git", "merge-base", "--is-ancestor", last, first], cwd=ROOT).returncode == 0
    code = [f"{last}:lib/models/consensus.py", f"{last}:tests/meetings.py"]
    assert all(committed("cat-file", "-t", one) == "blob" for one in code)


def test_before_the_first_meeting_the_table_is_empty(tmp_path):
    assert consensus.meetings(tmp_path / "none.csv").empty


def test_meetings_are_shown_as_they_are_written():
    written, shown = results(), consensus.meetings()
    assert shown["corpus"].tolist() == written["corpus"].tolist()
    assert [one.mean for one in shown["gain"]] == pytest.approx(written["gain"])
    assert np.allclose(written["gain"], written["nmi"] - written["old"], atol=2e-4)
    assert (written["seeds"] > 1).all() and written["nmi"].between(0, 1).all()


def test_a_summary_of_a_meeting_knows_the_answer():
    """New clusters are the labels, old ones one label's worse; a label of two tracks does not count."""
    y = np.repeat(["a", "b", "c"], 20)
    codes = np.unique(y, return_inverse=True)[1]
    worse, rng = np.where(codes == 2, 1, codes), np.random.default_rng(0)
    found = {seed: {"new": codes, "old": np.stack([worse] * 3), "part_nmi": 0.9}
             | ({"null": rng.permutation(codes), "part_nmi_null": 0.2} if seed < 2 else {}) for seed in range(4)}
    row = meetings.summary(found, pd.Series(y), np.arange(60))
    assert (row["tracks"], row["clusters"], row["seeds"], row["units"]) == (60, 3, 4, 60)
    assert float(row["nmi"]) == 1 and float(row["gain"]) > 0.1 and float(row["gain_over_tracks_low"]) > 0
    assert float(row["nmi_null"]) < 0.15 and float(row["nmi_gaussian"]) < 0.15
    for one in found.values():
        one |= {name: np.append(one[name], [0, 0]) for name in ("new", "null") if name in one}
        one["old"] = np.pad(one["old"], ((0, 0), (0, 2)))
    few = meetings.summary(found, pd.Series([*y, "d", "d"]), np.arange(62))
    assert (few["tracks"], few["clusters"], float(few["nmi"])) == (60, 3, 1.0)
