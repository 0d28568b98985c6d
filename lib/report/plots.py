"""Pictures that several notebooks need: one visual language, made for a paper.

Plot functions take data and an optional `ax` and return the figure, which knows in words what it shows (`style.say`)
and what it was drawn from (`redraw`). Ids of the glossary are shown by their display names.
"""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib.report import style
from lib.report.glossary import shown
from lib.report.redraw import redrawable
from lib.report.style import COLUMN, GREY, INTERACTIVE, MARKERS, PAGE, PALETTE, axes_of, legend_below, listed, say
from lib.scores.intervals import Interval, interval

SHORT = 20  # letters of a name that may stand at the end of its line
FOR_NAMES, OF_NARROW = 0.42, 0.55  # shares of a figure's width, and of a narrow one's, that names of rows may take


@redrawable
def scatter(
    points: np.ndarray, labels: Sequence[str], ax=None, title: str = "", axes: str = "component", legend: bool = True,
    names: Sequence[str] | None = None,
) -> Figure:
    """The first two columns of points [N, 2+] coloured and marked by label; the book lets the reader point at them.

    `names` [N] is what a point is called then, beside its label; default: the index of `labels`, if it has one.
    """
    figure, ax = axes_of(ax, COLUMN * 1.35, COLUMN * 0.95)
    names = labels.index if names is None and isinstance(labels, pd.Series) else names
    names = None if names is None else np.asarray(names).astype(str)
    labels = np.asarray(labels).astype(str)
    kinds, counts = np.unique(labels, return_counts=True)
    for i, name in enumerate(kinds):
        rows = labels == name
        drawn = ax.scatter(*points[rows, :2].T, s=7, lw=0, alpha=0.75, color=PALETTE[i % 10],
                           marker=MARKERS[(i // 10 + i) % len(MARKERS)], label=name, gid=INTERACTIVE)
        drawn.names = [] if names is None else names[rows].tolist()
    ax.set(xlabel=f"{axes} 1", ylabel=f"{axes} 2", title=title)
    if legend and len(kinds) <= 20:
        ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), markerscale=1.8, handletextpad=0.1)
    say(ax, f"{_spread(points)} ({listed(kinds, counts, 12)})")
    return figure


def _spread(points: np.ndarray) -> str:
    """Where points [N, 2+] lie, in words."""
    (left, low), (right, high) = np.nanmin(points[:, :2], axis=0), np.nanmax(points[:, :2], axis=0)
    return f"{len(points)} points from {left:.3g} to {right:.3g} across and {low:.3g} to {high:.3g} up"


@redrawable
def shaded(
    points: np.ndarray, values: Sequence[float], label: str, ax=None, title: str = "", axes: str = "component"
) -> Figure:
    """The first two columns of points [N, 2+] coloured by a number [N]: cividis from its 2nd to its 98th percentile,
    grey where there is none."""
    figure, ax = axes_of(ax, COLUMN * 1.35, COLUMN * 0.95)
    values = np.asarray(values, dtype=float)
    known = np.isfinite(values)
    ax.scatter(*points[~known, :2].T, s=7, lw=0, color="#bbbbbb")
    low, high = np.percentile(values[known], [2, 98]) if known.any() else (0, 1)
    mesh = ax.scatter(*points[known, :2].T, s=7, lw=0, c=values[known], vmin=low, vmax=high)
    figure.colorbar(mesh, ax=ax, label=shown(label), shrink=0.8, aspect=30, extend="both")
    ax.set(xlabel=f"{axes} 1", ylabel=f"{axes} 2", title=title)
    say(ax, f"{_spread(points)}, coloured by {shown(label)} from {low:.3g} to {high:.3g}")
    return figure


@redrawable
def dots(
    names: Sequence[str], values: Sequence[Interval], xlabel: str, ax=None, nulls: Sequence[float] | None = None,
    marked: Sequence[bool] | None = None, title: str = "", null_name: str = "null", marked_name: str = "uses labels",
) -> Figure:
    """One row per name: mean and 95 % interval, with its null as a grey tick. `marked` rows: hollow."""
    ax, rows = _rows(ax, names, xlabel, title, height=0.2)
    for i, (row, value) in enumerate(zip(rows, values, strict=True)):
        _span(ax, row, value, PALETTE[0])
        ax.plot(value.mean, row, "o", color=PALETTE[0], mfc="white" if marked is not None and marked[i] else PALETTE[0])
        if nulls is not None and np.isfinite(nulls[i]):
            ax.plot(nulls[i], row, "|", color=GREY, ms=9, mew=1.6)
    handles = [mpl.lines.Line2D([], [], color=PALETTE[0], marker="o", label="mean, 95 % interval over seeds")]
    if nulls is not None:
        handles.append(mpl.lines.Line2D([], [], color=GREY, marker="|", ls="", ms=9, mew=1.6, label=null_name))
    if marked is not None and any(marked):
        handles.append(mpl.lines.Line2D([], [], color=PALETTE[0], marker="o", mfc="white", ls="", label=marked_name))
    legend_below(ax.figure, handles=handles)
    said = listed(map(shown, names), [value.mean for value in values])
    say(ax, said + (f"; {null_name}: {listed(map(shown, names), nulls)}" if nulls is not None else ""))
    return ax.figure


@redrawable
def beside_null(rows: pd.DataFrame, names: Sequence[str] | None = None, metrics: dict[str, str] | None = None,
                null_name: str = "permuted labels") -> Figure:
    """`dots` of metrics of `scores.table.summary` (default: NMI; metric -> what its axis is called) side by side, by
    setting or by `names`, each beside its null; hollow: labels were read."""
    names = list(rows["setting"] if names is None else names)
    metrics, height = metrics or {"nmi": "NMI with {label}"}, 1.0 + 0.2 * len(names)
    axes = [None] if len(metrics) == 1 else style.new(PAGE, height, 1, len(metrics), sharey=True)[1]
    for ax, (metric, xlabel) in zip(axes, metrics.items(), strict=True):
        figure = dots(names, rows[metric], xlabel, ax, [value.mean for value in rows[f"{metric}_null"]],
                      list(rows["label_use"] != "none") if "label_use" in rows else None, null_name=null_name)
    return figure


def _rows(ax: Axes | None, names: Sequence[str], xlabel: str, title: str = "", height: float = 0.2,
          width: float = COLUMN * 1.3) -> tuple[Axes, np.ndarray]:
    """A panel with a row for each name, from the top down, and where they are; one of its own has room for the names,
    with rows of `height` inches or more."""
    names, rows = [str(shown(name)) for name in names], np.arange(len(names))[::-1]
    if ax is None:
        wide = style.wide(min(PAGE, max(width, style.LETTER * max(map(len, names), default=0) / FOR_NAMES)))
        share = FOR_NAMES if wide > 1.1 * COLUMN else OF_NARROW
        names = [textwrap.fill(name, int(share * wide / style.LETTER)) for name in names]
        lines = 1 + max((name.count("\n") for name in names), default=0)
        ax = style.new(wide, 0.95 + len(names) * max(height, 0.13 * lines))[1]
    ax.set(yticks=rows, yticklabels=names, xlabel=shown(xlabel), title=title, ylim=(-0.7, len(names) - 0.3))
    longest = max((len(line) for name in names for line in name.split("\n")), default=0)
    room = (ax.figure.get_figwidth() - style.LETTER * longest) / ax.get_gridspec().ncols
    ax.locator_params(axis="x", nbins=max(3, round(1.6 * room)))
    return ax, rows


def _span(ax: Axes, row: float, value: Interval, colour) -> None:
    if np.isfinite(value.low):
        ax.plot([value.low, value.high], [row, row], color=colour, lw=1.6)


@redrawable
def rows_of_several(names: Sequence[str], values: dict[str, Sequence[Interval]], xlabel: str) -> Figure:
    """One row per name, with a dot and its 95 % interval for each of several runs, one above the other."""
    ax, rows = _rows(None, names, xlabel, height=max(0.22, 0.09 * len(values)), width=PAGE)
    for i, ((run, spans), shift) in enumerate(zip(values.items(), np.linspace(-0.3, 0.3, len(values)), strict=True)):
        at, means = rows - shift * (len(values) - 1) / len(values), [span.mean for span in spans]
        for row, span in zip(at, spans, strict=True):
            _span(ax, row, span, PALETTE[i % 10])
        ax.plot(means, at, MARKERS[i % 10], color=PALETTE[i % 10], label=run)
        say(ax, f"{run}: {listed(names, means)}")
    legend_below(ax.figure)
    return ax.figure


@redrawable
def curves(
    data: dict[str, pd.DataFrame], xlabel: str, ylabel: str, ax=None, log_x: bool = False,
    lines: dict[str, float | pd.Series] | None = None, title: str = "", legend: bool = True,
    within: tuple[float, float] = (-np.inf, np.inf),
) -> Figure:
    """Curves with 95 % bands: name -> table [x, seed]. `lines` are references: a constant, or a series over x; `within`
    is the range that the values have by definition."""
    figure, ax = axes_of(ax)
    said = []
    for i, (name, values) in enumerate(data.items()):
        spans = [interval(row, within=within) for row in values.to_numpy()]
        x, means = values.index.to_numpy(float), np.array([s.mean for s in spans])
        ax.plot(x, means, marker=MARKERS[i % 10], color=PALETTE[i % 10], label=shown(name))
        ax.fill_between(x, [s.low for s in spans], [s.high for s in spans], color=PALETTE[i % 10], alpha=0.18, lw=0)
        said.append(_course(shown(name), x, means))
    for i, (name, value) in enumerate((lines or {}).items()):
        look = dict(color=GREY, ls=("--", ":", "-.")[i % 3], lw=1.1, label=shown(name))
        if isinstance(value, pd.Series):
            ax.plot(value.index.to_numpy(float), value.to_numpy(), **look)
            said.append(_course(shown(name), value.index.to_numpy(float), value.to_numpy(float)))
        else:
            ax.axhline(value, **look)
            said.append(f"line {shown(name)} at {value:.3g}")
    if not np.isfinite(ax.dataLim.intervalx).all():
        ax.text(0.5, 0.5, "no value to draw", transform=ax.transAxes, ha="center", color=GREY)
        ax.tick_params(bottom=False, labelbottom=False)  # the other axis may be shared
    elif log_x:
        style.powers_of_two(ax)
    ax.set(xlabel=shown(xlabel), ylabel=shown(ylabel), title=title)
    if legend and (len(data) > 1 or lines) and not _name_ends(ax):
        legend_below(figure)
    say(ax, "; ".join(filter(None, said)))
    return figure


def _name_ends(ax: Axes) -> bool:
    """Write the name of each line at its right end, if all are short and far enough from one another."""
    lines = [(line, *line.get_xydata()[-1]) for line in ax.lines if len(line.get_xydata())]
    lines = [(line, ax.dataLim.x1 if len(set(line.get_ydata())) == 1 else x, y) for line, x, y in lines]
    heights = sorted(y for *_, y in lines)
    low, high = ax.get_ylim()
    apart = (high - low) * 0.13 / (0.6 * ax.figure.get_figheight())
    if any(b - a < apart for a, b in itertools.pairwise(heights)) or not np.isfinite(heights).all():
        return False
    if max((len(line.get_label()) for line, *_ in lines), default=SHORT + 1) > SHORT:
        return False
    for line, x, y in lines:
        ax.annotate(line.get_label(), (x, y), (5, 0), textcoords="offset points", va="center", fontsize=7,
                    color=line.get_color(), annotation_clip=False)
    return True


@redrawable
def panels(found: dict[str, tuple[dict[str, pd.DataFrame], dict[str, float | pd.Series]]], over: str,
           log_x: bool = True, ylabel: str = "") -> Figure:
    """`curves` side by side over `over`, with one legend: what is on the vertical axis -> (curves, reference lines).
    With a `ylabel`, all share that axis, and have titles."""
    figure, axes = style.new(PAGE, 2.6, 1, len(found), sharey=bool(ylabel))
    for ax, (name, (data, lines)) in zip(np.atleast_1d(axes), found.items(), strict=True):
        first = ax.get_subplotspec().is_first_col()
        curves(data, over, (ylabel if first else "") if ylabel else name, ax, log_x, lines, name if ylabel else "",
               legend=False)
    legend_below(figure)
    return figure


def _course(name: str, x: np.ndarray, y: np.ndarray) -> str:
    """A curve in words: its ends, and its top if that lies between them."""
    x, y = x[np.isfinite(y)], y[np.isfinite(y)]
    if not len(y):
        return ""
    top = int(np.argmax(y))
    ends = f"{name} from {y[0]:.3g} at {x[0]:.3g} to {y[-1]:.3g} at {x[-1]:.3g}"
    return ends + (f", highest {y[top]:.3g} at {x[top]:.3g}" if 0 < top < len(y) - 1 else "")


@redrawable
def heat(
    data: pd.DataFrame, ax=None, title: str = "", label: str = "", diverging: bool = False, digits: int = 2,
) -> Figure:
    """A table as a picture, values written in when there are few."""
    rows, columns = data.shape
    annotate = data.size <= 150
    height = max(2.2, 0.9 + 0.24 * rows) if annotate else 1.3 + 0.11 * rows
    figure, ax = axes_of(ax, min(PAGE, 1.6 + 0.36 * columns), height)
    limit = np.nanmax(np.abs(data.to_numpy())) if diverging else None
    data = data.rename(index=shown, columns=shown).rename_axis(index=shown, columns=shown)
    drawn = data.rename(index=style.no_formula, columns=style.no_formula)  # seaborn measures labels
    sns.heatmap(drawn, ax=ax, cmap="vlag" if diverging else "cividis", vmin=-limit if diverging else None, vmax=limit,
                annot=annotate, fmt=f".{digits}f", annot_kws={"size": 6.5},
                cbar_kws={"label": shown(label)}, linewidths=0.3)
    ax.set(title=title)
    names = max((len(str(name)) for name in data.index), default=0)
    room = (figure.get_figwidth() - 0.8 - style.LETTER * names) / max(columns, 1)
    upright = 1.1 * style.LETTER * max((len(str(name)) for name in data.columns), default=0) > room
    ax.tick_params("x", rotation=90 if upright else 0)
    ax.tick_params(length=0)
    cells = data.stack()
    ends = [f"{word} {cells.iloc[at]:.3g} ({', '.join(map(str, cells.index[at]))})" for word, at in
            (("lowest", int(cells.argmin())), ("highest", int(cells.argmax())))] if len(cells) else ["no value"]
    say(ax, f"{rows} rows by {columns} columns, {', '.join(ends)}")
    return figure


@redrawable
def null_strip(values: dict[str, tuple[float, np.ndarray]], xlabel: str) -> Figure:
    """Each measured value (dot) over the draws of its null (grey strokes): name -> (value, draws)."""
    ax, rows = _rows(None, list(values), xlabel, height=0.26)
    for row, (value, draws) in zip(rows, values.values(), strict=True):
        ax.plot(draws, np.full(len(draws), row), "|", color=GREY, ms=9, mew=0.8, alpha=0.7)
        ax.plot(value, row, "o", color=PALETTE[1])
    handles = [mpl.lines.Line2D([], [], color=PALETTE[1], marker="o", ls="", label="measured, mean over seeds"),
               mpl.lines.Line2D([], [], color=GREY, marker="|", ls="", ms=9, label="null draws")]
    legend_below(ax.figure, handles=handles)
    names = [shown(name) for name in values]
    say(ax, f"{listed(names, [value for value, _ in values.values()])}; mean of the null draws: "
            f"{listed(names, [np.mean(draws) for _, draws in values.values()])}")
    return ax.figure


@redrawable
def log_mels(images: dict[str, np.ndarray], seconds: float, columns: int = 4, unit: str = "dB") -> Figure:
    """A grid of log-mel spectrograms: title -> [n_mels, frames]."""
    columns = columns if style.wide(PAGE) > COLUMN else 2
    rows = -(-len(images) // columns)
    figure, grid = style.new(PAGE, 1.15 * rows + 0.25, rows, columns, sharex=True, sharey=True, squeeze=False)
    low = min(np.percentile(image, 2) for image in images.values())
    high = max(np.percentile(image, 99.8) for image in images.values())
    for ax in grid.flat[len(images) :]:
        ax.set_axis_off()
    for ax, (title, image) in zip(grid.flat, images.items(), strict=False):
        mesh = ax.imshow(image, origin="lower", aspect="auto", extent=(0, seconds, 0, len(image)), vmin=low, vmax=high,
                         cmap="magma", interpolation="nearest")
        ax.set_title(title, fontsize=7)
        say(ax, f"spectrogram, mean {np.mean(image):.3g} {unit}")
    figure.supxlabel("time, s", fontsize=8)
    figure.supylabel("mel band", fontsize=8)
    figure.colorbar(mesh, ax=grid, label=unit, shrink=0.8, aspect=30)
    return figure


@redrawable
def causes(links: dict[tuple[str, str], Interval]) -> Figure:
    """Causal chains as a diagram: (cause, consequence) -> measured effect, written on the arrow. One row per chain."""
    chains: list[list[str]] = []
    for cause, consequence in links:
        chain = next((chain for chain in chains if chain[-1] == cause), None)
        chain.append(consequence) if chain else chains.append([cause, consequence])
    down, longest = style.wide(PAGE) < 0.7 * PAGE, max(map(len, chains))  # in a narrow figure chains go down
    figure, ax = style.new(PAGE, 0.2 + (0.75 * longest if down else 0.85 * len(chains)))
    along, across = (-0.4, longest - 0.6), (-0.6, len(chains) - 0.4)
    ax.set(xlim=across if down else along, ylim=along[::-1] if down else across[::-1])
    ax.set_axis_off()

    def place(step: float, chain: float) -> tuple[float, float]:
        return (chain, step) if down else (step, chain)

    for row, chain in enumerate(chains):
        for column, name in enumerate(chain):
            box = dict(boxstyle="round,pad=0.5", fc="white", ec=PALETTE[0])
            ax.text(*place(column, row), name, ha="center", va="center", fontsize=8, bbox=box)
        for column, pair in enumerate(zip(chain[:-1], chain[1:], strict=True)):
            arrow = dict(arrowstyle="-|>", color=GREY, shrinkA=0, shrinkB=0)
            ax.annotate("", place(column + 0.72, row), place(column + 0.28, row), arrowprops=arrow)
            effect = links[pair]
            said = f"{effect.mean:+.2f}\n[{effect.low:+.2f}, {effect.high:+.2f}]"
            said = "not known" if np.isnan(effect.mean) else said if np.isfinite(effect.low) else f"{effect.mean:+.2f}"
            at, (ha, va) = place(column + 0.5, row), ("left", "center") if down else ("center", "bottom")
            ax.annotate(said, at, (5, 0) if down else (0, 4), textcoords="offset points", ha=ha, va=va, fontsize=7)
            say(ax, f"from {pair[0]} to {pair[1]} {said}")
    return figure


@redrawable
def bars(values: pd.Series, xlabel: str, width: float = COLUMN, **axes) -> Figure:
    """A bar per row, the first one on top."""
    figure, ax = style.new(width, 0.6 + 0.17 * len(values))
    names = [str(shown(name)) for name in values.index]
    ax.barh(names[::-1], values.to_numpy()[::-1], color=PALETTE[0], height=0.65)
    ax.set(xlabel=xlabel, **axes)
    say(ax, listed(names, values))
    return figure


@redrawable
def eigenvalues(spectra: dict[str, np.ndarray], levels: dict[str, float] | None = None, n: int | None = None,
                kept: int | None = None, of: str = "eigenvalue") -> Figure:
    """The first `n` eigenvalues of each covariance, on a logarithmic scale, with levels to compare them with, and a
    line behind the components that are `kept`."""
    figure, ax = style.new()
    for i, (name, values) in enumerate(spectra.items()):
        ax.plot(range(1, len(values[:n]) + 1), values[:n], marker=MARKERS[i % 10], color=PALETTE[i % 10], label=name,
                ms=4 if len(values[:n]) < 20 else 2.5)
    for i, (name, level) in enumerate((levels or {}).items()):
        ax.axhline(level, color=GREY, ls=("--", ":", "-.")[i % 3], lw=1, label=name)
    if kept:
        ax.axvline(kept + 0.5, color=GREY, ls="--", lw=1)
    ax.set(xlabel="component", ylabel=of, yscale="log")
    said = f"largest: {listed(spectra, [values[0] for values in spectra.values()])}"
    say(ax, said + (f"; levels: {listed(levels, levels.values())}" if levels else ""))
    if len(spectra) > 1 or levels:
        ax.legend()
    return figure


def histories(latents) -> Figure:
    """Training and held-out loss over epochs: a line for each seed of one setting, until it stops."""
    names = ("train_loss", "held_out_loss")
    return losses({name.replace("_", " "): latents.history.sel(curve=name).values for name in names})


@redrawable
def losses(values: dict[str, np.ndarray]) -> Figure:
    """Losses over epochs, name -> [seed, epoch]: a line for each seed."""
    figure, ax = style.new()
    for i, (name, runs) in enumerate(values.items()):
        lines = ax.plot(np.arange(1, runs.shape[1] + 1), runs.T, color=PALETTE[i], lw=0.8, alpha=0.7)
        lines[0].set_label(name)
        ends = [run[np.isfinite(run)][-1] for run in runs if np.isfinite(run).any()]
        say(ax, f"{name} from {np.nanmean(runs[:, 0]):.3g} at the first epoch to {np.mean(ends):.3g} at the last, "
                f"means of {len(runs)} seeds")
    low, high = np.nanpercentile(np.concatenate(list(values.values())), [0, 97])
    ax.set(xlabel="epoch", ylabel="loss per track", ylim=(0.95 * low, 1.05 * high))
    ax.legend()
    return figure
