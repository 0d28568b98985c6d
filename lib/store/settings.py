"""Every setting of a run: typed, checked, and read from a profile.

A run is described by seven parameters (`profile`, `corpus`, `source`, `lyrics`, `labels`, `out`, `settings`): the first
six are what people change often, `settings` overrides anything else below.
"""

from __future__ import annotations

import hashlib
import json
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, ValidationError

from lib.store.errors import Problem
from lib.store.series import NOTEBOOKS

PROFILES = NOTEBOOKS / "profiles"
GTZAN = ("gtzan", "gtzan_logmel")  # corpora of its tracks


class Settings(BaseModel):
    """All settings of a run. Unknown names and values out of range are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, validate_default=True)

    # What is studied
    profile: str = "default"
    corpus: Literal["controlled", "folder", "gtzan", "gtzan_logmel", "log_mel", "latents"] = "controlled"
    source: str = Field("", description="folder or file of a real corpus")
    lyrics: str = Field("", description="lyrics of a real corpus: a table, or a folder of text files (.txt, .lrc ...)")
    labels: str = Field("", description="labels of a real corpus: TABLE:COLUMN or tags:genre; empty: names of folders")
    duplicates: Literal["keep", "drop"] = Field("keep", description="exact copies: keep all, or one of each")
    faults: Literal["keep", "drop"] = Field("keep", description="GTZAN's known faults: keep them, or leave them out")
    max_tracks: int = Field(0, ge=0, description="real corpora: analyse a random subset of this size; 0 for all")
    min_seconds: float = Field(3.0, gt=0, description="shorter clips are skipped, seconds")
    max_seconds: float = Field(30.0, gt=1, description="of longer clips the middle is analysed, seconds")

    # Spectrograms of --corpus log_mel, where their file does not say
    log_mel_unit: Literal["dB", "power", "ln"] = Field("dB", description="what their values are")
    log_mel_sample_rate: float = Field(0, ge=0, description="Hz of the audio they came from; 0: 22,050")
    log_mel_frame_rate: float = Field(0, ge=0, description="frames per second; 0: the sample rate over 512")

    # The controlled (synthetic) corpus
    n_tracks: int = Field(1000, ge=20, le=1_000_000, description="tracks to compose")
    seconds: float = Field(30.0, gt=1, description="length of a composed track, seconds")
    lyrics_information: float = Field(0.8, ge=0, le=2.3, description="I(lyrics topic; genre) to aim for, nats")

    # Seeds
    seed: int = Field(0, ge=0, le=2**31, description="first seed; everything random follows from it")
    n_seeds: int = Field(10, ge=2, description="training seeds of headline settings")
    n_seeds_sweep: int = Field(5, ge=2, description="training seeds of each point of a sweep")
    n_seeds_conv: int = Field(3, ge=2, description="training seeds of the convolutional model")
    n_seeds_best: int = Field(3, ge=2, description="seeds of the contrastive VAE of notebook 11, several networks each")
    n_seeds_corrections: int = Field(3, ge=2, description="training seeds of each way of removing a nuisance")
    n_cluster_seeds: int = Field(3, ge=1, description="clustering seeds nested in each training seed")

    # Models (the earlier study's sizes: 40-128-64-10)
    hidden: tuple[PositiveInt, ...] = Field((128, 64), description="widths of the encoder's hidden layers")
    latent_dim: int = Field(10, ge=1)
    label_dim: int = Field(8, ge=1, description="size of the CVAE's label embedding")
    beta: float = Field(4.0, gt=1, description="the beta of the beta-VAE and of the CVAE, compared with 1")
    betas: tuple[PositiveFloat, ...] = Field((0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0), min_length=1,
                                             description="beta sweep")

    # Training
    epochs: int = Field(100, ge=1)
    conv_epochs: int = Field(12, ge=1)
    batch_size: int = Field(32, ge=2)
    learning_rate: float = Field(1e-3, gt=0)
    patience: int = Field(15, ge=1, description="epochs without a better held-out loss before a run stops")
    held_out: float = Field(0.15, gt=0, lt=0.9, description="share of tracks that no model is fitted on")

    # Clustering and scores
    n_clusters: int = Field(0, ge=0, description="0: as many as there are labels")
    n_nulls: int = Field(20, ge=3, description="draws of each silhouette null")
    n_permutations: int = Field(200, ge=19, description="label permutations of a probe's or table's null")
    lyrics_dim: int = Field(32, ge=2, description="dimensions of the lyrics embedding")
    lyrics_embedder: str = Field("tfidf", pattern=r"^(tfidf|sentence:.+)$",
                                 description="tfidf, or sentence:MODEL, a folder or an installed package")

    def seeds(self, n: int) -> list[int]:
        """The first `n` training seeds of this run."""
        return [self.seed + i for i in range(n)]

    def key(self) -> str:
        """Short hash of every setting."""
        return digest({name: getattr(self, name) for name in Settings.model_fields})

    def corpus_key(self) -> str:
        """Short hash of the settings that decide which tracks, labels and features there are."""
        names = {"corpus", "source", "lyrics", "labels", "duplicates", "max_tracks", "min_seconds", "max_seconds"}
        if self.corpus == "controlled":
            names |= {"n_tracks", "seconds", "lyrics_information", "seed"}
        elif self.corpus in GTZAN:
            names |= {"faults"}
        elif self.corpus == "log_mel":
            names |= {"log_mel_unit", "log_mel_sample_rate", "log_mel_frame_rate"}
        if self.max_tracks and self.corpus != "controlled":
            names |= {"seed"}
        return digest({name: getattr(self, name) for name in names})


def table_and_column(labels: str) -> tuple[str, str]:
    """The two parts of "TABLE:COLUMN"; the column is "" where none is given. "tags:genre" stays as it is: ("tags",
    "genre")."""
    if labels.startswith("tags:") or labels == "tags":
        return "tags", labels.partition(":")[2]
    table, colon, column = labels.rpartition(":")
    if not colon or Path(labels).exists() or "/" in column or "\\" in column:  # the colon is part of the path
        return labels, ""
    return table, column


def digest(value: Any, length: int = 12) -> str:
    """Hash of a JSON-able value, stable over processes and machines."""
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def load(
    profile: str = "default",
    corpus: str = "controlled",
    source: str = "",
    lyrics: str = "",
    labels: str = "",
    settings: dict[str, Any] | None = None,
) -> Settings:
    """Settings of a run: a profile, then the corpus, then overrides.

    Raises `Problem` for an unknown profile, an unknown name, a value out of range, or faults of another corpus.
    """
    path, known = PROFILES / f"{profile}.yaml", sorted(p.stem for p in PROFILES.glob("*.yaml"))
    if profile not in known:
        raise Problem(f"there is no profile '{profile}'; choose one of: {', '.join(known)}")
    values = yaml.safe_load(path.read_text()) or {}
    values |= {"profile": profile, "corpus": corpus, "source": str(source), "lyrics": str(lyrics)}
    values["labels"] = str(labels)
    values |= settings or {}
    try:
        found = Settings(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            near = get_close_matches(name, Settings.model_fields, 1)
            hint = f"did you mean '{near[0]}'?" if near else f"known are: {', '.join(Settings.model_fields)}"
            raise Problem(f"there is no setting '{name}'; {hint}") from None
        raise Problem(f"setting '{name}': {first['msg']} (got {first['input']!r})") from None
    if found.faults == "drop" and found.corpus not in GTZAN:
        raise Problem(f"faults=drop leaves out known faults of GTZAN, and the corpus is '{found.corpus}': leave it "
                      f"away, or choose --corpus {' or '.join(GTZAN)}")
    return found


def to_json(value: Any) -> str:
    """JSON with sorted keys, for attributes of stored arrays."""
    return json.dumps(value, sort_keys=True, default=str)


def from_json(text: str) -> Any:
    """The value behind `to_json`."""
    return json.loads(text)
