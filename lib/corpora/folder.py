"""Audio files in one folder per label: `<root>/<label>/<track>.wav`, GTZAN's layout and any other of that shape.

Every file is accounted for: it is an item, or listed with a reason, or plainly something else and counted. What it is
is read from its first bytes; nothing is decoded here.
"""

from __future__ import annotations

import contextlib
import os
import stat
import unicodedata
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from lib.corpora import decoding, kinds
from lib.corpora.items import Item
from lib.store.errors import Problem

BESIDE = "lies beside the label folders, and so has no label"


class Found(NamedTuple):
    """What there is under a folder: `len(items) + len(listed) + sum(ignored.values()) == n`."""

    items: list[Item]  # sorted by name
    listed: list[tuple[str, str]]  # file, reason: those that cannot even be tried
    ignored: dict[str, int]  # of what kind -> how many files that are plainly something else
    without: list[str]  # label folders in which there is no audio
    n: int  # files, and folders that cannot be read


class _Entry(NamedTuple):
    """A file, or what cannot be read."""

    path: Path
    fault: str = ""
    size: int = 0  # bytes
    hidden: bool = False


def find(root: Path, max_seconds: float, label_folders: bool = True) -> Found:
    """The audio files under `root`, and what became of all other files.

    The first level of folders gives the labels, trimmed and in composed Unicode; folders below a label may be nested.
    Without `label_folders` any layout will do, and labels are "". Raises `Problem` when there is nothing to use.
    """
    root = root.expanduser().absolute()
    _check(root, label_folders)
    items: list[Item] = []
    listed: list[tuple[str, str]] = []
    ignored: Counter[str] = Counter()
    pointers, beside, n = 0, 0, 0
    for entry in _entries(root):
        n += 1
        where = entry.path.relative_to(root)
        name = readable(where.as_posix())
        kind, fault = ("hidden", "") if entry.hidden else _kind(entry)
        if kind:
            ignored[kind] += 1
        elif fault:
            pointers += fault == kinds.POINTER.name
            listed.append((name, fault))
        elif label_folders and len(where.parts) == 1:
            beside += 1
            listed.append((name, BESIDE))
        else:
            spec = {"kind": "file", "path": str(entry.path), "max_seconds": max_seconds}
            items.append(Item(name, spec, label_of(where.parts[0]) if label_folders else ""))
    listed.sort()
    if pointers > len(items):
        raise Problem(f"{pointers} files in {root} are Git LFS pointers, not the audio itself: run git lfs pull there")
    if not items:
        raise Problem(_why_none(root, listed, beside, label_folders))
    with_audio = {item.label for item in items}
    labels = sorted({label_of(path.name) for path in _folders(root)}) if label_folders else []
    return Found(sorted(items, key=lambda item: item.name), listed, dict(sorted(ignored.items())),
                 [label for label in labels if label not in with_audio], n)


def readable(name: str) -> str:
    """A file name as text that can be written anywhere: composed Unicode, undecodable bytes replaced."""
    return unicodedata.normalize("NFC", os.fsencode(name).decode("utf-8", "replace"))


def label_of(folder: str) -> str:
    """The label that a folder's name gives: "Rap " is "Rap", and an accent is the same however it is written."""
    return readable(folder).strip() or "unnamed"


def _check(root: Path, label_folders: bool) -> None:
    layout = "one folder of audio files per label" if label_folders else "the audio files"
    try:
        if not root.exists():
            raise Problem(f"there is no folder {root}: check --source")
        if not root.is_dir():
            raise Problem(f"{root} is a file: --source must be the folder that holds {layout}")
        os.listdir(root)
    except OSError as error:
        raise Problem(f"cannot read the folder {root}: {error.strerror or error}") from error


def _why_none(root: Path, listed: list[tuple[str, str]], beside: int, label_folders: bool) -> str:
    if beside:
        return (f"the audio files lie directly in {root}: put them into one folder per label, or name a table that has "
                "their labels with --labels TABLE[:COLUMN]")
    where = f"the folders of {root}: expected <label>/<track>.wav or the like" if label_folders else str(root)
    first = f" ({len(listed)} files cannot be used; {listed[0][0]}: {listed[0][1]})" if listed else ""
    return f"no audio files in {where}{first}"


# --- every file --------------------------------------------------------------------------------------------------
def _folders(root: Path) -> Iterator[Path]:
    """The folders of the first level, links to folders too."""
    for name in os.listdir(root):
        with contextlib.suppress(OSError, ValueError):  # it is listed as what cannot be read
            if not kinds.is_hidden(name) and stat.S_ISDIR(os.stat(root / name).st_mode):
                yield root / name


def _entries(root: Path) -> Iterator[_Entry]:
    """Every file under a folder, links followed, and every folder that cannot be read or leads back to itself."""
    about = os.stat(root)
    todo = [(root, frozenset([(about.st_dev, about.st_ino)]), False)]  # folder, itself and those above it, hidden
    while todo:
        folder, above, hidden = todo.pop()
        try:
            names = os.listdir(folder)
        except OSError as error:
            yield _Entry(folder, f"a folder that cannot be read: {error.strerror or error}", hidden=hidden)
            continue
        for name in names:
            path, unseen = folder / name, hidden or kinds.is_hidden(name)
            try:
                about = os.stat(path)
            except (OSError, ValueError) as error:
                dangling = isinstance(error, FileNotFoundError) and os.path.islink(path)
                why = "a link to nothing" if dangling else f"cannot be read: {getattr(error, 'strerror', error)}"
                yield _Entry(path, why, hidden=unseen)
                continue
            if not stat.S_ISDIR(about.st_mode):
                fault = "" if stat.S_ISREG(about.st_mode) else "not a regular file: a pipe, a socket or a device"
                yield _Entry(path, fault, about.st_size, unseen)
            elif (here := (about.st_dev, about.st_ino)) in above:
                yield _Entry(path, "a link to a folder that it lies in", hidden=unseen)
            else:
                todo.append((path, above | {here}, unseen))


def _kind(entry: _Entry) -> tuple[str, str]:
    """(what the file plainly is, "") or ("", why it cannot be used) or ("", "") when a decoder must be asked."""
    name = entry.path.name
    if entry.fault:
        return "", entry.fault
    by_ending = kinds.by_ending(name)
    if not entry.size:
        return by_ending, "" if by_ending else "empty file (0 bytes)"
    try:
        with open(entry.path, "rb", buffering=0) as file:
            kind = kinds.of(file.read(kinds.HEAD) or b"", name)
    except OSError as error:
        return "", f"cannot be read: {error.strerror or error}"
    if not kind.family:  # the ending is believed only where no decoder takes the bytes
        return ("" if by_ending == "" or decoding.opens(str(entry.path)) else by_ending), ""
    if kind.family in ("list", "no sound") or kind.family == "pointer" and not by_ending:
        return "", kind.name
    if kinds.says_audio(name):
        return "", f"{kind.name}, not audio"
    return by_ending or kind.family, ""
