"""Sets of features made from what notebook 01 stored: statistics, rhythm, and sets joined with their blocks balanced.

Data in, data out: no function here sees a label, a file or an order.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import scipy.fft
import xarray as xr

from lib.store import sizes
from lib.store.arithmetic import modulation

MODULATION_EDGES = (0.5, 0.85, 1.4, 2.4, 4.1, 6.4)  # Hz, log-spaced; GTZAN's frames end at 6.45 Hz
BAND_GROUPS = 6  # groups of neighbouring mel bands whose loudness is followed over time


def log_mel_statistics(log_mel: xr.DataArray) -> pd.DataFrame:
    """Mean and standard deviation over time of each band of log_mel [track, band, frame], dB: [track, 2 bands]."""
    def statistics(values: np.ndarray) -> np.ndarray:
        return np.concatenate([values.mean(2), values.std(2)], axis=1)

    names = [f"{stat}_{band:02d}" for stat in ("mean", "std") for band in range(log_mel.sizes["band"])]
    return _table(sizes.by_blocks(statistics, log_mel), log_mel, names)


def modulation_spectrum(log_mel: xr.DataArray) -> pd.DataFrame:
    """How strongly loudness swings, and how fast, in groups of bands of log_mel [track, band, frame], dB.

    Per group of bands and per modulation band (`MODULATION_EDGES`), the log power of the group's mean level over time
    (Hann window, mean removed); and per group the share of the total swing. Levels drop out, so these columns hear
    rhythm, not timbre (McKinney and Breebaart 2003). log_mel's coordinate `frame` gives seconds.
    """
    rate = 1 / float(np.diff(log_mel.frame.values[:2])[0])
    n = min(BAND_GROUPS, log_mel.sizes["band"])

    def levels(values: np.ndarray) -> np.ndarray:
        return np.stack([group.mean(1) for group in np.array_split(values, n, axis=1)], axis=1)

    level = sizes.by_blocks(levels, log_mel).astype(float)  # [track, group, frame]
    power, frequency = modulation(level, rate)
    which = np.digitize(frequency, MODULATION_EDGES) - 1
    columns, names = [], []
    for band, (low, high) in enumerate(zip(MODULATION_EDGES[:-1], MODULATION_EDGES[1:], strict=True)):
        inside = power[..., which == band]
        if not inside.shape[-1]:  # a clip too short, or frames too far apart, to tell
            continue
        columns.append(np.log(inside.mean(-1) + 1e-6 * power.shape[-1]))  # a floor far below any sound
        names += [f"bands_{g}_{low:g}-{high:g}_Hz" for g in range(n)]
    total = power[..., 1:].sum(-1)
    columns.append(total / np.maximum(total.sum(1, keepdims=True), 1e-12))
    names += [f"bands_{g}_share" for g in range(n)]
    return _table(np.concatenate(columns, axis=1), log_mel, names)


def mel_profile(mfcc: np.ndarray, bands: int = 64, made_from: int = 128) -> np.ndarray:
    """The log-mel spectrum, dB [..., bands], that mean MFCCs [..., n] stand for: the inverse of their cosine transform.

    The MFCCs are an orthonormal DCT-II over `made_from` mel bands; neighbours are averaged into `bands`. Coefficients
    beyond n are zero, so the profile is smooth.
    """
    padded = np.zeros((*mfcc.shape[:-1], made_from))
    padded[..., : mfcc.shape[-1]] = mfcc
    fine = scipy.fft.idct(padded, type=2, norm="ortho", axis=-1)
    return fine.reshape(*mfcc.shape[:-1], bands, -1).mean(-1)


def _table(values: np.ndarray, like: xr.DataArray, names: list[str]) -> pd.DataFrame:
    return pd.DataFrame(values.astype(np.float32), index=like.indexes["track"], columns=names)
