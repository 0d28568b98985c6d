"""Made-up text of known information: what its embedding, alone and joined with audio, tells of the labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import pandas as pd

from lib.features.blocks import weighted_blocks
from lib.features.lyrics import embed
from lib.studies.leakage import generators, shuffles
from lib.studies.leakage.outcomes import Result

ASKED = (0.0, 0.5, 1.0, 1.5, 2.3)  # nats of the labels to put into the text
EXPECTED = {"expected without leak": (0.35, 0.55), "expected with leak": (0.95, 0.99)}  # NMI of the earlier study


class Curves(NamedTuple):
    """Agreement with the labels over the information put in."""

    outcome: Result  # of the audit's test, on the first draw
    table: pd.DataFrame  # of the first draw, a row per dose (`shuffles.dose_curve`)
    nmi: dict[str, pd.DataFrame]  # "text alone" and "audio and text": [mean dose, draw]
    reference: dict[str, float]  # audio alone, and with the label itself


def texts(labels: pd.Series, draws: list[int]) -> dict[int, list[tuple[pd.Series, float]]]:
    """Texts [track] made up from `labels` [track]: draw -> for each of `ASKED` the texts, and the nats in them."""
    return {seed: [generators.dosed_texts(labels, asked, seed) for asked in ASKED] for seed in draws}


def curves(made: Mapping[int, list[tuple[pd.Series, float]]], labels: pd.Series, audio: pd.DataFrame, dim: int,
           leak: pd.DataFrame) -> Curves:
    """Embed every text in `dim` dimensions, and hold it, alone and joined with `audio` [track, D] in equal blocks,
    against `labels` [track]; `leak` [track, dim] is joined with audio for comparison."""
    found = {seed: shuffles.dose_curve({nats: embed(words, dim, seed) for words, nats in some}, labels, audio, seed)
             for seed, some in made.items()}
    first = next(iter(found))
    outcome, table = found[first]
    columns = {"text alone": "nmi_alone", "audio and text": "nmi_fused"}
    place = pd.DataFrame({seed: [nats for _, nats in some] for seed, some in made.items()})  # [asked, draw]
    at = place.mean(axis=1).rename("dose")
    nmi = {name: pd.DataFrame({seed: curve.set_index("dose")[column].loc[place[seed]].to_numpy()
                               for seed, (_, curve) in found.items()}, at) for name, column in columns.items()}
    full = shuffles.agreement(weighted_blocks(audio, leak), labels, first)
    reference = {"audio alone": float(table["nmi_first"].mean()), "audio and the label (first generator)": full}
    return Curves(outcome, table, nmi, reference)


def expected(found: Curves) -> tuple[int, dict[str, float]]:
    """At how many doses fusion has the NMI that the earlier study expected without a leak; at which (`at`, nats), and
    that of fusion with no information (`none`, at `zero` nats) and of audio alone."""
    fused, (least, most) = found.nmi["audio and text"].mean(axis=1), EXPECTED["expected without leak"]
    inside = fused.index[fused.between(least, most)]
    ends = list(dict.fromkeys(f"{end(inside, default=0):.2f}" for end in (min, max)))
    return len(inside), {"audio": found.reference["audio alone"], "at": f"at {' to '.join(ends)} nats",
                         "zero": float(fused.index[0]), "none": float(fused.iloc[0])}
