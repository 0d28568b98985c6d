"""Values of tracks as groups: numbers in bins, groups of few tracks pooled."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

POOLED = "others"
MISSING = "unknown"
NAMES_THINGS = re.compile(r"(^|[\W_])id$", re.I)  # of a column: its numbers are no amounts
BINS, LEAST = 10, 10  # of a number; tracks in a group that is not pooled


def typed(columns: pd.DataFrame, bins: int = BINS) -> pd.DataFrame:
    """Columns of a table, read as text, with numbers as numbers; few values, and names (`artist_id`), stay text."""
    numbers = {name: pd.to_numeric(column, errors="coerce") for name, column in columns.items()}
    return columns.assign(**{name: values for name, values in numbers.items()
                             if not NAMES_THINGS.search(str(name)) and values.notna().equals(columns[name].notna())
                             and values.nunique() > bins})


def is_number(column: pd.Series, bins: int = BINS) -> bool:
    """Is this a number of more values than it would have bins?"""
    return pd.api.types.is_numeric_dtype(column) and column.nunique() > bins


def levels(column: pd.Series, bins: int = BINS, of_more_than: int = BINS) -> pd.Series:
    """A column as text [track]: its values, or of a number the bin of equally many tracks."""
    if not is_number(column, of_more_than):
        return column.astype(object).where(column.notna(), MISSING).astype(str)
    place = np.ceil(column.rank(method="average", pct=True) * bins).clip(1, bins)
    return place.map(lambda one: MISSING if np.isnan(one) else f"bin {int(one):0{len(str(bins))}d}").astype(str)


def groups(column: pd.Series) -> pd.Series:
    """A column as groups [track], with enough tracks in each."""
    return pooled(levels(column, bins_for(len(column))))


def bins_for(n: int, bins: int = BINS, least: int = LEAST) -> int:
    """Bins of a number of n tracks: two or more, with `least` tracks in each where that can be."""
    return max(2, min(bins, n // least))


def pooled(groups: pd.Series, least: int = LEAST) -> pd.Series:
    """Groups [track] of fewer than `least` tracks as one; with the smallest other where that is too small as well."""
    counts = groups.value_counts()
    small = counts.index[counts < least]
    if not len(small):
        return groups
    kept = counts.drop(small)
    if counts[small].sum() < least and len(kept):
        small = [*small, min(kept.index, key=lambda name: (kept[name], name))]
    return groups.where(~groups.isin(small), POOLED)
