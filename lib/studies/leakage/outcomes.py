"""What a test of the audit says, and the report of all tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pandas as pd

Builder = Callable[[Any], pd.DataFrame]
LEVEL = 0.01  # chance of any statistical alarm on a clean builder
N_TESTS = 6  # statistical tests of an audit: slots, words and fields, ceiling, shuffle, dose, near copies
EACH = LEVEL / N_TESTS
TESTS = ("relabelling", "words and fields", "modality ceiling", "shuffle within labels", "dose curve", "copies")


class Result(NamedTuple):
    """What one test found. `verdict` is leak, copies, proxy, unstable, clear or "not run"."""

    test: str
    verdict: str
    value: float  # the test's number: a change, a difference, a p-value; `sentence` says which
    limit: float  # what it was held against
    sentence: str

    @property
    def leaks(self) -> bool:
        """Was a leak proved?"""
        return self.verdict == "leak"


class AuditReport(NamedTuple):
    """All outcomes for one builder, in the order of the tests; those that could not run say why."""

    builder: str
    outcomes: list[Result]

    @property
    def verdict(self) -> str:
        """The gravest verdict of all tests: leak, copies, proxy, unstable or clear."""
        found = {outcome.verdict for outcome in self.outcomes}
        return next((v for v in ("leak", "copies", "proxy", "unstable") if v in found), "clear")

    def __getitem__(self, test: str | int):
        if isinstance(test, str):
            return next(outcome for outcome in self.outcomes if outcome.test == test)
        return tuple.__getitem__(self, test)

    def table(self) -> pd.DataFrame:
        """A row per test: builder, test, verdict, value, limit, what was found."""
        rows = [(self.builder, o.test, o.verdict, o.value, o.limit, o.sentence) for o in self.outcomes]
        return pd.DataFrame(rows, columns=["builder", "test", "verdict", "value", "limit", "found"])


def not_run(test: str, why: str) -> Result:
    """The outcome of a test that could not be made."""
    return Result(test, "not run", float("nan"), float("nan"), f"not run: {why}")
