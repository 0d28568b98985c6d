"""From latents to rows of the series' one score table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from lib.scores import agreement, clustering, information, intervals, jackknife, nulls
from lib.scores.probes import linear_probe
from lib.scores.verdict import Evidence, shape_of
from lib.store import artifacts
from lib.store.errors import Problem
from lib.store.remembering import remembered
from lib.store.runs import Run
from lib.store.series import FILES, NEEDS
from lib.store.settings import from_json

NULL_METRICS = {  # metric of each kind of null in the score table
    "gaussian": "silhouette_null", "copula": "silhouette_null_copula", "isotropic": "silhouette_null_isotropic",
}
ROLES = dict.fromkeys(("pca_within", "cvae_permuted"), "control") | dict.fromkeys(
    ("cvae_sweep", "cvae_trial", "vade"), "trial")  # of methods that are compared with nothing else
TUNED = "tuned here"  # role of a method some of whose choices were made by this corpus's labels
SHAPE_SEEDS = 3  # training seeds whose dips and separation are computed, and the nulls of probes


def n_clusters(run: Run, labels: pd.Series) -> int:
    """The k of k-means: the setting, or as many as there are labels that count (`agreement.counted`), or labels."""
    scored = labels[agreement.counted(labels.to_numpy())]
    return run.settings.n_clusters or scored.nunique() or labels.nunique()


@remembered
def score(
    run: Run,
    latents: xr.Dataset,
    labels: pd.Series,
    clusterers: Sequence[str] = ("kmeans",),
    nulls: bool = True,
    probes: bool = False,
) -> pd.DataFrame:
    """Every score of one setting's latents, as tidy rows (`artifacts.SCORE_COLUMNS`).

    Clusters are found in mu [seed, track, latent], then compared with `labels` [track], joined by track id, beside
    `nmi_null` (permuted labels). With `nulls` there are silhouettes of clouds without clusters as well
    (`NULL_METRICS`), drawn per setting, each from the next seed's latents; and the first seeds with what else
    `verdict.Evidence` needs. With `probes`, a linear probe reads the labels from mu and from one sample z; its
    permutation null is drawn for the first seeds.
    """
    y = _codes(latents, labels)
    k = min(n_clusters(run, labels), len(y) - 1)
    kmeans = jackknife.clusters(run, latents, k, run.settings.n_cluster_seeds) if "kmeans" in clusterers else None
    rows: list[tuple] = []
    for i, seed in enumerate(latents.seed.values.tolist()):
        points = latents.mu.sel(seed=seed).values.astype(float)
        for method in clusterers:
            for j in range(run.settings.n_cluster_seeds if method == "kmeans" else 1):
                found = (kmeans[f"{seed} {j}"].to_numpy() if method == "kmeans"
                         else clustering.cluster(points, k, method, seed=1000 * seed + j))
                values = agreement.external(y, found) | clustering.internal(points, found, seed)
                values["nmi_null"] = agreement.nmi_null(y, found, np.random.default_rng([seed, j]), 1)[0]
                rows += [(seed, method, j, name, value) for name, value in values.items()]
        found = _alone(latents.sel(seed=seed), y, seed, probes, n_permutations=1 if i < SHAPE_SEEDS else 0)
        rows += [(seed, "none", "", name, value) for name, value in found]
    if nulls and "kmeans" in clusterers:
        rows += _null_rows(run, latents, k)
    table = pd.DataFrame(rows, columns=["seed", "clusterer", "clusterer_seed", "metric", "value"])
    return table.assign(corpus=run.settings.corpus, **described(latents))[artifacts.SCORE_COLUMNS]


def replicates(run: Run, latents: xr.Dataset, labels: pd.Series, metric: str) -> pd.Series:
    """A metric [(block, seed)] of one setting's latents with units left out (`jackknife.of`)."""
    return jackknife.of(run, latents, labels, metric, n_clusters(run, labels))


def keep_replicates(run: Run, found: Sequence[xr.Dataset], labels: pd.Series, metric: str = "nmi") -> None:
    """Store this notebook's replicates of headline latents, for notebooks that compare them."""
    tables = [jackknife.stored(each, metric, replicates(run, each, labels, metric)) for each in found]
    artifacts.save(run, f"replicates/{run.notebook}", pd.concat(tables, ignore_index=True).rename_axis("row"))


def load_replicates(run: Run) -> pd.DataFrame:
    """What the notebooks of this run have kept with `keep_replicates`."""
    names = [name for name in NEEDS if artifacts.has(run, f"replicates/{name}")]
    if not names:
        first = f"run notebooks/{FILES['baselines']}.ipynb first"
        raise Problem(f"no scores with units left out are in {run.folder}: {first}")
    return pd.concat([artifacts.load(run, f"replicates/{name}").rename_axis("row") for name in names])


def described(latents: xr.Dataset) -> dict[str, str | float]:
    """What the score table says of latents: features, method, beta, where labels enter, dimensions, role, setting."""
    about = {name: latents.attrs[name] for name in ("features", "method", "setting", "label_use")}
    config = from_json(latents.attrs.get("config", "{}"))
    beta = latents.attrs.get("beta", config.get("beta")) if config.get("stochastic", True) else None
    place = (config.get("y_encoder", False), config.get("y_decoder", False))
    where = {(0, 0): "none", (1, 0): "encoder", (0, 1): "decoder", (1, 1): "both"}[place]
    beta = np.nan if beta is None or config.get("learned_variance") else float(beta)
    role = ROLES.get(about["method"], "method")
    return about | {"beta": beta, "label_in": where, "dim": latents.sizes["latent"], "role": role}


def _codes(latents: xr.Dataset, labels: pd.Series) -> np.ndarray:
    """The tracks' labels as numbers: strings take scikit-learn ten times as long."""
    return np.unique(labels.loc[latents.track.values].to_numpy(), return_inverse=True)[1]


@remembered
def brief(run: Run, latents: xr.Dataset, labels: pd.Series) -> pd.DataFrame:
    """What a sweep compares, cheaply: per seed NMI of k-means clusters (mean over clustering seeds), and mean
    summed squared error of the tracks that were not trained on; columns seed, nmi, error."""
    y, rows = _codes(latents, labels), []
    scored = agreement.counted(y)
    for seed in latents.seed.values.tolist():
        points = latents.mu.sel(seed=seed).values.astype(float)
        found = [clustering.cluster(points, min(n_clusters(run, labels), len(y) - 1), seed=1000 * seed + j)
                 for j in range(run.settings.n_cluster_seeds)]
        rows.append((seed, float(np.mean([agreement.nmi(y[scored], each[scored]) for each in found])),
                     float(latents.error.sel(seed=seed).values[~latents.train.sel(seed=seed).values].mean())))
    return pd.DataFrame(rows, columns=["seed", "nmi", "error"])


GAINS = {"AE - PCA": ("AE", "PCA"), "VAE - AE": ("VAE", "AE"), "VAE - PCA": ("VAE", "PCA")}


def gains(values: pd.Series, pairs: dict[str, tuple[str, str]] = GAINS) -> pd.DataFrame:
    """One row per condition of a sweep [condition, model, seed]: each pair's difference, paired by seed."""
    name = values.index.names[0]
    rows = [{name: key} | {title: intervals.paired(part.xs(a, level="model").droplevel(0),
                                                    part.xs(b, level="model").droplevel(0))
                           for title, (a, b) in pairs.items()}
            for key, part in values.groupby(level=0, sort=False)]
    return pd.DataFrame(rows)


def _null_rows(run: Run, latents: xr.Dataset, k: int) -> list[tuple]:
    """Silhouettes of null clouds, and dips and separation of the first seeds.

    The verdict's null, `gaussian`, gets all `n_nulls` draws, the others half. The isotropic null has the seed's active
    dimensions by KL, or by participation ratio where there is no KL. Where the latents come with `clouds` of their own,
    made of a Gaussian like the tracks (UMAP's), these are the null, and there is no other.
    """
    seeds = latents.seed.values.tolist()
    points = {seed: latents.mu.sel(seed=seed).values.astype(float) for seed in seeds}
    active = {seed: max(1, round(nulls.participation_ratio(points[seed]))) for seed in seeds}
    if "kl" in latents and float(latents.kl.sum()) > 0:
        active = {seed: max(1, int(information.active_dimensions(latents.kl.sel(seed=seed).values))) for seed in seeds}
    rows = []
    if "clouds" in latents:
        for seed, cloud in zip(seeds, latents.clouds.values.astype(float), strict=False):
            value = clustering.silhouette(cloud, clustering.cluster(cloud, k, seed=1000 * seed))
            rows.append((seed, "kmeans", f"null {seed}", NULL_METRICS["gaussian"], value))
    for kind, metric in NULL_METRICS.items() if "clouds" not in latents else ():
        draws = run.settings.n_nulls if kind == "gaussian" else max(3, run.settings.n_nulls // 2)
        copied = seeds[: max(1, draws // 2)]  # at least two draws of each, for a spread within seeds
        for i in range(draws):
            seed = copied[i % len(copied)]
            if kind == "isotropic":
                value = nulls.isotropic_silhouette(len(points[seed]), active[seed], k, run.settings.seed + i)
            else:
                value = nulls.silhouette_null(points[seed], k, kind, 1, seed=1000 * seed + i)[0]
            rows.append((seed, "kmeans", f"null {i}", metric, value))
    for seed in seeds[:SHAPE_SEEDS]:
        rows += [(seed, "none", "", name, value) for name, value in shape_of(points[seed], seed).items()]
    return rows


def _alone(latents: xr.Dataset, y: np.ndarray, seed: int, probes: bool, n_permutations: int) -> list[tuple[str, float]]:
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
            probe = linear_probe(latents[name].values.astype(float), y, seed, n_permutations)
            out += [(f"probe_{name}", probe.accuracy), (f"information_{name}", probe.information)]
            out += [(f"probe_{name}_null", probe.null_accuracy)] if n_permutations else []
    return out


def summary(scores: pd.DataFrame, metrics: Sequence[str], by: Sequence[str] = ("method", "setting", "label_use"),
            clusterer: str = "kmeans") -> pd.DataFrame:
    """One row per setting: mean and 95 % interval over training seeds of each metric, and the number of seeds.

    Null silhouettes, which are drawn for some of the seeds, are moved by their seeds' deviation from the mean
    silhouette, as in `silhouette_excess`.
    """
    rows = scores[scores["clusterer"].isin([clusterer, "none"])]
    out = []
    for key, group in rows.groupby(list(by), sort=False):
        values = {m: intervals.interval(_beside_all(group, m), within=intervals.RANGES.get(m, intervals.ANY))
                  for m in metrics if (group["metric"] == m).any()}
        seeds = values["nmi"].n if "nmi" in values else group["seed"].nunique()
        out.append(dict(zip(by, key, strict=True)) | {"seeds": seeds} | values)
    return pd.DataFrame(out)


def every_clusterer(scores: pd.DataFrame, metrics: Sequence[str], by: Sequence[str]) -> pd.DataFrame:
    """`summary` of k-means, and of each other clusterer that a setting has; a column `clusterer`, highest mean NMI
    first."""
    parts = [summary(scores, metrics, by).assign(clusterer="kmeans")]
    for name in sorted(set(scores["clusterer"]) - {"kmeans", "none"}):
        rows = scores[scores["clusterer"].isin([name, "none"])]
        with_it = rows[rows["clusterer"] == name][list(by)].drop_duplicates()
        parts.append(summary(rows.merge(with_it), metrics, by, name).assign(clusterer=name))
    found = pd.concat(parts, ignore_index=True)
    return found.iloc[np.argsort([-value.mean for value in found["nmi"]], kind="stable")]


def _beside_all(group: pd.DataFrame, metric: str) -> pd.Series:
    """One setting's metric [seed]; a null of the silhouette as if its seed had the mean silhouette of all."""
    values = intervals.by_seed(group, metric)
    if metric not in NULL_METRICS.values() or not (group["metric"] == "silhouette").any():
        return values
    own = intervals.by_seed(group, "silhouette")
    return values - own.loc[values.index] + own.mean()


def silhouette_excess(scores: pd.DataFrame, kind: str = "gaussian") -> nulls.Excess:
    """One setting's silhouette beside one of its nulls (`NULL_METRICS`), seed by seed.

    Each null draw is compared with the silhouette of the seed that it copies, so that differences between seeds do not
    pass for null noise. The draws are returned as if every seed had the mean silhouette.
    """
    value = intervals.by_seed(scores, "silhouette", clusterer="kmeans")
    rows = scores[scores["metric"] == NULL_METRICS[kind]]
    draws = rows["value"].to_numpy() - value.loc[rows["seed"]].to_numpy() + value.mean()
    spread = rows["value"] - rows.groupby("seed")["value"].transform("mean")
    freedom = len(rows) - rows["seed"].nunique()
    if freedom < 1:
        return nulls.excess(float(value.mean()), draws)
    return nulls.excess(float(value.mean()), draws, float(np.sqrt((spread**2).sum() / freedom)), freedom)


def evidence(scores: pd.DataFrame) -> Evidence:
    """One setting's evidence for clusters: silhouettes beside nulls, medians over seeds of dips and separation."""
    middle = {name: float(intervals.by_seed(scores, name).median())
              for name in ("dip_component_p", "dip_distances_p", "separation")}
    there = [kind for kind, metric in NULL_METRICS.items() if scores["metric"].eq(metric).any()]
    return Evidence({kind: silhouette_excess(scores, kind) for kind in there}, **middle)


def verdicts(scores: pd.DataFrame, by: Sequence[str] = ("method", "features", "setting", "label_use")) -> pd.DataFrame:
    """One row per setting with nulls: silhouette, each null's mean, excess and z, dips, separation and verdict."""
    out = []
    for key, group in scores.groupby(list(by), sort=False):
        if not group["metric"].eq(NULL_METRICS["gaussian"]).any():
            continue
        found = evidence(group)
        row = dict(zip(by, key, strict=True)) | {"silhouette": found.silhouettes["gaussian"].value}
        for kind, one in found.silhouettes.items():
            row |= {f"{kind} null": one.null_mean, f"{kind} excess": one.excess, f"{kind} z": one.z}
        out.append(row | {name: getattr(found, name) for name in found._fields[1:]} | {"verdict": found.verdict})
    return pd.DataFrame(out)


def of_seed(scores: pd.DataFrame, metric: str) -> pd.Series:
    """One setting's metric [seed], of k-means or without clusters; `excess` is the silhouette minus the seed's null."""
    rows = scores[scores["clusterer"].isin(["kmeans", "none"])]
    if metric == "excess":
        return intervals.by_seed(rows, "silhouette") - intervals.by_seed(rows, "silhouette_null")
    return intervals.by_seed(rows, metric)


def over(tables: Mapping[Any, pd.DataFrame], metric: str) -> pd.DataFrame:
    """One metric of several settings as [setting, seed]: `of_seed` of each table."""
    return pd.DataFrame({key: of_seed(table, metric) for key, table in tables.items()}).T


def changes(tables: Mapping[str, pd.DataFrame], base: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """Changes of metrics (columns) of several settings (rows) against the rows `base`, as intervals paired by seed."""
    return pd.DataFrame({metric: {name: intervals.paired(of_seed(table, metric), of_seed(base, metric), metric)
                                  for name, table in tables.items()} for metric in metrics})


def rows_of(table: pd.DataFrame, latents: xr.Dataset) -> pd.DataFrame:
    """The rows of a score table that belong to these latents, by features, method and setting."""
    same = [table[name] == latents.attrs[name] for name in ("features", "method", "setting")]
    return table[np.logical_and.reduce(same)]
