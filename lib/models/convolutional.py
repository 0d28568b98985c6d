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
from lib.models.latents import epoch_table, schedule_of, stored
from lib.models.vae import kl_per_dimension, sample
from lib.store import artifacts, sizes
from lib.store.runs import Run
from lib.store.streams import stream

POOL = 16  # frames in a block: 1.1 s of audio; of log-mels, which come at other rates, about as much
ROWS, COLUMNS = 16, 8  # by how much the convolutions shrink the image
START_LOG_VAR = -3.0  # of every latent dimension, so that PCA's codes pass almost unharmed at first
LEARNING_RATE, WEIGHT_DECAY = 4e-3, 0.01
REMEDY = "its learning rate is no setting: try a larger batch_size, or look for a track far from all others"
SLOWER = 40  # times slower learns the linear path, whose weights are small: at full speed it forgets PCA at once


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
        error = (self.decode(sample(mu, log_var, noise)) - x).square().sum((1, 2, 3)).mean()
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
    form of `latents.mlp_latents`.
    """
    raw, groups = sizes.by_blocks(images, log_mel), artifacts.load(run, "tracks").loc[mfcc.index, "group"].to_numpy()
    inputs: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "whitened PCA of the same spectrograms": lambda train: scaled(raw, train),
        "whitened PCA of their statistics over time": lambda train: _over_time(scaled(raw, train)),
        "whitened PCA of MFCC statistics": lambda train: training.standardise(mfcc.to_numpy(), train),
    }

    def whitened(made: Callable[[np.ndarray], np.ndarray], seed: int) -> dict:
        train, _ = training.split(len(raw), seed, run.settings.held_out, groups)
        flat = made(train).reshape(len(raw), -1)
        flat = flat - flat[train].mean(0)
        pca = _components(flat[train], rank, seed, whiten=True)
        mu = pca.transform(flat)
        error = ((pca.inverse_transform(mu) - flat) ** 2).sum(1)
        return {"mu": mu, "error": error, "train": training.rows_of(train, len(raw))}

    found = {name: training.seed_by_seed(seeds, functools.partial(whitened, made)) for name, made in inputs.items()}
    return {name: one.assign_coords(track=mfcc.index.to_numpy()) for name, one in found.items()}


def _over_time(x: np.ndarray) -> np.ndarray:
    """Mean and standard deviation over blocks of images [track, 2, band, block]: [track, 4, band]."""
    return np.concatenate([x.mean(-1), x.std(-1)], axis=1)


def _components(x: np.ndarray, rank: int, seed: int, whiten: bool = False) -> PCA:
    """`rank` principal components of x [row, D], or as many as there are."""
    rank = min(rank, len(x) - 1, x.shape[1])
    return PCA(rank, whiten=whiten, svd_solver="randomized", random_state=seed).fit(x)


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
    pca = _components(flat[train], latent_dim, seed)
    pca_error = sizes.by_blocks(lambda part: ((pca.inverse_transform(pca.transform(part)) - part) ** 2).sum(1), flat,
                                sizes.AT_ONCE)
    data = torch.from_numpy(x).to(where)
    with training.seeded(seed):
        model = ConvVAE(x.shape[1:], pca.components_, np.sqrt(pca.explained_variance_), beta).to(where)
    n_batches = max(1, round(len(train) / schedule.batch_size))
    linear = [model.linear_in, model.linear_out]
    rest = [p for name, p in model.named_parameters() if not name.startswith("linear_")]
    optimiser = torch.optim.AdamW([{"params": rest}, {"params": linear}], weight_decay=WEIGHT_DECAY)
    fastest, steps = [schedule.learning_rate, schedule.learning_rate / SLOWER], schedule.epochs * n_batches
    rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, fastest, steps, pct_start=0.1)
    order, generator = stream(seed, "order of batches"), torch.Generator().manual_seed(1_000_003 * (seed + 1))
    nothing = float(np.square(x[held]).sum((1, 2, 3)).mean())  # the error of a decoder that gives zeros
    noise_held = torch.randn(len(held), model.latent_dim, generator=generator).to(where)
    best, best_state, history = np.inf, model.state_dict(), []
    for epoch in range(schedule.epochs):
        total = 0.0
        for rows in np.array_split(order.permutation(train), n_batches):
            optimiser.zero_grad(set_to_none=True)
            loss, _, _ = model.loss(data[rows], torch.randn(len(rows), model.latent_dim, generator=generator).to(where))
            loss.backward()
            optimiser.step()
            rate.step()
            total += float(loss.detach())
        with torch.no_grad():
            now = torch.stack(model.loss(data[held], noise_held)).cpu().numpy()
        history.append(np.array([total / n_batches, *now]))
        training.stop_astray(epoch, history[-1], now[1], nothing, f"convolutional VAE, seed {seed}", REMEDY)
        if progress:
            progress(epoch, history[-1][:, None])
        if now[0] < best:
            best, best_state = now[0], {name: value.detach().clone() for name, value in model.state_dict().items()}
    model.load_state_dict(best_state)
    return Fitted(model.eval(), x, train, held, np.stack(history), pca_error)


def conv_latents(
    run: Run, log_mel: xr.DataArray, seeds: list[int], latent_dim: int = 10, beta: float = 0.1
) -> xr.Dataset:
    """ConvVAE latents in the form of `latents.mlp_latents`, trained seed by seed on log_mel [track, band, frame] in dB.

    Beside them: `pca_error [seed, track]`, squared error of PCA of as many dimensions on the same images; `variance
    [seed, track]`, the squared error of knowing nothing but band means; `examples [seed, kind, example, band, block]`,
    three held-out clips (mean level) and their reconstructions from mu.
    """
    about = {"method": "conv_vae", "setting": f"beta={beta:g} dim={latent_dim}", "features": "log_mel",
             "label_use": "none", "beta": beta}
    schedule = schedule_of(run)._replace(epochs=run.settings.conv_epochs, learning_rate=LEARNING_RATE)
    made_of = {**about, "schedule": schedule._asdict(), "x": log_mel}

    def make(groups: np.ndarray) -> xr.Dataset:
        x = sizes.by_blocks(images, log_mel)
        made = training.seed_by_seed(seeds, lambda seed: _describe(
            fit(x, seed, schedule, latent_dim, beta, groups, epoch_table(about, 1, seed)), seed
        ))
        return made.assign_coords(kind=["input", "reconstruction"])

    return stored(run, made_of, seeds, about, log_mel.track.to_numpy(), make)


@torch.no_grad()
def _describe(fitted: Fitted, seed: int) -> dict[str, np.ndarray]:
    """One seed's latents of all tracks, by name."""
    parts, shown = [], {int(row): None for row in fitted.held[:3]}
    for rows in torch.arange(len(fitted.x)).split(sizes.AT_ONCE):
        data = torch.from_numpy(fitted.x[rows]).to(training.device())
        mu, log_var = fitted.model.encode(data)
        decoded = fitted.model.decode(mu)
        parts.append((mu, log_var, (decoded - data).square().sum((1, 2, 3)), data.square().sum((1, 2, 3))))
        shown |= {row: torch.stack([data[row - rows[0], 0], decoded[row - rows[0], 0]]) for row in shown if row in rows}
    mu, log_var, error, variance = map(torch.cat, zip(*parts, strict=True))
    found = {
        "mu": mu, "z": sample(mu, log_var, training.code_noise(seed, mu)),
        "kl": kl_per_dimension(mu, log_var).mean(0), "error": error, "variance": variance,
        "examples": torch.stack([*shown.values()], dim=1),
    }
    known = {"train": training.rows_of(fitted.train, len(mu)), "pca_error": fitted.pca_error,
             "history": fitted.history.T}
    return {name: value.cpu().numpy() for name, value in found.items()} | known
