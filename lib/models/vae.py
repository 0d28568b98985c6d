"""The networks: one stacked family of multilayer perceptrons (AE, VAE, beta-VAE, CVAE).

A stack holds R independent runs of one architecture: every weight has a leading run axis, so that one batched matrix
product serves all runs (`torch.baddbmm`). Runs share nothing: no weight, no noise, no batch.

Loss, per track, as in the earlier study: summed squared error + beta x KL. As a likelihood this is a Gaussian decoder
of variance beta/2 (Lucas et al. 2019, arXiv 1911.02469, eq. 4, up to scale); pythae's beta is half of ours.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn


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
        extra_enc = config.label_dim if config.y_encoder else 0
        extra_dec = config.label_dim if config.y_decoder else 0
        widths = [config.n_features + extra_enc, *config.hidden]
        out = 2 * config.latent_dim if config.stochastic else config.latent_dim
        shapes = {f"enc{i}": pair for i, pair in enumerate(zip(widths, [*config.hidden, out], strict=True))}
        widths = [config.latent_dim + extra_dec, *reversed(config.hidden)]
        outs = [*reversed(config.hidden), config.n_features]
        shapes |= {f"dec{i}": pair for i, pair in enumerate(zip(widths, outs, strict=True))}
        self.n_enc = self.n_dec = len(config.hidden) + 1
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        for name, (fan_in, fan_out) in shapes.items():
            bound = 1 / math.sqrt(fan_in)
            weight = torch.stack(
                [torch.empty(fan_in, fan_out).uniform_(-bound, bound, generator=g) for g in generators]
            )
            bias = torch.stack([torch.empty(1, fan_out).uniform_(-bound, bound, generator=g) for g in generators])
            self.register_parameter(f"{name}_weight", nn.Parameter(weight))  # [R, in, out]
            self.register_parameter(f"{name}_bias", nn.Parameter(bias))  # [R, 1, out]
        if extra_enc or extra_dec:
            table = torch.stack([torch.randn(config.n_labels, config.label_dim, generator=g) for g in generators])
            self.embedding = nn.Parameter(table)  # [R, K, E]
        self.mixing = False  # a mixture prior is N(0, I) until `place_mixture`
        n_priors = {"standard": 0, "label": config.n_labels, "mixture": config.n_components}[config.prior]
        if n_priors:
            shape = (self.n_runs, n_priors, config.latent_dim)
            self.prior_mean, self.prior_log_var = nn.Parameter(torch.zeros(shape)), nn.Parameter(torch.zeros(shape))
        if config.prior == "mixture":
            self.prior_logit = nn.Parameter(torch.zeros(self.n_runs, n_priors))
        if config.auxiliary:
            self.reader_weight = nn.Parameter(torch.zeros(self.n_runs, config.latent_dim, config.n_labels))
            self.reader_bias = nn.Parameter(torch.zeros(self.n_runs, 1, config.n_labels))
        if config.learned_variance:
            self.decoder_log_var = nn.Parameter(torch.zeros(self.n_runs, 1))

    def _layers(self, x: Tensor, part: str, n: int) -> list[Tensor]:
        """x [R, B, in] and what each of n layers makes of it, the last [R, B, out]; ReLU between layers, none after."""
        found = [x]
        for i in range(n):
            x = torch.baddbmm(getattr(self, f"{part}{i}_bias"), x, getattr(self, f"{part}{i}_weight"))
            found.append(x.relu_() if i < n - 1 else x)
        return found

    def _encoder(self, x: Tensor, label: Tensor | None) -> list[Tensor]:
        return self._layers(torch.cat([x, label], -1) if self.config.y_encoder else x, "enc", self.n_enc)

    def _decoder(self, z: Tensor, label: Tensor | None) -> list[Tensor]:
        return self._layers(torch.cat([z, label], -1) if self.config.y_decoder else z, "dec", self.n_dec)

    def _label(self, y: Tensor | None) -> Tensor | None:
        """The embedding [R, B, E] of class numbers y [R, B]; None where neither network reads them."""
        return self.embedding[self._runs(), y] if self.config.y_encoder or self.config.y_decoder else None

    def _runs(self) -> Tensor:
        return torch.arange(self.n_runs, device=self.beta.device)[:, None]

    def encode(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x [R, B, D], y [R, B] -> mu [R, B, L], log_var [R, B, L] (-inf for an autoencoder)."""
        h = self._encoder(x, self._label(y))[-1]
        if not self.config.stochastic:
            return h, torch.full_like(h, -torch.inf)
        mu, log_var = h.chunk(2, dim=-1)
        return mu, log_var.clamp(*LOG_VAR)

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """z [R, B, L], y [R, B] -> reconstruction [R, B, D]."""
        return self._decoder(z, self._label(y))[-1]

    def loss(self, x: Tensor, y: Tensor | None, noise: Tensor, warmth: float = 1.0) -> tuple[Tensor, Tensor, Tensor]:
        """Loss, summed squared error and KL (nats), each a mean over the batch: [R]. `noise` is [R, B, L].

        `warmth` scales beta (annealing). With a learned variance v the loss is twice the negative ELBO,
        error / v + D log v + 2 KL, so that v plays beta/2.
        """
        mu, log_var = self.encode(x, y)
        if not self.config.stochastic:
            error = (self.decode(mu, y) - x).square().sum(-1).mean(-1)
            return error, error, torch.zeros_like(error)
        z = mu + noise * torch.exp(0.5 * log_var)
        error = (self.decode(z, y) - x).square().sum(-1).mean(-1)
        price, kl = self._price(mu, log_var, z, y, warmth)
        return self._over_variance(error, x.shape[-1]) + price, error, kl

    def _over_variance(self, error: Tensor, n_features: int) -> Tensor:
        if not self.config.learned_variance:
            return error
        log_v = self.decoder_log_var[:, 0]
        return error * torch.exp(-log_v) + n_features * log_v

    def _price(self, mu: Tensor, log_var: Tensor, z: Tensor, y: Tensor | None, warmth: float) -> tuple[Tensor, Tensor]:
        """What the loss adds to the error, and the KL; [R] each, means over the batch."""
        if self.config.prior == "mixture" and self.mixing:
            kl = paid = self._kl_to_mixture(z, mu, log_var).mean(-1)
        else:
            each = kl_per_dimension(mu, log_var, *self._prior_of(y)).mean(-2)  # [R, L]
            kl, paid = each.sum(-1), each.clamp(min=self.config.free_bits).sum(-1)
        price = self._nat(warmth) * paid
        if self.config.auxiliary:
            logits = torch.baddbmm(self.reader_bias, z, self.reader_weight).log_softmax(-1)
            price = price - self.config.auxiliary * logits.gather(-1, y.unsqueeze(-1))[..., 0].mean(-1)
        return price, kl

    def _nat(self, warmth: float) -> Tensor:
        """What a nat costs [R]."""
        return torch.full_like(self.beta, 2 * warmth) if self.config.learned_variance else self.beta * warmth

    @torch.no_grad()
    def loss_and_gradient(self, x: Tensor, y: Tensor | None, noise: Tensor, warmth: float = 1.0) -> Tensor:
        """The loss [R] of a batch; its gradient is left in the `.grad` of every weight, which must be there and zero.

        The same as `loss(x, y, noise, warmth)[0].sum().backward()`, but by hand: on networks so small, a third of the
        time would be autograd's bookkeeping. Runs share no weight, so gradients do not mix. Terms of the price that few
        models have are left to autograd.
        """
        label, size, width = self._label(y), x.shape[1], self.config.latent_dim
        inward = self._encoder(x, label)
        mu = z = inward[-1][..., :width]
        if self.config.stochastic:
            raw = inward[-1][..., width:]
            log_var = raw.clamp(*LOG_VAR)
            spread = noise * torch.exp(0.5 * log_var)
            z = mu + spread
        outward = self._decoder(z, label)
        slope = outward[-1] - x
        error = slope.square().sum((1, 2)) / size
        loss = self._over_variance(error, x.shape[-1])
        slope *= 2 / size
        if self.config.learned_variance:
            share = torch.exp(-self.decoder_log_var)  # [R, 1]
            slope *= share[:, None]
            self.decoder_log_var.grad += x.shape[-1] - error[:, None] * share
        slope = self._chain(outward, slope, "dec", 0)
        slope, to_label = slope[..., :width], slope[..., width:]
        if self.config.stochastic:
            price, to_mu, to_log_var, to_z = self._price_slopes(mu, log_var, z, y, warmth)
            loss, slope = loss + price, slope + to_z
            to_log_var = torch.addcmul(to_log_var, slope, spread, value=0.5) * (raw == log_var)
            slope = torch.cat([slope + to_mu, to_log_var], -1)
        slope = self._chain(inward, slope, "enc", x.shape[-1])
        if self.config.y_encoder:
            to_label = to_label + slope if self.config.y_decoder else slope
        if label is not None:
            self.embedding.grad.index_put_((self._runs(), y), to_label, accumulate=True)
        return loss

    def _chain(self, found: list[Tensor], slope: Tensor, part: str, start: int) -> Tensor:
        """From the slope of the loss at the end of `_layers` to that at its input, columns from `start` on; the slopes
        of the weights are left in their `.grad`."""
        for i in reversed(range(len(found) - 1)):
            weight, bias = getattr(self, f"{part}{i}_weight"), getattr(self, f"{part}{i}_bias")
            torch.bmm(found[i].transpose(1, 2), slope, out=weight.grad)
            torch.sum(slope, 1, keepdim=True, out=bias.grad)
            slope = torch.bmm(slope, (weight if i else weight[:, start:]).transpose(1, 2))
            if i:
                slope *= found[i].sign()  # ReLU
        return slope

    def _price_slopes(self, mu: Tensor, log_var: Tensor, z: Tensor, y: Tensor | None, warmth: float) -> tuple:
        """The price [R], and its slopes at mu, log_var and z [R, B, L] (0.0: none)."""
        if self.config.prior == "standard" and not self.config.auxiliary:
            variance, nat = log_var.exp(), self._nat(warmth)
            each = 0.5 * (mu.square() + variance - log_var).mean(1) - 0.5  # [R, L]
            price = nat * each.clamp(min=self.config.free_bits).sum(-1)
            nat = nat[:, None, None] / mu.shape[1]
            if self.config.free_bits:
                nat = nat * (each >= self.config.free_bits)[:, None]
            return price, nat * mu, 0.5 * nat * (variance - 1), 0.0
        with torch.enable_grad():
            ends = [end.detach().requires_grad_() for end in (mu, log_var, z)]
            price = self._price(*ends, y, warmth)[0]
            price.sum().backward()
        return price.detach(), *(0.0 if end.grad is None else end.grad for end in ends)

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


def kl_per_dimension(
    mu: Tensor, log_var: Tensor, prior_mean: Tensor | float = 0.0, prior_log_var: Tensor | float = 0.0
) -> Tensor:
    """KL(N(mu, var) || N(prior mean, prior var)) in nats, elementwise (Kingma and Welling 2014, appendix B)."""
    prior_log_var = torch.as_tensor(prior_log_var, device=mu.device)
    ratio = ((mu - prior_mean).square() + log_var.exp()) * torch.exp(-prior_log_var)
    return 0.5 * (ratio - 1 - log_var + prior_log_var)
