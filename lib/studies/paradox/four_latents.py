"""The four latents on which the CVAE paradox is studied, and the evidence for clusters in each."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr

from lib.models.latents import mlp_latents
from lib.scores import nulls
from lib.scores import table as scores
from lib.scores.verdict import Evidence
from lib.store.runs import Run
from lib.studies.paradox import experiments

CONTROL = "PCA-2 without {label}"  # shares with the CVAE that the labels were taken out and two dimensions are left
SHOWN = ("silhouette", "nmi", "nmi_null", "ami")
READ = ("probe_mu", "probe_z", "probe_mu_null", "information_mu", "information_z", "kl")


def models(run: Run, x: pd.DataFrame, labels: pd.Series) -> dict[str, xr.Dataset]:
    """The VAE, the beta-VAE, the earlier study's CVAE, and the control without a network, for x [track, D] and labels
    [track]."""
    beta, width = run.settings.beta, x.shape[1]
    conditioned = experiments.config(run, width, labels, beta=beta)
    return {"VAE": mlp_latents(run, "vae", x, experiments.config(run, width), run.seeds),
            "beta-VAE": mlp_latents(run, "beta_vae", x, experiments.config(run, width, beta=beta), run.seeds),
            "CVAE": mlp_latents(run, "cvae", x, conditioned, run.seeds, labels=labels),
            CONTROL: experiments.without_means(run, x, labels)}


def scored(run: Run, found: Mapping[str, xr.Dataset], genre: pd.Series,
           stored: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Score rows of each latent: from the score table `stored`; the control's are made here."""
    rows = {name: scores.rows_of(stored, latents) for name, latents in found.items()}
    return rows | {CONTROL: scores.score(run, found[CONTROL], genre)}


def null_draws(evidence: Mapping[str, Evidence]) -> dict[str, tuple[float, np.ndarray]]:
    """Silhouette and null draws of each latent and kind of null, for `plots.null_strip`."""
    return {f"{name}, {'Gaussian' if kind == 'gaussian' else kind}": (excess.value, excess.draws)
            for name, one in evidence.items() for kind, excess in one.silhouettes.items()}


def noise_plane(run: Run, n: int, k: int) -> float:
    """Mean silhouette of k-means on `n` points of isotropic noise in two dimensions."""
    draws = range(max(3, run.settings.n_nulls // 2))
    return float(np.mean([nulls.isotropic_silhouette(n, 2, k, run.settings.seed + i) for i in draws]))


def evidence_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Silhouettes beside their nulls, the share that a Gaussian has, dips, separation and verdict, from
    score rows with a column latent."""
    found = scores.verdicts(rows, by=("latent",))
    found["Gaussian share"] = found["gaussian null"] / found["silhouette"]
    compared = [column for column in found if column.endswith((" null", " z"))]
    return found[["latent", "silhouette", *compared, "Gaussian share", "dip_component_p", "dip_distances_p",
                  "separation", "verdict"]]


def criteria(curves: Mapping[str, pd.DataFrame]) -> dict[str, tuple[dict[str, pd.DataFrame], dict]]:
    """Silhouette and gap statistic over k of each latent, for `plots.panels`."""
    return {what: ({name: one[[what]].dropna() for name, one in curves.items()}, {}) for what in ("silhouette", "gap")}
