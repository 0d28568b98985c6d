"""Building features again from the same recordings filed otherwise, and how far they change."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd

from lib.studies.leakage import permuted_corpus
from lib.studies.leakage.outcomes import Builder
from lib.studies.leakage.permuted_corpus import Corpus, Filing

TOLERANCE = 1e-6  # of a value, relative to its distance from its column's median and to the column's spread


def build(builder: Builder, corpus: Corpus, filing: Filing) -> pd.DataFrame:
    with permuted_corpus.refiled(corpus, filing) as place:
        return builder(place)


def change(a: pd.DataFrame, b: pd.DataFrame) -> float:
    """Largest relative change of a value between two builds, rows joined by id; infinite where they cannot be joined.

    A value's change is divided by its distance from its column's median plus the column's spread (the median distance;
    if that is zero, the standard deviation). Rounding is taken off first: 100 units in the last place of the table's
    own number format, at the size of its largest value. Columns may turn their sign.
    """
    a, b = joinable(a), joinable(b)
    if not a.index.equals(b.index) or set(a.columns) != set(b.columns) or a.shape != b.shape:
        return float("inf")
    x, y = a.to_numpy(), b[a.columns].to_numpy()
    if (np.isnan(x) != np.isnan(y)).any() or not x.size:
        return float("inf") if x.size else 0.0
    x, y = np.nan_to_num(x), np.nan_to_num(y)
    y = y * np.where((x * y).sum(0) < 0, -1.0, 1.0)
    middle = np.median(x, axis=0)
    away = np.maximum(np.abs(x - middle), np.abs(y - middle))
    spread = np.median(np.abs(x - middle), axis=0)
    spread = np.where(spread > 0, spread, x.std(axis=0))
    rounding = 100 * a.attrs["eps"] * max(np.abs(x).max(), np.abs(y).max())
    beyond = np.maximum(np.abs(x - y) - rounding, 0)
    return float((beyond / np.maximum(away + spread, 1e-300)).max())


def joinable(table: pd.DataFrame) -> pd.DataFrame:
    """As numbers (texts by their hash), sorted by id; rows of one id (copies of a recording) become their mean."""
    kinds = [dtype for dtype in table.dtypes if isinstance(dtype, np.dtype) and dtype.kind == "f"]
    eps = max((float(np.finfo(kind).eps) for kind in kinds), default=float(np.finfo(float).eps))
    numbers = table.copy()
    for column in numbers.columns[[not pd.api.types.is_numeric_dtype(dtype) for dtype in table.dtypes]]:
        numbers[column] = [int.from_bytes(hashlib.sha256(str(v).encode()).digest()[:6]) for v in table[column]]
    numbers = numbers.astype(float)
    numbers = numbers.groupby(level=0).mean() if not numbers.index.is_unique else numbers.sort_index()
    numbers.attrs["eps"] = eps
    return numbers
