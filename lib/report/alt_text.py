"""A figure in words, for those who do not see it: read from what is drawn in it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection, QuadMesh
from matplotlib.figure import Figure

MOST = 8  # entries that are told one by one; of more, the extremes


def describe(figure: Figure) -> str:
    """What the panels of a figure show, with their numbers. Empty when nothing in it can be told."""
    panels = [ax for ax in figure.axes if ax.get_label() != "<colorbar>" and ax.get_visible()]
    pictures = [ax for ax in panels if ax.images]
    told = [text for ax in panels if ax not in pictures for text in [_panel(ax)] if text]
    if pictures:
        low, high = pictures[0].images[0].get_clim()
        titles = ", ".join(_title(ax) or f"panel {i + 1}" for i, ax in enumerate(pictures))
        told.append(f"{len(pictures)} images, colours from {low:.3g} to {high:.3g}: {titles}.")
    return " ".join(told)


def _panel(ax: Axes) -> str:
    parts = [part for tell in (_points, _cells, _bars, _rows, _curves, _boxes) for part in tell(ax)]
    if not parts:
        return ""
    axes = " against ".join(dict.fromkeys(text for text in (ax.get_ylabel(), ax.get_xlabel()) if text))
    head = ", ".join(text for text in (_title(ax), axes) if text)
    return _one_line(f"{head}: {'; '.join(parts)}." if head else f"{'; '.join(parts)}.")


def _title(ax: Axes) -> str:
    return ax.get_title(loc="left") or ax.get_title()


def _points(ax: Axes) -> list[str]:
    """Groups of points."""
    groups = [g for g in ax.collections if isinstance(g, PathCollection) and len(g.get_offsets())]
    if not groups:
        return []
    named = [f"{g.get_label()} {len(g.get_offsets())}" for g in groups if not str(g.get_label()).startswith("_")]
    points = np.ma.filled(np.concatenate([g.get_offsets() for g in groups]).astype(float), np.nan)
    (x_low, y_low), (x_high, y_high) = np.nanmin(points, axis=0), np.nanmax(points, axis=0)
    said = f"{len(points)} points from {x_low:.3g} to {x_high:.3g} across and {y_low:.3g} to {y_high:.3g} up"
    return [said + (f" ({_list(named)})" if named else "")]


def _cells(ax: Axes) -> list[str]:
    """A table as a picture: size, and where its extremes are."""
    said = []
    for mesh in (c for c in ax.collections if isinstance(c, QuadMesh)):
        values = np.ma.masked_invalid(np.ma.atleast_2d(mesh.get_array()))
        rows, columns = _names(ax, "y"), _names(ax, "x")
        where = []
        for word, index in (("lowest", values.argmin()), ("highest", values.argmax())):
            row, column = np.unravel_index(index, values.shape)
            names = [names[i] for names, i, n in ((rows, row, values.shape[0]), (columns, column, values.shape[1]))
                     if len(names) == n]
            where.append(f"{word} {values[row, column]:.3g}" + (f" ({', '.join(names)})" if names else ""))
        said.append(f"{values.shape[0]} rows by {values.shape[1]} columns, {', '.join(where)}")
    return said


def _bars(ax: Axes) -> list[str]:
    said = []
    for bars in ax.containers:
        sizes = [(p.get_width(), p.get_height()) for p in getattr(bars, "patches", [])]
        if not sizes:
            continue
        lying = len({height for _, height in sizes}) == 1 and len({width for width, _ in sizes}) > 1
        names, values = _names(ax, "y" if lying else "x"), [s[0 if lying else 1] for s in sizes]
        names = names if len(names) == len(values) else [f"bar {i + 1}" for i in range(len(values))]
        said.append(_values(names, values))
    return said


def _rows(ax: Axes) -> list[str]:
    """Named rows with a dot each, as in `figures.dots`, or one of each series; grey strokes are nulls."""
    names, ticks = _names(ax, "y"), list(ax.get_yticks())
    if not names or ax.containers or any(isinstance(c, QuadMesh) for c in ax.collections):
        return []
    dots, nulls, series = {}, {}, []
    for line in ax.lines:
        x, y = (np.atleast_1d(values).astype(float) for values in line.get_data())
        if not len(x) or line.get_marker() in ("None", "", None):
            continue
        if len(set(y)) != 1 and len(y) == len(ticks) and np.abs(np.sort(y) - np.sort(ticks)).max() < 0.5:
            nearest = [int(np.abs(np.array(ticks) - one).argmin()) for one in y]
            series.append(f"{line.get_label()}: {_values([names[i] for i in nearest], x)}")
            continue
        if len(set(y)) != 1 or y[0] not in ticks:
            continue
        kind = nulls if line.get_marker() == "|" else dots
        kind[names[ticks.index(y[0])]] = float(np.mean(x))
    rows = [name for name in names if name in dots]
    said = [*series, *([_values(rows, [dots[name] for name in rows])] if rows else [])]
    return said + ([f"grey strokes: {_values(list(nulls), list(nulls.values()))}"] if nulls else [])


def _curves(ax: Axes) -> list[str]:
    if _names(ax, "y"):
        return []
    said = []
    for line in ax.lines:
        x, y = (np.atleast_1d(values).astype(float) for values in line.get_data())
        good = np.isfinite(x) & np.isfinite(y)
        x, y = x[good], y[good]
        name = str(line.get_label())
        name = "curve" if name.startswith("_") else name
        if not len(x):
            continue
        if len(set(y)) == 1 and len(x) == 2:  # a line across the panel
            said.append(f"line {name} at {y[0]:.3g}" if name != "curve" else f"line at {y[0]:.3g}")
        elif len(set(x)) == 1 and len(x) == 2:
            said.append(f"upright line at {x[0]:.3g}")
        else:
            ends = f"{name} from {y[0]:.3g} at {x[0]:.3g} to {y[-1]:.3g} at {x[-1]:.3g}"
            top = int(np.argmax(y))
            said.append(ends + (f", highest {y[top]:.3g} at {x[top]:.3g}" if 0 < top < len(y) - 1 else ""))
    return said if len(said) <= MOST else [*said[:MOST], f"and {len(said) - MOST} more"]


def _boxes(ax: Axes) -> list[str]:
    """The words of a diagram."""
    words = [text.get_text() for text in ax.texts if text.get_text().strip()]
    return [", ".join(words)] if not ax.axison and words else []


def _names(ax: Axes, axis: str) -> list[str]:
    """Names along an axis, perhaps written at another panel that shares it; empty where it has numbers."""
    shared = ax.get_shared_y_axes() if axis == "y" else ax.get_shared_x_axes()
    for one in (ax, *shared.get_siblings(ax)):
        names = [label.get_text() for label in (one.get_yticklabels() if axis == "y" else one.get_xticklabels())]
        if not all(_is_number(name) for name in names):
            return names
    return []


def _is_number(text: str) -> bool:
    try:
        float(text.replace("\u2212", "-").strip("$") or "0")
    except ValueError:
        return text.startswith("$")  # a power of ten
    return True


def _values(names: Sequence[str], values: Sequence[float]) -> str:
    pairs = [(name, value) for name, value in zip(names, values, strict=True) if np.isfinite(value)]
    if len(pairs) <= MOST:
        return ", ".join(f"{name} {value:.3g}" for name, value in pairs)
    low, high = min(pairs, key=lambda pair: pair[1]), max(pairs, key=lambda pair: pair[1])
    return f"{len(pairs)} rows, highest {high[0]} {high[1]:.3g}, lowest {low[0]} {low[1]:.3g}"


def _list(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 12 else f"{', '.join(names[:10])} and {len(names) - 10} more groups"


def _one_line(text: str) -> str:
    return " ".join(text.split())
