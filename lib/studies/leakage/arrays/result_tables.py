"""Printed results held against what the arrays give: rows reproduced, formulas of purity, baselines, silhouettes."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment
from sklearn.decomposition import PCA
from sklearn.metrics import pairwise_distances_argmin

from lib.scores import agreement, clustering
from lib.store.arithmetic import standardised
from lib.studies.leakage.arrays.reading import MANY, Arrays
from lib.studies.leakage.arrays.report import EVIDENCE, OBSERVED, PROOF, Finding, finding

SEEDS = (42, 0)  # of the k-means runs that are tried to reproduce a result table's rows
MADE_BY_K_MEANS = 0.98  # share of rows nearest to their own group's mean: k-means leaves none, rounding a few
SILHOUETTE_ROWS = 3000
SILHOUETTE_ERROR = 0.04  # four standard errors of 1,000 sampled rows: single silhouettes spread by 0.3 or less
AGREES = 1e-6  # a printed score and ours, both in double precision
COLUMNS = {  # metric -> what its column is called once all but letters is gone, scikit-learn's names among them
    "nmi": r"nmi\w*|normali[sz]edmutualinfo\w*|vmeasure\w*", "ari": r"ari\w*|adjustedrand\w*|randadjusted",
    "purity": r"\w*purity\w*", "silhouette": r"\w*silhouette\w*|sil", "accuracy": r"\w*accuracy\w*|acc|clusteringacc",
    "n_clusters": r"nclusters|k|numclusters|clusters|numberofclusters", "rows": r"nsamples|n|numsamples|rows"}
FORMULAS = {"purity": "purity", "inverse_purity": "inverse purity (each label's most frequent cluster)",
            "accuracy": "accuracy after the best matching", "macro_purity": "the mean of the clusters' own purities"}


class Row(NamedTuple):
    """A printed row that was reproduced."""

    table: str
    index: int
    clusters: str  # what has its scores
    printed: dict[str, float]
    scores: dict[str, float]


def columns(table: pd.DataFrame) -> dict[str, str]:
    """Which column of a table holds which metric; of two, the first that speaks of genre or of no other label."""
    found: dict[str, str] = {}
    for column in table.columns:
        plain = re.sub(r"[^a-z]", "", str(column).lower())
        for metric, pattern in COLUMNS.items():
            if re.fullmatch(pattern, plain) and metric not in found and not plain.endswith(("lang", "std", "sd")):
                found[metric] = column
    return found


def numbers(table: pd.DataFrame) -> pd.DataFrame:
    """The metrics of a table as numbers, a column each."""
    found = columns(table)
    return pd.DataFrame({metric: pd.to_numeric(table[column], errors="coerce") for metric, column in found.items()})


def audit_tables(arrays: Arrays, probe: float, seed: int = 0) -> list[Finding]:
    """All findings on printed results; `probe`: accuracy of the best linear probe of an array.

    On few rows (at most ten times `MANY`) clusterings are made again.
    """
    if not arrays.tables:
        return []
    known: dict[int, dict[str, dict[str, float]]] = {}
    out = []
    for name, table in arrays.tables.items():
        printed = numbers(table)
        rows = _reproduced(arrays, name, printed, known, len(arrays.labels) <= 10 * MANY)
        out += [*_purities(name, rows), *_baselines(arrays, name, printed, probe)]
        out += [*_silhouettes(arrays, name, rows, seed), *_not_reproduced(name, printed, rows)]
    return out


# --- rows that are made again -------------------------------------------------------------------------------------
def _reproduced(arrays: Arrays, name: str, printed: pd.DataFrame, known: dict, again: bool) -> list[Row]:
    """The rows whose agreement with labels is that of some clustering, to six digits: groups in the folder, or k-means
    of an array or of its ten leading components."""
    wanted = [m for m in ("nmi", "ari") if m in printed]
    if not wanted:
        return []
    found = []
    for i, row in printed.dropna(subset=wanted).iterrows():
        if all(abs(row[m]) < 1e-9 for m in wanted):
            continue  # zeros: one cluster, and as many clusterings give that as one likes
        k = row.get("n_clusters", np.nan)
        k = int(k) if np.isfinite(k) else len(np.unique(arrays.labels))
        if k not in known:
            known[k] = _clusterings(arrays, k, again)
        for source, scores in known[k].items():
            if all(abs(scores[m] - row[m]) < AGREES for m in wanted):
                found.append(Row(name, int(i), source, {m: float(v) for m, v in row.items()}, scores))
                break
    return found


def _clusterings(arrays: Arrays, k: int, again: bool) -> dict[str, dict[str, float]]:
    """Scores of groups of rows that the folder has, and of k-means at k on its arrays and their leading components."""
    found = {name: scores_of(arrays.labels, codes) for name, codes in arrays.clusters.items()}
    if not again or not 2 <= k < len(arrays.labels):
        return found
    for name, x in arrays.points.items():
        forms = {name: x}
        if x.shape[1] > 10:
            forms[f"PCA of {name}"] = PCA(10, svd_solver="full").fit_transform(x)
        for form, points in forms.items():
            for seed in SEEDS:
                # ten restarts, as most published tables have
                codes = clustering.cluster(points.astype(np.float32), k, seed=seed, n_init=10)
                found[f"{form}, k-means of seed {seed}"] = scores_of(arrays.labels, codes)
    return found


def scores_of(labels: np.ndarray, codes: np.ndarray) -> dict[str, float]:
    """Agreement of a grouping with labels, purity by all its formulas."""
    y, c = np.unique(labels, return_inverse=True)[1], np.unique(codes, return_inverse=True)[1]
    table = np.zeros((c.max() + 1, y.max() + 1))
    np.add.at(table, (c, y), 1)
    matched = float(table[linear_sum_assignment(-table)].sum() / len(y))
    own = float((table.max(1) / table.sum(1)).mean())
    return agreement.external(labels, codes) | {"accuracy": matched, "macro_purity": own}


def _purities(name: str, rows: list[Row]) -> list[Finding]:
    """Are printed purities purities? Each formula is tried on the reproduced rows."""
    rows = [row for row in rows if np.isfinite(row.printed.get("purity", np.nan))]
    if not rows:
        return []
    by_formula = {row.index: next((formula for formula in FORMULAS if abs(row.printed["purity"] - row.scores[formula])
                                   < AGREES), "none") for row in rows}
    swapped = [row for row in rows if by_formula[row.index] not in ("purity", "none")]
    right = sum(formula == "purity" for formula in by_formula.values())
    transposed = sum(by_formula[row.index] == "inverse_purity" for row in rows)
    said = f"{len(rows)} rows reproduced; reported is inverse purity in {transposed}, purity in {right}"
    others = {f for f in by_formula.values() if f in ("accuracy", "macro_purity")}
    said += "".join(f", {FORMULAS[f]} in {sum(v == f for v in by_formula.values())}" for f in sorted(others))
    if swapped:
        said += ": " + ", ".join(f"{r.clusters} {r.printed['purity']:.3f} where purity is {r.scores['purity']:.3f}"
                                 for r in swapped)
    return [finding("reported purity", name, bool(swapped), PROOF, said, {
        "reproduced": len(rows), "transposed": transposed, "right": right,
        "rows": [{"row": r.index, "clusters": r.clusters, "printed": r.printed["purity"],
                  "formula": by_formula[r.index], "purity": r.scores["purity"],
                  "inverse_purity": r.scores["inverse_purity"]} for r in rows]})]


def _not_reproduced(name: str, printed: pd.DataFrame, rows: list[Row]) -> list[Finding]:
    """Which printed rows does nothing here reproduce?"""
    wanted = [m for m in ("nmi", "ari") if m in printed]
    usable = printed[wanted].notna().all(axis=1) & (printed[wanted].abs() > 1e-9).any(axis=1)
    tried = int(usable.sum()) if wanted else 0
    if not tried:
        return []
    missing = tried - len(rows)
    said = (f"{len(rows)} of {tried} rows have the scores of a clustering here (groups in the folder; k-means of "
            f"each array, seeds {' and '.join(map(str, SEEDS))})")
    said += ": nothing in this folder reproduces the table" if missing == tried else \
        f"; {missing} have not" if missing else ""
    return [finding("rows not reproduced", name, missing > 0, OBSERVED, said, {"rows": tried, "reproduced": len(rows)})]


# --- single columns -----------------------------------------------------------------------------------------------
def _baselines(arrays: Arrays, name: str, printed: pd.DataFrame, probe: float) -> list[Finding]:
    """Is a printed purity or accuracy the share of the commonest label, which one heap of all rows has too?"""
    share = float(np.unique(arrays.labels, return_counts=True)[1].max() / len(arrays.labels))
    exact, out = _digits(printed.to_numpy(float).ravel()), []
    for metric in ("purity", "accuracy"):
        values = printed[metric].dropna() if metric in printed else pd.Series(dtype=float)
        if values.empty or exact < 3:  # two digits agree by chance
            continue
        digits = max(_digits(values), min(exact, 4))  # a column may be rounded more than the table, or end in zeros
        equal = int((np.abs(values - share) < max(AGREES, 0.51 * 10.0 ** -min(digits, 6))).sum())
        numbers_ = {"equal": equal, "of": len(values), "share": share, "probe": probe}
        said = (f"{equal} of {len(values)} reported values of {metric} equal the share of the most frequent label "
                f"({share:.4f}), as for a single cluster of all rows" if equal else
                f"no reported {metric} equals the share of the most frequent label ({share:.4f})")
        out.append(finding("baseline metrics", f"{name}, {metric}", equal > 0, PROOF, said, numbers_))
    return out


def _digits(values: np.ndarray) -> int:
    """The most digits after the point of some numbers."""
    return max((len(f"{value:.10g}".partition(".")[2]) for value in values), default=0)


def _silhouettes(arrays: Arrays, name: str, rows: list[Row], seed: int) -> list[Finding]:
    """Is the printed silhouette that of the groups, in an array that is here? Of groups that lie in the folder.

    Where they are k-means clusters of an array here, a silhouette of another one is evidence against the table; where
    they are not, they were found in an array that is not here, and that is only observed.
    """
    out = []
    for row in rows:
        printed = row.printed.get("silhouette", np.nan)
        if row.clusters not in arrays.clusters or not np.isfinite(printed) or not arrays.points:
            continue
        codes = arrays.clusters[row.clusters]
        made_in = [a for a, x in arrays.points.items()
                   if _nearest_centre(np.asarray(x, float), codes) > MADE_BY_K_MEANS]
        some = np.linspace(0, len(codes) - 1, min(len(codes), SILHOUETTE_ROWS)).astype(int)
        own = {a: _closest_silhouette(np.asarray(arrays.points[a][some], float), codes[some], printed, seed)
               for a in made_in or arrays.points}
        near = min(own, key=lambda a: abs(own[a] - printed))
        found = abs(own[near] - printed) > SILHOUETTE_ERROR
        of = f"k-means clusters of {near}" if made_in else "k-means clusters of no array here"
        said = (f"row {row.index} has NMI and ARI of {row.clusters}, which are {of}; their silhouette in {near} is "
                f"{own[near]:.3f}, reported is {printed:.3f}" + (": that of another array" if found else ""))
        out.append(finding("silhouette of another array", f"{name}, row {row.index}", found,
                           EVIDENCE if made_in else OBSERVED, said,
                           {"printed": printed, "arrays": own, "clusters": row.clusters, "made_in": made_in}))
    return out


def _closest_silhouette(x: np.ndarray, codes: np.ndarray, printed: float, seed: int) -> float:
    """The silhouette of groups of rows that is nearer to the printed one: of all, or without the first (noise, where
    DBSCAN made them)."""
    values = [clustering.silhouette(x[kept], codes[kept], seed) for kept in (codes >= 0, codes > codes.min())
              if len(np.unique(codes[kept])) > 1]
    return min(values, key=lambda value: abs(value - printed), default=float("nan"))


def _nearest_centre(x: np.ndarray, codes: np.ndarray) -> float:
    """Share of rows of x [N, D], as it is or standardised, that are nearest to the mean of their own group."""
    own, share = np.unique(codes, return_inverse=True)[1], 0.0
    for points in (x, standardised(x)):
        centres = np.stack([points[own == c].mean(0) for c in range(own.max() + 1)])
        share = max(share, float((pairwise_distances_argmin(points, centres) == own).mean()))
    return share
