"""Labels from a table, or from the tags of audio files, each to its own track: by path, file name or number.

Never by position. What becomes of every row and every file is in a report; the table's other columns come along.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from lib.corpora import kinds, table
from lib.corpora.items import Item
from lib.store.errors import Problem
from lib.store.settings import table_and_column

# What labels, and files, are usually called: letters and figures alone; of labels also their plurals
LABELS = ("label", "genre", "genretop", "emotion", "mood", "class", "category", "target", "tag", "style")
TRACKS = ("path", "filepath", "filename", "file", "audio", "audiopath", "audiofile", "trackid", "filestem", "stem",
          "name", "id", "track", "slicefilename", "fname", "clip", "song", "songid")
LEVELS = re.compile(r"^.*\w\.(?=[^\W\d])")  # FMA's "track." of "track.genre_top", not the "v2." of "v2.0"
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
    rest = found.rows.loc[list(chosen.values()), others].to_dict("index")
    # "rock" and " Rock" are two labels still; NFC and blanks are how a text is written
    made = [item._replace(label=_said(found.rows.at[where, column]), columns=rest[where])
            for item in items if (where := chosen.get(item.name))]
    return Labelled(made, LEVELS.sub("", column), report)


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
    for usual in (LABELS, [f"{name}s" for name in LABELS]):
        like = _one_meaning(rows, [name for name in names if _plain(name.rpartition(".")[2]) in usual])
        if like:
            break
    if len(like) == 1:
        return like[0]
    said = f"several columns that could be labels ({_listed(like)})" if like else f"the columns {_listed(names)}"
    raise Problem(f"--labels: {labels} has {said}: name the one to use, as in --labels {labels}:COLUMN")


def _one_meaning(rows: pd.DataFrame, names: list[str]) -> list[str]:
    """Columns that say the same in other words, as ESC-50's `target` and `category`, are one: the first of words."""
    codes = [pd.factorize(rows[name])[0] for name in names]
    if any((other != codes[0]).any() or not other.any() for other in codes):
        return names
    return sorted(names, key=lambda name: rows[name].str.fullmatch(r"[-\d.]*").all())[:1]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")


def _key(rows: pd.DataFrame, items: Sequence[Item], column: str, source: str) -> str:
    """The column that names the files: of those with a usual name, the one of whose rows most are a file's only row;
    numbers that stand for names ("2" for "000002") only where no column has names."""
    usual = [name for name in rows.columns if name != column and
             (_plain(name.rpartition(".")[2]) in TRACKS or name == rows.columns[0])]
    counts = {name: (_named(rows[name], items, numbers=False), _named(rows[name], items)) for name in usual}
    best = max(usual, key=lambda name: counts[name], default="")
    if not best or not counts[best][1]:
        like = items[0].name if items else "nothing"
        raise Problem(f"--labels: no column of {source} names the files, which are called like '{like}'; it has "
                      f"{_listed(list(rows.columns))}: one must hold paths, file names or names without ending")
    return best


# --- which row belongs to which file -----------------------------------------------------------------------------
def _named(names: pd.Series, items: Sequence[Item], numbers: bool = True) -> int:
    """How many files exactly one of the rows names."""
    rows = Counter(files[0] for files in _place(names, items, numbers) if len(files) == 1)
    return sum(n == 1 for n in rows.values())


def _place(names: pd.Series, items: Sequence[Item], numbers: bool = True) -> list[list[str]]:
    """For each row the files that its name means: by path, else by file name, each first as it is written and then
    without ending; else by a number that only one has.

    Where any row's folders are those of a file, a row of other folders means none of that name.
    """
    cells = [_composed(name.replace("\\", "/")) for name in names]
    indexes = [_index(items, ending) for ending in (True, False)]
    found = [_by_name(cell, indexes) if cell else [] for cell in cells]
    near = [[file for file in files if _within(cell, file)] for cell, files in zip(cells, found, strict=True)]
    folders = any(files for cell, files in zip(cells, near, strict=True) if "/" in cell)
    out = [close or ([] if folders and "/" in cell else files)
           for cell, files, close in zip(cells, found, near, strict=True)]
    if numbers and all(cell.isdecimal() for cell in cells if cell):  # a column of names without leading zeros
        stems = defaultdict(list)
        for item in items:
            if (stem := _stem(_composed(item.name)).rpartition("/")[2]).isdecimal():
                stems[int(stem)].append(item.name)
        out = [files or (stems.get(int(cell), []) if cell else []) for cell, files in zip(cells, out, strict=True)]
    return out


def _index(items: Sequence[Item], ending: bool) -> dict[str, list[str]]:
    """Items by file name, and by path where that is another, with or without ending."""
    found = defaultdict(list)
    for item in items:
        path = _composed(item.name) if ending else _stem(_composed(item.name))
        for name in {path, path.rpartition("/")[2]}:
            found[name].append(item.name)
    return found


def _by_name(cell: str, indexes: Sequence[Mapping[str, list[str]]]) -> list[str]:
    """The files of a path or a name: as it is written, else as it is without an ending."""
    for name in dict.fromkeys((cell, _stem(cell))):
        for part in dict.fromkeys((name, name.rpartition("/")[2])):
            for index in indexes:
                if part in index:
                    return index[part]
    return []


def _within(cell: str, file: str) -> bool:
    """Is one of two paths the end of the other, but for their endings?"""
    one, other = f"/{_stem(cell)}", f"/{_stem(_composed(file))}"
    return one.endswith(other) or other.endswith(one) or other.endswith(f"/{cell}")


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name.strip()).removeprefix("./")


def _stem(name: str) -> str:
    """A path without the ending of a kind of file: "blues.00000" and "mr.big" are whole."""
    return name.rpartition(".")[0] if kinds.says_audio(name) or kinds.by_ending(name) else name


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
