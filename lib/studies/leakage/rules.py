"""Rules of the leakage audit, as in `lib/report/rules.py`: of embeddings with their builder, and of bare arrays."""

from __future__ import annotations

import pandas as pd

from lib.report.rules import Ruling, rule, ruling
from lib.scores.information import ACTIVE_NATS
from lib.scores.intervals import Interval
from lib.studies.leakage.arrays.latents import DEAD
from lib.studies.leakage.arrays.report import LEVEL, ArrayReport, Finding
from lib.studies.leakage.outcomes import AuditReport, Result

CLEAR = {  # what holds of an array in which a test finds nothing
    "row order": f"the label changes from row to row as often as in random order, at {100 * LEVEL:g} %",
    "label-derived": "what is left without the labels' means has structure, or another array predicts part of it",
    "shuffle within labels": "less than half of its gain is left when rows of one label exchange it",
    "label beside features": "the label adds no more than to label-free maps of the source, trained ones among them, "
                             f"at {100 * LEVEL:g} % over all arrays",
    "label as a column": "no column, and no column for each label, is the label to R^2 0.95",
    "equals the labels": "fewer than 98 % of the rows lie in the groups that go with the labels best, or k-means "
                         "gives it",
    "nothing agrees": "neighbours share labels more often than chance allows",
    "unknown as a class": "no label means unknown, and none has more than half of the rows (of two labels: two thirds)",
    "failed join": "no block of five or more rows is identical",
    "neighbours in order": f"neighbouring rows are no closer than permuted rows of one label, at {100 * LEVEL:g} %",
    "test among training rows": "no row of test or validation is a row of training",
    "scale of dimensions": f"no dimension has less than {100 * DEAD:g} % of the largest one's variance, and none is "
                           "absurd",
    "baseline metrics": "no reported score equals the share of the most frequent label",
    "silhouette of another array": "the reported silhouette is that of its clusters in an array of this folder",
    "rows not reproduced": "each reported row has the scores of a clustering of this folder",
    "exact duplicates": "no two rows of real numbers are identical",
    "collapse": f"{{subject}}: at least half of the dimensions have a KL above {ACTIVE_NATS:g} nats, under these "
                "assumptions",
    "silhouette": "less than half of the silhouette is that of a Gaussian cloud",
    "reported purity": "no reported purity is inverse purity and not purity",
}


@rule
def nothing_found(look: Finding) -> Ruling:
    """Does a test find nothing in an array? Not decided where the numbers do not tell."""
    known = look.verdict != "not decided" and look.numbers.get("active", "known") is not None
    words = "{subject}: {said}" if look.verdict == "not decided" else CLEAR[look.test]
    return ruling(look.verdict == "clear" if known else None, words, subject=look.subject, said=look.sentence)


@rule
def speaks_against(report: ArrayReport) -> Ruling:
    """Does the audit of arrays find anything that speaks against them? `said` is its verdict in one sentence."""
    words = "a finding that accuses is proved, or has evidence"
    return ruling(bool(report.accusations), words, said=report.verdict())


@rule
def can_be_embedded(embedding: pd.DataFrame) -> Ruling:
    """Could texts be embedded [track, dim]? Without columns they could not."""
    dim, n = embedding.shape[1], len(embedding.dropna())
    return ruling(dim > 0, "more than two texts per label, and an embedder that is there", n=n if dim else 0, dim=dim)


@rule
def no_leak_proved(report: AuditReport) -> Ruling:
    """Does the audit of a builder leave it without proof of a leak? `said` is its gravest sentence."""
    said = next((one.sentence for one in report.outcomes if one.verdict == report.verdict), "nothing found")
    return ruling(report.verdict != "leak", "no test of the audit proves a leak", view=report.builder, said=said)


@rule
def genre_proxy(report: AuditReport) -> Ruling:
    """Does a statistical test of the audit call an embedding a proxy for the label?"""
    calls = [one.sentence for one in report.outcomes if one.verdict == "proxy"]
    return ruling(bool(calls), "a statistical test of the audit calls it one", said="; ".join(calls))


@rule
def within_dose(outcome: Result) -> Ruling:
    """Do clusters know no more than was put into the text?"""
    words = "at no amount of information do clusters exceed it, at the level of the audit"
    return ruling(outcome.verdict == "clear", words, said=outcome.sentence)


@rule
def leaks_beyond_audio(report: AuditReport, nmi: Interval, audio: float) -> Ruling:
    """Is a builder proved to leak, and does what it builds agree with the labels better than audio features do?"""
    words = "the audit proves a leak in it, and the interval of its NMI lies above the audio features'"
    return ruling(report.verdict == "leak" and nmi.low > audio, words, fixed=nmi.mean, audio=audio)
