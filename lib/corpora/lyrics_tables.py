"""Entries of a table of lyrics: which of its columns are texts, and which say whose they are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from lib.corpora import table

MAX_BYTES = 200 * 10**6  # of a lyrics file
MAX_PARTS = 10**7  # commas, brackets, lines: what could become an object each, and take all memory
MAX_ENTRIES = 500_000
MAX_NAME = 500  # of an id, artist or title
COLUMNS = {  # our name -> what such columns are called, without spaces, underscores and capitals, best first
    "track_id": ("trackid", "songid", "filename", "filestem", "stem", "file", "audiofile", "audiopath", "filepath",
        "path", "clipid", "dateiname", "datei", "fichier", "nomdufichier", "archivo", "nombredearchivo",
        "ficheiro", "arquivo", "nomefile", "bestand", "bestandsnaam", "filnamn", "filnavn", "plik", "nazwapliku",
        "soubor", "dosya", "файл", "имяфайла", "文件", "文件名", "ファイル", "ファイル名", "파일", "파일명",
        "track", "id"),
    "artist": ("artist", "artists", "artistname", "performer", "singer", "band", "interpret", "künstler",
        "artiste", "interprète", "artista", "intérprete", "artiest", "wykonawca", "sanatçı", "исполнитель",
        "артист", "歌手", "艺术家", "アーティスト", "가수"),
    "title": ("title", "song", "songtitle", "songname", "tracktitle", "trackname", "track", "name", "titel",
        "lied", "liedtitel", "titre", "chanson", "título", "titulo", "canción", "música", "titolo", "canzone",
        "tytuł", "název", "şarkı", "название", "песня", "标题", "歌名", "曲名", "タイトル", "제목"),
    "text": ("lyrics", "lyric", "lyricstext", "songlyrics", "plainlyrics", "text", "syncedlyrics", "songtext",
        "liedtext", "paroles", "letra", "letras", "testo", "tekst", "songtekst", "textpísně", "dalszöveg",
        "sözler", "şarkısözü", "текст", "текстпесни", "слова", "歌词", "歌詞", "가사"),
}  # fmt: skip
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
    encoding: str = ""  # that its file was read in
    kind: str = ""  # of placeholder, one of `lyrics_placeholders.KINDS`; "" of words
    added: int = 0  # pieces that a lyric site had added to the text, and that were taken off


def entries(path: Path) -> tuple[list[Entry], str]:
    """The entries of a table, and its encoding. Raises `Problem` when it is no table of lyrics."""
    found = table.read(path, "the lyrics file", "--lyrics", "lyrics", MAX_BYTES, MAX_PARTS)
    if len(found.rows) > MAX_ENTRIES:
        raise ValueError(f"it has more than {MAX_ENTRIES} entries")
    names = _columns(found.rows.columns)
    read = {ours: found.rows[theirs].replace("", pd.NA).bfill(axis=1).iloc[:, 0].fillna("")
            for ours, theirs in names.items()}
    rows = [Entry(where, encoding=found.encoding, **dict(zip(read, row, strict=True)))
            for where, *row in zip(found.rows.index, *read.values(), strict=True)]
    rows += [Entry(where, fault=fault) for where, fault in found.faults]
    in_order = sorted(map(_checked, rows), key=lambda entry: int(entry.where.split()[-1]))
    return in_order, found.encoding


def _checked(entry: Entry) -> Entry:
    """What a JSON object or list in the place of a text costs: that entry."""
    for name in ("track_id", "text"):
        value = getattr(entry, name)
        if value[:1] in ("{", "[") and value[-1:] in ("}", "]"):
            try:
                kind = {dict: "an object", list: "a list"}[type(json.loads(value))]
            except (ValueError, KeyError, RecursionError):
                continue  # words in brackets
            if kind == "an object" or not re.fullmatch(r"\[[\d\s:.,+-]*\]", value):
                track = entry.track_id if name == "text" else ""
                return Entry(entry.where, track, fault=f"its {name} is {kind}, not text")
    return entry


# --- names of columns --------------------------------------------------------------------------------------------
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
    for one in (one for theirs in names.values() for one in theirs if f"{one} (2)" in found):
        raise ValueError(f"it has two columns called {_short(one)}")
    if "text" in names and not ("track_id" in names or "title" in names):
        raise ValueError(f"it has no column track_id, nor artist and title: {BY_POSITION}")
    if not _are_enough(names):
        columns = ", ".join(map(_short, found[:8])) + (", ..." if len(found) > 8 else "")
        raise ValueError(
            f"it has the columns {columns or 'none'}; needed are lyrics (or text, songtext, paroles, letra ...), and "
            "track_id (or filename, path, song_id ...) or artist and title"
        )
    return names


def _short(name: str) -> str:
    return name if len(name) <= 40 else f"{name[:40]}..."
