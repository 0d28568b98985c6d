"""What arrays give away by themselves: somebody else's latents, features, labels and result tables in one folder.

No builder can be run here, so nothing is built again. `audit` looks for what can be seen in the numbers: rows in the
order of labels, arrays made from the label, copies, collapsed latents, silhouettes that their nulls explain, purities
that are inverse purities. Rules look at numbers only; of names one counts: arrays called `Z_*` are latents. Every
finding comes with its numbers, says whether it is proof, evidence or holds under an assumption, and what was clear is
listed too.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from lib.scores import agreement, clustering, information, nulls, probes
from lib.scores.verdict import examine
from lib.store.streams import stream
from lib.studies.leakage import array_files, array_labels, copies
from lib.studies.leakage.array_files import MANY, Arrays
from lib.studies.leakage.array_report import ASSUMING, EVIDENCE, LEVEL, PROOF, ArrayReport, Finding, finding

SEEDS = (42, 0)  # of the k-means runs that are tried to reproduce a result table's rows


# --- what an array is ---------------------------------------------------------------------------------------------
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
            "probe": probes.probe_accuracy(x, y, reader, seed), "between": array_labels.between_share(x, y),
            "silhouette": clustering.silhouette(x, found) if len(set(found)) > 1 else np.nan,
        })
    columns = ["array", "d", "participation_ratio", "nmi", "nmi_null", "ami", "probe", "between", "silhouette"]
    return pd.DataFrame(rows, columns=columns)


# --- the tests ----------------------------------------------------------------------------------------------------
def row_order(y: np.ndarray) -> Finding:
    """Do rows come in the order of their labels? How often the label changes, against any other order."""
    n, shares = len(y), np.unique(y, return_counts=True)[1] / len(y)
    changes = int((y[1:] != y[:-1]).sum())
    same = float((shares * (shares * n - 1) / (n - 1)).sum())
    expected, least = (n - 1) * (1 - same), len(shares) - 1
    rng = np.random.default_rng(57)  # for every folder the same
    spread = np.std([(lambda p: (p[1:] != p[:-1]).sum())(rng.permutation(y)) for _ in range(200)])
    p = float(stats.norm.cdf((changes - expected) / max(spread, 1e-9)))
    found = p < LEVEL
    what = "all arrays are ordered by label, and a row's number tells it" if found else "no order by label"
    said = (f"the label changes {changes} times from row to row; {expected:.0f} times if rows had no order, {least} "
            f"at the least: {what}")
    return finding("row order", "y", found, PROOF, said,
                   {"changes": changes, "expected": expected, "least": least, "p": p})


def duplicates(name: str, x: np.ndarray, y: np.ndarray) -> list[Finding]:
    """Identical rows of a table of real numbers, and rows nearer than chance allows (`copies.near_copies`)."""
    distinct = np.array([len(np.unique(column)) for column in x.T])
    if (distinct > len(x) / 2).sum() < 2:  # codes, counts: identical rows are no surprise
        return []
    _, group, counts = np.unique(x, axis=0, return_inverse=True, return_counts=True)
    group = group.ravel()
    groups = [np.flatnonzero(group == g) for g in np.flatnonzero(counts > 1)]
    pairs = [(int(i), int(j)) for rows in groups for n, i in enumerate(rows) for j in rows[n + 1:]]
    across = [(i, j) for i, j in pairs if y[i] != y[j]]
    near = copies.near_copies(x, identical=False) if len(x) <= MANY else None
    crossing = f"; rows {', '.join(f'{i} and {j}' for i, j in across[:5])}" if across else ""
    out = [finding("exact duplicates", name, bool(pairs), PROOF,
                   f"{len(pairs)} pairs of identical rows, {len(across)} of them under two labels{crossing}"
                   if pairs else "no two rows are identical",
                   {"pairs": len(pairs), "across_labels": len(across), "rows": pairs[:100],
                    "rows_across": across[:100]})]
    if near is not None:
        crossed = int(sum(y[i] != y[j] for i, j in near.pairs))
        said = (f"{len(near.pairs)} more pairs are nearer than a cloud of {near.dimension:.1f} dimensions has them, "
                f"{crossed} of them under two labels") if len(near.pairs) else "no rows nearer than chance allows"
        numbers = {"pairs": len(near.pairs), "across_labels": crossed, "dimension": near.dimension, "p": near.p,
                   "rows": near.pairs[:100].tolist()}
        out.append(finding("near duplicates", name, len(near.pairs) > 0, EVIDENCE, said, numbers))
    return out


def relations(arrays: Arrays, seed: int = 0) -> pd.DataFrame:
    """`r2_within` for every pair of arrays: row the one that is told, column the one that tells; the diagonal is 1."""
    names = list(arrays.points)
    points, y = arrays.points, arrays.labels
    values = [[1.0 if a == b else array_labels.r2_within(points[a], points[b], y, seed) for b in names] for a in names]
    return pd.DataFrame(values, names, names)


def is_latent(name: str) -> bool:
    """Arrays called `Z_something` (or `Z`) are latents: the one name that counts."""
    return name == "Z" or name.startswith("Z_")


def collapse(name: str, x: np.ndarray) -> Finding:
    """How many dimensions of a latent carry anything, if it is the mean of a VAE under a standard normal prior?

    Then Var(mu) + E[variance] is about 1 in each dimension, and KL about -1/2 ln(1 - Var mu). Where variances exceed
    1.2, or all are 1, that cannot be (an autoencoder, standardised columns): not told. Found where fewer than half of
    the dimensions are active (above 0.1 nats).
    """
    variance = x.var(0)
    ratio = nulls.participation_ratio(x)
    numbers = {"d": x.shape[1], "std_least": float(x.std(0).min()), "std_most": float(x.std(0).max()),
               "participation_ratio": ratio}
    if variance.max() > 1.2 or np.allclose(variance, 1, atol=0.02):
        said = (f"variances {variance.min():.2f} to {variance.max():.2f} are not those of a mean under a standard "
                "normal prior: not told")
        return finding("collapse", name, False, ASSUMING, said, numbers | {"active": None, "kl": None})
    kl = -0.5 * np.log(1 - np.minimum(variance, 0.95))
    active = int(information.active_dimensions(kl))
    bound = "at least " if (variance > 0.95).any() else ""
    said = (f"{active} of {x.shape[1]} dimensions active (KL above {information.ACTIVE_NATS:g} nats), KL "
            f"{bound}{kl.sum():.2f} nats in all, standard deviations {numbers['std_least']:.3f} to "
            f"{numbers['std_most']:.3f}, {ratio:.1f} effective dimensions; this assumes a VAE's mean, a standard "
            "normal prior, and that it is met on average")
    return finding("collapse", name, active < x.shape[1] / 2, ASSUMING, said,
                   numbers | {"active": active, "kl": float(kl.sum()), "kl_is_bound": bool(bound)})


def silhouette_explained(name: str, x: np.ndarray, k: int, seed: int = 0, n_nulls: int = 5) -> Finding:
    """How much of a k-means silhouette does a Gaussian cloud of its covariance have? Found where more than half."""
    evidence = examine(x, k, n_nulls=n_nulls, seed=seed, n_init=4)
    one, round_ = evidence.silhouettes["gaussian"], evidence.silhouettes["isotropic"]
    share = one.null_mean / one.value if one.value > 0 else float("nan")
    ratio = nulls.participation_ratio(x)
    said = (f"silhouette {one.value:.3f} at k = {k}; a Gaussian cloud of its covariance has {one.null_mean:.3f} "
            f"({100 * share:.0f} %, excess {one.excess:+.3f}, z {one.z:.1f}), an isotropic one in "
            f"{max(1, round(ratio))} dimensions {round_.null_mean:.3f}; by the rule of "
            f"lib.scores.verdict {evidence.verdict}")
    return finding("silhouette", name, share > 0.5, EVIDENCE, said, {
        "silhouette": one.value, "null": one.null_mean, "explained": share, "z": one.z, "isotropic": round_.null_mean,
        "verdict": evidence.verdict, "k": k})


def reported_purity(arrays: Arrays) -> list[Finding]:
    """Are purities in result tables what they are called?

    A row of a table (columns nmi, ari, purity) is reproduced when clusters have its NMI and ARI to six digits: clusters
    in the folder, or k-means of an array or of its ten leading components. Its purity is then recomputed: each
    cluster's commonest label; the other way round (each label's commonest cluster) it is inverse purity.
    """
    y, out, known = arrays.labels, [], {}
    for name, table in arrays.tables.items():
        columns = {str(c).strip().lower(): c for c in table.columns}
        if not {"nmi", "ari", "purity"} <= set(columns):
            continue
        rows = table[[columns[c] for c in ("nmi", "ari", "purity")]].apply(pd.to_numeric, errors="coerce")
        rows.columns = ["nmi", "ari", "purity"]
        for i, row in rows.dropna().iterrows():
            k = int(table.loc[i, columns["n_clusters"]]) if "n_clusters" in columns else len(np.unique(y))
            if k not in known:
                known[k] = _clusterings(arrays, k)
            for source, scores in known[k].items():
                if abs(scores["nmi"] - row["nmi"]) < 1e-6 and abs(scores["ari"] - row["ari"]) < 1e-6:
                    out.append((name, i, source, float(row["purity"]), scores["purity"], scores["inverse_purity"]))
                    break
    findings = []
    for name in dict.fromkeys(row[0] for row in out):
        rows = [row for row in out if row[0] == name]
        swapped = [r for r in rows if abs(r[3] - r[5]) < 1e-6 < abs(r[3] - r[4])]
        right = [r for r in rows if abs(r[3] - r[4]) < 1e-6]
        said = f"{len(rows)} rows reproduced; printed is inverse purity in {len(swapped)}, purity in {len(right)}"
        if swapped:
            said += ": " + ", ".join(f"{r[2]} {r[3]:.3f} where purity is {r[4]:.3f}" for r in swapped)
        findings.append(finding("reported purity", name, bool(swapped), PROOF, said, {
            "reproduced": len(rows), "transposed": len(swapped), "right": len(right),
            "rows": [{"row": int(r[1]), "clusters": r[2], "printed": r[3], "purity": r[4], "inverse_purity": r[5]}
                     for r in rows]}))
    return findings


def _clusterings(arrays: Arrays, k: int) -> dict[str, dict[str, float]]:
    """Scores of clusters that the folder has, and of k-means at k on its arrays and their leading components."""
    found = {name: agreement.external(arrays.labels, codes) for name, codes in arrays.clusters.items()}
    if not 2 <= k < len(arrays.labels):
        return found
    for name, x in arrays.points.items():
        forms = {name: x}
        if x.shape[1] > 10:
            forms[f"PCA of {name}"] = PCA(10, svd_solver="full").fit_transform(x)
        for form, points in forms.items():
            for seed in SEEDS:
                # ten restarts, as most published tables have
                codes = clustering.cluster(points.astype(np.float32), k, seed=seed, n_init=10)
                found[f"{form}, k-means of seed {seed}"] = agreement.external(arrays.labels, codes)
    return found


# --- all of it ----------------------------------------------------------------------------------------------------
def audit(arrays: Arrays, seed: int = 0, n_nulls: int = 5) -> ArrayReport:
    """Everything that a folder's arrays give away by themselves."""
    y = arrays.labels
    less = array_files.sample(arrays, seed)
    about = describe(less, seed)
    related = relations(less, seed)
    made = array_labels.label_derived(less, about, related)
    derived = {f.subject for f in made if f.verdict == "found"}
    carriers = {f.subject for f in made if "columns_of" in f.numbers}
    findings = [row_order(y), *made, *array_labels.second_modality(less, about, carriers, related, seed),
                *array_labels.label_beside_features(less, derived, related)]
    for name, x in arrays.points.items():
        findings += [] if name in derived else duplicates(name, x, y)
    k = len(np.unique(y))
    for name, x in less.points.items():
        if is_latent(name) and x.shape[1] > 1:
            findings.append(collapse(name, arrays.points[name]))
            findings.append(silhouette_explained(name, x, k, seed, n_nulls))
    findings += reported_purity(arrays) if len(y) <= 10 * MANY else []
    why = "arrays cannot be built again: give the builder to lib.studies.leakage.audit"
    not_run = {"relabelling": why, "words and fields": why, "modality ceiling": "the raw content is not here",
               "dose curve": "how much information was put in is not known"}
    counts = {str(label): int(count) for label, count in zip(*np.unique(y, return_counts=True), strict=True)}
    return ArrayReport(arrays.folder, len(y), counts, about, findings, not_run, arrays.skipped)

