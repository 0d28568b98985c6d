"""A figure laid out again for the width of a column and of a page, its letters as large as before."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib.report.style import TALLEST


def fit(figure: Figure, width: float) -> None:
    """Give a figure a width, in place. Panels that stand side by side are stacked where there is no room for them."""
    before, height = figure.get_size_inches()
    panels = [ax for ax in figure.axes if ax.get_subplotspec() is not None]
    rows, columns = panels[0].get_gridspec().get_geometry() if panels else (1, 1)
    if abs(before - width) < 0.01:
        return
    if width < 0.7 * before and columns > 1:
        across = 1 if rows == 1 or len(panels) <= 4 else 2
        down = -(-len(panels) // across)
        _name_every_panel(panels, rows, columns)
        grid = panels[0].get_gridspec().figure.add_gridspec(down, across)
        for i, ax in enumerate(panels):
            ax.set_subplotspec(grid[i // across, i % across])
        height *= 0.85 * down / rows
    elif width > before:
        height *= 1.2
    for text in (text for ax in panels if not ax.axison for text in ax.texts):  # a diagram has no axes to give way
        text.set_fontsize(text.get_fontsize() * min(1, 1.25 * width / before))
    for legend in figure.legends if width < before else ():
        legend.set_ncols(1)
        height += 0.15 * len(legend.get_texts())
    figure.set_size_inches(width, min(height, TALLEST))


def _name_every_panel(panels: list[Axes], rows: int, columns: int) -> None:
    """Give each panel the title, labels and ticks that it shared with its row or column: it will stand elsewhere."""
    at = {(spec.rowspan.start, spec.colspan.start): ax for ax in panels for spec in [ax.get_subplotspec()]}
    for (row, column), ax in at.items():
        if not ax.axison:
            continue  # left empty, or a diagram
        top, bottom, left = at.get((0, column)), at.get((rows - 1, column)), at.get((row, 0))
        if bottom is not None:
            ax.set_xlabel(ax.get_xlabel() or bottom.get_xlabel())
        if left is not None:
            ax.set_ylabel(ax.get_ylabel() or left.get_ylabel())
        if top is not None and not ax.get_title(loc="left"):
            ax.set_title(top.get_title(loc="left"))
        ax.tick_params(labelleft=True, labelbottom=True)
