"""In what order rows come: by label, in runs, or with neighbours that belong together (segments, singers, albums)."""

from __future__ import annotations

import numpy as np
from scipy import stats
from sklearn.model_selection import GroupKFold, KFold
from sklearn.neighbors import KNeighborsClassifier

from lib.store.arithmetic import standardised
from lib.store.streams import stream
from lib.studies.leakage.arrays.reading import Arrays
from lib.studies.leakage.arrays.report import EVIDENCE, LEVEL, OBSERVED, PROOF, Finding, finding

LAGS = 60  # rows up to which a group of neighbours is looked for
FAR = 0.95  # of the distance of rows of one label: from here a lag counts as outside the group


def row_order(arrays: Arrays) -> Finding:
    """Do rows come in the order of their labels, of another grouping, or in runs? Changes against any other order."""
    y = arrays.labels
    changes, expected, least, p = _changes(y)
    numbers = {"changes": changes, "expected": expected, "least": least, "p": p}
    said = (f"the label changes {changes} times from row to row; in random order {expected:.0f} times, at "
            f"least {least}: ")
    if p >= LEVEL:
        return finding("row order", "y", False, PROOF, said + "no order by label", numbers)
    if changes == least:
        said += "rows are sorted by label, which the number of a row reveals"
        return finding("row order", "y", True, PROOF, said, numbers | {"degree": "sorted"})
    for name, codes in arrays.clusters.items():
        turns, _, fewest, _ = _changes(codes)
        kinds = len(np.unique(codes))
        if turns == fewest and kinds >= 2 and len(set(zip(codes, y, strict=True))) < kinds * len(np.unique(y)):
            said += f"rows are sorted by {name}, which is associated with the label"
            return finding("row order", "y", True, PROOF, said, numbers | {"degree": "by another grouping", "by": name})
    said += f"labels come in runs of {len(y) / (changes + 1):.1f} rows on average; rows are not sorted by them"
    return finding("row order", "y", True, OBSERVED, said, numbers | {"degree": "in runs"})


def _changes(y: np.ndarray) -> tuple[int, float, int, float]:
    """How often a label changes from row to row; how often in no order; at the least; and p of so few."""
    codes = np.unique(y, return_inverse=True)[1]
    n, shares = len(y), np.bincount(codes) / len(y)
    changes = int((codes[1:] != codes[:-1]).sum())
    same = float((shares * (shares * n - 1) / (n - 1)).sum())
    expected = (n - 1) * (1 - same)
    rng = np.random.default_rng(57)  # for every folder the same
    spread = np.std([(lambda p: (p[1:] != p[:-1]).sum())(rng.permutation(codes)) for _ in range(200)])
    return changes, expected, len(shares) - 1, float(stats.norm.cdf((changes - expected) / max(spread, 1e-9)))


def neighbours_in_order(name: str, x: np.ndarray, y: np.ndarray, seed: int = 0, tried: int = 1,
                       draws: int = 99) -> Finding:
    """Are rows next to each other in the file nearer than other rows of their label?

    The null deals rows anew among those of one label, so that an order by label does not count. Rows in question: those
    whose next row has the same label. Equal neighbours are left out (they are counted as duplicates). Both tests are
    corrected for the number of arrays `tried` (Bonferroni).
    """
    test, z = "neighbours in order", standardised(np.asarray(x, float), drop=True)
    following = np.flatnonzero(y[1:] == y[:-1])
    if len(following) < 20 or not z.shape[1]:
        said = "fewer than 20 rows have their label's next row after them" if z.shape[1] else "no column varies"
        return finding(test, name, None, EVIDENCE, said, {})
    logs = _log_distance(z, following, following + 1)
    value = float(np.nanmean(logs))
    rng = stream(seed, "orders within labels")
    members = {label: np.flatnonzero(y == label) for label in np.unique(y)}
    null = []
    for _ in range(draws):
        order = np.arange(len(y))
        for rows in members.values():
            order[rows] = rng.permutation(rows)
        null.append(float(np.nanmean(_log_distance(z, order[following], order[following + 1]))))
    ratio = float(np.exp(value - np.mean(null)))
    spread = max(np.std(null, ddof=1), 1e-9) * np.sqrt(1 + 1 / draws)
    p = min(1.0, tried * float(stats.t.cdf((value - np.mean(null)) / spread, draws - 1)))
    numbers = {"ratio": ratio, "p": p, "pairs": len(following)}
    if p >= LEVEL or ratio >= 1:
        return finding(test, name, False, EVIDENCE, f"next rows are {ratio:.2f} times as far apart as rows of one "
                                                    "label",
                       numbers)
    size = _group_size(z, y, np.mean(null))
    random, together = _held_together(z, y, size, seed)
    # McNemar's test
    lost, won = int((random & ~together).sum()), int((together & ~random).sum())
    too_good = bool(lost > won and tried * stats.binomtest(lost, lost + won, alternative="greater").pvalue < LEVEL)
    numbers |= {"group": size, "accuracy": random.mean(), "accuracy_held_together": together.mean(),
                "too_good": too_good}
    said = (f"next rows are {ratio:.2f} times as far apart as other rows of their label, and rows are alike up to "
            f"{'at least ' if size >= LAGS else ''}{size} apart, as where they belong together (segments of a "
            f"recording, an artist, an album); a nearest-neighbour probe has accuracy {random.mean():.3f} on "
            f"rows held out at random, {together.mean():.3f} when blocks of {size} rows are held out together")
    said += ": scores on rows held out at random are too good" if too_good else ""
    return finding(test, name, True, EVIDENCE if too_good else OBSERVED, said, numbers)


def _log_distance(z: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Logarithms of distances of pairs of rows; NaN where they are equal."""
    far = np.sqrt(((z[a] - z[b]) ** 2).sum(1))
    return np.log(np.where(far > 1e-6, far, np.nan))


def _group_size(z: np.ndarray, y: np.ndarray, level: float) -> int:
    """Rows over which neighbours are alike: the first lag at which they are as far apart as any of one label."""
    for lag in range(1, min(LAGS, len(y) - 1)):
        pairs = np.flatnonzero(y[lag:] == y[:-lag])
        if len(pairs) < 20 or np.nanmean(_log_distance(z, pairs, pairs + lag)) > level + np.log(FAR):
            return max(lag, 2)
    return LAGS


def _held_together(z: np.ndarray, y: np.ndarray, size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Which labels [N] a nearest-neighbour reader gets right: rows held out at random, and in blocks of neighbours."""
    reader, blocks = KNeighborsClassifier(1), np.arange(len(y)) // size
    scores = []
    for folds in (KFold(5, shuffle=True, random_state=seed).split(z),
                  GroupKFold(5, shuffle=True, random_state=seed).split(z, groups=blocks)):
        right = np.zeros(len(y), bool)
        for train, test in folds:
            right[test] = reader.fit(z[train], y[train]).predict(z[test]) == y[test]
        scores.append(right)
    return scores[0], scores[1]
