"""A product-of-experts multimodal VAE (MVAE; Wu and Goodman 2018, arXiv 1802.05335): one latent for several views.

Each view has an encoder and a decoder; the posterior of a track is the product of the prior and of the experts of the
views that it has. So a track without lyrics keeps its audio expert, and nothing is filled in. No label is seen.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from lib.models import training
from lib.models.vae import ModelConfig, StackedVAE, kl_per_dimension, sample
from lib.store.streams import stream

STEPS, BATCH, LEARNING_RATE = 120, 64, 1e-2  # short: it is trained anew for every dose and every control
HIDDEN = (64,)
REMEDY = "its learning rate is no setting: see whether a track is far from all others in the features or the lyrics"


def product(mu: Tensor, log_var: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
    """mu and log_var [..., L] of the product of N(0, I) and of the experts [M, ..., L] that are `present` [M, ...].

    Precisions add up and means weigh by them; without any expert the prior is left. `present` is 1 or 0.
    """
    precision = torch.exp(-log_var) * present.unsqueeze(-1)
    total = 1 + precision.sum(0)
    return (precision * mu).sum(0) / total, -total.log()


class StackedMVAE(nn.Module):
    """R independent multimodal VAEs: for each of M views a `StackedVAE` that lends its encoder and its decoder.

    `config` is shared but for the number of columns, `n_features[m]`. Run r is initialised from `seeds[r]` alone.
    """

    def __init__(self, config: ModelConfig, n_features: list[int], seeds: list[int]):
        super().__init__()
        self.beta = config.beta
        self.views = nn.ModuleList(
            StackedVAE(ModelConfig(**config.asdict() | {"n_features": d}), [len(n_features) * s + m for s in seeds])
            for m, d in enumerate(n_features)
        )

    def experts(self, xs: list[Tensor]) -> tuple[Tensor, Tensor]:
        """xs[m] [R, B, D_m] -> mu and log_var [M, R, B, L] of each view's expert."""
        mus, log_vars = zip(*(view.encode(x) for view, x in zip(self.views, xs, strict=True)), strict=True)
        return torch.stack(mus), torch.stack(log_vars)

    def encode(self, xs: list[Tensor], present: Tensor) -> tuple[Tensor, Tensor]:
        """mu and log_var [R, B, L] from the views `present` [M, R, B]; others make no difference."""
        return product(*self.experts(xs), present)

    def loss(self, xs: list[Tensor], present: Tensor, noise: Tensor) -> Tensor:
        """Squared error + beta x KL, mean over the batch [R], summed over all views together and each view alone.

        As in the paper, every subset of the views reconstructs itself. `present` [M, R, B]; `noise` [1 + M, R, B, L].
        """
        mus, log_vars = self.experts(xs)
        each = torch.eye(len(xs), device=present.device)[:, :, None, None]  # [subset, M, 1, 1]
        total = torch.zeros_like(present[0])
        for subset, (among, eps) in enumerate(zip([torch.ones_like(each[0]), *each], noise, strict=True)):
            mu, log_var = product(mus, log_vars, present * among)
            z = sample(mu, log_var, eps)
            total = total + self.beta * kl_per_dimension(mu, log_var).sum(-1)
            for m in range(len(xs)) if subset == 0 else [subset - 1]:
                total = total + present[m] * (self.views[m].decode(z) - xs[m]).square().sum(-1)
        return total.mean(-1)


def fit(views: list[np.ndarray], config: ModelConfig, seeds: list[int], steps: int = STEPS) -> StackedMVAE:
    """Train one stack on views[m] [R, N, D_m], a run for each of `seeds`. A row of NaN is a missing view.

    A fixed number of steps on all tracks; nothing is held out, and there is no early stopping.
    """
    where, (n_runs, n) = training.device(), views[0].shape[:2]
    xs, present = _tensors(views, where)
    model = StackedMVAE(config, [v.shape[2] for v in views], seeds).to(where)
    optimiser = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, fused=True)
    batch = max(2, min(BATCH, n // 4))
    orders = [stream(seed, "order of batches") for seed in seeds]
    generators = [torch.Generator().manual_seed(1_000_003 * (seed + 1)) for seed in seeds]
    runs = torch.arange(n_runs, device=where)[:, None]
    for epoch in range(max(2, math.ceil(steps * batch / n))):
        rows = torch.from_numpy(np.stack([order.permutation(n) for order in orders])).to(where)
        for part in rows.tensor_split(max(1, round(n / batch)), 1):
            shape = (1 + len(xs), part.shape[1], config.latent_dim)
            noise = torch.stack([torch.randn(shape, generator=g) for g in generators], 1).to(where)
            optimiser.zero_grad(set_to_none=True)
            loss = model.loss([x[runs, part] for x in xs], present[:, runs, part], noise)
            loss.sum().backward()
            optimiser.step()
        seen = loss.detach().cpu().numpy()
        training.stop_astray(epoch, seen, seen, sum(v.shape[2] for v in views), "multimodal VAE", REMEDY)
    return model


def _tensors(views: list[np.ndarray], where: torch.device) -> tuple[list[Tensor], Tensor]:
    """Views with zeros for what is missing, and what is there [M, R, N] as 1 and 0."""
    present = torch.from_numpy(np.stack([np.isfinite(v).all(-1) for v in views]).astype(np.float32))
    return [torch.from_numpy(np.nan_to_num(v).astype(np.float32)).to(where) for v in views], present.to(where)


def latents(
    audio: pd.DataFrame, second: dict[int, pd.DataFrame], latent_dim: int, beta: float = 1.0, steps: int = STEPS
) -> dict[str, dict[int, pd.DataFrame]]:
    """mu [track, latent] of every track by seed: of both views (`poe`), and of each expert alone.

    `audio` [track, D] raw features, standardised here by column; second[seed] [track, dim] a view of some of the
    tracks, centred and scaled as a block to the same total variance as audio. A track without it keeps its audio
    expert in `poe`; `poe: second` has only the tracks that have it.
    """
    seeds, columns = list(second), audio.std(ddof=0) > 1e-8
    x = ((audio - audio.mean()) / audio.std(ddof=0)).loc[:, columns]
    blocks = []
    for view in second.values():
        block = view.reindex(audio.index) - view.mean()
        total = float((block**2).sum(axis=1, min_count=1).mean())
        blocks.append((block * np.sqrt(x.shape[1] / total if total > 0 else 1.0)).to_numpy())
    views = [np.broadcast_to(x.to_numpy(), (len(seeds), *x.shape)), np.stack(blocks)]
    config = ModelConfig(x.shape[1], latent_dim, HIDDEN, beta)
    model = fit(views, config, seeds, steps)
    xs, present = _tensors(views, training.device())
    out = {}
    for name, among in {"poe": (1, 1), "poe: audio": (1, 0), "poe: second": (0, 1)}.items():
        there = present * torch.tensor(among, device=present.device)[:, None, None]
        with torch.no_grad():
            mu = model.encode(xs, there)[0].cpu().numpy().astype(float)
        known = there.sum(0).cpu().numpy() > 0
        out[name] = {s: pd.DataFrame(m[k], audio.index[k]) for s, m, k in zip(seeds, mu, known, strict=True)}
    return out
