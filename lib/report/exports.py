"""Exports of a run that exists: nothing is executed again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lib.report import book, paper, pdf
from lib.store.errors import Problem
from lib.store.runs import read_record
from lib.store.series import NOTEBOOKS

KINDS = ("html", "latex", "pdf", "all")


def export(folder: Path, kind: str, say: Callable[[str], None], sources: Path = NOTEBOOKS) -> list[Path]:
    """Write the book, the paper's pieces or the printed pages of the run in `folder`; returns where each begins.

    `all` writes them all; where there is no browser it says so, and leaves the PDF pages out. Raises `Problem` when
    there is no run in the folder, or what was asked for cannot be made.
    """
    record = read_record(folder)
    if not record.get("notebooks"):
        raise Problem(f"there is no run in {folder} to export: give its folder with --out, or run the notebooks first")
    made = []
    if kind in ("html", "all") or kind == "pdf" and book.is_old(folder):
        made.append(book.export(folder, sorted(record["notebooks"]), sources))
    if kind in ("latex", "all"):
        made.append(paper.export(folder))
    if kind in ("pdf", "all"):
        try:
            made.append(pdf.export(folder)[0].parent)
        except Problem as problem:
            if kind == "pdf":
                raise
            say(f"without PDF pages: {problem}")
    return made
