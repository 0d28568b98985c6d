"""What the book adds to what notebooks show: a verdict in words and a source for findings, folds for long tables and
long cells, and the files behind a table or figure."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

from bs4 import BeautifulSoup, Tag

from lib.report.claims import registry

VERDICTS = {"yes": "Rule met", "no": "Rule not met", "open": "Not decided", "plain": "Description"}
FILES = {"tab": ("tables", {"csv": "CSV", "tex": "TeX"}),
         "fig": ("figures", {"pdf": "PDF", "svg": "SVG", "png": "PNG", "json": "data"})}
HIGHER = {"h2": ["h1", "h2"], "h3": ["h1", "h2", "h3"]}  # headings that end a section
ROWS = 15  # of a table that are shown at first
COLUMNS = 7  # from this number on, long texts in a table are folded
DENSE = 10  # columns above which a table is set smaller
DENSER = 14  # and smaller still
EXPECTED = {True: "as expected", False: "not as expected"}


def findings(body: BeautifulSoup, title: str, run: dict[str, Any]) -> None:
    """Say at each finding in words whether its rule holds; give it a link, and a button that copies its sentence with
    its source: the page's `title` and what the book says of the `run`."""
    for box in body.select("div.finding"):
        kind = next(name for name in box["class"] if name != "finding")
        sentence, name = box.p.get_text(), box.get("id", "").removeprefix("finding-")
        verdict = body.new_tag("p", attrs={"class": "verdict"})
        word = body.new_tag("b")
        word.string = VERDICTS[kind]
        verdict.append(word)
        if said := EXPECTED.get(_is_expected(name.split(" ")[0], kind)):
            verdict.append(f", {said}")
        if name:
            cited = f"{sentence} ({source(title, run)}; finding “{name.replace('_', ' ')}”)"
            verdict.append(_cite(body, name, cited))
        box.insert(0, verdict)


def _is_expected(name: str, kind: str) -> bool | None:
    """Is this the answer that `claims.yaml` expects, where it expects one?"""
    expected = registry()["claims"].get(name, {}).get("expected")
    return None if expected is None or kind not in ("yes", "no") else ("yes" if expected else "no") == kind


def _cite(body: BeautifulSoup, name: str, cited: str) -> Tag:
    """The link to a finding, and the button that copies it."""
    span = body.new_tag("span", attrs={"class": "cite"})
    link = body.new_tag("a", attrs={"href": f"#{quote(f'finding-{name}')}", "aria-label": "link to this finding"})
    link.string = "link"
    button = body.new_tag("button", attrs={"type": "button", "class": "copy", "data-copy": cited})
    button.string = "copy with source"
    span.extend([link, " ", button])
    return span


def source(title: str, run: dict[str, Any]) -> str:
    """Where a sentence of the page `title` comes from."""
    return ", ".join(filter(None, (f"Latent Genre, “{title}”", run["about"].replace(" · ", ", "), run["date"],
                                   run.get("commit", ""))))


def drop_empty(body: BeautifulSoup) -> None:
    """Drop sections whose code showed nothing: a corpus that has nothing to say there."""
    for heading in body.select("div.text > :is(h2, h3):first-child"):
        if heading.decomposed:
            continue
        parts = [heading.parent]
        for other in heading.parent.find_next_siblings():
            if other.find(HIGHER[heading.name]) is not None:
                break
            parts.append(other)
        cells = [part for part in parts if part.name == "section"]
        if cells and not any(cell.select(":scope > :not(details.code)") for cell in cells):
            for part in parts:
                part.decompose()


def join_code(body: BeautifulSoup) -> None:
    """Put the code of a cell that shows nothing into the fold of the next cell, or else of the one before."""
    for cell in body.select("section.cell"):
        fold = cell.find("details", class_="code")
        if fold is None or cell.find_all(True, recursive=False) != [fold]:
            continue
        for other in (cell.find_next_sibling(), cell.find_previous_sibling()):
            place = other.find("details", class_="code") if other is not None and other.name == "section" else None
            if place is not None:
                code = list(fold.contents[1:])
                place.summary.insert_after(*code) if other is cell.find_next_sibling() else place.extend(code)
                cell.decompose()
                break


def needs(body: BeautifulSoup) -> str:
    """Take from a page what its notebook needs and leaves, which is for those who run it; returns that."""
    found = next((tag for tag in body.find_all("p", limit=12) if tag.get_text().startswith("Needs:")), None)
    return "" if found is None else " ".join(found.extract().get_text().split())


def tables(body: BeautifulSoup) -> None:
    """Fold the rows of long tables, and long texts in tables of many columns."""
    for table in body.select("figure.table table"):
        rows = table.select("tbody tr")
        if len(rows) > ROWS:
            table["class"] = [*table.get("class", []), "long"]
            button = body.new_tag("button", attrs={"type": "button", "class": "rows", "aria-expanded": "false"})
            button.string = f"Show all {len(rows)} rows"
            table.find_parent(class_="scroll").insert_after(button)
        columns = len(rows[0].find_all(["td", "th"])) if rows else 0
        if columns > DENSE:
            table["class"] = [*table.get("class", []), "dense", *["denser"] * (columns > DENSER)]
        if columns >= COLUMNS:
            for cell in table.select("td.prose"):
                _fold(body, cell)


def _fold(body: BeautifulSoup, cell: Tag) -> None:
    """A long text as a fold, under its first words."""
    words, text = cell.get_text().split(), body.new_tag("details")
    summary = body.new_tag("summary")
    summary.string = " ".join(words[:3]) + " …"
    text.extend([summary, *list(cell.contents)])
    cell.append(text)


def downloads(body: BeautifulSoup, folder: Path) -> None:
    """Link every table and figure to its files in the run's `folder`, which the pages lie one level below."""
    for figure in body.select("figure[id]"):
        kind, _, name = figure["id"].partition("-")
        place, endings = FILES.get(kind, ("", {}))
        found = {end: word for end, word in endings.items() if (folder / place / f"{name}.{end}").is_file()}
        if found:
            line = body.new_tag("p", attrs={"class": "downloads"})
            for end, word in found.items():
                link = body.new_tag("a", attrs={"href": quote(f"../{place}/{name}.{end}"), "download": ""})
                link.string = word
                line.extend([link, " "])
            figure.append(line)
