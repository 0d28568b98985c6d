"""A corpus, and the same recordings filed otherwise: under other labels, names, dates and places in every list.

A corpus is a folder (`<label>/<name>.<audio>`, `<name>.txt` beside it where there is text, tables about the tracks at
the top) or a list of items (`lib.corpora.items.Item`). A slot is where a recording lies: a label with a name, a date
and a place. The leakage audit deals recordings to slots; what belongs to a recording follows it, all else stays.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from lib.corpora.items import Item
from lib.store.errors import Problem

Corpus = Path | Sequence[Item]
TEXTS = (".txt", ".lrc")


class Filing(NamedTuple):
    """How recordings are filed: the recording `order[i]` lies in slot i. A slot is a label with a name, a date, a place
    in every list. `texts` and `fields` say whose text, and whose entry of a table's column, each recording is given."""

    order: np.ndarray
    texts: np.ndarray | None = None
    fields: Mapping[str, np.ndarray] = {}
    swap_words: bool = False  # a label's name in a text becomes the new label's name


class Recording(NamedTuple):
    """One track of a folder, and the slot that it lies in."""

    track: str  # id: "t" and 16 hex digits of the SHA-256 of the audio file
    label: str
    stem: str
    files: dict[str, Path]  # by suffix
    text: str


def recordings(folder: Path) -> list[Recording]:
    """The tracks of a folder, slot by slot in the order in which they were filed (date, then path).

    Raises `Problem` when there are none.
    """
    files = [path for path in sorted(Path(folder).glob("*/*")) if path.is_file() and not path.name.startswith(".")]
    found = _recordings(tuple(files), tuple((path.stat().st_mtime_ns, path.stat().st_size) for path in files))
    if not found:
        raise Problem(f"no tracks in {folder}: expected <label>/<name>.<audio>, with <name>.txt where there is text")
    return list(found)


@functools.lru_cache(maxsize=2)  # an audit asks for the same folder many times
def _recordings(paths: tuple[Path, ...], state: tuple[tuple[int, int], ...]) -> tuple[Recording, ...]:
    """`recordings` of these files; `state` (time of change and size of each) tells when they have changed."""
    groups: dict[tuple[str, str], dict[str, Path]] = {}
    for path in paths:
        groups.setdefault((path.parent.name, path.stem), {})[path.suffix.lower()] = path
    found = []
    for (label, stem), files in groups.items():
        main = next((path for suffix, path in files.items() if suffix not in TEXTS), None)
        if main is None:
            continue
        words = next((files[suffix] for suffix in TEXTS if suffix in files), None)
        text = words.read_text(encoding="utf-8", errors="replace") if words else ""
        track = "t" + hashlib.sha256(main.read_bytes()).hexdigest()[:16]
        found.append((main.stat().st_mtime_ns, Recording(track, label, stem, files, text)))
    found.sort(key=lambda pair: (pair[0], pair[1].label, pair[1].stem))
    return tuple(recording for _, recording in found)


def slots(corpus: Corpus) -> pd.DataFrame:
    """Columns track, label, text: what lies in each slot, in the order of slots."""
    if isinstance(corpus, (str, Path)):
        rows = [(r.track, r.label, r.text) for r in recordings(corpus)]
    else:
        rows = [(str(item.spec.get("track", item.spec)), item.label, item.lyrics) for item in corpus]
    return pd.DataFrame(rows, columns=["track", "label", "text"])


def labels_of(corpus: Corpus) -> pd.Series:
    """The label of each recording [track], the first where it is there more than once."""
    where = slots(corpus).drop_duplicates("track")
    return pd.Series(where["label"].to_numpy(), where["track"])


@contextmanager
def refiled(corpus: Corpus, filing: Filing) -> Iterator[Corpus]:
    """The same recordings filed otherwise: a folder in a temporary place, or a list of items."""
    if not isinstance(corpus, (str, Path)):
        yield _refile_items(corpus, filing)
        return
    with tempfile.TemporaryDirectory(prefix="refiled-") as name:
        _refile_folder(Path(corpus), Path(name), filing)
        yield Path(name)


def _refile_items(items: Sequence[Item], filing: Filing) -> list[Item]:
    out = []
    for slot, moved in zip(items, filing.order, strict=True):
        item = items[moved]
        text = (item if filing.texts is None else items[filing.texts[moved]]).lyrics
        text = swap_words(text, item.label, slot.label) if filing.swap_words else text
        out.append(item._replace(name=slot.name, label=slot.label, lyrics=text))
    return out


def _refile_folder(source: Path, target: Path, filing: Filing) -> None:
    tracks = recordings(source)
    for label in {slot.label for slot in tracks}:
        (target / label).mkdir()
    for slot, moved in zip(tracks, filing.order, strict=True):
        giver = tracks[moved]
        words = giver if filing.texts is None else tracks[filing.texts[moved]]
        place = os.path.join(target, slot.label, slot.stem)
        date = os.stat(next(path for suffix, path in slot.files.items() if suffix not in TEXTS))
        dates = (date.st_atime_ns, date.st_mtime_ns)
        for suffix, path in giver.files.items():
            if suffix not in TEXTS:
                shutil.copyfile(path, place + path.suffix)
                os.utime(place + path.suffix, ns=dates)
        for suffix in TEXTS:
            if suffix in words.files:
                text = swap_words(words.text, giver.label, slot.label) if filing.swap_words else words.text
                with open(place + words.files[suffix].suffix, "w", encoding="utf-8") as file:
                    file.write(text)
                os.utime(file.name, ns=dates)
    for path in sorted(path for path in source.iterdir() if path.is_file()):
        table = keyed_table(path, tracks)
        if table is None:
            shutil.copy2(path, target / path.name)
        else:
            _refile_table(table, tracks, filing, path.name).to_csv(target / path.name, index=False)


class Keyed(NamedTuple):
    """A table about the tracks: its text, the slot of each row, columns that name the slot and those that do not."""

    table: pd.DataFrame
    slot: np.ndarray  # [row]
    filed: list[str]  # columns that go with the slot: stem, path
    fields: list[str]  # columns that go with the recording: artist, title, year, tag


def keyed_table(path: Path, tracks: list[Recording]) -> Keyed | None:
    """A CSV file whose rows can be told to belong to tracks, by file stem or by track id; None for any other file."""
    if path.suffix.lower() != ".csv":
        return None
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (ValueError, OSError):
        return None
    for names in ([r.stem for r in tracks], [r.track for r in tracks]):
        place = {name: i for i, name in enumerate(names)}
        for key in table.columns:
            rows = table[key].map(place)
            if len(place) == len(tracks) and len(table) and rows.notna().all() and rows.is_unique:
                stems = [tracks[int(i)].stem for i in rows]
                filed = [c for c in table.columns if all(s in v for s, v in zip(stems, table[c], strict=True))]
                fields = [c for c in table.columns if c not in filed]
                return Keyed(table, rows.to_numpy(int), filed, [c for c in fields if c != key])
    return None


def _refile_table(keyed: Keyed, tracks: list[Recording], filing: Filing, name: str) -> pd.DataFrame:
    """Rows stay in the slots' order; what goes with a recording follows it."""
    row_of = np.full(len(tracks), -1)
    row_of[keyed.slot] = np.arange(len(keyed.table))
    out = keyed.table.copy()
    for column in keyed.table.columns:
        if column in keyed.filed:
            continue
        values = np.append(keyed.table[column].to_numpy(object), "")
        moved = filing.order[keyed.slot]
        permuted = filing.fields.get(f"{name}:{column}")
        out[column] = values[row_of[moved if permuted is None else permuted[moved]]]
    return out


def swap_words(text: str, old: str, new: str) -> str:
    """A text with two labels' names exchanged, whole words in any case, however joined (hip-hop, hip hop)."""
    if old == new or not text:
        return text
    both = re.compile(f"(?P<old>{word_pattern(old)})|(?P<new>{word_pattern(new)})", re.IGNORECASE)
    return both.sub(lambda match: new if match["old"] else old, text)


def word_pattern(label: str) -> str:
    parts = [re.escape(part) for part in re.findall(r"[^\W_]+", label)] or [re.escape(label)]
    return r"(?<![^\W_])" + r"[\W_]*".join(parts) + r"(?![^\W_])"
