"""GTZAN as log-mel spectrograms: an `.npz` of arrays, from which no audio comes back."""

from __future__ import annotations

import functools
import hashlib
import os
import zipfile
from pathlib import Path

import numpy as np

from lib.corpora.items import Item, LogMel
from lib.store.errors import Problem, Unusable

SAMPLE_RATE = 22050  # Hz, of the audio that the spectrograms came from
N_MELS, N_FRAMES, SECONDS = 128, 387, 30.0
MAX_TRACKS = 20_000  # 2 GB of float16
TEXT_KEYS = ("file_stem", "genre")
NEEDED = "logmel_db [n, 128, 387] float16, file_stem [n] text and genre [n] text"


def find(path: Path) -> list[Item]:
    """One item per row of the file. Raises `Problem` when the file is not what it should be."""
    path = path.expanduser().absolute()
    if path.is_dir():
        path = path / "gtzan_logmel.npz"
    if not path.is_file():
        raise Problem(f"there is no file {path}: --source must be the .npz with {NEEDED}")
    shapes = _check(path)
    n = shapes["file_stem"][0][0]
    with np.load(path, allow_pickle=False) as arrays:
        stems, genres = arrays["file_stem"], arrays["genre"]
    specs = ({"kind": "gtzan_logmel", "path": str(path), "row": row} for row in range(n))
    return [Item(str(s), spec, str(g)) for s, g, spec in zip(stems, genres, specs, strict=True)]


def read(path: str, row: int) -> LogMel:
    """One track's log-mel power in dB, [128, 387]."""
    return LogMel(_row(path, row).astype(np.float32), SAMPLE_RATE, N_FRAMES / SECONDS)


def fingerprint(path: str, row: int) -> str:
    """SHA-256 of the row's bytes."""
    return hashlib.sha256(_row(path, row).tobytes()).hexdigest()


def _row(path: str, row: int) -> np.ndarray:
    try:
        return _spectrograms(path, os.stat(path).st_mtime_ns)[row]
    except (OSError, IndexError) as error:
        raise Unusable(f"cannot be read from {path}: {error}") from error


@functools.lru_cache(maxsize=1)
def _spectrograms(path: str, mtime: int) -> np.ndarray:
    """The whole array, float16, unpacked once in a process (100 MB for GTZAN)."""
    _check(Path(path))
    with np.load(path, allow_pickle=False) as arrays:
        return arrays["logmel_db"]


def _check(path: Path) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
    """Shape and dtype of each array, read from the headers alone: nothing large is unpacked before it is checked."""
    found = {}
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename: info for info in archive.infolist()}
            for key in ("logmel_db", *TEXT_KEYS):
                if f"{key}.npy" not in members:
                    raise Problem(f"{path} has no array '{key}': it needs {NEEDED}")
                with archive.open(members[f"{key}.npy"]) as file:
                    major = np.lib.format.read_magic(file)[0]
                    reader = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
                    shape, _, dtype = reader(file)
                found[key] = shape, dtype
    except (zipfile.BadZipFile, ValueError, EOFError, OSError) as error:
        raise Problem(f"{path} is not a readable .npz file ({error})") from error
    n = found["logmel_db"][0][0] if found["logmel_db"][0] else 0
    fits = found["logmel_db"][0] == (n, N_MELS, N_FRAMES) and 0 < n <= MAX_TRACKS
    fits &= found["logmel_db"][1] in (np.float16, np.float32)
    for shape, dtype in (found[key] for key in TEXT_KEYS):
        fits &= shape == (n,) and dtype.kind == "U" and dtype.itemsize <= 4096
    if not fits:
        what = ", ".join(f"{k} {list(shape)} {dtype}" for k, (shape, dtype) in found.items())
        raise Problem(f"{path} holds {what}, but needs {NEEDED}")
    return found
