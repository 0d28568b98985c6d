"""Audio files in one folder per label: `<root>/<label>/<track>.wav`, GTZAN's layout and any other of that shape."""

from __future__ import annotations

import hashlib
import os
import stat
import unicodedata
from pathlib import Path

import numpy as np
import soundfile

from lib.corpora.items import Item, Sound
from lib.store.errors import Problem, Unusable

SUFFIXES = (".wav", ".au", ".mp3", ".ogg", ".flac")
UNSUPPORTED = (".m4a", ".aac", ".wma", ".opus", ".aiff", ".aif", ".mp4", ".ape", ".wv")
SAMPLE_RATES = (1_000, 768_000)  # Hz; anything else is a damaged header, and would ask for absurd amounts of memory
BLOCK = 2**20  # samples decoded at a time, all channels together


def find(root: Path, max_seconds: float) -> tuple[list[Item], list[tuple[str, str]]]:
    """The audio files under `root`, sorted by name, and (file, reason) of those that cannot even be tried.

    The first level of folders gives the labels; folders below a label may be nested. Hidden files and what macOS adds
    to archives are ignored. Raises `Problem` when `root` is no such folder.
    """
    root = root.expanduser().absolute()
    if not root.exists():
        raise Problem(f"there is no folder {root}: check --source")
    if not root.is_dir():
        raise Problem(f"{root} is a file: --source must be the folder that holds one folder of audio files per label")
    items: list[Item] = []
    skipped: list[tuple[str, str]] = []
    try:
        top = sorted(entry for entry in root.iterdir() if not _ignored(entry.name))
    except OSError as error:
        raise Problem(f"cannot read the folder {root}: {error.strerror}") from error
    for folder in top:
        if not folder.is_dir():
            continue
        unreadable: list[OSError] = []
        for where, folders, files in os.walk(folder, onerror=unreadable.append):
            folders[:] = sorted(name for name in folders if not _ignored(name))
            for file in sorted(name for name in files if not _ignored(name)):
                path = Path(where, file)
                name, suffix = readable(path.relative_to(root).as_posix()), path.suffix.lower()
                if suffix in SUFFIXES:
                    spec = {"kind": "file", "path": str(path), "max_seconds": max_seconds}
                    items.append(Item(name, spec, readable(folder.name)))
                elif suffix in UNSUPPORTED:
                    skipped.append((name, f"format {suffix} is not supported: convert it to wav, flac, ogg or mp3"))
        for error in unreadable:
            skipped.append((readable(str(Path(error.filename).relative_to(root))), error.strerror))
    if not items:
        kinds = ", ".join(suffix[1:] for suffix in SUFFIXES)
        if any(entry.suffix.lower() in SUFFIXES for entry in top):
            raise Problem(f"the audio files lie directly in {root}: put them into one folder per label")
        raise Problem(f"no audio files ({kinds}) in the folders of {root}: expected <label>/<track>.wav or the like")
    return sorted(items, key=lambda item: item.name), skipped


def _ignored(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def readable(name: str) -> str:
    """A file name as text that can be written anywhere: composed Unicode, undecodable bytes replaced."""
    return unicodedata.normalize("NFC", os.fsencode(name).decode("utf-8", "replace"))


def read(path: str, max_seconds: float) -> Sound:
    """Decode a file to mono at its own sample rate: the middle `max_seconds` seconds of a longer one.

    Decodes block by block, so memory is bounded whatever the file claims. Raises `Unusable` with the reason.
    """
    try:
        found = os.stat(path)
    except OSError as error:
        raise Unusable(f"cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(found.st_mode):
        raise Unusable("not a regular file")
    if found.st_size == 0:
        raise Unusable("empty file (0 bytes)")
    try:
        with soundfile.SoundFile(os.fsencode(path)) as file:
            return _middle(file, max_seconds)
    except soundfile.LibsndfileError as error:
        why = error.error_string.strip().rstrip(".")
        raise Unusable(f"cannot be decoded: no audio file, or a damaged one ({why})") from error
    except OSError as error:
        raise Unusable(f"cannot be read: {error.strerror or error}") from error


def _middle(file: soundfile.SoundFile, max_seconds: float) -> Sound:
    rate = file.samplerate
    if not SAMPLE_RATES[0] <= rate <= SAMPLE_RATES[1]:
        raise Unusable(f"sample rate of {rate} Hz")
    wanted = int(max_seconds * rate)
    start = max(0, (file.frames - wanted) // 2)
    if start:
        file.seek(start)
    parts: list[np.ndarray] = []
    size = max(1, BLOCK // file.channels)
    while wanted:
        block = file.read(min(size, wanted), dtype="float32", always_2d=True)
        if not len(block):
            break
        parts.append(block[:, 0] if file.channels == 1 else block.mean(axis=1))
        wanted -= len(block)
    if not parts:
        raise Unusable("ends long before the length that its header gives" if start else "holds no samples")
    return Sound(np.concatenate(parts), rate)


def fingerprint(path: str) -> str:
    """SHA-256 of the file's bytes. Raises `Unusable` when it cannot be read."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise Unusable("not a regular file")
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise Unusable(f"cannot be read: {error.strerror}") from error
