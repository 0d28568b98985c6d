"""Arrays in `.npy` files and `.npz` archives, read a row at a time, and never unpickled.

A header is believed only where the file has as many bytes of values as it claims. Values are mapped, not loaded: where
they lie, or, of a compressed member of an archive, unpacked block by block into the cache. What is wrong with a file is
said by `Unusable`, in words that follow its name.
"""

from __future__ import annotations

import functools
import io
import math
import os
import shutil
import struct
import zipfile
import zlib
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from filelock import FileLock
from numpy.lib import format as npy

from lib.store import files, runs
from lib.store.errors import Problem, Unusable
from lib.store.settings import digest

MAX_HEADER = 10_000  # bytes; what numpy itself refuses beyond, but only after it has read all that is claimed
BLOCK = 2**20  # bytes read at a time
DAMAGED = (zipfile.BadZipFile, zlib.error, struct.error, ValueError, EOFError, NotImplementedError, RuntimeError)


class Array(NamedTuple):
    """An array that was not read yet."""

    path: str
    member: str  # name in the archive; "" for a .npy file
    shape: tuple[int, ...]
    dtype: np.dtype
    fortran: bool
    offset: int  # bytes before the first value, in the member or file

    @property
    def nbytes(self) -> int:
        """What all values take, bytes."""
        return math.prod(self.shape) * self.dtype.itemsize


# --- headers -----------------------------------------------------------------------------------------------------
def find(path: Path) -> tuple[dict[str, Array], dict[str, str]]:
    """The arrays of an `.npz`, by name without ending; and why members that claim to be arrays are none.

    Only headers are read. Raises `Unusable` when this is no archive that can be read.
    """
    found, refused = {}, {}
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                name = info.filename.removesuffix(".npy")
                if name == info.filename:
                    continue
                try:
                    with archive.open(info) as file:
                        found[name] = Array(str(path), info.filename, *_header(file, info.file_size))
                except (*DAMAGED, Unusable) as error:
                    refused[name] = str(error) if isinstance(error, Unusable) else f"is damaged ({error})"
    except OSError as error:
        raise Unusable(f"cannot be read: {error.strerror or error}") from error
    except DAMAGED as error:
        with open(path, "rb") as file:
            raise Unusable(_instead(file.read(64)) or f"is not a readable .npz file ({error})") from error
    return found, refused


def of_file(path: Path) -> Array:
    """The array of a `.npy` file. Only its header is read; raises `Unusable` with what is wrong with it."""
    try:
        with open(path, "rb") as file:
            return Array(str(path), "", *_header(file, os.fstat(file.fileno()).st_size))
    except OSError as error:
        raise Unusable(f"cannot be read: {error.strerror or error}") from error


def _header(file: IO[bytes], size: int) -> tuple[tuple[int, ...], np.dtype, bool, int]:
    """Shape, dtype, order and offset that the header of a file of `size` bytes claims, if it holds what it claims."""
    start = file.read(npy.MAGIC_LEN + 4)
    if not size:
        raise Unusable("is empty (0 bytes)")
    if not start.startswith(npy.MAGIC_PREFIX):
        raise Unusable(_instead(start + file.read(64)) or "is no NumPy array")
    major, wide = start[6] if len(start) == npy.MAGIC_LEN + 4 else 0, 2 if start[6:7] == b"\x01" else 4
    if not major:
        raise Unusable("is cut off in its header")
    if major not in (1, 2):
        raise Unusable(f"is a NumPy array of version {major}, which plain numbers and text do not need")
    length = int.from_bytes(start[npy.MAGIC_LEN : npy.MAGIC_LEN + wide], "little")
    if length > MAX_HEADER:
        raise Unusable(f"has a damaged header: it claims to be {length:,} bytes long")
    text = io.BytesIO((start + file.read(length))[npy.MAGIC_LEN :])
    try:
        reader = npy.read_array_header_1_0 if major == 1 else npy.read_array_header_2_0
        shape, fortran, dtype = reader(text)
    except Exception as error:  # a damaged header fails in many ways, and all have one meaning
        raise Unusable("has a damaged header") from error
    offset = npy.MAGIC_LEN + wide + length
    if dtype.hasobject:
        raise Unusable("is an array of Python objects (pickled), which is never read: save plain numbers or text")
    claimed = math.prod(shape) * dtype.itemsize
    if any(side < 0 for side in shape) or claimed != size - offset:
        raise Unusable(f"has a header that claims {claimed:,} bytes of values, and holds {size - offset:,}")
    return shape, dtype, fortran, offset


def _instead(start: bytes) -> str:
    """What a file that begins so is instead of an array; "" where that is not known."""
    if start.startswith(b"version https://git-lfs"):
        return "is a Git LFS pointer, not the file itself: run git lfs pull"
    if start.lstrip().lower().startswith((b"<!doctype html", b"<html")):
        return "is an HTML page"
    if start.startswith(b"\x80") and start[1:2] in b"\x02\x03\x04\x05":
        return "is a pickle, which is never read: save plain numbers with np.save"
    return ""


# --- values ------------------------------------------------------------------------------------------------------
def whole(array: Array) -> np.ndarray:
    """All values of a small array, in memory."""
    return np.array(mapped(array.path, array.member))


def check(array: Array) -> None:
    """Read all values once, block by block, against the archive's checksum. Raises `Unusable` when they are damaged."""
    if not array.member:
        return
    try:
        with zipfile.ZipFile(array.path) as archive:
            if archive.getinfo(array.member).compress_type != zipfile.ZIP_STORED:
                _unpacked(array, os.stat(array.path))
                return
            with archive.open(array.member) as file:
                size = sum(map(len, iter(lambda: file.read(BLOCK), b"")))
        _must_be_all(array, size)
    except OSError as error:
        raise Unusable(f"cannot be read: {error.strerror or error}") from error
    except DAMAGED as error:
        raise Unusable(f"is damaged ({error})") from error


def mapped(path: str, member: str) -> np.ndarray:
    """An array's values, mapped: what is not looked at is not read. Raises `Unusable` when they cannot be had."""
    try:
        about = os.stat(path)
        return _mapped(path, member, about.st_mtime_ns, about.st_size)
    except OSError as error:
        raise Unusable(f"cannot be read: {error.strerror or error}") from error


@functools.lru_cache(maxsize=8)
def _mapped(path: str, member: str, mtime: int, size: int) -> np.ndarray:
    if not member:
        array = of_file(Path(path))
        return _map(array, path, array.offset)
    found, refused = find(Path(path))
    name = member.removesuffix(".npy")
    if name not in found:
        raise Unusable(f"has no array {name} any more ({refused.get(name, 'it was replaced')})")
    array = found[name]
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo(member)
    if info.compress_type != zipfile.ZIP_STORED:
        return _map(array, _unpacked(array, os.stat(path)), array.offset)
    with open(path, "rb") as file:  # the values of a stored member lie in the archive as they are
        file.seek(info.header_offset)
        lengths = struct.unpack("<HH", file.read(30)[26:])
    return _map(array, path, info.header_offset + 30 + sum(lengths) + array.offset)


def _map(array: Array, path: str | Path, offset: int) -> np.ndarray:
    if not array.nbytes:
        return np.empty(array.shape, array.dtype)
    order = "F" if array.fortran else "C"
    try:
        values = np.memmap(path, array.dtype, "r", offset, array.shape or (1,), order)
    except ValueError as error:
        raise Unusable(f"is cut off ({error})") from error
    return values.reshape(array.shape, order=order)


def _unpacked(array: Array, about: os.stat_result) -> Path:
    """A compressed member of an archive, unpacked in the cache (under a lock, once for all processes)."""
    folder = _folder()
    made_of = digest([array.path, array.member, about.st_mtime_ns, about.st_size], 32)
    path, size = folder / f"{digest(array.path, 16)}-{made_of}.npy", array.offset + array.nbytes
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"):
            if not path.exists():
                if size > (free := shutil.disk_usage(folder).free) * 0.9:
                    raise Unusable(f"unpacks to {size / 1e9:.3g} GB, and {folder} has {free / 1e9:.3g} GB of space")
                files.write(path, functools.partial(_unpack, array))
    except OSError as error:
        raise Problem(f"cannot unpack {array.path} into {folder}: {error.strerror or error}") from error
    return path


def _unpack(array: Array, to: Path) -> None:
    try:
        with zipfile.ZipFile(array.path) as archive, archive.open(array.member) as packed, open(to, "wb") as file:
            shutil.copyfileobj(packed, file, BLOCK)
            _must_be_all(array, file.tell())
    except DAMAGED as error:
        raise Unusable(f"is damaged ({error})") from error


def _must_be_all(array: Array, size: int) -> None:
    if size != array.offset + array.nbytes:
        raise Unusable(f"is cut off: it should have {array.offset + array.nbytes:,} bytes, and has {size:,}")


def forget(path: str) -> None:
    """Remove what was unpacked of an archive; it is unpacked again when somebody asks."""
    for unpacked in _folder().glob(f"{digest(path, 16)}-*.npy"):
        unpacked.unlink(missing_ok=True)


def _folder() -> Path:
    return runs.cache_folder() / "unpacked"
