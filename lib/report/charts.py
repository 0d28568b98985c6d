"""Figures on pages: SVG in the page's own colours, light or dark, and a narrow drawing for phones."""

from __future__ import annotations

import io
import re
from html import escape
from pathlib import Path
from typing import Any

from bs4 import BeautifulSoup
from matplotlib import colors, rc_context
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from lib.report import redraw, style
from lib.report.style import COLUMN, GREY, PALETTE, SCREEN

MANY = 400  # points of one collection: from there on they are drawn as pixels
MARK = "chart-of-this-page-c0de"  # a mark that no page has
COLOURS = {"#000000": "var(--ink)", "#ffffff": "var(--paper)", GREY: "var(--soft)", "#d9d9d9": "var(--line)",
           "#bbbbbb": "var(--line)"} | {colors.to_hex(one): f"var(--c{i})" for i, one in enumerate(PALETTE)}
COLOUR = re.compile("|".join(COLOURS))
TAG = re.compile(r"<(\w+) [^>]*>")
UNUSED = re.compile(r"<defs>\s*<style.*?</style>\s*</defs>|<metadata>.*?</metadata>|<!--.*?-->|\n *", re.DOTALL)
UNSAID = re.compile(r" font-family: [^;\"]*;?| transform=\"rotate\(-?0 [^\"]*\"|(?<=\.\d\d)\d+")
IDS = re.compile(r"(\bid=\"|href=\"#|url\(#)")


def svg(figure: Figure, name: str) -> str:
    """A figure as an SVG file with its letters as text, the same each time; ids are made from its `name`."""
    style.settle(figure)
    many = [one for ax in figure.axes for one in ax.collections if len(one.get_offsets()) > MANY]
    for one in many:
        one.set_rasterized(True)
    drawn, before, figure.dpi = io.StringIO(), figure.dpi, 200
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        FigureCanvasSVG(figure).print_svg(drawn, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    figure.dpi = before
    for one in many:
        one.set_rasterized(False)
    return drawn.getvalue()


def narrow(drawing: Path, name: str, label: str) -> str | None:
    """The figure whose `drawing` was kept (see `redraw`) as an SVG file of a column's width; None without a drawing."""
    figure = redraw.again(drawing, COLUMN)
    if figure is None:
        return None
    style.name_label(figure, label)
    style.prepare(figure)
    return svg(figure, f"narrow-{name}")


def inline(text: str, prefix: str, alt: str, width: str, kind: str = "") -> str:
    """An SVG file of a figure made for `width` as a tag of a page, coloured by it; its ids begin with `prefix`."""
    text = UNUSED.sub("", text[text.index("<svg"):])
    text = re.sub(r' id="(?:figure|axes|patch|text|line2d|matplotlib\.axis|xtick|ytick|legend|[A-Z]\w*)_\d+"', "", text)
    text = IDS.sub(lambda found: found[0] + prefix, text)
    text = TAG.sub(lambda tag: _coloured(UNSAID.sub("", tag[0]), tag[1] == "text"), text)
    head, _, rest = text.partition(">")
    across, up = map(float, re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', head).groups())
    scale = SCREEN[width] / 72
    return (f'<svg class="chart {kind}" role="img" aria-label="{escape(alt)}" viewBox="0 0 {across:g} {up:g}" '
            f'width="{across * scale:.0f}" height="{up * scale:.0f}" xmlns:xlink="http://www.w3.org/1999/xlink">{rest}')


def _coloured(tag: str, is_text: bool) -> str:
    """A tag in the colours of the page; white letters stand on dark fields, and stay white."""
    return tag if is_text and "#ffffff" in tag else COLOUR.sub(lambda colour: COLOURS[colour[0]], tag)


def drawn(folder: Path, name: str, alt: str, width: str, prefix: str = "") -> str:
    """The figure `name` of the run in `folder` as tags of a page: for screens and, where there is one, for phones."""
    wide, small = (folder / "figures" / part / f"{name}.svg" for part in ("", "narrow"))
    if not wide.is_file():
        return ""
    found = [(wide, width, "wide" if small.is_file() else "")] + [(small, "column", "narrow")] * small.is_file()
    return "".join(inline(path.read_text(encoding="utf-8"), f"{prefix}{name}-{kind}", alt, made_for, kind)
                   for path, made_for, kind in found)


def small(folder: Path, figure: dict[str, Any], alt: str, prefix: str) -> str:
    """A recorded `figure` of the run in `folder` as one tag, for half of a page's width; "" without one."""
    wide, kept = (folder / "figures" / part / f"{figure['name']}.svg" for part in ("", "narrow"))
    if kept.is_file():
        found = kept.read_text(encoding="utf-8")
    else:  # a page of the run shows it in another way
        found = narrow(folder / "figures" / f"{figure['name']}.json", figure["name"], figure.get("label", ""))
    found = found or (wide.read_text(encoding="utf-8") if wide.is_file() else "")
    return inline(found, prefix, alt, "column") if found else ""


def set_aside(body: BeautifulSoup, folder: Path) -> list[str]:
    """Put marks where a page's figures have pictures, and return the tags that stand for them: they need no tidying."""
    found: list[str] = []
    for figure in body.select("figure[id^=fig-]"):
        image, name = figure.find("img"), figure["id"].removeprefix("fig-")
        tags = drawn(folder, name, image["alt"], image.get("data-width", "page")) if image else ""
        if tags:
            image.replace_with(f"{MARK} {len(found)}-")
            found.append(tags)
    return found


def put_back(page: str, found: list[str]) -> str:
    """The opposite of `set_aside`."""
    return re.sub(f"{MARK} ([0-9]+)-", lambda mark: found[int(mark[1])], page)
