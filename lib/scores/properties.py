"""What latents capture of the known properties of tracks: their clusters, their dimensions, and the features behind.

Within labels everywhere, unless it says "marginal": properties, dimensions and clusters' indicators lose their means
per label first, so a label cannot speak through them.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr

from lib.scores import agreement, clustering, information, nulls, probes
from lib.store.streams import stream

ENCODED = 0.05  # cross-validated R^2 within labels from which features are said to encode a property
ALPHA = 0.05  # chance that a whole table raises any property, if all are independent of the latents
CLUSTERS, DIMENSIONS, DROPPED = "in the clusters", "in a dimension", "last found at beta {beta:g}"
ONLY, ABSENT = "in the features only", "not in the features"
SAME = 0.9  # NMI, and AMI, above which a property is the label in other words
OTHER_WORDS = "the label in other words"


def in_other_words(values: pd.DataFrame, labels: pd.Series) -> pd.Series:
    """NMI [property] with labels [track] of those of values [track, property] that all but determine them: above
    `SAME`, highest first.

    AMI must be above it too: names that are different for every track determine any label, and say nothing of it.
    """
    y, found = np.unique(labels.loc[values.index], return_inverse=True)[1], {}
    for name, column in values.items():
        other = np.unique(column.astype(object).where(column.notna(), "").astype(str), return_inverse=True)[1]
        same = agreement.nmi(y, other)
        if same > SAME and agreement.external(y, other)["ami"] > SAME:
            found[name] = same
    return pd.Series(found, dtype=float).sort_values(ascending=False, kind="stable")


def indicators(values: pd.DataFrame) -> dict[str, np.ndarray]:
    """Each property [track] as columns [track, C]: a number as one, missing ones filled with the mean; a category as
    one column of zeros and ones per value. Constant properties, and names that hardly repeat, are left out.

    The share of variance of such columns together is Goodman and Kruskal's tau for a category.
    """
    found = {}
    for name, column in values.items():
        if pd.api.types.is_numeric_dtype(column):
            if column.std() > 1e-12:
                found[name] = column.fillna(column.mean()).to_numpy(float)[:, None]
        elif 1 < column.nunique() <= len(column) / 5:
            found[name] = pd.get_dummies(column).to_numpy(float)
    return found


def association(points: np.ndarray, properties: Mapping[str, np.ndarray], labels: np.ndarray,
                n_permutations: int = 200, seed: int = 0) -> pd.DataFrame:
    """Share of each property's variance that a linear function of points [N, D] explains; D stays far below N.

    Points are coordinates, or indicators of clusters (then the share is eta squared). `properties` as from
    `indicators`, labels [N]. Rows: a property each; columns `marginal`, `within`, and with permutations `null` (mean of
    `within` with tracks permuted inside each label) and `p`: the rank of `within` among the largest share of any
    property in each permutation (Westfall and Young 1993), so it is corrected for the number of properties.
    """
    groups = np.unique(labels, return_inverse=True)[1]
    raw, owner = _columns(properties)
    inside = remove_means(raw, groups)
    inside[:, inside.std(0) < 1e-9 * np.maximum(raw.std(0), 1e-300)] = 0  # what the label decides has nothing left
    basis = _basis(remove_means(points, groups))
    within = _shares(basis, inside, owner)
    marginal = _shares(_basis(points - points.mean(0)), raw - raw.mean(0), owner)
    table = pd.DataFrame({"marginal": marginal, "within": within}, index=list(properties))
    if not n_permutations:
        return table
    rng, in_order = stream(seed, "tracks permuted within labels"), np.argsort(groups, kind="stable")
    draws, permuted = np.empty((n_permutations, len(within))), np.empty_like(basis)
    for i in range(n_permutations):
        permuted[in_order] = basis[np.lexsort((rng.random(len(groups)), groups))]
        draws[i] = _shares(permuted, inside, owner)
    return table.assign(null=draws.mean(0), p=nulls.upper_p(within, draws.max(1, keepdims=True)))


def _columns(properties: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """All columns of all properties side by side [N, C], and which property each belongs to [C]."""
    owner = np.repeat(np.arange(len(properties)), [columns.shape[1] for columns in properties.values()])
    return np.hstack(list(properties.values())).astype(float), owner


def _basis(points: np.ndarray) -> np.ndarray:
    """Orthonormal columns that span the columns of centred points."""
    left, size, _ = np.linalg.svd(points, full_matrices=False)
    return left[:, size > 1e-9 * max(size[0], 1e-300)]


def _shares(basis: np.ndarray, columns: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """Share of the variance of each owner's centred columns that the basis spans."""
    spanned, total = (np.bincount(owner, (part**2).sum(0)) for part in (basis.T @ columns, columns))
    return np.where(total > 0, spanned / np.where(total > 0, total, 1), 0)


def leading(latents: xr.Dataset) -> np.ndarray:
    """Numbers of the active dimensions of one seed's latents, largest KL first; at least one."""
    kl = latents.kl.values
    return np.argsort(-kl)[: max(1, int(information.active_dimensions(kl)))]


def captured(latents: xr.Dataset, k: int, x: pd.DataFrame, values: pd.DataFrame, labels: pd.Series,
             n_permutations: int = 200, seed: int = 0,
             smaller: Mapping[float, xr.Dataset] | None = None) -> pd.DataFrame:
    """What one seed's latents capture of each property of the tracks, in their k-means clusters and active dimensions.

    latents mu and z [track, latent], kl [latent]; x [track, D] the features they come from; values [track, property];
    labels [track]; `smaller` are latents at smaller betas (beta -> dataset), asked only about what the features carry.
    Columns: `features` (cross-validated R^2 within labels); `clusters`, `clusters within` and their `null` (shares of
    variance); `mu all`, `mu within`, `z within` likewise for active dimensions, of mu and of one sample; `strongest`,
    the dimension that says most; `p clusters`, `p dimensions` (corrected for the number of properties and for being
    two families); and `verdict`. A property is raised when its p is at most `ALPHA` and features carry it; of one
    that is the label in other words there is nothing to ask.
    """
    tracks = latents.track.values
    properties, y = indicators(values.loc[tracks]), labels.loc[tracks].to_numpy()
    mu, z = (latents[name].values.astype(float) for name in ("mu", "z"))
    lead = leading(latents)
    found = np.eye(k)[clustering.cluster(mu, k, seed=seed)]
    by_cluster, by_mu, by_z = (association(points, properties, y, n, seed) for points, n in (
        (found, n_permutations), (mu[:, lead], n_permutations), (z[:, lead], 0)))
    each = pd.DataFrame({i: association(mu[:, [i]], properties, y, 0)["within"] for i in lead})
    table = pd.DataFrame({
        "features": pd.Series(r2_within(x.loc[tracks].to_numpy(float), properties, y, seed)),
        "clusters": by_cluster["marginal"], "clusters within": by_cluster["within"], "null": by_cluster["null"],
        "p clusters": (2 * by_cluster["p"]).clip(upper=1), "mu all": by_mu["marginal"],
        "mu within": by_mu["within"], "z within": by_z["within"],
        "p dimensions": (2 * by_mu["p"]).clip(upper=1), "strongest": each.idxmax(axis=1),
    })
    encoded = {name: properties[name] for name in table.index[table["features"] >= ENCODED]}
    kept = _kept(smaller or {}, encoded, y, n_permutations, seed)
    table["verdict"] = [_verdict(row, kept.get(name)) for name, row in table.iterrows()]
    table.loc[in_other_words(values.loc[tracks, list(properties)], labels).index, "verdict"] = OTHER_WORDS
    return table.sort_values(["clusters within", "features"], ascending=False).rename_axis("property").reset_index()


def _kept(smaller: Mapping[float, xr.Dataset], encoded: Mapping[str, np.ndarray], labels: np.ndarray,
          n_permutations: int, seed: int) -> dict[str, float]:
    """The largest beta at which each encoded property is still in the active dimensions."""
    kept = {}
    for beta in sorted(smaller) if encoded else []:
        points = smaller[beta].mu.values[:, leading(smaller[beta])].astype(float)
        p = association(points, encoded, labels, n_permutations, seed)["p"]
        kept |= dict.fromkeys(p.index[p <= ALPHA], beta)
    return kept


def kept(latents: Mapping[float, xr.Dataset], x: pd.DataFrame, values: pd.DataFrame, labels: pd.Series) -> pd.DataFrame:
    """Cross-validated share of each property within labels [property, beta] that the active dimensions of one seed's
    latents (beta -> dataset) carry in mu, 0 where it is negative; the first column is what the features carry."""
    tracks = next(iter(latents.values())).track.values
    properties, y = indicators(values.loc[tracks]), labels.loc[tracks].to_numpy()
    points = {"features": x.loc[tracks].to_numpy(float)}
    points |= {f"beta {beta:g}": one.mu.values[:, leading(one)].astype(float) for beta, one in sorted(latents.items())}
    table = pd.DataFrame({name: r2_within(some, properties, y) for name, some in points.items()})
    return table.clip(lower=0)


def nearest(latents: xr.Dataset, clusters: np.ndarray, n: int) -> dict[int, list[str]]:
    """The `n` tracks of each cluster [track] that lie nearest to its centre in mu of one seed's latents."""
    mu, found = latents.mu.values.astype(float), {}
    for c in np.unique(clusters):
        rows = np.flatnonzero(clusters == c)
        away = ((mu[rows] - mu[rows].mean(0)) ** 2).sum(1)
        found[int(c)] = latents.track.values[rows[np.argsort(away, kind="stable")[:n]]].tolist()
    return found


def _verdict(row: pd.Series, kept: float | None) -> str:
    if not row["features"] >= ENCODED:
        return ABSENT
    if row["p clusters"] <= ALPHA:
        return CLUSTERS
    if row["p dimensions"] <= ALPHA:
        return DIMENSIONS
    return ONLY if kept is None else DROPPED.format(beta=kept)


def r2_within(points: np.ndarray, targets: Mapping[str, np.ndarray], labels: np.ndarray, seed: int = 0,
              penalties: np.ndarray = np.logspace(-2, 4, 13), **how: bool) -> dict[str, float]:
    """Cross-validated R^2 of ridges from points [N, D] to targets, after both lost their means per label.

    What the points carry of a target beyond what the label already says; below 0: nothing. A target is one or more
    columns [N, C] whose variances are added up; NaN where the label decides it. `how`: see `probes.read_numbers`.
    """
    raw, owner = _columns(targets)
    x, wide = remove_means(points, labels), remove_means(raw, labels)
    read = probes.read_numbers(x, wide, penalties, seed, **{"each": True} | how)
    left, total = (np.bincount(owner, (part**2).sum(0)) for part in (wide - read, wide))
    known = np.bincount(owner, wide.var(0)) > 1e-24
    return {n: float(1 - left[i] / total[i]) if known[i] else float("nan") for i, n in enumerate(targets)}


def remove_means(points: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """points [N, D] minus the mean of each label's rows: what a perfect conditional decoder leaves to the latent."""
    groups = np.unique(labels, return_inverse=True)[1]
    sums = np.zeros((groups.max() + 1, points.shape[1]))
    np.add.at(sums, groups, points)
    return points - (sums / np.bincount(groups)[:, None])[groups]
