"""The methods appendix: what a run did, from its own settings and records, and what it knows of the REFORMS checklist.

REFORMS: Kapoor et al. 2024, Science Advances 10(18), eadk3452 (arXiv 2308.07832). Items are named briefly here; the
checklist itself has their wording.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import pandas as pd

from lib.report import glossary, latex, references
from lib.report.output import table_html
from lib.store import artifacts, labels, runs
from lib.store.errors import Problem
from lib.store.runs import Run, read_record
from lib.store.settings import Settings


class Block(NamedTuple):
    """A piece of the appendix: a heading, a paragraph, or a table with its caption."""

    kind: str  # heading, text or table
    text: str  # of a table: its caption
    name: str = ""  # of a table: what a link to it is called
    head: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()


AUTHOR = "For the author to say."


def appendix(folder: Path) -> list[Block]:
    """The methods of the run in `folder`, as far as its files tell them: `methods.md`, filled in.

    Raises `Problem` when there is no run in the folder.
    """
    record, records = read_record(folder), runs.load_records(folder)
    if not record.get("settings"):
        raise Problem(f"there is no run in {folder}: give the folder of a run (it holds run.json)")
    s = Settings(**record["settings"])
    try:
        about = artifacts.load_corpus(Run("methods", s, folder))
    except Problem:
        about = {}  # notebook 01 has not run, or somebody's arrays were audited
    text, _, checklist = _filled_in(s, about, record, records).partition("\nREFORMS\n")
    tables = _tables(s, record, records)
    rows = [[cell.strip() or AUTHOR for cell in line.split(" |")] for line in checklist.strip().splitlines()]
    tables["reforms"] = ("item", "subject", "this run"), rows
    blocks = [_block(" ".join(part.split()), tables) for part in text.split("\n\n") if part.strip()]
    return [block for block in blocks if block.kind != "table" or block.rows]


def _filled_in(s: Settings, about: dict[str, Any], record: dict[str, Any], records: dict[str, dict[str, Any]]) -> str:
    from lib.features import audio  # slow to import, and most calls of the runner need no appendix
    from lib.scores.information import ACTIVE_NATS
    from lib.scores.intervals import LEAST_UNITS

    given = sorted({glossary.shown(name, ("notebooks",)) for name, one in records.items()
                   for opening in one.get("label_openings", [])
                   if opening["purpose"] in ("conditioning", "supervised_control")})
    about = {key: " ".join(value.split()).replace("|", "/") if isinstance(value, str) else value
             for key, value in about.items()}
    words = jinja2.Environment()
    words.filters["plain"] = "{:g}".format
    return references.text(words.from_string((Path(__file__).parent / "methods.md").read_text(encoding="utf-8")).render(
        s=s, about=about, record=record, versions=record.get("versions", {}), audio=audio, active_nats=ACTIVE_NATS,
        least_units=LEAST_UNITS, given=given, held_out=f"{s.held_out:.0%}", n=about.get("n", "?"),
        unused=about.get("n_skipped", "?")))


def _block(text: str, tables: dict[str, tuple[Sequence[str], Sequence[Sequence[str]]]]) -> Block:
    if text.startswith("## "):
        return Block("heading", text.removeprefix("## "))
    name, _, caption = text.removeprefix("TABLE ").partition(": ")
    is_table = text.startswith("TABLE ") and name in tables
    return Block("table", caption, name, *tables[name]) if is_table else Block("text", text)


def _tables(s: Settings, record: dict[str, Any], records: dict[str, dict[str, Any]]) -> dict[str, tuple]:
    """The head and the rows of each table."""
    seeds = [(name, ", ".join(map(str, value)) if isinstance(value, list) else str(value))
             for name, value in record.get("seeds", {}).items()]
    times = [(name, entry["status"], f"{entry['seconds']:.1f}") for name, entry in sorted(record["notebooks"].items())
             if "seconds" in entry]
    settings = []
    for name, about in Settings.model_fields.items():
        if name not in record["settings"]:
            continue  # younger than the run
        value = getattr(s, name)
        if name in ("source", "lyrics"):
            value = Path(value).name if value else "none"  # where it lies is nobody's business
        shown = ", ".join(f"{v:g}" for v in value) if isinstance(value, tuple) else str(value)
        settings.append((name, shown, about.description or ""))
    return {
        "seeds": (("what", "seeds"), seeds),
        "versions": (("package", "version"), list(record.get("versions", {}).items())),
        "times": (("notebook", "status", "seconds"), times), "settings": (("setting", "value", "meaning"), settings),
        "label_openings": (("notebook", "purpose", "meaning", "times read", "tracks"),
                           glossary.shown_table(labels.ledger(records)).astype(str).to_numpy().tolist()),
    }


# --- as pages ----------------------------------------------------------------------------------------------------
def to_html(blocks: Sequence[Block]) -> str:
    """The appendix as the body of a page of the book."""
    out = ["<h1>Methods and checklist</h1>"]
    for block in blocks:
        text = html.escape(block.text)
        if block.kind == "heading":
            out.append(f"<h2>{text}</h2>")
        elif block.kind == "text":
            out.append(f"<p>{text}</p>")
        else:
            data = _shown(block)
            out.append(table_html(data, f"methods_{block.name}", block.text))
    return "\n".join(out)


def to_latex(blocks: Sequence[Block]) -> str:
    """The appendix as a section; its long tables break over pages (needs booktabs and longtable)."""
    out = [r"\section{Methods}", r"\label{sec:methods}"]
    for block in blocks:
        text = latex.escape(block.text)
        if block.kind == "heading":
            out.append(f"\\subsection{{{text}}}")
        elif block.kind == "text":
            out.append(text + "\n")
        else:
            widths = "".join(f"p{{\\dimexpr{share:.3f}\\linewidth-2\\tabcolsep}}" for share in _shares(block))
            label = f"tab:methods-{block.name.replace('_', '-')}"
            rows = latex.rows(_shown(block), widths, environment="longtable",
                              caption=text, label=label)
            rows = re.sub(r"/|\\_", r"\g<0>\\allowbreak{}", rows.strip())  # inside paths and names of settings
            out += [r"\begingroup\small\raggedright", rows, r"\endgroup"]
    body = "\n".join(out) + "\n"
    return latex.needs(body) + body


def _shown(block: Block) -> pd.DataFrame:
    """The table of a block, with the titles of notebooks."""
    data = pd.DataFrame(block.rows, columns=block.head)
    if "notebook" in data:
        data["notebook"] = [glossary.shown(name, ("notebooks",)) for name in data["notebook"]]
    return data


def _shares(block: Block) -> list[float]:
    """Widths of a table's columns, as shares of a line, by the longest text in each; none is narrower than a word."""
    columns = list(zip(block.head, *block.rows, strict=True))
    words = [max(len(word) for text in column for word in text.split() or [""]) + 3 for column in columns]
    longest = [max(8, words[i], *(min(60, len(text)) for text in column)) for i, column in enumerate(columns)]
    return [length / sum(longest) for length in longest]
