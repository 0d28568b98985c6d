"""The pages of a book as PDF, through the print of a Chromium that is on this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from lib.store.errors import Problem

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
TIMEOUT = 600  # seconds for one page


def browser() -> str:
    """The browser's path. Raises `Problem` when there is none."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        raise Problem("no Chromium or Chrome on this machine, so no PDF pages: install one (Debian and Ubuntu: apt-get "
                      "install chromium), or print the HTML pages from your own browser")
    return found


def export(folder: Path) -> list[Path]:
    """Print every page of `folder/html` into `folder/pdf`; returns the files.

    Raises `Problem` when there is no book, no browser, or a page that cannot be printed.
    """
    pages = sorted((folder / "html").glob("*.html"))
    if not pages:
        raise Problem(f"there is no book in {folder}: run_notebooks.py --export html makes one")
    program, target = browser(), folder / "pdf"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []  # its sandbox refuses root
    with tempfile.TemporaryDirectory(prefix="lg-print-") as profile:
        for page in pages:
            made = target / f"{page.stem}.pdf"
            command = [program, "--headless", "--disable-gpu", *root, f"--user-data-dir={profile}", "--no-first-run",
                       "--no-pdf-header-footer", f"--print-to-pdf={made}", page.as_uri()]
            try:
                done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT)
                said = done.stderr.strip().splitlines()
            except subprocess.TimeoutExpired:
                said = [f"it took more than {TIMEOUT} s"]
            if not made.is_file():
                raise Problem(f"{program} could not print {page}: {said[-1] if said else 'it gave no reason'}")
    return sorted(target.glob("*.pdf"))
