"""Rules that only the unsupervised models' claims need; the general ones are in `lib/report/rules.py`."""

from __future__ import annotations

import pandas as pd

from lib.report.rules import Ruling, rule, ruling


@rule
def is_pca(table: pd.DataFrame) -> Ruling:
    """Has every linear VAE (a row of `baselines.beside_ppca`) reached the optimum that theory gives?"""
    off, inside = float((table["KL"] / table["KL, theory"] - 1).abs().max()), float(table["inside PCA"].min())
    words = "in all runs KL within 10 % of theory and more than 95 % of the variance of mu inside"
    return ruling(off < 0.1 and inside > 0.95, words, off=off, inside=inside,
                  angle=float(table["largest angle, degrees"].max()))
