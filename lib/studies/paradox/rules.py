"""The rule behind every verdict on the CVAE paradox."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from lib.report.glossary import ID_COLUMNS, shown
from lib.report.rules import Ruling, in_words, rule, ruling
from lib.scores import intervals, nulls, properties
from lib.scores.intervals import Interval
from lib.scores.verdict import RULE, VERDICTS, Evidence

SILENT = 0.05  # share of H(label) below which a sample is said to carry none of it
GONE = 0.25  # share of what was there above chance whose loss counts as one
SHARP = 0.1  # share of a metric's range beyond which an interval is too wide for what it meets to mean anything
HALF = 0.5  # share of an effect from which something counts as its cause, or below which it counts as another's


def _by_interval(change: Interval, verdict: bool) -> bool | None:
    """The verdict, or None where there are too few seeds for an interval."""
    return verdict if np.isfinite(change.low) else None


# --- 1: is the separation real? --------------------------------------------------------------------------------------
@rule
def explained(found: nulls.Excess, plane: float) -> Ruling:
    """Is most of a silhouette what its null has anyway? `plane`: what two dimensions of isotropic noise give."""
    return ruling(found.null_mean > HALF * found.value, "the null reaches more than half of the silhouette",
                  value=found.value, null=found.null_mean, share=found.null_mean / found.value, plane=plane)


@rule
def clustered(found: Evidence) -> Ruling:
    """Are there clusters? See `Evidence.verdict`; `kind` is one of its words."""
    return ruling(found.verdict == VERDICTS[0], RULE, kind=found.verdict, apart=found.separation,
                  z=found.silhouettes["gaussian"].z, p=min(found.dip_component_p, found.dip_distances_p))


@rule
def beyond_gaussian(found: Evidence) -> Ruling:
    """Is there anything in the separation that a Gaussian of the same covariance has not?"""
    return clustered(found) | ruling(found.verdict != VERDICTS[2], RULE)


@rule
def unsupported_k(chosen: Mapping[str, int], k: int) -> Ruling:
    """Does no criterion (name -> the k that it chooses) choose the k that was assumed?"""
    return ruling(k not in chosen.values(), "no criterion chooses the assumed k", k=k, **chosen)


# --- 2: where did genre go? ------------------------------------------------------------------------------------------
@rule
def silent(information_z: pd.Series, entropy: float) -> Ruling:
    """Does a sample of z say nothing about the label? information_z [seed] as a probe reads it; entropy of the label,
    nats."""
    z = intervals.interval(information_z)
    return ruling(_by_interval(z, z.high <= SILENT * entropy),
                  f"the whole interval lies below {SILENT:.0%} of the entropy of {{label}}", z=z, entropy=entropy)


@rule
def lost(conditional: pd.Series, plain: pd.Series, chance: float = 0.0) -> Ruling:
    """Is a measure [seed] lower in the first model than in the second, by a quarter of what was there above chance?

    With ten seeds an interval excludes zero for changes that change nothing: shuffled labels cost 0.01 of NMI on GTZAN.
    """
    change = intervals.paired(conditional, plain)
    there = intervals.whole(plain).mean() - chance
    return ruling(_by_interval(change, change.high < 0 and -change.mean >= GONE * there),
                  "the 95 % interval of the paired difference lies below zero, and at least "
                  f"{GONE:.0%} of what exceeded chance is lost",
                  change=change)


@rule
def still_read(linear: pd.Series, curved: pd.Series, chance: float) -> Ruling:
    """Is the label still read from mu? Accuracies [seed] of a linear probe where the decoder alone is given the label,
    and of one with an RBF kernel where both sides are; `chance` is that under permuted labels."""
    a, b = (intervals.interval(read, within=intervals.SHARE) for read in (linear, curved))
    return ruling(_by_interval(a, min(a.low, b.low) > chance),
                  "both intervals lie above the accuracy under permuted labels", linear=a,
                  curved=b, chance=chance)


@rule
def encoders_own(plain: pd.Series, given: pd.Series, averaged: pd.Series) -> Ruling:
    """Is most of what a linear probe of mu loses with the label on both sides the encoder's own label? Accuracies
    [seed] without a label, with it on both sides, and there with the encoder's label averaged over all labels. Not
    decided where nothing is lost."""
    drop, back = intervals.paired(given, plain), intervals.paired(averaged, given)
    beyond = intervals.interval(((averaged - given) - HALF * (plain - given)).dropna())
    return ruling(_by_interval(beyond, beyond.low > 0) if drop.high < 0 else None,
                  "averaging over the encoder's labels restores more than half, by the 95 % interval",
                  drop=drop, back=back, share=back.mean / -drop.mean if drop.mean else float("nan"))


@rule
def within_bound(read: Mapping[str, pd.Series], rate: Mapping[str, pd.Series]) -> Ruling:
    """Does no sample say more about genre than the rate? Nats [seed] by model, read from one sample."""
    room = {name: (rate[name] - read[name]).dropna() for name in read}
    nearest = min(room, key=lambda name: room[name].min())
    return ruling(room[nearest].min() >= 0, "information read is at most the rate, in every seed of every model",
                  n=sum(map(len, room.values())), broken=sum(int((r < 0).sum()) for r in room.values()),
                  nearest=nearest, read=float(read[nearest].mean()), rate=float(rate[nearest].mean()))


@rule
def repeats_label(given: pd.Series, averaged: pd.Series) -> Ruling:
    """Does mu repeat the label that its encoder was given? Accuracies [seed] of a reader of mu, with that label and
    with the average over labels."""
    gap = intervals.paired(given, averaged)
    return ruling(_by_interval(gap, gap.low > 0), "the 95 % interval of the paired loss lies above zero", gap=gap,
                  given=float(intervals.whole(given).mean()), averaged=float(intervals.whole(averaged).mean()))


# --- 3: what do the clusters capture instead? ------------------------------------------------------------------------
@rule
def captures(table: pd.DataFrame, n_permutations: int) -> Ruling:
    """Do the clusters capture any property? The table of `properties.captured`."""
    found = table[table["verdict"] == properties.CLUSTERS]
    enough = 2 / (1 + n_permutations) <= properties.ALPHA
    return ruling(len(found) > 0 if enough or len(found) else None,
                  f"corrected permutation p at most {properties.ALPHA:g}, and the features encode it"
                  + ("" if enough else " (too few permutations to reach it)"),
                  n=len(found), all=len(table), names=", ".join(found["property"][:3]),
                  share=float(found["clusters within"].iloc[0]) if len(found) else 0.0)


@rule
def recovers(table: pd.DataFrame, names: list[str], n_permutations: int) -> Ruling:
    """Is every one of these properties that the features carry found in a latent, at this beta or a smaller one?"""
    asked = table[table["property"].isin(names) & (table["verdict"] != properties.OTHER_WORDS)]
    encoded = asked[asked["verdict"] != properties.ABSENT]
    here = encoded["verdict"].isin([properties.CLUSTERS, properties.DIMENSIONS])
    only = encoded["verdict"] == properties.ONLY
    enough = 2 / (1 + n_permutations) <= properties.ALPHA
    dropped, lost = encoded["property"][~here & ~only], encoded["property"][only]
    what = "known properties" if set(table["property"]) <= set(names) else "generating factors"
    later = f"; {len(dropped)} more {'is' if len(dropped) == 1 else 'are'} found only at smaller beta "
    return ruling((not only.any() if enough else None) if len(encoded) else None,
                  f"what the features encode with an R² within {{label}} of at least {properties.ENCODED:g} is in some "
                  "latent space" + ("" if enough else " (too few permutations)"),
                  n=len(encoded), all=len(asked), what=what, here=int(here.sum()), absent=len(asked) - len(encoded),
                  kept="all of them" if here.all() else f"{here.sum() or 'none'} of them",
                  later=later + f"({in_words(map(shown, dropped))})" if len(dropped) else "",
                  only=in_words(map(shown, lost)))


# --- 4: does the decoder use the label? ------------------------------------------------------------------------------
@rule
def uses_label(errors: pd.DataFrame) -> Ruling:
    """Does a wrong label cost the decoder anything? The table of `decode_under`."""
    cost = intervals.paired(errors["wrong"], errors["right"])
    return ruling(_by_interval(cost, cost.low > 0), "the 95 % interval of wrong minus right lies above zero", cost=cost)


@rule
def meets_theory(rates: Mapping[str, pd.DataFrame], theory: Mapping[str, pd.Series]) -> Ruling:
    """Do linear models spend the rate that theory predicts? Nats: rates [beta, seed] and theory [beta], by model."""
    gap = {name: (table.mean(axis=1) - theory[name]).abs().max() for name, table in rates.items()}
    return ruling(all(gap[name] <= 0.1 * theory[name].max() for name in gap),
                  "largest gap at most a tenth of the largest rate", gap=float(max(gap.values())),
                  largest=float(max(line.max() for line in theory.values())))


@rule
def within_theory(active: Mapping[str, pd.DataFrame], bounds: Mapping[str, pd.Series]) -> Ruling:
    """Do nonlinear models keep at most the dimensions that linear theory allows? active [beta, seed] and the number of
    eigenvalues above beta/2 [beta], by model."""
    over = {name: table.mean(axis=1) > bounds[name] + 1e-9 for name, table in active.items()}
    return ruling(not any(one.any() for one in over.values()), "mean over seeds at most the eigenvalues above beta/2",
                  n=sum(map(len, over.values())), broken=sum(int(one.sum()) for one in over.values()))


# --- 6 and 7: guesses and remedies, judged against predictions made before the run -----------------------------------
@rule
def restores(table: pd.DataFrame, taken: Interval) -> Ruling:
    """Does a guessed cause give back at least half of the NMI that conditioning took? `taken`: that loss, negative."""
    nmi = table[table["metric"] == "nmi"].reset_index(drop=True)
    mean = np.array([change.mean for change in nmi["change"]])
    back = [change.low > 0 and change.mean >= HALF * -taken.mean for change in nmi["change"]]
    names = nmi["name"][back]
    known = np.isfinite(taken.low) and all(np.isfinite(change.low) for change in nmi["change"])
    return ruling(bool(len(names)) if known else None,
                  "the interval of the change in NMI lies above zero, it is at least half of what conditioning takes",
                  n=len(nmi), k=len(names), taken=taken,
                  names=in_words(shown(name, ID_COLUMNS["name"]) for name in names),
                  most=float(mean[~np.array(back)].max()) if not all(back) else 0.0)


@rule
def agrees(table: pd.DataFrame, shorter: pd.DataFrame) -> Ruling:
    """Does every earlier number meet an interval here, after full training or after half of it? (`against_earlier`)

    Not decided where intervals are so wide that they would meet much else.
    """
    either = table["meets"] | shorter["meets"]
    sharp = [one["meets"] & (one["reach"] <= SHARP) for one in (table, shorter)]
    away, miss = table[~either], np.minimum(table["miss"], shorter["miss"])
    known = not either.all() or (sharp[0] | sharp[1]).all()
    return ruling(bool(either.all()) if known else None,
                  "the earlier value, with its rounding, lies in the 95 % interval after full or half training, "
                  f"and half of that interval is at most {SHARP:.0%} of the metric's range over the cells",
                  n=len(table), full=int(table["meets"].sum()), half=int(shorter["meets"].sum()), neither=len(away),
                  miss=float(miss.max()),
                  names="; ".join(f"{shown(row.metric)} at {shown(f'beta={row.beta:g} enc={row.enc} dec={row.dec}')}"
                                   for row in away.itertuples(index=False)) or "none")


@rule
def main_cause(effects: Mapping[str, Interval], cause: str, direction: int) -> Ruling:
    """Is one factor's main effect the largest in its direction (+1, -1), its interval on that side of zero?

    `effects` are all main effects of one metric; the ruling carries them by name.
    """
    own = effects[cause]
    first = max(effects, key=lambda name: direction * effects[name].mean) == cause
    side = own.low > 0 if direction > 0 else own.high < 0
    where = "above" if direction > 0 else "below"
    return ruling(_by_interval(own, first and side),
                  f"largest main effect in that direction, and its interval lies {where} zero", **effects)


@rule
def interaction(effects: Mapping[str, Interval]) -> Ruling:
    """Is the strongest interaction resolved? `effects` by name; interactions have an "x" in theirs."""
    pair = max((name for name in effects if " x " in name), key=lambda name: abs(effects[name].mean))
    return ruling(_by_interval(effects[pair], effects[pair].excludes_zero),
                  "the 95 % interval of the strongest excludes zero", pair=pair, change=effects[pair])


@rule
def spared(permuted: pd.Series, plain: pd.Series, true: pd.Series) -> Ruling:
    """Do shuffled labels take less than half of what true ones take of a measure [seed]? `plain`: without a label."""
    change, taken = intervals.paired(permuted, plain), intervals.paired(true, plain)
    return ruling(_by_interval(change, change.low > HALF * min(taken.mean, 0.0)),
                  "the 95 % interval of the paired difference lies above half of what true labels cost", change=change,
                  taken=taken)


@rule
def two_causes(silhouette: Mapping[str, Interval], nmi: Mapping[str, Interval], label: str = "dec") -> Ruling:
    """Are there two causes that come apart: beta raises the silhouette, the label lowers NMI, and neither does half of
    the other's work? Main effects by factor; `label` is the factor that stands for the label."""
    a, b = silhouette["beta"], nmi[label]
    cross = max(abs(silhouette[label].mean / a.mean), abs(nmi["beta"].mean / b.mean))
    return ruling(_by_interval(a, a.low > 0 and b.high < 0 and cross < HALF),
                  "both intervals exclude zero in their direction, and each cross effect is below half", a=a, b=b,
                  cross=float(cross))


@rule
def come_apart(simple: pd.DataFrame) -> Ruling:
    """Do beta and the label in the decoder act apart, at every level of the other? `conditioning.simple` effects: two
    of beta, then two of the decoder's label, on silhouette and NMI."""
    (plain, given), (low, high) = simple["silhouette"].iloc[:2], simple["nmi"].iloc[2:]
    across = max(simple["silhouette"].iloc[2:], key=lambda one: abs(one.mean))
    along = max(simple["nmi"].iloc[:2], key=lambda one: abs(one.mean))
    apart = abs(across.mean) < HALF * min(plain.mean, given.mean) and abs(along.mean) < HALF * -max(low.mean, high.mean)
    right = min(plain.low, given.low) > 0 > max(low.high, high.high)
    return ruling(_by_interval(plain, right and apart),
                  "all four intervals exclude zero in their direction, and each cross effect is below half of the "
                  "smaller", plain=plain, given=given, low=low, high=high, across=across, along=along)


@rule
def moves_more(first: pd.Series, second: pd.Series) -> Ruling:
    """Is the first change [seed] larger in size than the second?"""
    a, b = intervals.over(first), intervals.over(second)
    size = intervals.over(np.sign(a.mean) * first - np.sign(b.mean) * second)
    return ruling(_by_interval(size, size.low > 0), "the 95 % interval of the difference in size lies above zero",
                  first=a, second=b)


@rule
def verdicts_as_predicted(true: Mapping[str, Ruling], permuted: Mapping[str, Ruling],
                          gaussian: Mapping[str, Ruling]) -> Ruling:
    """Do the verdicts of `controls` change and stay as they must? All are yes under true labels; with shuffled labels
    those about the label change and those about beta stay; with Gaussian features those about the separation change."""
    must = {("true labels", name): (one, True) for name, one in true.items()}
    must |= {("permuted labels", name): (one, name.startswith("beta")) for name, one in permuted.items()}
    must |= {("Gaussian features", name): (one, False) for name, one in gaussian.items()}
    wrong = [f"{name} ({where})" for (where, name), (one, wanted) in must.items() if one["verdict"] is not wanted]
    undecided = any(one["verdict"] is None for one, _ in must.values())
    return ruling(None if undecided else not wrong,
                  "under true labels all hold; under permuted ones those about beta hold and those about the label do "
                  "not; for Gaussian features that about the separation does not",
                  n=len(must), wrong="; ".join(wrong) or "none")


NOTHING = "none"  # what clusters capture where no property is above its null
EDGE = "bandwidth_hz"  # the recording factor that dominates the built-in corpus as composed
MORE, LESS = "low-pass corner more varied", "low-pass corner less varied"  # draws in which its range is another


@rule
def by_construction(table: pd.DataFrame) -> Ruling:
    """Does what the clusters capture change with the ranges of the corpus's factors? Table of `variants.captured`."""
    first = table.groupby("most between clusters", sort=False)
    said = ", ".join(f"{shown(factor)} in {len(part)} ({'; '.join(part['variant'])})" for factor, part in first)
    of = table.set_index("variant")[EDGE]
    words = ("the 95 % interval, over two training seeds, of the share of the low-pass corner's variance between "
             "clusters lies higher in the draw where its range is wider, without overlap")
    return ruling(of[MORE].low > of[LESS].high, words, more=of[MORE], less=of[LESS], all=len(table), said=said)
