"""Runs side by side on one page: claims over corpora, settings, findings on which they disagree, scores, pictures."""

from __future__ import annotations

import html
import itertools
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from bs4 import BeautifulSoup

from lib.report import additions, book, charts, claims, glossary, plots, replication, style
from lib.report.cells import tidy
from lib.report.output import table_html
from lib.scores import table as scores
from lib.scores.intervals import Interval
from lib.store import artifacts, files, runs
from lib.store.errors import Problem
from lib.store.runs import read_record

METRICS = ("nmi", "nmi_null", "ami", "silhouette", "silhouette_null", "active_dims")
BY = ("method", "features", "setting", "label_use")
MANY = ("nmi", "silhouette")  # of three runs or more
MOST = 30  # settings in the picture
KINDS = ("verdict", "sign", "choice", "size", "")  # how findings disagree, the gravest first


class Side(NamedTuple):
    """One of the runs."""

    name: str
    folder: Path
    about: dict[str, Any]  # what the book says of the run
    settings: dict[str, Any]
    scores: pd.DataFrame  # scores.summary
    findings: dict[str, dict[str, Any]]
    pictures: dict[str, dict[str, Any]]
    missing: list[str]  # notebooks that are not done, and what they are


def export(folders: Sequence[Path], out: Path | None = None, collections: Mapping[str, str] | None = None) -> Path:
    """Write one page about several runs and return it: `out` (a file, or its folder), or a file beside the first run's.

    `collections` (name of a run's folder -> collection) says which runs count as one on the table of claims; without
    it, each corpus is one. The scores of all runs go beside the page as one long table: `scores.csv.gz`, or, where the
    page has no folder of its own (`out`), that with the page's name before it. Raises `Problem` when a folder
    holds no run, when one is named twice, or when they share nothing to compare.
    """
    folders = [Path(os.path.realpath(folder)) for folder in folders]
    if len(folders) < 2:
        raise Problem("--compare: give the folders of at least two runs")
    if twice := [folder for folder in folders if folders.count(folder) > 1]:
        raise Problem(f"--compare: {twice[0]} is given twice; give different runs")
    sides = [_side(name, folder) for name, folder in zip(_names(folders), folders, strict=True)]
    title = " and ".join(side.name for side in sides) if len(sides) == 2 else f"{len(sides)} runs"
    body = BeautifulSoup("\n".join([
        f"<h1>{html.escape(title)}</h1>",
        "<p>Intervals are 95 % within each run: over training seeds, unless the page of a claim says that they also "
        "cover another sample of tracks.</p>",
        *replication.section([(side.name, side.about["corpus"], side.findings) for side in sides], collections or {}),
        *_runs(sides), *_findings(sides), *_scores(sides), *_pictures(sides),
    ]), "html.parser")
    contents, _ = tidy(body)
    additions.tables(body)
    glossary.explain(body)
    stem = "-and-".join(folder.name for folder in folders) if len(folders) == 2 else f"{len(folders)}-runs"
    path = out if out and out.suffix == ".html" else (out or folders[0].parent) / f"{stem}.html"
    files.write_text(path, book.template("compare.html").render(title=title, body=str(body), contents=contents))
    long_table(sides, collections or {}).to_csv(path.with_name("scores.csv.gz" if out else f"{stem}.scores.csv.gz"),
                                                index=False)
    return path


def long_table(sides: Sequence[Side], collections: Mapping[str, str]) -> pd.DataFrame:
    """The score tables of all runs under one another: `run`, `collection`, the columns of `scores.csv`, and as
    `set NAME` the settings in which the runs differ."""
    differ, tables = _differ(sides), []
    for side in sides:
        table = artifacts.scores_of(side.folder)
        table.insert(0, "run", side.name)
        table.insert(1, "collection", collections.get(side.name, side.about["corpus"]))
        tables.append(table.assign(**{f"set {name}": book.text(side.settings.get(name, "–")) for name in differ}))
    return pd.concat(tables, ignore_index=True)


def _names(folders: Sequence[Path]) -> list[str]:
    """The folders' own names; with their parents' where two are alike."""
    names = [folder.name for folder in folders]
    return [name if names.count(name) == 1 else f"{folder.parent.name}/{name}"
            for name, folder in zip(names, folders, strict=True)]


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


def _differ(sides: Sequence[Side]) -> list[str]:
    """The settings in which runs differ."""
    unsaid = {"source", "lyrics", "profile"}  # paths belong to one machine
    if any(side.settings.get("corpus") != "controlled" for side in sides):
        unsaid |= {"n_tracks", "seconds", "lyrics_information"}  # of composed music only
    names = [n for n in dict.fromkeys(itertools.chain(*(side.settings for side in sides))) if n not in unsaid]
    return [n for n in names if any(side.settings.get(n) != sides[0].settings.get(n) for side in sides)]


def _runs(sides: list[Side]) -> list[str]:
    """A line for each run, and the settings in which they differ."""
    differ = _differ(sides)
    table = pd.DataFrame([{"setting": n} | {s.name: book.text(s.settings.get(n, "–")) for s in sides} for n in differ])
    out = ["<h2>The runs</h2>"]
    for side in sides:
        note = "<strong>Synthetic music and lyrics.</strong> " if side.about["synthetic"] else ""
        note += "<strong>A trial run, too small to conclude anything from.</strong> " if side.about["trial"] else ""
        kind = "banner synthetic" if side.about["synthetic"] else "banner"
        said = f"{side.about['about']} · run on {side.about['date']}"
        said += f" · not complete: {', '.join(side.missing)}" if side.missing else ""
        out.append(f'<div class="{kind}"><b>{html.escape(side.name)}</b>: {note}{html.escape(said)}</div>')
    if differ:
        out.append(_table(table, "settings", "Settings in which the runs differ."))
    return out


def _scores(sides: list[Side]) -> list[str]:
    """Scores of the settings that all runs have."""
    shared = [key for key in sides[0].scores.index if all(key in side.scores.index for side in sides)]
    if not shared and not _common(sides):
        names = " and ".join(str(side.folder) for side in sides)
        raise Problem(f"--compare: {names} share no setting of the score table and no "
                      "finding; compare runs of the series, not a run of the series and an audit of arrays")
    if not shared:
        return ["<h2>Scores</h2>", "<p>No setting is in the score tables of all runs.</p>"]
    rows = []
    for key in shared:
        row = dict(zip(BY, key, strict=True))
        for metric in METRICS if len(sides) == 2 else MANY:
            for side in sides:
                row[f"{glossary.shown(metric)}, {side.name}"] = side.scores.loc[key].get(metric)
        rows.append(row)
    table = pd.DataFrame(rows).dropna(axis="columns", how="all")
    more = {side.name: len(side.scores) - len(shared) for side in sides}
    others = {0: "no others", 1: "one other"}
    only = ", ".join(f"{name} has {others.get(n, f'{n} others')}" for name, n in more.items())
    said = f"The {len(shared)} settings that all runs have: mean and 95 % interval over seeds, k-means. {only}."
    return ["<h2>Scores</h2>", *_chart(sides, shared), _table(table, "scores", said)]


def _chart(sides: list[Side], shared: list[tuple]) -> list[str]:
    """NMI of the shared settings in all runs; those with the highest, when there are many."""
    known = [key for key in shared if all(isinstance(side.scores.loc[key].get("nmi"), Interval) for side in sides)]
    if not known:
        return []
    known = sorted(known, key=lambda key: -sides[0].scores.loc[key]["nmi"].mean)[:MOST]
    names = [" · ".join(str(part) for part in key[:3]) for key in known]
    values = {side.name: [side.scores.loc[key]["nmi"] for key in known] for side in sides}
    said = "NMI of k-means clusters with the labels in all runs"
    said += f", for the {len(known)} settings with the highest in {sides[0].name}." if len(known) == MOST else "."
    tags = ""
    for kind, made_for in (("wide", "page"), ("narrow", "column")):  # for screens and for phones
        with style.as_wide_as(style.WIDTHS[made_for]):
            figure = plots.rows_of_several(names, values, "NMI with labels")
        style.prepare(figure)
        alt = f"{said} {style.words(figure)}"
        tags += charts.inline(charts.svg(figure, f"nmi-{kind}"), f"nmi-{kind}-", alt, made_for, kind)
    return [_picture(tags, "nmi", said)]


def _common(sides: list[Side]) -> list[str]:
    """Findings that all runs have."""
    return [name for name in sides[0].findings if all(name in side.findings for side in sides)]


def _findings(sides: list[Side]) -> list[str]:
    """Findings of all runs: first those on which any two disagree, the gravest first, then the others."""
    rows = []
    for name in _common(sides):
        found = [side.findings[name] for side in sides]
        how = min((disagreement(*pair) for pair in itertools.combinations(found, 2)), key=KINDS.index)
        rows.append({"notebook": found[0]["notebook"][:2], "finding": claims.asked(name), "how": how}
                    | {side.name: one["text"] for side, one in zip(sides, found, strict=True)})
    out = []
    if rows:
        table = pd.DataFrame(rows).sort_values("how", key=lambda how: how.map(KINDS.index), kind="stable")
        apart = table["how"] != ""
        said = f"Findings on which runs disagree: {apart.sum()} of {len(rows)} that all have. {RULES}"
        others = f"The other {len(rows) - apart.sum()} findings that all runs have."
        out += ["<h2>Where they disagree</h2>",
                _table(table[apart], "disagreements", said) if apart.any() else f"<p>Nowhere. {RULES}</p>",
                "<h2>Where they agree</h2>", _table(table[~apart].drop(columns="how"), "findings", others)]
    for side in sides:
        others = set().union(*(other.findings for other in sides if other is not side))
        alone = [name for name in side.findings if name not in others]
        if alone:
            out.append(f"<p>Only in {html.escape(side.name)}: {html.escape(' '.join(map(claims.asked, alone)))}</p>")
    return out


RULES = ("Verdict: the finding's rule gives another answer. Sign: a number's 95 % intervals lie on different sides of "
         "zero. Choice: something else is named, with its numbers. Size: the intervals do not overlap.")


def disagreement(one: dict[str, Any], other: dict[str, Any]) -> str:
    """How two runs' records of one finding disagree (see `RULES`), or that they do not: an empty text."""
    both = [(value, other["numbers"][key]) for key, value in one["numbers"].items() if key in other["numbers"]]
    spans = [(Interval(*a), Interval(*b)) for a, b in both if isinstance(a, list) and isinstance(b, list)]
    texts = [pair for pair in both if isinstance(pair[0], str)]
    words = [[re.sub(r"(= |below )?\d[\d.]*(e[-+]?\d+)?", "", text) for text in pair] for pair in texts]
    if one["rule"] and one["verdict"] != other["verdict"]:
        return "verdict"
    if one["rule"] and any(a != b for a, b in words):
        return "choice"  # the numbers are of different things, and their signs do not compare
    if any(a.excludes_zero and b.excludes_zero and a.mean * b.mean < 0 for a, b in spans):
        return "sign"
    return "size" if any(a.low > b.high or b.low > a.high for a, b in spans) else ""


def _pictures(sides: list[Side]) -> list[str]:
    """The key figure of each notebook, as all runs have it."""
    out = []
    for _, name in book.SHOWN.values():
        shown = [side.pictures.get(name) for side in sides]
        tags = [charts.small(side.folder, one, f"{side.name}: {one['alt']}", f"{name}-{i}-")
                for i, (side, one) in enumerate(zip(sides, shown, strict=True)) if one]
        if len(tags) == len(sides) and all(tags):
            pair = [_picture(tag, f"{name}-{i}", f"{side.name}: {side.pictures[name]['caption']}")
                    for i, (side, tag) in enumerate(zip(sides, tags, strict=True))]
            out.append(f'<div class="pair">{"".join(pair)}</div>')
    return ["<h2>Figures</h2>", *out] if out else []


def _table(data: pd.DataFrame, name: str, caption: str) -> str:
    named = glossary.shown_table(data)
    named.columns = [glossary.shown(name) if name in BY else name for name in data]  # others hold names of runs
    shown = named.map(
        lambda value: format(value, ".3f") if isinstance(value, Interval) and value.n else
        value if isinstance(value, str) else "–")
    return table_html(shown, name, caption)


def _picture(tag: str, name: str, caption: str) -> str:
    return f'<figure id="fig-{html.escape(name)}">{tag}<figcaption>{html.escape(caption)}</figcaption></figure>'
