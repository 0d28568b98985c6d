"""Was an array computed from another array and the label?

For each array the best source is taken: the other array that tells most of it without the label. The statistic is what
the label adds (`dependence.gain`). It is held against two nulls of the same source: label-free maps of it
(`label_free`), and label-free maps of it where part of the source is hidden, as when it is a sibling of the true one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import stats

from lib.store.streams import stream
from lib.studies.leakage.arrays import label_free, label_made, latents, relations, rows
from lib.studies.leakage.arrays.dependence import FLOOR, Teller, gain
from lib.studies.leakage.arrays.report import EVIDENCE, PROOF, Finding, finding

TEST = "label beside features"
ACCUSING = 0.001  # level of an accusation, over all arrays of a folder: a reviewer may look at hundreds of folders
ROWS = 400  # sampled for kernels
MOST_SOURCES = 4  # tried per array
WIDTH = 8  # columns of a label-free map
DRAWS = {**dict.fromkeys(label_free.CHEAP, 10), **dict.fromkeys(label_free.TRAINED, 6)}
HIDDEN = (("columns", 0.9), ("columns", 0.75), ("columns", 0.5), ("components", 0.75), ("components", 0.5),
          ("the column that knows the label best", 1.0))


class Fit(NamedTuple):
    """How well a source and the label fit a target."""

    source: str
    without: float  # share of variance left unexplained without the label
    beside: float  # and with it
    gain: float


class Null(NamedTuple):
    """Gains of label-free maps."""

    kind: str
    gains: np.ndarray  # [draw]
    left: float  # smallest share of variance that stayed unexplained with the label

    def p(self, value: float) -> float:
        """Chance of a gain as large, by the t-distribution of one more draw."""
        m = len(self.gains)
        spread = max(float(self.gains.std(ddof=1)), 1e-3) * np.sqrt(1 + 1 / m)
        return float(stats.t.sf((value - self.gains.mean()) / spread, m - 1))


def label_beside_features(points: dict[str, np.ndarray], y: np.ndarray, related: dict[str, dict[str, float]],
                    seed: int = 0) -> list[Finding]:
    """A finding per array [N, D] that another one tells of. `related[a][b]` is the R^2 of a from b within labels; only
    sources that tell something are tried. Rows equal in an array and of two labels acquit it: it was not given the
    label.
    """
    chosen = np.sort(stream(seed, "rows of an array").permutation(len(y))[:ROWS])
    y_few = np.unique(y[chosen], return_inverse=True)[1]
    few = {name: label_free.clipped(x[chosen]) for name, x in points.items()}
    few = {name: x for name, x in few.items() if x.shape[1]}
    alive = {name: label_free.clipped(_alive(points[name][chosen])) for name in few}
    fits: dict[str, dict[str, Fit]] = {name: {} for name in few}
    pairs = _screened(list(few), related)
    nulls: dict[str, list[Null]] = {}
    for source, x in few.items():
        targets = [t for t in few if (t, source) in pairs
                   and not label_made.contained(few[t], x)]  # what holds the array as a part is no source
        if targets:
            teller = Teller(x, y_few)
            for target, one in _fits(teller, source, {t: alive[t] for t in targets}).items():
                fits[target][source] = one
            nulls[source] = _label_free(teller, x, label_free.CHEAP, seed)
    best = {t: one for t in fits if (one := _best(t, fits))}
    rough = {t: _p(one.gain, nulls.get(one.source, [])) for t, one in best.items()}
    limit = holm(rough)
    return [_judged(t, one, points, few, (y, y_few), fits, nulls.get(one.source, []), limit[t], seed)
            for t, one in best.items()]


def _screened(names: list[str], related: dict[str, dict[str, float]]) -> set[tuple[str, str]]:
    """Pairs of an array and a source to be looked at: the sources that linearly tell most of it, and the reverse."""
    pairs = set()
    for target in names:
        sources = [s for s in names if s != target and related[target][s] >= relations.UNRELATED]
        for source in sorted(sources, key=lambda s: -related[target][s])[:MOST_SOURCES]:
            pairs |= {(target, source), (source, target)}
    return pairs


def _fits(teller: Teller, source: str, targets: dict[str, np.ndarray]) -> dict[str, Fit]:
    without, beside = teller.errors(np.hstack(list(targets.values())))
    out, start = {}, 0
    for name, x in targets.items():
        part = slice(start, start + x.shape[1])
        start = part.stop
        out[name] = Fit(source, float(without[part].mean()), float(beside[part].mean()),
                         gain(without[part], beside[part]))
    return out


def _alive(x: np.ndarray) -> np.ndarray:
    """Columns of an array that hold more than `latents.DEAD` of the largest one's variance: what is fitted of the rest
    would count as much in standardised columns."""
    variance = x.var(0)
    return x[:, variance >= latents.DEAD * variance.max()]


def _best(target: str, fits: dict[str, dict[str, Fit]]) -> Fit | None:
    """The source that tells most of the target without the label, of those that tell more of it, with the label, than
    it of them: what was computed from another array and the label knows no more than these."""
    sources = [one for source, one in fits[target].items()
               if target not in fits[source] or one.beside <= fits[source][target].beside]
    return min(sources, key=lambda one: one.without, default=None)


def _label_free(teller: Teller, x: np.ndarray, kinds: tuple[str, ...], seed: int) -> list[Null]:
    return [_null(kind, teller, [label_free.clipped(label_free.draw(kind, x, WIDTH, stream(seed, "label-free maps", i)))
                                 for i in range(DRAWS[kind])]) for kind in kinds]


def _null(kind: str, teller: Teller, images: list[np.ndarray]) -> Null:
    found = _fits(teller, "", {str(i): image for i, image in enumerate(images) if image.shape[1]})
    return Null(kind, np.array([one.gain for one in found.values()]), min(one.beside for one in found.values()))


def _hidden(x: np.ndarray, y: np.ndarray, seed: int) -> list[Null]:
    """Label-free maps of the whole x, fitted from a part of it: what a sibling of the true source would seem to
    show."""
    out, d = [], x.shape[1]
    for i, (how, share) in enumerate(HIDDEN):
        rng = stream(seed, "hidden parts of a source", i)
        keep = max(1, int(np.ceil(share * d)) - (share < 1 and d > 1 and np.ceil(share * d) == d))
        if d < 2:
            continue
        if how == "columns":
            part = x[:, np.sort(rng.choice(d, keep, replace=False))]
        elif how == "components":
            left, size, _ = np.linalg.svd(x - x.mean(0), full_matrices=False)
            part = left[:, :keep] * size[:keep]
        else:
            part = np.delete(x, int(np.argmax(rows.between(x, y))), axis=1)
        teller = Teller(label_free.clipped(part), y)
        for kind in ("linear", "relu", "two layers"):
            images = [label_free.clipped(label_free.draw(kind, x, WIDTH, rng)) for _ in range(6)]
            out.append(_null(f"{kind}, {how} hidden", teller, images))
    return out


def _p(value: float, nulls: list[Null]) -> float:
    """The largest p over families of maps: any one that explains the gain is enough."""
    return max((null.p(value) for null in nulls), default=1.0)


def holm(p: dict[str, float]) -> dict[str, float]:
    """p-values by name corrected over all of them (Holm 1979)."""
    out, worst = {}, 0.0
    for i, name in enumerate(sorted(p, key=p.get)):
        worst = max(worst, min(1.0, (len(p) - i) * p[name]))
        out[name] = worst
    return out


def _judged(target: str, one: Fit, points: dict[str, np.ndarray], few: dict[str, np.ndarray],
            labels: tuple[np.ndarray, np.ndarray], fits: dict[str, dict[str, Fit]], nulls: list[Null], p: float,
            seed: int) -> Finding:
    y, y_few = labels
    numbers = {"source": one.source, "gain": one.gain, "p": p, "unexplained": one.without,
               "unexplained_beside_label": one.beside}
    said = (f"{one.source} leaves {100 * one.without:.1f} % of the variance of {target} unexplained, with the label "
            f"{100 * one.beside:.1f} %")
    if p >= ACCUSING:
        return finding(TEST, target, False, EVIDENCE, f"{said}: no more than for label-free maps of it", numbers)
    numbers |= rows.equal_pairs(points[one.source], points[target], y)
    if acquitted := rows.equal_across(points[target], y):
        i, j = acquitted[0]
        said += f"; but rows {i} and {j}, of two labels, are equal in it: it was not given their label"
        return finding(TEST, target, False, EVIDENCE, said, numbers)
    x = few[one.source]
    trained = _label_free(Teller(x, y_few), x, label_free.TRAINED, seed)
    numbers["p"] = p = max(p, _p(one.gain, trained))
    every = _hidden(x, y_few, seed) or [Null("none", np.zeros(2), 0)]
    hidden = [null for null in every if null.left <= one.beside] or every
    worst = max(hidden, key=lambda null: null.gains.max())
    numbers |= {"gain_of_siblings": float(worst.gains.max()), "p_of_siblings": _p(one.gain, hidden)}
    if one.beside > max(null.left for null in every):
        return finding(TEST, target, None, EVIDENCE, f"{said}: too little for {one.source} to be its source", numbers)
    both = fits[one.source].get(target)
    if p >= ACCUSING or numbers["p_of_siblings"] >= ACCUSING:
        said += f"; as much shows where {one.source} is not the true source but knows less than it"
        return finding(TEST, target, None, EVIDENCE, said, numbers)
    mutual = both is not None and both.gain >= one.gain / 2 and both.beside <= 2 * one.beside + FLOOR
    if mutual and not rows.equal_across(points[one.source], y):
        said += ", and the same the other way round: one of the two was given the label, which of them does not show"
        return finding(TEST, target, None, EVIDENCE, said, numbers)
    return _accused(target, one, points, y, said, numbers)


def _accused(target: str, one: Fit, points: dict[str, np.ndarray], y: np.ndarray, said: str,
             numbers: dict[str, object]) -> Finding:
    """The finding that no innocent explanation that was tried is left; proved where equal rows differ by label only."""
    some = np.linspace(0, len(y) - 1, min(len(y), 3000)).astype(int)
    numbers["ratio"] = rows.label_step(*(np.asarray(points[n][some], float) for n in (one.source, target)), y[some])
    said += (f" (label-free maps of {one.source}, trained ones too, gain nothing: p = {numbers['p']:.2g} over all "
             "arrays; hiding parts of it does not do it either); neighbours there of another label lie "
             f"{numbers['ratio']:.2f} times as far apart here as those of the same: it was computed from the label "
             f"too, if {one.source} was not")
    if numbers["equal"] and numbers["equal_across"]:
        said += (f"; of {numbers['equal']} pairs equal there and of one label {numbers['equal_kept']} are equal here, "
                 f"of {numbers['equal_across']} under two labels {numbers['equal_across_kept']}")
    kind = PROOF if numbers["equal_p"] < ACCUSING else EVIDENCE
    return finding(TEST, target, True, kind, said, numbers)
