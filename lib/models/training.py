"""Training: many runs at once, on a split shared by all methods of a seed, and stored by a hash of what made them.

A seed fixes the held-out split and the order of batches, whatever the method, so seeds pair between settings. Scalers
and models are fitted on training rows. The runs stacked together are always all seeds of one setting, so neither
`--jobs` nor what is already stored can change a number.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
import xarray as xr
from sklearn.cluster import KMeans

from lib.models.vae import ModelConfig, StackedVAE

WARM_UP = 15  # epochs before a mixture prior is placed


class Schedule(NamedTuple):
    """How long and how fast to train."""

    epochs: int = 100
    batch_size: int = 32
    learning_rate: float = 1e-3
    patience: int = 15  # epochs
    held_out: float = 0.15  # share of tracks


def split(
    n: int, seed: int, held_out: float, groups: np.ndarray | None = None, n_train: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Rows to train on and rows held out; rows of one group (copies of one recording) stay on one side.

    With `n_train`, training uses about so many rows (whole groups; those of a smaller number are among those of a
    larger one) and the rest is left aside. The held-out rows are the same for every number.
    """
    groups = np.arange(n) if groups is None else np.unique(groups, return_inverse=True)[1]
    order = np.random.default_rng([seed, 1]).permutation(groups.max() + 1)
    n_out = min(max(1, round(held_out * len(order))), len(order) - 1)
    out = np.isin(groups, order[:n_out])
    train = np.flatnonzero(~out)
    if n_train:
        sizes = np.bincount(groups)[order[n_out:]].cumsum()
        train = train[np.isin(groups[train], order[n_out:][: max(1, int((sizes <= n_train).sum()))])]
    return train, np.flatnonzero(out)


def standardise(x: np.ndarray, train: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Columns of x to zero mean and unit variance over the training rows, times their `weights` [D] if given; constant
    columns become zero."""
    mean, std = x[train].mean(0), x[train].std(0)
    scaled = (x - mean) / np.where(std > 1e-8, std, 1.0)
    return (scaled if weights is None else scaled * weights).astype(np.float32)


def device() -> torch.device:
    """CUDA where it is there, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def fit(
    x: np.ndarray,
    config: ModelConfig,
    seeds: list[int],
    schedule: Schedule,
    y: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    progress: Callable[[int, np.ndarray], None] | None = None,
    betas: list[float] | None = None,
    weights: np.ndarray | None = None,
    n_train: int = 0,
) -> tuple[StackedVAE, xr.Dataset]:
    """Train one stack: all `seeds` of one setting on x [N, D] (raw units; standardised here per run).

    y [N] are class numbers, read only by a conditional model. `betas` gives each run its own beta. `weights` [D] scale
    the standardised columns; `n_train` is how many rows to train on (see `split`). Returns the stack with each run's
    best held-out weights, and its latents (see `latents`).
    """
    where, n, n_runs = device(), len(x), len(seeds)
    splits = [split(n, seed, schedule.held_out, groups, n_train) for seed in seeds]
    n_rows = min(len(train) for train, _ in splits)  # groups of different size may cost a run a row or two
    data = torch.from_numpy(np.stack([standardise(x, train, weights) for train, _ in splits])).to(where)  # [R, N, D]
    labels = torch.zeros(n, dtype=torch.long) if y is None else torch.tensor(np.asarray(y), dtype=torch.long)
    labels = labels.to(where)
    held = [torch.from_numpy(out).to(where) for _, out in splits]
    n_held = min(len(out) for out in held)
    held_rows = torch.stack([out[:n_held] for out in held])  # [R, H]
    model = StackedVAE(config, seeds, betas).to(where)
    kept = StackedVAE(config, seeds, betas).to(where)  # each run's weights at its best epoch
    generators = [torch.Generator().manual_seed(1_000_003 * (seed + 1)) for seed in seeds]
    noise_held = noise_of(generators, n_held, config.latent_dim).to(where)
    optimiser = torch.optim.Adam(model.parameters(), lr=schedule.learning_rate, fused=True)
    for weight in model.parameters():
        weight.grad = torch.zeros_like(weight)
    n_batches = max(1, round(n_rows / schedule.batch_size))  # a remainder is spread over the batches
    orders = [np.random.default_rng([seed, 2]) for seed in seeds]
    runs = torch.arange(n_runs, device=where)  # those that have not stopped: the stack shrinks to them
    best = torch.full((n_runs,), torch.inf, device=where)
    waited = torch.zeros(n_runs, dtype=torch.long, device=where)
    warmth = functools.partial(_warmth, cycles=config.annealing, epochs=schedule.epochs)
    history = []
    for epoch in range(schedule.epochs):
        here = runs.tolist()
        if config.prior == "mixture" and epoch == min(WARM_UP, schedule.epochs // 2):
            _place_mixture(model, data, splits, seeds)
            kept.mixing = True
            best.fill_(torch.inf)  # the loss means something else from here
            waited.zero_()
        rows = torch.from_numpy(np.stack([orders[r].permutation(splits[r][0])[:n_rows] for r in here])).to(where)
        noise = noise_of([generators[r] for r in here], n_rows, config.latent_dim).to(where)
        total = torch.zeros(len(here), device=where)
        parts = [part.tensor_split(n_batches, 1) for part in (data[runs[:, None], rows], labels[rows], noise)]
        for x_batch, y_batch, eps in zip(*parts, strict=True):
            optimiser.zero_grad(set_to_none=False)
            total += model.loss_and_gradient(x_batch, y_batch, eps, warmth(epoch))
            optimiser.step()
        out = held_rows[runs]
        with torch.no_grad():
            out_loss, out_error, out_kl = model.loss(data[runs[:, None], out], labels[out], noise_held[runs])
        better = out_loss < best
        best = torch.where(better, out_loss, best)
        waited = torch.where(better, 0, waited + 1)
        with torch.no_grad():
            for value, now in zip(kept.parameters(), model.parameters(), strict=True):
                value[runs[better]] = now[better]
        row = np.full((4, n_runs), np.nan, dtype=np.float32)
        row[:, here] = torch.stack([total / n_batches, out_loss, out_error, out_kl]).cpu().numpy()
        history.append(row)
        if progress:
            progress(epoch, row)
        going = waited < schedule.patience
        if config.prior == "mixture" and not model.mixing:
            continue  # nothing stops before its prior is placed
        if not going.any():
            break
        if not going.all():
            _leave(model, optimiser, going)
            runs, best, waited = runs[going], best[going], waited[going]
    return kept, _describe(kept, data, labels, splits, seeds, np.stack(history))


def _leave(model: StackedVAE, optimiser: torch.optim.Optimizer, going: torch.Tensor) -> None:
    """Take the runs that are not `going` [R] out of a stack, and out of what its optimiser remembers."""
    model.n_runs, model.beta = int(going.sum()), model.beta[going]
    for weight in model.parameters():
        weight.data = weight.data[going]
        weight.grad = None if weight.grad is None else weight.grad[going]
        memory = optimiser.state[weight]
        memory.update({name: value[going] for name, value in memory.items() if value.ndim})  # not the count of steps


def _warmth(epoch: int, cycles: int, epochs: int) -> float:
    """Share of beta at an epoch: in each of `cycles`, rising from 0 over its first half, then 1 (no cycles: 1)."""
    length = epochs / cycles if cycles else 0
    return min(1.0, 2 * (epoch % length) / length) if length > 2 else 1.0


@torch.no_grad()
def _place_mixture(model: StackedVAE, data: torch.Tensor, splits: list, seeds: list[int]) -> None:
    """Start each run's mixture prior from k-means on its mu of training rows; no label is seen."""
    mu = model.encode(data)[0].cpu().numpy()
    k, found = model.config.n_components, []
    for points, (train, _), seed in zip(mu, splits, seeds, strict=True):
        fitted = KMeans(k, n_init=4, random_state=seed).fit(points[train])
        variances = np.stack([points[train][fitted.labels_ == c].var(0) for c in range(k)])
        found.append((fitted.cluster_centers_, variances, np.bincount(fitted.labels_, minlength=k) / len(train)))
    where = data.device
    model.place_mixture(
        *(torch.as_tensor(np.stack(part), dtype=torch.float32, device=where) for part in zip(*found, strict=True))
    )


def noise_of(generators: list[torch.Generator], rows: int, dims: int) -> torch.Tensor:
    return torch.stack([torch.randn(rows, dims, generator=g) for g in generators])


@torch.no_grad()
def _describe(model, data, labels, splits, seeds, history) -> xr.Dataset:
    """Latents, KL and reconstruction error of every track under each run's best weights."""
    n_runs, n, _ = data.shape
    y = labels.expand(n_runs, n)
    mu, log_var = model.encode(data, y)
    generators = [torch.Generator().manual_seed(2_000_003 * (seed + 1)) for seed in seeds]
    std = torch.exp(0.5 * log_var) if model.config.stochastic else torch.zeros_like(mu)
    z = mu + noise_of(generators, n, mu.shape[-1]).to(mu.device) * std
    error = (model.decode(z, y) - data).square().sum(-1)  # [R, N]
    kl = model.kl_of(mu, log_var, y) if model.config.stochastic else torch.zeros_like(mu).mean(1)
    train = np.stack([np.isin(np.arange(n), rows) for rows, _ in splits])
    flat = torch.cat([p.flatten(1) for p in model.parameters()], dim=1)
    return xr.Dataset(
        {
            "mu": (("seed", "track", "latent"), mu.cpu().numpy()),
            "z": (("seed", "track", "latent"), z.cpu().numpy()),
            "kl": (("seed", "latent"), kl.cpu().numpy(), {"units": "nats"}),
            "error": (
                ("seed", "track"),
                error.cpu().numpy(),
                {"long_name": "summed squared error, standardised units"},
            ),
            "train": (("seed", "track"), train),
            "history": (("curve", "seed", "epoch"), np.moveaxis(history, 0, -1)),
            "weights": (("seed", "weight"), flat.cpu().numpy()),
        },
        coords={"seed": seeds, "curve": ["train_loss", "held_out_loss", "held_out_error", "held_out_kl"]},
    )
