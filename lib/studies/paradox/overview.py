"""The two odd results on one page: made from the score table of a whole run."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from lib.report.plots import beside_null
from lib.scores import table as scores
from lib.studies.paradox.pictures import BESIDE_NULLS


def lyrics(all_scores: pd.DataFrame) -> pd.DataFrame:
    """NMI of each lyrics embedding, and its null: mean and 95 % interval over seeds."""
    rows = all_scores[all_scores["method"] == "lyrics"]
    return scores.summary(rows, ["nmi", "nmi_null"], by=("setting", "label_use"))


def four(all_scores: pd.DataFrame, beta: float) -> pd.DataFrame:
    """Silhouette and NMI of the VAE and of the CVAE with its label on both sides, at beta 1 and at `beta`; `name` says
    which."""
    rows = all_scores[all_scores["method"].isin(["vae", "beta_vae", "cvae"]) & (all_scores["features"] == "mfcc")]
    rows = rows[rows["beta"].isin([1, beta]) & rows["label_in"].isin(["none", "both"])]
    found = scores.summary(rows, ["silhouette", "silhouette_null", "nmi", "nmi_null"],
                           by=("label_in", "beta", "label_use"))
    kinds = {"none": "VAE", "both": "CVAE"}
    return found.assign(name=[f"{kinds[where]}, beta {b:g}" for where, b in zip(found["label_in"], found["beta"],
                                                                               strict=True)])


def paradox(cells: pd.DataFrame) -> Figure:
    """Silhouette (left) and NMI (right) of `four` models, each beside its null."""
    return beside_null(cells, cells["name"], BESIDE_NULLS, "null")


def best(all_scores: pd.DataFrame, n: int) -> pd.DataFrame:
    """The `n` settings that read no labels with the highest NMI, each with its clusterer (`scores.every_clusterer`)."""
    free = all_scores[(all_scores["label_use"] == "none") & ~all_scores["role"].isin(["control", scores.TUNED])]
    metrics = ["nmi", "nmi_null", "ami", "silhouette", "silhouette_null"]
    found = scores.every_clusterer(free, metrics, ("method", "features", "setting")).head(n)
    return found[["method", "features", "setting", "clusterer", "seeds", *(name for name in metrics if name in found)]]
