"""The explorer's notebook in a JupyterLab of its own, for tests and for `make bench-explorer`."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat

from lib.store import series
from lib.studies.explorer import models

OWN = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTERLAB_SETTINGS_DIR",
       "JUPYTERLAB_WORKSPACES_DIR", "IPYTHONDIR")


def copied(folder: Path, run_folder: Path) -> Path:
    """A copy of the notebook in `folder`/notebooks, its parameters set to the run in `run_folder`."""
    made = nbformat.read(series.NOTEBOOKS / f"{models.NOTEBOOK}.ipynb", 4)
    parameters = next(cell for cell in made.cells if "parameters" in cell.metadata.get("tags", []))
    parameters.source += f"\nprofile, out = 'smoke', {str(run_folder)!r}"
    path = folder / "notebooks" / f"{models.NOTEBOOK}.ipynb"
    path.parent.mkdir()
    nbformat.write(made, path)
    return path


@contextlib.contextmanager
def serving(notebook: Path) -> Iterator[str]:
    """The address of a notebook in a JupyterLab that has settings of its own."""
    root = notebook.parents[1]
    environment = os.environ | {name: str(root / name.lower()) for name in OWN} | {"PYTHONPATH": str(series.ROOT)}
    quiet = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}  # it asks for the network
    (root / "jupyter_config_dir" / "labconfig").mkdir(parents=True)
    (root / "jupyter_config_dir" / "labconfig" / "page_config.json").write_text(json.dumps(quiet))
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1",
               f"--ServerApp.root_dir={notebook.parent}"]
    with (root / "log.txt").open("w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=root)
        try:
            yield _address(server, root)
        finally:
            server.terminate()
            server.wait(600)


def _address(server: subprocess.Popen, root: Path) -> str:
    """Wait until the server has written down where it is (it takes the first port that is free)."""
    end = time.monotonic() + 600
    while server.poll() is None and time.monotonic() < end:
        for path in (root / "jupyter_runtime_dir").glob("jpserver-*.json"):
            with contextlib.suppress(ValueError):  # still being written
                about = json.loads(path.read_text())
                return f"{about['url']}lab/tree/{models.NOTEBOOK}.ipynb?token={about['token']}"
        time.sleep(0.3)
    raise RuntimeError((root / "log.txt").read_text()[-3000:])


def run_all(page, address: str) -> None:
    """Open the notebook in a browser's page and run all its cells."""
    page.goto(address)
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()  # "Run all" before that asks for a kernel
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    page.locator("#fig-explorer_track img").wait_for()  # the last cell
