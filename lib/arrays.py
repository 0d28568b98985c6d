"""What arrays give away by themselves: somebody else's latents, features, labels and result tables in one folder.

No builder can be run here, so nothing is built again. `audit` looks for what can be seen in the numbers: rows in the
order of labels, arrays made from the label, copies, collapsed latents, silhouettes that their nulls explain, purities
that are inverse purities. Rules look at numbers only; of names one counts: arrays called `Z_*` are latents. Every
finding comes with its numbers, says whether it is proof, evidence or holds under an assumption, and what was clear is
listed too.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import RidgeCV
from sklearn.metrics import normalized_mutual_info_score
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict
from sklearn.neighbors import NearestNeighbors

from lib import clustering, information, labels, leakage, validity
from lib.errors import Problem

MAX_BYTES = 2 * 10**9  # of one array
MANY = 3000  # rows that probes, k-means and nulls are computed on; more are sampled
LEVEL = 0.01
SEEDS = (42, 0)  # of the k-means runs that are tried to reproduce a result table's rows
ISOTROPIC = 0.9  # of the participation ratio of independent columns: from here a residual counts as isotropic noise
UNRELATED = 0.05  # largest cross-validated R^2 from any other array that still counts as none
DEPENDS = 0.3  # R^2 from which an array counts as computed from another
LABEL_STEP = 0.1  # log distance by which another label may set neighbours apart in what is computed from features alone
PROOF, EVIDENCE, ASSUMING = "proof", "evidence", "under an assumption"


class Arrays(NamedTuple):
    """A folder's arrays; all have `n` rows, joined by position because there is nothing else to join them by."""

    folder: str
    labels: np.ndarray  # text [n]
    points: dict[str, np.ndarray]  # name -> float [n, d]
    clusters: dict[str, np.ndarray]  # name -> whole numbers [n]
    tables: dict[str, pd.DataFrame]  # result tables
    skipped: list[tuple[str, str]]  # file, reason


class Finding(NamedTuple):
    """One thing looked at in one array. `verdict` is "found", "clear" or "not decided"; `kind` says how far "found"
    goes."""

    test: str
    subject: str
    verdict: str
    kind: str
    sentence: str
    numbers: dict[str, Any]


class ArrayReport(NamedTuple):
    """All that was looked at in a folder."""

    folder: str
    n: int
    labels: dict[str, int]
    arrays: pd.DataFrame  # a row per array: what it is and how far it agrees with the labels
    findings: list[Finding]
    not_run: dict[str, str]  # tests of a builder, and why arrays are not enough for them
    skipped: list[tuple[str, str]]

    def found(self, test: str = "") -> dict[str, Finding]:
        """What was found, by subject; of one test, or all (then by "test subject")."""
        return {f.subject if test else f"{f.test} {f.subject}": f for f in self.findings
                if f.verdict == "found" and (not test or f.test == test)}

    def table(self) -> pd.DataFrame:
        """A row per thing looked at."""
        return pd.DataFrame([(f.test, f.subject, f.verdict, f.kind, f.sentence) for f in self.findings],
                            columns=["test", "array", "verdict", "kind", "what the numbers say"])

    def to_json(self) -> dict[str, Any]:
        """The report as plain lists and numbers; what is not a number is null."""
        return _plain({
            "folder": Path(self.folder).name, "rows": self.n, "labels": self.labels,
            "arrays": self.arrays.to_dict("records"),
            "findings": [f._asdict() for f in self.findings if f.verdict == "found"],
            "clear": [f._asdict() for f in self.findings if f.verdict == "clear"],
            "not_decided": [f._asdict() for f in self.findings if f.verdict == "not decided"],
            "not_run": self.not_run, "skipped": [{"file": file, "reason": reason} for file, reason in self.skipped],
        })


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value


# --- reading ------------------------------------------------------------------------------------------------------


def load(folder: Path, y: np.ndarray | None = None) -> Arrays:
    """Read a folder's `.npy` arrays (pickle off) and `.csv` tables; `y` defaults to the folder's labels.

    Arrays of other sizes, with gaps or that are no numbers are skipped with a reason. Raises `Problem` when there is no
    folder, there are no labels, or there is nothing to look at.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise Problem(f"there is no folder {folder}: --source must be a folder of .npy arrays with their y.npy")
    y = labels.read_array(folder) if y is None else y
    points, clusters, tables, skipped = {}, {}, {}, []
    for path in sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith(".")):
        if path.suffix == ".npy" and path.name not in labels.ARRAY_FILES:
            try:
                array = _read(path, len(y))
            except (ValueError, OSError, EOFError) as error:
                skipped.append((path.name, str(error).splitlines()[0][:200] if str(error) else "cannot be read"))
                continue
            (clusters if array.ndim == 1 else points)[path.stem] = array
        elif path.suffix == ".csv":
            try:
                tables[path.stem] = pd.read_csv(path, nrows=10_000)
            except (ValueError, OSError) as error:
                skipped.append((path.name, f"not a table: {str(error)[:100]}"))
    if not points and not clusters:
        why = "; ".join(f"{file}: {reason}" for file, reason in skipped[:3]) or "there are no other .npy files"
        raise Problem(f"no array in {folder} has the {len(y)} rows of its labels: {why}")
    return Arrays(str(folder), y, points, clusters, tables, skipped)


def _read(path: Path, n: int) -> np.ndarray:
    """float [n, d], or whole numbers [n]. Raises `ValueError` with the reason why not."""
    header = np.load(path, mmap_mode="r", allow_pickle=False)
    if header.dtype.kind not in "fiub":
        raise ValueError(f"holds {header.dtype}, not numbers")
    if header.shape[:1] != (n,):
        raise ValueError(f"shape {header.shape}: the labels have {n} rows")
    if header.nbytes > MAX_BYTES:
        raise ValueError(f"larger than {MAX_BYTES // 10**9} GB")
    if header.ndim == 1 and (header.dtype.kind in "iub" or np.array_equal(header, np.round(header))):
        return np.unique(np.asarray(header), return_inverse=True)[1]
    if header.ndim > 2:
        raise ValueError(f"shape {header.shape}: only [rows, dimensions] is looked at")
    array = np.asarray(header, dtype=float).reshape(n, -1)
    if not np.isfinite(array).all():
        raise ValueError(f"{int((~np.isfinite(array)).any(1).sum())} rows are not finite")
    if not array.shape[1]:
        raise ValueError("has no columns")
    return array


def sample(arrays: Arrays, seed: int = 0) -> Arrays:
    """At most `MANY` rows of it, in their order."""
    n = len(arrays.labels)
    if n <= MANY:
        return arrays
    rows = np.sort(np.random.default_rng([seed, 51]).choice(n, MANY, replace=False))
    return arrays._replace(labels=arrays.labels[rows], points={k: v[rows] for k, v in arrays.points.items()},
                           clusters={k: v[rows] for k, v in arrays.clusters.items()})


# --- what an array is ---------------------------------------------------------------------------------------------


def describe(arrays: Arrays, seed: int = 0) -> pd.DataFrame:
    """A row per array: d, effective dimensions, and how far k-means clusters and a linear probe agree with labels."""
    y, k = arrays.labels, len(np.unique(arrays.labels))
    rng = np.random.default_rng([seed, 53])
    rows = []
    for name, x in arrays.points.items():
        found = clustering.cluster(x, k, seed=seed, n_init=4)
        scores = clustering.external(y, found)
        chance = [normalized_mutual_info_score(y, rng.permutation(found)) for _ in range(20)]
        rows.append({
            "array": name, "d": x.shape[1], "participation_ratio": validity.participation_ratio(x),
            "nmi": scores["nmi"], "nmi_null": np.mean(chance), "ami": scores["ami"],
            "probe": _probe(x, y, seed), "between": between_share(x, y),
            "silhouette": clustering.silhouette(x, found) if len(set(found)) > 1 else np.nan,
        })
    columns = ["array", "d", "participation_ratio", "nmi", "nmi_null", "ami", "probe", "between", "silhouette"]
    return pd.DataFrame(rows, columns=columns)


def _probe(x: np.ndarray, y: np.ndarray, seed: int) -> float:
    """5-fold accuracy of a linear discriminant; NaN where a label has fewer than five rows."""
    if np.unique(y, return_counts=True)[1].min() < 5:
        return float("nan")
    spread = x.std(0)
    x = (x - x.mean(0))[:, spread > 0] / spread[spread > 0]
    if not x.shape[1]:
        return float("nan")
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    return float((cross_val_predict(model, x, y, cv=StratifiedKFold(5, shuffle=True, random_state=seed)) == y).mean())


def standard(x: np.ndarray) -> np.ndarray:
    """Columns of x [N, D] with mean 0 and variance 1; constant columns are dropped."""
    spread = x.std(0)
    keep = spread > 1e-12 * max(float(np.abs(x).max()), 1e-300)
    return (x - x.mean(0))[:, keep] / spread[keep]


def between_share(x: np.ndarray, y: np.ndarray) -> float:
    """Share of the variance of standardised columns that lies between labels, without what chance gives."""
    z = standard(x)
    if not z.size:
        return float("nan")
    k = len(np.unique(y))
    inside = (information.remove_means(z, y) ** 2).sum() / (len(y) - k)
    return float(1 - inside / ((z**2).sum() / (len(y) - 1)))


def explained(target: np.ndarray, source: np.ndarray, y: np.ndarray, seed: int = 0) -> float:
    """Cross-validated R^2 of a ridge from one array [N, D] to another [N, E], after both lost their means per label."""
    a, b = (information.remove_means(standard(x), y) for x in (source, target))
    if not a.size or not b.size or not (b**2).sum():
        return 0.0
    guess = cross_val_predict(RidgeCV(np.logspace(-2, 4, 7)), a, b, cv=KFold(5, shuffle=True, random_state=seed))
    return float(1 - ((b - guess.reshape(b.shape)) ** 2).sum() / (b**2).sum())


# --- the tests ----------------------------------------------------------------------------------------------------


def row_order(y: np.ndarray) -> Finding:
    """Do rows come in the order of their labels? How often the label changes, against any other order."""
    n, shares = len(y), np.unique(y, return_counts=True)[1] / len(y)
    changes = int((y[1:] != y[:-1]).sum())
    same = float((shares * (shares * n - 1) / (n - 1)).sum())
    expected, least = (n - 1) * (1 - same), len(shares) - 1
    rng = np.random.default_rng(57)
    spread = np.std([(lambda p: (p[1:] != p[:-1]).sum())(rng.permutation(y)) for _ in range(200)])
    p = float(stats.norm.cdf((changes - expected) / max(spread, 1e-9)))
    found = p < LEVEL
    what = "all arrays are ordered by label, and a row's number tells it" if found else "no order by label"
    said = (f"the label changes {changes} times from row to row; {expected:.0f} times if rows had no order, {least} "
            f"at the least: {what}")
    return Finding("row order", "y", _verdict(found), PROOF, said,
                   {"changes": changes, "expected": expected, "least": least, "p": p})


def duplicates(name: str, x: np.ndarray, y: np.ndarray) -> list[Finding]:
    """Identical rows of a table of real numbers, and rows nearer than chance allows (`leakage.near_copies`)."""
    distinct = np.array([len(np.unique(column)) for column in x.T])
    if (distinct > len(x) / 2).sum() < 2:  # codes, counts: identical rows are no surprise
        return []
    _, group, counts = np.unique(x, axis=0, return_inverse=True, return_counts=True)
    group = group.ravel()
    groups = [np.flatnonzero(group == g) for g in np.flatnonzero(counts > 1)]
    pairs = [(int(i), int(j)) for rows in groups for n, i in enumerate(rows) for j in rows[n + 1:]]
    across = [(i, j) for i, j in pairs if y[i] != y[j]]
    near = leakage.near_copies(x, identical=False) if len(x) <= MANY else None
    crossing = f"; rows {', '.join(f'{i} and {j}' for i, j in across[:5])}" if across else ""
    out = [Finding("exact duplicates", name, _verdict(bool(pairs)), PROOF,
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
        out.append(Finding("near duplicates", name, _verdict(len(near.pairs) > 0), EVIDENCE, said, numbers))
    return out


def relations(arrays: Arrays, seed: int = 0) -> pd.DataFrame:
    """`explained` for every pair of arrays: row the one that is told, column the one that tells; the diagonal is 1."""
    names = list(arrays.points)
    values = [[1.0 if a == b else explained(arrays.points[a], arrays.points[b], arrays.labels, seed) for b in names]
              for a in names]
    return pd.DataFrame(values, names, names)


def label_derived(arrays: Arrays, about: pd.DataFrame, related: pd.DataFrame) -> list[Finding]:
    """Which arrays are the label, or the label plus noise; and which contain such an array.

    Label plus noise: labels account for at least a tenth of the variance; what is left when each label's mean is taken
    off is isotropic (participation ratio of its correlations at least 0.9 of that of independent ones), as wide along
    the means as across them, and nothing in any other array tells anything of it (R^2 at most 0.05). A real second
    modality fails these: it varies more in some directions than in others. At least one other array is needed; wider
    arrays that an array can be copied from (R^2 at least 0.99) do not count as such. Up to five columns may be too few.
    """
    y = arrays.labels
    by_name = about.set_index("array")
    out, derived = [], {}
    for name, x in arrays.points.items():
        numbers = {key: float(by_name.loc[name, key]) for key in ("nmi", "probe")} | noise_shape(x, y)
        others = {b: r for b, r in related.loc[name].items()
                  if b != name and not (r >= 0.99 and arrays.points[b].shape[1] > x.shape[1])}
        numbers["r2_from_others"] = max(others.values(), default=float("nan"))
        numbers["best_other_nmi"] = max((float(by_name.loc[b, "nmi"]) for b in others), default=float("nan"))
        if numbers["within_share"] < 1e-9:
            said = "a function of the label and of nothing else"
            derived[name] = Finding("label-derived", name, "found", PROOF, said, numbers)
        elif (noise := is_noise_on_label(numbers)) is None:
            said = (f"label plus noise, or a measurement that goes with the label (NMI {numbers['nmi']:.2f}): "
                    f"{x.shape[1]} columns are too few to tell noise without a direction from anything else")
            out.append(Finding("label-derived", name, "not decided", EVIDENCE, said, numbers))
        elif noise:
            said = (f"the label plus noise: NMI {numbers['nmi']:.2f} with the label (the best of the other arrays: "
                    f"{numbers['best_other_nmi']:.2f}); what is left without each label's mean is isotropic (effective "
                    f"dimensions {numbers['dimensions_within']:.1f}; noise has {numbers['dimensions_noise']:.1f}) "
                    f"and told by no other array (R^2 {numbers['r2_from_others']:.3f})")
            derived[name] = Finding("label-derived", name, "found", EVIDENCE, said, numbers)
        else:
            out.append(Finding("label-derived", name, "clear", EVIDENCE, "not label plus noise", numbers))
    carriers = []
    for one in [f for f in out if any(related.loc[d, f.subject] >= 0.5 for d in derived)]:
        sources = {d: float(related.loc[d, one.subject]) for d in derived if related.loc[d, one.subject] >= 0.5}
        whole = arrays.points[one.subject]
        columns = {b: contained(x, whole) for b, x in arrays.points.items() if b != one.subject}
        columns = {b: n for b, n in columns.items() if n}
        parts = ", ".join(f"{n} columns of {b}" for b, n in columns.items())
        back = ", ".join(f"{d} (R^2 {r:.3f})" for d, r in sources.items())
        said = (f"contains what is label-derived: it gives back {back}"
                + (f"; of its {whole.shape[1]} columns are {parts}" if parts else "")
                + f"; NMI {one.numbers['nmi']:.2f} with the label")
        carriers.append(one._replace(verdict="found", sentence=said, numbers=one.numbers | {
            "r2_of_derived": sources, "columns_of": columns}))
    kept = [f for f in out if f.subject not in {c.subject for c in carriers}]
    return [*derived.values(), *carriers, *kept]


def noise_shape(x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """How an array looks once each label's mean is taken off: share of variance, effective dimensions of correlations
    beside those of independent columns, and its variance along the means over that across them."""
    z = standard(x)
    k, n = len(np.unique(y)), len(y)
    if not z.size:
        names = ("within_share", "between", "dimensions_within", "dimensions_noise", "along")
        return dict.fromkeys(names, float("nan"))
    rest = information.remove_means(z, y)
    d, share = z.shape[1], float((rest**2).mean())
    out = {"within_share": share, "between": between_share(x, y), "dimensions_noise": d / (1 + (d - 1) / max(n - k, 1))}
    keep = rest.std(0) > 1e-9
    if d < 2 or keep.sum() < 2:
        return out | {"dimensions_within": float(keep.sum()), "along": float("nan")}
    rest_standard = rest[:, keep] / rest[:, keep].std(0)
    means = np.stack([z[y == label].mean(0) for label in np.unique(y)])
    axes = np.linalg.svd(means - means.mean(0), full_matrices=False)[2][: min(k - 1, d - 1)]
    along = float(((rest @ axes.T) ** 2).mean())
    across = float(((rest**2).sum() / n - along * len(axes)) / max(d - len(axes), 1))
    return out | {"dimensions_within": validity.participation_ratio(rest_standard), "along": along / max(across, 1e-12)}


def is_noise_on_label(numbers: dict[str, float]) -> bool | None:
    """The rule of `label_derived`, on the numbers of `noise_shape` and `r2_from_others`.

    None where that is not decided: three columns may be isotropic by chance, and in up to five the variance along the
    means is too uncertain to speak against it.
    """
    if not (numbers["between"] >= 0.1 and numbers["dimensions_within"] >= ISOTROPIC * numbers["dimensions_noise"]
            and numbers["r2_from_others"] <= UNRELATED):
        return False
    if numbers["dimensions_noise"] > 3 and 0.7 <= numbers["along"] <= 1.4:
        return True
    return None if numbers["dimensions_noise"] <= 5 else False


def contained(part: np.ndarray, whole: np.ndarray) -> int:
    """Number of columns of `part` [N, D] if each of them is, up to scale, a column of `whole` [N, E]; otherwise 0."""
    a, b = standard(part), standard(whole)
    if not 2 <= a.shape[1] <= b.shape[1] or a.shape[1] < part.shape[1]:
        return 0
    same = np.abs(a.T @ b / len(a)) > 1 - 1e-5
    return part.shape[1] if same.any(1).all() else 0


def label_beside_features(arrays: Arrays, derived: set[str], related: pd.DataFrame) -> list[Finding]:
    """Which arrays were computed from another array and the label?

    An array that another one explains (within labels, R^2 at least 0.3, and better than the reverse) is taken to be
    computed from it. Between neighbours in the source, another label must then add nothing to the distance: found where
    it adds at least 0.1 to the logarithm, at equal distance in the source. Identical rows are compared too.
    """
    y, out = arrays.labels, []
    free = {name: x for name, x in arrays.points.items() if name not in derived and x.shape[1] > 1}
    for name, x in free.items():
        told = {other: float(related.loc[name, other]) for other in free if other != name}
        sources = {other: r for other, r in told.items() if r >= DEPENDS and r > related.loc[other, name]}
        if not sources:
            continue
        source = max(sources, key=sources.get)
        effect, error, n_pairs = _label_step(standard(free[source]), standard(x), y)
        same, crossing = _identical(free[source], x, y)
        found = effect >= LABEL_STEP and effect > 3 * error
        said = (f"explained by {source} (R^2 {sources[source]:.2f}), whose neighbours of another label lie "
                f"{np.exp(effect):.2f} times as far apart here as those of the same ({n_pairs} pairs)")
        if same[1] and crossing[1]:
            said += (f"; of {same[1]} pairs identical there and of one label {same[0]} are identical here, of "
                     f"{crossing[1]} under two labels {crossing[0]}")
        said += ": it was given the label too" if found else ""
        out.append(Finding("label beside features", name, _verdict(found), EVIDENCE, said, {
            "source": source, "r2": sources[source], "log_distance": effect, "error": error, "pairs": n_pairs,
            "identical_kept": same[0], "identical": same[1], "identical_across_kept": crossing[0],
            "identical_across": crossing[1]}))
    return out


def _label_step(source: np.ndarray, x: np.ndarray, y: np.ndarray, k: int = 6) -> tuple[float, float, int]:
    """Least squares effect of "another label" on the log distance of neighbours, at equal distance in the source."""
    distance, neighbour = NearestNeighbors(n_neighbors=min(k, len(y) - 1)).fit(source).kneighbors()
    a = np.repeat(np.arange(len(y)), distance.shape[1])
    b, far = neighbour.ravel(), distance.ravel()
    here = np.sqrt(((x[a] - x[b]) ** 2).sum(1))
    keep = (far > 1e-6 * np.median(far)) & (here > 1e-6 * np.median(here))
    other = (y[a] != y[b])[keep].astype(float)
    design = np.c_[np.ones(keep.sum()), np.log(far[keep]), other]
    if not 20 <= other.sum() <= len(other) - 20:
        return 0.0, float("inf"), int(keep.sum())
    target = np.log(here[keep])
    found, *_ = np.linalg.lstsq(design, target, rcond=None)
    noise = ((target - design @ found) ** 2).sum() / (len(target) - 3)
    error = np.sqrt(noise * np.linalg.inv(design.T @ design)[2, 2] * 2)  # a pair is often there twice
    return float(found[2]), float(error), int(keep.sum())


def _identical(source: np.ndarray, x: np.ndarray, y: np.ndarray) -> tuple[tuple[int, int], tuple[int, int]]:
    """(kept, all) pairs of rows identical in the source that are identical in x: of one label, and of two."""
    group = np.unique(source, axis=0, return_inverse=True)[1].ravel()
    counts = {True: [0, 0], False: [0, 0]}
    for g in np.flatnonzero(np.bincount(group) > 1):
        rows = np.flatnonzero(group == g)
        for n, i in enumerate(rows):
            for j in rows[n + 1:]:
                counts[bool(y[i] == y[j])][0] += int(np.array_equal(x[i], x[j]))
                counts[bool(y[i] == y[j])][1] += 1
    return tuple(counts[True]), tuple(counts[False])


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
    ratio = validity.participation_ratio(x)
    numbers = {"d": x.shape[1], "std_least": float(x.std(0).min()), "std_most": float(x.std(0).max()),
               "participation_ratio": ratio}
    if variance.max() > 1.2 or np.allclose(variance, 1, atol=0.02):
        said = (f"variances {variance.min():.2f} to {variance.max():.2f} are not those of a mean under a standard "
                "normal prior: not told")
        return Finding("collapse", name, "clear", ASSUMING, said, numbers | {"active": None, "kl": None})
    kl = -0.5 * np.log(1 - np.minimum(variance, 0.95))
    active = int(information.active_dimensions(kl))
    bound = "at least " if (variance > 0.95).any() else ""
    said = (f"{active} of {x.shape[1]} dimensions active (KL above {information.ACTIVE_NATS:g} nats), KL "
            f"{bound}{kl.sum():.2f} nats in all, standard deviations {numbers['std_least']:.3f} to "
            f"{numbers['std_most']:.3f}, {ratio:.1f} effective dimensions; this assumes a VAE's mean, a standard "
            "normal prior, and that it is met on average")
    return Finding("collapse", name, _verdict(active < x.shape[1] / 2), ASSUMING, said,
                   numbers | {"active": active, "kl": float(kl.sum()), "kl_is_bound": bool(bound)})


def silhouette_explained(name: str, x: np.ndarray, k: int, seed: int = 0, n_nulls: int = 5) -> Finding:
    """How much of a k-means silhouette does a Gaussian cloud of its covariance have? Found where more than half."""
    evidence = validity.examine(x, k, n_nulls=n_nulls, seed=seed, n_init=4)
    one, round_ = evidence.silhouettes["gaussian"], evidence.silhouettes["isotropic"]
    share = one.null_mean / one.value if one.value > 0 else float("nan")
    ratio = validity.participation_ratio(x)
    said = (f"silhouette {one.value:.3f} at k = {k}; a Gaussian cloud of its covariance has {one.null_mean:.3f} "
            f"({100 * share:.0f} %, excess {one.excess:+.3f}, z {one.z:.1f}), an isotropic one in "
            f"{max(1, round(ratio))} dimensions {round_.null_mean:.3f}; by the rule of lib.validity {evidence.verdict}")
    return Finding("silhouette", name, _verdict(share > 0.5), EVIDENCE, said, {
        "silhouette": one.value, "null": one.null_mean, "explained": share, "z": one.z, "isotropic": round_.null_mean,
        "verdict": evidence.verdict, "k": k})


def second_modality(arrays: Arrays, about: pd.DataFrame, carriers: set[str], related: pd.DataFrame,
                    seed: int = 0) -> list[Finding]:
    """Arrays that no other tells anything of, fused with the best of the others: do they act on more than the label?

    `carriers` contain another array, and are not counted.
    """
    y, out = arrays.labels, []
    nmi = about.set_index("array")["nmi"]
    track = [f"row {i:09d}" for i in range(len(y))]
    for name, x in arrays.points.items():
        others = [b for b in arrays.points if b not in carriers | {name}]
        strangers = all(max(related.loc[name, b], related.loc[b, name]) <= UNRELATED for b in others)
        if name in carriers or not others or not strangers or between_share(x, y) < 0.02:
            continue
        first = max(others, key=lambda b: nmi[b])
        views = pd.DataFrame(standard(arrays.points[first]), track), pd.DataFrame(x, track)
        outcome = leakage.view_within_shuffle(*views, pd.Series(y, track), seed)
        out.append(Finding("within-genre shuffle", name, _verdict(outcome.verdict == "proxy"), EVIDENCE,
                           f"fused with {first}, {outcome.sentence}", {"first": first, "value": outcome.value}))
    return out


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
        findings.append(Finding("reported purity", name, _verdict(bool(swapped)), PROOF, said, {
            "reproduced": len(rows), "transposed": len(swapped), "right": len(right),
            "rows": [{"row": int(r[1]), "clusters": r[2], "printed": r[3], "purity": r[4], "inverse_purity": r[5]}
                     for r in rows]}))
    return findings


def _clusterings(arrays: Arrays, k: int) -> dict[str, dict[str, float]]:
    """Scores of clusters that the folder has, and of k-means at k on its arrays and their leading components."""
    found = {name: clustering.external(arrays.labels, codes) for name, codes in arrays.clusters.items()}
    if not 2 <= k < len(arrays.labels):
        return found
    for name, x in arrays.points.items():
        views = {name: x}
        if x.shape[1] > 10:
            views[f"PCA of {name}"] = PCA(10, svd_solver="full").fit_transform(x)
        for view, points in views.items():
            for seed in SEEDS:
                # ten restarts, as most published tables have
                codes = clustering.cluster(points.astype(np.float32), k, seed=seed, n_init=10)
                found[f"{view}, k-means of seed {seed}"] = clustering.external(arrays.labels, codes)
    return found


def _verdict(found: bool) -> str:
    return "found" if found else "clear"


# --- all of it ----------------------------------------------------------------------------------------------------


def audit(arrays: Arrays, seed: int = 0, n_nulls: int = 5) -> ArrayReport:
    """Everything that a folder's arrays give away by themselves."""
    y = arrays.labels
    less = sample(arrays, seed)
    about = describe(less, seed)
    related = relations(less, seed)
    made = label_derived(less, about, related)
    derived = {f.subject for f in made if f.verdict == "found"}
    carriers = {f.subject for f in made if "columns_of" in f.numbers}
    findings = [row_order(y), *made, *second_modality(less, about, carriers, related, seed),
                *label_beside_features(less, derived, related)]
    for name, x in arrays.points.items():
        findings += [] if name in derived else duplicates(name, x, y)
    k = len(np.unique(y))
    for name, x in less.points.items():
        if is_latent(name) and x.shape[1] > 1:
            findings.append(collapse(name, arrays.points[name]))
            findings.append(silhouette_explained(name, x, k, seed, n_nulls))
    findings += reported_purity(arrays) if len(y) <= 10 * MANY else []
    why = "arrays cannot be built again: give the builder to lib.leakage.audit"
    not_run = {"relabelling": why, "words and fields": why, "modality ceiling": "the raw content is not here",
               "dose curve": "how much information was put in is not known"}
    counts = {str(label): int(count) for label, count in zip(*np.unique(y, return_counts=True), strict=True)}
    return ArrayReport(arrays.folder, len(y), counts, about, findings, not_run, arrays.skipped)


def audit_arrays(folder: Path, seed: int = 0, n_nulls: int = 5) -> ArrayReport:
    """`audit` of a folder's arrays with the labels that lie beside them."""
    return audit(load(Path(folder)), seed, n_nulls)
