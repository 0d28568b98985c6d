"""Tiny notebooks that run in a second, for testing what runs and shows the real ones."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import nbformat

from lib.store.series import Series

PARAMETERS = """\
profile: str = "default"  # smoke, default or paper
corpus: str = "controlled"  # controlled, folder, gtzan, gtzan_logmel or log_mel
source: str = ""  # folder or file of a real corpus
lyrics: str = ""  # lyrics file, if there is one
labels: str = ""  # labels from TABLE:COLUMN or tags:genre; empty: the folders
out: str = ""  # run folder; empty: build/<corpus>-<profile>
settings: dict = {}  # anything in lib/store/settings.py, overrides the profile"""


def notebook(folder: Path, name: str, *cells: str, title: str = "", question: str = "What is it?", **options) -> Path:
    """Write a notebook of the series' form; cells that begin with `#` and a space, or `##`, are text. `written` is the
    number of the one to be tagged so."""
    made = [
        nbformat.v4.new_markdown_cell(f"# {title or name}\n\n{question}"),
        nbformat.v4.new_code_cell(options.get("parameters", PARAMETERS), metadata={"tags": ["parameters"]}),
    ]
    for cell in cells:
        text = cell.startswith(("# ", "##"))
        made.append(nbformat.v4.new_markdown_cell(cell) if text else nbformat.v4.new_code_cell(cell))
    if "written" in options:
        made[2 + options["written"]].metadata["tags"] = ["written"]
    for i, cell in enumerate(made):
        cell["id"] = f"cell-{i}"
    path = folder / f"{name}.ipynb"
    folder.mkdir(parents=True, exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(cells=made), path)
    return path


def writes(name: str, value: str = "1") -> str:
    """A cell that leaves `store/NAME.csv` in the run's folder."""
    return (
        "from pathlib import Path\n"
        f"target = Path(out) / 'store' / '{name}.csv'\n"
        f"target.parent.mkdir(exist_ok=True); target.write_text(str({value}))"
    )


def series(folder: Path, **needs: str) -> Series:
    """The series of the notebooks in `folder`; `needs` gives names separated by spaces."""
    return Series(folder, {name: tuple(text.split()) for name, text in needs.items()}, (), ())


def statuses(folder: Path) -> dict[str, str]:
    """Status per notebook, from run.json."""
    return {name: entry["status"] for name, entry in json.loads((folder / "run.json").read_text())["notebooks"].items()}


def interruptible() -> None:
    """For `preexec_fn`: signals reach the child even where these tests run under nohup or in the background, and ignore
    them."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
