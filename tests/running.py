"""What tests of the runner share: its command line on toy notebooks, and processes that come and go."""

from __future__ import annotations

import time
from pathlib import Path

import run_notebooks
from lib.runner import request
from lib.store.series import Series


def request_for(folder: Path, **options) -> request.Request:
    return request.check(profile="smoke", out=str(folder), **options)


def run(folder: Path, toys: Series, *options: str) -> int:
    """The command line, on toy notebooks, without the book."""
    return run_notebooks.main(["--profile", "smoke", "--out", str(folder), "--no-html", *options], toys)


def edit(path: Path, old: str, new: str) -> None:
    path.write_text(path.read_text().replace(old, new))


def alive(pid: int) -> bool:
    """Is there such a process, other than a zombie that nobody has waited for yet?"""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(condition) -> bool:
    """Wait for an event; only if it does not come in ten minutes is that a failure, however busy the machine is."""
    end = time.monotonic() + 600
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()
