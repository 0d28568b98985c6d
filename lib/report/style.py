"""The visual language of all figures: colours, markers, letters, widths."""

from __future__ import annotations

import warnings

import matplotlib as mpl
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib.report import fonts

COLUMN, PAGE = 3.35, 6.9  # widths in inches: one column and a full page of a two-column paper
TALLEST = 8.6  # inches: a page
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
INSTALLED = {font.name for font in mpl.font_manager.fontManager.ttflist}
warnings.filterwarnings("ignore", message="Glyph .* missing from font")
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


def no_formula(name: object) -> str:
    return str(name).replace("$", "\\$")


def new(width: float = COLUMN, height: float | None = None, rows: int = 1, columns: int = 1, **kwargs):
    """A figure and its axes at paper width (inches).

    pyplot does not know it, so that Jupyter does not show it, without caption and text, at the end of a cell.
    """
    figure = Figure(figsize=(width, height or 0.7 * width))
    return figure, figure.subplots(rows, columns, **kwargs)


def axes_of(ax: Axes | None, width: float = COLUMN, height: float | None = None) -> tuple[Figure, Axes]:
    if ax is not None:
        return ax.figure, ax
    figure, ax = new(width, height)
    return figure, ax
