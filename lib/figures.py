"""Every picture and printed table of the series: one visual language, made for a paper.

Plot functions take data and an optional `ax` and return the figure. `show` and `table` put a result into the page,
with a caption, and into the run's folder (PDF and PNG at the widths of a column and of a page; CSV, LaTeX and HTML).
"""

from __future__ import annotations

import base64
import html
import io
import json
import warnings
from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
import soundfile
import soxr
from IPython.display import HTML, display
from matplotlib import colors
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.figure import Figure

from lib import alt_text, artifacts, fonts, latex, widths
from lib.artifacts import Run
from lib.corpora.items import Sound
from lib.statistics import Interval, interval
from lib.widths import COLUMN, PAGE

WIDTHS = {"column": COLUMN, "page": PAGE}
SCREEN = {"column": 130, "page": 110}  # pixels of a page on the screen per inch of a figure of that width
INTERACTIVE = "interactive"  # marks points that a page lets the reader point at
PALETTE = sns.color_palette("colorblind", 10)  # safe for the common colour blindnesses
MARKERS = "osD^vP*Xhp"
GREY = "#6b6b6b"

# Labels may be in any script: fonts that are installed take over what the first lacks
FONTS = ("Noto Sans CJK JP", "Noto Sans CJK SC", "Source Han Sans", "WenQuanYi Zen Hei", "IPAGothic", "Noto Sans Thai",
         "Noto Sans Devanagari", "Unifont", "Arial Unicode MS", "Hiragino Sans", "PingFang SC", "Yu Gothic",
         "Microsoft YaHei", "Malgun Gothic", "Leelawadee UI", "Nirmala UI")
BOXES = "Boxes stand for letters that no font installed here has."
warnings.filterwarnings("ignore", message="Glyph .* missing from font")
INSTALLED = {font.name for font in mpl.font_manager.fontManager.ttflist}
mpl.rcParams["font.family"] = [*fonts.add(), "DejaVu Sans", *(name for name in FONTS if name in INSTALLED)]
mpl.rcParams.update(
    {
        "font.size": 8,
        "axes.titlesize": 8.5,
        "axes.labelsize": 8,
        "xtick.labelsize": 7,
        "ytick.labelsize": 7,
        "legend.fontsize": 7,
        "legend.frameon": False,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlelocation": "left",
        "axes.titleweight": "bold",
        "lines.linewidth": 1.3,
        "lines.markersize": 4,
        "savefig.dpi": 200,
        "figure.dpi": 100,
        "figure.constrained_layout.use": True,
        "pdf.fonttype": 42,
        "axes.grid": False,
        "image.cmap": "cividis",
    }
)


# --- into the page and the folder --------------------------------------------------------------------------------


def show(run: Run, figure: Figure, name: str, caption: str, alt: str = "") -> None:
    """Put a figure into the page, with caption and alternative text, and save it (see `_save`).

    The alternative text is the caption and what the figure's own numbers say (`alt_text`), or `alt` and these. Points
    drawn by `scatter` come with their data, from which the book makes a plot to point at.
    """
    made_for = "column" if figure.get_size_inches()[0] <= 1.05 * COLUMN else "page"
    _plain_dollars(figure)
    with warnings.catch_warnings(record=True) as said:
        warnings.filterwarnings("always", message="Glyph .* missing from font")
        _lay_out(figure, made_for)  # tick labels exist only then
    if any("missing from font" in str(warning.message) for warning in said):
        caption = f"{caption} {BOXES}"
    alt, plots = f"{alt or caption} {alt_text.describe(figure)}".strip(), _interactive(figure)
    sources = {kind: f"data:image/png;base64,{base64.b64encode(picture).decode()}"
               for kind, picture in _save(run, figure, name, made_for).items()}
    artifacts.record(run, "figures", {"name": name, "caption": caption, "alt": alt, "width": made_for})
    width = round(WIDTHS[made_for] * SCREEN[made_for])
    image = f'<img src="{sources[made_for]}" alt="{html.escape(alt)}" width="{width}">'
    if made_for == "page":  # on a phone its letters would be too small
        image = f'<picture><source media="(max-width: 36rem)" srcset="{sources["column"]}">{image}</picture>'
    points = f'<script type="application/json" class="points">{plots}</script>' if plots else ""
    display(HTML(f'<figure id="fig-{name}">{image}{points}<figcaption>{html.escape(caption)}</figcaption></figure>'))


def _plain_dollars(figure: Figure) -> None:
    """A dollar sign in a label is no formula, which might be a broken one; those of logarithmic axes stay."""
    for ax in figure.axes:
        for axis in (ax.xaxis, ax.yaxis):
            axis.get_ticklabels()  # makes them
    for text in figure.findobj(mpl.text.Text):
        if "$" in text.get_text().replace("\\$", "") and "\\mathdefault" not in text.get_text():
            text.set_parse_math(False)


def _no_formula(name: object) -> str:
    return str(name).replace("$", "\\$")


def _save(run: Run, figure: Figure, name: str, made_for: str) -> dict[str, bytes]:
    """Save `figures/column/NAME` and `figures/page/NAME` as PDF and PNG, and close the figure; returns both PNGs.

    The width that the figure was made for, and is laid out for, comes first: the other one may move its panels.
    """
    found = {}
    for kind in sorted(WIDTHS, key=lambda kind: kind != made_for):
        if kind != made_for:
            _lay_out(figure, kind)
        found[kind], folder = png(figure), run.folder / "figures" / kind
        artifacts.write(folder / f"{name}.png", lambda path, data=found[kind]: path.write_bytes(data))
        artifacts.write(
            folder / f"{name}.pdf",
            lambda path: FigureCanvasPdf(figure).print_pdf(path, metadata={"CreationDate": None}),
        )
    plt.close(figure)
    return found


def _lay_out(figure: Figure, kind: str) -> None:
    """Give a figure the width of a column or a page, and place everything for good: once for all its files."""
    figure.set_layout_engine("constrained")
    widths.fit(figure, WIDTHS[kind])
    figure.get_layout_engine().execute(figure)
    figure.set_layout_engine("none")


def png(figure: Figure, dpi: float | None = None) -> bytes:
    """A figure as a PNG file (default: the resolution of saved figures)."""
    picture, before = io.BytesIO(), figure.dpi
    figure.dpi = dpi or mpl.rcParams["savefig.dpi"]
    FigureCanvasAgg(figure).print_png(picture, metadata={"Software": None})  # `savefig` would draw twice
    figure.dpi = before
    return picture.getvalue()


def _interactive(figure: Figure) -> str:
    """JSON of the panels whose points `scatter` drew: labels of the axes, and per group its name, colour and points."""
    panels = []
    for ax in figure.axes:
        groups = [group for group in ax.collections if group.get_gid() == INTERACTIVE]
        if groups:
            panels.append({
                "title": ax.get_title(loc="left"), "x": ax.get_xlabel(), "y": ax.get_ylabel(),
                "groups": [{"name": str(group.get_label()), "colour": colors.to_hex(group.get_facecolor()[0]),
                            "points": [[float(f"{v:.4g}") for v in point] for point in group.get_offsets().tolist()],
                            "names": getattr(group, "names", [])} for group in groups],
            })
    return json.dumps(panels, separators=(",", ":")).replace("<", "\\u003c") if panels else ""


def table(run: Run, data: pd.DataFrame, name: str, caption: str, digits: int = 3, index: bool = False) -> None:
    """Put a table into the page, with its caption, and save it as CSV, LaTeX (booktabs) and HTML."""
    shown = data.map(lambda value: _cell(value, digits)).rename_axis(columns=None)
    folder = run.folder / "tables"
    artifacts.write_text(folder / f"{name}.csv", _spread(data).to_csv(index=index))
    flat = shown.reset_index() if index else shown
    numeric = [all(_is_number(value) for value in data[column]) if column in data else False for column in flat]
    rows = flat.astype(str).to_numpy().tolist()
    artifacts.write_text(folder / f"{name}.tex", latex.table([str(c) for c in flat], rows, caption, name, numeric))
    artifacts.record(run, "tables", {"name": name, "caption": caption})
    body = shown.to_html(index=index, border=0, classes="dataframe", escape=True)
    page = f'<figure class="table" id="tab-{name}"><figcaption>{html.escape(caption)}</figcaption>{body}</figure>'
    artifacts.write_text(folder / f"{name}.html", page)
    display(HTML(page))


def players(run: Run, sounds: dict[str, Sound | None], name: str, caption: str, seconds: float = 8.0) -> None:
    """Put an audio player for each sound into the page (see `player`)."""
    rows = [player(title, sound, seconds) for title, sound in sounds.items() if sound is not None]
    display(
        HTML(
            f'<figure class="players" id="fig-{name}">{"".join(rows)}'
            f"<figcaption>{html.escape(caption)}</figcaption></figure>"
        )
    )


def player(title: str, sound: Sound, seconds: float = 8.0) -> str:
    """HTML of an audio player: the middle `seconds` of a sound at full level, as MP3 of 22,050 Hz (8 kB a second)."""
    start = max(0, (len(sound.y) - int(seconds * sound.sr)) // 2)
    y = soxr.resample(sound.y[start : start + int(seconds * sound.sr)], sound.sr, 22050)
    y = 0.9 * y / max(np.abs(y).max(), 1e-9)
    mp3 = io.BytesIO()
    soundfile.write(mp3, y, 22050, format="MP3")
    data = base64.b64encode(mp3.getvalue()).decode()
    return (
        f'<div class="player"><span>{html.escape(title)}</span><audio controls preload="none" '
        f'aria-label="{html.escape(title)}" src="data:audio/mpeg;base64,{data}"></audio></div>'
    )


def _spread(data: pd.DataFrame) -> pd.DataFrame:
    """Intervals as columns of numbers: name, name_low, name_high, name_n."""
    columns = {}
    for name, values in data.items():
        columns[name] = [value.mean if isinstance(value, Interval) else value for value in values]
        if any(isinstance(value, Interval) for value in values):
            for part in ("low", "high", "n"):
                columns[f"{name}_{part}"] = [getattr(value, part, "") for value in values]
    return pd.DataFrame(columns, index=data.index)


def _is_number(value) -> bool:
    return isinstance(value, (int, float, np.number, Interval)) and not isinstance(value, (bool, np.bool_))


def _cell(value, digits: int) -> str:
    if isinstance(value, Interval) and value.n == 0:
        return "–"
    if isinstance(value, Interval):
        return format(value, f".{digits}f")
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, (float, np.floating)):
        if np.isnan(value):
            return "–"
        return f"{value:.0f}" if float(value).is_integer() and abs(value) >= 10 else f"{value:.{digits}f}"
    return str(value)


def new(width: float = COLUMN, height: float | None = None, rows: int = 1, columns: int = 1, **kwargs):
    """A figure and its axes at paper width (inches).

    pyplot does not know it, so that Jupyter does not show it, without caption and text, at the end of a cell.
    """
    figure = Figure(figsize=(width, height or 0.7 * width))
    return figure, figure.subplots(rows, columns, **kwargs)


# --- plots -------------------------------------------------------------------------------------------------------


def scatter(
    points: np.ndarray, labels: Sequence[str], ax=None, title: str = "", axes: str = "component", legend: bool = True,
    names: Sequence[str] | None = None,
) -> Figure:
    """The first two columns of points [N, 2+] coloured and marked by label; the book lets the reader point at them.

    `names` [N] is what a point is called then, beside its label; default: the index of `labels`, if it has one.
    """
    figure, ax = _axes(ax, COLUMN * 1.35, COLUMN * 0.95)
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
    figure, ax = _axes(ax, COLUMN * 1.35, COLUMN * 0.95)
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
    figure, ax = _axes(ax, COLUMN * 1.3, 0.95 + 0.2 * len(names))
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


def rows_of_two(names: Sequence[str], values: dict[str, Sequence[Interval]], xlabel: str) -> Figure:
    """One row per name, with a dot and its 95 % interval for each of two runs, one above the other."""
    figure, ax = new(PAGE, 0.9 + 0.22 * len(names))
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
    figure, ax = _axes(ax)
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
    figure, ax = _axes(ax, min(PAGE, 1.6 + 0.36 * columns), 0.9 + 0.24 * rows)
    limit = np.nanmax(np.abs(data.to_numpy())) if diverging else None
    data = data.rename(index=_no_formula, columns=_no_formula)  # seaborn measures labels, before `_plain_dollars` comes
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
    figure, ax = _axes(ax, COLUMN * 1.3, 0.9 + 0.26 * len(values))
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
    figure, grid = new(PAGE, 1.15 * rows + 0.25, rows, columns, sharex=True, sharey=True, squeeze=False)
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
    figure, ax = new(PAGE, 0.2 + 0.85 * len(chains))
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


def histories(latents, ax=None, title: str = "") -> Figure:
    """Training and held-out loss over epochs: a line for each seed of one setting, until it stops."""
    figure, ax = _axes(ax)
    for i, name in enumerate(("train_loss", "held_out_loss")):
        values = latents.history.sel(curve=name).values
        lines = ax.plot(np.arange(1, values.shape[1] + 1), values.T, color=PALETTE[i], lw=0.8, alpha=0.7)
        lines[0].set_label(name.replace("_", " "))
    low, high = np.nanpercentile(latents.history.sel(curve=["train_loss", "held_out_loss"]).values, [0, 97])
    ax.set(xlabel="epoch", ylabel="loss per track", title=title, ylim=(0.95 * low, 1.05 * high))
    ax.legend()
    return figure


def _axes(ax: Axes | None, width: float = COLUMN, height: float | None = None) -> tuple[Figure, Axes]:
    if ax is not None:
        return ax.figure, ax
    figure, ax = new(width, height)
    return figure, ax
