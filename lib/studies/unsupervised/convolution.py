"""The ConvVAE compared: with PCA of its own images, with the VAE on MFCC statistics, and step by step between them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from lib.features import sets
from lib.models import convolutional
from lib.models.latents import mlp_latents, raw_latents
from lib.scores import intervals, probes
from lib.scores import table as scores
from lib.scores.intervals import Interval
from lib.store.runs import Run
from lib.studies.unsupervised.beta_sweep import config

SHOWN = ("nmi", "nmi_null", "ami", "silhouette", "silhouette_null", "probe_mu", "probe_mu_null")


def seconds_of(log_mel: xr.DataArray) -> float:
    """Length of a clip, from its frames' coordinate in seconds."""
    return float(log_mel.frame[-1] + log_mel.frame[1] - log_mel.frame[0])


def inputs(log_mel: xr.DataArray, n: int = 4) -> dict[str, np.ndarray]:
    """`n` tracks as the ConvVAE sees them: title -> [band, block], mean and deviation over blocks of about a second."""
    few = range(0, n * (len(log_mel) // n), len(log_mel) // n)
    images = convolutional.images(log_mel[list(few)].to_numpy())
    return {f"track {i + 1}, {name}": image[k] for k, name in enumerate(("mean", "deviation"))
            for i, image in zip(few, images, strict=True)}


def reconstructions(conv: xr.Dataset) -> dict[str, np.ndarray]:
    """Held-out clips of the first seed and what is made of them: title -> [band, block]."""
    shown = conv.examples.isel(seed=0)
    return {f"{kind} {i + 1}": shown.sel(kind=kind).isel(example=i).values
            for kind in ("input", "reconstruction") for i in range(shown.sizes["example"])}


def explained_variance(conv: xr.Dataset) -> dict[str, pd.Series]:
    """Share of the variance of held-out clips [seed] that the ConvVAE explains, and PCA of equal rank."""
    held = ~conv.train
    whole = conv.variance.where(held).mean("track")
    return {name: (1 - conv[error].where(held).mean("track") / whole).to_series()
            for name, error in (("conv", "error"), ("pca", "pca_error"))}


def references(run: Run, log_mel: xr.DataArray, mfcc: pd.DataFrame, seeds: list[int]) -> dict[str, xr.Dataset]:
    """The VAE on MFCC statistics, for these seeds, and statistics of each band over time, without a network."""
    vae = mlp_latents(run, "vae", mfcc, config(run, mfcc.shape[1]), run.seeds)
    bands = raw_latents(run, sets.log_mel_statistics(log_mel), seeds, features="log_mel_stats")
    return {"vae": vae.sel(seed=[s for s in run.seeds if s in seeds]), "bands": bands}


def decodable_from_statistics(conv: xr.Dataset, log_mel: xr.DataArray) -> np.ndarray:
    """R2 [latent] of each dimension of the first seed's mu from statistics of the clip over time (ridge regression)."""
    return probes.r2_of_each(sets.log_mel_statistics(log_mel).to_numpy(), conv.mu.isel(seed=0).values)


class Steps(NamedTuple):
    """NMI on the way from the ConvVAE to the VAE on MFCC statistics, one change at a time."""

    nmi: dict[str, pd.Series]  # by code, in order: [seed]
    change: dict[str, Interval]  # by code but the first: difference from the code before, paired by seed

    def table(self) -> pd.DataFrame:
        return pd.DataFrame([{"latent": name, "nmi": intervals.of_metric(values, "nmi"),
                              "change from the line above": self.change.get(name, "")}
                             for name, values in self.nmi.items()])


def steps(run: Run, conv: xr.Dataset, log_mel: xr.DataArray, mfcc: pd.DataFrame, vae: xr.Dataset,
          labels: pd.Series) -> Steps:
    """From the ConvVAE over linear codes of the same images to the VAE; the same seeds and splits throughout."""
    linear = convolutional.linear_steps(run, log_mel, mfcc, conv.seed.values.tolist(), conv.sizes["latent"])
    path = {"ConvVAE": conv, **linear, "VAE on MFCC statistics": vae}
    nmi = {name: scores.brief(run, each, labels).set_index("seed")["nmi"] for name, each in path.items()}
    names = list(path)
    return Steps(nmi, {b: intervals.paired(nmi[b], nmi[a]) for a, b in zip(names[:-1], names[1:], strict=True)})
