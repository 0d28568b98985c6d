"""Rules that only the unsupervised models' claims need; the general ones are in `lib/report/rules.py`."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from lib.report.glossary import ID_COLUMNS, shown
from lib.report.rules import Ruling, in_words, rule, ruling
from lib.scores import intervals
from lib.scores.information import active_dimensions
from lib.scores.intervals import Interval
from lib.scores.verdict import RULE, VERDICTS
from lib.studies.unsupervised.convolution import Steps


@rule
def is_pca(table: pd.DataFrame) -> Ruling:
    """Has every linear VAE (a row of `baselines.compared_with_ppca`) reached the optimum that theory gives?"""
    off, inside = float((table["KL"] / table["KL, theory"] - 1).abs().max()), float(table["inside PCA"].min())
    words = "in all runs KL within 10 % of theory and more than 95 % of the variance of mu inside"
    return ruling(off < 0.1 and inside > 0.95, words, off=off, inside=inside,
                  angle=float(table["largest angle, degrees"].max()))


@rule
def pays(row: pd.Series) -> Ruling:
    """Does a difference pay, by the conditions in which it is resolved (a row of `when_it_pays.counts`)?"""
    words = "the interval lies above zero in more than half of the conditions, below zero in none"
    verdict = row["better"] > row.sum() / 2 and row["worse"] == 0
    return ruling(verdict if row.sum() else None, words, better=int(row["better"]),
                  all=int(row.sum()), worse=int(row["worse"]))


@rule
def turns(low: Interval, high: Interval) -> Ruling:
    """Does a difference in error change sign between the fewest and the most tracks?"""
    words = "worse with the fewest tracks, better with the most, by intervals over seeds"
    return ruling(low.low > 0 > high.high, words, low=low, high=high)


@rule
def any_clusters(judged: pd.DataFrame) -> Ruling:
    """Does any setting (a row of `comparison.judged`) have clusters? Counts of the three verdicts: `n`, `rest`,
    `plain`, of `all`; and the `names` of those that have."""
    verdicts = judged["verdict"]
    n, rest, plain = (int((verdicts == one).sum()) for one in VERDICTS)
    found = judged[verdicts == VERDICTS[0]]
    names = (f"{shown(row.method)}, {shown(row.setting, ID_COLUMNS['setting'])}" for row in found.itertuples())
    return ruling(n > 0, RULE, n=n, names="; ".join(names), rest=rest, plain=plain, all=len(verdicts),
                  nothing=VERDICTS[2])


@rule
def mostly_active(latents: xr.Dataset) -> Ruling:
    """Are at least 8 dimensions active, on average over seeds?"""
    active = intervals.of_metric(active_dimensions(latents.kl.values), "active_dims")
    words = "at least 8 active dimensions, mean over seeds"
    return ruling(active.mean >= 8, words, active=active, dims=latents.sizes["latent"])


@rule
def timing_in_dimensions(r2: np.ndarray) -> Ruling:
    """Is any dimension mostly beyond statistics over time? r2 [latent]."""
    lost = int((r2 < 0.5).sum())
    return ruling(lost > 0, "a dimension counts where R² is below one half", lost=lost, dims=len(r2))


@rule
def clear_steps(found: Steps) -> Ruling:
    """Which single steps change NMI?"""
    clear = [f"to {name} ({change:+.3f})" for name, change in found.change.items() if change.excludes_zero]
    first, start = list(found.nmi)[:2]
    return ruling(bool(clear), "a step is significant when the 95 % interval of its paired difference excludes zero",
                  k=len(clear), steps=in_words(clear), start=start,
                  network=intervals.paired(found.nmi[first], found.nmi[start]))
