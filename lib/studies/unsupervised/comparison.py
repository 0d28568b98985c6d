"""The final comparison: planned differences, and every setting of the score table, ranked or marked."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lib.report.glossary import shown
from lib.scores import intervals, jackknife
from lib.scores import table as scores

BY = ("method", "features", "setting", "label_use")
SHOWN = ["method", "features", "setting", "clusterer", "n_tracks", "seeds", "nmi", "nmi_null", "ami", "ari", "accuracy",
         "purity", "inverse_purity"]
METRICS = [name for name in SHOWN[4:] if name != "seeds"] + ["silhouette", "silhouette_null", "active_dims"]
PLANNED = ("raw", "ae", "beta_vae", "conv_vae")  # methods compared with both references


def methods(table: pd.DataFrame) -> pd.DataFrame:
    """The score table without the controls of fusion, synthetic or permuted second modalities: no methods."""
    return table[~(table["method"].str.startswith("fusion_") & (table["role"] == "control"))]


def headline(table: pd.DataFrame, beta: float) -> pd.Series:
    """Which rows, or settings, are of a headline method: the plain features, and of the beta-VAEs that of `beta`."""
    return table["features"].isin(["mfcc", "log_mel"]) & ((table["method"] != "beta_vae") | (table["beta"] == beta))


def planned(kept: pd.DataFrame, table: pd.DataFrame, beta: float) -> pd.DataFrame:
    """Paired differences in NMI that were fixed in advance: headline methods against PCA and VAE, VAE against PCA; from
    their replicates (`scores.load_replicates`).

    The one place where they are judged. Beside NMI of k-means with as many clusters as labels stand, over seeds, the
    same differences in accuracy of a linear probe of mu (`probe_mu`) and, on the same features, in squared error of
    held-out tracks (`error_held_out`; smaller is better), where both have them.
    """
    rows = table[headline(table, beta) & table["clusterer"].isin(["kmeans", "none"])]
    nmi = {name: jackknife.read(kept, "nmi", method=name) for name in (*PLANNED, "pca", "vae")}
    pairs = [(name, other) for name in PLANNED for other in ("pca", "vae")] + [("vae", "pca")]
    family = intervals.compare({f"{name} - {other}": (nmi[name], nmi[other]) for name, other in pairs})
    for metric, some in (("probe_mu", rows), ("error_held_out", rows[rows["features"] == "mfcc"])):
        family[metric] = [intervals.paired(*(intervals.by_seed(some, metric, method=one) for one in pair))
                          for pair in pairs]
    return family


def ranked(table: pd.DataFrame, beta: float) -> pd.DataFrame:
    """One row per setting and clusterer (`scores.every_clusterer`), highest mean NMI first: `METRICS` as intervals over
    seeds, `rank_by`, and whether the setting is a headline one with k-means."""
    found = scores.every_clusterer(table, METRICS, BY)
    found = found.merge(table.groupby(list(BY), as_index=False)[["beta", "role"]].first(), how="left")
    planned_with = headline(found, beta) & (found["clusterer"] == "kmeans")
    found = found.assign(n_tracks=[int(value.mean) for value in found["n_tracks"]], headline=planned_with,
                         rank_by=[value.mean for value in found["nmi"]])
    return found.sort_values("rank_by", ascending=False)


def in_three(settings: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Settings of `ranked`: without labels; without labels, but chosen by this corpus's; and given labels."""
    given, tuned = settings["label_use"] != "none", settings["role"] == scores.TUNED
    return settings[~given & ~tuned], settings[~given & tuned], settings[given]


def with_outcomes(settings: pd.DataFrame, family: pd.DataFrame) -> pd.DataFrame:
    """Settings of `ranked` as they are shown, each headline one with the outcomes of its planned differences."""
    sides = family["comparison"].str.split(" - ", expand=True)
    change = [f" {value.mean:+.3f}, " if np.isfinite(value.mean) else ": " for value in family["difference"]]
    marks = ("from " + sides[1].map(shown) + change + family["verdict"]).groupby(sides[0]).agg("; ".join)
    said = settings["method"].map(marks).where(settings["headline"]).fillna("not planned")
    return settings[SHOWN].assign(**{"planned differences": said})


def judged(table: pd.DataFrame) -> pd.DataFrame:
    """One row per setting whose silhouettes have nulls (`scores.verdicts`), most above its Gaussian null first."""
    return scores.verdicts(table, BY).sort_values("gaussian excess", ascending=False)


def beside_nulls(found: pd.DataFrame) -> pd.DataFrame:
    """Of `judged`, silhouettes with each null's mean, excess and z, and the verdict."""
    nulls = [name for name in found if name.endswith((" null", " excess", " z"))]
    return found[[*BY, "silhouette", *nulls, "verdict"]]
