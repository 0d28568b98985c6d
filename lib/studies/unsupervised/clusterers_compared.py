"""Several families of clusterers on the same latents: what each finds, and whether one is better than k-means."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import xarray as xr

from lib.scores import intervals
from lib.scores import table as scores
from lib.scores.intervals import Interval
from lib.store.runs import Run

OTHERS = ("agglomerative", "mixture", "spectral", "dbscan", "hdbscan")
SHOWN = ("n_clusters", "noise", "nmi", "ami")


def score(run: Run, latents: Sequence[xr.Dataset], labels: pd.Series, names: Sequence[str]) -> pd.DataFrame:
    """Rows of the score table for clusterers other than k-means, with the seeds of a sweep."""
    few = slice(0, run.settings.n_seeds_sweep)
    rows = pd.concat([scores.score(run, each.isel(seed=few), labels, names, nulls=False) for each in latents])
    return rows[rows["clusterer"] != "none"].query("metric != 'silhouette'")


def summary(rows: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Mean and 95 % interval over seeds of `SHOWN`: a row per clusterer and method."""
    parts = [scores.summary(rows, SHOWN, by=("method",), clusterer=name).assign(clusterer=name) for name in names]
    return pd.concat(parts)[["clusterer", "method", "seeds", *SHOWN]]


def grid(table: pd.DataFrame, methods: Sequence[str]) -> pd.DataFrame:
    """Mean AMI [clusterer, method] from `summary`."""
    means = table.assign(mean=[value.mean for value in table["ami"]])
    return means.pivot(index="clusterer", columns="method", values="mean").loc[table["clusterer"].unique(), methods]


def gains(rows: pd.DataFrame, names: Sequence[str]) -> dict[tuple[str, str], Interval]:
    """AMI of clusterers on the features and after UMAP against k-means on the features, paired by seed: by method and
    clusterer."""
    ami = {(method, name): intervals.by_seed(rows, "ami", method=method, clusterer=name)
           for method in ("raw", "umap") for name in names}
    reference = ami.pop(("raw", "kmeans"))
    return {key: intervals.paired(value, reference) for key, value in ami.items()}


def surest(found: dict[tuple[str, str], Interval], rows: pd.DataFrame) -> dict[str, str | float]:
    """Of `gains`, the one whose interval reaches least far down: `method`, `clusterer`, and its AMI, `value`."""
    method, clusterer = max(found, key=lambda key: found[key].low)
    value = intervals.by_seed(rows, "ami", method=method, clusterer=clusterer).mean()
    return {"method": method, "clusterer": clusterer, "value": value}


def dense_groups(rows: pd.DataFrame) -> dict[str, float]:
    """What HDBSCAN finds: clusters `n` and share of `noise` in the features, clusters `islands` and share of noise
    `left` after UMAP; means over seeds."""
    mean = rows[rows["clusterer"] == "hdbscan"].groupby(["method", "metric"])["value"].mean()
    places = {"n": ("raw", "n_clusters"), "noise": ("raw", "noise"), "islands": ("umap", "n_clusters"),
              "left": ("umap", "noise")}
    return {name: float(mean[place]) for name, place in places.items()}
