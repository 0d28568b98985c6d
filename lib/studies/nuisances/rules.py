"""The rule behind every verdict on conditioning on nuisances."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from lib.report.rules import Ruling, in_words, rule, ruling
from lib.scores import intervals
from lib.scores.intervals import Estimate
from lib.studies.nuisances import gains
from lib.studies.nuisances.coincidence import LABEL, NUISANCE
from lib.studies.nuisances.found import shown
from lib.studies.nuisances.gains import FEW, NEGATIVE, POSITIVE

FAMILY = ("p of t over seeds and sampling units, corrected by Holm for all nuisances and both CVAEs, at most "
          f"{gains.ALPHA:g}")
FOLLOWS = 0.5  # rank correlation from which measurement is said to follow theory


def _names(rows: pd.DataFrame) -> str:
    each = rows.groupby("nuisance", sort=False)["correction"].unique()
    return in_words(f"{shown(name)} ({'both CVAEs' if len(corrections) > 1 else shown(corrections[0])})"
                    for name, corrections in each.items())


@rule
def gained(row: Mapping[str, Any]) -> Ruling:
    """Does a CVAE agree better with the labels than what it is compared with? A row of `gains.family`; the sentence
    says which of positive, negative and not decided it is."""
    return ruling(row["outcome"] == POSITIVE, f"positive: {FAMILY}, and above zero", gain=row["gain"],
                  outcome=row["outcome"])


@rule
def network_pays(family: pd.DataFrame, over: str) -> Ruling:
    """Does a network beat means that are subtracted, for any nuisance? Rows of `gains.family`."""
    rows = family[family["over"] == over]
    better, worse = (rows[rows["outcome"] == outcome] for outcome in (POSITIVE, NEGATIVE))
    decided = len(rows) and not rows["outcome"].eq(FEW).all()
    return ruling(len(better) > 0 if decided else None, f"for at least one nuisance, {FAMILY}, and above zero",
                  n=len(rows), k=len(better), better=_names(better), worse=_names(worse),
                  open=len(rows) - len(better) - len(worse))


@rule
def something_to_remove(family: pd.DataFrame, associated: pd.DataFrame) -> Ruling:
    """Is there a nuisance whose removal brings the labels forward? Rows of `gains.family`, and `gains.associations`.

    A gain through a nuisance that goes with the label does not count, since the label may have come that way.
    """
    rows = family[family["over"] == gains.NOTHING]
    through = [gains.label_use(correction, bool(associated.loc[name, "goes with label"])) != "none"
               for name, correction in zip(rows["nuisance"], rows["correction"], strict=True)]
    rows = rows[~np.array(through, bool)]
    pays, costs = (rows[rows["outcome"] == outcome] for outcome in (POSITIVE, NEGATIVE))
    rest = sorted(set(rows["nuisance"]) - set(pays["nuisance"]) - set(costs["nuisance"]))
    decided = len(rows) == 0 or not rows["outcome"].eq(FEW).all()
    return ruling(len(pays) > 0 if decided else None,
                  f"a CVAE over the VAE: {FAMILY}, and above zero; not through a nuisance that goes with the label",
                  n=len(associated), pays=_names(pays), costs=_names(costs), rest=in_words(map(shown, rest)))


@rule
def controls_stay(table: pd.DataFrame, margin: float) -> Ruling:
    """Does every control stay within the margin? The table of `gains.control_gains`."""
    out = table[~table["within"]]
    counts = out["why"].value_counts(sort=False)
    return ruling(out.empty, "every mean change of NMI lies within the margin, which was fixed in advance",
                  n=len(table), k=len(out), margin=margin, why="; ".join(f"{n} × {why}" for why, n in counts.items()),
                  unexplained=int(out["why"].eq(gains.UNEXPLAINED).sum()))


@rule
def goes_along(associated: pd.DataFrame) -> Ruling:
    """Does any nuisance go with the label? The table of `gains.associations`."""
    found = associated[associated["goes with label"]]
    words = f"mutual information with the label above its permutation null, p at most {gains.ALPHA:g}"
    names = ", ".join(map(shown, found.index)) or "none"
    return ruling(len(found) > 0, words, n=len(associated), k=len(found), names=names)


@rule
def works_unseen(found: pd.DataFrame) -> Ruling:
    """Does any correction help with groups that it was not fitted on? NMI [fold, correction] (`unseen.agreements`)."""
    change = {correction: intervals.paired(found[correction], found["nothing"])
              for correction in found if correction != "nothing"}
    known = all(np.isfinite(one.low) for one in change.values())
    names = [correction for correction, one in change.items() if one.low > 0]
    others = [correction for correction in change if correction not in names]
    with_gain = [f"{shown(one)} ({change[one].mean:+.3f})" for one in others]
    return ruling(bool(names) if known else None,
                  "the 95 % interval over folds of the paired difference lies above zero",
                  names=in_words(map(shown, names)), folds=len(found), **change,
                  others=f"; it is not shown to improve with {in_words(with_gain)}" if others else "")


@rule
def ends_hold(changes: Mapping[tuple[float, str], Estimate]) -> Ruling:
    """Where nuisance and label are independent, does the nuisance leave and the label stay; where they coincide, do
    both leave? The changes of `coincidence.ends`."""
    low, high = (end(strength for strength, _ in changes) for end in (min, max))
    apart, away, label, nuisance = (changes[at].interval for at in
                                    ((low, LABEL), (low, NUISANCE), (high, LABEL), (high, NUISANCE)))
    known = all(np.isfinite(one.low) for one in (apart, away, label, nuisance))
    verdict = not apart.high < 0 and away.high < 0 and label.high < 0 and nuisance.high < 0
    return ruling(verdict if known else None,
                  "95 % intervals over seeds and recordings: below zero for all but the label where it is independent, "
                  "whose interval is not below zero",
                  stays=apart, leaves=away, label_change=label, nuisance=nuisance)


@rule
def within_bound(table: pd.DataFrame) -> Ruling:
    """Do CVAEs keep at most the dimensions that linear theory allows? The table of `explaining.beside`."""
    over = [value.mean > bound + 1e-9 for value, bound in zip(table["active_dims"], table["above"], strict=True)]
    return ruling(not any(over), "mean over seeds at most the eigenvalues within groups above beta/2", n=len(table),
                  broken=sum(over))


@rule
def follows_theory(table: pd.DataFrame) -> Ruling:
    """Does more of the rate leave where theory says so? The table of `explaining.beside`."""
    measured = np.array([value.mean for value in table["leaves"]])
    enough = len(table) > 3 and np.ptp(measured) > 0 and np.ptp(table["leaves, theory"]) > 0
    r = float(stats.spearmanr(table["leaves, theory"], measured).statistic) if enough else float("nan")
    return ruling(r >= FOLLOWS if enough else None, f"rank correlation over nuisances and betas at least {FOLLOWS:g}",
                  r=r, n=len(table))
