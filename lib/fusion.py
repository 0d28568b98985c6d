"""Two views of the same tracks made into one, without labels: a ladder of methods, its controls, and what it gains.

A view is a table [track, column]; views are joined by track id. Every method gives points [track, column] that are then
clustered alike, so the methods differ in what they join and in nothing else.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import xlogy
from sklearn.cross_decomposition import CCA
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning

from lib import artifacts, clustering, information, multimodal, statistics
from lib.artifacts import Run
from lib.statistics import Interval

Points = dict[int, pd.DataFrame]  # by seed: [track, column]


def join(a: pd.DataFrame, b: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows that both views have (by track id, sorted); rows with missing values count as not there."""
    tracks = a.dropna().index.intersection(b.dropna().index).sort_values()
    return a.loc[tracks], b.loc[tracks]


# --- the ladder --------------------------------------------------------------------------------------------------


def concatenate(a: pd.DataFrame, b: pd.DataFrame) -> pd.DataFrame:
    """Columns of both views side by side, as they are: the view with more variance rules."""
    a, b = join(a, b)
    return pd.concat([a.add_prefix("a_"), b.add_prefix("b_")], axis=1)


def weighted_blocks(a: pd.DataFrame, b: pd.DataFrame, weight: float = 0.5) -> pd.DataFrame:
    """Each view centred and scaled to total variance one, then weighted sqrt(1 - weight) and sqrt(weight).

    So squared distances are a weighted mean of the views' own; at 0.5 neither view rules by its units or its width.
    """
    if not 0 <= weight <= 1:
        raise ValueError("weight is the share of the second view, 0 to 1")
    a, b = join(a, b)
    return pd.concat(
        [np.sqrt(1 - weight) * _unit(a).add_prefix("a_"), np.sqrt(weight) * _unit(b).add_prefix("b_")], axis=1
    )


def balanced_weight(a: pd.DataFrame, b: pd.DataFrame, k: int, seed: int = 0, steps: int = 5, most: int = 500) -> float:
    """The weight of the second view at which the joint clusters serve both views alike; no label is used.

    Served: the share of a view's variance that lies between the joint clusters, relative to what k-means on that view
    alone reaches. More weight serves the second view better and the first worse, so the balance is found by bisection,
    on a sample of `most` tracks where there are more.
    """
    a, b = join(a, b)
    rows = np.sort(np.random.default_rng([seed, 53]).permutation(len(a))[:most])
    one, two = _unit(a.iloc[rows]).to_numpy(), _unit(b.iloc[rows]).to_numpy()

    def between(points: np.ndarray, clustered: np.ndarray) -> float:
        ids = clustering.cluster(clustered, k, seed=seed, n_init=1)
        return 1 - float((information.remove_means(points, ids) ** 2).sum() / len(points))

    own = between(one, one), between(two, two)
    low, high = 0.0, 1.0
    for _ in range(steps):
        weight = (low + high) / 2
        joint = np.hstack([np.sqrt(1 - weight) * one, np.sqrt(weight) * two])
        if between(one, joint) * own[1] > between(two, joint) * own[0]:
            low = weight
        else:
            high = weight
    return (low + high) / 2


def balanced_blocks(a: pd.DataFrame, b: pd.DataFrame, k: int, seed: int = 0) -> pd.DataFrame:
    """`weighted_blocks` with the weight of `balanced_weight`."""
    return weighted_blocks(a, b, balanced_weight(a, b, k, seed))


def canonical(a: pd.DataFrame, b: pd.DataFrame, k: int) -> pd.DataFrame:
    """The k - 1 pairs of directions along which the views correlate most, each direction of unit variance.

    Where views are independent given the cluster, these directions span the clusters' means (Chaudhuri et al. 2009).
    Each view is first reduced to one principal component for every ten tracks, or CCA would correlate noise perfectly.
    """
    a, b = join(a, b)
    one, two = (_reduced(view.to_numpy(float)) for view in (a, b))
    n_pairs = max(1, min(k - 1, one.shape[1], two.shape[1]))
    with warnings.catch_warnings():  # weak directions need not converge
        warnings.simplefilter("ignore", ConvergenceWarning)
        scores = CCA(n_pairs, max_iter=500, tol=1e-4).fit(one, two).transform(one, two)
    columns = [f"{side}_{i}" for side in "ab" for i in range(n_pairs)]
    points = np.hstack(scores)
    return pd.DataFrame(points / np.maximum(points.std(0), 1e-12), a.index, columns)


def _reduced(points: np.ndarray) -> np.ndarray:
    """Principal components of points [N, D] that vary, at most one for every ten rows."""
    scores = PCA(max(1, min(len(points) // 10, points.shape[1])), svd_solver="full").fit_transform(points)
    spread = scores.std(0)
    return scores[:, spread >= 1e-5 * spread[0]]


def consensus(a: pd.DataFrame, b: pd.DataFrame, k: int, seed: int = 0, repeats: int = 3) -> pd.DataFrame:
    """Late fusion: each view is clustered alone, `repeats` times; a track's columns say which clusters it was in.

    k-means on these columns finds the partition that shares most (quadratic) mutual information with all of them
    (Topchy, Jain and Punch 2005). How clusters are numbered makes no difference.
    """
    a, b = join(a, b)
    parts = {}
    for side, view in (("a", a.to_numpy(float)), ("b", b.to_numpy(float))):
        for i in range(repeats):
            ids = clustering.cluster(view, k, seed=1000 * seed + i, n_init=1)
            parts |= {f"{side}_{i}_{c}": (ids == c).astype(float) for c in np.unique(ids)}
    return pd.DataFrame(parts, index=a.index)


def _unit(view: pd.DataFrame) -> pd.DataFrame:
    centred = view - view.mean()
    total = float((centred**2).to_numpy().sum() / max(len(view), 1))
    return centred / np.sqrt(total) if total > 0 else centred


METHODS: dict[str, Callable[[pd.DataFrame, pd.DataFrame, int, int], pd.DataFrame]] = {  # of views, clusters, seed
    "concat": lambda a, b, k, seed: concatenate(a, b),
    "blocks": lambda a, b, k, seed: weighted_blocks(a, b),
    "weighted": balanced_blocks,
    "cca": lambda a, b, k, seed: canonical(a, b, k),
    "late": consensus,
}
MEANING = {
    "concat": "columns side by side, as they are",
    "blocks": "each view scaled to the same total variance",
    "weighted": "blocks, weighted so that the joint clusters serve both views alike",
    "cca": "canonical variates of both views, k - 1 pairs",
    "late": "consensus of clusterings of each view alone",
    "poe": "multimodal VAE, product of experts; tracks may lack a view",
}


# --- controls ----------------------------------------------------------------------------------------------------


def shuffled(view: pd.DataFrame, seed: int, within: pd.Series | None = None) -> pd.DataFrame:
    """The view with its rows dealt anew over all tracks, or only among tracks of one label (`within` [track]).

    The control of every fusion score: what survives a shuffle within genre acts only as a label.
    """
    rng = np.random.default_rng([seed, 11])
    order = np.arange(len(view))
    groups = (
        [order] if within is None else [np.flatnonzero(within.loc[view.index].to_numpy() == v) for v in within.unique()]
    )
    for rows in groups:
        order[rows] = rng.permutation(rows)
    return pd.DataFrame(view.to_numpy()[order], index=view.index, columns=view.columns)


def alone(view: pd.DataFrame, seeds: list[int], method: str, setting: str, label_use: str = "none") -> xr.Dataset:
    """A view by itself in the form of latents: the same points for every seed (only clustering seeds differ)."""
    view = view.dropna().sort_index()
    return xr.Dataset(
        {"mu": (("seed", "track", "latent"), np.stack([view.to_numpy(float)] * len(seeds)))},
        coords={"seed": seeds, "track": view.index.to_numpy()},
        attrs={"method": method, "setting": setting, "label_use": label_use, "features": "lyrics"},
    )


# --- scores and gains --------------------------------------------------------------------------------------------


class Fused(NamedTuple):
    """What became of one pair of views, on the tracks that have both."""

    points: dict[str, Points]  # by step: a method, or a single view ("audio", "second", "late: audio", ...)
    clusters: dict[str, pd.DataFrame]  # by step: cluster of [track, seed]
    nmi: pd.DataFrame  # [seed, step], with the labels


def measure(audio: Points, second: Points, labels: pd.Series, k: int, x: pd.DataFrame | None = None,
            latent_dim: int = 10, singles: bool = True) -> Fused:
    """Join `audio` and `second` by every method, for each seed of `second`, and score k-means clusters on `labels`.

    A view has the same tracks for every seed. The multimodal VAE needs the raw audio features `x` [track, D], and is
    left out without them. `singles` adds what either view scores alone, also as a method's own part.
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
    return pd.DataFrame({step: {s: nmi(codes.loc[found.index].to_numpy(), found[s].to_numpy()) for s in found}
                         for step, found in clusters.items()})


def nmi(a: np.ndarray, b: np.ndarray) -> float:
    """scikit-learn's `normalized_mutual_info_score` of two codings [n] by whole numbers from 0, in a thirtieth of its
    time."""
    rows, columns = int(a.max()) + 1, int(b.max()) + 1
    joint = np.bincount(a * columns + b, minlength=rows * columns).reshape(rows, columns) / len(a)
    one, two, both = (float(-xlogy(p, p).sum()) for p in (joint.sum(1), joint.sum(0), joint))
    return max(0.0, 2 * (one + two - both) / (one + two)) if one + two > 0 else 1.0


def over_singles(agreed: pd.DataFrame, method: str) -> pd.DataFrame:
    """Gain in NMI [seed, single view] of a method over each single view of `agreed` [seed, step], the better one first.

    Single views are "audio", "second", and what the method itself makes of one of them ("late: audio"), so that a
    better encoder does not pass for fusion. The better one is that with the higher mean.
    """
    singles = [step for step in agreed if step in ("audio", "second") or step.startswith(f"{method}:")]
    over = agreed[singles].rsub(agreed[method], axis=0).dropna().round(9)  # a rounding error is no gain
    return over[over.mean().sort_values().index]


def gains(agreed: pd.DataFrame, family: int = 1) -> pd.DataFrame:
    """What each method adds: method, nmi, over_audio, over_better, better (which single view that is), bound.

    `bound` is a lower bound of the gain over the better single view that holds for `family` gains at once: the smallest
    over all single views, since who gains over the better one gains over each.
    """
    rows = []
    for method in (name for name in MEANING if name in agreed):
        over = over_singles(agreed, method)
        rows.append({
            "method": method, "nmi": statistics.interval(agreed[method].dropna()),
            "over_audio": statistics.interval(over["audio"]), "over_better": statistics.interval(over.iloc[:, 0]),
            "better": over.columns[0], "bound": min(statistics.lower_bound(over[s], family) for s in over),
        })
    return pd.DataFrame(rows)


def gain_over_tracks(fused: Fused, labels: pd.Series, method: str, groups: pd.Series, seeds: int = 3) -> Interval:
    """The gain over the better single view with an interval for another sample of tracks, mean over the first seeds.

    Clusters stay as they are. `groups` [track] are the groups of duplicates (`statistics.over_tracks`).
    """
    better = over_singles(fused.nmi, method).columns[0]
    tracks = fused.clusters[method].index
    codes = np.unique(labels.loc[tracks].to_numpy(), return_inverse=True)[1]
    one, two = (fused.clusters[step].loc[tracks].to_numpy()[:, :seeds].T for step in (method, better))

    def gain(rows: np.ndarray) -> float:
        mine, other = (np.mean([nmi(codes[rows], found[rows]) for found in step]) for step in (one, two))
        return float(mine - other)

    return statistics.over_tracks(gain, groups.loc[tracks], n=100)


def score_rows(run: Run, fused: Fused, labels: pd.Series, setting: str, features: str,
               label_use: str = "none", brief: bool = False) -> pd.DataFrame:
    """Rows of the series' score table (`artifacts.SCORE_COLUMNS`) for every method: agreement with labels, also with
    permuted ones, and silhouette; or, `brief`, NMI alone. `label_use` says whether either view was given labels."""
    rows = []
    for method in (name for name in MEANING if name in fused.points):
        for seed, points in fused.points[method].items():
            if brief:
                rows.append((seed, f"fusion_{method}", "nmi", fused.nmi.loc[seed, method]))
                continue
            found = fused.clusters[method].loc[points.index, seed].to_numpy()
            y = np.unique(labels.loc[points.index].to_numpy(), return_inverse=True)[1]
            chance = np.random.default_rng([seed, 0]).permutation(y)
            values = clustering.external(y, found) | {
                "n_tracks": float(len(y)), "nmi_null": nmi(chance, found),
                "silhouette": clustering.silhouette(points.to_numpy(float), found, seed)}
            rows += [(seed, f"fusion_{method}", metric, value) for metric, value in values.items()]
    table = pd.DataFrame(rows, columns=["seed", "method", "metric", "value"])
    about = {"corpus": run.settings.corpus, "features": features, "setting": setting, "label_use": label_use}
    return table.assign(**about, clusterer="kmeans", clusterer_seed=0)[artifacts.SCORE_COLUMNS]
