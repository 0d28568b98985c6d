"""Labels from a table, or from the tags of audio files, each to its own track: by path, file name or number.

Never by position. What becomes of every row and every file is in a report; the table's other columns come along.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from lib.corpora import table
from lib.corpora.items import Item
from lib.store.errors import Problem
from lib.store.settings import table_and_column

LABELS = ("label", "genre", "genre_top", "emotion", "mood", "class", "category", "target", "tag", "style")
TRACKS = ("path", "filepath", "filename", "file", "audio", "audiopath", "audiofile", "trackid", "filestem", "stem",
          "name", "id", "track", "slicefilename", "fname", "clip", "song", "songid")
MOST_CHARACTERS = 100  # median length of a property's cells: longer ones are texts
SHOWN = 12  # columns named in a message
STATUS = {  # of a row, or of a file
    "used": "gives a track its label",
    "unlabelled": "a file that no row gives a label to",
    "no label": "belongs to a track, and has no label",
    "duplicate": "a track's second row, with the same label",
    "differs": "the track has rows with different labels",
    "ambiguous": "could belong to several files",
    "unmatched": "belongs to no file here",
    "unreadable": "is no row of the table",
}


class Labelled(NamedTuple):
    """Tracks with labels."""

    items: list[Item]  # those that have one, with the table's other columns
    name: str  # of the label: its column
    report: pd.DataFrame  # where, entry, file, status (see `STATUS`), reason


def label(items: Sequence[Item], labels: str) -> Labelled:
    """Give tracks the labels of "TABLE:COLUMN" or "tags:NAME".

    Raises `Problem` when there is no such table or column, when it is not clear which column is meant, or when no track
    gets a label.
    """
    source, column = table_and_column(labels)
    found = _of_tags(items) if source == "tags" else table.read(Path(source))
    column = _column(found.rows, column or ("genre" if source == "tags" else ""), labels)
    key = "file" if source == "tags" else _key(found.rows, items, column, source)
    placed = _place(found.rows[key], items)
    report, chosen = _report(found, key, column, items, placed)
    if not chosen:
        raise Problem(_why_none(report, items, key, source))
    others = [name for name in found.rows.columns
              if name not in (key, column) and found.rows[name].str.len().median() <= MOST_CHARACTERS]
    rest = found.rows[others].to_dict("index")
    # "rock" and " Rock" are two labels still; NFC and blanks are how a text is written
    made = [item._replace(label=_said(found.rows.at[where, column]), columns=rest[where])
            for item in items if (where := chosen.get(item.name))]
    return Labelled(made, column.rpartition(".")[2], report)


def _said(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).lower()


# --- which columns -----------------------------------------------------------------------------------------------
def _column(rows: pd.DataFrame, column: str, labels: str) -> str:
    """The column of the labels: the one named, or the only one with a usual name."""
    names = list(rows.columns)
    if column:
        like = [name for name in names if name == column] or [
            name for name in names if _plain(name) == _plain(column) or name.rpartition(".")[2] == column]
        if len(like) == 1:
            return like[0]
        what = f"no column '{column}'" if not like else f"{len(like)} columns called '{column}'"
        raise Problem(f"--labels: {labels.removesuffix(f':{column}')} has {what}; it has {_listed(names)}")
    like = [name for wanted in LABELS for name in names if _plain(name.rpartition(".")[2]) == _plain(wanted)]
    if len(like) == 1:
        return like[0]
    said = f"several columns that could be labels ({_listed(like)})" if like else f"the columns {_listed(names)}"
    raise Problem(f"--labels: {labels} has {said}: name the one to use, as in --labels {labels}:COLUMN")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")


def _key(rows: pd.DataFrame, items: Sequence[Item], column: str, source: str) -> str:
    """The column that names the files: of those with a usual name, the one that names most of them."""
    usual = [name for name in rows.columns if name != column and
             (_plain(name.rpartition(".")[2]) in TRACKS or name == rows.columns[0])]
    counts = {name: sum(len(one) == 1 for one in _place(rows[name], items)) for name in usual}
    best = max(usual, key=lambda name: counts[name], default="")
    if not best or not counts[best]:
        like = items[0].name if items else "nothing"
        raise Problem(f"--labels: no column of {source} names the files, which are called like '{like}'; it has "
                      f"{_listed(list(rows.columns))}: one must hold paths, file names or names without ending")
    return best


# --- which row belongs to which file -----------------------------------------------------------------------------
def _place(names: pd.Series, items: Sequence[Item]) -> list[list[str]]:
    """For each row the files that its name means: by path, else by file name, else by a number that only one has."""
    paths, stems, numbers = defaultdict(list), defaultdict(list), defaultdict(list)
    for item in items:
        path = _stem(item.name)
        stem = path.rpartition("/")[2]
        paths[path].append(item.name)
        stems[stem].append(item.name)
        if stem.isdecimal():
            numbers[int(stem)].append(item.name)
    cells = [_stem(name.replace("\\", "/")) for name in names]
    whole = all(cell.isdecimal() for cell in cells if cell)  # a column of numbers: names without leading zeros
    out = []
    for cell in cells:
        stem = cell.rpartition("/")[2]
        found = paths.get(cell) or stems.get(stem, []) if cell else []
        near = [name for name in found if f"/{_stem(name)}".endswith(f"/{cell}") or f"/{cell}".endswith(
            f"/{_stem(name)}")]
        if not found and whole and cell:
            found = numbers.get(int(cell), [])
        out.append(near or found)
    return out


ENDINGS = re.compile(r"\.[A-Za-z][A-Za-z0-9]{1,4}$")


def _stem(name: str) -> str:
    """A path without its ending, in composed Unicode. "blues.00000" keeps its number."""
    name = unicodedata.normalize("NFC", name.strip()).removeprefix("./")
    return ENDINGS.sub("", name)


def _report(found: table.Table, key: str, column: str, items: Sequence[Item], placed: list[list[str]]
            ) -> tuple[pd.DataFrame, dict[str, str]]:
    """What became of rows and files; and for each file with a label, the row that gave it."""
    rows = found.rows
    by_file: dict[str, list[str]] = defaultdict(list)
    said: dict[str, tuple[str, str, str]] = {}  # where -> file, status, reason
    for where, files in zip(rows.index, placed, strict=True):
        if not files:
            said[where] = "", "unmatched", "no file is called so"
        elif len(files) > 1:
            said[where] = "", "ambiguous", f"{len(files)} files are called so"
        elif not _said(rows.at[where, column]):
            said[where] = files[0], "no label", f"its {column} is empty"
        else:
            by_file[files[0]].append(where)
    chosen: dict[str, str] = {}
    for file, wheres in by_file.items():
        labels = Counter(_said(rows.at[where, column]) for where in wheres)
        if len(labels) > 1:
            for where in wheres:
                said[where] = file, "differs", f"{len(wheres)} rows give it {len(labels)} labels"
            continue
        chosen[file] = wheres[0]
        said[wheres[0]] = file, "used", ""
        for where in wheres[1:]:
            said[where] = file, "duplicate", f"the same as {wheres[0]}"
    lines = [(where, rows.at[where, key][:80], *said[where]) for where in rows.index]
    lines += [(where, "", "", "unreadable", reason) for where, reason in found.faults]
    lines += [("", "", item.name, "unlabelled", "no row gives it a label") for item in items if item.name not in chosen]
    return pd.DataFrame(lines, columns=["where", "entry", "file", "status", "reason"]), chosen


def _why_none(report: pd.DataFrame, items: Sequence[Item], key: str, source: str) -> str:
    row = report.iloc[0]
    return (f"--labels: {source} gives none of the {len(items)} tracks a label: its column '{key}' has names like "
            f"'{row['entry']}', the files are called like '{items[0].name}' ({row['reason']})")


def _of_tags(items: Sequence[Item]) -> table.Table:
    """The tags of the files as a table, a row per file; one without tags has empty cells."""
    from lib.corpora import tags

    rows = {f"file {i}": {"file": item.name} | (tags.read(item.spec["path"]) if item.spec.get("kind") == "file" else {})
            for i, item in enumerate(items, 1)}
    return table.Table(pd.DataFrame.from_dict(rows, orient="index").fillna(""), "tags", [])


def summary(report: pd.DataFrame) -> pd.DataFrame:
    """What became of rows and files: status, entries, what it means, an example and its reason; only what occurs."""
    rows = []
    for status, meaning in STATUS.items():
        some = report[report["status"] == status]
        if len(some):
            one = some.iloc[0]
            first = ": ".join(filter(None, (one["where"], one["entry"] or one["file"])))
            rows.append((status, len(some), meaning, first, one["reason"]))
    return pd.DataFrame(rows, columns=["status", "entries", "meaning", "first", "reason"])
