"""Second modalities of known information joined with audio: from none to all, and the same permuted over tracks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from lib.scores import nulls
from lib.store.runs import Run
from lib.studies.fusion import known_modality
from lib.studies.fusion.gains import Fused, gain_rows, measure, over_singles
from lib.studies.fusion.known_modality import Made
from lib.studies.fusion.methods import MEANING, METHODS, Points

# Shares of all there is to know; in full both kinds are one
SHARES = {"noisy": (0, 0.25, 0.5, 0.75, 1), "discrete": (0, 0.5)}
TRAINED = (0, 0.5, 1)  # shares at which the multimodal VAE is trained, and all seeds are used
Dose = tuple[str, float]  # kind and share


class First(NamedTuple):
    """The first modality, and what all fusions with it share."""

    audio: Points
    x: pd.DataFrame  # [track, D] raw features, for the multimodal VAE
    genre: pd.Series  # [track], for evaluation
    k: int  # clusters
    latent_dim: int

    def join(self, second: Points, trained: bool = True, singles: bool = True) -> Fused:
        """`gains.measure` with a second modality; `trained`: with the multimodal VAE."""
        return measure(self.audio, second, self.genre, self.k, self.x if trained else None, self.latent_dim, singles)


def methods_table() -> pd.DataFrame:
    """What each method joins, for readers."""
    return pd.DataFrame({"method": MEANING.keys(), "points that are clustered": MEANING.values()})


def made(known: pd.Series, full: float) -> dict[Dose, Made]:
    """Modalities built from labels `known` [track], whose entropy is `full` nats."""
    return {(kind, share): known_modality.make(kind, known, share * full) for kind in SHARES for share in SHARES[kind]}


def amounts(found: Mapping[Dose, Made], full: float) -> pd.DataFrame:
    """Information in nats that was asked for, and that codes and vectors have; a row per dose."""
    return pd.DataFrame([{"view": one.kind, "asked": share * full, "code": one.code, "vectors": one.information,
                          "standard error": one.error, "signal": one.signal} for (_, share), one in found.items()])


def drawn(run: Run, one: Made, known: pd.Series, seeds: list[int]) -> Points:
    """Draws of a modality, as wide as lyrics and no narrower than there are labels."""
    dim = max(run.settings.lyrics_dim, known.nunique())
    return {seed: known_modality.draw(one, known, dim, seed) for seed in seeds}


def measured(run: Run, first: First, found: Mapping[Dose, Made], known: pd.Series) -> dict[Dose, Fused]:
    """Every dose joined with audio; those between have fewer seeds and no multimodal VAE."""
    few = run.settings.seeds(run.settings.n_seeds_sweep)
    results = {dose: first.join(drawn(run, one, known, run.seeds if dose[1] in TRAINED else few), dose[1] in TRAINED)
               for dose, one in found.items()}
    return results | {("discrete", 1): results["noisy", 1]}


def permuted(run: Run, first: First, found: Mapping[Dose, Made], known: pd.Series) -> tuple[dict[float, Fused], Fused]:
    """Half and all of the information with rows permuted over all tracks, by share; and half of it exchanged within
    labels."""
    few = run.settings.seeds(run.settings.n_seeds_sweep)
    draws = {share: drawn(run, found["noisy", share], known, few) for share in (0.5, 1)}
    anywhere = {share: first.join(each(one, nulls.permuted)) for share, one in draws.items()}
    return anywhere, first.join(each(draws[0.5], lambda v, s: nulls.permuted(v, s, known)), trained=False)


def each(second: Points, change: Callable[[pd.DataFrame, int], pd.DataFrame]) -> Points:
    """A modality changed in each seed."""
    return {seed: change(one, seed) for seed, one in second.items()}


# --- what they gain --------------------------------------------------------------------------------------------------
def gain_curves(results: Mapping[Dose, Fused], anywhere: Mapping[float, Fused],
                full: float) -> dict[str, dict[str, pd.DataFrame]]:
    """Gain in NMI over the better single modality [nats, seed] by kind and method; nats of what was permuted over
    tracks (`permuted`) are negative."""
    curves: dict[str, dict[str, pd.DataFrame]] = {kind: {} for kind in SHARES}
    for kind in SHARES:
        for method in MEANING:
            parts = {share * full: one.nmi for (other, share), one in results.items()
                     if other == kind and method in one.nmi}
            parts |= {-share * full: one.nmi for share, one in anywhere.items() if kind == "noisy" or share == 1}
            curves[kind][method] = pd.DataFrame({at: over_singles(nmi, method).iloc[:, 0]
                                                 for at, nmi in sorted(parts.items())}).T
    return curves


def mean_gains(fused: Fused) -> dict[str, float]:
    """Mean gain in NMI over the better single modality, by method."""
    return {method: float(over_singles(fused.nmi, method).iloc[:, 0].mean()) for method in METHODS}


def gains(results: Mapping[Dose, Fused], anywhere: Mapping[float, Fused], found: Mapping[Dose, Made]) -> pd.DataFrame:
    """`gain_rows` of every dose and of what was permuted over tracks, bounds simultaneous over all; with view, share,
    nats and seeds."""
    every = {dose: one.nmi for dose, one in results.items() if dose != ("discrete", 1)}
    every |= {("noisy, permuted" if share < 1 else "noiseless, permuted", share): one.nmi
              for share, one in anywhere.items()}
    family = sum(method in nmi for nmi in every.values() for method in MEANING)
    rows = [gain_rows(nmi, family).assign(view=kind, share=share,
                                          nats=0 if "permuted" in kind else found[kind, share].information)
            for (kind, share), nmi in every.items()]
    table = pd.concat(rows, ignore_index=True)
    return table.assign(seeds=[value.n for value in table["nmi"]])


def knowing(table: pd.DataFrame, full: float) -> dict[str, pd.DataFrame]:
    """The rows of `gains` whose second modality knows nothing, something, and all of the `full` nats."""
    nothing = (table["share"] == 0) | table["view"].str.contains("permuted")
    return {"nothing": table[nothing], "something": table[table["nats"].between(0.01 * full, 0.99 * full)],
            "all": table[(table["share"] == 1) & (table["nats"] > 0)]}


def over_information(results: Mapping[Dose, Fused], full: float,
                     steps: Sequence[str] = tuple(MEANING)) -> dict[str, pd.DataFrame]:
    """NMI [nats, seed] of steps over the information of the noisy modality."""
    return {step: pd.DataFrame({share * full: one.nmi[step] for (kind, share), one in results.items()
                                if kind == "noisy" and step in one.nmi}).T for step in steps}
