"""Where the tracks come from: each corpus lists its items, and reads one of them when asked."""

from __future__ import annotations

import functools
import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from lib.corpora import array_rows, decoding, folder, gtzan, log_mels
from lib.corpora.items import Item, LogMel, Sound
from lib.store.errors import Problem
from lib.store.series import FILES
from lib.store.settings import Settings

MIN_TRACKS = 20  # with fewer, held-out tracks and ten latent dimensions make no sense


class Corpus(NamedTuple):
    """A corpus before anything was decoded."""

    name: str
    title: str
    description: str  # one sentence
    synthetic: bool
    has_audio: bool
    items: list[Item]
    skipped: pd.DataFrame  # file, reason
    n_files: int = 0  # found where it was looked for: items, skipped, and ignored
    ignored: dict[str, int] = {}  # what files plainly are that are no audio -> how many
    without: list[str] = []  # label folders without audio
    label: str = "genre"  # what the labels are called
    assumed: str = ""  # what was taken for granted of its files, a sentence
    labels_report: pd.DataFrame | None = None  # what became of each row of a table of labels, and of each file
    lyrics_report: pd.DataFrame | None = None  # what became of each entry of a lyrics file, where one was given


def open(settings: Settings) -> Corpus:
    """List the tracks of the corpus that the settings name.

    Raises `Problem` when there is nothing to analyse: a wrong path, no audio, a single label, fewer tracks than
    clusters, or a lyrics file that matches no track.
    """
    if settings.corpus not in _OPENERS:
        notebook = f"notebooks/{FILES['audit_your_run']}.ipynb"
        raise Problem(f"the corpus '{settings.corpus}' holds no music: it is for {notebook}")
    corpus = _OPENERS[settings.corpus](settings)
    if settings.faults == "drop":
        corpus = _without_faults(corpus)
    if settings.labels:
        corpus = _labelled(corpus, settings.labels)
    if settings.lyrics:
        from lib.corpora import lyrics_matching, lyrics_reading

        texts, report = lyrics_matching.match(corpus.items, lyrics_reading.read(Path(settings.lyrics)))
        items = [item._replace(lyrics=texts.get(item.name, "")) for item in corpus.items]
        corpus = corpus._replace(items=items, lyrics_report=report)
    check_counts([item.label for item in corpus.items], settings, "")
    return corpus


def _without_faults(corpus: Corpus) -> Corpus:
    """GTZAN without its known faults, which are listed."""
    items, faults = gtzan.without_faults(corpus.items)
    about = f"{corpus.description} {len(faults)} tracks with known faults are left out, by published lists."
    return corpus._replace(title=f"{corpus.title}, filtered", description=about.replace(_counts(corpus.items),
                           _counts(items)), items=items,
                           skipped=pd.concat([corpus.skipped, _table(faults)], ignore_index=True))


def _labelled(corpus: Corpus, labels: str) -> Corpus:
    """The corpus with the labels of a table or of tags; tracks without one are listed."""
    from lib.corpora import label_matching

    found = label_matching.label(corpus.items, labels)
    missing = found.report.loc[found.report["status"] == "unlabelled", ["file", "reason"]]
    about = f"{_counts(found.items)}, {found.name} by {'tags' if labels.startswith('tags') else 'a table'}."
    about = f"{about} {corpus.assumed}".strip()
    return corpus._replace(items=found.items, label=found.name, labels_report=found.report, description=about,
                           skipped=pd.concat([corpus.skipped, missing], ignore_index=True))


def check_counts(labels: list[str], settings: Settings, usable: str) -> None:
    """Raise `Problem` when these tracks cannot be clustered and compared with their labels."""
    kinds = sorted(set(labels))
    where = settings.source or settings.corpus
    if len(kinds) < 2:
        only = f" ('{kinds[0]}')" if kinds else ""
        raise Problem(f"all {len(labels)} {usable}tracks of {where} have the same label{only}: at least two are needed")
    if len(labels) < MIN_TRACKS:
        raise Problem(f"{where} has {len(labels)} {usable}tracks: at least {MIN_TRACKS} are needed")
    k = settings.n_clusters or len(kinds)
    if len(labels) <= k:
        raise Problem(
            f"{where} has {len(labels)} {usable}tracks, too few for {k} clusters: add tracks, or set n_clusters lower"
        )


def read(spec: dict[str, Any]) -> Sound | LogMel:
    """Decode, render or look up one track. Raises `Unusable` with the reason when it cannot be had."""
    if spec["kind"] == "file":
        return decoding.read(spec["path"], spec["max_seconds"])
    if spec["kind"] == "log_mel":
        return log_mels.read(spec)
    if spec["kind"] == "controlled":
        from lib.corpora.synthetic import sound

        return sound.render(spec)
    raise ValueError(f"unknown kind of track: {spec['kind']!r}")


def fingerprint(spec: dict[str, Any]) -> str:
    """A key of what `read` will return, cheaper than reading: what is computed from it can be stored under this key."""
    if spec["kind"] == "file":
        return decoding.fingerprint(spec["path"])
    if spec["kind"] == "log_mel":
        return log_mels.fingerprint(spec)
    text = json.dumps(spec, sort_keys=True) + _generator()
    return hashlib.sha256(text.encode()).hexdigest()


def forget(corpus: Corpus) -> None:
    """Remove what was unpacked of a corpus to read its tracks, once all of them are read."""
    for path in {item.spec["path"] for item in corpus.items if item.spec["kind"] == "log_mel"}:
        array_rows.forget(path)


@functools.cache
def _generator() -> str:
    """Hash of the synthetic corpus's source: a changed generator makes other tracks from the same specification."""
    sources = sorted((Path(__file__).parent / "synthetic").glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()


def _open_controlled(settings: Settings) -> Corpus:
    from lib.corpora.synthetic import composition

    if settings.lyrics:
        raise Problem("the controlled corpus writes its own lyrics: leave out --lyrics, or choose --corpus folder")
    if settings.labels:
        raise Problem("the controlled corpus knows its genres: leave out --labels, or choose --corpus folder")
    items = composition.items(settings)
    genres = len({item.label for item in items})
    about = (
        f"{len(items)} synthetic tracks of {settings.seconds:g} s in {genres} genres, composed by rules and rendered "
        "with sampled instruments; all generating factors are known."
    )
    return Corpus("controlled", "Controlled corpus (synthetic)", about, True, True, items, _table([]))


def _open_folder(settings: Settings) -> Corpus:
    if not settings.source:
        raise Problem("--corpus folder needs --source: a folder that holds one folder of audio files per label")
    root = Path(settings.source)
    found = folder.find(root, settings.max_seconds, label_folders=not settings.labels)
    title = folder.readable(root.parent.name if root.name == "audio" else root.name)
    about = f"{_counts(found.items)} from audio files."
    return _of_files("folder", title, about, found)


def _open_gtzan(settings: Settings) -> Corpus:
    root = Path(settings.source) if settings.source else gtzan.local_folder()
    found = folder.find(root, settings.max_seconds, label_folders=not settings.labels)
    if others := sorted({item.label for item in found.items} - gtzan.GENRES - {""}):
        raise Problem(f"{root} is not GTZAN: it has a folder '{others[0]}'; use --corpus folder for your own music")
    about = f"{_counts(found.items)}: the GTZAN genre collection (Tzanetakis and Cook 2002)."
    return _of_files("gtzan", "GTZAN", about, found)


def _of_files(name: str, title: str, about: str, found: folder.Found) -> Corpus:
    return Corpus(name, title, about, False, True, found.items, _table(found.listed), found.n, found.ignored,
                  found.without)


def _open_gtzan_logmel(settings: Settings) -> Corpus:
    if not settings.source:
        raise Problem("--corpus gtzan_logmel needs --source: the .npz file with logmel_db, file_stem and genre")
    items = log_mels.find_gtzan(settings.source)
    about = (
        f"{_counts(items)}: GTZAN as log-mel spectrograms recovered from published images, 30 s point-sampled to "
        f"{log_mels.GTZAN_SHAPE[1]} frames; there is no audio."
    )
    return Corpus("gtzan_logmel", "GTZAN (log-mel)", about, False, False, items, _table([]))


def _open_log_mel(settings: Settings) -> Corpus:
    if not settings.source:
        raise Problem(f"--corpus log_mel needs --source: {log_mels.NEEDED}")
    items, skipped, assumed = log_mels.find(settings)
    source = Path(settings.source)
    if not settings.labels:
        skipped += [(item.name, "has no label: it lies in no folder of a label") for item in items if not item.label]
        items = [item for item in items if item.label]
        if not items:
            raise Problem(f"{source} holds no labels of its spectrograms: name a table with --labels TABLE:COLUMN, or "
                          f"--source must be {log_mels.NEEDED}")
    about = f"They are log-mel spectrograms ({assumed}); there is no audio."
    title = folder.readable(source.name if source.is_dir() else source.stem)
    return Corpus("log_mel", title, f"{_counts(items)}. {about}", False, False, items, _table(skipped), assumed=about)


_OPENERS = {
    "controlled": _open_controlled, "folder": _open_folder, "gtzan": _open_gtzan, "gtzan_logmel": _open_gtzan_logmel,
    "log_mel": _open_log_mel,
}


def _counts(items: list[Item]) -> str:
    return f"{len(items)} tracks with {len({item.label for item in items})} labels"


def _table(skipped: list[tuple[str, str]]) -> pd.DataFrame:
    return pd.DataFrame(skipped, columns=["file", "reason"])
