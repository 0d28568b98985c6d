"""Work that runs share: a batch keeps a folder `.shared` beside its runs, and what one of them made of content alone
(latents, remembered tables) is linked into the folders of the others that need it, not made again.

Names say what a thing was made of, and things are kept by the run's tracks, so a run finds nothing of other tracks.
"""

from __future__ import annotations

import contextlib
import csv
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from lib.store import files
from lib.store.runs import Run

FOLDER, USES = ".shared", "uses.csv"
COLUMNS = ["run", "kind", "what", "name", "n"]
KINDS = {"features": "features of clips", "latents": "latents", "remembered": "tables of scores and nulls"}


def place(run: Run, path: Path, corpus: str) -> Path | None:
    """Where all runs of these tracks look for what this one has at `path`; None for a run that shares nothing."""
    shared = run.folder.parent / FOLDER
    return shared / corpus / path.relative_to(run.folder) if shared.is_dir() else None


def write(run: Run, kind: str, path: Path, corpus: str, writer: Callable[[Path], Any], size: int = 0) -> None:
    """`files.write` for something that may be shared: it is written for all, then linked to `path`."""
    shared = place(run, path, corpus)
    files.write(shared or path, writer, size)
    if shared:
        note(run, kind, "computed", path.name)
        _link(shared, path)


def take(run: Run, kind: str, path: Path, corpus: str) -> bool:
    """Link to `path` what another run has made; says whether there was such a thing."""
    shared = place(run, path, corpus)
    if shared is None or not shared.is_file():
        return False
    _link(shared, path)
    note(run, kind, "reused", path.name)
    return True


def _link(shared: Path, path: Path) -> None:
    def link(temporary: Path) -> None:
        temporary.unlink()
        try:
            os.link(shared, temporary)
        except OSError:  # a file system without links, or another one
            shutil.copyfile(shared, temporary)

    files.write(path, link)


def note(run: Run, kind: str, what: str, name: str, n: int = 1) -> None:
    """Write down that the run has computed, or reused, `n` things of a kind (`KINDS`); nothing where none is shared."""
    folder = run.folder.parent / FOLDER
    if n and folder.is_dir():
        with (folder / USES).open("a", newline="") as file:  # one short line, so that writers do not mix theirs
            csv.writer(file).writerow([run.folder.name, kind, what, name, n])


def uses(folder: Path) -> pd.DataFrame:
    """What the runs in this folder have computed and reused: run, kind, what, name, n."""
    with contextlib.suppress(FileNotFoundError):
        return pd.read_csv(folder / FOLDER / USES, names=COLUMNS)
    return pd.DataFrame(columns=COLUMNS)


def counted(folder: Path) -> str:
    """One line: how many things of each kind the runs in this folder have computed, and how many reused."""
    n = uses(folder).groupby(["kind", "what"])["n"].sum()
    return "; ".join(f"{said}: {n.get((kind, 'computed'), 0)} computed, {n.get((kind, 'reused'), 0)} reused"
                     for kind, said in KINDS.items())
