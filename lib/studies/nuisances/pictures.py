"""The pictures of conditioning on nuisances. Each takes data and returns the figure, as in `lib/report/plots.py`."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lib.report.plots import curves
from lib.report.redraw import redrawable
from lib.report.style import COLUMN, GREY, MARKERS, PAGE, PALETTE, legend_below, listed, new, say, wide
from lib.studies.nuisances.corrected import CORRECTIONS
from lib.studies.nuisances.found import shown
from lib.studies.nuisances.gains import NEGATIVE, POSITIVE

PER_ROW = 3


@redrawable
def nmi_of_corrections(table: pd.DataFrame, base: pd.DataFrame) -> Figure:
    """NMI with the labels of every correction (a row each), a panel per nuisance, of every seed, a marker per network
    (of `gains.of_corrections`); dashed: nothing removed, mean (`gains.without`). Hollow: through a nuisance that goes
    with the label."""
    names = list(dict.fromkeys(table["nuisance"]))
    across = min(PER_ROW if wide(PAGE) > 1.1 * COLUMN else 1, len(names))
    down = -(-len(names) // across)
    figure, axes = new(PAGE, 0.9 + 1.35 * down, down, across, sharex=True, sharey=True, squeeze=False)
    corrections, networks = [correction for correction in CORRECTIONS if correction != "nothing"], list(base["network"])
    for ax in axes.flat[len(names):]:
        ax.set_axis_off()
    for ax, name in zip(axes.flat, names, strict=False):
        own = table[table["nuisance"] == name]
        for i, network in enumerate(networks):
            ax.axvline(base["nmi"].iloc[i].mean, color=PALETTE[i], ls="--", lw=0.9)
            _markers(ax, own[own["network"] == network], corrections, i, 0.24 * (1 - i))
        ax.set(yticks=range(len(corrections)), yticklabels=list(map(shown, corrections[::-1])), title=shown(name),
               ylim=(-0.6, len(corrections) - 0.4))
    for ax in axes[-1]:
        ax.set_xlabel("NMI with {label}")
    handles = [Line2D([], [], color=PALETTE[i], marker=MARKERS[i], ls="", label=network)
               for i, network in enumerate(networks)]
    handles.append(Line2D([], [], color=GREY, ls="--", lw=0.9, label="no correction"))
    if table["label_use"].ne("none").any():
        through = "depends on a nuisance associated with {label}"
        handles.append(Line2D([], [], color=GREY, marker="o", mfc="white", ls="", label=through))
    legend_below(figure, handles)
    return figure


def _markers(ax, rows: pd.DataFrame, corrections: list[str], i: int, lift: float) -> None:
    for row in rows.itertuples():
        at = len(corrections) - 1 - corrections.index(row.correction) + lift
        face = "white" if row.label_use != "none" else PALETTE[i]
        ax.plot(row.seeds, [at] * len(row.seeds), "-", color=PALETTE[i], lw=1)
        ax.plot(row.seeds, [at] * len(row.seeds), MARKERS[i], color=PALETTE[i], ms=3, mfc=face, mew=0.7)
    if len(rows):
        network = rows["network"].iloc[0]
        say(ax, f"{network}: {listed(map(shown, rows['correction']), [one.mean for one in rows['nmi']])}")


@redrawable
def gains_drawn(family: pd.DataFrame) -> Figure:
    """The gains of `gains.family`: a panel per question, a row per nuisance and CVAE. Hollow: not decided."""
    questions, open_ = list(dict.fromkeys(family["over"])), ~family["outcome"].isin([POSITIVE, NEGATIVE])
    names = [f"{shown(a)}: {shown(b)}" for a, b in
             family.loc[family["over"] == questions[0], ["nuisance", "correction"]].itertuples(index=False)]
    figure, axes = new(PAGE, 1.0 + 0.2 * len(names), 1, len(questions), sharey=True, squeeze=False)
    for ax, question in zip(axes[0], questions, strict=True):
        rows, at = family[family["over"] == question], np.arange(len(names))[::-1]
        ax.axvline(0, color=GREY, lw=0.8)
        for row, value, hollow in zip(at, rows["gain"], open_[rows.index], strict=True):
            if np.isfinite(value.low):
                ax.plot([value.low, value.high], [row, row], color=PALETTE[0], lw=1.6)
            ax.plot(value.mean, row, "o", color=PALETTE[0], mfc="white" if hollow else PALETTE[0])
        ax.set(yticks=at, yticklabels=names, ylim=(-0.7, len(names) - 0.3), xlabel="gain in NMI",
               title=f"over {question}")
        ax.locator_params(axis="x", nbins=4)
        say(ax, listed(names, [value.mean for value in rows["gain"]]))
    looks = (("decided (Holm)", PALETTE[0]), ("not decided", "white"))
    legend_below(figure, [Line2D([], [], color=PALETTE[0], marker="o", mfc=face, label=name) for name, face in looks])
    return figure


@redrawable
def controls_drawn(table: pd.DataFrame, margin: float) -> Figure:
    """Change of NMI of every control (`gains.control_gains`), a panel per kind, a row per nuisance, a marker per
    correction; dashed: the margin."""
    kinds, names = list(dict.fromkeys(table["control"])), list(dict.fromkeys(table["nuisance"]))
    figure, axes = new(PAGE, 1.1 + 0.22 * len(names), 1, len(kinds), sharex=True, sharey=True, squeeze=False)
    for ax, kind in zip(axes[0], kinds, strict=True):
        for side in (-margin, margin):
            ax.axvline(side, color=GREY, ls="--", lw=0.9)
        for i, (correction, rows) in enumerate(table[table["control"] == kind].groupby("correction", sort=False)):
            at = len(names) - 1 - np.arange(len(names)) + 0.22 * (1 - i)
            for row, value in zip(at, rows["gain"], strict=True):
                if np.isfinite(value.low):
                    ax.plot([value.low, value.high], [row, row], color=PALETTE[i], lw=1)
            means = [one.mean for one in rows["gain"]]
            ax.plot(means, at, MARKERS[i], color=PALETTE[i], ms=3.5, ls="", label=shown(correction))
            say(ax, f"{shown(correction)}: {listed(map(shown, names), means)}")
        ax.set(yticks=range(len(names)), yticklabels=[shown(name) for name in names[::-1]], title=kind,
               xlabel="change of NMI with {label}", ylim=(-0.6, len(names) - 0.4))
    handles = axes[0, 0].get_legend_handles_labels()[0]
    legend_below(figure, [*handles, Line2D([], [], color=GREY, ls="--", lw=0.9, label="margin, fixed in advance")])
    return figure


@redrawable
def coincidence(found: dict[str, dict[str, pd.DataFrame]]) -> Figure:
    """NMI with label and with nuisance as the two go together (`coincidence.curves`), without and with conditioning."""
    figure, axes = new(PAGE, 2.5, 1, len(found), sharey=True)
    for ax, (what, tables) in zip(axes, found.items(), strict=True):
        curves({shown(correction): values for correction, values in tables.items()},
               "share of tracks whose nuisance follows {label}", "NMI", ax, title=f"with {what}", legend=False)
    legend_below(figure)
    return figure


def without_table(base: pd.DataFrame) -> pd.DataFrame:
    """`gains.without` with readable names of its columns."""
    return base.rename(columns=lambda name: name if name in ("network", "nmi") else f"NMI with {shown(name)}")
