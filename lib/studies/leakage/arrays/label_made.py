"""Was an array made from the label: a function of it, the label plus noise, or what contains such an array?"""

from __future__ import annotations

import numpy as np
import pandas as pd

from lib.scores import nulls, properties
from lib.store.arithmetic import standardised
from lib.studies.leakage import shuffles
from lib.studies.leakage.arrays.reading import Arrays
from lib.studies.leakage.arrays.report import EVIDENCE, OBSERVED, PROOF, Finding, finding

ISOTROPIC = 0.9  # of the participation ratio of independent columns: from here a residual counts as isotropic noise
UNRELATED = 0.05  # largest cross-validated R^2 from any other array that still counts as none
Related = dict[str, dict[str, float]]  # `relations.within_labels`


def between_share(x: np.ndarray, y: np.ndarray) -> float:
    """Share of the variance of standardised columns that lies between labels, without what chance gives."""
    z = standardised(x, drop=True)
    if not z.size:
        return float("nan")
    k = len(np.unique(y))
    inside = (properties.remove_means(z, y) ** 2).sum() / (len(y) - k)
    return float(1 - inside / ((z**2).sum() / (len(y) - 1)))


def label_derived(arrays: Arrays, about: pd.DataFrame, related: Related) -> list[Finding]:
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
        others = {b: r for b, r in related[name].items()
                  if b != name and not (r >= 0.99 and arrays.points[b].shape[1] > x.shape[1])}
        numbers["r2_from_others"] = max(others.values(), default=float("nan"))
        numbers["best_other_nmi"] = max((float(by_name.loc[b, "nmi"]) for b in others), default=float("nan"))
        if numbers["within_share"] < 1e-9:
            said = "a function of the label alone"
            derived[name] = finding("label-derived", name, True, PROOF, said, numbers)
        elif is_noise_on_label(numbers):
            said = (f"the label plus noise: NMI {numbers['nmi']:.2f} with the label (the best of the other arrays: "
                    f"{numbers['best_other_nmi']:.2f}); what is left without each label's mean is isotropic (effective "
                    f"dimensions {numbers['dimensions_within']:.1f}; noise has {numbers['dimensions_noise']:.1f}) "
                    f"and predicted by no other array (R² {numbers['r2_from_others']:.3f})")
            derived[name] = finding("label-derived", name, True, EVIDENCE, said, numbers)
        else:
            noise, said = is_noise_on_label(numbers), "not label plus noise"
            if noise is None:
                said = (f"label plus noise, or a measurement associated with the label (NMI {numbers['nmi']:.2f}): "
                        f"{x.shape[1]} columns are too few to recognise isotropic noise")
            out.append(finding("label-derived", name, noise, EVIDENCE, said, numbers))
    carriers = []
    for one in [f for f in out if any(related[d][f.subject] >= 0.5 for d in derived)]:
        sources = {d: float(related[d][one.subject]) for d in derived if related[d][one.subject] >= 0.5}
        whole = arrays.points[one.subject]
        columns = {b: contained(x, whole) for b, x in arrays.points.items() if b != one.subject}
        columns = {b: n for b, n in columns.items() if n}
        parts = ", ".join(f"{n} columns of {b}" for b, n in columns.items())
        back = ", ".join(f"{d} (R² {r:.3f})" for d, r in sources.items())
        said = (f"contains a label-derived array: it predicts {back}"
                + (f"; of its {whole.shape[1]} columns are {parts}" if parts else "")
                + f"; NMI {one.numbers['nmi']:.2f} with the label")
        carriers.append(one._replace(verdict="found", sentence=said, numbers=one.numbers | {
            "r2_of_derived": sources, "columns_of": columns}))
    kept = [f for f in out if f.subject not in {c.subject for c in carriers}]
    return [*derived.values(), *carriers, *kept]


def noise_shape(x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """How an array looks once each label's mean is taken off: share of variance, effective dimensions of correlations
    beside those of independent columns, and its variance along the means over that across them."""
    z = standardised(x, drop=True)
    k, n = len(np.unique(y)), len(y)
    if not z.size:
        names = ("within_share", "between", "dimensions_within", "dimensions_noise", "along")
        return dict.fromkeys(names, float("nan"))
    rest = properties.remove_means(z, y)
    d, share = z.shape[1], float((rest**2).mean())
    out = {"within_share": share, "between": between_share(x, y), "dimensions_noise": d / (1 + (d - 1) / max(n - k, 1))}
    varied = standardised(rest, 1e-9, drop=True)
    if d < 2 or varied.shape[1] < 2:
        return out | {"dimensions_within": float(varied.shape[1]), "along": float("nan")}
    means = np.stack([z[y == label].mean(0) for label in np.unique(y)])
    axes = np.linalg.svd(means - means.mean(0), full_matrices=False)[2][: min(k - 1, d - 1)]
    along = float(((rest @ axes.T) ** 2).mean())
    across = float(((rest**2).sum() / n - along * len(axes)) / max(d - len(axes), 1))
    return out | {"dimensions_within": nulls.participation_ratio(varied), "along": along / max(across, 1e-12)}


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
    a, b = standardised(part, drop=True), standardised(whole, drop=True)
    if not 2 <= a.shape[1] <= b.shape[1] or a.shape[1] < part.shape[1]:
        return 0
    same = np.abs(a.T @ b / len(a)) > 1 - 1e-5
    return part.shape[1] if same.any(1).all() else 0


def second_modality(arrays: Arrays, about: pd.DataFrame, carriers: set[str], related: Related,
                    seed: int = 0) -> list[Finding]:
    """Arrays that no other tells anything of, fused with the best of the others: do they act on more than the label?

    `carriers` contain another array, and are not counted.
    """
    y, out = arrays.labels, []
    nmi = about.set_index("array")["nmi"]
    track = [f"row {i:09d}" for i in range(len(y))]
    for name, x in arrays.points.items():
        others = [b for b in arrays.points if b not in carriers | {name}]
        strangers = all(max(related[name][b], related[b][name]) <= UNRELATED for b in others)
        if name in carriers or not others or not strangers or between_share(x, y) < 0.02:
            continue
        first = max(others, key=lambda b: nmi[b])
        modalities = pd.DataFrame(standardised(arrays.points[first], drop=True), track), pd.DataFrame(x, track)
        outcome = shuffles.modality_within_shuffle(*modalities, pd.Series(y, track), seed)
        proxy = outcome.verdict == "proxy"
        said = f"fused with {first}, {outcome.sentence}"
        said += " (so does one without a leak, where only the label links the two)" if proxy else ""
        out.append(finding("shuffle within labels", name, proxy, OBSERVED, said,
                           {"first": first, "value": outcome.value}))
    return out
