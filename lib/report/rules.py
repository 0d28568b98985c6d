"""Rules that decide claims: each returns a verdict on numbers together with the wording of what decided.

A ruling is a dict: `name` of the rule, `verdict` (True, False, or None: not decided), `rule` in words, and numbers that
the claim's sentences may print. Wordings may leave nouns open, `{value}` or `{limit}`, which a claim fills in
(`where` in `claims.yaml`). Studies keep rules of their own in the same form.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd

from lib.report.glossary import ID_COLUMNS, shown
from lib.scores.intervals import COMPATIBLE, FEW_SEEDS, FEW_UNITS, MISSED, SIGNIFICANT, Interval
from lib.scores.nulls import ALPHA, Excess

Ruling = dict[str, Any]
MARGIN = 0.02  # changes of NMI or of a silhouette up to this size are called none


def rule(function: Callable[..., Ruling]) -> Callable[..., Ruling]:
    """Decorator of a rule: its rulings bear its name."""

    @functools.wraps(function)
    def named(*args: Any, **options: Any) -> Ruling:
        return function(*args, **options) | {"name": function.__name__}

    return named


def ruling(verdict: bool | None, words: str, **numbers: Any) -> Ruling:
    """A verdict with the rule in words; none where one of the numbers that it rests on is not there."""
    decided = verdict is not None and all(map(is_there, numbers.values()))
    return {"verdict": bool(verdict) if decided else None, "rule": words, **numbers}


def is_there(value: Any) -> bool:
    """Is a value no number that is missing: no NaN, no infinity, no interval of nothing?"""
    if isinstance(value, Interval):
        return value.n > 0 and bool(np.isfinite(value.mean))
    return not isinstance(value, (float, np.floating)) or bool(np.isfinite(value))


def in_words(names: Iterable[str]) -> str:
    """A list as a sentence has it: "a, b and c"."""
    *most, last = list(names) or ["none"]
    return f"{', '.join(most)} and {last}" if most else last


@rule
def changes(difference: Interval) -> Ruling:
    """Is a difference, paired by seed, resolved?"""
    words = "the 95 % interval of the paired difference excludes zero"
    return ruling(difference.excludes_zero if np.isfinite(difference.low) else None, words, difference=difference)


@rule
def above_zero(difference: Interval) -> Ruling:
    """Is a difference resolved, and positive? Not decided without an interval (few seeds or units)."""
    verdict = difference.low > 0 if np.isfinite(difference.low) else None
    words = "the 95 % interval of the paired difference lies above zero"
    return ruling(verdict, words, difference=difference)


@rule
def at_most(values: Any, limits: Any) -> Ruling:
    """Is every value at most its limit (to rounding)?"""
    known = bool(np.isfinite(np.asarray(values, dtype=float)).all() and not np.isnan(np.asarray(limits)).any())
    verdict = bool((np.asarray(values) <= np.asarray(limits) + 1e-9).all())
    return ruling(verdict if known else None, "{value} at most {limit}")


@rule
def correlated_below(r: float, limit: float, n: int) -> Ruling:
    """Is a rank correlation of `n` points below `limit`? Not decided with two points or fewer."""
    return ruling(r < limit if n > 2 else None, f"rank correlation below {limit:g} over {{points}}", r=r)


@rule
def any_above_zero(differences: Iterable[Interval]) -> Ruling:
    """Is any of several differences resolved, and positive? `difference` is the one whose interval ends highest."""
    best = max(differences, key=lambda one: one.low)
    words = "the highest lower end of the intervals of the paired differences lies above zero"
    return ruling(best.low > 0, words, difference=best)


@rule
def above(value: Interval, limit: float) -> Ruling:
    """Is a value resolved as more than a limit?"""
    return ruling(value.low > limit, "the 95 % interval of {what} lies above {limit}", value=value)


@rule
def below(value: float, limit: float) -> Ruling:
    """Is a number smaller than a limit?"""
    return ruling(value < limit if is_there(float(value)) else None, "{what} below {limit}")


@rule
def significant(family: pd.DataFrame) -> Ruling:
    """Is any comparison of a family (`intervals.compare`) significant? `names` says which, each with its difference;
    `few` counts those with too few seeds or units, `all` those that have scores."""
    scored = family[family["verdict"] != "no scores"]
    found = scored[scored["verdict"] == SIGNIFICANT]
    pairs = zip(found["comparison"], found["difference"], strict=True)
    names = "; ".join(f"{shown(name)} ({gap.mean:+.3f})" for name, gap in pairs)
    few = int(scored["verdict"].isin([FEW_SEEDS, FEW_UNITS]).sum())
    rest = f"; {few} {'has' if few == 1 else 'have'} too few seeds or units for any p below 0.05" if few else ""
    return ruling(len(found) > 0 if len(scored) > few else None, "Holm-corrected p at most 0.05", n=len(found),
                  all=len(scored), few=few, names=names or "none", open=rest)


@rule
def above_null(found: Excess) -> Ruling:
    """Is a silhouette more than a draw of its null? By the test of the verdict on clusters (`scores/verdict.py`)."""
    words = f"the silhouette exceeds its null, and by a two-sided t test at {ALPHA:g} it is no draw of it"
    numbers = {"value": found.value, "null": found.null_mean, "excess": found.excess, "z": found.z}
    return ruling(found.differs and found.excess > 0, words, **numbers)


@rule
def all_inside(found: Iterable[str]) -> Ruling:
    """Does every value of several lie within its limits (`intervals.in_window`)? Not decided where none lies outside,
    but an interval reaches beyond its window."""
    found = list(found)
    n, out, apart = len(found), found.count(MISSED), found.count(COMPATIBLE)
    verdict = False if out else None if apart else True
    return ruling(verdict, "every {value} lies inside {limit}", n=n, out=out, inside=n - out - apart, compatible=apart)


@rule
def adds_up(parts: Iterable[int], whole: int) -> Ruling:
    """Are the parts together the whole, which was counted by itself?"""
    together = int(sum(parts))
    return ruling(together == whole, "{parts} add up to {whole}", together=together, n=whole)


@rule
def at_least_one(n: int) -> Ruling:
    """Is there one at all?"""
    return ruling(n > 0, "at least one {value}", n=n)


@rule
def none_at_all(n: int) -> Ruling:
    """Is there none?"""
    return ruling(n == 0, "no {value}", n=n)


# --- predictions made before a run ------------------------------------------------------------------------------------
def judge(prediction: str, change: Interval, margin: float = MARGIN) -> bool | None:
    """Did a prediction hold? None where the interval of the paired change tells neither, so that noise helps nobody.

    Up to `margin` a change is none. "up" and "down" hold when the interval lies on that side of zero, and fail when it
    ends at or before the margin on that side; "same" holds when it lies within the margin, and fails when it lies
    outside; "not up" holds when it ends below the margin, and fails when it begins above it.
    """
    low, high = change.low, change.high
    holds = {
        "up": (low > 0, high <= margin), "down": (high < 0, low >= -margin), "not up": (high <= margin, low > margin),
        "same": (-margin <= low and high <= margin, low > margin or high < -margin),
    }
    if prediction not in holds:
        raise ValueError(f"a prediction is one of {list(holds)}, not {prediction!r}")
    held, failed = holds[prediction]
    return True if held else False if failed else None


@rule
def predictions_hold(table: pd.DataFrame) -> Ruling:
    """Did every prediction hold? The table of `judged`; `failed` names those that did not; `n` counts the decided."""
    failed, held = table[table["held"].eq(False)], table["held"].eq(True)
    rows = failed[["name", "metric", "predicted"]].itertuples(index=False)
    names = "; ".join(f"{shown(name, ID_COLUMNS['name'])} ({shown(metric)}: {predicted})"
                      for name, metric, predicted in rows)
    decided = table["held"].notna()
    left = int((~decided).sum())
    return ruling(failed.empty if decided.all() or len(failed) else None,
                  "the interval of each paired change lies where it was predicted (within a margin: no change)",
                  n=int(decided.sum()), held=int(held.sum()), failed=names or "none",
                  rest={0: "", 1: "; one is not decided"}.get(left, f"; {left} are not decided"))
