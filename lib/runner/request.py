"""What the user asks for, checked before anything starts."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib.store import array_folder, runs
from lib.store.errors import Problem
from lib.store.labels import read_array
from lib.store.settings import Settings, load, table_and_column

NEEDS_SOURCE = {
    "folder": "a folder with one sub-folder of audio files per label",
    "gtzan_logmel": "the .npz file of log-mel spectrograms",
    "log_mel": "an .npz of log-mel spectrograms [track, bands, frames], or a folder of .npy, one per track",
    "latents": "a folder of arrays, one row per track, with their labels (y.npy, say)",
}


@dataclass(frozen=True)
class Request:
    """What to run on: the notebooks' seven parameters, with absolute paths. `check` makes one."""

    profile: str
    corpus: str
    source: str
    lyrics: str
    labels: str
    out: str
    settings: dict[str, Any]

    def checked(self) -> Settings:
        """The run's settings. Raises `Problem` when something is wrong with them."""
        return load(self.profile, self.corpus, self.source, self.lyrics, self.labels, self.settings)

    @property
    def folder(self) -> Path:
        return Path(self.out)


def check(
    profile: str = "default",
    corpus: str = "controlled",
    source: str = "",
    lyrics: str = "",
    labels: str = "",
    out: str = "",
    settings: dict[str, Any] | None = None,
) -> Request:
    """Check what the user asked for, make relative paths absolute, and choose the run's folder.

    Raises `Problem` for an unknown profile, corpus or setting, or a file or folder that is needed and not there.
    """
    settings = settings or {}
    for name in ("profile", "corpus", "source", "lyrics", "labels"):
        if name in settings:
            raise Problem(f"--set {name}=...: say --{name} {settings[name]} instead")
    source, lyrics, out = (_absolute(path) if path else "" for path in (source, lyrics, out))
    table, column = table_and_column(labels)
    if table and table != "tags":
        table = _absolute(table)
        labels = table + f":{column}" * bool(column)
    found = load(profile, corpus, source, lyrics, labels, settings)
    if corpus == "controlled" and (source or lyrics or labels):
        raise Problem("the controlled corpus is composed by the program and reads no files: "
                      "add --corpus folder (or gtzan, gtzan_logmel, log_mel, latents) to use your own")
    if corpus in NEEDS_SOURCE and not source:
        raise Problem(f"the corpus '{corpus}' needs --source PATH: {NEEDS_SOURCE[corpus]}")
    for option, path in (("--source", source), ("--lyrics", lyrics), ("--labels", table if table != "tags" else "")):
        if path and not os.path.exists(path):
            raise Problem(f"{option}: there is nothing at {path}; check the path")
    if corpus == "latents":
        read_array(array_folder.read(Path(source)))
    out = out or str(runs.default_folder(found))
    if source and Path(os.path.realpath(out)).is_relative_to(os.path.realpath(source)):
        raise Problem(f"the run's folder {out} lies inside --source {source}, and what a run writes would be taken for "
                      "its input: choose a folder elsewhere with --out")
    _check_cache()
    return Request(profile, corpus, source, lyrics, labels, out, settings)


def _absolute(path: str) -> str:
    """The whole path, relative to where the command was given; `~nobody` stays as it is."""
    return str(Path(os.path.expanduser(path)).absolute())


def _check_cache() -> None:
    """Raises `Problem` unless results that all runs share can be kept."""
    folder = runs.cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise Problem(f"cannot keep anything in {folder}: {error.strerror or error}; the environment variable "
                      "LATENT_GENRE_CACHE can name another folder") from error
