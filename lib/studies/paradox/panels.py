"""Figures of the CVAE paradox that set panels of one kind side by side; each takes data and returns the figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from lib.report.glossary import shown
from lib.report.plots import beside_null, dots, scatter
from lib.report.redraw import redrawable
from lib.report.style import GREY, PAGE, new

PLACES = {(0, 0): "neither", (1, 0): "encoder", (0, 1): "decoder", (1, 1): "both"}  # of the label, by enc and dec
BESIDE_NULLS = {"silhouette": "silhouette (null: Gaussian)", "nmi": "NMI (null: permuted labels)"}


def settings_beside_nulls(rows: pd.DataFrame) -> Figure:
    """Silhouette and NMI of each setting of the design, beside their nulls: rows of `scores.summary` by beta, enc and
    dec. Hollow: told labels."""
    names = [f"beta {beta:g}, y in {PLACES[enc, dec]}"
             for beta, enc, dec in rows[["beta", "enc", "dec"]].itertuples(index=False)]
    told = (rows["enc"] | rows["dec"]).map({0: "none", 1: "given"})
    return beside_null(rows.assign(label_use=told), names, BESIDE_NULLS, "null")


@redrawable
def changes(table: pd.DataFrame, marked: Sequence[bool] | None = None) -> Figure:
    """Changes as intervals beside zero: a row per name, a panel per metric (columns). `marked` rows: hollow."""
    figure, axes = new(PAGE, 2.5, 1, table.shape[1], sharey=True)
    for ax, (metric, values) in zip(axes, table.items(), strict=True):
        dots(list(table.index), list(values), f"change of {shown(metric)}", ax, marked=marked)
        ax.axvline(0, color=GREY, lw=0.8)
    return figure


def leading(latents: xr.Dataset) -> np.ndarray:
    """Numbers of the first seed's two dimensions of the largest KL (the first two where there is none)."""
    return np.argsort(-latents.kl.values[0], kind="stable")[:2]


def plane(latents: xr.Dataset) -> np.ndarray:
    """The first seed's mu [track, 2] in its leading dimensions."""
    return latents.mu.values[0][:, leading(latents)]


@redrawable
def by_label(points: Mapping[str, np.ndarray], labels: pd.Series, axes: str) -> Figure:
    """Points [track, 2] by title, coloured by labels [track]; `axes` is what their axes are called."""
    figure, panels = new(PAGE, 2.9, 1, len(points))
    for ax, (title, one) in zip(panels, points.items(), strict=True):
        scatter(one, labels, ax, title, axes, legend=ax is panels[-1])
    return figure
