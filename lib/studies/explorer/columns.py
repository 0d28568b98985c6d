"""What the explorer knows of the tracks, as its pictures take it: named columns, each of groups or of numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps, colors

from lib.report import claims, style
from lib.report.glossary import shown, term
from lib.scores import grouping
from lib.studies.explorer.models import LABEL, Material

SHADES = 16  # of a number
PALETTE = {"groups": [colors.to_hex(one) for one in style.PALETTE],
           "shades": [colors.to_hex(one) for one in colormaps["cividis"](np.linspace(0, 1, SHADES))]}


def title(material: Material, name: str) -> str:
    """What a property is called, with its unit."""
    if name == LABEL:
        return claims.label_of(material.run)
    known = term(name)
    amounts = name in material.known and grouping.is_number(material.known[name])
    return f"{known.name}, {known.unit}" if known and known.unit and amounts else shown(name)


def values(material: Material, name: str) -> pd.Series:
    """A property [track], named as it is shown: numbers where there are many, else groups as text."""
    column = material.label if name == LABEL else material.known[name]
    return (column.astype(float) if grouping.is_number(column) else _groups(column)).rename(title(material, name))


def _groups(column: pd.Series) -> pd.Series:
    if pd.api.types.is_numeric_dtype(column):
        column = column.map("{:g}".format, na_action="ignore")
    return column.astype(object).where(column.notna(), grouping.MISSING).astype(str)


def described(material: Material) -> dict[str, Any]:
    """The tracks for `Scatter`: names [N], and columns, the label first. A column of groups has `levels` and `codes`
    [N]; one of numbers has `values` [N] (None where there is none) and its 2nd and 98th percentile, `low` and `high`.
    """
    return {"names": material.names.tolist(),
            "columns": [_column(material, name) for name in (LABEL, *material.known)]}


def _column(material: Material, name: str) -> dict[str, Any]:
    column = values(material, name)
    about = {"id": name, "name": column.name}
    if pd.api.types.is_numeric_dtype(column):
        low, high = np.percentile(column.dropna(), [2, 98])
        numbers = [_rounded(value) if np.isfinite(value) else None for value in column]
        return about | {"values": numbers, "low": _rounded(low), "high": _rounded(high)}
    levels = sorted(column.unique(), key=_in_order)
    return about | {"levels": levels, "codes": pd.Categorical(column, levels).codes.tolist()}


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


def _in_order(level: str) -> tuple[bool, float, str]:
    """Numbers by size, then words."""
    try:
        return False, float(level), level
    except ValueError:
        return True, 0.0, level
