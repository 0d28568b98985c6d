"""A book as one PDF, through the print of a Chromium that is on this machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from lib.store.errors import Problem

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
TIMEOUT = 600  # seconds for a book
TITLE = re.compile(r"<h1[^>]*>(.*?)</h1>", re.DOTALL)
MAIN = re.compile(r'<main[^>]*>(.*?)<nav class="turn"', re.DOTALL)


def browser() -> str:
    """The browser's path. Raises `Problem` when there is none."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        raise Problem("no Chromium or Chrome on this machine, so no PDF: install one (Debian and Ubuntu: apt-get "
                      "install chromium), or print the HTML pages from your own browser")
    return found


def export(folder: Path) -> Path:
    """Print the book of `folder/html` as one document, `folder/pdf/book.pdf`, with contents; returns it.

    Raises `Problem` when there is no book, no browser, or it cannot be printed.
    """
    index = folder / "html" / "index.html"
    if not index.is_file():
        raise Problem(f"there is no book in {folder}: run_notebooks.py --export html makes one")
    program, made = browser(), folder / "pdf" / "book.pdf"
    shutil.rmtree(made.parent, ignore_errors=True)
    made.parent.mkdir(parents=True)
    root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []  # its sandbox refuses root
    with tempfile.TemporaryDirectory(prefix="lg-print-") as place:
        whole = Path(place) / "book.html"
        whole.write_text(bound(index), encoding="utf-8")
        command = [program, "--headless", "--disable-gpu", *root, f"--user-data-dir={place}/profile", "--no-first-run",
                   "--no-pdf-header-footer", "--generate-pdf-document-outline", f"--print-to-pdf={made}",
                   whole.as_uri()]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT)
            said = done.stderr.strip().splitlines()
        except subprocess.TimeoutExpired:
            said = [f"it took more than {TIMEOUT} s"]
        if not made.is_file():
            raise Problem(f"{program} could not print {index}: {said[-1] if said else 'it gave no reason'}")
    return made


def bound(index: Path) -> str:
    """The pages of a book, in the order of its `index`, as one page with contents; links between them stay within."""
    first = index.read_text(encoding="utf-8")
    names = list(dict.fromkeys(re.findall(r'<a href="([^"#:/]+)\.html"><b>', first)))
    texts = {name: index.with_name(f"{name}.html").read_text(encoding="utf-8") for name in names}
    chapters = [f'<article id="{name}">{_inside(text, name, names)}</article>' for name, text in texts.items()]
    contents = "".join(f'<li><a href="#{name}">{TITLE.search(text)[1]}</a></li>' for name, text in texts.items())
    front = re.search(r"<main[^>]*>(.*?)<(?:h2 class=\"question|ol class=\"pages)\">", first, re.DOTALL)[1]
    style = re.search(r"<style>.*?</style>", first, re.DOTALL)[0]
    return (f'<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>Latent Genre</title>{style}'
            f'<main class="bound">{front}<ol>{contents}</ol>{"".join(chapters)}</main></html>')


def _inside(text: str, name: str, names: list[str]) -> str:
    """What a page says, its ids and links made those of one long page; figures have ids that no other page has."""
    body = MAIN.search(text)[1]
    parts = re.split(r"(<svg.*?</svg>)", body, flags=re.DOTALL)
    for i in range(0, len(parts), 2):
        part = re.sub(r' id="([^"]*)"', rf' id="{name}--\1"', parts[i])
        part = re.sub(r'href="#([^"]+)"', rf'href="#{name}--\1"', part)
        part = re.sub(rf'href="({"|".join(map(re.escape, names))})\.html(?:#([^"]*))?"', _within, part)
        parts[i] = part
    return "".join(parts)


def _within(link: re.Match) -> str:
    return f'href="#{link[1]}--{link[2]}"' if link[2] else f'href="#{link[1]}"'
