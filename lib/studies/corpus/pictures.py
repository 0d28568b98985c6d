"""Figures of a corpus and its features: each takes data and returns the figure, as in `lib/report/plots.py`."""

from __future__ import annotations

import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from lib.report import plots
from lib.report.style import COLUMN


def encoded(shares: pd.Series) -> Figure:
    """Share of variance [factor], in rising order, that features explain within labels."""
    return plots.bars(shares[::-1].clip(lower=0), "cross-validated R² within {label}", COLUMN * 1.2, xlim=(0, 1))


def log_mels(log_mel: xr.DataArray, tracks: dict[str, str]) -> Figure:
    """Log-mel power [track, band, frame] in dB of some tracks: title -> track."""
    frames = log_mel.frame.values
    return plots.log_mels({title: log_mel.sel(track=track).values for title, track in tracks.items()},
                          float(frames[-1] + frames[1] - frames[0]))


def profiles(x: pd.DataFrame, labels: pd.Series) -> Figure:
    """Mean of each standardised feature of x [track, D] within each label."""
    scaled = (x - x.mean()) / x.std().replace(0, 1)
    means = scaled.groupby(labels.loc[x.index]).mean()
    return plots.heat(means, label="mean z-score", diverging=True)
