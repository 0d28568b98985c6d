"""A VAE with a contrastive term on statistics of crops, and the best label-free row that is built on it.

Two crops of one track share what makes the track, and differ in what merely happens in it. The statistics of a crop
are a fixed pooling layer over the log-mel (as in lib/feature_sets.py, but of seconds, not of the clip), so a network
takes seconds to train. Two terms are learned together: the ELBO, and NT-Xent (Chen et al. 2020, 2002.05709), which asks
to recognise the other crop of a track among all crops of a batch. Nothing here sees a label.
"""

from __future__ import annotations

import functools
import itertools
from pathlib import Path

import numpy as np
import scipy.fft
import torch
import xarray as xr
import yaml
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from lib.models import training, umap
from lib.models.latents import stored, with_clouds
from lib.models.vae import kl_per_dimension, sample
from lib.store import sizes
from lib.store.arithmetic import modulation
from lib.store.runs import Run
from lib.store.series import NOTEBOOKS
from lib.store.streams import stream

PROTOCOL = NOTEBOOKS / "best_row.yaml"
REMEDY = "choose a smaller learning_rate in notebooks/best_row.yaml, or look for a track far from all others"
N_MFCC, N_CORRELATED = 20, 10  # cepstral coefficients kept; those whose correlations in time are kept
BAND_GROUP = 4  # mel bands averaged before their modulation is measured
MODULATION_EDGES = np.geomspace(0.4, 6.0, 11)  # Hz


class Protocol(BaseModel):
    """Every choice behind the row (notebooks/best_row.yaml): fixed before GTZAN's labels were compared with it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    crop_seconds: float
    n_crops: int  # per clip, evenly spread
    latent_dim: int
    width: int  # of the hidden layers
    beta: float
    contrast: float  # weight of NT-Xent beside squared error + beta x KL
    temperature: float
    noise: float  # standard deviation added to inputs of unit variance
    dropout: float  # share of inputs set to zero
    epochs: int
    batch_size: int
    learning_rate: float
    members: int  # networks joined in one row
    umap_dim: int


def protocol(path: Path = PROTOCOL, most_epochs: int = 0) -> Protocol:
    """The protocol in a file; what it says about how it came to be (`history`) is left out.

    With `most_epochs` at most so many: a trial run is no row of the protocol.
    """
    values = yaml.safe_load(path.read_text())
    values["epochs"] = min(values["epochs"], most_epochs or values["epochs"])
    return Protocol(**{name: value for name, value in values.items() if name != "history"})


def history(path: Path = PROTOCOL) -> str:
    """How the protocol in a file came to be."""
    return yaml.safe_load(path.read_text())["history"]


# --- crops -------------------------------------------------------------------------------------------------------
def crop_statistics(log_mel: np.ndarray | xr.DataArray, frames_per_second: float, seconds: float,
                    n_crops: int) -> list[np.ndarray]:
    """Five blocks of statistics [crop, track, d] of crops of log_mel [track, band, frame] in dB.

    Mean, standard deviation and standard deviation of the differences in time of 20 cepstral coefficients; log
    modulation spectrum per group of bands; correlations in time between the first ten coefficients. A clip shorter
    than two crops gives crops of half its length.
    """
    made = [_of_crops(block, frames_per_second, seconds, n_crops) for block in sizes.blocks(log_mel)]
    return [np.concatenate(parts, axis=1) for parts in zip(*made, strict=True)]


def _of_crops(log_mel: np.ndarray, frames_per_second: float, seconds: float, n_crops: int) -> list[np.ndarray]:
    n_frames = log_mel.shape[2]
    length = max(4, min(int(seconds * frames_per_second), n_frames // 2))
    made = []
    for start in np.linspace(0, n_frames - length, n_crops).astype(int):
        crop = log_mel[:, :, start : start + length].astype(np.float32)
        cepstrum = scipy.fft.dct(crop, axis=1, norm="ortho")[:, :N_MFCC]
        mean, std = cepstrum.mean(2), cepstrum.std(2)
        made.append((mean, std, np.diff(cepstrum, axis=2).std(2), _modulation(crop, frames_per_second),
                     _correlations(cepstrum, mean, std)))
    return [np.stack(block).astype(np.float32) for block in zip(*made, strict=True)]


def _modulation(crop: np.ndarray, frames_per_second: float) -> np.ndarray:
    """Log power of each group of bands in each modulation band [track, groups x modulations]."""
    starts = np.arange(0, crop.shape[1], BAND_GROUP)
    sizes = np.diff(np.append(starts, crop.shape[1]))[:, None]  # the last group may be smaller
    groups = np.add.reduceat(crop, starts, axis=1) / sizes.astype(np.float32)
    power, frequency = modulation(groups, frames_per_second)
    columns = []
    for low, high in itertools.pairwise(MODULATION_EDGES):
        inside = (frequency >= low) & (frequency < high)
        if not inside.any():  # a short crop resolves less: its nearest frequency
            inside[np.abs(frequency - (low + high) / 2).argmin()] = True
        columns.append(np.log10(power[:, :, inside].mean(2) + 1e-3))
    return np.stack(columns, axis=2).reshape(len(crop), -1)


def _correlations(cepstrum: np.ndarray, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
    scaled = ((cepstrum - mean[..., None]) / (std[..., None] + 1e-3))[:, :N_CORRELATED]
    matrix = np.einsum("nit,njt->nij", scaled, scaled) / cepstrum.shape[2]
    return matrix[:, *np.triu_indices(N_CORRELATED, 1)]


def balanced(blocks: list[np.ndarray], rows: np.ndarray) -> np.ndarray:
    """Blocks [..., track, d] side by side: each column standardised and each block of the same total variance over
    `rows` of tracks; the whole has unit variance per column on average."""
    out = []
    for block in blocks:
        flat = block[..., rows, :].reshape(-1, block.shape[-1])
        out.append((block - flat.mean(0)) / (flat.std(0) + 1e-6) / np.sqrt(block.shape[-1]))
    joined = np.concatenate(out, axis=-1)
    return (joined * np.sqrt(joined.shape[-1] / len(blocks))).astype(np.float32)


# --- the network -------------------------------------------------------------------------------------------------
class ContrastiveVAE(nn.Module):
    """Encoder and decoder of statistics x [B, D], and a projection of mu for the contrastive term."""

    def __init__(self, n_features: int, latent_dim: int, width: int):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Linear(n_features, width), nn.BatchNorm1d(width), nn.ReLU(),
            nn.Linear(width, width), nn.BatchNorm1d(width), nn.ReLU(),
            nn.Linear(width, 2 * latent_dim),
        )
        self.decoder = nn.Sequential(nn.Linear(latent_dim, width), nn.ReLU(), nn.Linear(width, n_features))
        self.projection = nn.Sequential(nn.Linear(latent_dim, 128), nn.ReLU(), nn.Linear(128, 64))

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x [B, D] -> mu, log_var [B, L]."""
        mu, log_var = self.encoder(x).chunk(2, dim=-1)
        return mu, log_var.clamp(-10, 4)


def nt_xent(a: Tensor, b: Tensor, temperature: float) -> Tensor:
    """Cross-entropy of finding each row's partner among the other 2B - 1, by cosine (Chen et al. 2020, eq. 1).

    a, b [B, P]: row i of one is the partner of row i of the other. log(2B - 1) where nothing is told apart.
    """
    both, n = nn.functional.normalize(torch.cat([a, b]), dim=1), len(a)
    itself = torch.eye(2 * n, dtype=torch.bool, device=a.device)
    likeness = (both @ both.T / temperature).masked_fill(itself, -torch.inf)
    partner = torch.arange(2 * n, device=a.device).roll(n)
    return nn.functional.cross_entropy(likeness, partner)


def fit(x: np.ndarray, seed: int, train: np.ndarray, choice: Protocol) -> tuple[ContrastiveVAE, np.ndarray]:
    """Train one network on crops x [crop, track, D] of the tracks `train`.

    Returns it, and its history [epoch, 3]: squared error, KL in nats, NT-Xent, means over batches.
    """
    where, rng = training.device(), stream(seed, "order of batches")
    data, n_crops = torch.from_numpy(x).to(where), len(x)
    with training.seeded(seed):
        model = ContrastiveVAE(x.shape[-1], choice.latent_dim, choice.width).to(where).train()
        n_batches = max(1, round(len(train) / choice.batch_size))
        optimiser = torch.optim.AdamW(model.parameters(), lr=choice.learning_rate, fused=True)
        steps = choice.epochs * n_batches
        rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, choice.learning_rate, steps, pct_start=0.1)
        history = []
        for epoch in range(choice.epochs):
            total = torch.zeros(3, device=where)
            for rows in np.array_split(rng.permutation(train), n_batches):
                first = rng.integers(0, n_crops, len(rows))
                second = (first + rng.integers(1, n_crops, len(rows))) % n_crops
                clean = torch.cat([data[first, rows], data[second, rows]])
                parts = _terms(model, clean, choice)
                loss = parts[0] + choice.beta * parts[1] + choice.contrast * parts[2]
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                rate.step()
                total += parts.detach()
            history.append((total / n_batches).cpu().numpy())
            training.stop_astray(epoch, history[-1], history[-1][0], x.shape[-1], f"contrastive VAE {seed}", REMEDY)
    return model.eval(), np.stack(history)


def _terms(model: ContrastiveVAE, clean: Tensor, choice: Protocol) -> Tensor:
    """Squared error, KL and NT-Xent of a batch [2B, D] whose second half are the other crops of the first."""
    x = nn.functional.dropout(clean + choice.noise * torch.randn_like(clean), choice.dropout)
    mu, log_var = model.encode(x)
    z = sample(mu, log_var, torch.randn_like(mu))
    error = (model.decoder(z) - clean).square().sum(-1).mean()
    kl = kl_per_dimension(mu, log_var).sum(-1).mean()
    return torch.stack([error, kl, nt_xent(*model.projection(mu).chunk(2), choice.temperature)])


# --- stored latents ----------------------------------------------------------------------------------------------
def contrastive_latents(run: Run, log_mel: xr.DataArray, seeds: list[int], choice: Protocol) -> xr.Dataset:
    """Latents of single networks in the form of `latents.mlp_latents`; a track's mu is the mean over its crops.

    log_mel [track, band, frame] in dB, its coordinate `frame` in seconds. z is a draw for the middle crop; kl and
    error are means over crops.
    """
    about = {"method": "contrastive_vae", "setting": f"beta={choice.beta:g} contrast={choice.contrast:g}",
             "features": "log_mel_crops", "label_use": "none", "beta": choice.beta}
    recipe = choice.model_dump(exclude={"members", "umap_dim"})
    made_of = {**about, "protocol": recipe, "held_out": run.settings.held_out, "x": log_mel}
    make = functools.partial(_networks, run, log_mel, seeds, choice)
    return stored(run, made_of, seeds, about, log_mel.track.to_numpy(), make)


def _networks(run: Run, log_mel: xr.DataArray, seeds: list[int], choice: Protocol, groups: np.ndarray) -> xr.Dataset:
    blocks = crop_statistics(log_mel, _rate(log_mel), choice.crop_seconds, choice.n_crops)

    def one(seed: int) -> dict[str, np.ndarray]:
        train, _ = training.split(log_mel.sizes["track"], seed, run.settings.held_out, groups)
        x = balanced(blocks, train)
        model, history = fit(x, seed, train, choice)
        print(f"contrastive VAE {seed}: error {history[-1, 0]:.1f}, KL {history[-1, 1]:.1f} nats, "
              f"NT-Xent {history[-1, 2]:.2f}", flush=True)
        return _describe(model, x, seed) | {"train": training.rows_of(train, x.shape[1]), "history": history.T}

    return training.seed_by_seed(seeds, one, ["error", "kl", "contrast"])


@torch.no_grad()
def _describe(model: ContrastiveVAE, x: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """One network's latents of all tracks, by name, from crops x [crop, track, D]."""
    data = torch.from_numpy(x).to(training.device())
    mu, log_var = model.encode(data.flatten(0, 1))
    mu, log_var = mu.unflatten(0, data.shape[:2]), log_var.unflatten(0, data.shape[:2])
    error = (model.decoder(mu) - data).square().sum(-1).mean(0)
    middle = len(x) // 2
    z = sample(mu[middle], log_var[middle], training.code_noise(seed, mu[middle]))
    found = {"mu": mu.mean(0), "z": z, "kl": kl_per_dimension(mu, log_var).mean((0, 1)), "error": error}
    return {name: value.cpu().numpy() for name, value in found.items()}


def numbers(seeds: list[int], choice: Protocol) -> list[int]:
    """The networks behind `best_latents` of these seeds: network m of seed s is number s + 1000 m."""
    return [seed + 1000 * m for seed in seeds for m in range(choice.members)]


def best_latents(run: Run, log_mel: xr.DataArray, seeds: list[int], choice: Protocol) -> xr.Dataset:
    """The best label-free row: UMAP of several networks' mu and the clip's own statistics, in `latents`' form.

    Each seed joins `choice.members` networks that no other seed uses (`numbers`, each with its own held-out tracks), in
    equal parts with the crops' mean statistics. To be clustered by k-means.
    """
    about = {"method": "contrastive_vae", "features": "log_mel_crops", "label_use": "none",
             "setting": f"members={choice.members} statistics umap={choice.umap_dim}"}
    made_of = {**about, "protocol": choice.model_dump(), "held_out": run.settings.held_out, "x": log_mel}
    make = functools.partial(_join, run, log_mel, seeds, choice)
    return stored(run, made_of, seeds, about, log_mel.track.to_numpy(), make)


def _join(run: Run, log_mel: xr.DataArray, seeds: list[int], choice: Protocol, groups: np.ndarray) -> xr.Dataset:
    # UMAP's documentation advises a minimum distance of zero before clustering
    points = dict(zip(seeds, joined(run, log_mel, seeds, choice), strict=True))
    found = [umap.umap(points[seed], choice.umap_dim, [seed], min_dist=0.0)[0] for seed in seeds]
    clouds = [umap.of_nothing(points[seed], choice.umap_dim, seed, min_dist=0.0) for seed in seeds[: umap.CLOUDS]]
    return with_clouds(training.as_latents(seeds, mu=found, z=found), clouds)


def joined(run: Run, log_mel: xr.DataArray, seeds: list[int], choice: Protocol) -> np.ndarray:
    """What `best_latents` embeds [seed, track, d]: `choice.members` networks' mu in equal parts, and as much of the
    crops' mean statistics."""
    networks = contrastive_latents(run, log_mel, numbers(seeds, choice), choice)
    blocks = crop_statistics(log_mel, _rate(log_mel), choice.crop_seconds, choice.n_crops)
    clip = balanced([block.mean(0) for block in blocks], np.arange(log_mel.sizes["track"]))
    mine = [networks.mu.sel(seed=numbers([seed], choice)).values for seed in seeds]
    return np.stack([side_by_side([side_by_side(list(one)), clip]) for one in mine])


def side_by_side(parts: list[np.ndarray]) -> np.ndarray:
    """Parts [track, d] joined, each centred and scaled to a total variance of one; columns keep their proportions."""
    centred = [part - part.mean(0) for part in parts]
    return np.concatenate([part / max(float(np.sqrt(part.var(0).sum())), 1e-12) for part in centred], axis=1)


def _rate(log_mel: xr.DataArray) -> float:
    """Frames per second."""
    return 1 / float(np.diff(log_mel.frame.values[:2])[0])
