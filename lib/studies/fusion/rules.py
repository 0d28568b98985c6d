"""The rules behind the verdicts on fusion. Bounds are simultaneous (`gains.gain_rows`)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lib.report.rules import Ruling, above_zero, rule, ruling
from lib.scores.intervals import interval, of_metric, paired
from lib.studies.fusion.methods import MEANING

SEEDS = 5  # below which a simultaneous bound says nothing


@rule
def none_gains(rows: pd.DataFrame, seeds: int) -> Ruling:
    """Does no method gain over its better single modality? Rows of `doses.gains`."""
    top = rows.loc[rows["bound"].idxmax()]
    return ruling(top["bound"] <= 0 if seeds >= SEEDS else None, "no simultaneous 95 % lower bound lies above zero",
                  bound=top["bound"], method=top["method"])


@rule
def some_gain(rows: pd.DataFrame, seeds: int) -> Ruling:
    """Does a method gain over its better single modality? Rows of `doses.gains`; numbers are of the surest."""
    best = rows.loc[rows["bound"].idxmax()]
    able = sorted(set(rows.loc[rows["bound"] > 0, "method"]), key=list(MEANING).index)
    words = "the simultaneous 95 % lower bound of at least one method lies above zero between no and full information"
    return ruling(best["bound"] > 0 if seeds >= SEEDS else None, words, able=", ".join(able), gain=best["over_better"],
                  **best[["method", "nats", "view", "bound"]])


@rule
def some_lose(rows: pd.DataFrame) -> Ruling:
    """Does a method score below audio alone? Rows of `doses.gains`; `said` names those that do."""
    harmed = rows[[gain.high < 0 for gain in rows["over_audio"]]].groupby("view", sort=False)["method"]
    known = any(gain.n for gain in rows["over_audio"])
    return ruling(len(harmed) > 0 if known else None, "the 95 % interval of a gain over audio lies below zero",
                  said="; ".join(f"{kind}: {', '.join(names)}" for kind, names in harmed))


@rule
def enough_text(has_text: bool) -> Ruling:
    """Has the corpus a second modality of its own?"""
    return ruling(has_text, "more tracks than clusters have text")


@rule
def gains_above_zero(low: float) -> Ruling:
    """Does the lower end of a gain lie above zero?"""
    return ruling(low > 0, "{end} lies above zero")


@rule
def acts_as_label(lost: pd.Series, worth: pd.Series) -> Ruling:
    """Is most of a modality's worth its labels? NMI [seed] lost when dealt within labels, and when dealt to all."""
    kept = interval(worth - 2 * lost)
    return ruling(interval(worth).low > 0 and kept.low > 0,
                  "dealing to all costs a resolved part, and dealing within {label} less than half of it",
                  lost=interval(lost), worth=interval(worth))


@rule
def only_a_label(gain: pd.Series, lost: pd.Series) -> Ruling:
    """Is all of a modality's worth its labels? Gain over audio, and what dealing within labels costs: NMI [seed]."""
    return ruling(interval(gain).low > 0 and lost.mean() < 0.1 * gain.mean(),
                  "the gain over audio is resolved, and the shuffle within {label} costs less than a tenth of it",
                  gain=float(gain.mean()), lost=float(lost.mean()))


@rule
def needs_information(reached: pd.Series, low: float, high: float) -> Ruling:
    """Does fusion need information to score in a range of NMI? The best that is `reached`, by nats; the numbers are the
    nats at which it meets either end."""
    at = np.interp([low, high], reached.to_numpy(), reached.index.to_numpy())
    return ruling(reached.iloc[0] < low, "without information the best mean NMI lies below the expected range",
                  low=float(at[0]), high=float(at[1]))


@rule
def reads_more(read: pd.Series, unread: pd.Series) -> Ruling:
    """Is more read from one latent than from another? Accuracies [seed] of the same reader."""
    accuracy = {name: of_metric(values, "accuracy") for name, values in (("read", read), ("unread", unread))}
    return above_zero(paired(read, unread)) | accuracy
