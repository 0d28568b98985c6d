"""Figures of notebooks 02 and A1: each takes data and returns the figure, as in `lib/report/plots.py`."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lib.report import plots
from lib.report.style import COLUMN, GREY, MARKERS, PALETTE, new
from lib.studies.leakage.array_labels import ISOTROPIC, UNRELATED
from lib.studies.leakage.doses import EXPECTED, Curves


def coverage(present: pd.Series) -> Figure:
    """How many tracks [track] have lyrics."""
    figure, ax = new()
    ax.bar(["with lyrics", "without"], [present.sum(), (~present).sum()], color=[PALETTE[0], GREY], width=0.5)
    ax.set(ylabel="tracks")
    return figure


def dose_curves(found: Curves) -> Figure:
    """NMI over the information put into the text, over the bands that the earlier study expected."""
    figure, ax = new(COLUMN * 1.3)
    for i, (name, (low, high)) in enumerate(EXPECTED.items()):
        ax.axhspan(low, high, color=PALETTE[2 + i], alpha=0.18, lw=0, label=name)
    plots.curves(found.nmi, "information put into the text, nats", "NMI with genre", ax, lines=found.reference)
    return figure


def noise_on_label(left: pd.DataFrame) -> Figure:
    """Arrays without their labels' means (`tables.without_means`): how isotropic, against what another array tells."""
    figure, ax = new()
    for i, (name, row) in enumerate(left.set_index("array").iterrows()):
        ax.plot(max(row["R2 from others"], 0), row["dimensions left"] / row["if noise"], MARKERS[i % 10],
                color=PALETTE[i % 10], label=name)
    ax.axhline(ISOTROPIC, color=GREY, lw=0.8, ls="--")
    ax.axvline(UNRELATED, color=GREY, lw=0.8, ls="--")
    ax.set(xlabel="R² from the best other array", ylabel="dimensions left / if noise")
    ax.legend(fontsize=6)
    return figure


def variances(latents: dict[str, np.ndarray]) -> Figure:
    """Variance of each dimension of some latents [track, d], sorted, and that of a standard normal prior."""
    figure, ax = new()
    for i, (name, x) in enumerate(latents.items()):
        ax.plot(range(1, x.shape[1] + 1), sorted(x.var(0), reverse=True), marker=MARKERS[i % 10], label=name, ms=3)
    ax.axhline(1, color=GREY, lw=0.8, ls="--")
    ax.set(xlabel="dimension, sorted", ylabel="Var(mu)", xscale="log", yscale="log")
    ax.legend(fontsize=6)
    return figure
