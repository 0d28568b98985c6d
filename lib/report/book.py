"""The HTML book: the executed notebooks of a run as pages that need nothing but a browser.

nbconvert renders the cells (`templates/book`), `page.html` is what is around them. Every page carries its style and its
script; a content security policy forbids everything else, so that no page can ask a network for anything.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import jinja2
import nbformat
from bs4 import BeautifulSoup, Tag
from latex2mathml import converter
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbformat import NotebookNode

from lib import artifacts
from lib.artifacts import Run
from lib.errors import Problem
from lib.parameters import Settings
from lib.running import read_record
from lib.series import NOTEBOOKS

HERE = Path(__file__).resolve().parent
NUMBER = re.compile(r"[<>≤≥≈]?\s*[-+−]?\d[\d.,]*([eE][-+]?\d+)?\s*(%|\[|±|$)")
EXTERNAL = re.compile(r"^\s*(https?:|//|ftp:)", re.IGNORECASE)


@dataclass
class Page:
    """One notebook of the book."""

    name: str
    title: str
    question: str = ""  # HTML, rendered from the notebook's first paragraph
    answer: str = ""  # its first finding
    state: str = ""  # what the reader should know: failed, not run, out of date
    seconds: str = ""
    openings: str = ""  # what labels were opened for
    notebook: Path | None = None  # the executed notebook
    body: str = ""
    contents: list[dict[str, Any]] = field(default_factory=list)  # headings: id, level, text

    @property
    def written(self) -> bool:
        return self.notebook is not None


def index_path(folder: Path) -> Path:
    """Where the book of a run begins."""
    return folder / "html" / "index.html"


def is_old(folder: Path) -> bool:
    """Is the book missing, or older than a notebook or than what makes it?"""
    index = index_path(folder)
    sources = [*(folder / "notebooks").glob("*.ipynb"), *(p for p in HERE.rglob("*") if p.suffix != ".pyc")]
    return not index.is_file() or any(p.stat().st_mtime > index.stat().st_mtime for p in sources if p.is_file())


def export(folder: Path, names: list[str], sources: Path = NOTEBOOKS) -> Path:
    """Write `folder/html`: a page for every executed notebook of `names`, and an index; returns the index.

    Notebooks without a page get a line in the index that says why; their titles come from `sources`.
    """
    record, records = read_record(folder), artifacts.load_records(folder)
    pages = [_page(name, folder, sources, record.get("notebooks", {}).get(name, {}), records.get(name, {}))
             for name in names]
    run = _about(folder, record)
    exporter = _Exporter(extra_template_basedirs=[str(HERE / "templates")], template_name="book")
    written = [page for page in pages if page.written]
    bodies, anchors = {}, {"index": set()}
    for page in written:
        notebook = _without_papermill(nbformat.read(page.notebook, as_version=4))
        bodies[page.name] = body = BeautifulSoup(exporter.from_notebook_node(notebook)[0], "html.parser")
        page.contents = _tidy(body)
        anchors[page.name] = {tag["id"] for tag in body.find_all(id=True)}
    template = _template()
    for i, page in enumerate(written):
        body = bodies.pop(page.name)
        for link in body.find_all("a", href=True):
            _point(link, page.name, anchors)
        page.body = str(body)
        around = {"previous": written[i - 1] if i else None, "next": written[i + 1] if i + 1 < len(written) else None}
        _write(folder / "html" / f"{page.name}.html", template.render(page=page, pages=pages, run=run, **around))
        page.body = ""
    for path in (folder / "html").glob("*.html"):
        if path.stem not in anchors:
            path.unlink()
    _write(index_path(folder), template.render(page=None, pages=pages, run=run))
    return index_path(folder)


_write = artifacts.write_text


def _without_papermill(notebook: NotebookNode) -> NotebookNode:
    """Drop the parameters, which the foot of the page lists, and papermill's notes on errors: the page has its own."""
    dropped = {"parameters", "injected-parameters", "papermill-error-cell-tag"}
    notebook.cells = [cell for cell in notebook.cells if not dropped & set(cell.metadata.get("tags", []))]
    return notebook


# --- what a page says about its notebook --------------------------------------------------------------------------


def _page(name: str, folder: Path, sources: Path, entry: dict[str, Any], record: dict[str, Any]) -> Page:
    """What is known of a notebook without rendering it."""
    failed, done = (folder / "notebooks" / f"{name}{suffix}.ipynb" for suffix in (".failed", ""))
    notebook = next((path for path in ([failed] if entry.get("status") == "failed" else []) + [done] if path.is_file()),
                    None)
    title, question = _opening(sources / f"{name}.ipynb", notebook, name)
    findings = record.get("findings", [])
    purposes = sorted({opening["purpose"].replace("_", " ") for opening in entry.get("label_openings", [])})
    return Page(
        name, title, question, findings[0]["text"] if findings else "", _state(entry, notebook),
        _duration(entry["seconds"]) if entry.get("status") == "done" else "", ", ".join(purposes), notebook,
    )


def _opening(source: Path, executed: Path | None, name: str) -> tuple[str, str]:
    """A notebook's title (text) and question (HTML): the heading and the first paragraph of its first text cell."""
    for path in filter(None, (executed, source)):
        if not path.is_file():
            continue
        cells = nbformat.read(path, as_version=4).cells
        first = next((c for c in cells if c.cell_type == "markdown" and c.source.lstrip().startswith("# ")), None)
        if first is not None:
            soup = BeautifulSoup(_markdown(first.source), "html.parser")
            _flatten_links(soup)
            for tag in soup.select("p > strong:only-child"):
                tag.unwrap()
            return soup.h1.get_text().strip(), soup.p.decode_contents() if soup.p else ""
    return name.replace("_", " "), ""


def _state(entry: dict[str, Any], notebook: Path | None) -> str:
    """What the reader of a page should know first; empty when all is well."""
    status = entry.get("status", "done" if notebook else "not run")
    earlier = " The page shows an earlier run." if notebook else ""
    if status == "done":
        return "" if entry.get("current", True) else "Out of date: settings or code have changed since this was run."
    if status == "failed":
        return f"Failed: {entry.get('error', '')}"
    if status == "running":
        return f"Not finished: the run was stopped.{earlier}"
    return f"Not run{': ' + entry['error'] if entry.get('error') else ''}.{earlier}"


def _about(folder: Path, record: dict[str, Any]) -> dict[str, Any]:
    """What pages say of the run: its corpus, settings, seeds, versions and times."""
    settings = record.get("settings", {})
    corpus, synthetic = settings.get("corpus", "unknown corpus"), settings.get("corpus") == "controlled"
    parts = [f"Corpus: {corpus}"]
    try:
        known = artifacts.load_corpus(Run("book", Settings(**settings), folder))
        synthetic = bool(known.get("synthetic", synthetic))
        parts = [str(known.get("title", corpus)), f"{known['n']} tracks"]
        parts += [f"{known['n_labels']} labels"] if "n_labels" in known else []
    except Problem:
        pass  # notebook 01 has not run
    parts.append(f"profile {settings.get('profile', 'unknown')}")
    shown = {k: Path(v).name if k in ("source", "lyrics") and v else v for k, v in settings.items()}
    times = {k: _duration(e["seconds"]) for k, e in record.get("notebooks", {}).items() if "seconds" in e}
    tables = {
        "Settings": {k: _text(v) for k, v in shown.items()},
        "Seeds": {k: _text(v) for k, v in record.get("seeds", {}).items()},
        "Versions": record.get("versions", {}),
        "Times": times,
    }
    return {
        "about": " · ".join(parts), "synthetic": synthetic, "tables": {k: v for k, v in tables.items() if v},
        "date": time.strftime("%d %B %Y, %H:%M", time.localtime(record["started"])) if "started" in record else "",
        "seconds": f"the last run took {_duration(record['seconds'])}" if record.get("seconds") else "",
    }


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds // 60)} min {round(seconds % 60):02d} s"


# --- cells to HTML ------------------------------------------------------------------------------------------------


class _Renderer(IPythonRenderer):
    """Markdown with mathematics as MathML, which browsers show by themselves."""

    def inline_math(self, body: str) -> str:
        return _mathml(body, "inline")

    def block_math(self, body: str) -> str:
        return f'<div class="math" tabindex="0">{_mathml(body, "block")}</div>'

    def latex_environment(self, name: str, body: str) -> str:
        return self.block_math(f"\\begin{{{name}}}{body}\\end{{{name}}}")


def _mathml(latex: str, display: str) -> str:
    """MathML of a formula; the formula itself, as code, where it cannot be read."""
    try:
        return converter.convert(latex.strip(), display=display)
    except Exception:  # the converter raises many kinds, IndexError among them
        return f"<code>{html.escape(latex)}</code>"


def _markdown(source: str) -> str:
    return MarkdownWithMath(renderer=_Renderer(escape=False, exclude_anchor_links=True)).render(source)


class _Exporter(HTMLExporter):
    """nbconvert with our markdown."""

    def default_filters(self):
        yield from super().default_filters()
        yield "markdown2html", _markdown


def _tidy(body: BeautifulSoup) -> list[dict[str, Any]]:
    """Make the body of a page fit the book, in place; returns its headings.

    What would be fetched from a network is removed; wide tables scroll; figures are numbered; headings get unique ids.
    """
    for tag in body.find_all(["script", "link", "iframe", "object", "embed", "base"]):
        if tag.name != "script" or tag.get("src") or tag.get("type") != "application/json":
            tag.decompose()
    for tag in body.find_all(src=EXTERNAL):
        tag.replace_with(f"[{tag.get('alt') or 'a picture on the network, not shown'}]")
    for table in body.find_all("table"):
        table.attrs.pop("border", None)
        _align(table)
        if "scroll" not in table.parent.get("class", []):
            box = body.new_tag("div", attrs={"class": "scroll", "tabindex": "0", "role": "region"})
            box["aria-label"] = "table"
            table.wrap(box)
    _number_figures(body)
    return _number_headings(body)


def _align(table: Tag) -> None:
    """Mark the cells of columns that hold numbers, so that they are set flush right, as their headings are."""
    rows = [row.find_all(["td", "th"], recursive=False) for row in table.find_all("tr")]
    body = [row for row in rows if any(cell.name == "td" for cell in row)]
    for column in range(max(map(len, rows), default=0)):
        cells = [row[column] for row in body if column < len(row)]
        texts = [text for text in (cell.get_text().strip() for cell in cells) if text not in ("", "–", "nan")]
        if texts and all(NUMBER.match(text) for text in texts):
            for cell in (row[column] for row in rows if column < len(row)):
                cell["class"] = [*cell.get("class", []), "number"]


def _point(link: Tag, page: str, anchors: dict[str, set[str]]) -> None:
    """Make a link on `page` lead to a page of the book, and to one of its `anchors`; or make it text."""
    address = link["href"]
    if EXTERNAL.match(address):
        link["rel"] = "noopener"
        return
    path, _, anchor = address.partition("#")
    name = re.sub(r"\.(ipynb|html)$", "", path.removeprefix("./")) or page
    if name in anchors:
        known = unquote(anchor) in anchors[name]
        link["href"] = (f"{name}.html" if path else "") + (f"#{quote(unquote(anchor))}" if known else "")
    if name not in anchors or not link["href"]:
        link.unwrap()


def _flatten_links(soup: BeautifulSoup) -> None:
    for link in soup.find_all("a"):
        link.unwrap()


def _number_figures(body: BeautifulSoup) -> None:
    """Figures and tables that have a caption are counted, each kind on its own."""
    counts = {"Figure": 0, "Table": 0}
    for figure in body.find_all("figure"):
        if figure.figcaption is None:
            continue
        kind = "Table" if "table" in figure.get("class", []) else "Figure"
        counts[kind] += 1
        number = body.new_tag("b")
        number.string = f"{kind} {counts[kind]}."
        figure.figcaption.insert(0, number, " ")


def _number_headings(body: BeautifulSoup) -> list[dict[str, Any]]:
    taken: set[str] = {tag["id"] for tag in body.find_all(id=True) if tag.name not in ("h1", "h2", "h3", "h4")}
    contents = []
    for heading in body.find_all(["h1", "h2", "h3", "h4"]):
        text = heading.get_text().strip()
        slug = base = re.sub(r"\s+", "-", text) or "section"  # as in Jupyter, so that links work in both
        number = 1
        while slug in taken:
            number += 1
            slug = f"{base}-{number}"
        taken.add(slug)
        heading["id"] = slug
        if heading.name in ("h2", "h3"):
            contents.append({"id": quote(slug), "level": int(heading.name[1]), "text": text})
            anchor = body.new_tag("a", attrs={"class": "anchor", "href": f"#{quote(slug)}"})
            anchor["aria-label"] = f"Link to: {text}"
            anchor.string = "#"
            heading.append(anchor)
    return contents


def _template() -> jinja2.Template:
    """The page around the cells, with style and script in it."""
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(HERE), autoescape=True)
    style, script = ((HERE / name).read_text(encoding="utf-8") for name in ("book.css", "book.js"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    safe = {"style": jinja2.utils.markupsafe.Markup(style), "script": jinja2.utils.markupsafe.Markup(script)}
    return environment.get_template("page.html", globals=safe | {"script_hash": digest})
