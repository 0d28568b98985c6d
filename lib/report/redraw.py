"""Figures drawn again from what their function was given, at another width and as PDF: for `--export`, when no notebook
runs. What it was given is kept as JSON beside the picture."""

from __future__ import annotations

import contextlib
import functools
import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib.report import style
from lib.scores.intervals import Interval
from lib.store import files

P = ParamSpec("P")


def redrawable(function: Callable[P, Figure]) -> Callable[P, Figure]:
    """Decorator of a function that draws a figure: the figure knows what it was made from, and what was in it then."""

    @functools.wraps(function)
    def draw(*args: P.args, **options: P.kwargs) -> Figure:
        figure = function(*args, **options)
        if not any(isinstance(value, Axes) for value in (*args, *options.values())):
            figure.made_by = [function.__module__, function.__name__, args, options], _artists(figure)
        return figure

    draw.is_redrawable = True
    return draw


def keep(figure: Figure, path: Path) -> None:
    """Write at `path` what it takes to draw a figure again, unless it was drawn on since, or JSON cannot hold it."""
    made_by, artists = getattr(figure, "made_by", (None, None))
    path.unlink(missing_ok=True)
    with contextlib.suppress(TypeError):
        if made_by and artists == _artists(figure):
            files.write_text(path, json.dumps(_plain(made_by)))


def again(path: Path, width: float) -> Figure | None:
    """The figure kept at `path`, `width` inches wide; None where there is none."""
    if not path.is_file():
        return None
    module, name, args, options = _back(json.loads(path.read_text(encoding="utf-8")))
    source = importlib.import_module(module) if module.startswith("lib.") else None
    if source and not hasattr(source, name):  # of an earlier version
        return None
    function = getattr(source, name, None)
    if not getattr(function, "is_redrawable", False):
        raise ValueError(f"{path}: {module}.{name} is no function of this project that draws figures")
    with style.as_wide_as(width):
        return function(*args, **options)


def _artists(figure: Figure) -> list[str]:
    """What is in a figure and its panels, in words; their axes by name alone, since to look inside one lays it out."""
    parts = [*figure.get_children(), *(one for ax in figure.axes for one in ax.get_children())]
    return [str(part) for part in parts] + [name for ax in figure.axes for name in (ax.get_xlabel(), ax.get_ylabel())]


def _plain(value: Any) -> Any:
    """A value as lists, numbers, texts, and dictionaries of one kind: {its type: what it holds}."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, np.ndarray):
        if value.dtype == np.float32:  # as doubles they would have ten digits more that say nothing
            value = value.astype(str).astype(float)
        return {"ndarray": value.tolist()}
    if isinstance(value, tuple):
        if type(value) not in (tuple, Interval):
            raise TypeError(f"a {type(value).__name__} would come back as a tuple")
        return {type(value).__name__: [_plain(one) for one in value]}
    if isinstance(value, dict):
        return {"dict": [[_plain(key), _plain(one)] for key, one in value.items()]}
    if isinstance(value, pd.Series):
        return {"Series": [_plain(list(value)), _plain(list(value.index)), _plain(value.name)]}
    if isinstance(value, pd.DataFrame):
        return {"DataFrame": [[_plain(list(column)) for _, column in value.items()],
                              *([_plain(list(axis)), axis.name] for axis in (value.index, value.columns))]}
    return value


def _back(value: Any) -> Any:
    """The value behind `_plain`."""
    if isinstance(value, list):
        return [_back(one) for one in value]
    if not isinstance(value, dict):
        return value
    (kind, held), = value.items()
    held = _back(held)
    if kind == "Series":
        return pd.Series(held[0], held[1], name=held[2])
    if kind == "DataFrame":
        columns, (index, index_name), (names, name) = held
        data = pd.DataFrame(dict(enumerate(columns)), pd.Index(index, name=index_name))
        return data.set_axis(pd.Index(names, name=name), axis=1)
    return Interval(*held) if kind == "Interval" else {"tuple": tuple, "ndarray": np.array, "dict": dict}[kind](held)
