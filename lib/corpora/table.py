"""A table from anywhere as text: CSV of any separator, JSON, JSON lines, Excel, parquet; a row per entry.

Cells are text as it stands in the file, "" where there is none. What cannot be understood is a `Problem`; a bad row
costs that row.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from lib.corpora import lyrics_encodings
from lib.store.errors import Problem

MAX_BYTES = 500 * 10**6
MAX_ROWS = 2_000_000
MAX_PARTS = 10**8  # separators and lines: what could become an object each
SAMPLE = 100_000  # characters from which the separator is told
SEPARATORS = ",;\t|"
EXCEL, PARQUET = (".xlsx", ".xlsm", ".xls"), (".parquet", ".pq")
BEFORE = re.compile(r"(?:[ \t\"']*(?:sep=.[\"']?|(?:#\s|//)[^\n]*)?\r?\n)*", re.IGNORECASE)  # blank, sep=, comments
NEEDS = {"openpyxl": "an Excel table", "pyarrow": "a parquet table"}


class Table(NamedTuple):
    """What a file holds."""

    rows: pd.DataFrame  # text; the index says where each row stands: "line 7", "entry 7"
    encoding: str
    faults: list[tuple[str, str]]  # where, what is wrong: rows that were left out


def read(path: Path, what: str = "the table", option: str = "--labels", value: str = "label",
         most_bytes: int = MAX_BYTES, most_parts: int = MAX_PARTS) -> Table:
    """The table of a file. `what` and `option` name it in messages, `value` the column of what a JSON mapping maps to.

    Two header lines, as in FMA's `tracks.csv`, become names such as `track.genre_top`. Raises `Problem` when there is
    no such file, or it is no table.
    """
    path = path.expanduser()
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise Problem(f"{path} is no file: {option} must be a table (CSV, TSV, JSON, Excel or parquet)")
        if found.st_size > most_bytes:
            raise Problem(f"{what} {path} is larger than {most_bytes // 10**6} MB: is it the right file?")
        content = path.read_bytes()
        if content.startswith(b"PAR1") or path.suffix.lower() in PARQUET:
            return _of_frame(_borrowed("pyarrow", pd.read_parquet, path, what), "parquet")
        if path.suffix.lower() in EXCEL:
            frame = _borrowed("openpyxl", pd.read_excel, path, what, header=None, dtype=str, engine="openpyxl")
            return _of_lines([(f"row {i}", row) for i, row in enumerate(frame.fillna("").to_numpy().tolist(), 1)],
                             "Excel")
        text, encoding = lyrics_encodings.decode(content)
        text = text.removeprefix("\ufeff")
        if sum(map(text.count, SEPARATORS + "\n[{")) > most_parts:
            raise ValueError(f"it has more than {most_parts // 10**6} million parts: is it the right file?")
        if text.lstrip()[:1] in ("[", "{"):
            return _json(text, encoding, value)
        return _csv(text, encoding)
    except FileNotFoundError as error:
        raise Problem(f"{option}: there is no file {path}") from error
    except OSError as error:
        raise Problem(f"cannot read {what} {path}: {error.strerror or error}") from error
    except (ValueError, RecursionError, csv.Error) as error:
        raise Problem(f"{what} {path} cannot be understood: {error}") from error


def _borrowed(package: str, reader: Any, path: Path, what: str, **options: Any) -> pd.DataFrame:
    """A file read by a package that need not be there."""
    try:
        return reader(path, **options)
    except ImportError as error:
        raise Problem(f"{what} {path} is {NEEDS[package]}: pip install {package}, or save it as CSV") from error
    except Exception as error:  # what these readers raise for a damaged file is not a matter of types
        raise ValueError(str(error).splitlines()[0] if str(error) else type(error).__name__) from error


# --- CSV ---------------------------------------------------------------------------------------------------------
def _csv(text: str, encoding: str) -> Table:
    """The table of CSV. A quote inside a quoted cell is doubled, or has a backslash: what leaves fewer faults holds."""
    readings: list[Table | ValueError] = []
    for one in (text, text.replace('\\"', '""')) if '\\"' in text else (text,):
        try:
            readings.append(_of_lines(list(_lines(one)), encoding))
        except ValueError as error:
            readings.append(error)
    tables = [one for one in readings if isinstance(one, Table)]
    if not tables:
        raise readings[0]
    return min(tables, key=lambda found: len(found.faults))


def _lines(text: str) -> Iterator[tuple[str, list[str]]]:
    """(where, cells) of each line of CSV that is not empty, from the header on; the separator is that of a `sep=` line,
    or the commonest. A quote that is never closed would swallow other rows, so it is an error."""
    before = BEFORE.match(text)
    said = re.search(r"^\W*sep=(.)", before[0], re.MULTILINE | re.IGNORECASE)
    body, skipped = text[before.end():], before[0].count("\n")
    separator = said[1] if said else _separator(body)
    limit = csv.field_size_limit(MAX_BYTES)
    lines = csv.reader(io.StringIO(body, newline=""), delimiter=separator, strict=True, skipinitialspace=True)
    end = 0
    try:
        for row in lines:
            where, end = f"line {skipped + end + 1}", lines.line_num
            if any(cell.strip() for cell in row) and not (len(row) == 1 and row[0].lstrip().startswith("#")):
                yield where, [cell.strip() for cell in row]
    except csv.Error as error:
        raise ValueError(f"line {skipped + lines.line_num}: {error} (a quote too many or too few?)") from error
    finally:
        csv.field_size_limit(limit)


def _separator(text: str) -> str:
    """Of the separators the one that cuts most of the first rows into as many fields as another, and then most."""
    return max(SEPARATORS, key=lambda one: _fit(text, one))


def _fit(text: str, separator: str) -> tuple[int, int]:
    """How many of the first rows have the commonest number of fields, more than one; and that number."""
    rows = csv.reader(io.StringIO(text[:SAMPLE], newline=""), delimiter=separator, skipinitialspace=True)
    try:
        sizes = Counter(len(row) for row in itertools.islice(rows, 50) if len(row) > 1)
    except csv.Error:
        return 0, 0
    (size, n), = sizes.most_common(1) or [(0, 0)]
    return n, size


def _of_lines(lines: list[tuple[str, list[str]]], encoding: str) -> Table:
    """Lines of cells as a table: a title above the header is skipped, rows of another length are left out."""
    if len(lines) > MAX_ROWS:
        raise ValueError(f"it has more than {MAX_ROWS} rows")
    while len(lines) > 1 and len([c for c in lines[0][1] if c]) == 1 < len([c for c in lines[1][1] if c]):
        lines = lines[1:]  # a title
    if len(lines) < 2:
        raise ValueError("it has no rows below a header line")
    names, first = _header([cells for _, cells in lines[:3]])
    rows, faults = {}, []
    for where, cells in lines[first:]:
        filled = cells[: len(names)] + [""] * (len(names) - len(cells)) if not any(cells[len(names):]) else cells
        if len(filled) != len(names) or len(cells) < len(names) - _tail(names):
            faults.append((where, f"has {len(cells)} fields where the header has {len(names)}: put texts that contain "
                           "the separator in quotes"))
        else:
            rows[where] = filled
    return Table(_named(pd.DataFrame.from_dict(rows, orient="index", columns=range(len(names)), dtype=str), names),
                 encoding, faults)


def _tail(names: list[str]) -> int:
    """How many cells at the end of a row may be missing: those without a name."""
    return len(names) - max((i for i, name in enumerate(names, 1) if name), default=0)


def _header(lines: list[list[str]]) -> tuple[list[str], int]:
    """Names of the columns, and the number of lines that they take: one, or FMA's three (two levels and the index)."""
    one, two, three = (lines + [[], []])[:3]
    if len(lines) > 2 and len(one) == len(two) and not one[0] and not two[0] and three[0] and not any(three[1:]):
        return [three[0], *(".".join(filter(None, pair)) for pair in zip(one[1:], two[1:], strict=True))], 3
    return one, 1


def _named(rows: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """The columns that have a name or any text, each with a name of its own."""
    seen: dict[str, int] = {}
    kept, called = [], []
    for i, name in enumerate(names):
        name = name or ("row" if i == 0 else "")
        if not name:
            continue
        seen[name] = seen.get(name, 0) + 1
        kept.append(i)
        called.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return rows[kept].set_axis(called, axis=1)


# --- JSON and others ---------------------------------------------------------------------------------------------
def _json(text: str, encoding: str, name: str) -> Table:
    """A list of objects, JSON lines, or a mapping from track to an object or to a value, then in the column `name`."""
    data, word = _parsed(text)
    if isinstance(data, _Pairs) and len(data) == 1 and isinstance(data[0][1], list) and data[0][1] and all(
            isinstance(row, _Pairs) for row in data[0][1]):
        data = data[0][1]  # {"songs": [...]}
    if isinstance(data, _Pairs):
        if len(data) > 1 and all(type(value) in (list, _Pairs) for _, value in data) and not any(
                isinstance(row, _Pairs) and _texts(row) for _, row in data):
            raise ValueError("it lists columns, not tracks: save it as a list of objects, one for each track")
        data = [_Pairs([("track_id", key), *(value if isinstance(value, _Pairs) else [(name, value)])])
                for key, value in data]
    rows, faults = {}, []
    for i, row in enumerate(data if isinstance(data, list) else [], 1):
        if not isinstance(row, _Pairs):
            faults.append((f"{word} {i}", "is not an object"))
        elif len({key for key, _ in row}) < len(row):
            faults.append((f"{word} {i}", "has a key twice"))
        else:
            rows[f"{word} {i}"] = {key: _text(value) for key, value in row}
    if not rows:
        why = f" ({faults[0][0]} {faults[0][1]})" if faults else ""
        raise ValueError(f"expected a list of objects, one for each track, or a mapping from track to {name}{why}")
    return Table(pd.DataFrame.from_dict(rows, orient="index").fillna(""), encoding, faults)


class _Pairs(list):
    """A JSON object, as the list of its (key, value) pairs, so that a key that is there twice is seen."""


def _parsed(text: str) -> tuple[Any, str]:
    """JSON with numbers as they are written, and what its parts are called: entries or, of JSON lines, lines."""
    plain = {"object_pairs_hook": _Pairs, "parse_int": str, "parse_float": str, "parse_constant": lambda name: ""}
    try:
        return json.loads(text, **plain), "entry"
    except json.JSONDecodeError as error:
        if error.msg != "Extra data":
            raise
    rows = []
    for line in filter(str.strip, text.split("\n")):
        try:
            rows.append(json.loads(line, **plain))
        except ValueError:
            rows.append(None)
    return rows, "line"


def _texts(row: list[tuple[str, Any]]) -> bool:
    """Whether an object has values like a row's, not those of a column ("0", "1", ...)."""
    return any(not key.isdecimal() for key, _ in row)


def _text(value: Any) -> str:
    """A cell: a list of texts is their lines, and what holds more stays JSON."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value.strip()
    if type(value) is list and all(isinstance(line, str) for line in value):
        return "\n".join(value)
    return json.dumps(_plain(value), ensure_ascii=False)


def _plain(value: Any) -> Any:
    if isinstance(value, _Pairs):
        return {key: _plain(inner) for key, inner in value}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value


def _of_frame(frame: pd.DataFrame, encoding: str) -> Table:
    """A data frame of any types as text."""
    if not isinstance(frame.index, pd.RangeIndex):
        frame = frame.reset_index()
    frame = frame.astype(object).where(frame.notna(), "").map(lambda value: _text(str(value)))
    names = [".".join(map(str, name)) if isinstance(name, tuple) else str(name) for name in frame.columns]
    return Table(frame.set_axis(names, axis=1).set_axis([f"row {i}" for i in range(1, len(frame) + 1)]), encoding, [])
