"""Files written whole or not at all, and folders that one process changes at a time."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock

from lib.store.errors import Problem


# --- files -------------------------------------------------------------------------------------------------------
def write(path: Path, writer: Callable[[Path], Any]) -> None:
    """Call `writer` on a temporary file beside `path`, then rename it, so that no half-written file is ever seen."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem[:40]}-", suffix=path.suffix)
        os.close(handle)
        try:
            writer(Path(name))
            os.chmod(name, 0o644)
            os.replace(name, path)
        finally:
            Path(name).unlink(missing_ok=True)
    except OSError as error:
        raise Problem(
            f"cannot write {path}: {error.strerror or error}; free some space or choose another folder"
        ) from error


def write_text(path: Path, text: str) -> None:
    """`write` for a text."""
    write(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock", timeout=60):
            yield
    except OSError as error:
        raise Problem(f"cannot use the folder {folder}: {error.strerror or error}") from error
