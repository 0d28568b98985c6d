"""A folder of arrays sorted by what the numbers are: points, groupings, tables of results. Names decide nothing."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from lib.store import array_folder, labels
from lib.store.array_folder import ArrayFolder
from lib.store.errors import Problem, Unusable
from lib.store.streams import stream

MANY = 3000  # rows that probes, k-means and nulls are computed on; of more, blocks of neighbouring rows are sampled
BLOCK = 50  # rows of such a block: neighbours in a file stay neighbours
WIDEST = 200  # columns; of wider arrays their leading principal components
LARGEST = 1e100  # beyond, squares overflow


class Arrays(NamedTuple):
    """A folder's arrays; all have `n` rows, joined by position because there is nothing else to join them by."""

    folder: str
    labels: np.ndarray  # text [n]
    points: dict[str, np.ndarray]  # name -> real numbers [n, d]
    clusters: dict[str, np.ndarray]  # name -> groups of rows, as whole numbers from 0 [n]
    tables: dict[str, pd.DataFrame]  # result tables
    skipped: list[tuple[str, str]]  # file, reason
    kinds: dict[str, str]  # name -> what the numbers say that it is
    parts: np.ndarray | None = None  # 0 training, 1 validation, 2 test [n], where files come in splits


def load(folder: Path | ArrayFolder, y: tuple[str, np.ndarray] | None = None) -> Arrays:
    """Sort a folder's arrays by what they are; `y`, name and values, defaults to the folder's labels.

    Raises `Problem` when there is no folder, there are no labels, or there is nothing to look at.
    """
    found = folder if isinstance(folder, ArrayFolder) else array_folder.read(Path(folder))
    name_of_labels, y = labels.read_array(found) if y is None else y
    points, clusters, kinds, skipped = {}, {}, {}, list(found.skipped)
    for name, values in found.arrays.items():
        if name == name_of_labels:
            continue
        try:
            kind, array = sort(values, len(y))
        except Unusable as error:
            skipped.append((found.files[name] if found.files[name] != name else name, f"{name}: {error}"))
            continue
        home = clusters if array.ndim == 1 else points
        twin = next((b for b, other in home.items() if np.array_equal(other, array)), "")
        kinds[name] = kind + (f", the same as {twin}" if twin else "")
        home[name] = array
    if not points and not clusters:
        why = "; ".join(f"{file}: {reason}" for file, reason in skipped[:3]) or "there are no other arrays"
        raise Problem(f"no array in {found.path} can be audited beside its {len(y)} labels ({name_of_labels}): {why}")
    parts = found.parts.get(name_of_labels)
    return Arrays(str(found.path), y, points, clusters, found.tables, skipped, kinds, parts)


def sort(values: np.ndarray, n: int) -> tuple[str, np.ndarray]:
    """What an array of n rows is, and it: real numbers [n, d], or groups of rows [n]. Raises `Unusable` with a reason.

    Whole numbers, text and one-hot rows are groups if they repeat; real numbers of any shape are points, an image or a
    sequence per row laid flat, a stack [k, n, d] by its first layer, a table [d, n] turned.
    """
    values = np.asarray(values) if values.dtype.kind != "f" or values.dtype.itemsize > 2 else values.astype(np.float32)
    layer = ""
    if values.ndim == 3 and values.shape[0] != n and values.shape[1] == n:
        values, layer = values[0], f"the first of {values.shape[0]} layers of "
    if values.ndim == 2 and values.shape[0] != n and values.shape[1] == n:
        values, layer = values.T, "turned, a column became a row: "
    if values.shape[:1] != (n,):
        raise Unusable(f"shape {values.shape}: the labels have {n} rows")
    if values.dtype.kind in "US":
        return _groups(values, "text")
    if values.dtype.kind not in "fiub":
        raise Unusable(f"holds {values.dtype}, not numbers")
    if not values.size:
        raise Unusable("has no columns")
    flat = values.reshape(n, -1)
    if (flat == flat[0]).all():
        raise Unusable("is constant, all rows are the same: it tells nothing of any track")
    if values.dtype.kind == "f":
        if not np.isfinite(flat).all():
            rows = int((~np.isfinite(flat)).any(1).sum())
            raise Unusable(f"has values that are not finite (NaN or infinite) in {rows} of {n} rows: leave these rows "
                           "out of all arrays, or fill them in, to have it audited")
        if float(np.abs(flat).max()) > LARGEST:
            raise Unusable(f"holds values of {np.abs(flat).max():.0e}, whose squares overflow")
    if flat.shape[1] == 1 and np.array_equal(flat, np.round(flat)):
        return _groups(flat[:, 0], "whole numbers")
    if flat.shape[1] <= max(2, n // 2) and array_folder.one_hot(flat):
        return _groups(flat.argmax(1), f"one column of {flat.shape[1]} per row")
    if flat.shape == (n, n) and np.allclose(flat, flat.T):
        raise Unusable("is symmetric, a row per row: distances or affinities, not looked at")
    shown = f"{layer}{' x '.join(map(str, values.shape[1:])) or 1} real number{'s' * (flat.shape[1] > 1)} a row"
    if flat.shape[1] > WIDEST:
        return f"{shown}, by their {WIDEST} leading principal components", _leading(flat)
    return shown, flat if flat.dtype.kind == "f" else flat.astype(float)


def _groups(values: np.ndarray, what: str) -> tuple[str, np.ndarray]:
    kinds, codes = np.unique(values, return_inverse=True)
    if len(kinds) > len(values) // 2:
        raise Unusable(f"{what}, {len(kinds)} kinds in {len(values)} rows: names or numbers of rows, not looked at")
    return f"{len(kinds)} groups of rows ({what})", codes.ravel()


def _leading(flat: np.ndarray) -> np.ndarray:
    """Coordinates of a wide array along its leading principal components, found on at most `MANY` rows."""
    rows = np.linspace(0, len(flat) - 1, min(len(flat), 1000)).astype(int)
    middle = flat[rows].mean(0, dtype=float)
    axes = np.linalg.svd(flat[rows] - middle, full_matrices=False)[2][:WIDEST]
    return np.concatenate([(part - middle) @ axes.T for part in np.array_split(flat, max(1, len(flat) // 1000))])


def sample(arrays: Arrays, seed: int = 0) -> Arrays:
    """At most about `MANY` rows of it, in blocks of neighbouring rows and in their order; all as double precision."""
    n = len(arrays.labels)
    rows = np.arange(n)
    if n > MANY:
        starts = np.arange(0, n, BLOCK)
        chosen = np.sort(stream(seed, "rows of an array").choice(starts, MANY // BLOCK, replace=False))
        rows = np.concatenate([np.arange(start, min(start + BLOCK, n)) for start in chosen])
    return arrays._replace(labels=arrays.labels[rows],
                           points={k: np.asarray(v[rows], float) for k, v in arrays.points.items()},
                           clusters={k: v[rows] for k, v in arrays.clusters.items()},
                           parts=None if arrays.parts is None else arrays.parts[rows])
