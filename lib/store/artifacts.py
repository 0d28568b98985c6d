"""The store: the only module that reads and writes a run's files.

A run's folder (see `Run.folder`) holds `store/` (arrays as NetCDF, tables as CSV), `records/` (what each notebook did),
`scores.csv`, `figures/`, `tables/` and `remembered/` (see `lib.store.remembering`). Every file is written under
a temporary name and renamed, so a file that exists is complete.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Hashable, Iterable, Iterator
from os.path import normpath
from pathlib import Path
from typing import Any, NamedTuple

import h5netcdf
import h5py
import numpy as np
import pandas as pd
import xarray as xr
from filelock import FileLock

from lib.store import files, sharing
from lib.store.errors import Problem
from lib.store.runs import Run
from lib.store.series import PREPARATION, SCORERS, WRITERS, ancestors
from lib.store.settings import digest

SEALED = "labels"  # only `lib.store.labels` says `sealed=True`: everybody else opens them there, for a purpose
SCORE_COLUMNS = [  # `setting` is a display name that no code parses; `role`: method, control or trial
    "corpus", "features", "method", "beta", "label_in", "dim", "role", "setting", "label_use", "seed", "clusterer",
    "clusterer_seed", "metric", "value",
]


ON_DISK = {"features": ["log_mel"]}  # variables that `load` leaves there: they are read block by block (`sizes`)
SMALLER = {"compression": "gzip", "compression_opts": 4, "shuffle": True}  # log-mels: two thirds of the room
LARGE = 2**14  # bytes of a variable that is worth it


# --- arrays and tables -------------------------------------------------------------------------------------------
class OnDisk(NamedTuple):
    """A variable that is written block by block of its rows, as it is read later."""

    name: str
    dims: tuple[str, ...]  # of coordinates in the dataset that it is saved with
    dtype: np.dtype
    attrs: dict[str, Any]
    blocks: Iterable[np.ndarray]


def save(
    run: Run, name: str, data: xr.Dataset | pd.DataFrame, *, sealed: bool = False, large: OnDisk | None = None
) -> None:
    """Store a labelled array (NetCDF), `large` with it, or a table (CSV, index included) under `name`, stamped with its
    corpus."""
    _refuse(name, sealed)
    stamp = {"corpus_id": corpus_id(run), "written_by": run.notebook}
    if isinstance(data, xr.Dataset):
        data = data.assign_attrs(**stamp)
        encoding: dict[Hashable, dict] = {name: SMALLER for name, values in data.variables.items()
                                          if values.nbytes > LARGE and values.dtype != "O"}
        if "track" in data.coords:  # a quarter of the room that texts of any length take
            encoding["track"] = {"dtype": "S1", **SMALLER}

        def write(path: Path) -> None:
            data.to_netcdf(path, engine="h5netcdf", encoding=encoding)
            if large:
                _append(path, large)

        path, size = _path(run, name, ".nc"), data.nbytes  # which is asked for: HDF5 does not outlive a full disk
        size += int(np.prod([data.sizes[dim] for dim in large.dims])) * large.dtype.itemsize if large else 0
        if _shareable(name):
            sharing.write(run, "latents", path, stamp["corpus_id"], write, size)
        else:
            files.write(path, write, size)
    else:
        stamp["text"] = [column for column in data.columns if not pd.api.types.is_numeric_dtype(data[column])]
        files.write(_path(run, name, ".csv"), lambda path: data.to_csv(path))
        files.write_text(_path(run, name, ".json"), json.dumps(stamp))


def _append(path: Path, large: OnDisk) -> None:
    with h5netcdf.File(path, "a") as file:
        rows, *others = [file.dimensions[dim].size for dim in large.dims]
        variable = file.create_variable(large.name, large.dims, large.dtype, chunks=(min(rows, 16), *others), **SMALLER)
        start = 0
        variable.attrs.update(large.attrs)
        for block in large.blocks:
            variable[start : start + len(block)] = block
            start += len(block)


def remove(run: Run, name: str) -> None:
    """Remove a table, if it is there: the corpus has none."""
    for suffix in (".csv", ".json"):
        _path(run, name, suffix).unlink(missing_ok=True)


def has(run: Run, name: str) -> bool:
    """Is there a current artifact of this name?"""
    try:
        _check(run, name)
    except Problem:
        return False
    return True


def load(run: Run, name: str, variables: list[str] | None = None, *, sealed: bool = False,
         **rows: Any) -> xr.Dataset | pd.DataFrame:
    """Read an artifact; of an array, only `variables` if they are named, and only `rows` (`track="t0..."`). Variables
    that are `ON_DISK` stay there unless `rows` are given: slices of them are read when they are asked for.

    Raises `Problem` when it is missing, or belongs to another corpus or to an earlier state of this one.
    """
    _refuse(name, sealed)
    path = _check(run, name)
    if path.suffix == ".csv":  # a label may be called "NA" or "01": only an empty cell is missing
        text = json.loads(path.with_suffix(".json").read_text())["text"]
        types = {column: str for column in text} | {pd.read_csv(path, nrows=0).columns[0]: str}
        return pd.read_csv(path, dtype=types, keep_default_na=False, na_values=[""]).set_index(list(types)[-1])
    opened = xr.open_dataset(path, engine="h5netcdf", cache=False)
    data = (opened if variables is None else opened[variables]).sel(rows)
    there = [] if rows else [one for one in ON_DISK.get(name, []) if one in data]
    if there:  # and the file stays open
        return data.drop_vars(there).load().assign({one: data[one] for one in there})
    with opened:
        return data.load()


def _refuse(name: str, sealed: bool) -> None:
    if (normpath(name) == SEALED) != sealed:
        raise ValueError(f"'{name}': labels, and nothing else, are read and written by lib.store.labels alone")


def _path(run: Run, name: str, suffix: str) -> Path:
    return run.folder / "store" / f"{name}{suffix}"


def _shareable(name: str) -> bool:
    """Does the name say all that the thing was made of?"""
    return name.startswith("latents/")


def _check(run: Run, name: str) -> Path:
    """The path of an artifact that exists and belongs to the corpus as it is now."""
    writer = WRITERS.get(name.split("/")[0])
    first = f"run notebooks/{writer}.ipynb first" if writer else "run the notebook that makes it first"
    array, table = _path(run, name, ".nc"), _path(run, name, ".csv")
    if not array.is_file() and _shareable(name):
        sharing.take(run, "latents", array, corpus_id(run))
    path = array if array.is_file() else table
    if not path.is_file():
        raise Problem(f"'{name}' is not in {run.folder}: {first}")
    if path == array:
        with h5py.File(path) as data:  # NetCDF is HDF5, and xarray takes ten times as long to open it
            stamp = data.attrs.get("corpus_id")
    else:
        stamp = json.loads(_path(run, name, ".json").read_text())["corpus_id"]
    if stamp != corpus_id(run):
        raise Problem(f"'{name}' in {run.folder} was made from other tracks than the run has now (stale): {first}")
    return path


def corpus_id(run: Run) -> str:
    """Hash of the tracks that notebook 01 prepared for this run.

    Raises `Problem` when there are none yet, or when they were prepared for another corpus.
    """
    path = run.folder / "store" / "corpus.json"
    if not path.is_file():
        raise Problem(f"no tracks in {run.folder} yet: run notebooks/{PREPARATION}.ipynb first")
    found = json.loads(path.read_text())
    if found["corpus_key"] != run.settings.corpus_key():
        raise Problem(
            f"the tracks in {run.folder} were prepared for another corpus ({found['corpus']}, {found['n']} tracks): "
            f"run notebooks/{PREPARATION}.ipynb first, or choose another output folder"
        )
    return found["id"]


def save_corpus(run: Run, ids: list[str], about: dict[str, Any]) -> None:
    """Say which tracks the run has (sorted ids) and what is known of the corpus; older artifacts become stale."""
    if ids != sorted(ids) or len(set(ids)) != len(ids):
        raise ValueError("track ids must be sorted and unique")
    content = {"id": digest(ids), "corpus_key": run.settings.corpus_key(), "n": len(ids), **about}
    files.write_text(run.folder / "store" / "corpus.json", json.dumps(content, indent=1))


def has_corpus(run: Run) -> bool:
    """Has the run current tracks?"""
    try:
        return bool(corpus_id(run))
    except Problem:
        return False


def load_corpus(run: Run) -> dict[str, Any]:
    """What `save_corpus` stored: id, n, and what is known of the corpus."""
    corpus_id(run)
    return json.loads((run.folder / "store" / "corpus.json").read_text())


# --- scores ------------------------------------------------------------------------------------------------------
def save_scores(run: Run, scores: pd.DataFrame) -> None:
    """Put this notebook's rows into the run's one score table, replacing its earlier ones."""
    missing = set(SCORE_COLUMNS) ^ set(scores.columns)
    if missing:
        raise ValueError(f"score columns missing or unknown: {sorted(missing)}")
    parts = run.folder / "store" / "scores"
    files.write(parts / f"{run.notebook}.csv", lambda path: scores[SCORE_COLUMNS].to_csv(path, index=False))
    files.write_text(parts / f"{run.notebook}.json", json.dumps({"corpus_id": corpus_id(run)}))
    with files.locked(run.folder):
        tables = [_read_scores(path) for path in sorted(parts.glob("[!.]*.csv")) if _current(run, path)]
        merged = pd.concat(tables, ignore_index=True)
        files.write(run.folder / "scores.csv", lambda path: merged.to_csv(path, index=False))


def load_scores(run: Run) -> pd.DataFrame:
    """The rows that the notebooks before this one in the series put into the score table.

    Raises `Problem` when one of them has not run yet, or has scored other tracks than the run has now.
    """
    tables = []
    for name in sorted(ancestors(run.notebook) & set(SCORERS)):
        part = run.folder / "store" / "scores" / f"{name}.csv"
        if not part.is_file() or not _current(run, part):
            state = "has scored other tracks than the run has now" if part.is_file() else "has left no scores yet"
            raise Problem(f"{name} {state} in {run.folder}: run notebooks/{name}.ipynb first")
        tables.append(_read_scores(part))
    return pd.concat(tables, ignore_index=True)


def scores_of(folder: Path) -> pd.DataFrame:
    """The whole score table of a run's folder, whatever state the run is in; without rows when there is none."""
    path = folder / "scores.csv"
    return _read_scores(path) if path.is_file() else pd.DataFrame(columns=SCORE_COLUMNS)


def _read_scores(path: Path) -> pd.DataFrame:
    text = dict.fromkeys(set(SCORE_COLUMNS) - {"beta", "dim", "seed", "value"}, str)
    empty = {name: [""] for name in ("beta", "dim", "value")}
    return pd.read_csv(path, dtype=text, keep_default_na=False, na_values=empty)


def _current(run: Run, part: Path) -> bool:
    return json.loads(part.with_suffix(".json").read_text())["corpus_id"] == corpus_id(run)


@contextlib.contextmanager
def making(run: Run, name: str) -> Iterator[bool]:
    """While this is open nobody else makes that artifact; yields whether it still has to be made.

    Notebooks that run side by side share latents, and so do the runs of a batch: the second waits for the first, and
    then reads.
    """
    path = _path(run, name, ".lock")
    path = sharing.place(run, path, corpus_id(run)) or path
    path = path.with_name(f".{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        lock.acquire()
    except OSError as error:
        raise files.refused(path, error) from error
    try:
        yield not has(run, name)
    finally:
        lock.release()
