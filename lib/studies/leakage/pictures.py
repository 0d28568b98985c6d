"""Figures of notebooks 02 and A1: each takes data and returns the figure, as in `lib/report/plots.py`."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lib.report import plots
from lib.report.redraw import redrawable
from lib.report.style import COLUMN, GREY, MARKERS, PALETTE, listed, new, say
from lib.scores.intervals import SHARE
from lib.studies.leakage.arrays.label_made import ISOTROPIC, UNRELATED
from lib.studies.leakage.doses import EXPECTED


@redrawable
def dose_curves(nmi: dict[str, pd.DataFrame], reference: dict[str, float]) -> Figure:
    """NMI over the information put into the text, over the bands that the earlier study expected."""
    _, ax = new(COLUMN * 1.3)
    for i, (name, (low, high)) in enumerate(EXPECTED.items()):
        ax.axhspan(low, high, color=PALETTE[2 + i], alpha=0.18, lw=0, label=name)
    return plots.curves(nmi, "information about {label} in the text, nats", "NMI with {label}", ax, lines=reference,
                        within=SHARE)


@redrawable
def noise_on_label(left: pd.DataFrame) -> Figure:
    """Arrays without their labels' means (`tables.without_means`): how isotropic, against what another array tells."""
    figure, ax = new()
    for i, (name, row) in enumerate(left.set_index("array").iterrows()):
        ax.plot(max(row["R2 from others"], 0), row["dimensions left"] / row["if noise"], MARKERS[i % 10],
                color=PALETTE[i % 10], label=name)
    say(ax, listed(left["array"], left["dimensions left"] / left["if noise"]))
    ax.axhline(ISOTROPIC, color=GREY, lw=0.8, ls="--")
    ax.axvline(UNRELATED, color=GREY, lw=0.8, ls="--")
    ax.set(xlabel="R² from the best other array", ylabel="effective dimensions / those of noise")
    ax.legend(fontsize=6.5)
    return figure


def variances(arrays: dict[str, np.ndarray], most: int = 10) -> Figure:
    """Variance of each dimension of some arrays [track, d], sorted, and that of a standard normal prior; of many arrays
    those whose dimensions are farthest apart."""
    found = {name: np.sort(x.var(0))[::-1] for name, x in arrays.items()}
    apart = sorted(found, key=lambda name: found[name][-1] / max(found[name][0], 1e-300))[:most]
    return plots.eigenvalues({name: found[name] for name in found if name in apart}, {"prior": 1.0}, of="variance")
