"""Tables of lyrics as entries: CSV of any separator, JSON, JSON lines, Excel and parquet, from anywhere."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import re
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from lib.corpora import lyrics_encodings

MAX_BYTES = 200 * 10**6  # of a lyrics file
MAX_PARTS = 10**7  # commas, brackets, lines: what could become an object each, and take all memory
MAX_ENTRIES = 500_000
MAX_NAME = 500  # of an id, artist or title
BEFORE = 10  # lines that may stand before a header: blank ones, comments, a title, "sep=;"
COLUMNS = {  # our name -> what such columns are called, without spaces, underscores and capitals, best first
    "track_id": ("trackid", "songid", "filename", "filestem", "stem", "file", "audiofile", "audiopath", "filepath", "path",
                 "clipid", "dateiname", "datei", "fichier", "nomdufichier", "archivo", "nombredearchivo", "ficheiro", "arquivo",
                 "nomefile", "bestand", "bestandsnaam", "filnamn", "filnavn", "plik", "nazwapliku", "soubor", "dosya", "файл",
                 "имяфайла", "文件", "文件名", "ファイル", "ファイル名", "파일", "파일명", "track", "id"),
    "artist": ("artist", "artists", "artistname", "performer", "singer", "band", "interpret", "künstler", "artiste",
               "interprète", "artista", "intérprete", "artiest", "wykonawca", "sanatçı", "исполнитель", "артист", "歌手", "艺术家",
               "アーティスト", "가수"),
    "title": ("title", "song", "songtitle", "songname", "tracktitle", "trackname", "track", "name", "titel", "lied", "liedtitel",
              "titre", "chanson", "título", "titulo", "canción", "música", "titolo", "canzone", "tytuł", "název", "şarkı",
              "название", "песня", "标题", "歌名", "曲名", "タイトル", "제목"),
    "text": ("lyrics", "lyric", "lyricstext", "songlyrics", "plainlyrics", "text", "syncedlyrics", "songtext",
             "liedtext", "paroles", "letra", "letras", "testo", "tekst", "songtekst", "textpísně", "dalszöveg",
             "sözler", "şarkısözü", "текст", "текстпесни", "слова", "歌词", "歌詞", "가사"),
}
BY_POSITION = (
    "texts without names could only be told apart by their position, and are refused: one row more or less "
    "would give every track another's words"
)
PACKAGES = {b"PK\x03\x04": ("an Excel table", "openpyxl"), b"PAR1": ("a parquet table", "pyarrow")}


class Entry(NamedTuple):
    """One entry of a lyrics file; texts are "" where missing, `fault` says why it cannot be used."""

    where: str  # "line 7", "entry 7", or a file of the folder
    track_id: str = ""
    artist: str = ""
    title: str = ""
    text: str = ""
    fault: str = ""
    encoding: str = ""  # that its file was read in
    kind: str = ""  # of placeholder, one of `lyrics_placeholders.KINDS`; "" of words
    added: int = 0  # pieces that a lyric site had added to the text, and that were taken off


def entries(path: Path) -> tuple[list[Entry], str]:
    """The entries of a table, and its encoding. Raises `ValueError` with the reason when it cannot be understood."""
    with open(path, "rb") as file:
        start = file.read(4)
    if start in PACKAGES:
        return list(_of_rows(_of_a_package(path, *PACKAGES[start]))), PACKAGES[start][0].split()[1]
    content, encoding = lyrics_encodings.decode(path.read_bytes())
    if sum(map(content.count, ",[{\n")) > MAX_PARTS:
        raise ValueError(f"it has more than {MAX_PARTS // 10**6} million parts: is it the right file?")
    is_json = path.suffix.lower() in (".json", ".jsonl", ".ndjson") or content.lstrip().startswith(("[{", '{"'))
    found = _json(content) if is_json else _csv(content)
    return [entry._replace(encoding=encoding) for entry in found], encoding


def _of_a_package(path: Path, what: str, package: str) -> list[tuple[str, list[str]]]:
    """(where, fields) of each row of an Excel or parquet table, with the header."""
    if what.startswith("an Excel"):
        if not zipfile.is_zipfile(path):
            raise ValueError("it begins like a spreadsheet or archive, and is damaged: save it as CSV or JSON, in UTF-8")
        with zipfile.ZipFile(path) as archive:
            if "xl/workbook.xml" not in archive.namelist():
                raise ValueError("it is an archive, document or other spreadsheet: save it as CSV or JSON, in UTF-8")
            if sum(info.file_size for info in archive.infolist()) > 5 * MAX_BYTES:
                raise ValueError("it unpacks to more than can be read: is it the right file?")
    if importlib.util.find_spec(package) is None:
        raise ValueError(f"it is {what}: install {package} ('pip install {package}'), or save the table as CSV")
    if package == "openpyxl":
        table = pd.read_excel(path, header=None, dtype=str, keep_default_na=False, engine=package)
        rows = table.astype(str).values.tolist()
    else:
        table = pd.read_parquet(path, engine=package)
        rows = [list(map(str, table.columns)), *table.astype(object).where(table.notna(), "").astype(str).values.tolist()]
    return [(f"row {number}", row) for number, row in enumerate(rows, 1)]


# --- rows of fields -----------------------------------------------------------------------------------------------------
def _csv(content: str) -> list[Entry]:
    """Entries of CSV. A quote that is never closed would swallow other tracks' lines, so it is an error.

    Quotes within quotes are doubled, or have a backslash before them: what reads with fewer faults holds.
    """
    tries: list[list[Entry] | ValueError] = []
    for text in (content, content.replace('\\"', '""')) if '\\"' in content else (content,):
        try:
            tries.append(list(_of_rows(_csv_rows(text))))
        except ValueError as error:
            tries.append(error)
    read = [one for one in tries if isinstance(one, list)]
    if not read:
        raise tries[0]
    return min(read, key=lambda found: sum(bool(entry.fault) for entry in found))


def _csv_rows(content: str) -> Iterator[tuple[str, list[str]]]:
    """(where, fields) of each row from the header on; blank rows have no fields."""
    text = io.StringIO(content, newline="")
    first, separator = _header([text.readline() for _ in range(BEFORE)])
    text.seek(0)
    for _ in range(first):  # what stands before the header need be no CSV
        text.readline()
    limit = csv.field_size_limit(MAX_BYTES)
    rows = csv.reader(text, delimiter=separator, strict=True, skipinitialspace=True)
    end = 0
    try:
        for row in rows:
            where, end = f"line {first + end + 1}", rows.line_num
            yield where, row
    except csv.Error as error:
        raise ValueError(f"line {first + rows.line_num}: {error} (a quote too many or too few?)") from error
    finally:
        csv.field_size_limit(limit)


def _header(lines: list[str]) -> tuple[int, str]:
    """The number of the line that names columns of lyrics, or else of the first that is not blank; its separator."""
    separator, other = "", None
    for number, line in enumerate(lines):
        line = line.strip("\ufeff\r\n")[:100_000]
        if told := re.fullmatch(r"['\"]?sep=(.)['\"]?", line.strip(" "), re.IGNORECASE):
            separator = told[1]
            continue
        own = separator or max(",;\t|", key=line.count)
        fields = next(csv.reader([line], delimiter=own, skipinitialspace=True), [])
        if _are_enough(_known(fields)):
            return number, own
        if other is None and line.strip() and not line.lstrip().startswith(("#", "//")):
            other = number, own
    return other or (0, ",")


def _of_rows(rows: Iterable[tuple[str, list[str]]]) -> Iterator[Entry]:
    """Entries of (where, fields), the first of which with any text are the columns' names."""
    found: list[str] = []
    places: dict[str, list[int]] = {}
    for number, (where, row) in enumerate(rows):
        if not places:
            if not any(map(str.strip, row)):
                continue
            found = [name.strip() for name in row]
            places = {ours: [found.index(name) for name in theirs] for ours, theirs in _columns(found).items()}
        elif number > MAX_ENTRIES:
            raise ValueError(f"it has more than {MAX_ENTRIES} entries")
        elif len(row) > len(found) and any(row[len(found):]) or 0 < len(row) < len(found):
            yield Entry(
                where,
                fault=f"has {len(row)} fields where the header has {len(found)}: put texts that "
                "contain the separator in quotes",
            )
        elif row:
            yield Entry(where, **{ours: next((row[i] for i in at if row[i]), "") for ours, at in places.items()})
    if not places:
        _columns([])


# --- JSON ---------------------------------------------------------------------------------------------------------------
def _json(content: str) -> Iterator[Entry]:
    """Entries of a list of objects, of a mapping from track to text or object, or of an object a line."""
    # Numbers stay as they were written; objects become lists of pairs, so that a key that is there twice is seen
    plain = {"object_pairs_hook": _Pairs, "parse_int": str, "parse_float": str, "parse_constant": lambda name: ""}
    try:
        data, word = json.loads(content, **plain), "entry"
    except json.JSONDecodeError as error:
        if error.msg != "Extra data":
            raise
        data, word = [_json_line(line, plain) for line in content.split("\n")], "line"
    rows = _json_rows(data)
    if len(rows) > MAX_ENTRIES:
        raise ValueError(f"it has more than {MAX_ENTRIES} entries")
    keys = dict.fromkeys(key for _, row in rows if isinstance(row, _Pairs) for key, _ in row)
    by_track = any(track is not None for track, _ in rows)
    names = _columns([*keys, *(["track_id"] if by_track else [])])
    for number, (track, row) in enumerate(rows, 1):
        if row is not BLANK:
            yield _json_entry(f"{word} {number}", track, row, names)


def _json_rows(data: Any) -> list[tuple[str | None, Any]]:
    """(track that names it, row) of each entry."""
    if isinstance(data, list) and not isinstance(data, _Pairs):
        if data and all(isinstance(row, (str, list)) and not isinstance(row, _Pairs) for row in data):
            raise ValueError(BY_POSITION)
        return [(None, row) for row in data]
    if not isinstance(data, _Pairs):
        raise ValueError("expected a list of objects, or a mapping from track to lyrics")
    if len(data) == 1 and isinstance(data[0][1], list) and any(isinstance(row, _Pairs) for row in data[0][1]):
        raise ValueError(f"its only key '{_short(data[0][0])}' holds a list of objects: save that list itself")
    if _are_enough(_known(key for key, _ in data)):
        if all(isinstance(value, str) for _, value in data):
            return [(None, data)]  # JSON lines, one line long
        raise ValueError(
            "it lists columns, not tracks, and rows would be matched by position: save it as a list "
            "of objects, one for each track"
        )
    return [(key, value if isinstance(value, _Pairs) else _Pairs([("text", value)])) for key, value in data]


BLANK = object()  # a line of JSON lines with nothing in it


def _json_line(line: str, plain: dict[str, Any]) -> Any:
    try:
        return json.loads(line, **plain) if line.strip() else BLANK
    except ValueError:
        return None  # no object: that line's fault


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


# --- names of columns ---------------------------------------------------------------------------------------------------
def _known(found: Iterable[str]) -> dict[str, list[str]]:
    """Our column names -> those of the file's that mean the same, best first."""
    by_key: dict[str, list[str]] = {}
    for name in found:
        by_key.setdefault(re.sub(r"[\W_]+", "", name[:MAX_NAME]).lower(), []).append(name)
    names = {ours: [name for key in keys for name in by_key.get(key, [])] for ours, keys in COLUMNS.items()}
    return {ours: theirs for ours, theirs in names.items() if theirs}


def _are_enough(names: dict[str, list[str]]) -> bool:
    return "text" in names and ("track_id" in names or {"artist", "title"} <= set(names))


def _columns(found: Iterable[str]) -> dict[str, list[str]]:
    """`_known`. Raises `ValueError` when texts, or what to match them by, are missing, or a column is there twice."""
    found = list(found)
    names = _known(found)
    for theirs in names.values():
        if len(set(theirs)) < len(theirs):
            raise ValueError(f"it has two columns called {_short(theirs[0])}")
    if "text" in names and not ("track_id" in names or "title" in names):
        raise ValueError(f"it has no column track_id, nor artist and title: {BY_POSITION}")
    if not _are_enough(names):
        columns = ", ".join(map(_short, found[:8])) + (", ..." if len(found) > 8 else "")
        raise ValueError(
            f"it has the columns {columns or 'none'}; needed are lyrics (or text, songtext, paroles, letra ...), "
            f"and track_id "
            "(or filename, path, song_id ...) or artist and title"
        )
    return names


def _short(name: str) -> str:
    return name if len(name) <= 40 else f"{name[:40]}..."
