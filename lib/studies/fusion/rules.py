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
    able = _in_order(rows.loc[rows["bound"] > 0, "method"])
    words = "the simultaneous 95 % lower bound of at least one method lies above zero between no and full information"
    return ruling(best["bound"] > 0 if seeds >= SEEDS else None, words, able=", ".join(able), gain=best["over_better"],
                  k=len(able), n=rows["method"].nunique(), **best[["method", "nats", "view", "bound"]])


@rule
def some_lose(rows: pd.DataFrame) -> Ruling:
    """Does a method score below audio alone, with any kind of modality? Rows of `doses.gains`; `said` names those."""
    harmed = _in_order(rows.loc[[gain.high < 0 for gain in rows["over_audio"]], "method"])
    known = any(gain.n for gain in rows["over_audio"])
    return ruling(len(harmed) > 0 if known else None, "the 95 % interval of a gain over audio lies below zero",
                  said=", ".join(harmed), k=len(harmed), n=rows["method"].nunique())


def _in_order(methods: pd.Series) -> list[str]:
    return sorted(set(methods), key=list(MEANING).index)


@rule
def enough_text(has_text: bool) -> Ruling:
    """Has the corpus a second modality of its own?"""
    return ruling(has_text, "more tracks than clusters have lyrics")


@rule
def gains_above_zero(low: float) -> Ruling:
    """Does the lower end of a gain lie above zero?"""
    return ruling(low > 0, "{end} lies above zero")


@rule
def acts_as_label(lost: pd.Series, worth: pd.Series) -> Ruling:
    """Is most of a modality's worth its labels? NMI [seed] lost when it is exchanged within labels, and
    between all tracks."""
    kept = interval(worth - 2 * lost)
    return ruling(interval(worth).low > 0 and kept.low > 0,
                  "exchange between all tracks costs NMI, and within {label} less than half of that (intervals)",
                  within=interval(-lost), over_all=interval(-worth))


@rule
def only_a_label(gain: pd.Series, lost: pd.Series) -> Ruling:
    """Is all of a modality's worth its labels? Gain over audio, and what exchange within labels costs: NMI [seed]."""
    return ruling(interval(gain).low > 0 and lost.mean() < 0.1 * gain.mean(),
                  "the interval of the gain over audio lies above zero; exchange within {label} costs below a tenth",
                  gain=float(gain.mean()), lost=float(lost.mean()), share=float(1 - lost.mean() / (gain.mean() or 1)))


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
