"""What each correction gains, over nothing and over subtracting means, with one interval over seeds and sampling
units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from lib.report.rules import judge
from lib.scores import intervals
from lib.store.runs import Run
from lib.studies.nuisances import corrected, permuted, protocol
from lib.studies.nuisances import found as nuisances
from lib.studies.nuisances.corrected import NO_NETWORK, Clustered, Corrected
from lib.studies.nuisances.found import Nuisance

ALPHA = 0.05
THROUGH = "through nuisance"  # the latent sees a nuisance that goes with the label
# What gains are over
NOTHING, MEANS, MEANS_VAE = "no correction", "subtracted means", "subtracted means before the VAE"
UNEXPLAINED = "unexplained"
POSITIVE, NEGATIVE, OPEN, FEW = "positive", "negative", "not decided", "not decided: too few units"


def associations(run: Run, tried: Sequence[Nuisance], labels: pd.Series) -> pd.DataFrame:
    """I(nuisance; label) of each nuisance (rows), its null, p, and p after Holm; `goes with label` by the latter."""
    rows = [permuted.associated(one, labels, run.settings.n_permutations, run.settings.seed) for one in tried]
    table = pd.DataFrame(rows, index=pd.Index([one.name for one in tried], name="nuisance"))
    return table.assign(**{"goes with label": table["p"] <= ALPHA})


def label_use(correction: str, goes_with_label: bool) -> str:
    """Does a correction's latent learn of labels? Through a nuisance that goes with them, where it depends on the
    track's group."""
    return THROUGH if correction in corrected.GIVEN and goes_with_label else "none"


def base_of(name: Corrected) -> Corrected:
    """What a correction is compared with: the same network, uncorrected."""
    return Corrected("", "nothing", name.network)


def of_corrections(run: Run, found: Clustered, tried: Sequence[Nuisance], y: np.ndarray, units: pd.Series,
          associated: pd.DataFrame) -> pd.DataFrame:
    """Every corrected latent: nuisance, correction, network, NMI with labels y [track] (of all seeds, and as an
    interval) and with the nuisance, gain over no correction (over seeds and units), p, and `label_use`."""
    codes, rows = {one.name: one.codes for one in tried}, []
    for name in found.ids:
        if name.correction == "nothing":
            continue
        over = found.gain(name, base_of(name), y, units)
        use = label_use(name.correction, associated.loc[name.nuisance, "goes with label"])
        rows.append(name._asdict() | {
            "seeds": found.nmi(name, y).tolist(), "nmi": intervals.of_metric(found.nmi(name, y), "nmi"),
            "nmi_nuisance": intervals.of_metric(found.nmi(name, codes[name.nuisance]), "nmi"),
            "gain": over.interval, "p": over.p, "label_use": use})
    return pd.DataFrame(rows)


def without(found: Clustered, tried: Sequence[Nuisance], y: np.ndarray) -> pd.DataFrame:
    """NMI of the latents from which nothing is removed: network, NMI with labels y [track], and with each nuisance."""
    rows = []
    for name in (one for one in found.ids if one.correction == "nothing"):
        values = {"network": name.network, "nmi": intervals.of_metric(found.nmi(name, y), "nmi")}
        rows.append(values | {one.name: intervals.of_metric(found.nmi(name, one.codes), "nmi") for one in tried})
    return pd.DataFrame(rows)


def family(run: Run, found: Clustered, tried: Sequence[Nuisance], y: np.ndarray, units: pd.Series) -> pd.DataFrame:
    """The planned comparisons, of the CVAEs of beta 1 with every nuisance that was tried: over the VAE, over means
    subtracted from the features, and over means subtracted and then the VAE. Holm over all CVAEs, for each question.

    Columns nuisance, correction, over, gain, p, p_holm and outcome (positive, negative, not decided).
    """
    network, rows = corrected.networks(run)[0], []
    for one in tried:
        for correction in corrected.CVAES:
            name = Corrected(one.name, correction, network)
            others = {NOTHING: base_of(name), MEANS: Corrected(one.name, "means", NO_NETWORK),
                      MEANS_VAE: Corrected(one.name, "means", network)}
            for over, base in others.items():
                estimate = found.gain(name, base, y, units)
                rows.append({"nuisance": one.name, "correction": correction, "over": over, "gain": estimate.interval,
                             "p": estimate.p})
    table = pd.DataFrame(rows, columns=["nuisance", "correction", "over", "gain", "p"])
    table["p_holm"] = table["p"].fillna(1).groupby(table["over"]).transform(lambda p: intervals.holm(p.to_numpy()))
    return table.assign(outcome=[outcome(value, p, few) for value, p, few in
                                 zip(table["gain"], table["p_holm"], table["p"].isna(), strict=True)])


def headline(rows: pd.DataFrame) -> pd.DataFrame:
    """Of `family`, the CVAE that is given the nuisance in its decoder only, whose latent depends on features alone:
    over nothing removed, and over means."""
    return rows[(rows["correction"] == "decoder") & rows["over"].isin([NOTHING, MEANS])]


def words(row: Any) -> dict[str, str]:
    """What a row of `family` is about, for readers."""
    return {"nuisance": nuisances.shown(row.nuisance), "correction": nuisances.shown(row.correction), "over": row.over}


def outcome(value: intervals.Interval, p: float, few: bool = False) -> str:
    """Positive, negative or not decided, by a corrected p."""
    if few:
        return FEW
    return OPEN if p > ALPHA else POSITIVE if value.mean > 0 else NEGATIVE


def control_gains(run: Run, found: Clustered, tried: Sequence[Nuisance], y: np.ndarray, units: pd.Series,
                  associated: pd.DataFrame) -> pd.DataFrame:
    """What each control changes of the uncorrected network: nuisance, control, correction, gain, `within` (the margin),
    and of those outside why."""
    network, rows = corrected.networks(run)[0], []
    for one in tried:
        for kind in permuted.KINDS:
            for correction in permuted.CORRECTIONS:
                name = Corrected(f"{one.name}, {kind}", correction, NO_NETWORK if correction == "means" else network)
                value = found.gain(name, base_of(name), y, units).interval
                inside = abs(value.mean) <= protocol.protocol().margin
                why = "" if inside else _why(kind, value, bool(associated.loc[one.name, "goes with label"]))
                rows.append({"nuisance": one.name, "control": kind, "correction": correction, "gain": value,
                             "within": inside, "why": why})
    return pd.DataFrame(rows)


def _why(kind: str, value: intervals.Interval, goes_with_label: bool) -> str:
    """Why a control may lie outside the margin."""
    margin = protocol.protocol().margin
    if kind == permuted.WITHIN and goes_with_label:
        return "the nuisance is associated with the label, which permutation within labels keeps"
    if not (value.low > margin or value.high < -margin):
        return "its interval overlaps the margin"
    return UNEXPLAINED


def predicted(entries: Sequence[dict], run: Run, found: Clustered, tried: Sequence[Nuisance], y: np.ndarray,
              units: pd.Series) -> pd.DataFrame:
    """The predictions about nuisances of this corpus beside what became of them: name, metric, predicted, change, held,
    and whether it was a replication."""
    rows = []
    for entry in entries:
        for one in tried:
            if entry["nuisance"] not in (one.name, one.kind):
                continue
            name = Corrected(one.name, entry["correction"], f"beta {entry['beta']:g}")
            base = Corrected(one.name, entry["over"], name.network) if "over" in entry else base_of(name)
            if name not in found.ids:
                continue
            change = found.gain(name, base, y, units).interval
            said = f"{nuisances.shown(one.name)}, {nuisances.shown(name.correction)}, {name.network}"
            said += f" over {nuisances.shown(base.correction)}" if "over" in entry else ""
            rows.append((said, "nmi", entry["nmi"], change, judge(entry["nmi"], change), "replication" in entry))
    return pd.DataFrame(rows, columns=["name", "metric", "predicted", "change", "held", "replication"])
