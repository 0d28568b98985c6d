"""When does a VAE pay? Beside PCA and an autoencoder, over the size of the code, the number of tracks and the features.

Sweeps train half as many epochs as the headline models, with fewer seeds.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from lib.features import blocks
from lib.features.sets import mel_profile
from lib.models.latents import mlp_latents, pca_latents, rebuild, schedule_of, sweep_latents
from lib.models.training import Schedule
from lib.models.vae import ModelConfig
from lib.scores import intervals
from lib.scores import table as scores
from lib.scores.information import active_dimensions
from lib.scores.intervals import Interval
from lib.store import engine
from lib.store.runs import Run
from lib.studies.unsupervised import beta_sweep

SCORES = ("nmi", "nmi_null", "ami", "accuracy", "silhouette", "silhouette_null")
SETS = ("mfcc_delta", "log_mel_stats", "modulation", "mfcc_delta + modulation")  # have more columns than a code
OVER_SETS = {"VAE - PCA": ("VAE", "PCA"), "VAE - raw": ("VAE", "raw")}
Latents = dict[tuple[int | str, str], xr.Dataset]  # by condition and model


def vae(run: Run, x: pd.DataFrame) -> xr.Dataset:
    """Latents of the VAE at beta 1 on x [track, D], all seeds."""
    return mlp_latents(run, "vae", x, beta_sweep.config(run, x.shape[1]), run.seeds)


def dimensions(latents: xr.Dataset, x: pd.DataFrame) -> dict[str, Interval | int]:
    """How many dimensions a VAE at beta 1 keeps (`active`, over seeds) of its `dims`, and what linear theory allows."""
    dims = latents.sizes["latent"]
    bound = int(beta_sweep.allowed(x, [1.0], dims)["above"][1.0])
    active = intervals.of_metric(active_dimensions(latents.kl.values), "active_dims")
    return {"active": active, "dims": dims, "bound": bound}


def differences(run: Run, models: dict[str, xr.Dataset], genre: pd.Series) -> pd.DataFrame:
    """How the VAE differs from PCA and autoencoder (latents by "vae", "pca", "ae"), over seeds and units: a row for
    each of them, a column per metric. Nothing is judged here (`comparison.planned` does)."""
    found = {metric: {name: scores.replicates(run, one, genre, metric) for name, one in models.items()}
             for metric in ("nmi", "probe_mu", "error_held_out", "silhouette")}
    return pd.DataFrame([{"comparison": f"vae - {name}"} | {
        metric: intervals.paired(values["vae"], values[name]) for metric, values in found.items()}
        for name in ("pca", "ae")])


def rebuilt_spectra(x: pd.DataFrame, models: dict[str, xr.Dataset], bands: np.ndarray,
                    labels: pd.Series) -> dict[str, pd.DataFrame]:
    """Three tracks that the first seed held out, with the smallest, the middle and the largest error under PCA: mean
    log-mel spectra, dB [track or model, band in Hz], from mean MFCCs, as they are and as models give them back."""
    pca, train = models["PCA"], models["VAE"].train.values[0]
    centre, scale = x[train].mean().to_numpy(), x[train].std(ddof=0).to_numpy()
    made = {"PCA": pca.mu.values[0] @ pca.loadings.values[0]}
    made |= {name: rebuild(models[name], models[name].seed.values.tolist()[0]) for name in ("AE", "VAE")}
    values = {"track": x.to_numpy()} | {name: each * scale + centre for name, each in made.items()}
    n_means, held = sum(name.startswith("mean_") for name in x.columns), np.flatnonzero(~train)
    chosen = held[np.argsort(pca.error.values[0][held])[[0, len(held) // 2, -1]]]
    return {f"{what}: {labels[x.index[row]]}": pd.DataFrame({name: mel_profile(each[row, :n_means])
                                                             for name, each in values.items()}, bands).T
            for what, row in zip(("smallest error", "middle", "largest"), chosen, strict=True)}


# --- sweeps ----------------------------------------------------------------------------------------------------------
def schedule(run: Run) -> Schedule:
    """Half as many epochs as the headline models have."""
    return schedule_of(run)._replace(epochs=max(2, run.settings.epochs // 2))


def _three(run: Run, x: pd.DataFrame, dim: int, how: Schedule, n_train: int = 0) -> dict[str, xr.Dataset]:
    seeds = run.settings.seeds(run.settings.n_seeds_sweep)
    models = {"AE": ("ae", False), "VAE": ("vae", True)}  # method, noise
    shape = partial(ModelConfig, x.shape[1], dim, run.settings.hidden)
    found = engine.together({
        name: partial(sweep_latents, run, method, x, shape(stochastic=noise), [1.0], seeds, schedule=how,
                      n_train=n_train, kept=()) for name, (method, noise) in models.items()})
    return {"PCA": pca_latents(run, x, dim, seeds, n_train=n_train)} | {name: one[1.0] for name, one in found.items()}


def _flat(found: dict[Any, dict[str, xr.Dataset]]) -> Latents:
    return {(condition, model): each for condition, models in found.items() for model, each in models.items()}


def _brief(run: Run, latents: Latents, labels: pd.Series, over: str) -> pd.DataFrame:
    """nmi and error [condition, model, seed]; the conditions are called `over`."""
    parts = {key: scores.brief(run, each, labels).set_index("seed") for key, each in latents.items()}
    return pd.concat(parts, names=[over, "model"])


def over_dimensions(run: Run, x: pd.DataFrame, labels: pd.Series) -> pd.DataFrame:
    """NMI and error of held-out tracks [dimensions, model, seed] of the three models on x [track, D]."""
    found = engine.together({dim: partial(_three, run, x, dim, schedule(run))
                             for dim in sorted({2, 5, 20, run.settings.latent_dim})})
    return _brief(run, _flat(found), labels, "dimensions")


def over_tracks(run: Run, x: pd.DataFrame, labels: pd.Series, most: int, by_dim: pd.DataFrame) -> pd.DataFrame:
    """The same [tracks, model, seed] over the number of training tracks, with as many steps as on all (`most`), whose
    values are those of `over_dimensions`."""
    half, dim, calls = schedule(run), run.settings.latent_dim, {}
    for n in [n for n in (125, 250, 500) if n < 0.8 * most] or [most // 4, most // 2]:
        same_steps = half._replace(epochs=half.epochs * most // n, patience=half.patience * most // n)
        calls[n] = partial(_three, run, x, dim, same_steps, n)
    by_size = _brief(run, _flat(engine.together(calls)), labels, "tracks")
    full = by_dim.loc[[dim]].rename(index={dim: most}, level=0)
    return pd.concat([by_size, full.rename_axis(by_size.index.names)])


def over_features(run: Run, sets: dict[str, pd.DataFrame]) -> Latents:
    """Latents of PCA and VAE on each of `SETS`, scaled so that beta prices the same share of the variance."""
    dim, seeds = run.settings.latent_dim, run.settings.seeds(run.settings.n_seeds_sweep)

    def both(name: str) -> dict[str, xr.Dataset]:
        x, weights = sets[name], blocks.weights(sets[name])
        config = beta_sweep.config(run, x.shape[1])
        return {"PCA": pca_latents(run, x, dim, seeds, name, weights),
                "VAE": sweep_latents(run, "vae", x, config, [1.0], seeds, name, schedule=schedule(run),
                                     weights=weights)[1.0]}

    return _flat(engine.together({name: partial(both, name) for name in SETS}))


def nmi_of_features(run: Run, latents: Latents, labels: pd.Series, by_dim: pd.DataFrame,
                    earlier: pd.DataFrame) -> pd.Series:
    """NMI [features, model, seed] of k-means on PCA, VAE and the features themselves ("raw", from the score table
    `earlier`); that of MFCC statistics is in `over_dimensions`."""
    briefly, dim = _brief(run, latents, labels, "features")["nmi"], run.settings.latent_dim
    levels = briefly.index.names
    raw = earlier.query("method == 'raw' and clusterer == 'kmeans' and metric == 'nmi'")
    raw = raw[raw["seed"].isin(briefly.index.unique("seed")) & raw["features"].isin([*SETS, "mfcc"])]
    raw = raw.assign(model="raw").groupby(levels)["value"].mean()
    mfcc = by_dim["nmi"].loc[[dim]].rename(index={dim: "mfcc"}, level=0).drop("AE", level=1)
    return pd.concat([mfcc.rename_axis(levels), briefly, raw])


def score_sets(run: Run, latents: Latents, labels: pd.Series) -> pd.DataFrame:
    """Rows of the score table for `over_features`; those of VAEs say how long they were trained."""
    rows = pd.concat([scores.score(run, each, labels, nulls=False) for each in latents.values()])
    rows.loc[rows["method"] == "vae", "setting"] += f" epochs={schedule(run).epochs}"
    return rows.query("metric != 'silhouette'")


# --- what paid -------------------------------------------------------------------------------------------------------
def feature_table(nmi: pd.Series, paid: pd.DataFrame) -> pd.DataFrame:
    """Mean and 95 % interval of NMI on features, PCA and VAE, and their differences: a row per feature set."""
    shown = nmi.groupby(["features", "model"], sort=False).agg(intervals.interval).unstack("model")
    return shown[["raw", "PCA", "VAE"]].reset_index().merge(paid)


def counts(by_dim: pd.DataFrame, by_size: pd.DataFrame, by_set: pd.DataFrame) -> pd.DataFrame:
    """In how many conditions each difference is resolved, and which way: a row per difference; tables of `gains`.
    Conditions without scores of the labels do not count."""
    known = [None, *by_set["VAE - PCA"][1:]]  # MFCCs and all tracks are in the first sweep
    conditions = pd.concat([by_dim, by_size.iloc[:-1], by_set.assign(**{"VAE - PCA": known})])
    found = {name: [one for one in conditions[name].dropna() if one.n] for name in (*scores.GAINS, "VAE - raw")}
    return pd.DataFrame({name: {"better": sum(one.low > 0 for one in each),
                                "not resolved": sum(not one.excludes_zero for one in each),
                                "worse": sum(one.high < 0 for one in each)} for name, each in found.items()}).T


def counts_table(found: pd.DataFrame) -> pd.DataFrame:
    """`counts` for readers."""
    names = {"better": "NMI higher", "not resolved": "interval includes zero", "worse": "NMI lower"}
    return found.rename(columns=names).rename_axis("difference in NMI").reset_index()


def where_better(paid: pd.DataFrame) -> str | float:
    """The conditions of a table of `gains` in which the VAE is resolved above PCA, as a list in words; NaN where no
    condition has scores of the labels."""
    if not any(gap.n for gap in paid["VAE - PCA"]):
        return float("nan")
    found = [str(condition) for condition, gap in zip(paid.iloc[:, 0], paid["VAE - PCA"], strict=True) if gap.low > 0]
    return ", ".join(found) or "none"
