"""Figures of fusion: each takes data and returns the figure, as in `lib/report/plots.py`."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from lib.report import style
from lib.report.glossary import shown
from lib.report.plots import curves, dots
from lib.report.redraw import redrawable
from lib.scores.intervals import SHARE, Interval
from lib.studies.fusion.methods import METHODS

INFORMATION = "information of the second modality about {label}, nats"
Bands = Mapping[str, tuple[float, float]]


@redrawable
def gains_over_information(found: Mapping[str, dict[str, pd.DataFrame]], inside: Mapping[str, float],
                           full: float) -> Figure:
    """Gain over the better single modality against information, nats, up to `full`, a panel per kind of modality:
    `doses.gain_curves`. Hollow: mean gain by method where half of it is dealt within labels."""
    figure, axes = style.new(style.PAGE, 3.0, 1, len(found), sharey=True)
    places = ([-full, -full / 2, 0, full / 2, full],
              ["all,\npermuted", "half,\npermuted", "0", f"{full / 2:.2f}", f"{full:.2f}"])
    for ax, (kind, parts) in zip(axes, found.items(), strict=True):
        ylabel = "gain in NMI over the better modality" if ax.get_subplotspec().is_first_col() else ""
        title = f"{shown(kind)} second modality"
        curves(parts, INFORMATION, ylabel, ax, lines={"no gain": 0.0}, title=title, legend=False)
        ax.axvline(0, color=style.GREY, lw=0.8)
        ax.set_ylim(bottom=max(-0.35, ax.get_ylim()[0]))
        ax.set_xticks(*places)
    for i, method in enumerate(METHODS):
        axes[0].plot(1.1 * full / 2, inside[method], style.MARKERS[i], color=style.PALETTE[i], mfc="white")
    style.legend_below(figure)
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
def ladder(rows: pd.DataFrame, expected: Bands) -> Figure:
    """NMI of either modality alone and of each fusion (`second.score_table`), beside the second one dealt to other
    tracks, with bands of what was expected."""
    nulls = [dealt.mean if isinstance(dealt, Interval) else float("nan") for dealt in rows["dealt to all"]]
    figure = dots(list(rows["method"]), list(rows["nmi"]), "NMI with {label}", nulls=nulls,
                  null_name="second modality permuted")
    for i, (low, high) in enumerate(expected.values()):
        figure.axes[0].axvspan(low, high, color=style.PALETTE[7 + i], alpha=0.25, lw=0)
    return figure
