"""Controls: nuisances of the same group sizes that say nothing, or nothing but what the label says."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from lib.models.latents import stacked_latents
from lib.scores import nulls
from lib.store.arithmetic import joint, mutual_information
from lib.store.labels import must_be_open
from lib.store.runs import Run
from lib.store.streams import stream
from lib.studies.nuisances import corrected, protocol
from lib.studies.nuisances.corrected import NO_NETWORK, Corrected
from lib.studies.nuisances.found import Nuisance

OVER_ALL, WITHIN = "permuted over all tracks", "permuted within label"
KINDS = (OVER_ALL, WITHIN)
CORRECTIONS = ("means", *corrected.CVAES)  # means without a network, CVAEs of beta 1


def nuisance(one: Nuisance, kind: str, labels: pd.Series, seed: int) -> Nuisance:
    """The nuisance with its groups permuted over all tracks, or only among tracks of one label; labels [track]."""
    must_be_open(labels, "supervised_control")
    within = labels.loc[one.groups.index].to_numpy() if kind == WITHIN else None
    order = nulls.permutation(len(one.groups), stream(seed, "permuted nuisances"), within)
    groups = pd.Series(one.groups.to_numpy()[order], one.groups.index)
    return one._replace(name=f"{one.name}, {kind}", groups=groups, targets=one.targets[order])


def trained(run: Run, x: pd.DataFrame, tried: Sequence[Nuisance], labels: pd.Series) -> dict[Corrected, xr.Dataset]:
    """Latents of both controls of every nuisance: means removed without a network, and the CVAEs of beta 1."""
    seeds, rows, wanted, found = protocol.seeds(run), corrected.training_rows(run, x.index), {}, {}
    for one in (nuisance(each, kind, labels, run.settings.seed) for each in tried for kind in KINDS):
        values = corrected.removed(run, x, one, "means")
        found[Corrected(one.name, "means", NO_NETWORK)] = corrected.as_latents(values, rows, seeds, x.index)
        wanted |= corrected.conditional(run, x, one, corrected.networks(run)[0])
    return found | stacked_latents(run, wanted, seeds, x.index, protocol.schedule(run, len(x)))


def associated(one: Nuisance, labels: pd.Series, n_permutations: int, seed: int = 0) -> dict[str, float]:
    """I(nuisance; label) in nats of their tables, its mean with the nuisance permuted, and the p of that null."""
    codes, y = one.codes, np.unique(labels.loc[one.groups.index].to_numpy(), return_inverse=True)[1]
    rng, value = stream(seed, "permuted nuisances", 1), mutual_information(joint(codes, y))
    null = np.array([mutual_information(joint(rng.permutation(codes), y)) for _ in range(n_permutations)])
    return {"information": value, "null": float(null.mean()), "p": float(nulls.upper_p(value, null))}
