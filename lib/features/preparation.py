"""From a corpus to the store: what notebook 01 does first, and all that the other notebooks read."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from lib.corpora import registry
from lib.corpora.items import Item, Sound
from lib.corpora.registry import Corpus
from lib.features import audio, extraction, sentence_embeddings
from lib.features.extraction import Clip
from lib.store import artifacts, labels, sharing, sizes
from lib.store.artifacts import OnDisk
from lib.store.errors import Problem, Unusable
from lib.store.runs import Run

OPTIONAL = {"factors", "lyrics", "columns", "lyrics_report", "labels_report"}  # tables that not every corpus has
MANY = 12  # whole numbers of more values than this are numbers, not names of groups
IDS = re.compile(r"(?i:(^|[\W_])ids?$)|[a-z]ID$")  # a column that is called so holds names, though they be numbers


class Track(NamedTuple):
    """One track of the run: its id, its item and its features."""

    track: str
    item: Item
    clip: Clip
    position: int  # in the corpus's list of items


def prepare(run: Run, progress: Callable[[str], None] | None = None) -> dict[str, Any]:
    """Fill the run's store from its corpus; what is known of the corpus is returned (`artifacts.load_corpus`).

    Stores, all sorted by track id: `labels` (sealed), `features` (`mfcc`, `mfcc_delta`, `log_mel`), and the tables
    `descriptors`, `tracks` (group, seconds), `sources` (name, spec), `skipped`, `noted`, `files`, `duplicates`;
    where the corpus has them also `factors`, `lyrics`, `lyrics_report`, `labels_report`, and `columns` (of a table of
    labels). Raises `Problem` when too few tracks are usable.
    """
    if run.settings.lyrics_embedder != "tfidf":
        sentence_embeddings.check(run.settings.lyrics_embedder.removeprefix("sentence:"))
    corpus = registry.open(run.settings)
    extracted = extraction.extract_all(corpus.items, run.settings, progress=progress)
    reused = len(set(extracted.paths.values())) - extracted.analysed
    sharing.note(run, "features", "computed", corpus.name, extracted.analysed)
    sharing.note(run, "features", "reused", corpus.name, max(0, reused))
    skipped = pd.concat([corpus.skipped, extracted.skipped], ignore_index=True)
    if not extracted.paths:
        raise Problem(
            f"none of the {len(corpus.items)} tracks of {corpus.title} can be used; "
            f"the first, {extracted.skipped['file'].iloc[0]}: {extracted.skipped['reason'].iloc[0]}"
        )
    found = [Track("", corpus.items[i], extraction.load_clip(path, log_mel=False), i)
             for i, path in extracted.paths.items()]
    tracks, duplicates = identify(found, run.settings.duplicates)
    registry.check_counts([track.item.label for track in tracks], run.settings, "usable ")
    ids = [track.track for track in tracks]
    artifacts.save_corpus(run, ids, _about(run, corpus, tracks, len(skipped), extracted.left_out))
    labels.seal(run, pd.Series([track.item.label for track in tracks], index=ids))
    features, log_mel = _features(tracks, extracted, corpus)
    artifacts.save(run, "features", features, large=log_mel)
    registry.forget(corpus)
    tables = _tables(tracks, corpus)
    for name in OPTIONAL - set(tables):  # of the run that was in this folder before
        artifacts.remove(run, name)
    for name, table in tables.items():
        artifacts.save(run, name, table)
    noted = [(corpus.items[track.position].name, track.clip.note) for track in tracks if track.clip.note]
    artifacts.save(run, "skipped", skipped)
    artifacts.save(run, "noted", pd.DataFrame(sorted(noted), columns=["file", "note"]))
    artifacts.save(run, "files", _accounts(corpus, extracted, len(tracks), len(noted), len(skipped)))
    artifacts.save(run, "duplicates", duplicates)
    return artifacts.load_corpus(run)


def _about(run: Run, corpus: Corpus, tracks: list[Track], n_skipped: int, left_out: int) -> dict[str, Any]:
    """What is known of a corpus beside its tracks."""
    sizes = Counter(track.item.label for track in tracks)
    return {
        "corpus": corpus.name,
        "title": corpus.title,
        "description": corpus.description + (f" {len(tracks)} of them were drawn at random." if left_out else ""),
        "synthetic": corpus.synthetic,
        "has_audio": corpus.has_audio,
        "has_lyrics": any(track.item.lyrics for track in tracks),
        "lyrics_encoding": "" if corpus.lyrics_report is None else corpus.lyrics_report.attrs["encoding"],
        "label": corpus.label,
        "n_labels": len(sizes),
        "n_labels_scored": sum(size >= labels.FEW for size in sizes.values()),
        "n_skipped": n_skipped,
        "n_found": len(corpus.items) + len(corpus.skipped),
        "n_files": corpus.n_files or len(corpus.items) + len(corpus.skipped),
        "from_files": corpus.n_files > 0,
        "without_audio": corpus.without,
        "duplicates": run.settings.duplicates,
    }


def _accounts(corpus: Corpus, extracted: extraction.Extracted, used: int, noted: int, listed: int) -> pd.DataFrame:
    """What became of every file, which no file is counted for twice: group, what, files; only what occurs."""
    rows = [
        ("used", "as they are", used - noted), ("used", "with a note", noted), ("listed", "with a reason", listed),
        ("left out", "copies, by the setting duplicates", len(extracted.paths) - used),
        ("left out", "not drawn, by the setting max_tracks", extracted.left_out),
        *(("ignored", kind, n) for kind, n in corpus.ignored.items()),
    ]
    return pd.DataFrame([row for row in rows if row[2]], columns=["group", "what", "files"])


def identify(found: list[Track], duplicates: str) -> tuple[list[Track], pd.DataFrame]:
    """Give every track its id, sorted by it, and list the exact duplicates: group, track, n, labels_agree, file.

    The id is a hash of what was analysed. Copies share it, so with `duplicates="keep"` the second gets "-2" and so on,
    in an order given by a hash of content and file name, not by folder or order; with "drop" one copy of each group
    remains, and none where the copies disagree on the label.
    """
    groups: dict[str, list[Track]] = {}
    for track in found:
        groups.setdefault(track.clip.content, []).append(track)
    kept, rows = [], []
    for content, copies in sorted(groups.items()):
        copies = sorted(copies, key=_copy_order)
        agree = len({track.item.label for track in copies}) == 1
        named = [t._replace(track=content if i == 1 else f"{content}-{i}") for i, t in enumerate(copies, 1)]
        if len(copies) > 1:
            rows += [(content, track.track, len(copies), agree, track.item.name) for track in named]
        if duplicates == "keep":
            kept += named
        elif agree:
            kept.append(named[0])
    kept.sort(key=lambda track: track.track)
    return kept, pd.DataFrame(rows, columns=["group", "track", "n", "labels_agree", "file"])


def _copy_order(track: Track) -> tuple[str, str]:
    file = track.item.name.rsplit("/", 1)[-1]  # without the folder, which may tell the label
    return hashlib.sha256(f"{track.clip.content} {file}".encode()).hexdigest(), track.item.name


def _features(tracks: list[Track], extracted: extraction.Extracted, corpus: Corpus) -> tuple[xr.Dataset, OnDisk]:
    """`mfcc [track, mfcc_stat]` and `mfcc_delta [track, mfcc_delta_stat]`; `log_mel [track, band, frame]` in dB.

    All tracks have as many frames of `log_mel` as the longest: a shorter one is repeated.
    """
    paths = [extracted.paths[track.position] for track in tracks]
    bands, frames = extraction.load_log_mel(paths[0]).shape
    if not corpus.has_audio:  # audio was brought to one length when it was analysed
        frames = max(int(track.clip.seconds * track.clip.frames_per_second + 1e-6) for track in tracks)

    def row(path: Path) -> np.ndarray:
        one = extraction.load_log_mel(path)
        return one if one.shape[1] == frames else one[:, np.arange(frames) % one.shape[1]]

    rows = (np.stack([row(path) for path in paths[start : start + sizes.BLOCK]])
            for start in range(0, len(paths), sizes.BLOCK))
    # Stays int16 on disk; xarray scales it when it is read
    scale = {"scale_factor": np.float32(0.01), "units": "dB"}
    log_mel = OnDisk("log_mel", ("track", "band", "frame"), np.dtype(np.int16), scale, rows)
    sample_rate = tracks[0].item.spec.get("sample_rate", audio.SAMPLE_RATE)
    return xr.Dataset(
        {
            "mfcc": (("track", "mfcc_stat"), np.stack([track.clip.mfcc for track in tracks])),
            "mfcc_delta": (("track", "mfcc_delta_stat"), np.stack([track.clip.mfcc_delta for track in tracks])),
        },
        coords={
            "track": [track.track for track in tracks],
            "mfcc_stat": audio.MFCC_STATS,
            "mfcc_delta_stat": audio.MFCC_DELTA_STATS,
            "band": ("band", audio.band_frequencies(corpus.has_audio, sample_rate), {"units": "Hz"}),
            "frame": ("frame", np.arange(frames) / tracks[0].clip.frames_per_second, {"units": "s"}),
        },
    ), log_mel


def _tables(tracks: list[Track], corpus: Corpus) -> dict[str, pd.DataFrame]:
    """The tables of a corpus, each indexed by track id."""
    index = pd.Index([track.track for track in tracks], name="track")
    tables = {
        "descriptors": pd.DataFrame([track.clip.descriptors for track in tracks], index=index),
        "tracks": pd.DataFrame(
            {"group": [t.clip.content for t in tracks], "seconds": [round(t.clip.seconds, 3) for t in tracks]},
            index=index,
        ),
        "sources": pd.DataFrame(
            {"name": [t.item.name for t in tracks], "spec": [json.dumps(t.item.spec) for t in tracks]}, index=index
        ),
    }
    if any(track.item.factors for track in tracks):
        tables["factors"] = pd.DataFrame([track.item.factors for track in tracks], index=index)
    if any(track.item.lyrics for track in tracks):
        tables["lyrics"] = pd.DataFrame({"text": [track.item.lyrics for track in tracks]}, index=index)
    columns = _typed(pd.DataFrame([track.item.columns for track in tracks], index=index))
    if columns.shape[1]:
        tables["columns"] = columns
    for name, report in (("lyrics_report", corpus.lyrics_report), ("labels_report", corpus.labels_report)):
        if report is not None:
            tables[name] = report
    return tables


def _typed(columns: pd.DataFrame) -> pd.DataFrame:
    """Columns of text [track, column]: as numbers where all that is filled in is a number with fraction or of many
    values, "" as missing. Codes of few values ("01", a fold) and ids stay text: they name groups. A column in which
    nothing is filled in is left out."""
    columns = columns.where(columns != "").dropna(axis=1, how="all")
    for name, column in columns.items():
        number = pd.to_numeric(column, errors="coerce").where(lambda value: np.isfinite(value))
        codes = IDS.search(str(name)) or column.nunique() <= MANY or column.dropna().str.match("0[0-9]").any()
        if number.notna().equals(column.notna()) and not (codes and (number.dropna() % 1 == 0).all()):
            columns[name] = number
    return columns


def known(run: Run) -> pd.DataFrame | None:
    """All that is known of the tracks but their labels [track, name]: planted factors, columns of the table of labels,
    and descriptors; None where that is nothing. A column whose name is taken becomes "tempo (table)"."""
    parts = {name: artifacts.load(run, name) for name in ("factors", "columns", "descriptors")
             if artifacts.has(run, name)}
    if "columns" in parts:
        taken = {"label", "cluster"}.union(*(table for name, table in parts.items() if name != "columns"))
        parts["columns"] = parts["columns"].rename(columns={name: f"{name} (table)" for name in taken})
    return pd.concat(parts.values(), axis=1) if parts else None


def listen(run: Run, track: str) -> Sound | None:
    """The analysed part of a track, to listen to; None where the corpus has no audio.

    For playing only: where a track came from may tell its label, so no feature is made from this.
    """
    spec = json.loads(artifacts.load(run, "sources").loc[track, "spec"])
    try:
        sound = registry.read(spec)
    except Unusable as reason:
        raise Problem(f"track {track} can no longer be read ({reason}): was its file moved?") from reason
    return sound if isinstance(sound, Sound) else None


def stored_items(run: Run, labels_of: pd.Series) -> list[Item]:
    """The run's tracks as items again, for the leakage audit: spec {"track": id}, name "<label>/<id>", label, lyrics.

    `labels_of` [track] must be open for a supervised control: the builders that are audited may read them.
    """
    labels.must_be_open(labels_of, "supervised_control")
    words = artifacts.load(run, "lyrics")["text"].fillna("") if artifacts.has(run, "lyrics") else {}
    return [
        Item(f"{label}/{track}", {"track": track}, label, lyrics=words.get(track, ""))
        for track, label in labels_of.items()
    ]
