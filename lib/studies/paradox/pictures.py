"""The pictures of the CVAE paradox: rates and bounds, theory beside measurement, and what latents capture.

Each takes data and returns the figure, as in `lib/report/plots.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from lib.report.glossary import shown, term
from lib.report.plots import beside_null, curves, dots, scatter
from lib.report.redraw import redrawable
from lib.report.style import COLUMN, GREY, MARKERS, PAGE, PALETTE, legend_below, listed, new, powers_of_two, say
from lib.scores.intervals import NOT_NEGATIVE

# Where the label is, by enc and dec
PLACES = {(0, 0): "no label", (1, 0): "label in encoder", (0, 1): "label in decoder", (1, 1): "label in both"}
BESIDE_NULLS = {"silhouette": "silhouette (null: Gaussian)", "nmi": "NMI (null: permuted labels)"}
# title -> (model -> tables of `theory.measured`, table of `theory.linear_theory`)
Panels = dict[str, tuple[dict[str, dict[str, pd.DataFrame]], pd.DataFrame]]


@redrawable
def bound(rate: dict[str, pd.Series], read: dict[str, dict[str, pd.Series]]) -> Figure:
    """Information read against the rate, nats: model -> rate [seed], model -> source -> read [seed].

    The first source of a model is drawn hollow, the second full; no sample can lie above the diagonal.
    """
    figure, ax = new(COLUMN * 1.4, 3.0)
    for i, (model, sources) in enumerate(read.items()):
        for source, face in zip(sources, ("white", PALETTE[i]), strict=True):
            values = sources[source].dropna()
            ax.plot(rate[model].loc[values.index], values, MARKERS[i], color=PALETTE[i], mfc=face, ls="",
                    label=f"{model}, {source}")
            say(ax, f"{model}, {source}: {values.mean():.3g} of {rate[model].mean():.3g} nats, means")
    top = max(float(values.max()) for sources in read.values() for values in sources.values())
    ax.plot([0, 1.15 * top], [0, 1.15 * top], color=GREY, ls="--", lw=1, label="bound for samples")
    ax.set(xlabel="KL, nats", ylabel="information about {label}, linear probe, nats")
    legend_below(figure)
    return figure


@redrawable
def captured(table: pd.DataFrame) -> Figure:
    """Shares of variance of each property (a row of `properties.captured` each): what the features carry, and what
    clusters and dimensions keep of it."""
    figure, ax = new(COLUMN * 1.6, 1.1 + 0.19 * len(table))
    rows = np.arange(len(table))[::-1]
    ax.barh(rows, table["features"].clip(lower=0), color="#d9d9d9", height=0.7, label="features, cross-validated")
    ax.plot(table["null"], rows, "|", color=GREY, ms=9, ls="", label="clusters, permuted within {label}")
    kinds = (("mu within", "dimensions, mu", 1, PALETTE[1]), ("z within", "dimensions, a sample", 1, "white"),
             ("clusters within", "clusters", 0, PALETTE[0]))
    for column, name, i, face in kinds:
        ax.plot(table[column], rows, MARKERS[i], color=PALETTE[i], mfc=face, ls="", label=name, clip_on=False, zorder=3)
    names = [shown(name) for name in table["property"]]
    ax.set(yticks=rows, yticklabels=names, xlabel="share of variance within {label}", xlim=(0, 1))
    legend_below(figure)
    for column, name in (("features", "features"), *(kind[:2] for kind in kinds)):
        say(ax, f"{name}: {listed(names, table[column])}")
    return figure


@redrawable
def planes(points: np.ndarray, clusters: np.ndarray, values: pd.DataFrame) -> Figure:
    """Two leading dimensions of a latent [track, 2]: coloured by cluster, and shaded by each property [track, name],
    from dark (its 2nd percentile) to bright (its 98th), which its title gives."""
    figure, axes = new(PAGE, 2.3, 1, 1 + values.shape[1], sharex=True, sharey=True)
    scatter(points, [f"{c:02d}" for c in clusters], axes[0], "cluster", "leading dimension", legend=False)
    for ax, (name, column) in zip(axes[1:], values.items(), strict=True):
        low, high = np.nanpercentile(column, [2, 98])
        ax.scatter(*points.T, s=7, lw=0, c=column, vmin=low, vmax=high)
        digits = ",.0f" if max(abs(low), abs(high)) >= 100 else ".2g"
        unit = f" {known.unit}" if (known := term(name)) else ""
        ax.set(title=f"{shown(name)}, {low:{digits}} to {high:{digits}}{unit}".rstrip(), xlabel="leading dimension 1")
        along = [column.corr(pd.Series(side, column.index), "spearman") for side in points.T]
        say(ax, f"rank correlation {along[0]:.2f} with dimension 1 and {along[1]:.2f} with dimension 2")
    return figure


@redrawable
def against_theory(panels: Panels) -> Figure:
    """Measurement beside linear theory, a row per panel: active dimensions and rate over beta, and the rate-distortion
    curve."""
    figure, axes = new(PAGE, 2.3 * len(panels), len(panels), 3, squeeze=False)
    for row, (title, (models, theory)) in zip(axes, panels.items(), strict=True):
        for ax, quantity, name in zip(row, ("active", "kl"), ("active dimensions", "rate KL, nats"), strict=False):
            data = {model: tables[quantity] for model, tables in models.items()}
            curves(data, "beta", name, ax, log_x=True, lines={"linear theory": theory[quantity]}, legend=False,
                   within=NOT_NEGATIVE)
        for i, (model, tables) in enumerate(models.items()):
            points = tables["kl"].mean(axis=1), tables["error"].mean(axis=1)
            row[2].plot(*points, MARKERS[i], color=PALETTE[i], ls="", label=model)
        row[2].plot(theory["kl"], theory["error"], color=GREY, ls="--", lw=1.1, label="linear theory")
        row[2].set(xlabel="rate KL, nats", ylabel="squared error")
        row[0].set_title(title)
        say(row[2], "; ".join(f"{model} from error {tables['error'].mean(axis=1).min():.3g} to "
                              f"{tables['error'].mean(axis=1).max():.3g}" for model, tables in models.items()))
    legend_below(figure)
    return figure


@redrawable
def kl_spectrum(panels: Panels, n: int = 6) -> Figure:
    """KL of the `n` leading dimensions over beta: theory as lines, the first model full, the second hollow."""
    figure, axes = new(PAGE, 2.6, 1, len(panels), sharey=True, squeeze=False)
    for ax, (title, (models, theory)) in zip(axes[0], panels.items(), strict=True):
        for i, name in enumerate([c for c in theory if str(c).startswith("kl ")][:n]):
            ax.plot(theory.index, theory[name], color=PALETTE[i % 10], lw=1, label=f"dimension {i + 1}")
            for tables, face in zip(models.values(), (PALETTE[i % 10], "white"), strict=True):
                ax.plot(tables[name].mean(axis=1), MARKERS[i % 10], color=PALETTE[i % 10], mfc=face, ls="")
        powers_of_two(ax)
        ax.set(xlabel="beta", ylabel="KL of a dimension, nats" if ax is axes[0, 0] else "", title=title)
        leading = {model: tables["kl 1"].mean(axis=1) for model, tables in models.items() if "kl 1" in tables}
        say(ax, "leading dimension: " + "; ".join(f"{model} from {one.iloc[0]:.3g} at beta {one.index[0]:g} to "
                                                  f"{one.iloc[-1]:.3g} at {one.index[-1]:g}"
                                                  for model, one in leading.items()))
    full, hollow = (" or ".join(pair) for pair in zip(*(models for models, _ in panels.values()), strict=True))
    kinds = ({"label": "linear theory"}, {"ls": "", "marker": "o", "label": full},
             {"ls": "", "marker": "o", "mfc": "white", "label": hollow})
    legend_below(figure, [*axes[0, 0].get_legend_handles_labels()[0],
                          *(mpl.lines.Line2D([], [], color=GREY, **kind) for kind in kinds)])
    return figure


def settings_beside_nulls(rows: pd.DataFrame) -> Figure:
    """Silhouette and NMI of each setting of the design, beside their nulls: rows of `scores.summary` by beta, enc and
    dec. Hollow: given labels."""
    names = [f"beta {beta:g}, {PLACES[enc, dec]}"
             for beta, enc, dec in rows[["beta", "enc", "dec"]].itertuples(index=False)]
    given = (rows["enc"] | rows["dec"]).map({0: "none", 1: "given"})
    return beside_null(rows.assign(label_use=given), names, BESIDE_NULLS, "null")


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
