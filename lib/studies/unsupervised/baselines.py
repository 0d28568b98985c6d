"""What PCA, a linear VAE and an autoencoder find before any variational model, and which features there are."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import xarray as xr
from scipy.linalg import subspace_angles

from lib.features import blocks
from lib.features.sets import log_mel_statistics, mel_profile, modulation_spectrum
from lib.models import theory
from lib.models.latents import mlp_latents, pca_latents, raw_latents, schedule_of, sweep_latents, umap_latents
from lib.models.vae import ModelConfig
from lib.scores import table as scores
from lib.scores.information import ACTIVE_NATS
from lib.store.runs import Run
from lib.studies.unsupervised import beta_sweep

EXTERNAL = ("nmi", "nmi_null", "ami", "ari", "accuracy", "purity", "inverse_purity")
INTERNAL = ("silhouette", "silhouette_null", "davies_bouldin", "calinski_harabasz")
THEORY = ["beta", "seed", "active, theory", "active", "KL, theory", "KL", "largest angle, degrees", "inside PCA"]


def components(run: Run, x: pd.DataFrame) -> tuple[xr.Dataset, np.ndarray]:
    """PCA of x [track, D] with as many components as a code has dimensions, and all eigenvalues [D]."""
    return pca_latents(run, x, run.settings.latent_dim, run.seeds), theory.spectrum(x.to_numpy())


def without_training(run: Run, sets: dict[str, pd.DataFrame], seeds: list[int]) -> tuple[xr.Dataset, ...]:
    """MFCC statistics as they are, log-mel statistics as they are, and UMAP of the MFCC statistics for a few seeds."""
    raw, direct = (raw_latents(run, sets[name], run.seeds, name) for name in ("mfcc", "log_mel_stats"))
    return raw, direct, umap_latents(run, sets["mfcc"], run.settings.latent_dim, seeds)


def autoencoder(run: Run, x: pd.DataFrame) -> xr.Dataset:
    """Latents of the VAE's network without noise and KL, on x [track, D]."""
    config = dataclasses.replace(beta_sweep.config(run, x.shape[1]), stochastic=False)
    return mlp_latents(run, "ae", x, config, run.seeds)


# --- what components hear --------------------------------------------------------------------------------------------
def loadings(pca: xr.Dataset, most: int = 6) -> pd.DataFrame:
    """Loadings [component, feature] of the first seed's leading components."""
    found = pca.loadings.isel(seed=0)[:most].to_pandas()
    return found.set_axis([f"component {i + 1}" for i in range(len(found))])


def mel_profiles(pca: xr.Dataset, x: pd.DataFrame, bands: np.ndarray, most: int = 4) -> pd.DataFrame:
    """What one standard deviation of a component does to a track's mean spectrum, dB [component, band in Hz], through
    the means of MFCCs in x [track, D]."""
    weights = loadings(pca, most)
    means = [name for name in x.columns if name.startswith("mean_")]
    spread = pca.mu.isel(seed=0).values.std(0)[:most]
    change = weights[means].to_numpy() * x[means].std().to_numpy() * spread[:, None]
    return pd.DataFrame(mel_profile(change), weights.index, bands)


def encoded(pca: xr.Dataset, x: pd.DataFrame, descriptors: pd.DataFrame) -> pd.DataFrame:
    """A row per leading component: its share of the variance of x [track, D]; the share of its squared loadings on
    level, spectral shape and variation over time; the descriptor [track, name] that moves with it most."""
    weights, eigenvalues = loadings(pca), theory.spectrum(x.to_numpy())
    mu = pca.mu.isel(seed=0).to_pandas().iloc[:, : len(weights)].set_axis(weights.index, axis=1)
    moves = pd.concat([mu, descriptors], axis=1).corr("spearman").loc[descriptors.columns, mu.columns].abs()
    squared = weights.set_axis(["level" if name == "mean_00" else "shape" if name.startswith("mean_") else "variation"
                                for name in weights.columns], axis=1).pow(2).T.groupby(level=0).sum().T
    return pd.DataFrame({
        "component": weights.index, "variance": eigenvalues[: len(weights)] / eigenvalues.sum(),
        **{name: squared[name].to_numpy() for name in ("level", "shape", "variation")},
        "moves with": moves.idxmax().to_numpy(), "rank correlation": moves.max().to_numpy()})


# --- a linear VAE ----------------------------------------------------------------------------------------------------
def linear_vaes(run: Run, x: pd.DataFrame, seeds: list[int]) -> dict[float, xr.Dataset]:
    """Latents of a VAE without hidden layers at beta 1 and the headline beta, trained to the last epoch."""
    config = ModelConfig(n_features=x.shape[1], latent_dim=run.settings.latent_dim, hidden=())
    schedule = schedule_of(run)._replace(learning_rate=1e-2, patience=run.settings.epochs)
    return sweep_latents(run, "linear_vae", x, config, [1.0, run.settings.beta], seeds, schedule=schedule, kept=())


def compared_with_ppca(by_beta: dict[float, xr.Dataset], pca: xr.Dataset, x: pd.DataFrame) -> pd.DataFrame:
    """Linear VAEs by beta compared with the optimum, probabilistic PCA: a row per beta and seed, columns `THEORY`."""
    rows = []
    for beta, latents in by_beta.items():
        _, optimal = theory.optimal_codes(x.to_numpy(), beta, latents.sizes["latent"])
        kept, worthwhile = int((optimal > ACTIVE_NATS).sum()), int((optimal > 0).sum())
        for seed in latents.seed.values.tolist():
            kl, components = latents.kl.sel(seed=seed).values, pca.mu.sel(seed=seed).values
            mu = latents.mu.sel(seed=seed).values
            mu, basis = mu - mu.mean(0), np.linalg.qr(components[:, :worthwhile])[0]
            angles = subspace_angles(mu[:, kl.argsort()[::-1][:kept]], components[:, :kept])
            inside = ((basis.T @ mu) ** 2).sum() / (mu**2).sum()
            rows.append((beta, seed, kept, (kl > ACTIVE_NATS).sum(), optimal.sum(), kl.sum(),
                         np.degrees(angles.max()), inside))
    return pd.DataFrame(rows, columns=THEORY)


def kl_by_rank(latents: xr.Dataset, x: pd.DataFrame, beta: float) -> tuple[pd.DataFrame, pd.Series]:
    """KL in nats of each dimension, largest first [rank, seed], and that of the optimal linear VAE of x [track, D]."""
    kl = pd.DataFrame(-np.sort(-latents.kl.values, axis=1).T, range(1, latents.sizes["latent"] + 1))
    best = theory.predicted_kl(theory.spectrum(x.to_numpy()), beta)[: len(kl)]
    return kl, pd.Series(best, kl.index[: len(best)])


# --- features --------------------------------------------------------------------------------------------------------
def feature_sets(features: xr.Dataset, descriptors: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Every feature set [track, D] that needs no model, by name; several are joined (`blocks.joined`)."""
    delta, modulation = features.mfcc_delta.to_pandas(), modulation_spectrum(features.log_mel)
    return {"mfcc": features.mfcc.to_pandas(), "mfcc_delta": delta,
            "log_mel_stats": log_mel_statistics(features.log_mel), "modulation": modulation,
            "descriptors": descriptors, "mfcc_delta + modulation": blocks.joined(delta, modulation),
            "mfcc_delta + modulation + descriptors": blocks.joined(delta, modulation, descriptors)}


def score_sets(run: Run, sets: dict[str, pd.DataFrame], labels: pd.Series) -> pd.DataFrame:
    """Rows of the score table for k-means on feature sets as they are, with the seeds of a sweep."""
    seeds = run.settings.seeds(run.settings.n_seeds_sweep)
    latents = [raw_latents(run, each, seeds, name, blocks.weights(each)) for name, each in sets.items()]
    return pd.concat([scores.score(run, each, labels, nulls=False) for each in latents]).query("metric != 'silhouette'")
