"""What the audit of arrays found, how sure it is, and the report of it (`audit.json`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from lib.studies.leakage.arrays.taxonomy import CLASSES, QUESTIONS, TESTS

SCHEMA = 2  # of audit.json; documented in schema.md beside this file
LEVEL = 0.01
PROOF, EVIDENCE, ASSUMING, OBSERVED = "proof", "evidence", "under an assumption", "observation"
SURE = {PROOF: "proved", EVIDENCE: "evidence, other causes remain possible", ASSUMING: "only under its assumption",
        OBSERVED: "observed, no fault by itself"}


class Finding(NamedTuple):
    """One thing looked at in one array. `verdict` is "found", "clear" or "not decided"; `kind` says how far "found"
    goes."""

    test: str
    subject: str
    verdict: str
    kind: str
    sentence: str
    numbers: dict[str, Any]

    @property
    def accuses(self) -> bool:
        """Does it speak against the study: found, and no mere observation or assumption?"""
        return self.verdict == "found" and self.kind in (PROOF, EVIDENCE) and TESTS[self.test].accuses

    def plain(self) -> dict[str, Any]:
        """It as plain values, with its class of leakage."""
        return self._asdict() | {"accuses": self.accuses, "leakage": TESTS[self.test].of}


class ArrayReport(NamedTuple):
    """All that was looked at in a folder."""

    folder: str
    n: int
    labels: dict[str, int]
    arrays: pd.DataFrame  # a row per array: what it is and how far it agrees with the labels
    findings: list[Finding]
    not_run: dict[str, str]  # tests of a builder, and why arrays are not enough for them
    skipped: list[tuple[str, str]]
    kinds: dict[str, str] = {}  # noqa: RUF012 what each array was taken for; never written to
    looked: str = ""  # which rows were looked at

    def found(self, test: str = "") -> dict[str, Finding]:
        """What was found, by subject; of one test, or all (then by "test subject")."""
        return {f.subject if test else f"{f.test} {f.subject}": f for f in self.findings
                if f.verdict == "found" and (not test or f.test == test)}

    @property
    def accusations(self) -> list[Finding]:
        """What speaks against the study, proofs first."""
        return sorted((f for f in self.findings if f.accuses), key=lambda f: f.kind != PROOF)

    @property
    def proved(self) -> bool:
        """Is something that speaks against the study proved?"""
        return any(f.kind == PROOF for f in self.accusations)

    def verdict(self) -> str:
        """The report in one sentence."""
        proofs = [f for f in self.accusations if f.kind == PROOF]
        hints = [f for f in self.accusations if f.kind == EVIDENCE]
        count = len(self.kinds) or len(self.arrays)
        looked = f"{len(self.findings)} tests of {count} array{'s' * (count > 1)} of {self.n} rows"
        if not self.accusations:
            return f"In {looked} nothing was found that speaks against them; that is no proof that they are clean."
        parts = [f"{len(group)} {word} ({', '.join(dict.fromkeys(f.test for f in group))})"
                 for group, word in ((proofs, "proved"), (hints, "with evidence")) if group]
        return f"In {looked}, findings that speak against them: {' and '.join(parts)}."

    def table(self) -> pd.DataFrame:
        """A row per thing looked at."""
        return pd.DataFrame([(f.test, f.subject, f.verdict, f.kind, f.sentence) for f in self.findings],
                            columns=["test", "array", "verdict", "kind", "what the numbers say"])

    def summary(self) -> pd.DataFrame:
        """What was found, where, and how sure: accusations first."""
        found = [f for f in self.findings if f.verdict == "found"]
        order = sorted(found, key=lambda f: (not f.accuses, (PROOF, EVIDENCE, OBSERVED, ASSUMING).index(f.kind)))
        where: dict[tuple[str, str], list[str]] = {}
        for f in order:  # the same found in several arrays is one line
            where.setdefault((_first(f), SURE[f.kind]), []).append(f.subject)
        rows = [(what, ", ".join(subjects), sure) for (what, sure), subjects in where.items()]
        return pd.DataFrame(rows, columns=["what", "where", "how sure"])

    def questions(self) -> pd.DataFrame:
        """What only the authors can answer, by class of leakage."""
        return pd.DataFrame([(f"{key}, {CLASSES[key]}", asks) for key, asks in QUESTIONS.items()],
                            columns=["class of leakage", "question to the authors"])

    def to_json(self) -> dict[str, Any]:
        """The report as plain lists and numbers (`schema.md`); what is not a number is null."""
        by = {verdict: [f.plain() for f in self.findings if f.verdict == verdict]
              for verdict in ("found", "clear", "not decided")}
        return _plain({
            "schema": SCHEMA, "folder": Path(self.folder).name, "verdict": self.verdict(), "proved": self.proved,
            "rows": self.n, "looked_at": self.looked, "labels": self.labels, "taken_for": self.kinds,
            "arrays": self.arrays.to_dict("records"),
            "findings": by["found"], "clear": by["clear"], "not_decided": by["not decided"],
            "questions": [{"leakage": key, "question": asks} for key, asks in QUESTIONS.items()],
            "not_run": self.not_run, "skipped": [{"file": file, "reason": reason} for file, reason in self.skipped],
        })


def _first(one: Finding) -> str:
    """A finding's test and sentence."""
    of = TESTS[one.test].of
    return f"{one.test}{f' ({of})' if of else ''}: {one.sentence}"


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
