"""The visual language of all figures: colours, markers, letters, widths."""

from __future__ import annotations

import contextlib
import functools
import re
import textwrap
import warnings
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

COLUMN, PAGE = 3.35, 6.9  # widths in inches: one column and a full page of a two-column paper
TALLEST = 8.6  # inches: a page
WIDTHS = {"column": COLUMN, "page": PAGE}
SCREEN = {"column": 130, "page": 110}  # pixels of a page on the screen per inch of a figure of that width
INTERACTIVE = "interactive"  # marks points that a page lets the reader point at
PALETTE = sns.color_palette("colorblind", 10)  # safe for the common colour blindnesses
MARKERS = "osD^vP*Xhp"
GREY = "#6b6b6b"
MISSING = re.compile(r"(?<![\w.])[-+]?(nan|inf)(?![\w])")  # how Python prints a number that is not there
LETTER, HANDLE = 0.052, 0.45  # inches: an average letter of 7 points; what stands before and after a legend's text
# Labels may be in any script: of the fonts that are installed these take over first what the first lacks
FONTS = ("Noto Sans CJK JP", "Noto Sans CJK SC", "Source Han Sans", "WenQuanYi Zen Hei", "IPAGothic", "Noto Sans Thai",
         "Noto Sans Devanagari", "Unifont", "Arial Unicode MS", "Hiragino Sans", "PingFang SC", "Yu Gothic",
         "Microsoft YaHei", "Malgun Gothic", "Leelawadee UI", "Nirmala UI")
INSTALLED = {font.name for font in mpl.font_manager.fontManager.ttflist}
warnings.filterwarnings("ignore", message="Glyph .* missing from font")
mpl.style.use(Path(__file__).with_name("paper.mplstyle"))
mpl.rcParams["font.family"] = ["DejaVu Sans", *(name for name in FONTS if name in INSTALLED)]


def no_formula(name: object) -> str:
    return str(name).replace("$", "\\$")


# --- letters of any script ---------------------------------------------------------------------------------------
def find_letters(figure: Figure) -> None:
    """Let texts of a figure fall back on any font that is installed and has the letters that theirs lack."""
    own = frozenset().union(*(_letters(mpl.font_manager.findfont(name)) for name in mpl.rcParams["font.family"]))
    for text in figure.findobj(Text):
        lacking = sorted({char for char in text.get_text() if char.isprintable() and ord(char) not in own})
        fonts = [name for name in dict.fromkeys(map(_font_with, lacking)) if name]
        if fonts:
            text.set_fontfamily([*text.get_fontfamily(), *fonts])


@functools.cache
def _font_with(char: str) -> str:
    """The name of an installed font that has a letter, a Noto font if one can be had; "" if none has it."""
    fonts = sorted(_installed(), key=lambda one: ("Noto Sans" not in one.name, "Noto" not in one.name, one.name))
    return next((font.name for font in fonts if ord(char) in _letters(font.fname)), "")


@functools.cache
def _installed() -> tuple[mpl.font_manager.FontEntry, ...]:
    """The upright fonts, also those installed after Matplotlib last looked; without those that draw only boxes."""
    known = {font.fname for font in mpl.font_manager.fontManager.ttflist}
    for path in mpl.font_manager.findSystemFonts():
        if path not in known:
            with contextlib.suppress(OSError, RuntimeError, ValueError):
                mpl.font_manager.fontManager.addfont(path)
    fonts = {font.name: font for font in mpl.font_manager.fontManager.ttflist if font.style == "normal"}
    return tuple(font for name, font in fonts.items() if not name.startswith("Last Resort") and "Emoji" not in name)


@functools.cache
def _letters(path: str) -> frozenset[int]:
    try:
        return frozenset(mpl.ft2font.FT2Font(path).get_charmap())
    except (OSError, RuntimeError):
        return frozenset()


def plain_dollars(figure: Figure) -> None:
    """A dollar sign in a label is no formula, which might be a broken one; those of logarithmic axes stay."""
    for ax in figure.axes:
        for axis in (ax.xaxis, ax.yaxis):
            axis.get_ticklabels()  # makes them
    for text in figure.findobj(Text):
        if "$" in text.get_text().replace("\\$", "") and "\\mathdefault" not in text.get_text():
            text.set_parse_math(False)


# --- figures of a width ------------------------------------------------------------------------------------------
_wide: ContextVar[float | None] = ContextVar("inches that every new figure is wide", default=None)


@contextlib.contextmanager
def as_wide_as(width: float) -> Iterator[None]:
    """Within it, all new figures are `width` inches wide, whatever they ask for."""
    before = _wide.set(width)
    try:
        yield
    finally:
        _wide.reset(before)


def wide(width: float) -> float:
    """How wide a figure is that asks for `width` inches."""
    return _wide.get() or width


def new(width: float = COLUMN, height: float | None = None, rows: int = 1, columns: int = 1, squeeze: bool = True,
        **kwargs):
    """A figure and its axes at paper width (inches); panels are stacked where there is no room for them side by side.

    pyplot does not know it, so that Jupyter does not show it, without caption and text, at the end of a cell.
    """
    height, inches = height or 0.7 * width, wide(width)
    across = columns
    if inches < 0.7 * width and columns > 1:
        across = 1 if rows == 1 or rows * columns <= 4 else 2
    down = -(-rows * columns // across)
    figure = Figure(figsize=(inches, min(height * (0.85 * down / rows if down > rows else 1), TALLEST)))
    axes = figure.subplots(down, across, squeeze=False, **kwargs)
    axes = (axes.T if across == rows < columns else axes).ravel()  # a row of panels becomes a column
    for ax in axes[rows * columns:]:
        ax.remove()
    axes = axes[:rows * columns].reshape(rows, columns)
    return figure, (axes if not squeeze else axes.squeeze() if axes.size > 1 else axes[0, 0])


def axes_of(ax: Axes | None, width: float = COLUMN, height: float | None = None) -> tuple[Figure, Axes]:
    return (ax.figure, ax) if ax is not None else new(width, height)


def powers_of_two(ax: Axes) -> None:
    """A logarithmic axis across, marked in plain numbers."""
    ax.set_xscale("log", base=2)
    ax.xaxis.set_major_formatter(mpl.ticker.FuncFormatter(lambda value, _: f"{value:g}"))


def legend_below(figure: Figure, handles: Iterable[Any] = ()) -> None:
    """One legend for all panels, under them, of `handles` or of all that is drawn: in as few, even rows as fit."""
    before = figure.legends.copy()
    found = list(handles) or [one for ax in figure.axes for one in ax.get_legend_handles_labels()[0]]
    named = {handle.get_label(): handle for handle in found}
    most = int((figure.get_figwidth() - HANDLE) / LETTER)
    names = [textwrap.fill(name, most) for name in named]
    for rows in range(1, len(names) + 1):
        figure.legends.clear()
        made = figure.legend(list(named.values()), names, loc="outside lower center", ncols=-(-len(names) // rows))
        if made.get_window_extent().width <= figure.bbox.width:
            break
    if not before:
        figure.set_figheight(min(TALLEST, figure.get_figheight() + 0.13 * (rows - 1)))


def prepare(figure: Figure) -> None:
    """Make texts of any script and with any sign be drawn as they are; to be called before a figure is settled."""
    plain_dollars(figure)
    find_letters(figure)


def settle(figure: Figure) -> None:
    """Lay a figure out, once, whatever draws it then: its panels have letters, names that are longer than their panel
    are broken, and what would be cut gets room."""
    engine = figure.get_layout_engine()
    if getattr(figure, "settled", False) or engine is None:
        return
    panels = [ax for ax in figure.axes if ax.get_subplotspec() and ax.axison and ax.get_label() != "<colorbar>"]
    for letter, ax in zip("abcdef" if 1 < len(panels) <= 6 else "", panels, strict=False):
        ax.set_title(f"{letter}   {ax.get_title(loc='left')}".strip(), loc="left")
    engine.execute(figure)
    if _break_lines(figure, panels):
        engine.execute(figure)
    margins = np.zeros(4)  # left, bottom, right, top, inches
    for _ in range(3):
        over = overhang(figure)
        if over.max() < 0.01:
            break
        margins += np.maximum(over, 0)
        left, bottom, right, top = margins / np.tile(figure.get_size_inches(), 2)
        engine.set(rect=(left, bottom, 1 - left - right, 1 - bottom - top))
        engine.execute(figure)
    figure.set_layout_engine("none")
    figure.settled = True


def overhang(figure: Figure) -> np.ndarray:
    """How far what is drawn reaches beyond a figure: left, bottom, right, top, inches."""
    (left, low), (right, high) = figure.get_tightbbox().get_points()
    width, height = figure.get_size_inches()
    return np.array([-left, -low, right - width, high - height])


def _break_lines(figure: Figure, panels: list[Axes]) -> bool:
    """Break titles and names of axes that are longer than their panel, or would leave the figure; was one broken?"""
    width, height = figure.get_size_inches()
    boxes = [ax.get_position() for ax in panels]
    broken = False
    for ax, box in zip(panels, boxes, strict=True):
        middle, level = width * (box.x0 + box.x1) / 2, height * (box.y0 + box.y1) / 2
        beside = [abs(width * (other.x0 + other.x1) / 2 - middle) for other in boxes if abs(other.x0 - box.x0) > 0.01]
        across = min([2 * middle, 2 * (width - middle), *beside]) - 0.12
        right = min([other.x0 for other in boxes if other.x0 > box.x1] or [1])
        broken |= _break_line(figure, ax.xaxis.label, 0, across)
        broken |= _break_line(figure, ax.yaxis.label, 1, 2 * min(level, height - level))
        broken |= _break_line(figure, ax._left_title, 0, width * (right - box.x0) - 0.05)
    for ax in (ax for ax in figure.axes if ax.get_label() == "<colorbar>"):
        level = height * (ax.get_position().y0 + ax.get_position().y1) / 2
        broken |= _break_line(figure, ax.yaxis.label, 1, 2 * min(level, height - level))
    return broken


def _break_line(figure: Figure, text: Text, side: int, room: float) -> bool:
    """Break a text that takes more than its `room` (inches) across (side 0) or up (1); was it broken?"""
    said = text.get_text()
    takes = text.get_window_extent().size[side] / figure.dpi if said else 0
    if takes <= room:
        return False
    letters = max(map(len, said.split("\n")))
    text.set_text(textwrap.fill(" ".join(said.split("\n")), max(8, int(letters * room / takes)),
                                break_long_words=False))
    return True


def name_label(figure: Figure, label: str) -> None:
    """Put what the corpus's labels are called where a figure's texts say `{label}`."""
    for ax in figure.axes:
        for axis in (ax.xaxis, ax.yaxis):
            axis.get_ticklabels()  # makes them
            names = [text.get_text() for text in axis.get_ticklabels()]
            if any("{label}" in name for name in names):
                axis.set_ticks(axis.get_ticklocs(), [name.replace("{label}", label) for name in names])
    for text in figure.findobj(Text):
        if "{label}" in text.get_text():
            text.set_text(text.get_text().replace("{label}", label))
    figure.said = [(ax, text.replace("{label}", label)) for ax, text in getattr(figure, "said", [])]


# --- figures in words --------------------------------------------------------------------------------------------
def say(ax: Axes, text: str) -> None:
    """Add to what a figure says to those who do not see it: a sentence without its full stop on one panel."""
    ax.figure.said = [*getattr(ax.figure, "said", []), (ax, text)]


def words(figure: Figure) -> str:
    """What its plot functions said of a figure, each sentence after the title and the axes of its panel; where they
    said nothing, how far each panel's data reach."""
    said = []
    for ax, text in getattr(figure, "said", None) or _reaches(figure):
        axes = " against ".join(dict.fromkeys(filter(None, (ax.get_ylabel(), ax.get_xlabel()))))
        head = ", ".join(filter(None, (ax.get_title(loc="left"), axes)))
        said.append(f"{head}: {text}." if head else f"{text}.")
    return MISSING.sub("no number", " ".join(" ".join(said).split()))


def _reaches(figure: Figure) -> list[tuple[Axes, str]]:
    found = []
    for ax in (ax for ax in figure.axes if ax.axison and np.isfinite(ax.dataLim.extents).all()):
        left, low, right, high = ax.dataLim.extents
        found.append((ax, f"from {left:.3g} to {right:.3g} across and {low:.3g} to {high:.3g} up"))
    return found


def listed(names: Iterable[Any], values: Iterable[float], most: int = 8) -> str:
    """Names with their values; of many only the extremes."""
    pairs = [(str(name), float(value)) for name, value in zip(names, values, strict=True) if np.isfinite(value)]
    if len(pairs) <= most:
        return ", ".join(f"{name} {value:.3g}" for name, value in pairs)
    low, high = min(pairs, key=lambda pair: pair[1]), max(pairs, key=lambda pair: pair[1])
    return f"{len(pairs)} rows, highest {high[0]} {high[1]:.3g}, lowest {low[0]} {low[1]:.3g}"
