"""Rules that decide claims: each returns a verdict on numbers together with the wording of what decided.

A ruling is a dict: `name` of the rule, `verdict` (True, False, or None: not decided), `rule` in words, and numbers that
the claim's sentences may print. Wordings may leave nouns open, `{value}` or `{limit}`, which a claim fills in
(`where` in `claims.yaml`). Studies keep rules of their own in the same form.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from lib.scores.intervals import Interval

Ruling = dict[str, Any]


def rule(function: Callable[..., Ruling]) -> Callable[..., Ruling]:
    """Decorator of a rule: its rulings bear its name."""

    @functools.wraps(function)
    def named(*args: Any, **options: Any) -> Ruling:
        return function(*args, **options) | {"name": function.__name__}

    return named


def ruling(verdict: bool | None, words: str, **numbers: Any) -> Ruling:
    """A verdict with the rule in words."""
    return {"verdict": None if verdict is None else bool(verdict), "rule": words, **numbers}


@rule
def changes(difference: Interval) -> Ruling:
    """Is a difference, paired by seed, resolved?"""
    words = "the 95 % interval of the paired difference excludes zero"
    return ruling(difference.excludes_zero, words, difference=difference)


@rule
def above_zero(difference: Interval) -> Ruling:
    """Is a difference resolved, and positive? Not decided with fewer than two seeds."""
    verdict = difference.low > 0 if difference.n > 1 else None
    words = "the 95 % interval of the paired difference lies above zero"
    return ruling(verdict, words, difference=difference)


@rule
def at_most(values: Any, limits: Any) -> Ruling:
    """Is every value at most its limit (to rounding)?"""
    return ruling(bool((np.asarray(values) <= np.asarray(limits) + 1e-9).all()), "{value} at most {limit}")


@rule
def correlated_below(r: float, limit: float, n: int) -> Ruling:
    """Is a rank correlation of `n` points below `limit`? Not decided with two points or fewer."""
    return ruling(r < limit if n > 2 else None, f"rank correlation below {limit:g} over {{points}}", r=r)


@rule
def all_inside(inside: Any) -> Ruling:
    """Does every value of several lie within its limits?"""
    inside = np.asarray(inside, dtype=bool)
    return ruling(inside.all(), "every {value} meets {limit}", n=len(inside), out=int((~inside).sum()))


@rule
def at_least_one(n: int) -> Ruling:
    """Is there one at all?"""
    return ruling(n > 0, "at least one {value}", n=n)
