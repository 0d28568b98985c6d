"""What is kept, and when it is found again: one rule for features, latents and tables.

A thing is found under the hash of the code that makes it (`code_of`: sources of `lib`, versions of packages) and of
what it was made of (`content`). Nobody raises a version, and an edit elsewhere makes nothing anew.

Tables are kept by `remembered`, so that a notebook that runs again computes only what has changed; but only in kernels
of the runner: who works in a notebook by hand may have replaced any function.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import gzip
import json
import os
import platform
import zlib
from collections.abc import Callable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from types import MethodType
from typing import Any, ParamSpec, TypeVar

import joblib
import numpy as np
import pandas as pd
import xarray as xr

from lib.store import artifacts, files, runs, sharing, sizes
from lib.store.errors import Problem
from lib.store.runs import PACKAGES, Run
from lib.store.series import ROOT
from lib.store.settings import Settings, digest

P = ParamSpec("P")
N = TypeVar("N", float, list[float])
IN_RUN = "LATENT_GENRE_IN_RUN"  # set by the runner for its kernels, which remember
DAMAGED = (OSError, EOFError, zlib.error, ValueError, TypeError, KeyError, AttributeError)  # or gone: made again
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
    if isinstance(value, xr.DataArray):  # it may be on disk, and larger than memory
        return [value.dims, value.shape, *(joblib.hash(np.ascontiguousarray(block)) for block in sizes.blocks(value))]
    if isinstance(value, np.ndarray):
        return np.ascontiguousarray(value)
    if isinstance(value, Mapping):
        return [[name, _plain(one)] for name, one in value.items()]
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value


def remembered(function: Callable[P, pd.DataFrame]) -> Callable[P, pd.DataFrame]:
    """Decorator of a function (run, ...) -> table: the run's folder keeps what it returns, and later calls with equal
    arguments, under settings that are equal where the function reads them, read it. Runs of a batch share what they
    keep. The table holds numbers and texts.

    The first call returns what later ones will read, so that both are the same to the last digit.
    """

    @functools.wraps(function)
    def recall(run: Run, *args: Any, **options: Any) -> pd.DataFrame:
        if IN_RUN not in os.environ:
            return function(run, *args, **options)
        key = content([code_of(), function.__module__, function.__qualname__, args, options])
        stem, own = f"{function.__name__}-{key[:24]}", run.folder / "remembered"
        for path in _kept(run, own, stem):
            with contextlib.suppress(*DAMAGED):
                found = json.loads(gzip.decompress(path.read_bytes()))
                if found["read"] == _values(run.settings, found["read"]):
                    table = _table(found["table"])
                    if path.parent != own:
                        sharing.take(run, "remembered", own / path.name, _corpus(run))
                    return table
        watched = _Watched(run.settings)
        table = function(dataclasses.replace(run, settings=watched), *args, **options)
        read = _values(run.settings, watched.read)
        written = json.dumps({"read": read, "table": table.to_dict("tight")}, default=lambda number: number.item())
        packed, path = gzip.compress(written.encode(), 6, mtime=0), own / f"{stem}-{digest(read)}.json.gz"
        sharing.write(run, "remembered", path, _corpus(run), lambda place: place.write_bytes(packed))
        return _table(json.loads(written)["table"])

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


def _kept(run: Run, own: Path, stem: str) -> Iterator[Path]:
    """Files of this beginning in the run's folder, then those that runs of the same batch have made."""
    yield from sorted(own.glob(f"{stem}-*.json.gz"))
    shared = sharing.place(run, own, _corpus(run))
    for path in sorted(shared.glob(f"{stem}-*.json.gz")) if shared else ():
        if not (own / path.name).exists():
            yield path


def _corpus(run: Run) -> str:
    """The corpus of a run, found out without a note that settings were read: nothing of what is kept depends on it."""
    while isinstance(run.settings, _Watched):
        run = dataclasses.replace(run, settings=run.settings.settings)
    return artifacts.corpus_id(run) if artifacts.has_corpus(run) else ""


class _Watched:
    """Settings that note which of them are read."""

    def __init__(self, settings: Any) -> None:
        self.settings, self.read = settings, set()

    def __getattr__(self, name: str) -> Any:
        if name not in Settings.model_fields:
            return MethodType(getattr(Settings, name), self)  # what a method reads is noted as well
        self.read.add(name)
        return getattr(self.settings, name)

    def __reduce__(self) -> tuple:  # for a worker elsewhere, which trains; what it trains has a name already
        return _Watched, (self.settings,)


def _values(settings: Any, names: Any) -> dict[str, Any]:
    """Settings by name, as JSON has them."""
    return json.loads(json.dumps({name: getattr(settings, name) for name in sorted(names)}))


def _table(tight: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame.from_dict(tight, orient="tight")
