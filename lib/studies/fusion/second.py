"""The corpus's own second modality, or what stands in for it: controls, gains, tracks that lack it, and what the
earlier study expected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from lib.features import blocks
from lib.models import multimodal
from lib.scores import information, intervals, nulls
from lib.store import artifacts
from lib.store.runs import Run
from lib.studies.fusion import known_modality
from lib.studies.fusion.doses import Dose, First, each
from lib.studies.fusion.gains import Fused, agreement, cluster_all, gain_over_tracks, gain_rows, score_rows
from lib.studies.fusion.methods import MEANING, Points

# What the earlier study expected of fusion, in two places and without a source: ranges of NMI, and of several scores
EXPECTED = {"expected without leak": (0.35, 0.55), "expected with leak": (0.95, 0.99)}
RANGES = (("nmi", 0.35, 0.55), ("nmi", 0.40, 0.60), ("ari", 0.30, 0.50), ("purity", 0.40, 0.60), ("purity", 0.50, 0.70),
          ("more than audio", 0.05, 0.15))


class Second(NamedTuple):
    """A second modality joined with audio."""

    fused: Fused
    name: str
    label_use: str
    is_text: bool
    kind: str  # of text, for readers

    @property
    def setting(self) -> str:
        """What the score table calls it."""
        return self.name if self.is_text else f"control: {self.name}"

    def points(self, seeds: list[int]) -> Points:
        """It alone, on the tracks that have both modalities."""
        return {seed: self.fused.points["second"][seed] for seed in seeds}


def own(run: Run, first: First, stand_in: Fused) -> Second:
    """The corpus's lyrics, or the made-up `stand_in` where no more tracks than clusters have any."""
    text = artifacts.load(run, "lyrics_embeddings")
    text = text.dropna().loc[:, text.notna().any()]
    kind = "synthetic" if run.settings.corpus == "controlled" else "real text"
    if text.shape[1] == 0 or len(text) <= first.k:
        return Second(stand_in, "noisy modality", "features", False, kind)
    return Second(first.join({seed: text for seed in run.seeds}), "lyrics", "none", True, kind)


def text_dose(run: Run, second: Second, genre: pd.Series) -> float | None:
    """What the topics of written lyrics, as they were drawn, know of labels [track], nats, corrected for chance: the
    most that the texts can know. None of other second modalities."""
    if not second.is_text or run.settings.corpus != "controlled":
        return None
    topics = artifacts.load(run, "factors")["topic"].loc[genre.index]
    codes = (np.unique(values.to_numpy().astype(str), return_inverse=True)[1] for values in (topics, genre))
    return max(0.0, information.beyond_chance(*codes, run.settings.seed)[0])


def controls(first: First, second: Points, cvae_audio: Points) -> dict[str, Fused]:
    """The same fusions with the second modality permuted over all tracks, among tracks of the same label, with noise
    for it; and with a conditional model's latents for audio."""
    changed = {"permuted over all tracks": each(second, nulls.permuted),
               "exchanged within labels": each(second, lambda v, s: nulls.permuted(v, s, first.genre)),
               "noise": each(second, lambda v, s: known_modality.noise(v.index, v.shape[1], s))}
    found = {which: first.join(one, singles=False) for which, one in changed.items()}
    return found | {"CVAE as audio": first._replace(audio=cvae_audio).join(second, trained=False, singles=False)}


def gain_table(fused: Fused, beside: Mapping[str, Fused], first: First, permuted: pd.Series,
               groups: pd.Series) -> pd.DataFrame:
    """`gain_rows` with NMI of permuted labels and of each of the `controls`, and the gain over the better single
    modality with an interval over tracks (`groups` of duplicates [track])."""
    rows, chance = gain_rows(fused.nmi, len(MEANING)), agreement(fused.clusters, permuted)
    rows["permuted labels"] = [chance[method].mean() for method in rows["method"]]
    for which, one in beside.items():
        rows[which] = [intervals.of_metric(one.nmi[method].dropna() if method in one.nmi else [], "nmi")
                       for method in rows["method"]]
    rows["over_better_tracks"] = [gain_over_tracks(fused, first.genre, method, groups) for method in rows["method"]]
    return rows


def score_table(second: Second, rows: pd.DataFrame, permuted: pd.Series) -> pd.DataFrame:
    """NMI of either modality alone and of each fusion (`gain_table`), beside controls."""
    chance = agreement(second.fused.clusters, permuted)
    alone = pd.DataFrame([{"method": f"{title} alone", "nmi": intervals.of_metric(second.fused.nmi[step], "nmi"),
                           "permuted labels": chance[step].mean()}
                          for step, title in (("audio", "audio"), ("second", second.name))])
    gained = ["over_audio", "over_better", "better", "bound", "over_better_tracks"]
    return pd.concat([alone, rows.drop(columns=gained)], ignore_index=True)


def kept_without(first: First, second: Points, permuted: pd.Series) -> pd.DataFrame:
    """NMI of clusters of all tracks, of those without and with a second modality: columns tracks, n, and each model.

    Where no track lacks it, it is taken from a third of them, drawn at random for each seed.
    """
    tracks = first.x.index
    if all(len(one) == len(tracks) for one in second.values()):
        second = each(second, lambda one, seed: one.sample(frac=2 / 3, random_state=seed))
    made = multimodal.latents(first.x, second, first.latent_dim)
    found = cluster_all({"audio (VAE)": {seed: first.audio[seed] for seed in second},
                         "audio expert": made["poe: audio"], "multimodal VAE": made["poe"]}, first.k)
    judged = {step: (one, first.genre) for step, one in found.items()}
    judged["permuted labels"] = found["multimodal VAE"], permuted
    rows = []
    for which, part in (("without", tracks.difference), ("with", tracks.intersection)):
        some = {seed: part(one.index) for seed, one in second.items()}
        by_seed = {step: [agreement({step: one.loc[some[s], [s]]}, labels).iloc[0, 0] for s in some]
                   for step, (one, labels) in judged.items()}
        nmi = {step: intervals.of_metric(values, "nmi") for step, values in by_seed.items()}
        rows.append({"tracks": f"{which} second modality", "n": len(next(iter(some.values())))} | nmi)
    return pd.DataFrame(rows)


# --- the earlier study's generator, and what it expected -------------------------------------------------------------
def generator_gain(first: First, vectors: pd.DataFrame) -> pd.DataFrame:
    """NMI [seed] that a generator's vectors [track, column] gain over audio, and lose when exchanged within labels."""
    joined = {"audio": first.audio, "fix": each(first.audio, lambda one, _: blocks.weighted_blocks(one, vectors)),
              "exchanged": each(first.audio, lambda one, seed: blocks.weighted_blocks(
                  one, nulls.permuted(vectors, seed, first.genre)))}
    nmi = agreement(cluster_all(joined, first.k), first.genre)
    return pd.DataFrame({"gain": nmi["fix"] - nmi["audio"], "lost": nmi["fix"] - nmi["exchanged"]})


def judged(rows: pd.DataFrame, nmi: pd.DataFrame, method: str) -> pd.DataFrame:
    """The ranges that were expected of honest fusion beside one method: its score rows, and NMI [seed, step]."""
    value = {metric: intervals.of_metric(intervals.by_seed(rows, metric, method=f"fusion_{method}"), metric)
             for metric in ("nmi", "ari", "purity")}
    value["more than audio"] = intervals.interval(nmi[method] / nmi["audio"] - 1)
    return pd.DataFrame([{"score": metric, "expected": f"{low} to {high}", "measured": value[metric],
                          "met": intervals.in_window(value[metric], low, high)} for metric, low, high in RANGES])


def best_reached(methods: Mapping[str, pd.DataFrame]) -> pd.Series:
    """The best mean NMI of any method with at most so much information, by nats: from `doses.over_information`."""
    return pd.concat([one.mean(axis=1).rename(method) for method, one in methods.items()], axis=1).max(axis=1).cummax()


def own_rows(run: Run, first: First, second: Second) -> pd.DataFrame:
    """Score rows of every fusion of the own modality."""
    return score_rows(run, second.fused, first.genre, second.setting, "mfcc+lyrics", second.label_use)


def all_rows(run: Run, first: First, second: Second, beside: Mapping[str, Fused],
             results: Mapping[Dose, Fused]) -> pd.DataFrame:
    """`own_rows`, and brief ones of every dose and of every control."""
    use = {"CVAE as audio": "both", "exchanged within labels": "features"}
    doses = [score_rows(run, one, first.genre, f"control: {kind} modality {share:g} of all", "mfcc+synthetic",
                        "features", brief=True)
             for (kind, share), one in results.items() if (kind, share) != ("discrete", 1)]
    controls = [score_rows(run, one, first.genre, f"control: {second.name} {which}", "mfcc+lyrics",
                           use.get(which, second.label_use), brief=True) for which, one in beside.items()]
    return pd.concat([own_rows(run, first, second), *doses, *controls])
