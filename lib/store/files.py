"""Files written whole or not at all, and folders that one process changes at a time."""

from __future__ import annotations

import contextlib
import errno
import os
import platform
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock

from lib.store.errors import Problem

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
ROOM = 2 * 2**20  # bytes on top of what an array needs itself
UNFINISHED = re.compile(r"\.unfinished-(.*)-(\d+)-[^-]*")  # the machine and the process that write it


# --- files -------------------------------------------------------------------------------------------------------
def write(path: Path, writer: Callable[[Path], Any], size: int = 0) -> None:
    """Call `writer` on a temporary file beside `path`, then rename it, so that no half-written file is ever seen.

    `size` in bytes is asked of the disk beforehand, for a writer that a full disk would crash. Raises `Problem` when
    the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=_prefix(), suffix=path.suffix)
        try:
            try:
                _reserve(handle, size)
            finally:
                os.close(handle)
            writer(Path(name))
            os.chmod(name, 0o644)
            os.replace(name, path)
        finally:
            Path(name).unlink(missing_ok=True)
    except OSError as error:
        raise refused(path, error) from error


def write_text(path: Path, text: str) -> None:
    """`write` for a text."""
    write(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def refused(path: Path, error: OSError) -> Problem:
    """What to say when something cannot be written at `path`."""
    why = os.strerror(error.errno) if error.errno else error  # HDF5's own reason is ten lines
    where = "--out, or LATENT_GENRE_CACHE in the environment for what all runs share"
    todo = "free some space there, or " if error.errno in FULL else ""
    todo = "see who may write there, or " if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS} else todo
    return Problem(f"cannot write {path}: {why}; {todo}choose another folder ({where})")


def no_room() -> OSError:
    """The error of a full disk."""
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def is_full(reason: str) -> bool:
    """Does this text of an error say that a disk is full?"""
    return any(f"[Errno {number}]" in reason for number in FULL)


def has_no_room(folder: Path) -> bool:
    """Is the disk of a folder full, but for what a small file needs?"""
    try:
        disk = os.statvfs(folder)
    except OSError:  # it is not there (any more): nobody can say
        return False
    return disk.f_bavail * disk.f_frsize < ROOM


def _prefix() -> str:
    return f".unfinished-{platform.node()[:60]}-{os.getpid()}-"


def unfinished(path: Path) -> Path:
    """Where this process, and one thread of it, may write what is to become `path`: see `remove_unfinished`."""
    return path.with_name(f"{_prefix()}{path.name.replace('-', '_')}")


def _reserve(handle: int, size: int) -> None:
    """Raises OSError unless the disk has `size` bytes for this empty file, which stays empty."""
    if not size:
        return
    disk = os.fstatvfs(handle)
    if disk.f_bavail * disk.f_frsize < size + ROOM:
        raise no_room()
    if hasattr(os, "posix_fallocate"):  # which knows of quotas
        try:
            os.posix_fallocate(handle, 0, size + ROOM)
        except OSError as error:
            if error.errno in FULL:
                raise
        os.ftruncate(handle, 0)


def remove_unfinished(*folders: Path) -> None:
    """Remove, in and below these folders, what this process, and others of this machine that have been killed, had not
    finished writing."""
    for folder in folders:
        for path in list(folder.rglob(".unfinished-*")):
            found = UNFINISHED.fullmatch(path.name)
            if found and found[1] == platform.node()[:60] and _has_left(int(found[2])):
                with contextlib.suppress(OSError):
                    path.unlink()


def _has_left(process: int) -> bool:
    return process == os.getpid() or not is_running(process)


def is_running(process: int) -> bool:
    """Is there a process of this number?"""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is somebody else's
        pass
    return True


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock", timeout=600):
            yield
    except OSError as error:
        raise refused(folder, error) from error
