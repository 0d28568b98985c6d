"""Lyrics from files, each text to its own track: by path, file name, or artist and title, never by position.

A file of lyrics comes from anywhere. What cannot be understood at all is a `Problem`; a bad entry costs that entry.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from lib.corpora import languages, tags
from lib.corpora.items import Item
from lib.corpora.kinds import AUDIO_ENDINGS
from lib.corpora.lyrics_reading import MAX_NAME, TEXT_SUFFIXES, Entry
from lib.store.errors import Problem

STATUS = {  # of an entry
    "matched": "its text is used",
    "instrumental": "belongs to a track, and says that nothing is sung",
    "empty": "belongs to a track, and has no words",
    "duplicate": "the track has another entry",
    "ambiguous": "could belong to several tracks",
    "unmatched": "belongs to no track here",
    "unreadable": "is no entry of lyrics",
}


class Index(NamedTuple):
    """Item names by what an entry may call them."""

    paths: dict[str, list[str]]
    stems: dict[str, list[str]]
    songs: dict[tuple[str, str], list[str]]
    numbers: dict[int, str]  # a number that is part of a file's name -> that name


def match(items: list[Item], table: pd.DataFrame) -> tuple[dict[str, str], pd.DataFrame]:
    """Give each track the text of its one entry: by path or file name, else by artist and title.

    Artist and title of a track come from its audio tags, or from a file called "artist - title". An entry is used only
    if it names one track, all that it says agrees, and no other entry of equal rank gives that track another text.
    Returns the texts by item name, and a report: where, entry, file, status (see `STATUS`), reason. Raises `Problem`
    when no track gets a text.
    """
    entries = [Entry(*row) for row in table[list(Entry._fields)].itertuples(index=False)]
    index = _index(items, any(entry.artist and entry.title for entry in entries))
    placed = [_place(entry, index) for entry in entries]
    rivals: dict[str, list[int]] = defaultdict(list)
    for number, (status, _, file) in enumerate(placed):
        if status == "matched":
            rivals[file].append(number)
    texts: dict[str, str] = {}
    for file, numbers in rivals.items():
        first = min(numbers, key=lambda number: placed[number][1])
        equals = [number for number in numbers if placed[number][1] == placed[first][1]]
        if len({entries[number].text for number in equals}) == 1:
            texts[file] = entries[first].text
            numbers.remove(first)
        for number in numbers:
            why = f"{entries[first].where} names the track better"
            if entries[number].text == texts.get(file):
                why = f"the same text as {entries[first].where}"
            elif number in equals:
                why = f"{len(equals)} entries name this track, and differ"
            placed[number] = ("duplicate", why, file)
    rows = [
        (entry.where, _called(entry), file, status, RANKS[said] if status == "matched" else said)
        for entry, (status, said, file) in zip(entries, placed, strict=True)
    ]
    report = pd.DataFrame(rows, columns=["where", "entry", "file", "status", "reason"])
    report.attrs["encoding"] = table.attrs.get("encoding", "")
    if not texts:
        raise Problem(_why_none(items, report))
    return texts, report


RANKS = ("by its file's name", "by its file's name, in another folder", "by artist and title")


def _place(entry: Entry, index: Index) -> tuple[str, Any, str]:
    """(status, reason, file) of an entry by itself; of a matched one the reason is its number in `RANKS`."""
    if entry.fault:
        return "unreadable", entry.fault, ""
    track = _stem(entry.track_id.replace("\\", "/"))
    folder, _, stem = track.rpartition("/")
    named = index.paths.get(track) or index.stems.get(stem, []) if track else []
    near = [file for file in named if not folder or _within(track, _stem(file)) or _within(_stem(file), track)]
    if named and not near and stem.isdecimal():
        return "unmatched", f"a number in another folder than {named[0]}", ""
    song = _song(entry.artist, entry.title) if entry.artist and entry.title else _song_of_name(stem)
    sung = list(dict.fromkeys(index.songs.get(song, [])))
    both = [file for file in near or named if file in sung]
    if named and sung and not both:
        return "ambiguous", f"its name is that of {named[0]}, its artist and title those of {sung[0]}", ""
    files = both or near or named or sung
    if not files:
        return "unmatched", _unmatched(track, entry, index), ""
    if len(files) > 1:
        return "ambiguous", f"{len(files)} files are called so", ""
    if not any(map(str.isalnum, entry.text)):
        return "empty", "no words", files[0]
    if _INSTRUMENTAL.fullmatch(languages.plain(entry.text)):
        return "instrumental", "says so", files[0]
    return "matched", 0 if near else 1 if named else 2, files[0]


def _within(path: str, end: str) -> bool:
    return f"/{path}".endswith(f"/{end}")


_INSTRUMENTAL = re.compile("(this (is an|song is an) )?instrumental[eo]?( track| song| music| version)?|no lyrics|none")


def _unmatched(track: str, entry: Entry, index: Index) -> str:
    if not re.fullmatch(r"[#\s]*\d{1,9}(\.0)?", track):
        if not track and not (entry.artist and entry.title):
            return "it has no name, or not both artist and title"
        return "no file is called so" if track else "no track has this artist and title"
    like = index.numbers.get(int(float(track.strip("# "))))
    return "a number is used only where it is a file's whole name, never as a position" + (
        f" or a part of one ('{like}')" if like else ""
    )


def _why_none(items: list[Item], report: pd.DataFrame) -> str:
    mine = _stem(items[0].name.rsplit("/", 1)[-1]) if items else "nothing"
    if report["status"].isin(["empty", "instrumental"]).any():
        return (
            f"the lyrics file has entries for {report['file'].nunique()} of the {len(items)} tracks, and no words "
            "in any of them: leave out --lyrics"
        )
    left = report[report["status"] != "unreadable"]
    row = left.iloc[0]
    return (
        f"the lyrics file matches none of the {len(items)} tracks: its entries are named like '{row['entry']}', the "
        f"files like '{mine}' ({row['reason']}); ids must be file names without their ending"
    )


def _called(entry: Entry) -> str:
    song = " - ".join(name for name in (entry.artist, entry.title) if name)
    return (entry.track_id or song or "nameless")[:80]


def _index(items: list[Item], tagged: bool) -> Index:
    """What the tracks are called; audio files are opened for their tags only if some entry has artist and title."""
    found = Index(defaultdict(list), defaultdict(list), defaultdict(list), {})
    for item in items:
        path = _stem(item.name)
        stem = path.rsplit("/", 1)[-1]
        found.paths[path].append(item.name)
        found.stems[stem].append(item.name)
        for song in {_song_of_name(stem), _tagged(item) if tagged else ("", "")} - {("", "")}:
            found.songs[song].append(item.name)
        for number in re.findall(r"\d{1,9}", stem):
            found.numbers.setdefault(int(number), stem)
    return found


def _stem(name: str) -> str:
    """A file name or path without audio or text suffix, in composed Unicode; leading zeros and case are kept."""
    name = unicodedata.normalize("NFC", name.strip())
    suffix = Path(name).suffix
    return name[: -len(suffix)] if suffix.lower() in (*AUDIO_ENDINGS, *TEXT_SUFFIXES) else name


def _song(artist: str, title: str) -> tuple[str, str]:
    """A key that forgives case, accents, punctuation, guests, "the", and the order of names ("Charles, Ray")."""
    artist = re.sub(r"\[[^\]]*\]|\(\d+\)", " ", _GUESTS.sub("", artist))  # "Heart [1]", as catalogues number them
    words = sorted(word for word in languages.plain(artist.replace("&", " and ")).split() if word != "the")
    title = languages.plain(_GUESTS.sub("", title).replace("&", " and "))
    return (" ".join(words), title) if words and title else ("", "")


_GUESTS = re.compile(r"[\s(\[]+(?:feat|ft|featuring)\b\.?.*$", re.IGNORECASE)


def _song_of_name(stem: str) -> tuple[str, str]:
    """Artist and title from a name such as "03 - Artist - Title"; empty where it is no such name."""
    parts = re.split(r"\s+[-–—]\s+", re.sub(r"^\d{1,3}(\s*[-._)]\s*)", "", stem), maxsplit=1)
    return _song(*parts) if len(parts) == 2 else ("", "")


def _tagged(item: Item) -> tuple[str, str]:
    """Artist and title from an audio file's tags; empty where it has none."""
    found = tags.read(item.spec["path"]) if item.spec.get("kind") == "file" else {}
    return _song(found.get("artist", "")[:MAX_NAME], found.get("title", "")[:MAX_NAME])


def summary(report: pd.DataFrame) -> pd.DataFrame:
    """What became of the entries: status, entries, what it means, an example and its reason; only what occurs."""
    rows = []
    for status, meaning in STATUS.items():
        some = report[report["status"] == status]
        if len(some):
            one = some.iloc[0]
            rows.append((status, len(some), meaning, f"{one['where']}: {one['entry']}", one["reason"]))
    return pd.DataFrame(rows, columns=["status", "entries", "meaning", "first", "reason"])
