"""What a corpus hands over: a list of items, each naming one track before anything was decoded."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np


class Item(NamedTuple):
    """One track of a corpus. `label`, `factors` and `lyrics` are split off before any feature is computed."""

    name: str  # for messages only: a file's relative path, or "controlled track 17"
    spec: dict[str, Any]  # JSON, all that `registry.read` needs: {"kind": "file", "path": ...}
    label: str
    factors: dict[str, float | str] = {}  # known causes (controlled corpus only)
    lyrics: str = ""


class Sound(NamedTuple):
    """Decoded audio."""

    y: np.ndarray  # float32 [samples], mono, -1 to 1
    sr: int  # Hz


class LogMel(NamedTuple):
    """A precomputed log-mel spectrogram, where no audio exists."""

    log_mel: np.ndarray  # float32 [n_mels, frames], power in dB
    sr: int  # Hz of the audio it came from
    frames_per_second: float
    calibrated: bool = False  # does 0 dB mean what it means of the STFT of audio of full scale 1?
