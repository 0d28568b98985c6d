"""Figures of fusion: each takes data and returns the figure, as in `lib/report/plots.py`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lib.report import style
from lib.report.glossary import shown
from lib.report.plots import curves, dots
from lib.report.redraw import redrawable
from lib.scores.intervals import SHARE, Interval
from lib.studies.fusion.methods import MEANING

INFORMATION = "information of the second modality about {label}, nats"
LOWEST = -0.35  # of the axis of gains: fusions that follow a wrong modality fall far below
Bands = Mapping[str, tuple[float, float]]


@redrawable
def gains_over_information(found: Mapping[str, dict[str, pd.DataFrame]], inside: Mapping[str, float],
                           full: float) -> Figure:
    """Gain over the better single modality against information, nats, up to `full`: a panel per method, a curve per
    kind of modality (`doses.gain_curves`). Hollow: mean gain where half of it is permuted within labels;
    triangles: means below the axis."""
    figure, axes = style.new(style.PAGE, 3.9, 2, -(-len(MEANING) // 2), sharex=True, sharey=True)
    for ax, method in zip(axes.flat, MEANING, strict=True):
        parts = {f"{shown(kind)} second modality": tables[method] for kind, tables in found.items()}
        curves(parts, "", "", ax, lines={"no gain": 0.0}, title=shown(method), legend=False)
        ax.axvline(0, color=style.GREY, lw=0.8)
        ax.plot(1.1 * full / 2, inside.get(method, np.nan), "o", color=style.PALETTE[0], mfc="white")
        for i, table in enumerate(parts.values()):
            below = table.mean(axis=1).loc[lambda means: means < LOWEST]
            ax.plot(below.index, np.full(len(below), LOWEST + 0.01), "v", color=style.PALETTE[i], ms=4)
    axes.flat[0].set_ylim(bottom=max(LOWEST, axes.flat[0].get_ylim()[0]))
    axes.flat[0].set_xticks([-full, 0, full], ["all,\npermuted", "0", f"{full:.2f}"])
    figure.supxlabel(INFORMATION, fontsize=8)
    figure.supylabel("gain in NMI over the better modality", fontsize=8)
    columns = 3 if style.wide(style.PAGE) > 0.7 * style.PAGE else 1
    figure.legend(*axes.flat[0].get_legend_handles_labels(), loc="outside upper center", ncols=columns)
    return figure


@redrawable
def scores_over_information(methods: dict[str, pd.DataFrame], audio: pd.DataFrame, second: pd.DataFrame,
                            expected: Bands) -> Figure:
    """NMI [nats, seed] of every method and of either modality alone, with bands of what was expected."""
    figure, ax = style.new(style.COLUMN * 1.3, 3.4)
    for i, (name, (low, high)) in enumerate(expected.items()):
        ax.axhspan(low, high, color=style.PALETTE[7 + i], alpha=0.25, lw=0, label=name)
    return curves(methods, INFORMATION, "NMI with {label}", ax, within=SHARE, lines={
        "audio alone": audio.mean(axis=1), "second modality alone": second.mean(axis=1)})


@redrawable
def beside_controls(rows: pd.DataFrame, expected: Bands) -> Figure:
    """NMI of either modality alone and of each fusion (`second.score_table`), beside the second one permuted over
    tracks, with bands of what was expected."""
    nulls = [one.mean if isinstance(one, Interval) else float("nan") for one in rows["permuted over all tracks"]]
    figure = dots(list(rows["method"]), list(rows["nmi"]), "NMI with {label}", nulls=nulls,
                  null_name="second modality permuted")
    for i, (low, high) in enumerate(expected.values()):
        figure.axes[0].axvspan(low, high, color=style.PALETTE[7 + i], alpha=0.25, lw=0)
    return figure
