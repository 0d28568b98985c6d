"""Every picture and printed table of the series: one visual language, made for a paper.

Plot functions take data and an optional `ax` and return the figure. `show` and `table` put a result into the page,
with a caption, and into the run's folder (PDF and PNG at the widths of a column and of a page; CSV, LaTeX and HTML).
"""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from lib.report import style
from lib.report.style import COLUMN, GREY, INTERACTIVE, MARKERS, PAGE, PALETTE, axes_of
from lib.scores.intervals import Interval, interval


def scatter(
    points: np.ndarray, labels: Sequence[str], ax=None, title: str = "", axes: str = "component", legend: bool = True,
    names: Sequence[str] | None = None,
) -> Figure:
    """The first two columns of points [N, 2+] coloured and marked by label; the book lets the reader point at them.

    `names` [N] is what a point is called then, beside its label; default: the index of `labels`, if it has one.
    """
    figure, ax = style.axes_of(ax, COLUMN * 1.35, COLUMN * 0.95)
    names = labels.index if names is None and isinstance(labels, pd.Series) else names
    names = None if names is None else np.asarray(names).astype(str)
    labels = np.asarray(labels).astype(str)
    for i, name in enumerate(np.unique(labels)):
        rows = labels == name
        drawn = ax.scatter(
            points[rows, 0],
            points[rows, 1],
            s=7,
            lw=0,
            alpha=0.75,
            color=PALETTE[i % 10],
            marker=MARKERS[(i // 10 + i) % len(MARKERS)],
            label=name,
            gid=INTERACTIVE,
        )
        drawn.names = [] if names is None else names[rows].tolist()
    ax.set(xlabel=f"{axes} 1", ylabel=f"{axes} 2", title=title)
    if legend and len(np.unique(labels)) <= 20:
        ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), markerscale=1.8, handletextpad=0.1)
    return figure


def shaded(
    points: np.ndarray, values: Sequence[float], label: str, ax=None, title: str = "", axes: str = "component"
) -> Figure:
    """The first two columns of points [N, 2+] coloured by a number [N]: cividis from its 2nd to its 98th percentile,
    grey where there is none."""
    figure, ax = style.axes_of(ax, COLUMN * 1.35, COLUMN * 0.95)
    values = np.asarray(values, dtype=float)
    known = np.isfinite(values)
    ax.scatter(*points[~known, :2].T, s=7, lw=0, color="#bbbbbb")
    low, high = np.percentile(values[known], [2, 98]) if known.any() else (0, 1)
    mesh = ax.scatter(*points[known, :2].T, s=7, lw=0, c=values[known], vmin=low, vmax=high)
    figure.colorbar(mesh, ax=ax, label=label, shrink=0.8, aspect=30, extend="both")
    ax.set(xlabel=f"{axes} 1", ylabel=f"{axes} 2", title=title)
    return figure


def dots(
    names: Sequence[str],
    values: Sequence[Interval],
    xlabel: str,
    ax=None,
    nulls: Sequence[float] | None = None,
    marked: Sequence[bool] | None = None,
    title: str = "",
    null_name: str = "null",
    marked_name: str = "saw labels",
) -> Figure:
    """One row per name: mean and 95 % interval, with its null as a grey tick. `marked` rows: hollow."""
    figure, ax = style.axes_of(ax, COLUMN * 1.3, 0.95 + 0.2 * len(names))
    rows = np.arange(len(names))[::-1]
    for i, (row, value) in enumerate(zip(rows, values, strict=True)):
        hollow = marked is not None and marked[i]
        if np.isfinite(value.low):
            ax.plot([value.low, value.high], [row, row], color=PALETTE[0], lw=1.6)
        ax.plot(value.mean, row, "o", color=PALETTE[0], mfc="white" if hollow else PALETTE[0])
        if nulls is not None and np.isfinite(nulls[i]):
            ax.plot(nulls[i], row, "|", color=GREY, ms=9, mew=1.6)
    handles = [mpl.lines.Line2D([], [], color=PALETTE[0], marker="o", label="mean, 95 % interval over seeds")]
    if nulls is not None:
        handles.append(mpl.lines.Line2D([], [], color=GREY, marker="|", ls="", ms=9, mew=1.6, label=null_name))
    if marked is not None and any(marked):
        handles.append(mpl.lines.Line2D([], [], color=PALETTE[0], marker="o", mfc="white", ls="", label=marked_name))
    ax.set(yticks=rows, yticklabels=names, xlabel=xlabel, title=title, ylim=(-0.7, len(names) - 0.3))
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure


def beside_null(rows: pd.DataFrame, metric: str, xlabel: str, null_name: str = "null", ax=None,
                names: Sequence[str] | None = None) -> Figure:
    """`dots` of a metric of `scores.table.summary`, by setting (or `names`), each beside its null; hollow: labels were
    read."""
    return dots(list(rows["setting"] if names is None else names), rows[metric], xlabel, ax,
                [value.mean for value in rows[f"{metric}_null"]], list(rows["label_use"] != "none"),
                null_name=null_name)


def rows_of_two(names: Sequence[str], values: dict[str, Sequence[Interval]], xlabel: str) -> Figure:
    """One row per name, with a dot and its 95 % interval for each of two runs, one above the other."""
    figure, ax = style.new(PAGE, 0.9 + 0.22 * len(names))
    rows = np.arange(len(names))[::-1]
    for i, (run, spans) in enumerate(values.items()):
        at = rows + 0.15 - 0.3 * i
        for row, span in zip(at, spans, strict=True):
            if np.isfinite(span.low):
                ax.plot([span.low, span.high], [row, row], color=PALETTE[i], lw=1.4)
        ax.plot([span.mean for span in spans], at, MARKERS[i], color=PALETTE[i], label=run)
    ax.set(yticks=rows, yticklabels=names, xlabel=xlabel, ylim=(-0.7, len(names) - 0.3))
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def curves(
    data: dict[str, pd.DataFrame],
    xlabel: str,
    ylabel: str,
    ax=None,
    log_x: bool = False,
    lines: dict[str, float | pd.Series] | None = None,
    title: str = "",
    legend: bool = True,
) -> Figure:
    """Curves with 95 % bands: name -> table [x, seed]. `lines` are references: a constant, or a series over x."""
    figure, ax = axes_of(ax)
    for i, (name, values) in enumerate(data.items()):
        spans = [interval(row) for row in values.to_numpy()]
        x = values.index.to_numpy(float)
        ax.plot(x, [s.mean for s in spans], marker=MARKERS[i % 10], color=PALETTE[i % 10], label=name)
        ax.fill_between(x, [s.low for s in spans], [s.high for s in spans], color=PALETTE[i % 10], alpha=0.18, lw=0)
    for i, (name, value) in enumerate((lines or {}).items()):
        style = dict(color=GREY, ls=("--", ":", "-.")[i % 3], lw=1.1, label=name)
        if isinstance(value, pd.Series):
            ax.plot(value.index.to_numpy(float), value.to_numpy(), **style)
        else:
            ax.axhline(value, **style)
    if not np.isfinite(ax.dataLim.intervalx).all():
        ax.text(0.5, 0.5, "no value to draw", transform=ax.transAxes, ha="center", color=GREY)
        ax.tick_params(bottom=False, labelbottom=False)  # the other axis may be shared
    elif log_x:
        ax.set_xscale("log", base=2)
        ax.xaxis.set_major_formatter(mpl.ticker.FuncFormatter(lambda v, _: f"{v:g}"))
    ax.set(xlabel=xlabel, ylabel=ylabel, title=title)
    if legend and len(data) + len(lines or {}) > 3:
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22), ncols=2)
    elif legend and (len(data) > 1 or lines):
        ax.legend()
    return figure


def panels(found: dict[str, tuple[dict[str, pd.DataFrame], dict[str, float | pd.Series]]], over: str,
           log_x: bool = True) -> Figure:
    """`curves` side by side: what is on the vertical axis -> (curves, reference lines), all over `over`."""
    figure, axes = style.new(PAGE, 2.5, 1, len(found))
    for ax, (ylabel, (data, lines)) in zip(np.atleast_1d(axes), found.items(), strict=True):
        curves(data, over, ylabel, ax, log_x=log_x, lines=lines)
    return figure


def heat(
    data: pd.DataFrame,
    ax=None,
    title: str = "",
    label: str = "",
    diverging: bool = False,
    annotate: bool = True,
    digits: int = 2,
) -> Figure:
    """A table as a picture, values written in when there are few."""
    rows, columns = data.shape
    figure, ax = style.axes_of(ax, min(PAGE, 1.6 + 0.36 * columns), 0.9 + 0.24 * rows)
    limit = np.nanmax(np.abs(data.to_numpy())) if diverging else None
    data = data.rename(index=style.no_formula, columns=style.no_formula)  # seaborn measures labels
    sns.heatmap(
        data,
        ax=ax,
        cmap="vlag" if diverging else "cividis",
        vmin=-limit if diverging else None,
        vmax=limit,
        annot=annotate and data.size <= 160,
        fmt=f".{digits}f",
        annot_kws={"size": 6},
        cbar_kws={"label": label},
        linewidths=0.3,
    )
    ax.set(title=title)
    ax.tick_params(length=0)
    return figure


def null_strip(values: dict[str, tuple[float, np.ndarray]], xlabel: str, ax=None, title: str = "") -> Figure:
    """Each measured value (dot) over the draws of its null (grey strokes): name -> (value, draws)."""
    figure, ax = style.axes_of(ax, COLUMN * 1.3, 0.9 + 0.26 * len(values))
    rows = np.arange(len(values))[::-1]
    for row, (value, draws) in zip(rows, values.values(), strict=True):
        ax.plot(draws, np.full(len(draws), row), "|", color=GREY, ms=9, mew=0.8, alpha=0.7)
        ax.plot(value, row, "o", color=PALETTE[1])
    handles = [
        mpl.lines.Line2D([], [], color=PALETTE[1], marker="o", ls="", label="measured, mean over seeds"),
        mpl.lines.Line2D([], [], color=GREY, marker="|", ls="", ms=9, label="null draws"),
    ]
    ax.set(yticks=rows, yticklabels=list(values), xlabel=xlabel, title=title, ylim=(-0.7, len(values) - 0.3))
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure


def log_mels(images: dict[str, np.ndarray], seconds: float, columns: int = 4, unit: str = "dB") -> Figure:
    """A grid of log-mel spectrograms: title -> [n_mels, frames]."""
    rows = -(-len(images) // columns)
    figure, grid = style.new(PAGE, 1.15 * rows + 0.25, rows, columns, sharex=True, sharey=True, squeeze=False)
    low = min(np.percentile(image, 2) for image in images.values())
    high = max(np.percentile(image, 99.8) for image in images.values())
    for ax in grid.flat[len(images) :]:
        ax.set_axis_off()
    for ax, (title, image) in zip(grid.flat, images.items(), strict=False):
        mesh = ax.imshow(
            image,
            origin="lower",
            aspect="auto",
            extent=(0, seconds, 0, len(image)),
            vmin=low,
            vmax=high,
            cmap="magma",
            interpolation="nearest",
        )
        ax.set_title(title, fontsize=7)
    figure.supxlabel("time, s", fontsize=8)
    figure.supylabel("mel band", fontsize=8)
    figure.colorbar(mesh, ax=grid, label=unit, shrink=0.8, aspect=30)
    return figure


def causes(links: dict[tuple[str, str], Interval]) -> Figure:
    """Causal chains as a diagram: (cause, consequence) -> measured effect, written on the arrow. One row per chain."""
    chains: list[list[str]] = []
    for cause, consequence in links:
        chain = next((chain for chain in chains if chain[-1] == cause), None)
        chain.append(consequence) if chain else chains.append([cause, consequence])
    figure, ax = style.new(PAGE, 0.2 + 0.85 * len(chains))
    ax.set(xlim=(-0.4, max(map(len, chains)) - 0.6), ylim=(-0.6, len(chains) - 0.4))
    ax.set_axis_off()
    for row, chain in enumerate(reversed(chains)):
        for column, name in enumerate(chain):
            box = dict(boxstyle="round,pad=0.5", fc="white", ec=PALETTE[0])
            ax.text(column, row, name, ha="center", va="center", fontsize=8, bbox=box)
        for column, pair in enumerate(zip(chain[:-1], chain[1:], strict=True)):
            arrow = dict(arrowstyle="-|>", color=GREY, shrinkA=0, shrinkB=0)
            ax.annotate("", (column + 0.72, row), (column + 0.28, row), arrowprops=arrow)
            effect = links[pair]
            said = f"{effect.mean:+.2f}\n[{effect.low:+.2f}, {effect.high:+.2f}]"
            ax.text(column + 0.5, row + 0.08, said, ha="center", va="bottom", fontsize=7)
    return figure


def eigenvalues(spectra: dict[str, np.ndarray], levels: dict[str, float], n: int = 12) -> Figure:
    """The first `n` eigenvalues of each covariance, on a logarithmic scale, with levels to compare them with."""
    figure, ax = style.new()
    for i, (name, values) in enumerate(spectra.items()):
        shown = values[:n]
        ax.plot(range(1, len(shown) + 1), shown, marker=MARKERS[i], color=PALETTE[i], label=name)
    for i, (name, level) in enumerate(levels.items()):
        ax.axhline(level, color=GREY, ls=("--", ":", "-.")[i % 3], lw=1, label=name)
    ax.set(xlabel="component", ylabel="eigenvalue", yscale="log")
    ax.legend()
    return figure


def histories(latents, ax=None, title: str = "") -> Figure:
    """Training and held-out loss over epochs: a line for each seed of one setting, until it stops."""
    figure, ax = style.axes_of(ax)
    for i, name in enumerate(("train_loss", "held_out_loss")):
        values = latents.history.sel(curve=name).values
        lines = ax.plot(np.arange(1, values.shape[1] + 1), values.T, color=PALETTE[i], lw=0.8, alpha=0.7)
        lines[0].set_label(name.replace("_", " "))
    low, high = np.nanpercentile(latents.history.sel(curve=["train_loss", "held_out_loss"]).values, [0, 97])
    ax.set(xlabel="epoch", ylabel="loss per track", title=title, ylim=(0.95 * low, 1.05 * high))
    ax.legend()
    return figure
