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
import json
import os
import platform
from collections.abc import Callable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from types import MethodType
from typing import Any, ParamSpec

import joblib
import numpy as np
import pandas as pd
import xarray as xr

from lib.store import artifacts, sharing, sizes
from lib.store.runs import PACKAGES, Run
from lib.store.series import ROOT
from lib.store.settings import Settings, digest

P = ParamSpec("P")
IN_RUN = "LATENT_GENRE_IN_RUN"  # set by the runner for its kernels, which remember
PARTS = ("corpora", "features", "models", "scores", "store", "studies")  # of `lib`: what numbers can depend on


def sources(*parts: str) -> dict[str, str]:
    """Hash of each Python file in these parts of `lib`, folders or files; the explorer makes no numbers."""
    found = [path for part in parts for path in [ROOT / "lib" / part, *(ROOT / "lib" / part).rglob("*.py")]]
    return {str(path.relative_to(ROOT)): joblib.hash(path.read_bytes()) for path in sorted(found)
            if path.is_file() and path.parent.name != "explorer"}


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
            with contextlib.suppress(FileNotFoundError, ValueError, TypeError, KeyError, AttributeError):  # damaged
                found = json.loads(path.read_text(encoding="utf-8"))
                if found["read"] == _values(run.settings, found["read"]):
                    table = _table(found["table"])
                    if path.parent != own:
                        sharing.take(run, "remembered", own / path.name, _corpus(run))
                    return table
        watched = _Watched(run.settings)
        table = function(dataclasses.replace(run, settings=watched), *args, **options)
        read = _values(run.settings, watched.read)
        written = json.dumps({"read": read, "table": table.to_dict("tight")}, default=lambda number: number.item())
        path = own / f"{stem}-{digest(read)}.json"
        sharing.write(run, "remembered", path, _corpus(run), lambda place: place.write_text(written, encoding="utf-8"))
        return _table(json.loads(written)["table"])

    return recall


def _kept(run: Run, own: Path, stem: str) -> Iterator[Path]:
    """Files of this beginning in the run's folder, then those that runs of the same batch have made."""
    yield from sorted(own.glob(f"{stem}-*.json"))
    shared = sharing.place(run, own, _corpus(run))
    for path in sorted(shared.glob(f"{stem}-*.json")) if shared else ():
        if not (own / path.name).exists():
            yield path


def _corpus(run: Run) -> str:
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


def _values(settings: Any, names: Any) -> dict[str, Any]:
    """Settings by name, as JSON has them."""
    return json.loads(json.dumps({name: getattr(settings, name) for name in sorted(names)}))


def _table(tight: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame.from_dict(tight, orient="tight")
