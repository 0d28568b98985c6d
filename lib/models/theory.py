"""What linear theory says of a VAE's active dimensions, rate and codes, beside what was measured."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr

from lib.scores import information, properties
from lib.store.arithmetic import standardised


def optimal_codes(x: np.ndarray, beta: float, dims: int) -> tuple[np.ndarray, np.ndarray]:
    """mu [N, dims] and KL [dims] in nats of the optimal linear VAE on standardised x [N, D], without training one.

    Its dimensions are the principal components whose eigenvalue exceeds the decoder variance beta/2, each shrunk to the
    variance 1 - (beta/2)/eigenvalue (Lucas et al. 2019; that a VAE picks the components themselves and no rotation of
    them: Rolinek et al. 2019, 1812.06775). The others are zero.
    """
    x = standardised(x)
    values, vectors = np.linalg.eigh(np.cov(x.T))
    values, vectors = np.maximum(values[::-1][:dims], 1e-12), vectors[:, ::-1][:, :dims]
    shrunk = np.sqrt(np.maximum(1 - beta / 2 / values, 0))
    return x @ vectors / np.sqrt(values) * shrunk, predicted_kl(values, beta)


def spectrum(x: np.ndarray, labels: np.ndarray | None = None) -> np.ndarray:
    """Eigenvalues, descending, of the covariance of standardised x [N, D]; of the within-label covariance if labels
    are given."""
    x = standardised(x)
    if labels is not None:
        x = properties.remove_means(x, labels)
    return np.linalg.eigvalsh(np.cov(x.T))[::-1]


def predicted_active(eigenvalues: np.ndarray, beta: float) -> int:
    """Active dimensions of the optimal linear VAE at this beta: eigenvalues above the decoder variance beta/2
    (Lucas et al. 2019, arXiv 1911.02469). An upper bound in practice for a nonlinear model."""
    return int((np.asarray(eigenvalues) > beta / 2).sum())


def predicted_kl(eigenvalues: np.ndarray, beta: float) -> np.ndarray:
    """KL in nats of each dimension of the optimal linear VAE: 1/2 ln(eigenvalue / (beta/2)), zero where negative."""
    return np.maximum(0.5 * np.log(np.maximum(np.asarray(eigenvalues), 1e-12) / (beta / 2)), 0)


def linear_theory(eigenvalues: np.ndarray, betas: list[float], latent_dim: int) -> pd.DataFrame:
    """What an optimal linear VAE does at each beta (index), from the covariance's eigenvalues: `kl` and `active`
    dimensions, `above` (eigenvalues above beta/2, at most `latent_dim`), `error` per track (reverse water-filling:
    beta/2 along each kept direction, the eigenvalue along the others), and the KL of the i-th dimension as `kl 1`, ...
    (Lucas et al. 2019, arXiv 1911.02469)."""
    values, rows = np.asarray(eigenvalues, float), {}
    for beta in betas:
        each = predicted_kl(values[:latent_dim], beta)
        kept = each > 0
        rows[beta] = {
            "kl": each.sum(),
            "above": min(latent_dim, predicted_active(values, beta)),
            "active": (each > information.ACTIVE_NATS).sum(),
            "error": kept.sum() * beta / 2 + values[:latent_dim][~kept].sum() + values[latent_dim:].sum(),
        }
        rows[beta] |= {f"kl {i + 1}": value for i, value in enumerate(each)}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("beta")


def measured(sweep: Mapping[float, xr.Dataset]) -> dict[str, pd.DataFrame]:
    """The quantities of `linear_theory` as measured: name -> table [beta, seed]; the error is that of training rows."""
    tables: dict[str, dict[float, pd.Series]] = {}
    for beta, latents in sorted(sweep.items()):
        kl = -np.sort(-latents.kl.values, axis=1)  # [seed, latent]
        here = {
            "kl": kl.sum(1),
            "active": information.active_dimensions(kl),
            "error": latents.error.where(latents.train).mean("track").values,
        }
        here |= {f"kl {i + 1}": kl[:, i] for i in range(kl.shape[1])}
        for name, values in here.items():
            tables.setdefault(name, {})[beta] = pd.Series(values)
    return {name: pd.DataFrame(rows).T.rename_axis("beta") for name, rows in tables.items()}
