"""What was sampled: artists, albums or songs where a table names them, else recordings, copies together."""

from __future__ import annotations

import re

import pandas as pd

from lib.store import artifacts
from lib.store.runs import Run

RECORDING = "recording"
WORDS = {  # what a column is called, whole, with what may stand around it; the coarsest that a table has counts
    "artist": "artists?|singers?|speakers?|performers?|vocalists?|actors?|bands?|musicians?|composers?|subjects?|"
              "interpret(?:en)?|künstler|sänger|artistes?|chanteurs?|artistas?|cantantes?|intérpretes?",
    "album": "albums?|releases?|discs?|alben|disques?|discos?",
    "song": "songs?|titles?|works?|pieces?|compositions?|titel|lieder|chansons?|canciones|canción",
}
AROUND = (r"(?:(?:track|main|lead|song|album)[\W_]*)?", r"[\W_]*(?:names?|titles?|id|mbid|uri|no|number)?")


def named(columns: pd.DataFrame) -> str | None:
    """The column of a table [track, column] that names artists, else albums, else songs, some of which come back; None
    where there is none."""
    for words in WORDS.values():
        name = re.compile(f"{AROUND[0]}(?:{words}){AROUND[1]}", re.I)
        found = [one for one in columns if name.fullmatch(str(one).strip())]
        found = [one for one in found if 1 < columns[one].nunique() < columns[one].notna().sum()]
        if found:
            return str(min(found, key=lambda one: len(str(one))))
    return None


def units(run: Run, tracks: pd.Index) -> tuple[str, pd.Series]:
    """The column that names sampling units, or `RECORDING`, and each track's unit [track]: a track that the column does
    not name is its recording's, with all exact copies of it."""
    recordings = artifacts.load(run, "tracks")["group"].loc[tracks]
    columns = artifacts.load(run, "columns").loc[tracks] if artifacts.has(run, "columns") else pd.DataFrame()
    name = named(columns)
    if name is None:
        return RECORDING, recordings
    return name, columns[name].astype(object).where(columns[name].notna(), recordings).astype(str)
