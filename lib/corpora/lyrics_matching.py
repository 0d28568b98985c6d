"""Lyrics from files, each text to its own track: by path, file name, or artist and title, never by position.

A file of lyrics comes from anywhere. What cannot be understood at all is a `Problem`; a bad entry costs that entry.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from lib.corpora import languages, lyrics_placeholders, tags
from lib.corpora.items import Item
from lib.corpora.kinds import AUDIO_ENDINGS
from lib.corpora.lyrics_reading import TEXT_SUFFIXES
from lib.corpora.lyrics_tables import MAX_NAME, Entry
from lib.store.errors import Problem

STATUS = {  # of an entry
    "matched": "its text is used",
    "instrumental": "belongs to a track, and says that nothing is sung",
    "empty": "belongs to a track, and has no words",
    "shared": "is the text of other tracks too, and no track is given it",
    "duplicate": "the track has another entry",
    "ambiguous": "could belong to several tracks",
    "unmatched": "belongs to no track here",
    "unreadable": "is no entry of lyrics",
}


MOST_SHARED = 0.05  # of the tracks with words, as many as may share their text with others


class Index(NamedTuple):
    """Item names by what an entry may call them."""

    paths: dict[str, list[str]]
    stems: dict[str, list[str]]
    songs: dict[tuple[str, str], list[str]]
    numbers: dict[int, str]  # a number that is part of a file's name -> that name


def match(items: list[Item], table: pd.DataFrame) -> tuple[dict[str, str], pd.DataFrame]:
    """Give each track the text of its one entry: by path or file name, else by artist and title.

    Artist and title of a track come from its audio tags, or from a file called "artist - title". An entry is used only
    if it names one track, all that it says agrees, and no other entry of equal rank gives that track other words. Where
    more than `MOST_SHARED` of the tracks with words share theirs with others, such texts are given to none: whatever
    reads them would find groups of equal texts.
    Returns the texts by item name, and a report: where, entry, file, status (see `STATUS`), reason, encoding, added
    (pieces that sites had added to the text), alike (how many tracks have these words). Raises `Problem` when no track
    has a text.
    """
    entries = [Entry(*row) for row in table[list(Entry._fields)].itertuples(index=False)]
    index = _index(items, any(entry.artist and entry.title for entry in entries))
    placed = [_place(entry, index) for entry in entries]
    chosen = _settle(entries, placed)
    alike = _alike({file: entries[number].text for file, number in chosen.items()})
    shared = {file for file, others in alike.items() if others}
    if left_out := len(shared) > MOST_SHARED * len(chosen):
        for file in shared:
            placed[chosen[file]] = ("shared", _also_of(alike[file]), file)
    rows = []
    for entry, (status, said, file) in zip(entries, placed, strict=True):
        reason = RANKS[said] if status == "matched" else said
        same = len(alike[file]) + 1 if status in ("matched", "shared") else 0
        rows.append((entry.where, _called(entry), file, status, reason, entry.encoding, entry.added, same))
    report = pd.DataFrame(rows, columns=REPORT)
    report.attrs["encoding"] = table.attrs.get("encoding", "")
    if not chosen:
        raise Problem(_why_none(items, report))
    return {file: entries[n].text for file, n in chosen.items() if not (left_out and file in shared)}, report


REPORT = ["where", "entry", "file", "status", "reason", "encoding", "added", "alike"]


def _settle(entries: list[Entry], placed: list[tuple[str, Any, str]]) -> dict[str, int]:
    """The number of the one entry of each track that has one; in `placed`, the others become duplicates."""
    rivals: dict[str, list[int]] = defaultdict(list)
    for number, (status, _, file) in enumerate(placed):
        if status == "matched":
            rivals[file].append(number)
    chosen = {}
    for file, numbers in rivals.items():
        first = min(numbers, key=lambda number: placed[number][1])
        equals = [number for number in numbers if placed[number][1] == placed[first][1]]
        words = {number: _words(entries[number].text) for number in numbers}
        if len({words[number] for number in equals}) == 1:
            chosen[file] = first
            numbers.remove(first)
        for number in numbers:
            why = f"{entries[first].where} names the track better"
            if file in chosen and words[number] == words[first]:
                why = f"the same words as {entries[first].where}"
            elif number in equals:
                why = f"{len(equals)} entries name this track, and differ"
            placed[number] = ("duplicate", why, file)
    return chosen


@functools.lru_cache(maxsize=10_000)
def _words(text: str) -> tuple[str, ...]:
    """What two forms of one text share: its words in alphabetical order, without case, accents and apostrophes."""
    return tuple(sorted(languages.plain(text).split()))


def _alike(texts: dict[str, str]) -> dict[str, list[str]]:
    """The other tracks that have the words of each track."""
    same: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for file, text in texts.items():
        same[_words(text)].append(file)
    return {file: [other for other in same[_words(text)] if other != file] for file, text in texts.items()}


def _also_of(others: list[str], named: int = 3) -> str:
    return f"also the text of {len(others)} other tracks: {', '.join(others[:named])}{', ...' * (len(others) > named)}"


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
    kind = entry.kind or lyrics_placeholders.words(entry.text).kind
    if kind:
        return lyrics_placeholders.KINDS[kind], kind, files[0]
    return "matched", 0 if near else 1 if named else 2, files[0]


def _within(path: str, end: str) -> bool:
    return f"/{path}".endswith(f"/{end}")


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
    """What became of the entries, a row per status and, where it has kinds, kind: status, kind, entries, what the
    status means, an example and its reason; only what occurs."""
    kinds = report["reason"].where(report["status"].isin(["matched", "instrumental", "empty"]), "")
    rows = []
    for status, meaning in STATUS.items():
        some = report[report["status"] == status]
        for kind, these in some.groupby(kinds[some.index], sort=False):
            one = these.iloc[0]
            reason = "" if kind else one["reason"]
            rows.append((status, kind, len(these), meaning, f"{one['where']}: {one['entry']}", reason))
    return pd.DataFrame(rows, columns=["status", "kind", "entries", "meaning", "first", "reason"])
