"""What a notebook's results follow from, as one hash: who is up to date, and who has to run."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import yaml

from lib.runner.request import Request
from lib.store import remembering
from lib.store.errors import Problem
from lib.store.series import FILES, NOTEBOOKS, Series
from lib.store.settings import digest, table_and_column

# what notebooks show their results with; the rest of the report reads finished notebooks
PAGE = [f"report/{name}.py" for name in ("claims", "glossary", "latex", "output", "plots", "redraw", "references",
                                         "rules", "showing", "style")]
SAID = ("glossary.yaml", "references.bib")


# --- what needs a run --------------------------------------------------------------------------------------------
def keys(series: Series, request: Request) -> dict[str, str]:
    """For each notebook a hash of all that its results follow from: sources, settings, input files, versions, needs."""
    table = table_and_column(request.labels)[0]
    shared = {
        "settings": request.checked().key(),
        "code": remembering.code_of(),
        "page": [remembering.sources(*PAGE), *((NOTEBOOKS / name).read_text(encoding="utf-8") for name in SAID)],
        "source": _fingerprint(request.source),
        "lyrics": _fingerprint(request.lyrics),
        "labels": _fingerprint("" if table == "tags" else table),
    }
    written = yaml.safe_load((NOTEBOOKS / "claims.yaml").read_text(encoding="utf-8"))
    sentences = {FILES.get(name, name): said for name, said in written.items()}
    found: dict[str, str] = {}
    for name in series.order():
        needed = {need: found[need] for need in series.needs[name]}
        own = {"cells": cell_sources(series.path(name)), "sentences": sentences.get(name)}
        found[name] = digest({"shared": shared, **own, "needs": needed}, 16)
    return found


def cell_sources(path: Path) -> list[tuple[str, str]]:
    """Type and source of every cell; outputs, counters and metadata do not count."""
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        return [(cell["cell_type"], "".join(cell["source"])) for cell in cells]
    except OSError as error:
        raise Problem(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise Problem(f"{path} is not a notebook that can be read: repair it, or restore it with git") from None


def _fingerprint(path: str) -> list[tuple[str, int, int]]:
    """Relative paths, sizes and times of change of a file or of all files of a folder; zeros where a link or the rights
    of a folder forbid to look."""
    root = Path(path)
    if not path:
        return []
    found = [Path(folder, name) for folder, _, names in os.walk(root) for name in names] or [root]
    return [(str(p.relative_to(root)), *_changed(p)) for p in sorted(found)]


def _changed(path: Path) -> tuple[int, int]:
    """Size and time of change of a file."""
    try:
        about = path.stat()
    except OSError:
        return 0, 0
    return about.st_size, about.st_mtime_ns


def up_to_date(folder: Path, found: dict[str, str], record: dict[str, Any]) -> set[str]:
    """Notebooks whose last run succeeded with the key that they have now, and whose outputs are all still there."""
    current = set()
    for name, entry in record.get("notebooks", {}).items():
        outputs = [f"notebooks/{name}.ipynb", *entry.get("files", [])]
        if (
            entry.get("status") == "done"
            and entry.get("key") == found.get(name)
            and all((folder / output).is_file() for output in outputs)
        ):
            current.add(name)
    return current


def choose(series: Series, only: list[str], current: set[str], force: bool) -> tuple[list[str], list[str]]:
    """Which notebooks to run, in order, and which of them were not asked for but are needed first.

    Everything (or what is named in `only`) that is not `current`, or all of it with `force`; then, backwards, whatever
    those need and is not current.
    """
    asked = {series.find(text) for text in only} or set(series.needs)
    chosen = asked if force else asked - current
    for name in reversed(series.order()):
        if name in chosen:
            chosen = chosen | {need for need in series.needs[name] if need not in current}
    return [n for n in series.order() if n in chosen], [n for n in series.order() if n in chosen - asked]
