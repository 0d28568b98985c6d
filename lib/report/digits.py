"""How many digits the numbers of a table deserve: two of an interval's half-width, none of a count."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from lib.report import rules
from lib.scores.intervals import Interval

NOTHING = "–"
SHORT = 2  # decimals of numbers that are printed whole
UNLIKE = 1000  # from this ratio of its largest to its smallest number on, a column holds quantities of several kinds


def texts(cells: Sequence[Any], most: int = 3) -> list[str]:
    """The cells of a column as texts; its numbers have the same number of decimals, `most` at most."""
    spans = [cell for cell in cells if isinstance(cell, Interval) and rules.is_there(cell)]
    plain = [float(cell) for cell in cells if _is_plain(cell) and math.isfinite(cell)]
    of_spans, of_plain = _of_intervals(spans, most), _of_numbers(plain, most)
    unlike = max(map(abs, plain), default=0) > max(100, UNLIKE * min((abs(v) for v in plain if v), default=1))
    each = unlike and not all(value.is_integer() for value in plain)
    judged = any(isinstance(cell, (bool, np.bool_)) for cell in cells)
    return ["undecided" if judged and cell is None else _cell(cell, of_spans, None if each else of_plain, most)
            for cell in cells]


def _of_intervals(spans: Sequence[Interval], most: int) -> int:
    halves = [(span.high - span.low) / 2 for span in spans if math.isfinite(span.low) and span.high > span.low]
    if halves:
        return _clip(1 - math.floor(math.log10(float(np.median(halves)))), most)
    return _of_numbers([span.mean for span in spans], most)


def _of_numbers(values: Iterable[float], most: int) -> int:
    values = list(values)
    short = SHORT if max(map(abs, values), default=0) < 100 else 0
    exact = next((n for n in range(short + 1) if all(round(value, n) == value for value in values)), None)
    if exact is not None:  # counts, and settings such as beta 0.25
        return exact
    return _clip(most - math.floor(math.log10(max(1, *map(abs, values), 1))), most)


def _clip(decimals: int, most: int) -> int:
    return min(max(decimals, 0), most)


def _is_plain(cell: Any) -> bool:
    return isinstance(cell, (int, float, np.number)) and not isinstance(cell, (bool, np.bool_))


def _cell(cell: Any, of_spans: int, of_plain: int | None, most: int) -> str:
    if isinstance(cell, Interval):
        if not rules.is_there(cell):
            return NOTHING
        certain = cell.n > 1 and cell.low == cell.high == cell.mean
        return f"{cell.mean:.{of_spans}f}" if certain else format(cell, f".{of_spans}f")
    if isinstance(cell, (bool, np.bool_)):
        return "yes" if cell else "no"
    if not _is_plain(cell):
        return NOTHING if cell is None else str(cell)
    if not math.isfinite(cell):
        return NOTHING
    if of_plain is None:  # two digits or more each
        return f"{cell:.{_of_numbers([float(cell)], 2)}f}" if abs(cell) >= 1 or not cell else f"{cell:.2g}"
    least = 10.0**-of_plain
    return f"< {least:.{of_plain}f}" if 0 < cell < least / 2 and of_plain else f"{cell:.{of_plain}f}"
