"""What the explorer draws."""

from __future__ import annotations

import base64
import html
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lib.report import plots, showing, style
from lib.store import artifacts
from lib.studies.explorer import models
from lib.studies.explorer.models import Material


def bundle(widget: dict[str, Any], figure: Figure, about: str) -> dict[str, Any]:
    """A widget's MIME bundle with a figure in it, for programs that show no widgets: a saved notebook has it."""
    picture = base64.b64encode(showing.png(figure, 100)).decode()
    source, alt = f"data:image/png;base64,{picture}", html.escape(about)
    return widget | {"text/html": f'<img src="{source}" alt="{alt}">', "image/png": picture, "text/plain": about}


def draw_view(points: np.ndarray, axes: list[str], values: pd.Series, ax=None) -> Figure:
    """A 2-D view coloured by `values` [track]: by kind where they are text, else shaded."""
    if pd.api.types.is_numeric_dtype(values):
        figure = plots.shaded(points, values, str(values.name), ax)
    else:
        figure = plots.scatter(points, values.fillna("unknown"), ax)
    ax = ax or figure.axes[0]
    for drawn in ax.collections:  # as large as there is room for
        drawn.set_sizes([np.clip(15_000 / len(points), 6, 40)])
    ax.set(xlabel=axes[0], ylabel=axes[1], title=f"by {values.name}")
    return figure


def draw_log_mel(material: Material, track: str, ax=None) -> Figure:
    """A track's log-mel spectrogram."""
    image = artifacts.load(material.run, "features", ["log_mel"], track=track).log_mel
    figure, ax = (ax.figure, ax) if ax is not None else style.new(style.COLUMN, 1.9)
    low, high = np.percentile(image, [2, 99.8])
    seconds = float(image.frame[-1])
    mesh = ax.imshow(image, origin="lower", aspect="auto", extent=(0, seconds, 0, len(image)), vmin=low, vmax=high,
                     cmap="magma", interpolation="nearest")
    figure.colorbar(mesh, ax=ax, label="dB")
    ax.set(xlabel="time, s", ylabel="mel band", title="log-mel spectrogram")
    return figure


def draw_decoding(decoded: pd.DataFrame, own: str, other: str, reads_label: bool, ax=None) -> Figure:
    """A track's average spectrum beside its decodings (see `decode`)."""
    figure, ax = (ax.figure, ax) if ax is not None else style.new(style.COLUMN, 2.3)
    ax.plot(models.mean_spectrum(decoded["track"]), color=style.GREY, lw=3, alpha=0.5, label="the track itself")
    name = f"decoded as {own}" if reads_label else "decoded"
    ax.plot(models.mean_spectrum(decoded["own"]), color=style.PALETTE[0], label=name)
    if reads_label:
        ax.plot(models.mean_spectrum(decoded["other"]), color=style.PALETTE[1], ls="--", label=f"decoded as {other}")
    ax.set_xscale("log")
    ax.set(xlabel="frequency, Hz", ylabel="mean level, dB", title="average spectrum")
    ax.legend()
    return figure


def say_decoding(decoded: pd.DataFrame, own: str, other: str, reads_label: bool) -> str:
    """`draw_decoding` in words."""
    spectra = decoded.apply(models.mean_spectrum)
    away = spectra.sub(spectra["track"], axis=0).pow(2).mean().pow(0.5)
    if not reads_label:
        return f"This decoder reads no label; its average spectrum is {away['own']:.1f} dB from the track's (RMS)."
    return (f"Decoded as {own}, which the model was given, the average spectrum is {away['own']:.1f} dB from the "
            f"track's (RMS); decoded as {other}, {away['other']:.1f} dB.")
