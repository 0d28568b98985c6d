"""A run's folder: opening it, its settings, and the record that each notebook keeps in it."""

from __future__ import annotations

import json
import os
import platform
import time
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from lib.store import files, parameters
from lib.store.errors import Problem
from lib.store.series import FILES, PREPARATION, ROOT
from lib.store.settings import Settings, load, table_and_column

PACKAGES = ["numpy", "scipy", "pandas", "torch", "scikit-learn", "librosa", "umap-learn", "symusic", "py3langid"]


@dataclass(frozen=True)
class Run:
    """One notebook's handle on one run's folder."""

    notebook: str
    settings: Settings
    folder: Path

    @property
    def seeds(self) -> list[int]:
        """Training seeds of headline settings."""
        return self.settings.seeds(self.settings.n_seeds)


# --- opening a run -----------------------------------------------------------------------------------------------
def default_folder(settings: Settings) -> Path:
    """`build/<corpus>-<profile>` in the project."""
    return ROOT / "build" / f"{settings.corpus}-{settings.profile}"


def cache_folder() -> Path:
    """Where results that depend on content alone are kept, shared by all runs (`LATENT_GENRE_CACHE` moves it)."""
    return Path(os.environ.get("LATENT_GENRE_CACHE") or ROOT / "data" / "cache")


def numba_folder() -> Path:
    """Where compiled functions are kept; to be called before numba is imported."""
    return Path(os.environ.setdefault("NUMBA_CACHE_DIR", str(cache_folder() / "numba")))


def claim_folder(folder: Path, settings: Settings, replace: bool = False) -> None:
    """Make `folder` the folder of the run with these settings.

    Raises `Problem` when it already belongs to a run with other settings, unless `replace` is true. Where nothing was
    stored and nothing found, as after a wrong path, there is no run yet.
    """
    path = folder / "settings.json"
    found_there = any(one.get("findings") for one in load_records(folder).values())
    replace = replace or not (found_there or any((folder / "store").rglob("*.*")))
    wanted = json.loads(settings.model_dump_json())
    with files.locked(folder):
        known = json.loads(Settings().model_dump_json())  # a setting newer than the run had its default then
        found = known | json.loads(path.read_text()) if path.is_file() else wanted
        names = [n for n in {**wanted, **found} if found.get(n) != wanted.get(n)]
        if names and replace:  # scores of other settings must not stand beside the new ones
            for old in [folder / "scores.csv", *(folder / "store" / "scores").glob("*")]:
                old.unlink(missing_ok=True)
        elif names:
            what = ", ".join(f"{n}={found.get(n)!r} there, {wanted.get(n)!r} here" for n in sorted(names)[:3])
            raise Problem(
                f"{folder} holds a run with other settings ({what}); choose another output folder (--out), "
                "or replace that run with run_notebooks.py --force"
            )
        files.write_text(path, json.dumps(wanted, indent=1))


def open_run(
    notebook: str,
    profile: str = "default",
    corpus: str = "controlled",
    source: str = "",
    lyrics: str = "",
    labels: str = "",
    out: str = "",
    settings: dict[str, Any] | None = None,
) -> Run:
    """Check the parameters of a notebook (by its name), open its run's folder and start the notebook's record anew.

    Raises `Problem` for parameters that are unknown, or of a wrong type or value, and where another run has the folder.
    """
    given = parameters.checked(
        profile=profile, corpus=corpus, source=source, lyrics=lyrics, labels=labels, out=out, settings=settings
    )
    out, absolute = _absolute(given.pop("out")), {name: _absolute(given[name]) for name in ("source", "lyrics")}
    checked = load(**given | absolute | {"labels": _absolute_table(given["labels"])})
    folder = Path(out) if out else default_folder(checked)
    claim_folder(folder, checked)
    return _begin(Run(FILES.get(notebook, notebook), checked, folder))


def _begin(run: Run) -> Run:
    """Start the notebook's record anew."""
    versions = {name: metadata.version(name) for name in PACKAGES}
    files.write_text(
        _record_path(run),
        json.dumps(
            {
                "notebook": run.notebook,
                "settings": json.loads(run.settings.model_dump_json()),
                "started": time.time(),
                "python": platform.python_version(),
                "versions": versions,
                "label_openings": [],
                "findings": [],
                "figures": [],
                "tables": [],
            }
        ),
    )
    return run


def reopen_run(notebook: str, folder: Path) -> Run:
    """Open a run that is there, with the settings that it was made with (newer settings have their defaults).

    Raises `Problem` when there is none in `folder`, or when its settings are not known (any more).
    """
    path = folder / "settings.json"
    if not path.is_file():
        raise Problem(f"there is no run in {folder}: run notebooks/{PREPARATION}.ipynb first")
    settings = json.loads(path.read_text())
    named = {name: settings.pop(name) for name in ("profile", "corpus", "source", "lyrics")}
    named["labels"] = settings.pop("labels", "")
    return _begin(Run(notebook, load(**named, settings=settings), folder))


def find_runs(parent: Path) -> list[Path]:
    """Folders in `parent` that hold a run whose tracks are prepared."""
    return sorted(path.parents[1] for path in parent.glob("*/store/corpus.json"))


def _absolute(path: str) -> str:
    """Relative paths are relative to the project, wherever a kernel was started."""
    return str(ROOT / os.path.expanduser(path)) if path else ""


def _absolute_table(labels: str) -> str:
    table, column = table_and_column(labels)
    return labels if table == "tags" else _absolute(table) + f":{column}" * bool(column)


def save_report(run: Run, name: str, content: dict[str, Any]) -> Path:
    """Leave `content` as `NAME.json` in the run's folder, for other programs to read; returns its path."""
    path = run.folder / f"{name}.json"
    files.write_text(path, json.dumps(content, indent=1, allow_nan=False))
    return path


# --- the notebook's record ---------------------------------------------------------------------------------------
def record(run: Run, kind: str, entry: dict[str, Any]) -> None:
    """Append an entry (a label opening, a finding, a figure, ...) to the notebook's record."""
    path = _record_path(run)
    content = json.loads(path.read_text())
    content.setdefault(kind, []).append(entry)
    files.write_text(path, json.dumps(content, indent=1, default=lambda value: value.item()))  # numbers of numpy


def load_records(folder: Path) -> dict[str, dict[str, Any]]:
    """The records of all notebooks of a run, by notebook name."""
    paths = sorted((folder / "records").glob("[!.]*.json"))  # hidden ones are being written by others
    return {path.stem: json.loads(path.read_text()) for path in paths}


def _record_path(run: Run) -> Path:
    return run.folder / "records" / f"{run.notebook}.json"


def read_record(folder: Path) -> dict[str, Any]:
    """The folder's `run.json`; empty when there is none or it cannot be read."""
    try:
        return json.loads((folder / "run.json").read_text())
    except (OSError, ValueError):
        return {}
