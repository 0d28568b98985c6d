"""From latents to rows of the series' one score table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from lib import artifacts, clustering, information, statistics, validity
from lib.artifacts import Run


def n_clusters(run: Run, labels: pd.Series) -> int:
    """The k of k-means: the setting, or as many as there are labels."""
    return run.settings.n_clusters or labels.nunique()


def score(
    run: Run,
    latents: xr.Dataset,
    labels: pd.Series,
    clusterers: Sequence[str] = ("kmeans",),
    nulls: bool = True,
    probes: bool = False,
) -> pd.DataFrame:
    """Every score of one setting's latents, as tidy rows (`artifacts.SCORE_COLUMNS`).

    Clusters are found in mu [seed, track, latent], then compared with `labels` [track], joined by track id. With
    `nulls`, k-means rows come with `silhouette_null` (clouds of the same covariance, drawn per setting, each from the
    next seed's latents) and `nmi_null` (permuted labels). With `probes`, a linear probe reads the labels from mu and
    from one sample z, beside its permutation null.
    """
    y = labels.loc[latents.track.values].to_numpy()
    k = min(n_clusters(run, labels), len(y) - 1)
    rows: list[tuple] = []
    for seed in latents.seed.values.tolist():
        points = latents.mu.sel(seed=seed).values.astype(float)
        for method in clusterers:
            if method == "agglomerative" and len(y) > clustering.MANY:
                continue
            for j in range(run.settings.n_cluster_seeds if method == "kmeans" else 1):
                found = clustering.cluster(points, k, method, seed=1000 * seed + j)
                values = clustering.external(y, found) | clustering.internal(points, found, seed)
                rows += [(seed, method, j, name, value) for name, value in values.items()]
                if nulls and method == "kmeans":
                    chance = np.random.default_rng([seed, j]).permutation(y)
                    rows.append((seed, method, j, "nmi_null", clustering.external(chance, found)["nmi"]))
        rows += [(seed, "none", "", name, value) for name, value in _alone(latents.sel(seed=seed), y, seed, probes)]
    if nulls:
        rows += _null_rows(run, latents, k)
    table = pd.DataFrame(rows, columns=["seed", "clusterer", "clusterer_seed", "metric", "value"])
    about = {name: latents.attrs[name] for name in ("features", "method", "setting", "label_use")}
    return table.assign(corpus=run.settings.corpus, **about)[artifacts.SCORE_COLUMNS]


def _null_rows(run: Run, latents: xr.Dataset, k: int) -> list[tuple]:
    seeds = latents.seed.values.tolist()
    rows = []
    for i in range(run.settings.n_nulls):
        seed = seeds[i % len(seeds)]
        points = latents.mu.sel(seed=seed).values.astype(float)
        value = validity.silhouette_null(points, k, "gaussian", 1, seed=1000 * seed + i)[0]
        rows.append((seed, "kmeans", f"null {i}", "silhouette_null", value))
    return rows


def _alone(latents: xr.Dataset, y: np.ndarray, seed: int, probes: bool) -> list[tuple[str, float]]:
    """Scores that need no clusters."""
    out = [("n_tracks", float(len(y)))]
    if "kl" in latents and float(latents.kl.sum()) > 0:
        out += [("active_dims", float(information.active_dimensions(latents.kl.values))),
                ("kl", float(latents.kl.sum()))]
    if "error" in latents:
        held = ~latents.train.values
        out += [("error_train", float(latents.error.values[~held].mean())),
                ("error_held_out", float(latents.error.values[held].mean()))]
    if probes:
        for name in ("mu", "z"):
            probe = information.linear_probe(latents[name].values.astype(float), y, seed, n_permutations=1)
            out += [(f"probe_{name}", probe.accuracy), (f"probe_{name}_null", probe.null_accuracy),
                    (f"information_{name}", probe.information)]
    return out


def summary(scores: pd.DataFrame, metrics: Sequence[str], by: Sequence[str] = ("method", "setting", "label_use"),
            clusterer: str = "kmeans") -> pd.DataFrame:
    """One row per setting: mean and 95 % interval over training seeds of each metric, and the number of seeds."""
    rows = scores[scores["clusterer"].isin([clusterer, "none"])]
    out = []
    for key, group in rows.groupby(list(by), sort=False):
        values = {m: statistics.interval(statistics.by_seed(group, m)) for m in metrics if (group["metric"] == m).any()}
        seeds = group.loc[group["metric"] != "silhouette_null", "seed"].nunique()
        out.append(dict(zip(by, key, strict=True)) | {"seeds": seeds} | values)
    return pd.DataFrame(out)


def silhouette_excess(scores: pd.DataFrame) -> validity.Excess:
    """One setting's silhouette beside its matched-covariance null, seed by seed.

    Each null draw is compared with the silhouette of the seed that it copies, so that differences between seeds do not
    pass for null noise. The draws are returned as if every seed had the mean silhouette.
    """
    value = statistics.by_seed(scores, "silhouette", clusterer="kmeans")
    rows = scores[scores["metric"] == "silhouette_null"]
    draws = rows["value"].to_numpy() - value.loc[rows["seed"]].to_numpy() + value.mean()
    spread = rows["value"] - rows.groupby("seed")["value"].transform("mean")
    freedom = len(rows) - rows["seed"].nunique()
    std = float(np.sqrt((spread**2).sum() / freedom)) if freedom > 0 else float(draws.std(ddof=1))
    return validity.excess(float(value.mean()), draws, std)
