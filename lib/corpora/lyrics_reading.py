"""Lyrics files as entries: tables, and folders of text files, from anywhere."""

from __future__ import annotations

import csv
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from lib.corpora import lyrics_dialects, lyrics_encodings, lyrics_placeholders
from lib.corpora.folder import readable
from lib.corpora.lyrics_tables import MAX_BYTES, MAX_ENTRIES, MAX_NAME, Entry, entries
from lib.store.errors import Problem

MAX_CHARACTERS = 100_000  # of one text; the rest of a longer one is cut
TEXT_SUFFIXES = (".txt", ".lrc", ".srt", ".vtt", ".sbv", ".ass", ".ssa", ".ttml", ".smi", ".krc", ".qrc", ".yrc")


def read(path: Path) -> pd.DataFrame:
    """The entries of a lyrics file or folder, a row per `Entry`.

    A table (`lyrics_tables`) with a header: CSV, JSON, JSON lines, Excel, parquet; or a folder of text files, plain or
    timed (`TEXT_SUFFIXES`), named like their tracks. Texts are what is sung (`lyrics_dialects.sung`).
    `attrs["encoding"]` names the table's encoding, or counts those of the files. Raises `Problem` when it is none of
    these, or no entry can be used.
    """
    path = path.expanduser()
    try:
        kind = path.stat()
        if stat.S_ISDIR(kind.st_mode):
            found = list(_folder(path))
            encoding = _counted([entry.encoding for entry in found if entry.encoding])
        elif not stat.S_ISREG(kind.st_mode):
            raise Problem(f"{path} is neither a file nor a folder: --lyrics must be one with the tracks' lyrics")
        elif kind.st_size > MAX_BYTES:
            raise Problem(f"the lyrics file {path} is larger than {MAX_BYTES // 10**6} MB: is it the right file?")
        else:
            found, encoding = entries(path)
    except FileNotFoundError as error:
        raise Problem(f"there is no lyrics file {path}: check --lyrics") from error
    except OSError as error:
        raise Problem(f"cannot read the lyrics file {path}: {error.strerror or error}") from error
    except (ValueError, RecursionError, csv.Error) as error:
        raise Problem(f"the lyrics file {path} cannot be understood: {error}") from error
    if all(entry.fault for entry in found):
        why = f" ({found[0].where} {found[0].fault})" if found else ""
        raise Problem(f"none of the {len(found)} entries of {path} can be used{why}")
    table = pd.DataFrame([_clean(entry) for entry in found], columns=Entry._fields, dtype=object)
    table.attrs["encoding"] = encoding
    return table


def _clean(entry: Entry) -> Entry:
    """What is sung, and names that can be written anywhere: no control characters or lone surrogates, one line end."""
    text, *names = (_plain(getattr(entry, name)) for name in ("text", "track_id", "artist", "title"))
    track_id, artist, title = (" ".join(name[:MAX_NAME].split()) for name in names)
    found = lyrics_placeholders.words(text[: 4 * MAX_CHARACTERS])
    return entry._replace(text=found.text[:MAX_CHARACTERS], kind=found.kind, added=found.added, track_id=track_id,
                          artist=artist, title=title)


def _plain(text: str) -> str:
    return _CONTROL.sub("", _LINE_END.sub("\n", text.encode("utf-8", "replace").decode()))


_LINE_END = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f\ufeff]")


def _counted(encodings: list[str]) -> str:
    """Encodings with their numbers of files, commonest first."""
    counts = pd.Series(encodings, dtype=object).value_counts()
    return ", ".join(f"{name} ({n})" if len(counts) > 1 else name for name, n in counts.items())


def _folder(root: Path) -> Iterator[Entry]:
    """The text files of a folder and the folders in it; an id is the path without its suffix."""
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
            f"there are no text files ({', '.join(TEXT_SUFFIXES)}) in {root}: --lyrics must be a table, or a folder of "
            "text files named like the tracks"
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
        text, encoding = lyrics_encodings.decode(content)
    except OSError as error:
        return Entry(name, track, fault=f"cannot be read: {error.strerror}")
    except ValueError as error:
        return Entry(name, track, fault=f"cannot be understood: {error}")
    return Entry(name, track, *lyrics_dialects.names(text), text, encoding=encoding)
