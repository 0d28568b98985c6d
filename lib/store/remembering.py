"""What is kept, and when it is found again: one rule for features, latents and tables.

A thing is found under the hash of the code that makes it (`code_of`: sources of `lib`, versions of packages) and of
what it was made of (`content`). Nobody raises a version, and an edit elsewhere makes nothing anew.

Tables are kept by `remembered`, so that a notebook that runs again computes only what has changed; but only in kernels
of the runner: who works in a notebook by hand may have replaced any function.
"""

from __future__ import annotations

import contextlib
import functools
import gzip
import json
import os
import platform
import zlib
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import joblib
import numpy as np
import pandas as pd
import xarray as xr

from lib.store import artifacts, files, runs
from lib.store.errors import Problem
from lib.store.runs import PACKAGES, Run
from lib.store.series import ROOT
from lib.store.settings import digest

P = ParamSpec("P")
N = TypeVar("N", float, list[float])
IN_RUN = "LATENT_GENRE_IN_RUN"  # set by the runner for its kernels, which remember
PARTS = ("corpora", "features", "models", "scores", "store", "studies")  # of `lib`: what numbers can depend on


def sources(*parts: str) -> dict[str, str]:
    """Hash of each Python file in these parts of `lib`, folders or files; the explorer makes no numbers."""
    found = [path for part in parts for path in [ROOT / "lib" / part, *(ROOT / "lib" / part).rglob("*.py")]]
    states = {path: path.stat() for path in sorted(found) if path.parent.name != "explorer" and path.is_file()}
    return {str(path.relative_to(ROOT)): _hash(path, state.st_mtime_ns, state.st_size)
            for path, state in states.items()}


@functools.lru_cache(maxsize=1024)  # each table and each latent asks for it
def _hash(path: Path, changed: int, size: int) -> str:
    return joblib.hash(path.read_bytes())


LOADED = sources(*PARTS)


def code_of(*parts: str) -> str:
    """Hash of these parts of `lib` ("models", "features/audio.py"; all if none is named) and of the packages.

    While a source is edited under a running kernel, that is neither the old code's hash nor the new one's.
    """
    now = sources(*parts or PARTS)
    return digest([now, {name: LOADED.get(name) for name in now if LOADED.get(name) != now[name]}, versions()], 16)


@functools.cache
def versions() -> dict[str, str]:
    """Versions of Python and of the packages that results depend on."""
    return {"python": platform.python_version()} | {name: metadata.version(name) for name in PACKAGES}


def content(value: Any) -> str:
    """Hash of arrays, tables, numbers and texts, alone or in dictionaries and lists; a lambda is refused."""
    return joblib.hash(_plain(value))


def _plain(value: Any) -> Any:
    """The same without what does not count: who wrote a dataset, and when; how an array lies in memory."""
    if isinstance(value, xr.Dataset):
        about = {name: text for name, text in value.attrs.items() if name in artifacts.SCORE_COLUMNS}
        return [about, {str(name): [each.dims, _plain(each.values)] for name, each in value.variables.items()}]
    if isinstance(value, np.ndarray):
        return np.ascontiguousarray(value)
    if isinstance(value, Mapping):
        return [[name, _plain(one)] for name, one in value.items()]
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value


def remembered(function: Callable[P, pd.DataFrame]) -> Callable[P, pd.DataFrame]:
    """Decorator of a function (run, ...) -> table: the run's folder keeps what it returns, and later calls with equal
    arguments read it. The table holds numbers and texts.

    The first call returns what later ones will read, so that both are the same to the last digit.
    """

    @functools.wraps(function)
    def recall(run: Run, *args: Any, **options: Any) -> pd.DataFrame:
        if IN_RUN not in os.environ:
            return function(run, *args, **options)
        key = content([code_of(), function.__module__, function.__qualname__, run.settings.key(), args, options])
        path = run.folder / "remembered" / f"{function.__name__}-{key[:24]}.json.gz"
        with contextlib.suppress(OSError, EOFError, zlib.error, ValueError, TypeError, KeyError):  # none, or damaged
            return _table(gzip.decompress(path.read_bytes()).decode())
        written = json.dumps(function(run, *args, **options).to_dict("tight"), default=lambda number: number.item())
        packed = gzip.compress(written.encode(), 1, mtime=0)
        files.write(path, lambda temporary: temporary.write_bytes(packed))
        return _table(written)

    return recall


def shared(function: Callable[..., N]) -> Callable[..., N]:
    """Decorator of a function of whole numbers alone -> a number or a list of them, which the cache's folder keeps for
    all kernels and runs; where nothing can be written there, each makes its own."""

    @functools.lru_cache(maxsize=4096)
    @functools.wraps(function)
    def recall(*args: int) -> N:
        if IN_RUN not in os.environ:
            return function(*args)
        key = content([code_of("scores", "store/streams.py"), function.__module__, function.__qualname__, args])
        path = runs.cache_folder() / "numbers" / f"{function.__name__.strip('_')}-{key[:24]}.json"
        with contextlib.suppress(FileNotFoundError, ValueError):  # no file, or a damaged one
            return json.loads(path.read_text(encoding="utf-8"))
        found = function(*args)
        with contextlib.suppress(Problem):
            files.write_text(path, json.dumps(found))
        return found

    return recall


def _table(written: str) -> pd.DataFrame:
    return pd.DataFrame.from_dict(json.loads(written), orient="tight")
