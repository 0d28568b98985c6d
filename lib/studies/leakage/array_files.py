"""Somebody else's arrays read from a folder, with care."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from lib.store import labels
from lib.store.errors import Problem
from lib.store.streams import stream

MAX_BYTES = 2 * 10**9  # of one array
MANY = 3000  # rows that probes, k-means and nulls are computed on; more are sampled


class Arrays(NamedTuple):
    """A folder's arrays; all have `n` rows, joined by position because there is nothing else to join them by."""

    folder: str
    labels: np.ndarray  # text [n]
    points: dict[str, np.ndarray]  # name -> float [n, d]
    clusters: dict[str, np.ndarray]  # name -> whole numbers [n]
    tables: dict[str, pd.DataFrame]  # result tables
    skipped: list[tuple[str, str]]  # file, reason


def load(folder: Path, y: np.ndarray | None = None) -> Arrays:
    """Read a folder's `.npy` arrays (pickle off) and `.csv` tables; `y` defaults to the folder's labels.

    Arrays of other sizes, with gaps or that are no numbers are skipped with a reason. Raises `Problem` when there is no
    folder, there are no labels, or there is nothing to look at.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise Problem(f"there is no folder {folder}: --source must be a folder of .npy arrays with their y.npy")
    y = labels.read_array(folder) if y is None else y
    points, clusters, tables, skipped = {}, {}, {}, []
    for path in sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith(".")):
        if path.suffix == ".npy" and path.name not in labels.ARRAY_FILES:
            try:
                array = _read(path, len(y))
            except (ValueError, OSError, EOFError) as error:
                skipped.append((path.name, str(error).splitlines()[0][:200] if str(error) else "cannot be read"))
                continue
            (clusters if array.ndim == 1 else points)[path.stem] = array
        elif path.suffix == ".csv":
            try:
                tables[path.stem] = pd.read_csv(path, nrows=10_000)
            except (ValueError, OSError) as error:
                skipped.append((path.name, f"not a table: {str(error)[:100]}"))
    if not points and not clusters:
        why = "; ".join(f"{file}: {reason}" for file, reason in skipped[:3]) or "there are no other .npy files"
        raise Problem(f"no array in {folder} has the {len(y)} rows of its labels: {why}")
    return Arrays(str(folder), y, points, clusters, tables, skipped)


def _read(path: Path, n: int) -> np.ndarray:
    """float [n, d], or whole numbers [n]. Raises `ValueError` with the reason why not."""
    header = np.load(path, mmap_mode="r", allow_pickle=False)
    if header.dtype.kind not in "fiub":
        raise ValueError(f"holds {header.dtype}, not numbers")
    if header.shape[:1] != (n,):
        raise ValueError(f"shape {header.shape}: the labels have {n} rows")
    if header.nbytes > MAX_BYTES:
        raise ValueError(f"larger than {MAX_BYTES // 10**9} GB")
    if header.ndim == 1 and (header.dtype.kind in "iub" or np.array_equal(header, np.round(header))):
        return np.unique(np.asarray(header), return_inverse=True)[1]
    if header.ndim > 2:
        raise ValueError(f"shape {header.shape}: only [rows, dimensions] is looked at")
    array = np.asarray(header, dtype=float).reshape(n, -1)
    if not np.isfinite(array).all():
        raise ValueError(f"{int((~np.isfinite(array)).any(1).sum())} rows are not finite")
    if not array.shape[1]:
        raise ValueError("has no columns")
    return array


def sample(arrays: Arrays, seed: int = 0) -> Arrays:
    """At most `MANY` rows of it, in their order."""
    n = len(arrays.labels)
    if n <= MANY:
        return arrays
    rows = np.sort(stream(seed, "rows of an array").choice(n, MANY, replace=False))
    return arrays._replace(labels=arrays.labels[rows], points={k: v[rows] for k, v in arrays.points.items()},
                           clusters={k: v[rows] for k, v in arrays.clusters.items()})
