"""Corrected latents: the same features, tracks, network and k, with a nuisance removed in more and more elaborate ways.

A latent is named (nuisance, correction, network): corrections are `CORRECTIONS`, a network is "none" (the features
themselves) or a beta.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from lib.models import training
from lib.models.latents import Setting, stacked_latents
from lib.models.vae import ModelConfig
from lib.scores import agreement, intervals, jackknife
from lib.store import artifacts
from lib.store.runs import Run
from lib.studies.nuisances import protocol, removal
from lib.studies.nuisances.found import Nuisance

CORRECTIONS = ("nothing", "means", "zscores", "linear", "decoder", "both")
CVAES = ("decoder", "both")
# Corrections whose latent of a track depends on the track's group, not only on its features
GIVEN = ("means", "zscores", "both")
NO_NETWORK = "no network"


class Corrected(NamedTuple):
    """A latent's name."""

    nuisance: str  # "" where nothing is removed
    correction: str
    network: str  # NO_NETWORK or "beta 1"


def networks(run: Run) -> list[str]:
    """Names of the networks: beta 1, and the settings' beta."""
    return [f"beta {beta:g}" for beta in dict.fromkeys((1.0, run.settings.beta))]


def config(run: Run, n_features: int, network: str, n_groups: int = 0, correction: str = "nothing") -> ModelConfig:
    """The series' network; a CVAE's code is the nuisance."""
    s = run.settings
    given = {"n_labels": n_groups, "label_dim": s.label_dim, "y_decoder": True, "y_encoder": correction == "both"}
    given = given if correction in CVAES else {}
    return ModelConfig(n_features, s.latent_dim, s.hidden, float(network.split()[1]), **given)


def removed(run: Run, x: pd.DataFrame, one: Nuisance, correction: str, aside: np.ndarray | None = None) -> np.ndarray:
    """Features [seed, track, D] after a correction without a network, fitted on each seed's training rows."""
    rows = training_rows(run, x.index, aside)
    if correction == "linear":
        return np.stack([removal.linear(x.to_numpy(float), one.targets, train) for train in rows])
    remove = {"means": removal.means, "zscores": removal.zscores}[correction]
    return np.stack([remove(x.to_numpy(float), one.codes, train) for train in rows])


def training_rows(run: Run, tracks: pd.Index, aside: np.ndarray | None = None) -> list[np.ndarray]:
    """Each seed's training rows; tracks `aside` [seed, track] are not among them."""
    groups = artifacts.load(run, "tracks").loc[list(tracks), "group"].to_numpy()
    seeds = protocol.seeds(run) if aside is None else run.settings.seeds(len(aside))
    rows = [training.split(len(tracks), seed, run.settings.held_out, groups)[0] for seed in seeds]
    return rows if aside is None else [each[~out[each]] for each, out in zip(rows, aside, strict=True)]


def trained(run: Run, x: pd.DataFrame, tried: Sequence[Nuisance]) -> dict[Corrected, xr.Dataset]:
    """Latents (mu, z, kl [seed, ...]) of every correction of every nuisance with every network; features x [track,
    D]."""
    wanted: dict[Corrected, Setting] = {}
    for network in networks(run):
        plain = config(run, x.shape[1], network)
        wanted[Corrected("", "nothing", network)] = Setting(plain, x.to_numpy())
        for one in tried:
            for correction in ("means", "zscores", "linear"):
                wanted[Corrected(one.name, correction, network)] = Setting(plain, removed(run, x, one, correction))
            wanted |= conditional(run, x, one, network)
    return stacked_latents(run, wanted, protocol.seeds(run), x.index, protocol.schedule(run, len(x)), kept=("z",))


def conditional(run: Run, x: pd.DataFrame, one: Nuisance, network: str) -> dict[Corrected, Setting]:
    """What the two CVAEs of a nuisance are trained on."""
    n = one.groups.nunique()
    configs = {correction: config(run, x.shape[1], network, n, correction) for correction in CVAES}
    return {Corrected(one.name, correction, network): Setting(one_config, x.to_numpy(), one.codes)
            for correction, one_config in configs.items()}


def without_network(run: Run, x: pd.DataFrame, tried: Sequence[Nuisance]) -> dict[Corrected, xr.Dataset]:
    """The features themselves, standardised on training rows, in the form of latents: nothing removed, and each
    correction that needs no network."""
    rows, seeds = training_rows(run, x.index), protocol.seeds(run)
    found = {Corrected("", "nothing", NO_NETWORK): np.broadcast_to(x.to_numpy(), (len(seeds), *x.shape))}
    found |= {Corrected(one.name, correction, NO_NETWORK): removed(run, x, one, correction)
              for one in tried for correction in ("means", "zscores", "linear")}
    return {name: as_latents(values, rows, seeds, x.index) for name, values in found.items()}


def as_latents(values: np.ndarray, rows: list[np.ndarray], seeds: list[int], tracks: pd.Index) -> xr.Dataset:
    """Features [seed, track, D] as latents: mu and z are the same."""
    mu = np.stack([training.standardise(one, train) for one, train in zip(values, rows, strict=True)])
    return training.as_latents(seeds, mu=mu, z=mu).assign_coords(track=np.asarray(tracks, dtype=object))


# --- clusters, and what they agree with ------------------------------------------------------------------------------
class Clustered(NamedTuple):
    """Clusters of several latents of the same tracks, to be compared with codes of those tracks."""

    ids: dict[Any, np.ndarray]  # latent -> [seed, draw, track]

    def beside(self, other: Clustered) -> Clustered:
        """The clusters of both."""
        return Clustered(self.ids | other.ids)

    def nmi(self, name: Any, codes: np.ndarray) -> np.ndarray:
        """NMI [seed] of one latent's clusters with codes [track]; clustering seeds are averaged."""
        codes = np.unique(codes, return_inverse=True)[1]
        return np.array([[agreement.nmi(codes, draw) for draw in seed] for seed in self.ids[name]]).mean(1)

    def without(self, name: Any, codes: np.ndarray, block: np.ndarray) -> np.ndarray:
        """The same of all tracks, then without each block of tracks [track]: [1 + block, seed]."""
        codes, n = np.unique(codes, return_inverse=True)[1], block.max() + 1
        each = [[agreement.nmi_without(codes, draw, block, n) for draw in seed] for seed in self.ids[name]]
        return np.mean(each, axis=1).T

    def gain(self, better: Any, base: Any, codes: np.ndarray, units: pd.Series) -> intervals.Estimate:
        """NMI with codes [track] of one latent minus another's, seed by seed, over seeds and units [track]."""
        block = intervals.blocks(units)
        change = self.without(better, codes, block) - self.without(base, codes, block)
        return intervals.over_blocks(change[0], change[1:])


def clustered(run: Run, latents: Mapping[Any, xr.Dataset], k: int) -> Clustered:
    """Clusters of every latent."""
    draws, found = run.settings.n_cluster_seeds, {}
    for name, one in latents.items():
        table = jackknife.clusters(run, one, min(k, one.sizes["track"] - 1), draws)
        found[name] = table.to_numpy().T.reshape(one.sizes["seed"], draws, -1)
    return Clustered(found)
