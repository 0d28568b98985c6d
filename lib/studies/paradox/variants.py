"""Other draws of the built-in corpus: is what a CVAE's clusters capture a finding, or a choice made with the corpus?

A corpus whose factors have other ranges is drawn by choosing tracks: how a track was recorded is independent of its
genre and of its other factors, so tracks from a part of a factor's range are a corpus composed with that range.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
import pandas as pd
import xarray as xr

from lib.models.latents import schedule_of, sweep_latents
from lib.scores import clustering, properties
from lib.scores import table as scores
from lib.scores.intervals import Interval, interval
from lib.store import engine
from lib.store.runs import Run
from lib.store.streams import stream
from lib.studies.paradox import experiments
from lib.studies.paradox.rules import EDGE, LESS, MORE, NOTHING

LEVEL_OF_P = 0.05
LEVEL = "loudness_db"  # a factor that can dominate where `EDGE` does not


def possible(run: Run) -> bool:
    """Is this the built-in corpus, whose factors are independent by construction?"""
    return run.settings.corpus == "controlled"


def drawn(factors: pd.DataFrame, seed: int) -> dict[str, pd.Index]:
    """The tracks of each variant, a third of `factors` [track, name]: two disjoint draws of the corpus as composed, the
    band edge in a narrow and at both ends of its range, and in a narrow range with level at both ends of its own."""
    order, third = stream(seed, "variants of the corpus").permutation(len(factors)), len(factors) // 3
    edge, level = (factors[name].rank(pct=True) for name in (EDGE, LEVEL))
    narrow = factors.index[(edge - 0.5).abs().rank(method="first") <= len(factors) / 2]
    return {"as composed, first draw": factors.index[order[:third]],
            "as composed, second draw": factors.index[order[third: 2 * third]],
            MORE: (edge - 0.5).abs().nlargest(third).index,
            LESS: (edge - 0.5).abs().nsmallest(third).index,
            "low-pass corner less, loudness more varied": (level.loc[narrow] - 0.5).abs().nlargest(third).index}


def latents(run: Run, x: pd.DataFrame, labels: pd.Series, parts: Mapping[str, pd.Index]) -> dict[str, xr.Dataset]:
    """The CVAE of the headline beta trained on each part of x [track, D] alone: two seeds."""
    config = experiments.config(run, x.shape[1], labels, beta=run.settings.beta)
    found = engine.together({
        name: partial(sweep_latents, run, "cvae_variant", x.loc[sorted(part)], config, [config.beta],
                      run.settings.seeds(2), labels=labels, schedule=schedule_of(run), kept=())
        for name, part in parts.items()})
    return {name: by_beta[config.beta] for name, by_beta in found.items()}


def captured(run: Run, found: Mapping[str, xr.Dataset], factors: pd.DataFrame, genre: pd.Series) -> pd.DataFrame:
    """What the clusters of each variant capture: its tracks, the factor whose variance within labels lies most between
    clusters (mean over seeds), that share and its p, and the share of the band edge and of level.

    p is that of tracks permuted within labels, corrected for the number of factors and of variants, the larger of the
    two seeds'; where it is above 0.05, the clusters capture `NOTHING`.
    """
    numbers, rows = factors.select_dtypes("number"), []
    for name, one in found.items():
        tracks = one.track.values
        k = min(scores.n_clusters(run, genre), len(tracks) // 4)
        some, y = properties.indicators(numbers.loc[tracks]), genre.loc[tracks].to_numpy()
        by_seed = {seed: properties.association(
            np.eye(k)[clustering.cluster(one.mu.sel(seed=seed).values.astype(float), k, seed=run.settings.seed)], some,
            y, run.settings.n_permutations) for seed in one.seed.values.tolist()}
        shares, p = (pd.DataFrame({seed: table[of] for seed, table in by_seed.items()}) for of in ("within", "p"))
        first = shares.mean(axis=1).idxmax()
        chance = min(1.0, len(found) * p.loc[first].max())
        rows.append({"variant": name, "tracks": len(tracks), "most between clusters": first if chance <= LEVEL_OF_P
                     else NOTHING, "share": _over_seeds(shares.loc[first]), "p": chance}
                    | {of: _over_seeds(shares.loc[of]) for of in (EDGE, LEVEL)})
    return pd.DataFrame(rows)


def _over_seeds(shares: pd.Series) -> Interval:
    return interval(shares, within=(0.0, 1.0))
