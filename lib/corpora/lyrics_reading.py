"""Lyrics files as entries: CSV, JSON, and folders of .txt and .lrc files, from anywhere."""

from __future__ import annotations

import codecs
import csv
import io
import json
import os
import re
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from lib.corpora.folder import readable
from lib.store.errors import Problem

MAX_BYTES = 200 * 10**6  # of a lyrics file
MAX_PARTS = 10**7  # commas, brackets, lines: what could become an object each, and take all memory
MAX_ENTRIES = 500_000
MAX_CHARACTERS = 100_000  # of one text; the rest of a longer one is cut
MAX_NAME = 500  # of an id, artist or title
TEXT_SUFFIXES = (".txt", ".lrc")
COLUMNS = {  # our name -> what such columns are called, without spaces, underscores and capitals
    "track_id": ("trackid", "id", "file", "filename", "filestem", "stem", "path", "track"),
    "artist": ("artist", "artistname", "performer"),
    "title": ("title", "song", "tracktitle", "trackname", "track"),
    "text": ("lyrics", "text", "lyric", "plainlyrics", "syncedlyrics"),
}
BY_POSITION = (
    "texts without names could only be told apart by their position, and are refused: one row more or less "
    "would give every track another's words"
)


class Entry(NamedTuple):
    """One entry of a lyrics file; texts are "" where missing, `fault` says why it cannot be used."""

    where: str  # "line 7", "entry 7", or a file of the folder
    track_id: str = ""
    artist: str = ""
    title: str = ""
    text: str = ""
    fault: str = ""


def read(path: Path) -> pd.DataFrame:
    """The entries of a lyrics file or folder, a row per `Entry`.

    CSV (comma, semicolon, tab or bar) with a header line; JSON: a list of objects, or a mapping from track to text or
    to an object; or a folder of `.txt` and `.lrc` files named like their tracks. `attrs["encoding"]` names the encoding
    that was used. Raises `Problem` when it is none of these, or no entry can be used.
    """
    path = path.expanduser()
    try:
        kind = path.stat()
        if stat.S_ISDIR(kind.st_mode):
            entries, encoding = list(_folder(path)), "utf-8"
        elif not stat.S_ISREG(kind.st_mode):
            raise Problem(f"{path} is neither a file nor a folder: --lyrics must be one with the tracks' lyrics")
        elif kind.st_size > MAX_BYTES:
            raise Problem(f"the lyrics file {path} is larger than {MAX_BYTES // 10**6} MB: is it the right file?")
        else:
            content, encoding = _decode(path.read_bytes())
            entries = list(_json(content) if path.suffix.lower() == ".json" else _csv(content))
    except FileNotFoundError as error:
        raise Problem(f"there is no lyrics file {path}: check --lyrics") from error
    except OSError as error:
        raise Problem(f"cannot read the lyrics file {path}: {error.strerror}") from error
    except (ValueError, RecursionError, csv.Error) as error:
        raise Problem(f"the lyrics file {path} cannot be understood: {error}") from error
    if all(entry.fault for entry in entries):
        why = f" ({entries[0].where} {entries[0].fault})" if entries else ""
        raise Problem(f"none of the {len(entries)} entries of {path} can be used{why}")
    table = pd.DataFrame([_clean(entry) for entry in entries], columns=Entry._fields, dtype=object)
    table.attrs["encoding"] = encoding
    return table


def _clean(entry: Entry) -> Entry:
    """Text that can be written anywhere: no control characters or lone surrogates, one line end, no time tags."""
    entry = Entry(*(_CONTROL.sub("", _LINE_END.sub("\n", v.encode("utf-8", "replace").decode())) for v in entry))
    names = {name: " ".join(getattr(entry, name)[:MAX_NAME].split()) for name in ("track_id", "artist", "title")}
    return entry._replace(text=_TIMES.sub("", entry.text).strip()[:MAX_CHARACTERS], **names)


_LINE_END, _CONTROL = re.compile("\r\n?"), re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_TIMES = re.compile(r"[\[<]\d{1,3}:\d{1,2}(?:[.:]\d{1,3})?[\]>][ \t]?")  # of synchronised lyrics, of lines and of words
_LRC_TAG = re.compile(r"^\[([a-z#_]+):(.*)\]\s*$", re.IGNORECASE | re.MULTILINE)


def _decode(content: bytes) -> tuple[str, str]:
    """The text and its encoding: UTF-8, UTF-16 or, where the result looks like Western text, Windows-1252."""
    if content.startswith((b"PK\x03\x04", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x89PNG", b"%PDF", b"\xd0\xcf\x11\xe0")):
        raise ValueError("it is a spreadsheet, archive or document: save it as CSV or JSON, in UTF-8")
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _bounded(content.decode("utf-16", "replace")), "utf-16"
    start = content[:2000]
    for name, nuls in (("utf-16-le", start[1::2]), ("utf-16-be", start[::2])):
        if nuls.count(0) > len(nuls) / 2 and start.count(0) < 0.7 * len(start):
            return _bounded(content.decode(name, "replace")), name
    try:
        return _bounded(content.decode("utf-8-sig").replace("\0", "")), "utf-8"
    except UnicodeDecodeError as error:
        text, line = content.decode("cp1252", "replace"), content.count(b"\n", 0, error.start) + 1
    strange = [char for char in text if char > "\x7f" and char not in "‘’“”„–—…«»¡¿ ´°·€£§©®ªº"]
    letters = sum(map(str.isalpha, strange))
    if letters < 0.9 * len(strange) or letters > 0.3 * sum(map(str.isalpha, text)):
        raise ValueError(f"it is not UTF-8 (line {line}), and read as Western text it makes no sense: save it as UTF-8")
    return _bounded(text.replace("\0", "")), "Windows-1252 (it is not UTF-8)"


def _bounded(content: str) -> str:
    if sum(map(content.count, ",[{\n")) > MAX_PARTS:
        raise ValueError(f"it has more than {MAX_PARTS // 10**6} million parts: is it the right file?")
    return content


def _csv(content: str) -> Iterator[Entry]:
    """Entries of CSV. A quote that is never closed would swallow other tracks' lines, so it is an error."""
    header = content.split("\n", 1)[0]
    lines = csv.reader(
        io.StringIO(content, newline=""), delimiter=max(",;\t|", key=header.count), strict=True, skipinitialspace=True
    )
    limit = csv.field_size_limit(MAX_BYTES)
    try:
        found = next(lines, [])
        names = _columns(found)
        places = {ours: [found.index(name) for name in theirs] for ours, theirs in names.items()}
        end = lines.line_num
        for number, row in enumerate(lines, 1):
            where, end = f"line {end + 1}", lines.line_num
            if number > MAX_ENTRIES:
                raise ValueError(f"it has more than {MAX_ENTRIES} entries")
            if len(row) > len(found) and any(row[len(found) :]) or 0 < len(row) < len(found):
                yield Entry(
                    where,
                    fault=f"has {len(row)} fields where the header has {len(found)}: put texts that "
                    "contain the separator in quotes",
                )
            elif row:
                first = {ours: next((row[i] for i in at if row[i]), "") for ours, at in places.items()}
                yield Entry(where, **first)
    except csv.Error as error:
        raise ValueError(f"line {lines.line_num}: {error} (a quote too many or too few?)") from error
    finally:
        csv.field_size_limit(limit)


def _json(content: str) -> Iterator[Entry]:
    # Numbers stay as they were written; objects become lists of pairs, so that a key that is there twice is seen
    plain = {"parse_int": str, "parse_float": str, "parse_constant": lambda name: ""}
    data = json.loads(content, object_pairs_hook=_Pairs, **plain)
    if isinstance(data, _Pairs):
        if len(data) == 1 and isinstance(data[0][1], list) and any(isinstance(row, _Pairs) for row in data[0][1]):
            raise ValueError(f"its only key '{_short(data[0][0])}' holds a list of objects: save that list itself")
        if {"text", "track_id"} <= set(_known(key for key, _ in data)):
            raise ValueError(
                "it lists columns, not tracks, and rows would be matched by position: save it as a list "
                "of objects, one for each track"
            )
        rows = [(key, value if isinstance(value, _Pairs) else _Pairs([("text", value)])) for key, value in data]
    elif isinstance(data, list):
        if data and all(isinstance(row, (str, list)) and not isinstance(row, _Pairs) for row in data):
            raise ValueError(BY_POSITION)
        rows = [(None, row) for row in data]
    else:
        raise ValueError("expected a list of objects, or a mapping from track to lyrics")
    if len(rows) > MAX_ENTRIES:
        raise ValueError(f"it has more than {MAX_ENTRIES} entries")
    keys = dict.fromkeys(key for _, row in rows if isinstance(row, _Pairs) for key, _ in row)
    names = _columns([*keys, *(["track_id"] if isinstance(data, _Pairs) else [])])
    for number, (track, row) in enumerate(rows, 1):
        yield _json_entry(f"entry {number}", track, row, names)


def _json_entry(where: str, track: str | None, row: Any, names: dict[str, list[str]]) -> Entry:
    if not isinstance(row, _Pairs):
        return Entry(where, fault=f"is {_kind(row)}, not an object")
    values = dict(row)
    if len(values) < len(row):
        return Entry(where, track or "", fault="has a key twice")
    found = {}
    for ours, theirs in names.items():
        value = next((values[name] for name in theirs if values.get(name) not in (None, "")), "")
        if ours == "text" and type(value) is list and all(isinstance(line, str) for line in value):
            value = "\n".join(value)
        if not isinstance(value, str):
            return Entry(where, track or found.get("track_id", ""), fault=f"its {ours} is {_kind(value)}, not text")
        found[ours] = value
    return Entry(where, **found | ({} if track is None else {"track_id": track}))


class _Pairs(list):
    """A JSON object, as the list of its (key, value) pairs."""


def _kind(value: Any) -> str:
    kinds = {_Pairs: "an object", list: "a list", bool: "true or false", str: "text"}
    return kinds.get(type(value), "nothing")


def _known(found: Iterable[str]) -> dict[str, list[str]]:
    """Our column names -> those of the file's that mean the same, best first."""
    by_key: dict[str, list[str]] = {}
    for name in found:
        by_key.setdefault(re.sub(r"[\W_]+", "", name[:MAX_NAME]).lower(), []).append(name)
    names = {ours: [name for key in keys for name in by_key.get(key, [])] for ours, keys in COLUMNS.items()}
    return {ours: theirs for ours, theirs in names.items() if theirs}


def _columns(found: Iterable[str]) -> dict[str, list[str]]:
    """`_known`. Raises `ValueError` when texts, or what to match them by, are missing, or a column is there twice."""
    found = list(found)
    names = _known(found)
    for theirs in names.values():
        if len(set(theirs)) < len(theirs):
            raise ValueError(f"it has two columns called {_short(theirs[0])}")
    if "text" in names and not ("track_id" in names or "title" in names):
        raise ValueError(f"it has no column track_id, nor artist and title: {BY_POSITION}")
    if "text" not in names or not ("track_id" in names or {"artist", "title"} <= set(names)):
        columns = ", ".join(map(_short, found[:8])) + (", ..." if len(found) > 8 else "")
        raise ValueError(f"it has the columns {columns or 'none'}; needed are lyrics, and track_id or artist and title")
    return names


def _short(name: str) -> str:
    return name if len(name) <= 40 else f"{name[:40]}..."


def _folder(root: Path) -> Iterator[Entry]:
    """The `.txt` and `.lrc` files of a folder and the folders in it; an id is the path without its suffix."""
    number = 0
    for where, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for file in sorted(name for name in files if not name.startswith(".")):
            path = Path(where, file)
            if path.suffix.lower() not in TEXT_SUFFIXES:
                continue
            number += 1
            if number > MAX_ENTRIES:
                raise ValueError(f"it has more than {MAX_ENTRIES} entries")
            yield _text_file(path, readable(path.relative_to(root).as_posix()))
    if not number:
        raise Problem(
            f"there are no {' or '.join(TEXT_SUFFIXES)} files in {root}: --lyrics must be a CSV or JSON file, "
            "or a folder of text files named like the tracks"
        )


def _text_file(path: Path, name: str) -> Entry:
    track = name[: -len(path.suffix)]
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return Entry(name, track, fault="is not a regular file")
        with open(path, "rb") as file:  # four bytes a character at the most
            content = file.read(5 * MAX_CHARACTERS)
        if len(content) == 5 * MAX_CHARACTERS:  # perhaps cut within a character
            content = content[: max(content.rfind(b" "), content.rfind(b"\n")) + 1]
        text = _decode(content)[0]
    except OSError as error:
        return Entry(name, track, fault=f"cannot be read: {error.strerror}")
    except ValueError as error:
        return Entry(name, track, fault=f"cannot be understood: {error}")
    if path.suffix.lower() == ".txt":
        return Entry(name, track, text=text)
    tags = {key.lower(): value.strip() for key, value in _LRC_TAG.findall(text)}
    return Entry(name, track, tags.get("ar", ""), tags.get("ti", ""), _LRC_TAG.sub("", text))
