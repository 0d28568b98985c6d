"""Exports of a run that exists: nothing is executed again."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

from lib.report import book, paper, pdf
from lib.store.errors import Problem
from lib.store.runs import read_record
from lib.store.series import NOTEBOOKS

KINDS = ("html", "latex", "pdf", "zip", "all")
IN_ZIP = ("html", "tables", "figures", "notebooks", "pdf", "scores.csv")  # what pages link to, and the book in print


def export(folder: Path, kind: str, say: Callable[[str], None], sources: Path = NOTEBOOKS) -> list[Path]:
    """Write the book, the paper's pieces, the printed book or an archive to hand over of the run in `folder`; returns
    where each begins.

    `all` writes them all; where there is no browser it says so, and leaves the printed book out. Raises `Problem` when
    there is no run in the folder, or what was asked for cannot be made.
    """
    record = read_record(folder)
    if not record.get("notebooks"):
        raise Problem(f"there is no run in {folder} to export: give its folder with --out, or run the notebooks first")
    made = []
    if kind in ("html", "all"):
        paper.pdfs(folder)
    if kind in ("html", "all") or kind in ("pdf", "zip") and book.is_old(folder):
        made.append(book.export(folder, sorted(record["notebooks"]), sources))
    if kind in ("latex", "all"):
        made.append(paper.export(folder))
    if kind in ("pdf", "all"):
        try:
            made.append(pdf.export(folder))
        except Problem as problem:
            if kind == "pdf":
                raise
            say(f"without the book in print: {problem}")
    if kind in ("zip", "all"):
        made.append(_packed(folder))
    return made


def _packed(folder: Path) -> Path:
    """The book of the run in `folder` with the files that it links to, as one archive beside them."""
    target, name = folder / f"{folder.name}.zip", Path(folder.name)
    found = [path for part in IN_ZIP for path in [folder / part, *sorted((folder / part).rglob("*"))] if path.is_file()]
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in found:
            archive.write(path, name / path.relative_to(folder))
        archive.writestr(str(name / "READ ME.txt"), "Open html/index.html in a browser. It needs no network.\n")
    return target
