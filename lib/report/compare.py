"""Two runs side by side on one page: settings, findings on which they disagree, scores with intervals, pictures."""

from __future__ import annotations

import base64
import html
import os
import re
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from bs4 import BeautifulSoup

from lib.report import book, glossary, plots, showing, style
from lib.report.cells import tidy
from lib.report.output import table_html
from lib.scores import table as scores
from lib.scores.intervals import Interval
from lib.store import artifacts, files, runs
from lib.store.errors import Problem
from lib.store.runs import read_record

METRICS = ("nmi", "nmi_null", "ami", "silhouette", "silhouette_null", "active_dims")
BY = ("method", "features", "setting", "label_use")
MOST = 30  # settings in the picture


class Side(NamedTuple):
    """One of the two runs."""

    name: str
    folder: Path
    about: dict[str, Any]  # what the book says of the run
    settings: dict[str, Any]
    scores: pd.DataFrame  # scores.summary
    findings: dict[str, dict[str, Any]]
    pictures: dict[str, dict[str, Any]]
    missing: list[str]  # notebooks that are not done, and what they are


def export(first: Path, second: Path, out: Path | None = None) -> Path:
    """Write one page about two runs and return it: `out` (a file, or its folder), or a file beside the first run's.

    Raises `Problem` when a folder holds no run, when both are the same, or when they share nothing to compare.
    """
    whole = [Path(os.path.realpath(path)) for path in (first, second)]
    if whole[0] == whole[1]:
        raise Problem(f"--compare: both folders are {first}; give two different runs")
    first, second = whole
    names = [first.name, second.name]
    if first.name == second.name:
        names = [f"{path.parent.name}/{path.name}" for path in (first, second)]
    sides = [_side(name, folder) for name, folder in zip(names, (first, second), strict=True)]
    body = BeautifulSoup("\n".join([
        f"<h1>{html.escape(names[0])} and {html.escape(names[1])}</h1>",
        "<p>Intervals are 95 % over training seeds within each run: they cover training noise, not another sample of "
        "music.</p>",
        *_runs(sides), *_findings(sides), *_scores(sides), *_pictures(sides),
    ]), "html.parser")
    contents, _ = tidy(body)
    glossary.explain(body)
    path = out if out and out.suffix == ".html" else (out or first.parent) / f"{first.name}-and-{second.name}.html"
    title = f"{names[0]} and {names[1]}"
    files.write_text(path, book.template("compare.html").render(title=title, body=str(body), contents=contents))
    return path


def _side(name: str, folder: Path) -> Side:
    record = read_record(folder)
    if not record.get("settings"):
        raise Problem(f"--compare: there is no run in {folder}: give the folder of a run (it holds run.json)")
    records = runs.load_records(folder)
    table = artifacts.scores_of(folder)
    summary = scores.summary(table, METRICS, BY) if len(table) else pd.DataFrame(columns=BY)
    return Side(
        name, folder, book.about(folder, record), record["settings"], summary.set_index(list(BY)),
        {f["name"]: f | {"notebook": name} for name, one in records.items() for f in one.get("findings", [])},
        {f["name"]: f for one in records.values() for f in one.get("figures", [])},
        [f"{n} {one['status']}" for n, one in sorted(record.get("notebooks", {}).items()) if one["status"] != "done"],
    )


def _runs(sides: list[Side]) -> list[str]:
    """Both runs in a line each, and the settings in which they differ."""
    unsaid = {"source", "lyrics", "profile"}  # paths belong to one machine
    if any(side.settings.get("corpus") != "controlled" for side in sides):
        unsaid |= {"n_tracks", "seconds", "lyrics_information"}  # of composed music only
    names = [n for n in {**sides[0].settings, **sides[1].settings} if n not in unsaid]
    differ = [n for n in names if sides[0].settings.get(n) != sides[1].settings.get(n)]
    table = pd.DataFrame([{"setting": n} | {s.name: book.text(s.settings.get(n, "–")) for s in sides} for n in differ])
    out = ["<h2>The two runs</h2>"]
    for side in sides:
        note = "<strong>Synthetic music.</strong> " if side.about["synthetic"] else ""
        note += "<strong>A trial run, too small to conclude anything from.</strong> " if side.about["trial"] else ""
        kind = "banner synthetic" if side.about["synthetic"] else "banner"
        said = f"{side.about['about']} · run on {side.about['date']}"
        said += f" · not complete: {', '.join(side.missing)}" if side.missing else ""
        out.append(f'<div class="{kind}"><b>{html.escape(side.name)}</b>: {note}{html.escape(said)}</div>')
    if differ:
        out.append(_table(table, "settings", "Settings in which the two runs differ."))
    return out


def _scores(sides: list[Side]) -> list[str]:
    """Scores of the settings that both runs have."""
    shared = [key for key in sides[0].scores.index if key in sides[1].scores.index]
    if not shared and not set(sides[0].findings) & set(sides[1].findings):
        raise Problem(f"--compare: {sides[0].folder} and {sides[1].folder} share no setting of the score table and no "
                      "finding; compare two runs of the series, not a run of the series and an audit of arrays")
    if not shared:
        return ["<h2>Scores</h2>", "<p>No setting is in the score tables of both runs.</p>"]
    rows = []
    for key in shared:
        row = dict(zip(BY, key, strict=True))
        for metric in METRICS:
            for side in sides:
                row[f"{glossary.shown(metric)}, {side.name}"] = side.scores.loc[key].get(metric)
        rows.append(row)
    table = pd.DataFrame(rows).dropna(axis="columns", how="all")
    only = [len(side.scores) - len(shared) for side in sides]
    said = (f"The {len(shared)} settings that both runs have: mean and 95 % interval over seeds, k-means. "
            f"{sides[0].name} has {only[0]} others, {sides[1].name} {only[1]}.")
    return ["<h2>Scores</h2>", *_chart(sides, shared), _table(table, "scores", said)]


def _chart(sides: list[Side], shared: list[tuple]) -> list[str]:
    """NMI of the shared settings in both runs; those with the highest, when there are many."""
    known = [key for key in shared if all(isinstance(side.scores.loc[key].get("nmi"), Interval) for side in sides)]
    if not known:
        return []
    known = sorted(known, key=lambda key: -sides[0].scores.loc[key]["nmi"].mean)[:MOST]
    names = [" · ".join(str(part) for part in key[:3]) for key in known]
    figure = plots.rows_of_two(names, {side.name: [side.scores.loc[key]["nmi"] for key in known] for side in sides},
                                 "NMI with labels")
    said = "NMI of k-means clusters with the labels in both runs"
    said += f", for the {len(known)} settings with the highest in {sides[0].name}." if len(known) == MOST else "."
    return [_picture(showing.png(figure), f"{said} {style.words(figure)}", "nmi", said)]


def _findings(sides: list[Side]) -> list[str]:
    """Findings of both runs: first those on which they disagree, notebook by notebook, then the others."""
    rows = []
    for name in (name for name in sides[0].findings if name in sides[1].findings):
        one, other = (side.findings[name] for side in sides)
        rows.append({"notebook": one["notebook"][:2], "finding": name, "how": disagreement(one, other),
                     sides[0].name: one["text"], sides[1].name: other["text"]})
    out = []
    if rows:
        table = pd.DataFrame(rows)
        apart = table["how"] != ""
        said = f"Findings on which the two runs disagree: {apart.sum()} of {len(rows)} that both have. {RULES}"
        others = f"The other {len(rows) - apart.sum()} findings that both runs have."
        out += ["<h2>Where they disagree</h2>",
                _table(table[apart], "disagreements", said) if apart.any() else f"<p>Nowhere. {RULES}</p>",
                "<h2>Where they agree</h2>", _table(table[~apart].drop(columns="how"), "findings", others)]
    for side, other in (sides, sides[::-1]):
        alone = [name for name in side.findings if name not in other.findings]
        if alone:
            out.append(f"<p>Only in {html.escape(side.name)}: {html.escape(', '.join(alone))}.</p>")
    return out


RULES = ("Verdict: the finding's rule gives another answer. Choice: something else is named, with its numbers. "
         "Opposite: a number's 95 % intervals lie on different sides of zero. Size: they do not overlap.")


def disagreement(one: dict[str, Any], other: dict[str, Any]) -> str:
    """How two runs' records of one finding disagree (see `RULES`), or that they do not: an empty text."""
    both = [(value, other["numbers"][key]) for key, value in one["numbers"].items() if key in other["numbers"]]
    spans = [(Interval(*a), Interval(*b)) for a, b in both if isinstance(a, list) and isinstance(b, list)]
    texts = [pair for pair in both if isinstance(pair[0], str)]
    words = [[re.sub(r"(= |below )?\d[\d.]*(e[-+]?\d+)?", "", text) for text in pair] for pair in texts]
    if one["rule"] and one["verdict"] != other["verdict"]:
        return "verdict"
    if one["rule"] and any(a != b for a, b in words):
        return "choice"
    if any(a.excludes_zero and b.excludes_zero and a.mean * b.mean < 0 for a, b in spans):
        return "opposite"
    return "size" if any(a.low > b.high or b.low > a.high for a, b in spans) else ""


def _pictures(sides: list[Side]) -> list[str]:
    """The key figure of each notebook, as both runs have it."""
    out = []
    for _, name in book.SHOWN.values():
        found = [side.folder / "figures" / f"{name}.png" for side in sides]
        if all(name in side.pictures and path.is_file() for side, path in zip(sides, found, strict=True)):
            pair = [_picture(path.read_bytes(), f"{side.name}: {side.pictures[name]['alt']}", f"{name}-{i}",
                             f"{side.name}: {side.pictures[name]['caption']}")
                    for i, (side, path) in enumerate(zip(sides, found, strict=True))]
            out.append(f'<div class="pair">{"".join(pair)}</div>')
    return ["<h2>Figures</h2>", *out] if out else []


def _table(data: pd.DataFrame, name: str, caption: str) -> str:
    shown = glossary.shown_table(data).map(
        lambda value: format(value, ".3f") if isinstance(value, Interval) and value.n else
        value if isinstance(value, str) else "–")
    return table_html(shown, name, caption)


def _picture(png: bytes, alt: str, name: str, caption: str) -> str:
    source = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    return (f'<figure id="fig-{html.escape(name)}"><img src="{source}" alt="{html.escape(alt)}">'
            f"<figcaption>{html.escape(caption)}</figcaption></figure>")

