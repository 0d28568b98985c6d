"""A folder of somebody else's arrays as one table of rows: files read, splits joined, and which array is the labels.

Labels are chosen here and opened by `lib/store/labels.py` alone.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from lib.store import array_files
from lib.store.array_files import Stored
from lib.store.errors import Problem, Unusable

MOST_FILES = 500
LABEL_WORDS = (  # what label files are called, surest first; one of a row beats those of the rows below
    ("y", "labels", "label", "y_true", "true_labels", "labels_true", "ground_truth", "gt"),
    ("genres", "genre", "genre_labels", "hard_genres", "true_genres", "genre_ids", "targets", "target", "classes",
     "class", "class_labels", "emotion", "emotions", "mood", "moods", "category", "categories"),
    ("conditions", "condition", "languages", "language", "artist", "artists", "singer", "tags"),
)
NOT_LABELS = re.compile(r"cluster|pred|kmeans|k_means|dbscan|agglo|gmm|assign|split|fold|index|idx|row_id")
PART = re.compile(r"(?:^|(?<=[_\-.: ]))(train|training|test|testing|val|valid|validation|dev)(?=$|[_\-.: ])", re.I)
PARTS = {"train": 0, "training": 0, "val": 1, "valid": 1, "validation": 1, "dev": 1, "test": 2, "testing": 2}
NAMES_OF_PARTS = ("training", "validation", "test")


class ArrayFolder(NamedTuple):
    """What a folder holds. Arrays of one split each are joined, training rows first."""

    path: Path
    arrays: dict[str, np.ndarray]  # name -> values, of any number of rows
    files: dict[str, str]  # name of an array -> file or files it came from
    tables: dict[str, pd.DataFrame]  # result tables
    parts: dict[str, np.ndarray]  # joined array -> 0 training, 1 validation, 2 test [rows]
    skipped: list[tuple[str, str]]  # file, reason


def read(folder: Path) -> ArrayFolder:
    """All arrays and result tables in a folder and its sub-folders.

    Raises `Problem` when there is no folder. What cannot be used is skipped with a reason.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise Problem(f"there is no folder {folder}: --source must be a folder of arrays with their labels")
    stored, tables, skipped, strange = [], {}, [], Counter()
    paths = sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("."))
    for path in paths[:MOST_FILES]:
        file = _printable(path.relative_to(folder).as_posix())
        if path.suffix.lower() not in array_files.ENDINGS:
            strange[path.suffix.lower() or "no ending"] += 1
            continue
        try:
            found = array_files.read(path)
        except Unusable as error:
            if "table of results" not in str(error):
                skipped.append((file, str(error)))
            elif (table := _results(path)) is not None:
                tables[_printable(path.with_suffix("").relative_to(folder).as_posix())] = table
            continue
        where = _printable(path.parent.relative_to(folder).as_posix())
        stored += [Stored(_printable(one.name if where == "." else f"{where}/{one.name}"), file, one.values)
                   for one in found]
    skipped += [(f"{count} files ({ending})", "no arrays or tables, not opened") for ending, count in strange.items()]
    if len(paths) > MOST_FILES:
        skipped.append((f"{len(paths) - MOST_FILES} files", f"only the first {MOST_FILES} are looked at"))
    arrays, files = {}, {}
    for one in stored:
        name = one.name if one.name not in arrays else one.file
        arrays[name], files[name] = one.values, one.file
    return _joined(ArrayFolder(folder, arrays, files, tables, {}, skipped))


def _printable(text: str) -> str:
    """A path's text with what is not UTF-8 in it replaced."""
    return text.encode("utf-8", "replace").decode("utf-8", "replace")


def _results(path: Path) -> pd.DataFrame | None:
    try:
        return pd.read_csv(path, sep=None, engine="python", nrows=10_000)
    except (ValueError, OSError):
        return None


# --- splits -------------------------------------------------------------------------------------------------------
def _joined(folder: ArrayFolder) -> ArrayFolder:
    """Arrays whose names differ only in training, validation or test, one below the other under the common name."""
    groups: dict[str, dict[int, str]] = {}
    for name in folder.arrays:
        if found := PART.search(name):
            common = re.sub(r"[_\-. ]{2,}", "_", PART.sub("", name)).strip("_-. ") or "split"
            groups.setdefault(common, {})[PARTS[found.group(1).lower()]] = name
    arrays, files, parts = dict(folder.arrays), dict(folder.files), {}
    for common, found in groups.items():
        pieces = [folder.arrays[found[part]] for part in sorted(found)]
        if len(pieces) < 2 or common in arrays or len({(p.shape[1:], p.dtype.kind in "US") for p in pieces}) > 1:
            continue
        arrays[common] = np.concatenate(pieces)
        files[common] = ", ".join(folder.files[found[part]] for part in sorted(found))
        parts[common] = np.repeat(sorted(found), [len(p) for p in pieces])
        for name in found.values():
            del arrays[name], files[name]
    return folder._replace(arrays=arrays, files=files, parts=parts)


# --- which array is the labels ------------------------------------------------------------------------------------
def choose_labels(folder: ArrayFolder) -> tuple[str, np.ndarray]:
    """Name and values [n], as text, of the array that is the labels.

    The surest name counts (`LABEL_WORDS`); two arrays of equal standing must be the same labels. Without a name, the
    only array of text serves. Raises `Problem` that names what is there where it is not clear, or it is no labels.
    """
    ranks = {name: rank for name in folder.arrays if (rank := _rank(name)) is not None}
    readable, reasons = {}, {}
    for name in [*ranks, *(n for n in folder.arrays if n not in ranks)]:
        try:
            readable[name] = as_labels(folder.arrays[name])
        except Unusable as error:
            reasons[name] = str(error)
    for rank in sorted(set(ranks.values())):
        level = [name for name, its in ranks.items() if its == rank]
        names = [name for name in level if name in readable]
        if len(names) > 1 and any(not _same(readable[names[0]], readable[other]) for other in names[1:]):
            listed = ", ".join(f"{name} ({folder.files[name]})" for name in names)
            raise Problem(f"{folder.path} has several label arrays: {listed}; save the one to judge by as y.npy"
                          + (", and move the others out of the folder" if rank == 0 else ""))
        if names:
            return names[0], readable[names[0]]
    text = [name for name in readable if folder.arrays[name].dtype.kind in "US" and _rank(name) is None
            and not NOT_LABELS.search(name.lower())]
    if len(text) == 1:
        return text[0], readable[text[0]]
    raise Problem(_no_labels(folder, ranks, reasons, readable))


def _no_labels(folder: ArrayFolder, ranks: dict[str, int], reasons: dict[str, str], readable: dict) -> str:
    for name in ranks:
        if name in reasons:
            return f"{folder.files[name]} in {folder.path}, the labels by its name (y.npy would be), {reasons[name]}"
    by_name = [s for s in folder.skipped if _rank(Path(s[0]).stem) is not None]
    if by_name:
        return f"{by_name[0][0]} in {folder.path}, the labels by its name (y.npy would be), {by_name[0][1]}"
    hint = f"; could it be {' or '.join(list(readable)[:4])}? Then save that as y.npy" if readable else ""
    return f"no labels in {folder.path}: put y.npy there, one label per row of the other arrays{hint}"


def _rank(name: str) -> int | None:
    """How surely an array is the labels by its name: 0 is surest, None not at all."""
    last = re.split(r"[/:]", name.lower())[-1].strip()
    if NOT_LABELS.search(last):
        return None
    plain = re.sub(r"[^a-z]+", "_", PART.sub("", last)).strip("_")
    for rank, words in enumerate(LABEL_WORDS):
        if plain in words:
            return rank
    return None


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    """Are two labellings the same up to the names of labels?"""
    if len(a) != len(b):
        return False
    pairs = len(set(zip(a, b, strict=True)))
    return pairs == len(set(a)) == len(set(b))


def as_labels(values: np.ndarray) -> np.ndarray:
    """Labels [n] as text, from whole numbers, text, bytes, or one column of ones per row [n, k].

    Raises `Unusable` with what is wrong when they are no labels.
    """
    values = np.asarray(values)
    values = values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
    if values.ndim == 2 and values.dtype.kind in "iubf" and one_hot(values):
        values = values.argmax(1)
    if values.ndim != 1 or values.dtype.kind not in "iubfUS":
        raise Unusable(f"must hold one label per row: it has shape {values.shape} of {values.dtype}")
    if values.dtype.kind == "f":
        if missing := int((~np.isfinite(values)).sum()):
            raise Unusable(f"has no label in {missing} of {len(values)} rows (NaN): leave these rows out of all "
                           "arrays, or give them a label of their own, -1 say, which is then named as one")
        if not np.array_equal(values, np.round(values)):
            raise Unusable("holds numbers that are no whole labels: audit works on classes")
        values = values.astype(np.int64)
    if values.dtype.kind == "S":
        values = np.array([one.decode("utf-8", "replace") for one in values])
    labels = np.asarray(values).astype(str)
    kinds = len(np.unique(labels))
    if len(labels) < 20 or not 2 <= kinds <= len(labels) // 2:
        raise Unusable(f"has {len(labels)} labels of {kinds} kinds: needed are 20 rows and from two kinds to half "
                       "as many as rows")
    return labels


def one_hot(values: np.ndarray) -> bool:
    """Does every row hold one value above zero, the same everywhere, and zeros?"""
    top = values.max(1, initial=0)
    return bool(values.shape[1] > 1 and (top > 0).all() and np.allclose(top, top[0])
                and ((values != 0).sum(1) == 1).all())
