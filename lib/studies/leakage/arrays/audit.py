"""What arrays give away by themselves: somebody else's latents, features, labels and result tables in one folder.

No builder can be run here, so nothing is built again. `audit` looks for what can be seen in the numbers; names decide
nothing. Every finding comes with its numbers, says whether it is proof, evidence, an observation or holds under an
assumption (`taxonomy`), and what was clear is listed too.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from lib.scores import agreement, clustering, nulls, probes
from lib.store.streams import stream
from lib.studies.leakage.arrays import (
    agreeing,
    conditioning,
    label_made,
    latents,
    order,
    reading,
    relations,
    repeats,
    result_tables,
)
from lib.studies.leakage.arrays.reading import Arrays
from lib.studies.leakage.arrays.report import LEVEL, ArrayReport, Finding

SILHOUETTE_ROWS = 1000  # of silhouettes and their nulls


def describe(arrays: Arrays, seed: int = 0) -> pd.DataFrame:
    """A row per array: d, effective dimensions, and how far k-means clusters and a linear probe agree with labels."""
    y, k = arrays.labels, len(np.unique(arrays.labels))
    rng, rows = stream(seed, "permuted clusters of an array"), []
    reader = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    for name, x in arrays.points.items():
        found = clustering.cluster(x, k, seed=seed, n_init=4)
        scores = agreement.external(y, found)
        rows.append({
            "array": name, "d": x.shape[1], "participation_ratio": nulls.participation_ratio(x),
            "nmi": scores["nmi"], "nmi_null": agreement.nmi_null(y, found, rng).mean(), "ami": scores["ami"],
            "probe": probes.probe_accuracy(x, y, reader, seed), "between": label_made.between_share(x, y),
            "silhouette": clustering.silhouette(x, found) if len(set(found)) > 1 else np.nan,
        })
    columns = ["array", "d", "participation_ratio", "nmi", "nmi_null", "ami", "probe", "between", "silhouette"]
    return pd.DataFrame(rows, columns=columns)


def audit(arrays: Arrays, seed: int = 0, n_nulls: int = 5) -> ArrayReport:
    """Everything that a folder's arrays give away by themselves; without nulls (`n_nulls` 0) no silhouettes."""
    y = arrays.labels
    less = reading.sample(arrays, seed)
    about = describe(less, seed)
    related = relations.within_labels(less.points, less.labels, seed)
    made = label_made.label_derived(less, about, related)
    derived = {f.subject for f in made if f.verdict == "found"}
    carriers = {f.subject for f in made if "columns_of" in f.numbers}
    columns = agreeing.label_as_column(arrays)
    holding = derived | {f.subject for f in columns if f.verdict == "found"}
    known = agreeing.label_agreement(less, seed)
    nothing = agreeing.nothing_agrees(known, related, _reads(about, less.labels))
    free = {name: x for name, x in arrays.points.items() if name not in holding}
    findings = [
        *_of_rows(arrays, less, derived, seed), *made, *columns, *agreeing.equals_labels(arrays, seed),
        *label_made.second_modality(less, about, carriers, related, seed),
        *conditioning.label_beside_features(free, y, related, seed),
        *nothing, *([] if nothing and nothing[0].verdict == "found" else agreeing.strangers(known, related)),
        *_of_latents(arrays, less, derived, seed, n_nulls),
        *result_tables.audit_tables(arrays, float(about["probe"].max()), seed),
    ]
    why = "arrays cannot be built again: give the builder to lib.studies.leakage.audit"
    not_run = {"relabelling": why, "words and fields": why, "modality ceiling": "the raw content is not here",
               "dose curve": "how much information was put in is not known"}
    counts = {str(label): int(count) for label, count in zip(*np.unique(y, return_counts=True), strict=True)}
    return ArrayReport(arrays.folder, len(y), counts, about, findings, not_run, arrays.skipped, arrays.kinds,
                       _looked(len(y), len(less.labels)))


def _reads(about: pd.DataFrame, y: np.ndarray) -> bool:
    """Does a linear probe of any array read more labels than the commonest label's share, tried once per array?"""
    share, best = np.unique(y, return_counts=True)[1].max() / len(y), about["probe"].max()
    if not np.isfinite(best):
        return False
    return bool(stats.binomtest(round(best * len(y)), len(y), share, "greater").pvalue * len(about) < LEVEL)


def _of_rows(arrays: Arrays, less: Arrays, derived: set[str], seed: int) -> list[Finding]:
    """Order, repetitions and splits."""
    out = [order.row_order(arrays), agreeing.unknown_class(arrays.labels)]
    for name, x in arrays.points.items():
        if name in derived:
            continue
        out += repeats.duplicates(name, x, arrays.labels)
        out.append(order.neighbours_in_order(name, less.points[name], less.labels, seed, len(arrays.points)))
        if arrays.parts is not None and (split := repeats.test_among_training(name, x, arrays.parts)):
            out.append(split)
    return out


def _of_latents(arrays: Arrays, less: Arrays, derived: set[str], seed: int, n_nulls: int) -> list[Finding]:
    """Scales and silhouettes of every array of two dimensions or more; whether it is a latent does not show."""
    k, out = len(np.unique(arrays.labels)), []
    step = max(1, len(less.labels) // SILHOUETTE_ROWS)
    for name, x in less.points.items():
        if x.shape[1] < 2 or not x.std(0).max() or name in derived:  # noise on a label is no latent
            continue
        copy = latents.stretched_copy(name, arrays.points)
        out += [copy or latents.scales(name, x), latents.collapse(name, np.asarray(arrays.points[name], float))]
        out += [latents.silhouette_explained(name, x[::step], k, seed, n_nulls)] if n_nulls else []
    return out


def _looked(n: int, few: int) -> str:
    """Which rows were looked at, in words."""
    if few == n:
        return f"all {n} rows; kernels on {min(n, conditioning.ROWS)} of them"
    return (f"order by label, identical rows, scales and tables: all {n} rows; the rest: {few} rows in blocks of "
            f"{reading.BLOCK} neighbours; kernels: {min(n, conditioning.ROWS)} rows")
