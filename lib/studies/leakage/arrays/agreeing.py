"""Do labels and arrays know anything of each other, and does something that is no label equal the labels?"""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
from scipy import stats
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import NearestNeighbors

from lib.scores import clustering
from lib.store.arithmetic import standardised
from lib.store.streams import stream
from lib.studies.leakage.arrays import reading, relations
from lib.studies.leakage.arrays.reading import Arrays
from lib.studies.leakage.arrays.report import ASSUMING, EVIDENCE, LEVEL, OBSERVED, PROOF, Finding, finding

NEIGHBOURS = 10
SMALL = 0.1  # chance-corrected agreement below Cohen's (1988) smallest effect of a table, w = 0.1
SHIFTS = 50  # rows by which labels may have slipped
SAME, SAME_RAND = 0.98, 0.95  # share of rows and adjusted Rand index from which a grouping equals the labels
CLUSTERING = re.compile(r"cluster|group|assign|k_?means|dbscan|agglo|gmm|mixture|spectral|partition|communit")
READABLE = 0.95  # R^2 with which columns give back the label
UNKNOWN = re.compile(r"-1(\.0)?|-?nan|none|null|n/?a|unknown|unk|undefined|missing|unlabel+ed|no[ _]genre||\?", re.I)


# --- agreement of neighbours --------------------------------------------------------------------------------------
def neighbours(x: np.ndarray, k: int = NEIGHBOURS) -> np.ndarray:
    """Row numbers [N, k] of each row's nearest rows in standardised columns, of equal rows the first."""
    k = min(k, max(3, len(x) // 20))  # of few rows, fewer
    return NearestNeighbors(n_neighbors=k).fit(standardised(x, drop=True)).kneighbors()[1]


def kappa(near: np.ndarray, y: np.ndarray, shift: int = 0) -> float:
    """Chance-corrected share of neighbours `near` [N, k] of one label (Cohen's kappa of pairs): 0 is chance, 1 all.

    With a shift the label of row i is that of row i + shift.
    """
    moved = np.roll(y, -shift)
    share = np.unique(y, return_counts=True)[1] / len(y)
    chance = float((share**2).sum())
    return float(((moved[near] == moved[:, None]).mean() - chance) / (1 - chance))


def _error(near: np.ndarray, y: np.ndarray) -> float:
    """Standard error of `kappa` over rows, each with its own share of neighbours of its label."""
    share = np.unique(y, return_counts=True)[1] / len(y)
    return float((y[near] == y[:, None]).mean(1).std() / np.sqrt(len(y)) / (1 - (share**2).sum()))


def label_agreement(arrays: Arrays, seed: int = 0, draws: int = 99) -> pd.DataFrame:
    """A row per array: kappa of its neighbours' labels, p by permuted labels, upper 99 % bound, and the best shift."""
    y, out = np.unique(arrays.labels, return_inverse=True)[1], []
    rng = stream(seed, "permuted labels of an array")
    for name, x in arrays.points.items():
        if not standardised(x, drop=True).size:
            continue
        near = neighbours(x)
        value = kappa(near, y)
        null = np.array([kappa(near, rng.permutation(y)) for _ in range(draws)])
        spread = max(float(null.std()), 1e-6)
        error = max(spread, _error(near, y))
        inside = _order_matters(y)
        moved = {s: kappa(near, y, s) for s in range(-SHIFTS, SHIFTS + 1) if s} if not inside else {0: value}
        best = max(moved, key=moved.get)
        out.append((name, value, float(stats.norm.sf((value - null.mean()) / spread)), value + 2.33 * error, best,
                    moved[best], float(min(1.0, 2 * SHIFTS * stats.norm.sf((moved[best] - null.mean()) / spread)))))
    return pd.DataFrame(out, columns=["array", "kappa", "p", "upper", "shift", "kappa_shifted", "p_shifted"])


def _order_matters(y: np.ndarray) -> bool:
    """Do labels come in runs, so that shifted labels are nearly the same?"""
    share = np.unique(y, return_counts=True)[1] / len(y)
    same = float((share**2).sum())
    return bool((y[1:] == y[:-1]).mean() > same + 3 * np.sqrt(same * (1 - same) / len(y)))


def nothing_agrees(known: pd.DataFrame, related: dict[str, dict[str, float]],
                   reads: bool = False) -> list[Finding]:
    """Do labels and arrays know of each other? Found only where the upper bound of agreement is below `SMALL`.

    Where some agreement is resolved, by neighbours or because a linear probe `reads` labels, that is an observation.
    """
    if known.empty:
        return []
    best = known.loc[known["kappa"].idxmax()]
    numbers = {"kappa": float(best["kappa"]), "upper": float(known["upper"].max()), "p": float(known["p"].min()),
               "array": str(best["array"])}
    names = list(known["array"])
    strongest = max((related[a][b] for a in names for b in names if a != b), default=0.0)
    numbers["r2_of_arrays"] = strongest
    moved = known.loc[known["p_shifted"].idxmin()]
    if moved["p_shifted"] < LEVEL / len(known) and moved["kappa_shifted"] > best["upper"]:
        said = (f"labels agree with {moved['array']} when they are shifted by {int(moved['shift'])} rows (kappa of "
                f"neighbours {moved['kappa_shifted']:.2f}; as they are {numbers['kappa']:.2f}): they are misaligned")
        return [finding("nothing agrees", "y", True, PROOF, said, numbers | {"shift": int(moved["shift"])})]
    silent = list(known.loc[known["upper"] < SMALL, "array"])
    apart = len(names) > 1 and strongest < relations.UNRELATED
    if apart and len(names) > len(silent) > len(names) / 2:
        agreeing = ", ".join(name for name in names if name not in silent)
        said = (f"no array predicts another (R² at most {strongest:.3f}), and labels are unrelated to "
                f"{len(silent)} of {len(names)} (all but {agreeing}): rows of different arrays are not the same "
                "tracks (shuffled before saving)")
        return [finding("nothing agrees", "y", True, EVIDENCE, said, numbers | {"silent": silent})]
    if not numbers["upper"] < SMALL:
        weak = numbers["p"] >= LEVEL
        said = (f"labels agree with {numbers['array']}: kappa of neighbours {numbers['kappa']:.2f}" if not weak else
                f"no agreement of labels with any array is significant, but up to {numbers['upper']:.2f} may be there")
        return [finding("nothing agrees", "y", None if weak else False, EVIDENCE, said, numbers)]
    said = (f"labels are unrelated to every array: neighbours share them hardly more often than chance (kappa at "
            f"most {numbers['kappa']:.3f}, upper bound {numbers['upper']:.3f})")
    if apart:
        said += (f", and no array predicts another (R² at most {strongest:.3f}): rows of different arrays are not the "
                 "same tracks (shuffled before saving), or all are noise")
    elif len(names) > 1:
        said += (f", while arrays predict each other (R² up to {strongest:.2f}): labels are misaligned, permuted or "
                 "drawn at random, or describe something that these arrays do not hold")
    else:
        said += ": rows and labels are not aligned, or labels describe something that it does not hold"
    kind = EVIDENCE if numbers["p"] >= LEVEL and not reads else OBSERVED  # little, and there
    return [finding("nothing agrees", "y", True, kind, said, numbers)]


def strangers(known: pd.DataFrame, related: dict[str, dict[str, float]]) -> list[Finding]:
    """Arrays that know nothing of the labels nor of the rest, while the rest does: drawn at random, or misaligned."""
    by = known.set_index("array")
    names, out, seen = list(by.index), [], set()
    if len(names) < 2 or not (by["upper"] >= SMALL).any() or by["p"].min() >= LEVEL:
        return out
    for name in names:
        if name in seen:
            continue
        group = _together(name, names, related)
        seen |= group
        if by.loc[list(group), "upper"].max() < SMALL and len(group) < len(names):
            subject = ", ".join(sorted(group))
            said = (f"is unrelated to the labels (kappa of neighbours at most "
                    f"{by.loc[list(group), 'kappa'].max():.3f}"
                    f") and to the other arrays (R² below {relations.UNRELATED:g}): drawn at random, in another "
                    "order of rows, or a modality unrelated to either")
            out.append(finding("knows nothing", subject, True, OBSERVED, said, {
                "arrays": sorted(group), "kappa": float(by.loc[list(group), "kappa"].max()),
                "upper": float(by.loc[list(group), "upper"].max())}))
    return out


def _together(name: str, names: list[str], related: dict[str, dict[str, float]]) -> set[str]:
    """The arrays that are linked with one by relations above `relations.UNRELATED`."""
    group, new = set(), {name}
    while new:
        group |= new
        new = {b for a in new for b in names if b not in group
               and max(related[a][b], related[b][a]) >= relations.UNRELATED}
    return group


# --- labels in other clothes --------------------------------------------------------------------------------------
def equals_labels(arrays: Arrays, seed: int = 0) -> list[Finding]:
    """Does a grouping of rows equal the labels, permuted or in nearly all rows?

    An array that gives it without a label acquits. Labels are often saved twice (text and numbers, a file per seed), so
    that it is a fault only if it is a clustering: an assumption, unless its own name says so.
    """
    y, out = np.unique(arrays.labels, return_inverse=True)[1], []
    for name, codes in arrays.clusters.items():
        table = np.zeros((codes.max() + 1, y.max() + 1))
        np.add.at(table, (codes, y), 1)
        share = float(table[linear_sum_assignment(-table)].sum() / len(y))
        rand = float(adjusted_rand_score(y, codes))
        found, called = share >= SAME and rand >= SAME_RAND, CLUSTERING.search(name.lower())
        said = f"{100 * share:.1f} % of its rows are those of a label each, adjusted Rand index {rand:.3f}"
        if found:
            source = _clustered(arrays, codes, seed)
            said += (f"; {source} gives it, so no label is needed" if source else
                     ": it is called a clustering, and equals the labels; scores of it say nothing" if called else
                     ": the labels saved again, or, if it is a clustering, one that was given them and whose scores "
                     "say nothing")
            found = None if source else True
        kind = ASSUMING if not called else PROOF if share == 1.0 else EVIDENCE
        out.append(finding("equals the labels", name, found, kind, said, {"share": share, "ari": rand}))
    return out


def _clustered(arrays: Arrays, codes: np.ndarray, seed: int) -> str:
    """What gives a grouping without labels, in words, if anything does: k-means of an array, or the gaps in it."""
    some = np.linspace(0, len(codes) - 1, min(len(codes), reading.MANY)).astype(int)
    for name, x in arrays.points.items():
        for points in (x, standardised(x, drop=True)):
            if not points.shape[1]:
                continue
            again = clustering.cluster(points.astype(np.float32), codes.max() + 1, seed=seed, n_init=4)
            if adjusted_rand_score(codes, again) > SAME_RAND:
                return f"k-means of {name}"
        nearest = NearestNeighbors(n_neighbors=1).fit(x[some]).kneighbors()[1][:, 0]
        if (codes[some][nearest] == codes[some]).mean() >= SAME:
            return f"a clusterer that walks from neighbour to neighbour in {name}"
    return ""


def label_as_column(arrays: Arrays) -> list[Finding]:
    """Is the label a column, as a number or one-hot? Linear, by at most one column per label."""
    y, out = arrays.labels, []
    values, codes = np.unique(y, return_inverse=True)
    hot = (codes[:, None] == np.arange(len(values))).astype(float)
    number = pd.to_numeric(pd.Series(y), errors="coerce").to_numpy()
    number = codes.astype(float) if not np.isfinite(number).all() else number
    for name, x in arrays.points.items():
        z = standardised(x, drop=True)
        if not z.shape[1]:
            continue
        one = _correlations(z, standardised(number[:, None]))[:, 0]
        each = _correlations(z, standardised(hot))
        best, column = float(one.max()), int(one.argmax())
        share = float(np.average(each.max(0), weights=hot.var(0)))
        found_number, found_hot = best >= READABLE, share >= READABLE
        exact = max(best, share) > 1 - 1e-6
        said = f"no column is the label: as a number R² {best:.2f} at most, one-hot {share:.2f}"
        if found_number or found_hot:
            how = f"column {column} as a number (R² {best:.4f})" if found_number else \
                f"one column for each of {hot.shape[1]} labels (R² {share:.4f})"
            said = f"holds the label: {how}" + ("" if exact else ", with something added, or a measurement that "
                                                "tells labels apart by nine standard deviations")
        out.append(finding("label as a column", name, found_number or found_hot, PROOF if exact else EVIDENCE, said, {
            "r2_number": best, "r2_one_hot": share, "column": column}))
    return out


def _correlations(z: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Squared correlations [D, C] of standardised columns."""
    return (z.T @ wanted / len(z)) ** 2


def unknown_class(y: np.ndarray) -> Finding:
    """Is "unknown" counted as a label, or is one label most of the rows?"""
    names, counts = np.unique(y, return_counts=True)
    strange = [str(name) for name in names if UNKNOWN.fullmatch(str(name).strip())]
    top = int(counts.argmax())
    share = float(counts[top] / len(y))
    numbers = {"commonest": str(names[top]), "share": share, "unknown": strange,
               "share_unknown": float(np.isin(y, strange).mean())}
    said = f"{len(names)} labels, the most frequent ({names[top]}) has {100 * share:.0f} % of the rows"
    if strange:
        said += (f"; {', '.join(repr(s) for s in strange)} ({100 * numbers['share_unknown']:.0f} % of the rows) "
                 "means unknown: scores then separate known from unknown")
    if share > 0.5:
        said += f"; accuracy and purity are {share:.3f} for a single cluster of all rows"
    most = share > (0.5 if len(names) > 2 else 2 / 3)  # of two labels one has half of the rows anyhow
    return finding("unknown as a class", "y", bool(strange) or most, OBSERVED, said, numbers)
