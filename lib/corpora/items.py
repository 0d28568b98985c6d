"""What a corpus hands over: a list of items, each naming one track before anything was decoded."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np


class Item(NamedTuple):
    """One track of a corpus. `label`, `factors`, `lyrics` and `columns` are split off before any feature
    is computed."""

    name: str  # for messages only: a file's relative path, or "controlled track 17"
    spec: dict[str, Any]  # JSON, all that `registry.read` needs: {"kind": "file", "path": ...}
    label: str
    factors: dict[str, float | str] = {}  # known causes (controlled corpus only)
    lyrics: str = ""
    columns: dict[str, str] = {}  # what a table of labels says besides: artist, language ...; "" where it is empty


class Sound(NamedTuple):
    """Decoded audio."""

    y: np.ndarray  # float32 [samples], mono, -1 to 1
    sr: int  # Hz
    note: str = ""  # what is odd about how it was had: a header that lies, channels that cancel
    source: str = ""  # the fingerprint of what was decoded, where that may have changed since it was asked for


class LogMel(NamedTuple):
    """A precomputed log-mel spectrogram, where no audio exists."""

    log_mel: np.ndarray  # float32 [n_mels, frames], power in dB
    sr: int  # Hz of the audio it came from
    frames_per_second: float
    calibrated: bool = False  # does 0 dB mean what it means of the STFT of audio of full scale 1?
    note: str = ""  # as of `Sound`
    source: str = ""
