"""The beta-VAE: a sweep of beta, what theory allows at each, and whether single dimensions come to mean one thing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from lib.models import theory
from lib.models.latents import mlp_latents, sweep_latents
from lib.models.vae import ModelConfig
from lib.scores import agreement, clustering, disentanglement, intervals
from lib.scores import table as scores
from lib.scores.information import ACTIVE_NATS, label_entropy
from lib.scores.intervals import Interval
from lib.store import artifacts, engine
from lib.store.runs import Run

METRICS = ("dci_disentanglement", "dci_completeness", "dci_informativeness", "mig")
DCI = ("dci_disentanglement", "dci_disentanglement_null", "dci_informativeness")  # what claims are made on
SHOWN = ("active_dims", "kl", "error_held_out", "silhouette", "silhouette_null", "nmi", "nmi_null")
Sweep = dict[float, xr.Dataset]  # latents by beta, in rising order


def config(run: Run, n_features: int, beta: float = 1.0) -> ModelConfig:
    """The series' VAE: its dimensions and widths, at a beta."""
    s = run.settings
    return ModelConfig(n_features=n_features, latent_dim=s.latent_dim, hidden=s.hidden, beta=beta)


def sweep(run: Run, x: pd.DataFrame) -> Sweep:
    """Latents of x [track, D] at every beta: beta 1 and the headline beta with all training seeds, the others, trained
    as one stack, with fewer."""
    s = run.settings
    headline = {s.beta: "beta_vae", 1.0: "vae"}
    others = [beta for beta in sorted({*s.betas}) if beta not in headline]
    seeds = s.seeds(s.n_seeds_sweep)
    calls: dict[Any, Callable] = {beta: partial(mlp_latents, run, name, x, config(run, x.shape[1], beta), run.seeds)
                                  for beta, name in headline.items()}
    if others:
        calls["others"] = partial(sweep_latents, run, "beta_vae", x, config(run, x.shape[1]), others, seeds)
    found = engine.together(calls)
    return dict(sorted((found.pop("others", {}) | found).items()))


def moved(run: Run, found: Sweep, genre: pd.Series, metrics: Sequence[str]) -> dict[str, Interval]:
    """What the headline beta changes of metrics against beta 1, over seeds and units (`scores.replicates`)."""
    return {metric: intervals.paired(*(scores.replicates(run, found[beta], genre, metric)
                                       for beta in (run.settings.beta, 1.0))) for metric in metrics}


def allowed(x: pd.DataFrame, betas: list[float], latent_dim: int) -> pd.DataFrame:
    """What linear theory (Lucas et al. 2019) says of x [track, D] at each beta (`theory.linear_theory`)."""
    return theory.linear_theory(theory.spectrum(x.to_numpy()), betas, latent_dim)


# --- what dimensions mean --------------------------------------------------------------------------------------------
def known_properties(run: Run, tracks: pd.Index) -> dict[str, pd.DataFrame]:
    """Numbers known of the tracks [track, property]: planted factors where the corpus is composed, descriptors."""
    tables = {name: artifacts.load(run, name).loc[tracks].select_dtypes("number")
              for name in ("factors", "descriptors") if artifacts.has(run, name)}
    return {name: table.drop(columns="n_borrowed", errors="ignore") for name, table in tables.items()}


def correlations(latents: xr.Dataset, known: dict[str, pd.DataFrame], most: int = 14) -> pd.DataFrame:
    """Spearman correlation [property, dimension] of the first seed's five dimensions with the highest KL with known
    properties, the `most` strongest."""
    one, properties = latents.isel(seed=0), pd.concat(known.values(), axis=1)
    leading = one.kl.argsort().values[::-1][:5]
    names = [f"z{i + 1} ({one.kl.values[d]:.2f} nats)" for i, d in enumerate(leading)]
    mu = one.mu.to_pandas().iloc[:, leading].set_axis(names, axis=1)
    table = pd.concat([mu, properties], axis=1).corr("spearman").loc[properties.columns, names].dropna()
    return table.loc[table.abs().max(axis=1).nlargest(most).index]


def alignment(found: Sweep, known: dict[str, pd.DataFrame], seeds: list[int]) -> pd.DataFrame:
    """DCI and, of planted factors, MIG of every beta and seed, each with that of the same code rotated: columns
    known, beta, seed, metric, value."""
    parts = {(name, beta): disentanglement.alignment(latents, table, seeds, known=name == "factors")
             for name, table in known.items() for beta, latents in found.items()}
    return pd.concat(parts, names=["known", "beta"]).reset_index(["known", "beta"])


def alignment_table(aligned: pd.DataFrame) -> pd.DataFrame:
    """Mean and 95 % interval over seeds: a row per kind of properties and beta, a column per metric and null."""
    shown = aligned.groupby(["known", "beta", "metric"])["value"].agg(intervals.interval)
    shown = shown.unstack("metric").reset_index()
    columns = [name + end for name in METRICS for end in ("", "_null")
               if name in shown and name + end != "dci_informativeness_null"]
    return shown[["known", "beta", *columns]]


def over_beta(aligned: pd.DataFrame, known: str, metric: str) -> pd.DataFrame:
    """One metric of `alignment` as [beta, seed]."""
    part = aligned[(aligned["known"] == known) & (aligned["metric"] == metric)]
    return part.pivot(index="beta", columns="seed", values="value")


def beside_rotated(aligned: pd.DataFrame) -> dict[str, dict[str, pd.DataFrame]]:
    """Disentanglement and completeness of axes, and of the same codes rotated: metric -> name -> [beta, seed]."""
    ends = {"learned axes": "", "random rotation": "_null"}
    return {metric: {f"{name}, {what}": over_beta(aligned, name, f"dci_{metric}{end}")
                     for name in aligned["known"].unique() for what, end in ends.items()}
            for metric in ("disentanglement", "completeness")}


# --- disentanglement, genre and rate ---------------------------------------------------------------------------------
def linear_optimum(x: pd.DataFrame, labels: pd.Series, factors: pd.DataFrame, betas: list[float], latent_dim: int,
                   k: int) -> pd.DataFrame:
    """Without training: the optimal linear VAE at every beta that leaves two dimensions or more: disentanglement above
    that of random rotations (`excess`), and NMI of k-means with the labels; columns beta, excess, nmi."""
    rows, target = [], factors.to_numpy(float)
    for beta in betas:
        codes, kl = theory.optimal_codes(x.to_numpy(), beta, latent_dim)
        codes = codes[:, kl > ACTIVE_NATS]
        if codes.shape[1] > 1:
            own, *turns = [disentanglement.dci(*disentanglement.importances(each, target)).disentanglement
                           for each in (codes, *(disentanglement.rotated(codes, i) for i in range(10)))]
            found = [agreement.external(labels.loc[x.index], clustering.cluster(codes, k, seed=seed))["nmi"]
                     for seed in range(3)]
            rows.append((beta, own - np.mean(turns), np.mean(found)))
    return pd.DataFrame(rows, columns=["beta", "excess", "nmi"])


def measured_tradeoff(aligned: pd.DataFrame, known: str, nmi: pd.DataFrame) -> pd.DataFrame:
    """The trained VAEs beside `linear_optimum`: columns beta, excess, low, high (95 % interval of the excess), nmi."""
    over = over_beta(aligned, known, METRICS[0]) - over_beta(aligned, known, f"{METRICS[0]}_null")
    over = over.dropna(how="all")
    spans = pd.DataFrame([intervals.interval(row)[:3] for row in over.to_numpy()], columns=["excess", "low", "high"])
    return spans.assign(beta=over.index, nmi=nmi.mean(axis=1).loc[over.index].to_numpy())


class Decodable(NamedTuple):
    """Information about the label that a linear probe reads, over beta, beside what the rate allows; nats."""

    rate: pd.Series  # by beta
    mu: pd.Series
    z: pd.Series
    entropy: float  # of the labels

    @property
    def limit(self) -> pd.Series:
        """The most that samples may carry, by beta."""
        return self.rate.clip(upper=self.entropy)


def decodable(by_beta: dict[float, pd.DataFrame], labels: pd.Series) -> Decodable:
    """Means over seeds from the score tables by beta."""
    rate, mu, z = (scores.over(by_beta, name).mean(axis=1) for name in ("kl", "information_mu", "information_z"))
    return Decodable(rate, mu, z, label_entropy(labels.to_numpy()))
