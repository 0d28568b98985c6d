"""Runs that other studies published, held against what is true of them (`../shared/data/public_runs`, `truth.md`)."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from lib.studies.leakage.arrays import audit, reading
from lib.studies.leakage.arrays.report import ArrayReport

RUNS = Path(__file__).resolve().parents[2] / "shared" / "data" / "public_runs"


class Truth(NamedTuple):
    """One thing that is true of a run, and the finding that says it; no test: arrays cannot show it, and why."""

    run: str
    what: str
    test: str
    subject: str = ""  # of the finding, or the beginning of it
    number: tuple[str, float, float] | None = None  # a number of the finding, from and to
    why_not: str = ""


TRUTHS = [
    Truth("run_01", "-1 on 66 % of rows counted as a genre", "unknown as a class", "y", ("share_unknown", 0.65, 0.67)),
    Truth("run_01", "a failed join: rows with a genre have zeros for audio", "failed join", "Z_easy"),
    Truth("run_01", "the encoder was given the genres", "failed join", "Z_hard", ("function_of_label", 1, 1)),
    Truth("run_01", "1 of 16 dimensions alive", "collapse", "Z_easy", ("active", 1, 1)),
    Truth("run_01", "2 of 32 dimensions alive", "collapse", "Z_hard", ("active", 2, 2)),
    Truth("run_02", "each latent in another random order", "nothing agrees", "y", ("r2_of_arrays", 0, 0.02)),
    Truth("run_02", "0 of 7 rows of the table can be reproduced", "rows not reproduced", "comprehensive_comparison",
          ("reproduced", 0, 0)),
    Truth("run_02", "the CVAE was given the label", "", why_not="its rows are in an order that no other array shares"),
    Truth("run_03", "several clips of one song in order: 0.52", "neighbours in order", "Z_vae", ("ratio", 0.45, 0.6)),
    Truth("run_03", "sorted by genre", "row order", "y", ("changes", 3, 3)),
    Truth("run_03", "silhouettes are mostly their nulls'", "silhouette", "Z_vae", ("explained", 0.5, 1.1)),
    Truth("run_04", "13 of 32 dimensions alive", "collapse", "Z_hard_beta_vae", ("active", 13, 13)),
    Truth("run_04", "the normalised twin blows dead dimensions up", "scale of dimensions",
          "Z_hard_beta_vae_normalized"),
    Truth("run_04", "the genre is an input of the encoder", "", why_not="its features lie in run_03; beside them it "
                                                                        "shows"),
    Truth("run_05", "all 8 dimensions dead", "collapse", "Z_cvae", ("active", 0, 0)),
    Truth("run_05", "all four purities equal the commonest label's share", "baseline metrics", "hard_metrics",
          ("equal", 4, 4)),
    Truth("run_05", "the printed silhouette is of X, not of Z", "silhouette of another array", "hard_metrics, row 3"),
    Truth("run_06", "segments of one song in order: 0.39", "neighbours in order", "Z_vae", ("ratio", 0.3, 0.5)),
    Truth("run_06", "143 exact pairs", "exact duplicates", "Z_vae", ("pairs", 143, 143)),
    Truth("run_06", "10 of them under two labels", "exact duplicates", "Z_vae", ("across_labels", 10, 10)),
    Truth("run_07", "features were never scaled", "scale of dimensions", "X"),
    Truth("run_07", "Z_audio_cvae was given the label", "label beside features", "Z_audio_cvae"),
    Truth("run_07", "the lyrics know nothing of genre or audio", "knows nothing", "Z_lyrics"),
    Truth("run_07", "rows 658 and 916 are equal and of two genres", "exact duplicates", "X", ("across_labels", 1, 1)),
    Truth("run_07", "Z_lyrics_cvae was given the label", "", why_not="the lyrics themselves are not there, and no "
                                                                     "array "
          "tells half of it"),
    Truth("run_08", "13 identical pairs", "exact duplicates", "vae_latent_features", ("pairs", 13, 13)),
    Truth("run_09", "each track has another track's genre", "nothing agrees", "y"),
    Truth("run_09", "2 exact pairs", "exact duplicates", "Z_audio_vae", ("pairs", 2, 2)),
]
GIVEN = {"run_01": {"Z_easy", "Z_hard"}, "run_02": {"latent_features_cvae"}, "run_04": {
    "Z_hard_beta_vae", "Z_hard_beta_vae_normalized"}, "run_05": {"Z_cvae"}, "run_07": {"Z_audio_cvae", "Z_lyrics_cvae"}}
LABEL_TESTS = ("label beside features", "label-derived", "label as a column", "equals the labels")


def says(report: ArrayReport, truth: Truth) -> bool:
    """Is there a finding that says it, with its number?"""
    for one in report.found(truth.test).values():
        if one.subject.startswith(truth.subject):
            number, low, high = truth.number or ("", 0, 0)
            if not truth.number or low <= one.numbers.get(number, float("nan")) <= high:
                return True
    return False


def wrong(run: str, report: ArrayReport) -> list[str]:
    """What is said of labels in arrays that were not given them."""
    return [f"{one.test}: {one.subject}" for test in LABEL_TESTS for one in report.found(test).values()
            if one.subject not in GIVEN.get(run, set())]


def show() -> bool:
    """Print what is found, missed and wrongly said of each run; is nothing missed that shows, nothing wrong?"""
    if not RUNS.is_dir():
        print("Public runs are not here (../shared/data/public_runs)")
        return True
    total, good = [0, 0, 0, 0], True
    print("Public runs: found / missed / cannot show / wrongly said")
    for run in sorted({truth.run for truth in TRUTHS}):
        report = audit.audit(reading.load(RUNS / run))
        mine = [truth for truth in TRUTHS if truth.run == run]
        shown = [truth for truth in mine if truth.test]
        missed = [truth for truth in shown if not says(report, truth)]
        said = wrong(run, report)
        counts = [len(shown) - len(missed), len(missed), len(mine) - len(shown), len(said)]
        total = [a + b for a, b in zip(total, counts, strict=True)]
        good &= not missed and not said
        print(f"  {run}  {' / '.join(map(str, counts))}", flush=True)
        for truth in missed:
            print(f"      missed: {truth.what}")
        for truth in mine:
            if not truth.test:
                print(f"      cannot show: {truth.what} ({truth.why_not})")
        for line in said:
            print(f"      wrongly said: {line}")
    print(f"  all     {' / '.join(map(str, total))}")
    return good
