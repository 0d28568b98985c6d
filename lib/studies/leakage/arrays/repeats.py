"""Rows that are there more than once: copies, failed joins, test rows among the training rows."""

from __future__ import annotations

import numpy as np

from lib.studies.leakage import copies
from lib.studies.leakage.arrays import rows
from lib.studies.leakage.arrays.reading import MANY
from lib.studies.leakage.arrays.report import EVIDENCE, PROOF, Finding, finding

AT_AN_END = 1000  # steps of single precision: so near its column's least or greatest value a unit may be saturated
BLOCK_OF_EQUAL = 5  # rows: no recording is in GTZAN more than four times (Sturm 2013), so more are no copies of one


def _real(x: np.ndarray) -> bool:
    """Are there fractions in at least two columns? Tables of codes and counts are not looked at."""
    return sum(bool((column != np.round(column)).any()) for column in x.T) >= 2


def telling(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number of each row's group of identical rows [N], and the groups' sizes; rows equal for no reason stand alone.

    A group counts where some column has a value that no other row has: real numbers repeat only with their row.
    Codes, counts and the zeros of a ReLU layer are values of many rows, and rows made of them may be equal by chance;
    so may rows at the ends of a column, where tanh and its kin are saturated and rounded to few values.
    """
    group, counts = rows.identical(x)
    first = np.unique(group, return_index=True)[1]
    own = np.zeros(len(counts), bool)
    for column in x.T:
        values, value, often = np.unique(column, return_inverse=True, return_counts=True)
        own |= (often[value[first]] == counts) & _between_ends(values)[value[first]]
    loose = ~own[group] & (counts[group] > 1)
    group = np.where(loose, len(counts) + np.cumsum(loose), group)
    _, group, counts = np.unique(group, return_inverse=True, return_counts=True)
    return group, counts


def _between_ends(values: np.ndarray) -> np.ndarray:
    """Which sorted values [M] lie away from the least and the greatest."""
    ends = np.abs(values[[0, -1]]).max()
    return np.minimum(values - values[0], values[-1] - values) > AT_AN_END * np.spacing(np.float32(ends))


def duplicates(name: str, x: np.ndarray, y: np.ndarray) -> list[Finding]:
    """Identical rows of a table of real numbers, rows nearer than chance allows (`copies.near_copies`), and blocks of
    identical rows."""
    if not _real(x):
        return []
    group, counts = telling(x)
    out = [failed_join(name, group, counts, y)]
    members = np.split(np.argsort(group, kind="stable"), np.cumsum(counts)[:-1])
    small = [np.sort(members[g]) for g in np.flatnonzero((counts > 1) & (counts < BLOCK_OF_EQUAL))]
    pairs = [(int(i), int(j)) for one in small for n, i in enumerate(one) for j in one[n + 1:]]
    across = [(i, j) for i, j in pairs if y[i] != y[j]]
    near = copies.near_copies(x, identical=False) if len(x) <= MANY else None
    crossing = f"; rows {', '.join(f'{i} and {j}' for i, j in across[:5])}" if across else ""
    out.append(finding("exact duplicates", name, bool(pairs), PROOF,
                       f"{len(pairs)} pairs of identical rows, {len(across)} of them under two labels{crossing}"
                       if pairs else "no two rows are identical",
                       {"pairs": len(pairs), "across_labels": len(across), "rows": pairs[:100],
                        "rows_across": across[:100]}))
    if near is not None:
        crossed = int(sum(y[i] != y[j] for i, j in near.pairs))
        said = (f"{len(near.pairs)} more pairs are closer than expected by chance in {near.dimension:.1f} dimensions, "
                f"{crossed} of them under two labels") if len(near.pairs) else "no rows closer than expected by chance"
        numbers = {"pairs": len(near.pairs), "across_labels": crossed, "dimension": near.dimension, "p": near.p,
                   "rows": near.pairs[:100].tolist()}
        out.append(finding("near duplicates", name, len(near.pairs) > 0, EVIDENCE, said, numbers))
    return out


def failed_join(name: str, group: np.ndarray, counts: np.ndarray, y: np.ndarray) -> Finding:
    """Are blocks of rows identical, as where a join left the same filling for all; and does the label decide which?

    `group` [N] is the number of each row's group of equal rows, `counts` its sizes.
    """
    large = np.flatnonzero(counts >= BLOCK_OF_EQUAL)
    inside = np.isin(group, large)
    numbers = {"groups": len(large), "rows": int(inside.sum()), "largest": int(counts.max())}
    if not len(large):
        return finding("failed join", name, False, PROOF, "no block of identical rows", numbers)
    pure = sum(len(np.unique(y[group == g])) == 1 for g in large)
    numbers["of_one_label"] = int(pure)
    said = (f"{inside.sum()} rows ({100 * inside.mean():.0f} %) lie in {len(large)} blocks of identical rows, the "
            f"largest of {counts.max()}: what they were made from was the same for all, as where a join finds "
            "nothing and fills in")
    by_label = len(large) > 1 and pure == len(large) and len(np.unique(y[inside])) > 1
    numbers["function_of_label"] = bool(by_label)
    if by_label:
        said += (f"; each of the {len(large)} blocks has one label: on these rows the array is a function of the "
                 "label alone, so it was given the label")
    return finding("failed join", name, True, PROOF, said, numbers)


def test_among_training(name: str, x: np.ndarray, parts: np.ndarray) -> Finding | None:
    """Are rows of the test (or validation) part also rows of the training part? None where codes may repeat."""
    if not _real(x):
        return None
    group, counts = telling(x)
    rest = parts > 0
    same = int(np.isin(group[rest], group[~rest]).sum())
    numbers = {"rows": same, "of": int(rest.sum()), "share": same / max(int(rest.sum()), 1)}
    said = (f"{same} of {rest.sum()} rows of test and validation are rows of training too" if same
            else "no row of test or validation is a row of training")
    return finding("test among training rows", name, bool(same), PROOF, said, numbers)
