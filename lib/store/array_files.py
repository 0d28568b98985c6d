"""Arrays in files from strangers: `.npy`, `.npz`, `.csv`, `.tsv`, `.parquet`, `.pt`; a damaged one costs itself.

Nothing is unpickled: NumPy with pickle off, torch with weights only. What cannot be read raises `Unusable` with the
true reason.
"""

from __future__ import annotations

import ast
import re
import struct
import warnings
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from lib.store.errors import Unusable

MAX_BYTES = 2 * 10**9  # of one array
ENDINGS = (".npy", ".npz", ".csv", ".tsv", ".parquet", ".pt", ".pth")
ROWS_OF_A_TABLE = 20  # a table of fewer rows is a table of results, and so is one that has columns of scores
SCORES = re.compile(r"silhouette|nmi|normali[sz]ed_mutual|purity|adjusted_rand|davies|calinski|accuracy", re.I)
PICKLED = ("holds pickled objects, which are not opened: save it again with np.save({name!r}, np.array(list(x), "
           "{dtype}))")


class Stored(NamedTuple):
    """One array as it lies in a file."""

    name: str  # of the array: the file's, or the file's and the key's
    file: str
    values: np.ndarray  # numbers, or text


def read(path: Path) -> list[Stored]:
    """The arrays in a file, each under a name of its own. Raises `Unusable` with the reason why not."""
    ending = path.suffix.lower()
    reader = {".npy": _npy, ".npz": _npz, ".parquet": _parquet, ".pt": _torch, ".pth": _torch}.get(ending, _table)
    try:
        with path.open("rb") as file:
            start = file.read(200)
        if start.startswith(b"version https://git-lfs"):
            raise Unusable("is a Git LFS pointer, not the array: run git lfs pull where it came from")
        if not start:
            raise Unusable("is empty")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return reader(path)
    except Unusable:
        raise
    except MemoryError as error:
        raise Unusable("claims more values than memory holds") from error
    except Exception as error:  # a stranger's bytes: readers raise a dozen kinds (TokenError, BadZipFile, struct.error)
        said = (str(error).splitlines() or [""])[0][:120]
        raise Unusable(f"is damaged, or not what its name says ({type(error).__name__}: {said})") from error


def _npy(path: Path) -> list[Stored]:
    with path.open("rb") as file:
        shape, dtype = _header(file, path.stat().st_size)
    if dtype.hasobject:
        raise Unusable(PICKLED.format(name=path.name, dtype="float"))
    return [Stored(path.stem, path.name, np.load(path, mmap_mode="r" if np.prod(shape) else None, allow_pickle=False))]


def _header(file, size: int) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and type that a `.npy` header claims, checked against the bytes that follow."""
    if file.read(6) != b"\x93NUMPY":
        raise Unusable("is no .npy file: it does not begin as one")
    major, _ = file.read(2)
    length = struct.unpack("<H" if major == 1 else "<I", file.read(2 if major == 1 else 4))[0]
    if length > 1_000_000:
        raise Unusable(f"has a header of {length} bytes, which is none")
    text = file.read(length)
    claimed = ast.literal_eval(text.decode("utf-8" if major >= 3 else "latin1").strip())
    shape, dtype = tuple(claimed["shape"]), np.lib.format.descr_to_dtype(claimed["descr"])
    if dtype.hasobject:
        return shape, dtype
    claims = int(np.prod([int(n) for n in shape], dtype=object)) * dtype.itemsize
    if claims > MAX_BYTES:
        raise Unusable(f"claims {claims / 1e9:.1f} GB: at most {MAX_BYTES // 10**9} GB are looked at")
    if file.tell() + claims > size:
        raise Unusable(f"is cut off: its header claims {claims} bytes, {size - file.tell()} are there")
    return shape, dtype


def _npz(path: Path) -> list[Stored]:
    found = []
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            if not entry.filename.endswith(".npy"):
                continue
            with archive.open(entry) as file:
                _, dtype = _header(file, entry.file_size)
            if dtype.hasobject:
                raise Unusable(f"{entry.filename} in it " + PICKLED.format(name=entry.filename, dtype="float"))
    with np.load(path, allow_pickle=False) as opened:
        keys = list(opened)
        for key in keys:
            name = path.stem if len(keys) == 1 else f"{path.stem}:{key}"
            found.append(Stored(name, path.name, opened[key]))
    return found


def _parquet(path: Path) -> list[Stored]:
    try:
        return _columns(pd.read_parquet(path), path)
    except ImportError as error:
        raise Unusable("is a parquet table: pip install pyarrow, or save it as CSV") from error


def _table(path: Path) -> list[Stored]:
    separator = "\t" if path.suffix.lower() == ".tsv" else None
    table = pd.read_csv(path, sep=separator, engine="python")
    if len(table) and all(_number(name) is not None for name in table.columns):  # a table without a header
        table = pd.read_csv(path, sep=separator, engine="python", header=None)
    if len(table) < ROWS_OF_A_TABLE or any(SCORES.search(str(column)) for column in table.columns):
        raise Unusable("is a table of results")
    return _columns(table, path)


def _number(text: str) -> float | None:
    try:
        return float(re.sub(r"\.\d+$", "", text) if text.count(".") > 1 else text)  # pandas numbers what it finds twice
    except ValueError:
        return None


def _columns(table: pd.DataFrame, path: Path) -> list[Stored]:
    """Real numbers of a table side by side as one array; every column of whole numbers or text as one of its own."""
    table = table.loc[:, ~((table.columns.astype(str).str.startswith("Unnamed")) & _counts(table))]
    real = [c for c in table if pd.api.types.is_float_dtype(table[c]) and not _whole(table[c])]
    several = len(table.columns) > 1
    out = [Stored(path.stem, path.name, table[real].to_numpy(float))] if real else []
    for column in table.columns.difference(real, sort=False):
        values = table[column]
        values = values.to_numpy() if values.dtype.kind in "iub" or _whole(values) else values.astype(str).to_numpy(str)
        out.append(Stored(f"{path.stem}:{column}" if several else path.stem, path.name, values))
    return out


def _whole(values: pd.Series) -> bool:
    return values.dtype.kind == "f" and bool(values.notna().all()) and bool((values == values.round()).all())


def _counts(table: pd.DataFrame) -> np.ndarray:
    """Which columns of a table only count its rows."""
    return np.array([table[c].dtype.kind in "iu" and bool((np.diff(table[c]) == 1).all()) for c in table], bool)


def _torch(path: Path) -> list[Stored]:
    import torch

    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise Unusable("holds more than tensors, which is not opened (torch.load with weights_only): save the tensors "
                       f"alone, torch.save({{'z': z}}, {path.name!r})") from error
    parts = content.items() if isinstance(content, dict) else [("", content)]
    parts = [(str(key), value) for key, value in parts if isinstance(value, torch.Tensor)]
    if not parts:
        raise Unusable("holds no tensor")
    return [Stored(f"{path.stem}:{key}" if len(parts) > 1 else path.stem, path.name,
                   value.detach().to(torch.float32 if value.is_floating_point() else torch.int64).numpy())
            for key, value in parts]
