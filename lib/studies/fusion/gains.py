"""What a fusion of two modalities gains over the better one, with its controls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from lib.models import multimodal
from lib.scores import clustering, intervals
from lib.scores.agreement import counted, external, nmi, nmi_null
from lib.scores.intervals import Interval
from lib.store import artifacts
from lib.store.runs import Run
from lib.store.streams import stream
from lib.studies.fusion.methods import MEANING, METHODS, Points


def alone(modality: pd.DataFrame, seeds: list[int], method: str, setting: str, label_use: str = "none") -> xr.Dataset:
    """A modality by itself in the form of latents: the same points for every seed (only clustering seeds differ)."""
    modality = modality.dropna().sort_index()
    return xr.Dataset(
        {"mu": (("seed", "track", "latent"), np.stack([modality.to_numpy(float)] * len(seeds)))},
        coords={"seed": seeds, "track": modality.index.to_numpy()},
        attrs={"method": method, "setting": setting, "label_use": label_use, "features": "lyrics"},
    )


# --- scores and gains --------------------------------------------------------------------------------------------
class Fused(NamedTuple):
    """What became of one pair of modalities, on the tracks that have both."""

    points: dict[str, Points]  # by step: a method, or a single modality ("audio", "second", "late: audio", ...)
    clusters: dict[str, pd.DataFrame]  # by step: cluster of [track, seed]
    nmi: pd.DataFrame  # [seed, step], with the labels


def measure(audio: Points, second: Points, labels: pd.Series, k: int, x: pd.DataFrame | None = None,
            latent_dim: int = 10, singles: bool = True) -> Fused:
    """Join `audio` and `second` by every method, for each seed of `second`, and score k-means clusters on `labels`.

    A modality has the same tracks for every seed. The multimodal VAE needs the raw audio features `x` [track, D], and
    is left out without them. `singles` adds what either modality scores alone, also as a method's own part.
    """
    audio = {seed: audio[seed] for seed in second}
    points = {name: {s: method(audio[s], second[s], k, s) for s in second} for name, method in METHODS.items()}
    both = {seed: part.index for seed, part in points["concat"].items()}
    if x is not None:
        made = multimodal.latents(x, second, latent_dim)
        points |= {step: {s: made[step][s].loc[both[s]] for s in second} for step in made if singles or step == "poe"}
    if singles:
        points |= {"audio": audio, "second": second}
        points |= {f"late: {name}": {s: p.filter(regex=f"^{side}_") for s, p in points["late"].items()}
                   for name, side in (("audio", "a"), ("second", "b"))}
        points |= {step: {s: points[step][s].loc[both[s]] for s in second} for step in ("audio", "second")}
    clusters = cluster_all(points, k)
    return Fused(points, clusters, agreement(clusters, labels))


def cluster_all(points: Mapping[str, Points], k: int) -> dict[str, pd.DataFrame]:
    """Clusters of [track, seed] by step: k-means, as everywhere in the series."""
    return {step: pd.DataFrame({s: pd.Series(clustering.cluster(p.to_numpy(float), k, seed=1000 * s), p.index)
                                for s, p in by_seed.items()}) for step, by_seed in points.items()}


def agreement(clusters: Mapping[str, pd.DataFrame], labels: pd.Series) -> pd.DataFrame:
    """NMI [seed, step] of clusters [track, seed] with `labels` [track], joined by track id."""
    codes = pd.Series(np.unique(labels.to_numpy(), return_inverse=True)[1], labels.index)

    def agreed(found: pd.Series) -> float:
        y = codes.loc[found.index].to_numpy()
        rows = counted(y)
        return nmi(y[rows], found.to_numpy()[rows])

    return pd.DataFrame({step: {s: agreed(found[s]) for s in found} for step, found in clusters.items()})


def over_singles(agreed: pd.DataFrame, method: str) -> pd.DataFrame:
    """Gain in NMI [seed, single modality] of a method over each single modality of `agreed` [seed, step], the better
    one first.

    Single modalities are "audio", "second", and what the method itself makes of one of them ("late: audio"), so that a
    better encoder does not pass for fusion. The better one is that with the higher mean.
    """
    singles = [step for step in agreed if step in ("audio", "second") or step.startswith(f"{method}:")]
    over = agreed[singles].rsub(agreed[method], axis=0).dropna().round(9)  # a rounding error is no gain
    return over[over.mean().sort_values().index]


def gain_rows(agreed: pd.DataFrame, family: int = 1) -> pd.DataFrame:
    """What each method adds: method, nmi, over_audio, over_better, better (which single modality that is), bound.

    `bound` is a lower bound of the gain over the better single modality that holds for `family` gains at once: the
    smallest over all single modalities, since who gains over the better one gains over each.
    """
    rows = []
    for method in (name for name in MEANING if name in agreed):
        over = over_singles(agreed, method)
        rows.append({
            "method": method, "nmi": intervals.interval(agreed[method].dropna(), within=intervals.SHARE),
            "over_audio": intervals.interval(over["audio"]), "over_better": intervals.interval(over.iloc[:, 0]),
            "better": over.columns[0], "bound": min(intervals.lower_bound(over[s], family) for s in over),
        })
    return pd.DataFrame(rows)


def gain_over_tracks(fused: Fused, labels: pd.Series, method: str, groups: pd.Series, seeds: int = 3) -> Interval:
    """The gain over the better single modality with an interval for another sample of tracks, mean over the first
    seeds.

    Clusters stay as they are. `groups` [track] are the groups of duplicates (`intervals.over_tracks`).
    """
    better = over_singles(fused.nmi, method).columns[0]
    tracks = fused.clusters[method].index
    tracks = tracks[counted(labels.loc[tracks].to_numpy())]
    if not len(tracks):
        return intervals.interval([])
    codes = np.unique(labels.loc[tracks].to_numpy(), return_inverse=True)[1]
    one, two = (fused.clusters[step].loc[tracks].to_numpy()[:, :seeds].T for step in (method, better))

    def gain(rows: np.ndarray) -> float:
        mine, other = (np.mean([nmi(codes[rows], found[rows]) for found in step]) for step in (one, two))
        return float(mine - other)

    return intervals.over_tracks(gain, groups.loc[tracks], n=100)


def score_rows(run: Run, fused: Fused, labels: pd.Series, setting: str, features: str,
               label_use: str = "none", brief: bool = False) -> pd.DataFrame:
    """Rows of the series' score table (`artifacts.SCORE_COLUMNS`) for every method: agreement with labels, also with
    permuted ones, and silhouette; or, `brief`, NMI alone. `label_use` says whether either modality was given labels."""
    rows = []
    for method in (name for name in MEANING if name in fused.points):
        for seed, points in fused.points[method].items():
            if brief:
                rows.append((seed, f"fusion_{method}", "nmi", fused.nmi.loc[seed, method]))
                continue
            found = fused.clusters[method].loc[points.index, seed].to_numpy()
            y = np.unique(labels.loc[points.index].to_numpy(), return_inverse=True)[1]
            null = nmi_null(y, found, stream(seed, "permuted labels of a clustering"), 1)[0]
            values = external(y, found) | {
                "n_tracks": float(len(y)), "nmi_null": null,
                "silhouette": clustering.silhouette(points.to_numpy(float), found, seed)}
            rows += [(seed, f"fusion_{method}", metric, value) for metric, value in values.items()]
    table = pd.DataFrame(rows, columns=["seed", "method", "metric", "value"])
    role = "control" if brief or setting.startswith("control") else "method"
    about = {"corpus": run.settings.corpus, "features": features, "setting": setting, "label_use": label_use,
             "beta": np.nan, "label_in": "none", "dim": np.nan, "role": role}
    return table.assign(**about, clusterer="kmeans", clusterer_seed=0)[artifacts.SCORE_COLUMNS]
