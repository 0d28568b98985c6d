"""Training: many runs at once, on a split shared by all methods of a seed, and stored by a hash of what made them.

A seed fixes the held-out split and the order of batches, whatever the method, so seeds pair between settings. Scalers
and models are fitted on training rows. The runs stacked together are always all seeds of one setting, so neither
`--jobs` nor what is already stored can change a number.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
import xarray as xr
from sklearn.cluster import KMeans
from torch.optim import Optimizer

from lib.models.vae import ModelConfig, StackedVAE, sample
from lib.store.errors import Problem
from lib.store.streams import stream

WARM_UP = 15  # epochs before a mixture prior is placed
ASTRAY = 1e6  # times the squared error of knowing nothing; at a learning rate 100 times too large a run may pass 2000


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
    order = stream(seed, "held-out groups").permutation(groups.max() + 1)
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
    x: np.ndarray, config: ModelConfig, seeds: list[int], schedule: Schedule, y: np.ndarray | None = None,
    groups: np.ndarray | None = None, progress: Callable[[int, np.ndarray], None] | None = None,
    betas: list[float] | None = None, weights: np.ndarray | None = None, n_train: int = 0,
    aside: np.ndarray | None = None,
) -> tuple[StackedVAE, xr.Dataset]:
    """Train one stack: all `seeds` of one setting on x [N, D] (raw units; standardised here per run).

    y [N] are class numbers, read only by a conditional model. Runs may have features and classes of their own: x
    [R, N, D], y [R, N]. `betas` gives each run its own beta. `weights` [D] scale the standardised columns; `n_train` is
    how many rows to train on (see `split`); rows `aside` [R, N] of a run are neither trained on nor held out. Returns
    the stack with each run's best held-out weights, and its latents (see `as_latents`). Raises `Problem` when a run
    diverges.
    """
    splits = _splits(x.shape[-2], seeds, schedule, groups, n_train, aside)
    data, labels = _as_tensors(x, y, [train for train, _ in splits], weights)
    model, best = (StackedVAE(config, seeds, betas).to(data.device) for _ in range(2))
    best = _Best(best)
    optimiser = torch.optim.Adam(model.parameters(), lr=schedule.learning_rate, fused=True)
    generators = [torch.Generator().manual_seed(1_000_003 * (seed + 1)) for seed in seeds]
    held_out = _held_out(data, labels, [out for _, out in splits], generators, config.latent_dim)
    shape = (min(len(train) for train, _ in splits), config.latent_dim)  # copies may cost a run a row or two
    draws = [_draws(seed, train, shape, g) for seed, (train, _), g in zip(seeds, splits, generators, strict=True)]
    placing = min(WARM_UP, schedule.epochs // 2) if config.prior == "mixture" else -1
    history = np.full((schedule.epochs, 4, len(seeds)), np.nan, dtype=np.float32)
    for epoch in range(schedule.epochs):
        if epoch == placing:
            _place_mixture(model, data, splits, seeds)
            best.forget(mixing=True)
        batches = _batches(data, labels, best.runs, draws, schedule.batch_size)
        trained = _epoch(model, optimiser, batches, _warmth(epoch, config.annealing, schedule.epochs))
        with torch.no_grad():
            now = model.loss(*(part[best.runs] for part in held_out))
        best.see(model, now[0])
        seen = history[epoch][:, best.runs.tolist()] = torch.stack([trained, *now]).cpu().numpy()
        _stop_astray(epoch, seen, held_out[0][best.runs], config, schedule, betas)
        if progress:
            progress(epoch, history[epoch])
        going = (best.waited < schedule.patience) | (epoch < placing)  # nothing stops before its prior is placed
        if not going.any():
            break
        if not going.all():
            _leave(model, optimiser, going)
            best.leave(going)
    return best.kept, _describe(best.kept, data, labels, splits, seeds, history[: epoch + 1])


def _splits(n: int, seeds: list[int], schedule: Schedule, groups: np.ndarray | None, n_train: int,
            aside: np.ndarray | None) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rows to train on and held-out rows of each run, of `n`, without those that are `aside`."""
    found = [split(n, seed, schedule.held_out, groups, n_train) for seed in seeds]
    if aside is None:
        return found
    return [tuple(rows[~out[rows]] for rows in pair) for pair, out in zip(found, aside, strict=True)]


def _as_tensors(x: np.ndarray, y: np.ndarray | None, trained_on: list[np.ndarray],
                weights: np.ndarray | None) -> tuple[torch.Tensor, torch.Tensor]:
    """Features [R, N, D], standardised by the rows that each run is trained on, and class numbers [R, N]."""
    own = np.broadcast_to(x, (len(trained_on), *x.shape[-2:]))
    data = np.stack([standardise(one, train, weights) for one, train in zip(own, trained_on, strict=True)])
    labels = np.broadcast_to(np.zeros(own.shape[1]) if y is None else np.asarray(y), own.shape[:2]).copy()
    return torch.from_numpy(data).to(device()), torch.tensor(labels, dtype=torch.long, device=device())


def stop_astray(
    epoch: int, losses: np.ndarray, error: np.ndarray, nothing: np.ndarray | float, who: str, remedy: str
) -> None:
    """Raises `Problem` when training has diverged, after an epoch (from 0) with these `losses` (any shape).

    That is a loss that is no finite number, or a squared `error` far above that of knowing `nothing` (same shape).
    `who` is what was trained, and `remedy` what to do about it.
    """
    finite = bool(np.isfinite(losses).all())
    if finite and not (error > ASTRAY * np.maximum(nothing, 1.0)).any():
        return
    seen = "a loss is no finite number" if not finite else f"the squared error is {np.max(error):.1g}"
    raise Problem(f"training has diverged in epoch {epoch + 1} ({who}): {seen}; {remedy}")


def _stop_astray(
    epoch: int, seen: np.ndarray, x: torch.Tensor, config: ModelConfig, schedule: Schedule, betas: list[float] | None
) -> None:
    """`stop_astray` for a stack whose losses of an epoch are `seen` [4, R], with the held-out rows x [R, H, D]."""
    nothing = x.square().sum(-1).mean(-1).cpu().numpy()
    usual, most = Schedule().learning_rate, max(betas or [config.beta])
    remedy = f"choose a smaller learning_rate ({schedule.learning_rate:g} now, {usual:g} by default)"
    remedy += f", or a beta below {most:g}" if most > 1000 else ""
    stop_astray(epoch, seen, seen[2], nothing, config.setting, remedy)


class _Best:
    """Each run's best held-out loss, the epochs since, and in `kept` the weights that had it.

    `runs` [R] are the numbers of the runs that have not stopped: the rest shrinks to them, but not `kept`.
    """

    def __init__(self, kept: StackedVAE):
        self.kept, self.runs = kept, torch.arange(kept.n_runs, device=kept.beta.device)
        self.forget()

    def forget(self, mixing: bool = False) -> None:
        """Begin anew: the loss means something else from here."""
        self.kept.mixing = mixing
        self.loss = torch.full_like(self.runs, torch.inf, dtype=torch.float32)
        self.waited = torch.zeros_like(self.runs)

    @torch.no_grad()
    def see(self, model: StackedVAE, loss: torch.Tensor) -> None:
        """After an epoch: its held-out loss [R], and the weights that have it."""
        better = loss < self.loss
        self.loss, self.waited = torch.where(better, loss, self.loss), torch.where(better, 0, self.waited + 1)
        for value, now in zip(self.kept.parameters(), model.parameters(), strict=True):
            value[self.runs[better]] = now[better]

    def leave(self, going: torch.Tensor) -> None:
        """Only the runs that are `going` [R] go on."""
        self.runs, self.loss, self.waited = self.runs[going], self.loss[going], self.waited[going]


def _held_out(data, labels, rows: list[np.ndarray], generators: list[torch.Generator], dims: int) -> tuple:
    """x [R, H, D], y [R, H] and noise [R, H, L] of the held-out rows of each run."""
    held = np.stack([some[: min(map(len, rows))] for some in rows])  # [R, H]
    noise = torch.stack([torch.randn(held.shape[1], dims, generator=g) for g in generators])
    x = torch.stack([own[some] for own, some in zip(data, held, strict=True)])
    return x, labels.gather(1, torch.from_numpy(held).to(labels.device)), noise.to(data.device)


def _draws(seed: int, train: np.ndarray, shape: tuple[int, int], generator: torch.Generator) -> Iterator[tuple]:
    """What one run draws for each epoch: the order of its rows [n], and noise of this shape [n, L]."""
    order = stream(seed, "order of batches")
    while True:
        yield torch.from_numpy(order.permutation(train)[: shape[0]]), torch.randn(shape, generator=generator)


def _batches(data, labels, runs: torch.Tensor, draws: list[Iterator[tuple]], size: int) -> Iterator[tuple]:
    """The batches of an epoch of `runs` [R]: x [R, B, D], y [R, B] and noise [R, B, L], B about `size`."""
    drawn = zip(*(next(draws[r]) for r in runs.tolist()), strict=True)
    rows, noise = (torch.stack(part).to(data.device) for part in drawn)
    parts = (data[runs[:, None], rows], labels[runs[:, None], rows], noise)
    n_batches = max(1, round(rows.shape[1] / size))  # a remainder is spread over the batches
    return zip(*(part.tensor_split(n_batches, 1) for part in parts), strict=True)


def _epoch(model: StackedVAE, optimiser: Optimizer, batches: Iterable[tuple], warmth: float) -> torch.Tensor:
    """A step for each of the batches (x, y, noise); the mean of their losses [R]."""
    losses = []
    for batch in batches:
        optimiser.zero_grad()
        loss, _, _ = model.loss(*batch, warmth)
        # Runs share no weight, so gradients do not mix. A gradient by hand would save 27 % of the time of a lone run,
        # but 14 % of five's, 11 % of ten's, 1 % of thirty's, 17 % of ten CVAEs': not enough for a second way to say it.
        loss.sum().backward()
        optimiser.step()
        losses.append(loss.detach())
    return torch.stack(losses).mean(0)


def _leave(model: StackedVAE, optimiser: Optimizer, going: torch.Tensor) -> None:
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


def code_noise(seed: int, like: torch.Tensor) -> torch.Tensor:
    """The noise of a seed's stored z, of the shape (and where it is) of its mu."""
    return torch.randn(like.shape, generator=torch.Generator().manual_seed(2_000_003 * (seed + 1))).to(like.device)


@torch.no_grad()
def _describe(model, data, labels, splits, seeds, history) -> xr.Dataset:
    """Latents, KL and reconstruction error of every track under each run's best weights."""
    mu, log_var = model.encode(data, labels)
    z = sample(mu, log_var, torch.stack([code_noise(seed, one) for seed, one in zip(seeds, mu, strict=True)]))
    return as_latents(
        seeds,
        mu=mu,
        z=z,
        kl=model.kl_of(mu, log_var, labels) if model.config.stochastic else torch.zeros_like(mu).mean(1),
        error=(model.decode(z, labels) - data).square().sum(-1),
        train=[rows_of(train, data.shape[1]) for train, _ in splits],
        history=history.T,
        weights=torch.cat([value.flatten(1) for value in model.parameters()], dim=1),
    )


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Inside, torch's own generators start from this seed; outside they go on as they were."""
    with torch.random.fork_rng(devices=[device()] if device().type == "cuda" else []):
        torch.manual_seed(seed)
        yield


# --- the form of latents -----------------------------------------------------------------------------------------
AXES = {
    "mu": ("track", "latent"), "z": ("track", "latent"),
    "kl": ("latent",),  # nats, mean over tracks
    "error": ("track",),  # summed squared error, in the units that the model was trained on
    "train": ("track",),
    "history": ("curve", "epoch"),
    "weights": ("weight",),
    "loadings": ("latent", "feature"),
    "pca_error": ("track",), "variance": ("track",),
    "examples": ("kind", "example", "band", "block"),
}
CURVES = ["train_loss", "held_out_loss", "held_out_error", "held_out_kl"]


def as_latents(seeds: list[int], curves: list[str] | None = None, **values: Any) -> xr.Dataset:
    """Latents in the form of every method, from values [seed, ...] by name; their other axes are those of `AXES`."""
    arrays = {name: np.asarray(v.cpu() if isinstance(v, torch.Tensor) else v) for name, v in values.items()}
    data = {name: (("seed", *AXES[name]), array) for name, array in arrays.items()}
    return xr.Dataset(data, {"seed": seeds} | ({"curve": curves or CURVES} if "history" in data else {}))


def seed_by_seed(seeds: list[int], one: Callable[[int], dict[str, Any]], curves: list[str] | None = None) -> xr.Dataset:
    """The same, where `one` (called with a seed) gives the values of one seed."""
    made = [one(seed) for seed in seeds]
    return as_latents(seeds, curves, **{name: np.stack([values[name] for values in made]) for name in made[0]})


def rows_of(train: np.ndarray, n: int) -> np.ndarray:
    """Which of n tracks the row numbers `train` name [n]."""
    return np.isin(np.arange(n), train)
