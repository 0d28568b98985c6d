"""Views of a latent in the explorer: two coordinates of every track, and a track's neighbours."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from scipy.linalg import orthogonal_procrustes
from sklearn.decomposition import PCA

from lib.models import umap

OVER_BETAS = "all betas in one plane"
VIEWS = ("leading KL dimensions", "PCA", "UMAP", OVER_BETAS)
N_NEIGHBOURS = 5  # tracks


def project(latents: xr.Dataset, view: str) -> tuple[np.ndarray, list[str]]:
    """Two coordinates [track, 2] of one seed's mu, and what each is."""
    mu, seed = latents.mu.values[0].astype(float), int(latents.seed.values[0])
    mu = np.pad(mu, ((0, 0), (0, max(0, 2 - mu.shape[1]))))  # a latent of one dimension is a line
    if view == "leading KL dimensions":
        kl = np.pad(latents.kl.values[0], (0, mu.shape[1] - latents.sizes["latent"]))
        best = np.argsort(-kl, kind="stable")[:2]
        return mu[:, best], [f"latent {i}: {kl[i]:.2f} nats" for i in best]
    if view == "PCA":
        fitted = PCA(2, random_state=seed).fit(mu)
        share = fitted.explained_variance_ratio_
        return fitted.transform(mu), [f"component {i + 1} ({100 * share[i]:.0f} %)" for i in range(2)]
    if view == "UMAP":
        return umap.umap(mu, 2, [seed])[0], ["UMAP 1", "UMAP 2"]
    raise ValueError(f"a view is one of {VIEWS}, not {view!r}")


def together(latents: list[np.ndarray]) -> tuple[list[np.ndarray], list[str]]:
    """Latents [track, latent] of several models in one plane, so that points keep their identity, and its two axes.

    Each is centred and rotated onto the one before (orthogonal Procrustes, Schönemann 1966; no scaling: what shrinks
    has lost information); the plane is that of the two leading principal components of them all.
    """
    aligned: list[np.ndarray] = []
    for mu in latents:
        centred = mu.astype(float) - mu.mean(0)
        aligned.append(centred @ orthogonal_procrustes(centred, aligned[-1])[0] if aligned else centred)
    stacked = np.concatenate(aligned)
    fitted = PCA(min(2, stacked.shape[1]), random_state=0).fit(stacked)
    flat = [np.pad(fitted.transform(one), ((0, 0), (0, 2 - fitted.n_components_))) for one in aligned]
    share = [*fitted.explained_variance_ratio_, 0.0]
    return flat, [f"shared component {i + 1} ({100 * share[i]:.0f} %)" for i in range(2)]


def neighbours(latents: xr.Dataset, track: str, n: int = N_NEIGHBOURS) -> pd.Series:
    """The `n` nearest other tracks in one seed's mu: distance [track], nearest first."""
    mu = latents.mu[0].to_pandas()
    return (mu - mu.loc[track]).pow(2).sum(axis=1).pow(0.5).drop(track).nsmallest(n)
