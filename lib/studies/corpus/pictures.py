"""Figures of a corpus and its features: each takes data and returns the figure, as in `lib/report/plots.py`."""

from __future__ import annotations

import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from lib.report import plots
from lib.report.style import COLUMN, PAGE, PALETTE, new


def bars(values: pd.Series, xlabel: str, width: float = COLUMN, **axes) -> Figure:
    """A bar per row, the first one on top."""
    figure, ax = new(width, 0.6 + 0.17 * len(values))
    ax.barh(values.index[::-1], values.to_numpy()[::-1], color=PALETTE[0], height=0.65)
    ax.set(xlabel=xlabel, **axes)
    return figure


def heard(shares: pd.Series) -> Figure:
    """Share of variance [factor], in rising order, that features explain within labels."""
    return bars(shares[::-1].clip(lower=0), "cross-validated R² within genre", COLUMN * 1.2, xlim=(0, 1))


def log_mels(log_mel: xr.DataArray, tracks: dict[str, str]) -> Figure:
    """Log-mel power [track, band, frame] in dB of some tracks: title -> track."""
    frames = log_mel.frame.values
    return plots.log_mels({title: log_mel.sel(track=track).values for title, track in tracks.items()},
                          float(frames[-1] + frames[1] - frames[0]))


def profiles(x: pd.DataFrame, labels: pd.Series) -> Figure:
    """Mean of each standardised feature of x [track, D] within each label."""
    scaled = (x - x.mean()) / x.std().replace(0, 1)
    means = scaled.groupby(labels.loc[x.index]).mean()
    figure = plots.heat(means, label="mean, standard deviations", diverging=True, annotate=False)
    figure.set_size_inches(PAGE, 0.9 + 0.17 * len(means))
    return figure
