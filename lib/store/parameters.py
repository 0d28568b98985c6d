"""A notebook's parameters, whoever set them: the runner, papermill or a hand in JupyterLab.

papermill only warns of a name that no notebook knows, and makes numbers of texts that look like numbers.
"""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Any

from lib.store.errors import Problem
from lib.store.settings import Settings

INJECTED = "# Parameters\n"  # how papermill begins the cell in which it sets parameters
OWN = {"PAPERMILL_INPUT_PATH", "PAPERMILL_OUTPUT_PATH"}  # papermill's own, on request
SET_BY_PAPERMILL = "under papermill, -y 'settings: {n_seeds: 5}'"


def checked(**given: Any) -> dict[str, Any]:
    """The parameters as they are meant: a dictionary of settings, and texts.

    Raises `Problem` for one of another type, and for a name that papermill has set and that is not among these.
    """
    refuse_unknown(_injected(), given)
    return {name: _settings(value) if name == "settings" else _text(name, value) for name, value in given.items()}


def refuse_unknown(names: Iterable[str], known: Iterable[str]) -> None:
    """Raises `Problem` for the first of `names` that is not `known`, with what was meant where that can be told."""
    known = list(known)
    for name in names:
        if name in known or name in OWN:
            continue
        if name in Settings.model_fields:
            raise Problem(f"'{name}' is a setting, no parameter: it goes into `settings`; {SET_BY_PAPERMILL}")
        near = get_close_matches(name, known, 1)
        hint = f"did you mean '{near[0]}'?" if near else f"known are: {', '.join(known)}"
        raise Problem(f"there is no parameter '{name}'; {hint}")


def _injected() -> Iterator[str]:
    """Names that papermill has set in this kernel."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    for cell in shell.user_ns.get("In", []) if shell else []:
        if cell.startswith(INJECTED):
            for statement in ast.parse(cell).body:
                yield from (target.id for target in getattr(statement, "targets", []) if isinstance(target, ast.Name))


def _text(name: str, value: Any) -> str:
    if isinstance(value, str | os.PathLike):
        return os.fspath(value)
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        print(f"parameter '{name}': the number {value} is taken as the text '{value}'; papermill reads what looks like "
              f"a number as one, and -r {name} TEXT (for -p) keeps it letter by letter")
        return str(value)
    raise Problem(f"parameter '{name}' is {value!r}, which is no text: put it in quotes; under papermill, "
                  f"-r {name} TEXT (for -p) keeps it letter by letter")


def _settings(value: Any) -> dict[str, Any]:
    if isinstance(value, dict) and all(isinstance(name, str) for name in value):
        return value
    if value is None:
        return {}
    raise Problem(f"parameter 'settings' is {value!r}, which is no dictionary of settings by name: write "
                  f"settings = {{'n_seeds': 5}}; {SET_BY_PAPERMILL}")
