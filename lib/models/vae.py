"""The networks: one stacked family of multilayer perceptrons (AE, VAE, beta-VAE, CVAE).

A stack holds R independent runs of one architecture: every weight has a leading run axis, so that one batched matrix
product serves all runs (`torch.baddbmm`). Runs share nothing: no weight, no noise, no batch.

Loss, per track, as in the earlier study: summed squared error + beta x KL. As a likelihood this is a Gaussian decoder
of variance beta/2 (Lucas et al. 2019, arXiv 1911.02469, eq. 4, up to scale); pythae's beta is half of ours.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss


@dataclass(frozen=True)
class ModelConfig:
    """What a network is, without its seed."""

    n_features: int  # D, columns of x
    latent_dim: int = 10  # L
    hidden: tuple[int, ...] = (128, 64)  # widths of the encoder; the decoder mirrors them; () is the linear model
    beta: float = 1.0  # weight of the KL term
    stochastic: bool = True  # False: a plain autoencoder, no noise and no KL term
    y_encoder: bool = False  # the encoder reads the label
    y_decoder: bool = False  # the decoder reads the label
    n_labels: int = 0  # K, classes; needed when anything reads the label
    label_dim: int = 8  # E, size of the label embedding
    # Remedies (notebook 09): none is on by default
    prior: str = "standard"  # N(0, I); "label": a learned Gaussian per class; "mixture": unsupervised, as in VaDE
    n_components: int = 0  # C, of the mixture prior
    auxiliary: float = 0.0  # weight of a linear classifier's cross-entropy on z
    free_bits: float = 0.0  # nats of each dimension that cost nothing (Kingma et al. 2016, 1606.04934)
    learned_variance: bool = False  # the decoder's variance is learned; beta is then twice it, whatever `beta` says
    annealing: int = 0  # cycles in which beta rises from 0 (Fu et al. 2019, 1903.10145)

    @property
    def reads_labels(self) -> bool:
        """Is the model given labels, anywhere?"""
        return self.label_use != "none"

    @property
    def label_use(self) -> str:
        """Where labels enter: none, encoder, decoder, both; prior or auxiliary where they do so as well."""
        if self.auxiliary:
            return "auxiliary"
        if self.prior == "label":
            return "prior"
        return {(0, 0): "none", (1, 0): "encoder", (0, 1): "decoder", (1, 1): "both"}[(self.y_encoder, self.y_decoder)]

    @property
    def setting(self) -> str:
        """Short stable name of what varies in this series."""
        if not self.stochastic:
            return f"dim={self.latent_dim}"
        parts = [f"beta={self.beta:g}"]
        if self.y_encoder or self.y_decoder:
            parts.append(f"enc={int(self.y_encoder)} dec={int(self.y_decoder)}")
        if not self.hidden:
            parts.append("linear")
        if self.prior != "standard":
            parts.append(f"prior={self.prior}")
        parts += [
            f"{name.replace('_', '-')}={value:g}"
            for name in ("auxiliary", "free_bits", "annealing")
            if (value := getattr(self, name))
        ]
        if self.learned_variance:
            parts[0] = "beta=learned"
        return " ".join(parts)

    def asdict(self) -> dict:
        """JSON-able form, for hashes and records."""
        return asdict(self)


PRIORS = ("standard", "label", "mixture")
LOG_VAR = (-20.0, 10.0)  # an encoder's log variance is kept between these


class StackedVAE(nn.Module):
    """R independent (conditional) variational autoencoders of one architecture.

    Run r is initialised from `seeds[r]` alone, as `nn.Linear` would be (uniform, bound 1/sqrt(fan in)). `beta` may
    differ between runs; everything else in `config` is shared.
    """

    def __init__(self, config: ModelConfig, seeds: list[int], betas: list[float] | None = None):
        super().__init__()
        if config.reads_labels and config.n_labels < 1:
            raise ValueError("a conditional model needs n_labels")
        if (config.prior == "mixture") != (config.n_components > 0) or config.prior not in PRIORS:
            raise ValueError(f"prior is one of {PRIORS}, and only a mixture has components")
        self.config, self.n_runs = config, len(seeds)
        betas = [config.beta] * len(seeds) if betas is None else betas
        self.register_buffer("beta", torch.tensor(betas, dtype=torch.float32))
        self.mixing = False  # a mixture prior is N(0, I) until `place_mixture`
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        for name, (fan_in, fan_out) in layers(config).items():
            for kind, rows in (("weight", fan_in), ("bias", 1)):  # [R, in, out] and [R, 1, out]
                shape, bound = (rows, fan_out), 1 / math.sqrt(fan_in)
                drawn = [torch.empty(shape).uniform_(-bound, bound, generator=g) for g in generators]
                self.register_parameter(f"{name}_{kind}", nn.Parameter(torch.stack(drawn)))
        if config.y_encoder or config.y_decoder:
            table = [torch.randn(config.n_labels, config.label_dim, generator=g) for g in generators]
            self.embedding = nn.Parameter(torch.stack(table))  # [R, K, E]
        for name, shape in extras(config).items():
            self.register_parameter(name, nn.Parameter(torch.zeros(self.n_runs, *shape)))

    def _network(self, part: str, x: Tensor, y: Tensor | None) -> Tensor:
        """What the layers "enc" or "dec" make of x [R, B, in]: [R, B, out]; ReLU between layers, none after.

        y [R, B] are class numbers, for a network that reads them: it finds their embedding beside x.
        """
        if getattr(self.config, f"y_{part}oder"):
            x = torch.cat([x, self.embedding[self._runs(), y]], -1)
        for i in range(len(self.config.hidden) + 1):
            x = x.relu_() if i else x
            x = torch.baddbmm(getattr(self, f"{part}{i}_bias"), x, getattr(self, f"{part}{i}_weight"))
        return x

    def _runs(self) -> Tensor:
        return torch.arange(self.n_runs, device=self.beta.device)[:, None]

    def encode(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x [R, B, D], y [R, B] -> mu [R, B, L], log_var [R, B, L] (-inf for an autoencoder)."""
        h = self._network("enc", x, y)
        if not self.config.stochastic:
            return h, torch.full_like(h, -torch.inf)
        mu, log_var = h.chunk(2, dim=-1)
        return mu, log_var.clamp(*LOG_VAR)

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """z [R, B, L], y [R, B] -> reconstruction [R, B, D]."""
        return self._network("dec", z, y)

    def loss(self, x: Tensor, y: Tensor | None, noise: Tensor, warmth: float = 1.0) -> tuple[Tensor, Tensor, Tensor]:
        """Loss, summed squared error and KL (nats), each a mean over the batch: [R]. `noise` is [R, B, L].

        `warmth` scales beta (annealing). With a learned variance v the loss is twice the negative ELBO,
        error / v + D log v + 2 KL, so that v plays beta/2.
        """
        mu, log_var = self.encode(x, y)
        z = sample(mu, log_var, noise)
        error = mse_loss(self.decode(z, y), x, reduction="none").sum(-1).mean(-1)
        if not self.config.stochastic:
            return error, error, torch.zeros_like(error)
        kl, paid = self._kl(mu, log_var, z, y)
        if self.config.learned_variance:
            log_v = self.decoder_log_var[:, 0]
            loss = error * torch.exp(-log_v) + x.shape[-1] * log_v + 2 * warmth * paid
        else:
            loss = error + self.beta * warmth * paid
        if self.config.auxiliary:
            logits = torch.baddbmm(self.reader_bias, z, self.reader_weight).log_softmax(-1)
            loss = loss - self.config.auxiliary * logits.gather(-1, y.unsqueeze(-1))[..., 0].mean(-1)
        return loss, error, kl

    def _kl(self, mu: Tensor, log_var: Tensor, z: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
        """The KL [R] in nats, mean over the batch, and what of it is paid for (with free bits, less than all)."""
        if self.config.prior == "mixture" and self.mixing:
            kl = self._kl_to_mixture(z, mu, log_var).mean(-1)
            return kl, kl
        each = kl_per_dimension(mu, log_var, *self._prior_of(y)).mean(-2)  # [R, L]
        kl, free = each.sum(-1), self.config.free_bits
        return kl, each.clamp(min=free).sum(-1) if free else kl

    def _prior_of(self, y: Tensor | None) -> tuple[Tensor, Tensor] | tuple[()]:
        """Mean and log variance of each row's prior [R, B, L]; nothing for N(0, I)."""
        if self.config.prior != "label":
            return ()
        runs = self._runs()
        return self.prior_mean[runs, y], self.prior_log_var[runs, y]

    def _kl_to_mixture(self, z: Tensor, mu: Tensor, log_var: Tensor) -> Tensor:
        """One-sample estimate of KL(q(z|x) || mixture) [R, B] (Jiang et al. 2017, 1611.05148, by sampling)."""
        inside = -0.5 * ((z - mu).square() / log_var.exp() + log_var).sum(-1)
        mean, spread = self.prior_mean.unsqueeze(1), self.prior_log_var.unsqueeze(1)  # [R, 1, C, L]
        parts = -0.5 * ((z.unsqueeze(2) - mean).square() / spread.exp() + spread).sum(-1)  # [R, B, C]
        return inside - (parts + self.prior_logit.log_softmax(-1).unsqueeze(1)).logsumexp(-1)

    @torch.no_grad()
    def place_mixture(self, centres: Tensor, variances: Tensor, weights: Tensor) -> None:
        """Start the mixture prior from clusters of mu: centres and variances [R, C, L], weights [R, C]."""
        self.prior_mean.copy_(centres)
        self.prior_log_var.copy_(variances.clamp(min=1e-3).log())
        self.prior_logit.copy_(weights.clamp(min=1e-6).log())
        self.mixing = True

    @torch.no_grad()
    def kl_of(self, mu: Tensor, log_var: Tensor, y: Tensor | None) -> Tensor:
        """KL of each dimension, mean over rows: [R, L] nats. For a mixture prior, to the Gaussian of its moments."""
        if self.config.prior == "mixture":
            share = self.prior_logit.softmax(-1).unsqueeze(-1)  # [R, C, 1]
            mean = (share * self.prior_mean).sum(1, keepdim=True)
            variance = (share * (self.prior_log_var.exp() + self.prior_mean.square())).sum(1, keepdim=True) - mean**2
            return kl_per_dimension(mu, log_var, mean, variance.clamp(min=1e-6).log()).mean(1)
        return kl_per_dimension(mu, log_var, *self._prior_of(y)).mean(1)


def layers(config: ModelConfig) -> dict[str, tuple[int, int]]:
    """What goes into each layer and what comes out, by name: enc0, ..., dec0, ..."""
    to_enc, to_dec = (config.label_dim * reads for reads in (config.y_encoder, config.y_decoder))
    code = config.latent_dim * (2 if config.stochastic else 1)
    encoder = itertools.pairwise([config.n_features + to_enc, *config.hidden, code])
    decoder = itertools.pairwise([config.latent_dim + to_dec, *reversed(config.hidden), config.n_features])
    return {f"{part}{i}": pair for part, pairs in (("enc", encoder), ("dec", decoder)) for i, pair in enumerate(pairs)}


def extras(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Shapes, without the run axis, of the parameters that start at zero: of a learned prior and of other remedies."""
    n = {"standard": 0, "label": config.n_labels, "mixture": config.n_components}[config.prior]
    found = {"prior_mean": (n, config.latent_dim), "prior_log_var": (n, config.latent_dim)} if n else {}
    if config.prior == "mixture":
        found["prior_logit"] = (n,)
    if config.auxiliary:
        found |= {"reader_weight": (config.latent_dim, config.n_labels), "reader_bias": (1, config.n_labels)}
    return found | ({"decoder_log_var": (1,)} if config.learned_variance else {})


def sample(mu: Tensor, log_var: Tensor, noise: Tensor) -> Tensor:
    """A draw from N(mu, var), from standard `noise`; mu itself where log_var is -inf."""
    return mu + noise * torch.exp(0.5 * log_var)


def kl_per_dimension(mu: Tensor, log_var: Tensor, prior_mean: Tensor | None = None,
                     prior_log_var: Tensor | None = None) -> Tensor:
    """KL(N(mu, var) || N(prior mean, prior var)) in nats, elementwise; without a prior, to N(0, 1) (Kingma and Welling
    2014, appendix B)."""
    if prior_mean is None:
        return 0.5 * (mu * mu + log_var.exp() - 1 - log_var)
    square = (mu - prior_mean).square() + log_var.exp()
    return 0.5 * (square * torch.exp(-prior_log_var) - 1 - log_var + prior_log_var)
