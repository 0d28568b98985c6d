"""The HTML book: the executed notebooks of a run as pages that need nothing but a browser.

nbconvert renders the cells (`templates/book`), `page.html` is what is around them. Every page carries its style and its
script; a content security policy forbids everything else, so that no page can ask a network for anything.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import hashlib
import html
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
import nbformat
from bs4 import BeautifulSoup
from nbformat import NotebookNode

from lib.report import additions, charts, glossary, methods, references, search
from lib.report.cells import Exporter, flatten_links, markdown, point, put_code_back, set_code_aside, tidy
from lib.store import artifacts, files, runs
from lib.store.errors import Problem
from lib.store.runs import Run, read_record
from lib.store.series import NOTEBOOKS
from lib.store.settings import Settings

HERE = Path(__file__).resolve().parent
# What the index shows of a notebook: its answer is the first of these findings that the run has (else its own first
# one), its picture this figure (else its own first one).
SHOWN: dict[str, tuple[tuple[str, ...], str]] = {
    "00_overview": (("decoder_removes_genre", "beta_sets_silhouette"), "overview_paradox"),
    "01_data_preparation": (("difficulty", "duplicates"), "data_log_mels"),
    "02_lyrics_embeddings": (("fix_is_no_fix",), "lyrics_nmi"),
    "03_baselines": (("raw_nmi",), "baselines_pca"),
    "04_vae": (("vae_vs_pca",), "vae_latent"),
    "05_beta_vae": (("beta_nmi",), "beta_silhouette"),
    "06_conv_vae": (("conv_gain",), "conv_reconstruction"),
    "07_cvae": (("beta_sets_silhouette",), "cvae_glance"),
    "08_multimodal_fusion": (("fusion_finds",), "fusion_curve"),
    "09_cvae_latent_space": (("two_causes", "separation"), "paradox_control_latents"),
    "10_conditioning_on_nuisances": (("what_to_remove",), "nuisance_nmi"),
    "12_final_comparison": (("best_row",), "final_nmi"),
}

QUESTIONS = {  # that the index groups pages by: heading -> numbers of notebooks
    "The results on one page": ("00",), "What do variational autoencoders learn?": ("03", "04", "05", "06"),
    "What does conditioning on a label do?": ("07", "09", "10"), "Lyrics and fusion": ("02", "08"),
    "How far without labels?": ("11", "12"), "The corpus, and your own run": ("01", "A1"),
}


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
    numbered: list[dict[str, str]] = field(default_factory=list)  # figures and tables: kind, number, id, caption
    needs: str = ""  # what it needs and leaves, for those who run it
    picture: dict[str, str] = field(default_factory=dict)  # its figure on the index: id, tags

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
    record, records = read_record(folder), runs.load_records(folder)
    recorded = [one for found in records.values() for one in reversed(found.get("findings", []))]
    findings = {one["name"]: one.get("brief", one["text"]) for one in recorded}
    pages = [_page(name, folder, sources, record.get("notebooks", {}).get(name, {}), records.get(name, {}), findings)
             for name in names]
    run = about(folder, record)
    written = [page for page in pages if page.written]
    if written and record.get("settings"):
        written += (own := _own_pages(folder))
        pages += own
    bodies, code = _bodies(written, folder, run["label"])
    anchors, numbers, found = {"index": set(), "search": set()}, {}, []
    for page in written:
        body = bodies[page.name]
        found += _furnished(page, body, run, folder)
        anchors[page.name] = {tag["id"] for tag in body.find_all(id=True)}
        numbers |= {(page.name, one["id"]): one["number"] for one in page.numbered}
    page_of = template("page.html")
    for i, page in enumerate(written):
        body = bodies.pop(page.name)
        for link in body.find_all("a", href=True):
            point(link, page.name, anchors, numbers)
        additions.downloads(body, folder)
        pictures = charts.set_aside(body, folder)
        page.body = charts.put_back(put_code_back(str(body), code.get(page.name, [])), pictures)
        around = {"previous": written[i - 1] if i else None, "next": written[i + 1] if i + 1 < len(written) else None}
        _write(folder / "html" / f"{page.name}.html", page_of.render(page=page, pages=pages, run=run, **around))
        page.body = ""
    for path in (folder / "html").glob("*.html"):
        if path.stem not in anchors:
            path.unlink()
    last = Page("search", "Search", body=search.page(found))
    _write(folder / "html" / "search.html", page_of.render(page=last, pages=pages, run=run))
    index = page_of.render(page=None, pages=pages, groups=_grouped(pages), run=run, files=_files(folder))
    _write(index_path(folder), index)
    return index_path(folder)


def _grouped(pages: list[Page]) -> list[tuple[str, list[Page]]]:
    """The pages by the question that they answer (`QUESTIONS`), each group with its heading."""
    named = {question: [page for page in pages if page.name.split("_")[0] in numbers]
             for question, numbers in QUESTIONS.items()}
    known = {page.name for group in named.values() for page in group}
    rest = [page for page in pages if page.name not in known]
    return [(question, group) for question, group in [*named.items(), ("Appendix", rest)] if group]


def _furnished(page: Page, body: BeautifulSoup, run: dict[str, Any], folder: Path) -> list[dict[str, str]]:
    """Make a body fit its page, in place, and note there what it holds; returns its sections for the search."""
    page.needs = additions.needs(body)
    additions.drop_empty(body)
    additions.join_code(body)
    page.contents, page.numbered = tidy(body, _prefix(page.name))
    references.cite(body)
    additions.findings(body, page.title, run)
    additions.tables(body)
    found = search.sections(body, page.name, page.title)
    if page.name not in ("glossary", "references"):
        glossary.explain(body, run["label"], linked=True)
    page.picture = _picture(body, SHOWN.get(page.name, ((), ""))[1], page.numbered, folder)
    return found


def _own_pages(folder: Path) -> list[Page]:
    """The pages that are no notebooks, without their bodies."""
    return [
        Page("methods", "Methods and checklist", "What was done, with what, and what the run knows of the REFORMS "
             "checklist.", notebook=folder / "run.json"),
        Page("glossary", "Glossary", "What every metric, method, set of features, descriptor, factor and setting is "
             "called here, its unit, and what it says.", notebook=folder / "run.json"),
        Page("references", "References", "What the series builds on.", notebook=folder / "run.json"),
    ]


def _bodies(written: list[Page], folder: Path, label: str) -> tuple[dict[str, BeautifulSoup], dict[str, list[str]]]:
    """The bodies of pages without their code, and their code."""
    bodies, code = {}, {}
    for page in written:
        if page.name == "methods":
            rest = methods.to_html(methods.appendix(folder))
        elif page.name == "glossary":
            rest = glossary.to_html(label)
        elif page.name == "references":
            rest = references.to_html()
        else:
            rest, code[page.name] = _rendered(page.notebook, page.notebook.stat().st_mtime_ns)
        bodies[page.name] = BeautifulSoup(rest, "html.parser")
    return bodies, code


def _files(folder: Path) -> dict[str, str]:
    """What the index offers beside pages: name -> address."""
    found = {"scores of all settings and seeds (CSV)": folder / "scores.csv", "the book in print (PDF)":
             folder / "pdf" / "book.pdf"}
    return {name: quote(f"../{path.relative_to(folder)}") for name, path in found.items() if path.is_file()}


def prepare(folder: Path) -> None:
    """Render the notebooks that are there, so that `export` need not, if they are still the same then."""
    for path in sorted((folder / "notebooks").glob("[!.]*.ipynb")):
        with contextlib.suppress(Exception):  # `export` will say what is wrong, if it still is
            _rendered(path, path.stat().st_mtime_ns)


@functools.lru_cache(maxsize=32)
def _rendered(path: Path, changed: int) -> tuple[str, list[str]]:
    """The cells of an executed notebook, last changed at `changed`, as HTML without their code, and that code."""
    notebook = _without_papermill(nbformat.read(path, as_version=4))
    return set_code_aside(_exporter().from_notebook_node(notebook)[0])


@functools.cache
def _exporter() -> Exporter:
    return Exporter(extra_template_basedirs=[str(HERE / "templates")], template_name="book")


def _prefix(name: str) -> str:
    """What the numbers of a page's figures begin with: `9.` in notebook 09, `A1.` in appendix A1, `M.` in methods."""
    first = name[0].upper() if name in ("methods", "glossary", "references") else name.split("_")[0]
    return f"{int(first) if first.isdigit() else first}."


def _picture(body: BeautifulSoup, wanted: str, numbered: list[dict[str, str]], folder: Path) -> dict[str, str]:
    """The figure `wanted`, or else the first one with a picture, for the index."""
    names = sorted((one["id"] for one in numbered if one["kind"] == "Figure"), key=lambda name: name != f"fig-{wanted}")
    for name in names:
        image = body.find(id=name).find("img")
        if image is not None:
            alt = image.get("alt", "")
            drawn = charts.drawn(folder, name.removeprefix("fig-"), alt, image.get("data-width", "page"), "index-")
            return {"id": name, "tags": drawn or f'<img src="{image["src"]}" alt="{html.escape(alt)}">'}
    return {}


_write = files.write_text


def _without_papermill(notebook: NotebookNode) -> NotebookNode:
    """Drop the parameters, which the foot of the page lists, and papermill's notes on errors: the page has its own."""
    dropped = {"parameters", "injected-parameters", "papermill-error-cell-tag"}
    notebook.cells = [cell for cell in notebook.cells if not dropped & set(cell.metadata.get("tags", []))]
    return notebook


# --- what a page says about its notebook --------------------------------------------------------------------------
def _page(name: str, folder: Path, sources: Path, entry: dict[str, Any], record: dict[str, Any],
          texts: dict[str, str]) -> Page:
    """What is known of a notebook without rendering it; `texts` are the run's findings by name."""
    failed, done = (folder / "notebooks" / f"{name}{suffix}.ipynb" for suffix in (".failed", ""))
    notebook = next((path for path in ([failed] if entry.get("status") == "failed" else []) + [done] if path.is_file()),
                    None)
    title, question = _opening(sources / f"{name}.ipynb", notebook, name)
    own = [finding.get("brief", finding["text"]) for finding in record.get("findings", [])]
    answers = [texts[name] for name in SHOWN.get(name, ((), ""))[0] if name in texts] + own
    purposes = sorted({opening["purpose"].replace("_", " ") for opening in entry.get("label_openings", [])})
    answer = answers[0] if answers and entry.get("status", "done") == "done" else ""
    return Page(
        name, title, question, answer, _state(entry, notebook),
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
            soup = BeautifulSoup(markdown(first.source), "html.parser")
            flatten_links(soup)
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


def about(folder: Path, record: dict[str, Any]) -> dict[str, Any]:
    """What pages say of a run: its corpus, settings, seeds, versions and times."""
    settings = record.get("settings", {})
    corpus, synthetic = settings.get("corpus", "unknown corpus"), settings.get("corpus") == "controlled"
    parts, label = [f"Corpus: {corpus}"], "genre"
    try:
        known = artifacts.load_corpus(Run("book", Settings(**settings), folder))
        synthetic = bool(known.get("synthetic", synthetic))
        label = str(known.get("label", label))
        parts = [str(known.get("title", corpus)), f"{known['n']} tracks"]
        parts += [f"{known['n_labels']} labels"] if "n_labels" in known else []
    except Problem:
        pass  # notebook 01 has not run
    parts.append(f"profile {settings.get('profile', 'unknown')}")
    shown = {k: Path(v).name if k in ("source", "lyrics") and v else v for k, v in settings.items()}
    times = {glossary.shown(k, ("notebooks",)): _duration(e["seconds"])
             for k, e in record.get("notebooks", {}).items() if "seconds" in e}
    origin = record.get("origin", {})
    tables = {
        "Settings": {k: text(v) for k, v in shown.items()},
        "Seeds": {k: text(v) for k, v in record.get("seeds", {}).items()},
        "Versions": record.get("versions", {}),
        "Times": times,
    }
    return {
        "about": " · ".join(parts), "corpus": parts[0].removeprefix("Corpus: "), "label": label,
        "synthetic": synthetic, "trial": settings.get("profile") == "smoke",
        "tables": {k: v for k, v in tables.items() if v},
        "date": time.strftime("%d %B %Y, %H:%M", time.localtime(record["started"])) if "started" in record else "",
        "commit": f"commit {origin['commit']}" if "commit" in origin else "", "origin": _made_by(origin),
        "seconds": f"the last run took {_duration(record['seconds'])}" if record.get("seconds") else "",
    }


def _made_by(origin: dict[str, str]) -> str:
    """What made a run, as a sentence; "" where that was not written down."""
    if not origin:
        return ""
    machine = ", ".join(filter(None, (f"{origin.get('processor', 'an unknown processor')} with "
                                      f"{origin.get('cores', '?')} cores", origin.get("system"), origin.get("python"))))
    return f"Made from commit {origin.get('commit', 'unknown')} on {machine}."


def text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds // 60)} min {round(seconds % 60):02d} s"


def template(name: str) -> jinja2.Template:
    """The template `name` beside this file, which finds style, script and the script's hash in its globals."""
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(HERE), autoescape=True)
    names = ("book.css", "book.js", "plots.js", "search.js")
    style, *scripts = ((HERE / name).read_text(encoding="utf-8") for name in names)
    script = "".join(scripts)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    safe = {"style": jinja2.utils.markupsafe.Markup(style), "script": jinja2.utils.markupsafe.Markup(script)}
    return environment.get_template(name, globals=safe | {"script_hash": digest})
