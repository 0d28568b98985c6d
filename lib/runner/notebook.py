"""One notebook executed through papermill, and what is wrong with it beforehand or afterwards."""

from __future__ import annotations

import ast
import contextlib
import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lib.runner import keys
from lib.store import files
from lib.store.errors import Problem

# --- one notebook ------------------------------------------------------------------------------------------------
PATIENCE = 600  # seconds for a kernel to answer, however busy the machine is
WRITTEN = "written"  # tag of the cell after which a notebook writes nothing that others read


class Failed(Exception):
    """A notebook did not end well; the message is one line."""


def check_notebook(path: Path, names: list[str]) -> None:
    """Raises `Problem` unless the notebook can be read and its cell tagged `parameters` has every one of `names`.

    papermill itself would only warn.
    """
    keys.cell_sources(path)
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    tagged = ["".join(cell["source"]) for cell in cells if "parameters" in cell["metadata"].get("tags", [])]
    try:
        statements = ast.parse("\n".join(tagged)).body
    except SyntaxError as error:
        raise Problem(f"the parameters cell of {path} is not Python: {error.msg}") from None
    known = {statement.target.id for statement in statements if isinstance(statement, ast.AnnAssign)}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise Problem(f"{path} has no parameter {', '.join(unknown)}: "
                      "add it, annotated, to the notebook's first code cell, the one tagged 'parameters'")


def execute(
    path: Path, target: Path, values: dict[str, Any], manager_class: type, on_cell: Callable[[int, int], None],
    on_written: Callable[[], None], why_dead: Callable[[], str],
) -> None:
    """Run a notebook from its clean source and leave the executed one at `target`; `on_written` is called when it is
    past its cell tagged `written`, if it has one; `why_dead` says why a kernel died.

    On failure `target` stays as it was, what was executed is left beside it as `NAME.failed.ipynb`, and `Failed` is
    raised. Only the raised error decides: a killed kernel leaves a notebook that looks finished.
    """
    import nbformat
    import papermill

    logging.getLogger("papermill").setLevel(logging.CRITICAL)  # what goes wrong is said once, by the runner
    total = len(keys.cell_sources(path))
    partial, failed = files.unfinished(target), target.with_name(f"{target.stem}.failed.ipynb")
    target.parent.mkdir(parents=True, exist_ok=True)
    cells = []

    def start_cell(cell: Any, cell_index: int) -> None:
        if cells and WRITTEN in cells[-1].metadata.get("tags", []):
            on_written()
        cells.append(cell)
        on_cell(cell_index + 1, total + 1)  # papermill adds one with the parameters

    try:
        papermill.execute_notebook(
            # papermill formats paths as templates
            *(str(p).replace("{", "{{").replace("}", "}}") for p in (path, partial)), values,
            kernel_name="python3", language="python", progress_bar=False, request_save_on_cell_execute=False,
            kernel_manager_class=manager_class, resources={"metadata": {"path": str(path.parent)}},
            on_cell_start=start_cell, coalesce_streams=True, start_timeout=PATIENCE, iopub_timeout=PATIENCE,
        )
    except papermill.PapermillExecutionError as error:
        with contextlib.suppress(OSError):  # on a full disk there is no more than the sentence
            os.replace(partial, failed)
        raise Failed(_sentence(error.ename, error.evalue)) from error
    except Exception as error:
        with contextlib.suppress(OSError):
            nbformat.write(nbformat.v4.new_notebook(cells=cells), failed)
        raise Failed(_reason(error, target, why_dead)) from error
    else:
        os.replace(partial, target)
        failed.unlink(missing_ok=True)
    finally:
        partial.unlink(missing_ok=True)


def _reason(error: Exception, target: Path, why_dead: Callable[[], str]) -> str:
    """One line for what went wrong around a notebook that was to become `target`."""
    from nbclient.exceptions import DeadKernelError

    if isinstance(error, DeadKernelError) or "Kernel died" in str(error):
        return why_dead()
    if isinstance(error, OSError):
        return str(files.refused(target, error))
    return _sentence(type(error).__name__, str(error))


def _sentence(kind: str, text: str) -> str:
    """One line for an error of this class, with what it says of itself."""
    line = next((line for line in text.splitlines() if line.strip()), "no message").strip()
    if files.is_full(line):
        return f"a disk is full: {line}; free some space there"
    return line if kind == "Problem" else f"{kind}: {line}"
