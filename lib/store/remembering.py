"""Tables that a run has computed before, so that a notebook that runs again computes only what has changed.

A table is found again by everything that it follows from: the code of `lib`, the packages, the run's settings and the
content of what the function was given. Stored latents are found in the same way (`lib.models.latents.stored`). Only
kernels of the runner remember: who works in a notebook by hand may have replaced any function.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec

import numpy as np
import pandas as pd
import xarray as xr

from lib.store import artifacts, files
from lib.store.runs import Run
from lib.store.series import ROOT
from lib.store.settings import digest

P = ParamSpec("P")
CODE = "LATENT_GENRE_CODE"  # set by the runner for its kernels: the hash of the code of `lib` and of the packages
SOURCES = sorted((ROOT / "lib").rglob("*.py"))
LOADED = time.time()


def remembered(function: Callable[P, pd.DataFrame]) -> Callable[P, pd.DataFrame]:
    """Decorator of a function (run, ...) -> table: the run's folder keeps what it returns, and later calls with equal
    arguments read it. The table holds numbers and texts.

    The first call returns what later ones will read, so that both are the same to the last digit.
    """

    @functools.wraps(function)
    def recall(run: Run, *args: Any, **options: Any) -> pd.DataFrame:
        edited = any(not path.is_file() or path.stat().st_mtime > LOADED for path in SOURCES)
        if CODE not in os.environ or edited:
            return function(run, *args, **options)
        key = digest([os.environ[CODE], function.__module__, function.__qualname__, run.settings.key(), _content(args),
                      _content(options)], 24)
        path = run.folder / "remembered" / f"{function.__name__}-{key}.json"
        with contextlib.suppress(FileNotFoundError, ValueError, TypeError, KeyError):  # no file, or a damaged one
            return _table(path.read_text(encoding="utf-8"))
        written = json.dumps(function(run, *args, **options).to_dict("tight"), default=_number)
        files.write_text(path, written)
        return _table(written)

    return recall


def _table(written: str) -> pd.DataFrame:
    return pd.DataFrame.from_dict(json.loads(written), orient="tight")


def _content(value: Any) -> Any:
    """What decides whether two arguments are equal, in a form that can be written as JSON."""
    if isinstance(value, np.ndarray):
        if value.dtype == object:
            return value.tolist()
        return [value.dtype.str, value.shape, hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()]
    if isinstance(value, xr.Dataset):  # but not who wrote it, and when
        about = {name: text for name, text in value.attrs.items() if name in artifacts.SCORE_COLUMNS}
        return [about, {str(name): [each.dims, _content(each.values)] for name, each in value.variables.items()}]
    if isinstance(value, pd.DataFrame):
        return [list(value.columns), value.index.tolist(), [_content(value[name].to_numpy()) for name in value.columns]]
    if isinstance(value, pd.Series):
        return [value.name, value.index.tolist(), _content(value.to_numpy())]
    if isinstance(value, Mapping):
        return [[str(name), _content(one)] for name, one in value.items()]
    if isinstance(value, list | tuple):
        return [_content(one) for one in value]
    if isinstance(value, np.generic):
        return [value.dtype.str, value.item()]
    if isinstance(value, str | int | float | bool | None):
        return [type(value).__name__, value]
    raise TypeError(f"a remembered function cannot be given {type(value).__name__}: it is not known when two are equal")


def _number(value: Any) -> Any:
    """A number of NumPy as one of Python."""
    return value.item()
