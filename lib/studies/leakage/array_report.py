"""What the audit of bare arrays found, and the report of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

LEVEL = 0.01
PROOF, EVIDENCE, ASSUMING = "proof", "evidence", "under an assumption"


class Finding(NamedTuple):
    """One thing looked at in one array. `verdict` is "found", "clear" or "not decided"; `kind` says how far "found"
    goes."""

    test: str
    subject: str
    verdict: str
    kind: str
    sentence: str
    numbers: dict[str, Any]


class ArrayReport(NamedTuple):
    """All that was looked at in a folder."""

    folder: str
    n: int
    labels: dict[str, int]
    arrays: pd.DataFrame  # a row per array: what it is and how far it agrees with the labels
    findings: list[Finding]
    not_run: dict[str, str]  # tests of a builder, and why arrays are not enough for them
    skipped: list[tuple[str, str]]

    def found(self, test: str = "") -> dict[str, Finding]:
        """What was found, by subject; of one test, or all (then by "test subject")."""
        return {f.subject if test else f"{f.test} {f.subject}": f for f in self.findings
                if f.verdict == "found" and (not test or f.test == test)}

    def table(self) -> pd.DataFrame:
        """A row per thing looked at."""
        return pd.DataFrame([(f.test, f.subject, f.verdict, f.kind, f.sentence) for f in self.findings],
                            columns=["test", "array", "verdict", "kind", "what the numbers say"])

    def to_json(self) -> dict[str, Any]:
        """The report as plain lists and numbers; what is not a number is null."""
        return _plain({
            "folder": Path(self.folder).name, "rows": self.n, "labels": self.labels,
            "arrays": self.arrays.to_dict("records"),
            "findings": [f._asdict() for f in self.findings if f.verdict == "found"],
            "clear": [f._asdict() for f in self.findings if f.verdict == "clear"],
            "not_decided": [f._asdict() for f in self.findings if f.verdict == "not decided"],
            "not_run": self.not_run, "skipped": [{"file": file, "reason": reason} for file, reason in self.skipped],
        })


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value


def finding(test: str, subject: str, found: bool | None, kind: str, sentence: str, numbers: dict[str, Any]) -> Finding:
    """A `Finding`; `found` None where that cannot be told."""
    verdict = "not decided" if found is None else "found" if found else "clear"
    return Finding(test, subject, verdict, kind, sentence, numbers)
