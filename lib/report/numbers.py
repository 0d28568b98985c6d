"""Every headline number of a run as a LaTeX macro, so that no number is ever typed again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from lib.report import latex
from lib.scores import table as scores
from lib.scores.intervals import Interval
from lib.store import artifacts, runs

METRICS = ("nmi", "ami", "ari", "accuracy", "purity", "silhouette", "silhouette_null", "kl", "active_dims")


class Number(NamedTuple):
    """A macro, what it prints, and where the number comes from."""

    macro: str
    printed: str
    origin: str


def numbers(folder: Path) -> list[Number]:
    """The numbers of a run's findings, as printed there, and the means of its score table; no macro occurs twice.

    An interval gives three more macros: its `Mean`, `Low` and `High`.
    """
    found = [*_of_findings(runs.load_records(folder)), *_of_scores(artifacts.scores_of(folder))]
    taken: dict[str, int] = {}
    out = []
    for one in found:  # names that differ only in what LaTeX cannot spell get a letter: B, C, ...
        taken[one.macro] = taken.get(one.macro, 0) + 1
        letter = "" if taken[one.macro] == 1 else _letters(taken[one.macro])
        out.append(one._replace(macro=one.macro + letter))
    return out


def _letters(n: int) -> str:
    return (_letters(n // 26) if n > 26 else "") + "ZABCDEFGHIJKLMNOPQRSTUVWXY"[n % 26]


def to_latex(found: Sequence[Number]) -> str:
    r"""`numbers.tex`: a `\newcommand` for each number, with its origin as a comment."""
    lines = ["% Made by run_notebooks.py --export latex: do not edit. \\input this file before \\begin{document}."]
    origin = ""
    for one in found:
        if one.origin != origin:
            origin = one.origin
            lines.append("% " + "".join(letter for letter in " ".join(origin.split()) if letter.isprintable()))
        lines.append(f"\\newcommand{{\\{one.macro}}}{{{one.printed}}}")
    return "\n".join(lines) + "\n"


def _of_findings(records: dict[str, dict[str, Any]]) -> list[Number]:
    found = []
    for notebook, record in records.items():
        for finding in record.get("findings", []):
            for name, value in finding["numbers"].items():
                spec = finding.get("formats", {}).get(name, "")
                origin = f"{notebook}, finding {finding['name']}: {finding['text']}"
                found += _macros(latex.macro(finding["name"], name), value, spec, origin)
    return found


def _of_scores(table: pd.DataFrame) -> list[Number]:
    """Means and intervals over seeds of the main metrics, for every setting of a score table."""
    found = []
    by = ("method", "features", "setting")
    for row in scores.summary(table, METRICS, by).to_dict("records"):
        what = [str(row[name]) for name in by]
        for metric in METRICS:
            if isinstance(row.get(metric), Interval) and row[metric].n:
                spec = ".1f" if metric == "active_dims" else ".2f" if metric == "kl" else ".3f"
                origin = f"scores.csv: {', '.join(what)}"
                found += _macros(latex.macro(*what, metric), list(row[metric]), spec, origin)
    return found


def _macros(name: str, value: Any, spec: str, origin: str) -> list[Number]:
    """The macro of a number, or of a recorded `Interval` and its parts; none for anything else."""
    if isinstance(value, list) and len(value) == 5 and all(isinstance(v, (int, float)) for v in value[:4]):
        if not value[3] or not math.isfinite(value[0]):
            return []
        interval = Interval(*value)
        parts = [Number(name, _set(format(interval, spec)), origin)]
        if interval.n > 1:
            said = zip(("Mean", "Low", "High"), value[:3], strict=True)
            parts += [Number(name + part, _set(format(v, spec or ".3f")), origin) for part, v in said]
        return parts
    if not _is_number(value):
        return []
    return [Number(name, _set(format(value, spec or ("" if isinstance(value, int) else ".3g"))), origin)]


def _set(text: str) -> str:
    """A number as mathematics, so that its minus is one; what stands around it stays text."""
    return " ".join(map(_word, text.split()))


def _word(word: str) -> str:
    start, inner, end = word[: word[0] == "["], word.strip("[],"), word[len(word.rstrip("],")):]
    said = latex.escape(inner)
    said = f"${said}$" if inner[:1] in "+-" else said
    return ("[" if start else "") + said + end


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
