"""Intervals over seeds, paired comparisons, and saying so when there are too few seeds."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from lib.store.streams import stream


class Interval(NamedTuple):
    """A mean with its 95 % interval. Over training seeds it covers training noise only, not another sample of music;
    over seeds and units (`over_blocks`) both."""

    mean: float
    low: float
    high: float
    n: int  # seeds; or units, or blocks of them
    freedom: float | None = None  # degrees of freedom of its t, where they are not n - 1

    def __format__(self, spec: str) -> str:
        spec = spec or ".3f"
        if self.n < 2 or not np.isfinite(self.low):
            return f"{self.mean:{spec}} (n = {self.n})"
        return f"{self.mean:{spec}} [{self.low:{spec}}, {self.high:{spec}}]"

    @property
    def excludes_zero(self) -> bool:
        """Does the interval lie on one side of zero?"""
        return bool(self.low > 0 or self.high < 0)


ANY, NOT_NEGATIVE, SHARE = (-np.inf, np.inf), (0.0, np.inf), (0.0, 1.0)
RANGES = {  # of metrics: what no interval may leave
    **dict.fromkeys(("nmi", "nmi_null", "part_nmi", "part_nmi_null", "purity", "inverse_purity", "homogeneity",
                     "completeness", "v_measure", "noise", "accuracy", "probe_mu", "probe_z", "probe_mu_null",
                     "probe_z_null", "dip_component_p", "dip_distances_p"), SHARE),
    **dict.fromkeys(("silhouette", "silhouette_null", "silhouette_null_copula", "silhouette_null_isotropic",
                     "ari", "ami"), (-1.0, 1.0)),
    **dict.fromkeys(("active_dims", "kl", "error", "error_train", "error_held_out", "n_clusters", "davies_bouldin",
                     "calinski_harabasz", "separation"), NOT_NEGATIVE),
}


def interval(values, level: float = 0.95, within: tuple[float, float] = ANY) -> Interval:
    """Mean and t-interval of independent values, NaN left out.

    `within` is the range that the quantity has by definition: what the t-interval covers beyond it is cut off, which
    cannot make it miss the truth more often.
    """
    values = np.asarray(values, dtype=float)
    values = values[np.isfinite(values)]
    n = len(values)
    if n == 0:
        return Interval(float("nan"), float("nan"), float("nan"), 0)
    mean = float(values.mean())
    if n == 1:
        return Interval(mean, float("nan"), float("nan"), 1)
    half = float(stats.t.ppf(0.5 + level / 2, n - 1) * values.std(ddof=1) / np.sqrt(n))
    return Interval(mean, max(mean - half, within[0]), min(mean + half, within[1]), n)


def of_metric(values, metric: str) -> Interval:
    """The interval of a metric's values, within its range."""
    return interval(values, within=RANGES.get(metric, ANY))


SIGNIFICANT = "significant"  # verdict of a comparison in a family
MET, COMPATIBLE, MISSED = "met", "compatible", "not met"


def in_window(value: float | Interval, low: float, high: float) -> str:
    """Does a number lie from `low` to `high`? An interval meets the window only where all of it lies inside, else noise
    would help: it is compatible where a part of it does, or where there is none and the mean does."""
    if not isinstance(value, Interval):
        return MET if low <= value <= high else MISSED
    if value.n < 2 or not np.isfinite(value.low):
        return COMPATIBLE if low <= value.mean <= high else MISSED
    if low <= value.low and value.high <= high:
        return MET
    return COMPATIBLE if value.low <= high and value.high >= low else MISSED


def p_of_zero(span: Interval) -> float:
    """Two-sided p of the hypothesis that the mean is zero, of a t interval; NaN without one."""
    if span.n < 2 or not np.isfinite(span.low):
        return float("nan")
    half, freedom = (span.high - span.low) / 2, span.freedom or span.n - 1
    if half == 0:
        return float(span.mean == 0)
    return float(2 * stats.t.sf(abs(span.mean) / half * stats.t.ppf(0.975, freedom), freedom))


def by_seed(scores: pd.DataFrame, metric: str, **where: str) -> pd.Series:
    """Values of one metric [seed], clustering seeds averaged within each training seed; `where` filters columns."""
    rows = scores[scores["metric"] == metric]
    for column, value in where.items():
        rows = rows[rows[column] == value]
    return rows.groupby("seed")["value"].mean().sort_index()


def paired(a: pd.Series, b: pd.Series, metric: str = "") -> Interval:
    """Interval of the difference a - b over the seeds that both have; over units as well, where both are replicates.
    Of a `metric` that has a range, it is within what a difference of two of its values can be."""
    low, high = RANGES.get(metric, ANY)
    return over((a - b).dropna(), (low - high, high - low))


def over(values: pd.Series, within: tuple[float, float] = ANY) -> Interval:
    """Interval of the mean of values [seed], or of replicates [(block, seed)] (`scores/jackknife.py`), `within` the
    range of the quantity."""
    if BLOCK not in values.index.names or values.empty:
        return interval(values, within=within)
    table = values.unstack(BLOCK).dropna()  # [seed, block]
    found = over_blocks(table[WHOLE].to_numpy(), table.drop(columns=WHOLE).to_numpy().T).interval
    return found._replace(low=max(found.low, within[0]), high=min(found.high, within[1]))


def whole(values: pd.Series | pd.DataFrame) -> pd.Series | pd.DataFrame:
    """Values [seed, ...] of all tracks; of replicates those without anything left out."""
    return values.xs(WHOLE, level=BLOCK) if BLOCK in values.index.names else values


def lower_bound(values, family: int = 1, level: float = 0.95) -> float:
    """Lower bound of the mean of independent values that holds at `level` for all `family` such claims at once.

    One-sided t at 1 - (1 - level) / family (Bonferroni), so it holds however the claims depend on each other. Minus
    infinity below two values; the values themselves where they are all equal.
    """
    values = np.asarray(values, dtype=float)
    values = values[np.isfinite(values)]
    n = len(values)
    if n < 2:
        return float("-inf")
    error = values.std(ddof=1) / np.sqrt(n)
    return float(values.mean() - stats.t.isf((1 - level) / family, n - 1) * error)


def subsamples(groups: np.ndarray | pd.Series, n: int, share: float = 0.5, seed: int = 0) -> list[np.ndarray]:
    """`n` random subsets of tracks, as sorted row numbers: whole groups of duplicates [track], `share` of the groups.

    Without replacement: repeated rows, as in a bootstrap, bias silhouettes and neighbours.
    """
    codes, names = pd.factorize(np.asarray(groups))
    rng = stream(seed, "groups of subsamples")
    size = min(max(round(share * len(names)), 1), len(names))
    return [np.flatnonzero(np.isin(codes, rng.choice(len(names), size, replace=False))) for _ in range(n)]


def over_tracks(statistic: Callable[[np.ndarray], float], groups: np.ndarray | pd.Series, n: int = 100,
                within: tuple[float, float] = ANY) -> Interval:
    """Interval of a statistic of the tracks, for another sample of tracks like these: the delete-d jackknife.

    `statistic` takes row numbers. Its variance over subsamples of half the tracks is that of the whole (Shao and Wu
    1989), for smooth statistics, `within` their range; `n` in the result counts the groups of duplicates [track].
    """
    whole = float(statistic(np.arange(len(groups))))
    values = np.array([statistic(rows) for rows in subsamples(groups, n)])
    half = float(stats.norm.ppf(0.5 + 0.95 / 2) * values.std(ddof=1))
    low, high = max(whole - half, within[0]), min(whole + half, within[1])
    return Interval(whole, low, high, pd.Series(np.asarray(groups)).nunique())


class Estimate(NamedTuple):
    """An interval over training seeds and over sampling units, and p of zero, two-sided; NaN where units are few."""

    interval: Interval  # its n counts units
    p: float


LEAST_UNITS = 10  # below it a jackknife over units is not decided
FEW_SEEDS, FEW_UNITS = "too few seeds", "too few units"
BLOCK, WHOLE = "block", -1  # level of replicates: which block of units is left out; none


def over_seeds_and_groups(statistic: Callable[[np.ndarray], np.ndarray], groups: np.ndarray | pd.Series,
                          most: int = 100, seed: int = 0) -> Estimate:
    """A statistic's mean over training seeds, for other seeds and another sample of units (artists, singers, copies).

    `statistic` takes row numbers and returns a value per seed; networks and clusters stay as they are. A unit of
    `groups` [track] is left out at a time, or one of `most` random blocks of units where there are more.
    """
    codes = blocks(groups, most, seed)
    rows = np.arange(len(codes))
    values = np.asarray(statistic(rows), float)
    without = [statistic(rows[codes != block]) for block in range(codes.max() + 1)] if codes.max() else [values]
    return over_blocks(values, np.array(without, float))


def blocks(groups: np.ndarray | pd.Series, most: int = 100, seed: int = 0) -> np.ndarray:
    """Block [track] of each unit of `groups` [track]: the unit, or where there are more than `most` a random block."""
    codes, names = pd.factorize(np.asarray(groups))
    if len(names) <= most:
        return codes
    return stream(seed, "blocks of units").permutation(np.arange(len(names)) % most)[codes]


def over_blocks(values: np.ndarray, without: np.ndarray) -> Estimate:
    """The mean over training seeds of values [seed] of all tracks, from those `without` a block of units [block, seed].

    Variance: that over seeds, divided by their number, plus the jackknife of the mean over seeds (Tukey 1958). What
    single tracks do in single seeds is in both, so that the interval is rather wide than narrow; taking it out
    (Cameron, Gelbach and Miller 2011) covers too little with three seeds. t with the degrees of freedom of Welch and
    Satterthwaite, at most blocks - 1. No interval below `LEAST_UNITS` units or two seeds.
    """
    n, nothing = len(without), float("nan")
    mean = float(np.mean(values)) if len(values) else nothing
    if n < LEAST_UNITS or len(values) < 2:
        return Estimate(Interval(mean, nothing, nothing, n), nothing)
    parts = values.var(ddof=1) / len(values), (n - 1) * without.mean(1).var()
    error = np.sqrt(sum(parts))
    if not error > 0:
        return Estimate(Interval(mean, mean, mean, n), float(mean == 0))
    freedom = sum(parts) ** 2 / (parts[0] ** 2 / (len(values) - 1) + parts[1] ** 2 / (n - 1))
    freedom = min(float(freedom), n - 1)
    half = float(stats.t.ppf(0.975, freedom) * error)
    p = float(2 * stats.t.sf(abs(mean) / error, freedom))
    return Estimate(Interval(mean, mean - half, mean + half, n, freedom), p)


def compare(pairs: dict[str, tuple[pd.Series, pd.Series]], alpha: float = 0.05) -> pd.DataFrame:
    """A family of paired comparisons, fixed in advance, with Holm's correction.

    `pairs` maps a name to two series [seed], compared by Wilcoxon's signed-rank test, or to replicates [(block, seed)],
    by the t of their interval. A row is `SIGNIFICANT` when its corrected p is at most alpha. Where even the smallest p
    that n seeds can give to Wilcoxon's, 2 / 2^n, corrected, exceeds alpha, or where the interval has too few units, the
    verdict is "too few seeds" or "too few units"; where there is nothing to compare, "no scores".
    """
    rows = []
    for name, (a, b) in pairs.items():
        difference = (a - b).dropna()
        if BLOCK in difference.index.names:
            span, n = over(difference), difference.index.get_level_values("seed").nunique()
            p = p_of_zero(span)
            rows.append({"comparison": name, "difference": span, "n": n, "p": p, "few": FEW_UNITS * (p != p)})
            continue
        p = float(stats.wilcoxon(difference).pvalue) if (difference != 0).any() and len(difference) > 1 else 1.0
        smallest = 2 / 2 ** len(difference) * len(pairs)
        rows.append({"comparison": name, "difference": interval(difference), "n": len(difference), "p": p,
                     "few": FEW_SEEDS * (smallest > alpha)})
    table = pd.DataFrame(rows)
    if table.empty:
        return table
    table["p_holm"] = holm(table["p"].fillna(1).to_numpy())
    table["verdict"] = np.select([table["n"] == 0, table["few"] != "", table["p_holm"] <= alpha],
                                 ["no scores", table["few"], SIGNIFICANT], f"not {SIGNIFICANT}")
    return table.drop(columns="few")


def holm(p: np.ndarray) -> np.ndarray:
    """Holm's step-down adjusted p-values (Holm 1979)."""
    p = np.asarray(p, dtype=float)
    order = np.argsort(p)
    adjusted = np.maximum.accumulate((len(p) - np.arange(len(p))) * p[order])
    out = np.empty(len(p))
    out[order] = np.minimum(adjusted, 1)
    return out
