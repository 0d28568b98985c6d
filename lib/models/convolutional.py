"""A convolutional VAE on the whole clip's log-mel, pooled over about a second, that starts as PCA and cannot collapse.

Input and output are images of two channels: mean and standard deviation of each band over each block of frames, so that
what happens within a second survives the pooling. A linear path from image to latent and back starts at the principal
components of the training rows; residual convolutions beside it start at zero. So training starts where PCA ends, and
what it gains is what convolutions add (the linear path is a VAE's known optimum: Lucas et al. 2019, 1911.02469).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
import xarray as xr
from sklearn.decomposition import PCA
from torch import Tensor, nn

from lib.models import training
from lib.models.latents import epoch_table, hashed, schedule_of, stored
from lib.models.vae import kl_per_dimension
from lib.store import artifacts
from lib.store.runs import Run
from lib.store.streams import stream

POOL = 16  # frames in a block: 1.1 to 1.2 s
ROWS, COLUMNS = 16, 8  # by how much the convolutions shrink the image
START_LOG_VAR = -3.0  # of every latent dimension, so that PCA's codes pass almost unharmed at first
LEARNING_RATE, WEIGHT_DECAY = 4e-3, 0.01
SLOWER = 40  # times slower learns the linear path, whose weights are small: at full speed it forgets PCA at once
VERSION = 2  # raise when a change here changes numbers


class Residual(nn.Module):
    """Two convolutions beside a pooled shortcut; halves both axes of [B, c, rows, columns]."""

    def __init__(self, c_in: int, c_out: int):
        super().__init__()
        self.first = nn.Conv2d(c_in, c_out, 3, stride=2, padding=1)
        self.second = nn.Conv2d(c_out, c_out, 3, padding=1)
        self.shortcut = nn.Conv2d(c_in, c_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[B, c_in, 2r, 2c] -> [B, c_out, r, c]."""
        return nn.functional.relu(self.second(self.first(x).relu()) + self.shortcut(nn.functional.avg_pool2d(x, 2)))


class ConvVAE(nn.Module):
    """VAE on images x [B, 2, bands, blocks]; both axes are padded by repeating the edge.

    `components` [L, D] and `spread` [L] are the principal components and standard deviations that it starts from.
    """

    def __init__(self, shape: tuple[int, int, int], components: np.ndarray, spread: np.ndarray,
                 beta: float = 1.0, channels: int = 16):
        super().__init__()
        kinds, bands, blocks = shape
        self.shape, self.beta, self.latent_dim = shape, beta, len(components)
        self.pad = (-blocks % COLUMNS, -bands % ROWS)
        c = channels
        self.encoder = nn.Sequential(
            nn.Conv2d(kinds, c, (5, 3), stride=(4, 2), padding=(1, 1)), nn.ReLU(),
            Residual(c, 2 * c), Residual(2 * c, 4 * c),
        )
        self.grid = (4 * c, (bands + self.pad[1]) // ROWS, (blocks + self.pad[0]) // COLUMNS)
        size = int(np.prod(self.grid))
        self.to_latent, self.from_latent = nn.Linear(size, 2 * self.latent_dim), nn.Linear(self.latent_dim, size)
        self.decoder = nn.Sequential(
            nn.ReLU(), nn.ConvTranspose2d(4 * c, 2 * c, 4, stride=2, padding=1),
            nn.ReLU(), nn.ConvTranspose2d(2 * c, c, 4, stride=2, padding=1),
            nn.ReLU(), nn.ConvTranspose2d(c, kinds, (6, 4), stride=(4, 2), padding=(1, 1)),
        )
        for layer in (self.to_latent, self.decoder[-1]):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        with torch.no_grad():
            self.to_latent.bias[self.latent_dim :] = START_LOG_VAR
        spread = np.maximum(spread, 1e-6)[:, None]
        self.linear_in = nn.Parameter(torch.tensor((components / spread).T, dtype=torch.float32))  # [D, L]
        self.linear_out = nn.Parameter(torch.tensor(components * spread, dtype=torch.float32))  # [L, D]

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x [B, 2, bands, blocks] -> mu, log_var [B, L]."""
        padded = nn.functional.pad(x, (0, self.pad[0], 0, self.pad[1]), mode="replicate")
        mu, log_var = self.to_latent(self.encoder(padded).flatten(1)).chunk(2, dim=-1)
        return mu + x.flatten(1) @ self.linear_in, log_var.clamp(-12, 6)

    def decode(self, z: Tensor) -> Tensor:
        """z [B, L] -> reconstruction [B, 2, bands, blocks]."""
        image = self.decoder(self.from_latent(z).unflatten(1, self.grid))
        return image[:, :, : self.shape[1], : self.shape[2]] + (z @ self.linear_out).unflatten(1, self.shape)

    def loss(self, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Loss, summed squared error and KL (nats), means over the batch. `noise` is [B, L]."""
        mu, log_var = self.encode(x)
        error = (self.decode(mu + noise * torch.exp(0.5 * log_var)) - x).square().sum((1, 2, 3)).mean()
        kl = kl_per_dimension(mu, log_var).sum(-1).mean()
        return error + self.beta * kl, error, kl


def images(log_mel: np.ndarray) -> np.ndarray:
    """Mean and standard deviation, dB [track, 2, band, block], over 16 frames each of log_mel [track, band, frame].

    A remainder of frames is left out; a clip shorter than two blocks is cut into two.
    """
    size = max(1, min(POOL, log_mel.shape[2] // 2))
    n = log_mel.shape[2] // size
    blocks = log_mel[:, :, : n * size].reshape(*log_mel.shape[:2], n, size)
    return np.stack([blocks.mean(-1), blocks.std(-1)], axis=1).astype(np.float32)


def scaled(raw: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Images [track, 2, band, block] without each band's mean over the training rows, each channel over one number."""
    mean = raw[train].mean((0, 3), keepdims=True)  # the long-term spectrum is not the model's business
    return (raw - mean) / np.maximum(raw[train].std((0, 2, 3), keepdims=True), 1e-6)


def linear_steps(run: Run, log_mel: xr.DataArray, mfcc: pd.DataFrame, seeds: list[int], rank: int) -> dict:
    """Whitened principal components, `rank` of them, on the way from a ConvVAE to a VAE on MFCC statistics.

    Of the ConvVAE's images, which is where it starts; of the same images' mean and deviation over time; of `mfcc`
    [track, statistic], standardised. Each fitted on the training rows of each seed: name -> mu, error, train, in the
    form of `training.latents`.
    """
    raw, groups = images(log_mel.to_numpy()), artifacts.load(run, "tracks").loc[mfcc.index, "group"].to_numpy()
    rows: dict[str, list] = {"PCA of the same images": [], "PCA of their statistics over time": [],
                             "PCA of MFCC statistics": []}
    for seed in seeds:
        train, _ = training.split(len(raw), seed, run.settings.held_out, groups)
        x = scaled(raw, train)
        timeless = np.concatenate([x.mean(-1), x.std(-1)], axis=1)
        for found, each in zip(rows.values(), (x, timeless, training.standardise(mfcc.to_numpy(), train)), strict=True):
            flat = each.reshape(len(each), -1)
            flat = flat - flat[train].mean(0)
            pca = PCA(min(rank, len(train) - 1, flat.shape[1]), whiten=True, svd_solver="randomized", random_state=seed)
            mu = pca.fit(flat[train]).transform(flat)
            error = ((pca.inverse_transform(mu) - flat) ** 2).sum(1)
            found.append(xr.Dataset({"mu": (("track", "latent"), mu), "error": (("track",), error),
                                     "train": (("track",), np.isin(np.arange(len(x)), train))}))
    return {name: xr.concat(found, dim="seed").assign_coords(seed=seeds, track=mfcc.index.to_numpy())
            for name, found in rows.items()}


class Fitted(NamedTuple):
    """A trained network and what it was trained on."""

    model: ConvVAE
    x: np.ndarray  # [track, 2, band, block]; standardised per channel, the mean of each band removed
    train: np.ndarray  # row numbers
    held: np.ndarray
    history: np.ndarray  # [epoch, 4]: loss in training, held-out loss, squared error and KL
    pca_error: np.ndarray  # [track]: squared error of PCA of equal rank, fitted on the same rows


def fit(
    raw: np.ndarray,
    seed: int,
    schedule: training.Schedule,
    latent_dim: int,
    beta: float,
    groups: np.ndarray | None = None,
    progress: Callable[[int, np.ndarray], None] | None = None,
) -> Fitted:
    """Train on images `raw` [track, 2, band, block]; the weights with the lowest held-out loss are kept."""
    where = training.device()
    train, held = training.split(len(raw), seed, schedule.held_out, groups)
    x = scaled(raw, train)
    flat = x.reshape(len(x), -1)
    rank = min(latent_dim, len(train) - 1, flat.shape[1])
    pca = PCA(rank, svd_solver="randomized", random_state=seed).fit(flat[train])
    pca_error = ((pca.inverse_transform(pca.transform(flat)) - flat) ** 2).sum(1)
    data = torch.from_numpy(x).to(where)
    with torch.random.fork_rng(devices=[where] if where.type == "cuda" else []):
        torch.manual_seed(seed)
        model = ConvVAE(x.shape[1:], pca.components_, np.sqrt(pca.explained_variance_), beta).to(where)
    n_batches = max(1, round(len(train) / schedule.batch_size))
    linear = [model.linear_in, model.linear_out]
    rest = [p for name, p in model.named_parameters() if not name.startswith("linear_")]
    optimiser = torch.optim.AdamW([{"params": rest}, {"params": linear}], weight_decay=WEIGHT_DECAY)
    fastest, steps = [schedule.learning_rate, schedule.learning_rate / SLOWER], schedule.epochs * n_batches
    rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, fastest, steps, pct_start=0.1)
    order, generator = stream(seed, "order of batches"), torch.Generator().manual_seed(1_000_003 * (seed + 1))
    noise_held = torch.randn(len(held), rank, generator=generator).to(where)
    best, best_state, history = np.inf, model.state_dict(), []
    for epoch in range(schedule.epochs):
        total = 0.0
        for rows in np.array_split(order.permutation(train), n_batches):
            optimiser.zero_grad(set_to_none=True)
            loss, _, _ = model.loss(data[rows], torch.randn(len(rows), rank, generator=generator).to(where))
            loss.backward()
            optimiser.step()
            rate.step()
            total += float(loss.detach())
        with torch.no_grad():
            now = torch.stack(model.loss(data[held], noise_held)).cpu().numpy()
        history.append(np.array([total / n_batches, *now]))
        if progress:
            progress(epoch, history[-1][:, None])
        if now[0] < best:
            best, best_state = now[0], {name: value.detach().clone() for name, value in model.state_dict().items()}
    model.load_state_dict(best_state)
    return Fitted(model.eval(), x, train, held, np.stack(history), pca_error)


def conv_latents(
    run: Run, log_mel: xr.DataArray, seeds: list[int], latent_dim: int = 10, beta: float = 0.1
) -> xr.Dataset:
    """ConvVAE latents in the form of `training.latents`, trained seed by seed on log_mel [track, band, frame] in dB.

    Beside them: `pca_error [seed, track]`, squared error of PCA of as many dimensions on the same images; `variance
    [seed, track]`, the squared error of knowing nothing but band means; `examples [seed, kind, example, band, block]`,
    three held-out clips (mean level) and their reconstructions from mu.
    """
    about = {"method": "conv_vae", "setting": f"beta={beta:g} dim={latent_dim}", "features": "log_mel",
             "label_use": "none"}
    schedule = schedule_of(run)._replace(epochs=run.settings.conv_epochs, learning_rate=LEARNING_RATE)
    made_of = {**about, "schedule": schedule._asdict(), "module": VERSION, "x": hashed(log_mel.to_numpy())}
    make = functools.partial(_all_seeds, images(log_mel.to_numpy()), seeds, schedule, latent_dim, beta, about)
    return stored(run, made_of, seeds, about, log_mel.track.to_numpy(), make)


def _all_seeds(x, seeds, schedule, latent_dim, beta, about, groups) -> xr.Dataset:
    made = []
    for seed in seeds:
        progress = epoch_table(about, 1, seed)
        made.append(_describe(fit(x, seed, schedule, latent_dim, beta, groups, progress), seed))
    return xr.concat(made, dim="seed")


@torch.no_grad()
def _describe(fitted: Fitted, seed: int) -> xr.Dataset:
    data = torch.from_numpy(fitted.x).to(training.device())
    mu, log_var = fitted.model.encode(data)
    decoded = fitted.model.decode(mu)
    noise = torch.randn(mu.shape, generator=torch.Generator().manual_seed(2_000_003 * (seed + 1))).to(mu.device)
    shown = fitted.held[:3]
    pair = torch.stack([data[shown, 0], decoded[shown, 0]])
    variables = {
        "mu": (("track", "latent"), mu), "z": (("track", "latent"), mu + noise * (0.5 * log_var).exp()),
        "kl": (("latent",), kl_per_dimension(mu, log_var).mean(0)),
        "error": (("track",), (decoded - data).square().sum((1, 2, 3))),
        "variance": (("track",), data.square().sum((1, 2, 3))),
        "examples": (("kind", "example", "band", "block"), pair),
    }
    known = {"train": (("track",), np.isin(np.arange(len(data)), fitted.train)),
             "pca_error": (("track",), fitted.pca_error), "history": (("curve", "epoch"), fitted.history.T)}
    return xr.Dataset(
        {name: (("seed", *dims), np.asarray(value.cpu() if isinstance(value, Tensor) else value)[None])
         for name, (dims, value) in (variables | known).items()},
        coords={"seed": [seed], "kind": ["input", "reconstruction"],
                "curve": ["train_loss", "held_out_loss", "held_out_error", "held_out_kl"]},
    )
