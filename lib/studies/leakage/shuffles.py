"""Tests 3 and 4 of the audit: permutation within labels, and the dose curve."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from scipy import stats
from scipy.spatial import cKDTree
from sklearn.metrics import normalized_mutual_info_score

from lib.features import blocks
from lib.scores import clustering, information, nulls
from lib.scores.agreement import counted
from lib.store import arithmetic
from lib.store.arithmetic import mutual_information
from lib.store.streams import stream
from lib.studies.leakage import permuted_corpus, rebuilding
from lib.studies.leakage.outcomes import EACH, Builder, Result, not_run
from lib.studies.leakage.permuted_corpus import Corpus, Filing
from lib.studies.leakage.rebuilding import TOLERANCE


# --- test 3: shuffling within labels ------------------------------------------------------------------------------
def agreement(table: pd.DataFrame, labels: pd.Series, seed: int = 0) -> float:
    """NMI of labels [track] and k-means clusters of a table [track, dim], as many as labels; no rows with gaps.

    NaN where there are too few rows, or fewer than two labels count (`agreement.counted`).
    """
    table = table.dropna()
    y = labels.loc[table.index].to_numpy()
    k = labels.nunique()
    if len(table) <= k:
        return float("nan")
    found, rows = clustering.cluster(table.to_numpy(float), k, seed=seed, n_init=3), counted(y)
    return float(normalized_mutual_info_score(y[rows], found[rows])) if rows.any() else float("nan")


def within_shuffle(score: Callable[[str, int], float], n_over: int = 9, n_inside: int = 4,
                   alone: bool = False) -> Result:
    """Does a second modality act on more than the label?

    `score(how, i)` is the agreement with labels where the second modality is left as it is ("as is"), permuted over all
    tracks ("over all") or among tracks of one label ("inside"), draw i. Its gain is what it scores above the draws over
    all; where that is resolved (t-test of one value against `n_over` draws) and at least half of it is left when tracks
    of one label exchange it, the modality acts as a label. Scored `alone`, any modality keeps all of it: then no more
    than the label is shown, and the sentence says so.
    """
    test, half = "shuffle within labels", 0.5
    value = score("as is", 0)
    if np.isnan(value):
        return not_run(test, "too few tracks, or fewer than two labels with five of them")
    over = np.array([score("over all", i) for i in range(n_over)])
    spread = max(float(over.std(ddof=1)), 1e-6) * np.sqrt(1 + 1 / n_over)
    gain = float(value - over.mean())
    p = float(stats.t.sf(gain / spread, n_over - 1))
    if not p < EACH:
        return Result(test, "clear", gain, EACH,
                       f"adds nothing significant to the agreement with the label (NMI {gain:+.3f}, p = {p:.2g})")
    kept = 1.0 if alone else (np.mean([score("inside", i) for i in range(n_inside)]) - over.mean()) / gain
    said = f"raises NMI with the label by {gain:.3f} compared with rows permuted over all tracks (p = {p:.2g})"
    said += ("; whatever is clustered alone keeps this when rows are exchanged within labels: " if alone else
             f", of which {100 * kept:.0f} % remains when rows are exchanged within labels: ")
    if kept >= half:
        return Result(test, "proxy", float(kept), half, said + "acts as a proxy for the label; document its provenance")
    return Result(test, "clear", float(kept), half, said + "it contributes more than the label")


def modality_within_shuffle(first: pd.DataFrame | None, second: pd.DataFrame, labels: pd.Series,
                            seed: int = 0) -> Result:
    """`within_shuffle` for two modalities of the same tracks, fused in equal blocks; `first` None: second alone."""

    def score(how: str, i: int) -> float:
        within = labels if how == "inside" else None
        moved = second if how == "as is" else nulls.permuted(second, 1000 * seed + i, within)
        return agreement(moved if first is None else blocks.weighted_blocks(first, moved), labels, seed)

    return within_shuffle(score, alone=first is None)


def _same_rows(a: pd.DataFrame, b: pd.DataFrame) -> bool:
    """Are the rows of b those of a, in whatever order? Columns may turn their sign."""
    x, y = (np.abs(np.nan_to_num(rebuilding.joinable(one).to_numpy())) for one in (a, b))
    scale = np.maximum(x.std(axis=0), 1e-300)
    return x.shape == y.shape and x.size > 0 and bool(cKDTree(x / scale).query(y / scale)[0].max() < 1e-4)


def text_within_shuffle(builder: Builder, corpus: Corpus, seed: int = 0, built: pd.DataFrame | None = None) -> Result:
    """`within_shuffle` for a builder that reads texts: they are permuted over tracks, and the table is built again."""
    where = permuted_corpus.slots(corpus)
    slot_labels, labels = where["label"].to_numpy(), permuted_corpus.labels_of(corpus)
    before = builder(corpus) if built is None else built
    if not where["text"].str.strip().any():
        return not_run("shuffle within labels", "there are no texts")

    def rebuilt(how: str, i: int) -> pd.DataFrame:
        rng = stream(seed, "permuted texts", i, how == "inside")
        order = nulls.permutation(len(where), rng, slot_labels if how == "inside" else None)
        return rebuilding.build(builder, corpus, Filing(np.arange(len(where)), texts=order))

    first = rebuilt("over all", 0)
    if rebuilding.change(before, first) <= TOLERANCE:
        return Result("shuffle within labels", "clear", 0.0, EACH, "does not read the texts")

    def score(how: str, i: int) -> float:
        table = before if how == "as is" else first if (how, i) == ("over all", 0) else rebuilt(how, i)
        return agreement(rebuilding.joinable(table), labels, seed)

    return within_shuffle(score, n_over=7, n_inside=3, alone=_same_rows(before, first))


# --- test 4: the dose curve ---------------------------------------------------------------------------------------
def information_excess(table: pd.DataFrame, labels: pd.Series, dose: float,
                       seed: int = 0) -> tuple[float, float, float]:
    """Information in nats that k-means clusters of a table have about labels, corrected for chance; the standard error
    that it would have at `dose` nats; and the p-value that it does not exceed `dose`, the nats known to be there.

    Clusters cannot know more than the modality they were found in (data processing inequality). The correction is the
    mean over 50 permutations. The error is that of a table of counts mixed with independence until it knows `dose` (few
    misses would make its own look too certain), and at least the permutations' own.
    """
    table = table.dropna()
    y = np.unique(labels.loc[table.index].to_numpy(), return_inverse=True)[1]
    found = clustering.cluster(table.to_numpy(float), y.max() + 1, seed=seed, n_init=3)
    value, null = information.beyond_chance(found, y, seed)
    joint = arithmetic.joint(y, found)
    error = _information_error(joint, len(y))
    if value > dose:
        independent = joint.sum(1, keepdims=True) * joint.sum(0)
        low, high = 0.0, 1.0
        for _ in range(40):
            middle = (low + high) / 2
            mixed = middle * joint + (1 - middle) * independent
            low, high = (middle, high) if mutual_information(mixed) < dose else (low, middle)
        error = _information_error(mixed, len(y))
    error = max(error, float(null.std(ddof=1)), 1e-9)
    return value, error, float(stats.t.sf((value - dose) / error, 49))


def _information_error(joint: np.ndarray, n: int) -> float:
    """Standard error in nats of the mutual information of joint frequencies, estimated from n rows (delta method)."""
    independent = joint.sum(1, keepdims=True) * joint.sum(0)
    ratio = np.log(np.maximum(joint, 1e-300) / np.maximum(independent, 1e-300))
    return float(np.sqrt(max((joint * ratio**2).sum() - mutual_information(joint) ** 2, 0) / n))


def dose_curve(modalities: Mapping[float, pd.DataFrame], labels: Mapping[float, pd.Series] | pd.Series,
               first: pd.DataFrame | None = None, seed: int = 0) -> tuple[Result, pd.DataFrame]:
    """Genre in a modality against the information that is known to be in it; and the curve, a row per dose.

    `modalities` maps a dose to the modality [track, dim] built from it: I(content; genre) in nats as stated by whoever
    made the content, and as realised in these very tracks (a sample may hold more than what it was drawn from). At no
    dose may the modality's clusters know more than the dose (`information_excess`); at 0 that
    means nothing. With a `first` modality [track, dim], the curve has what fusion with it scores, and gains over it
    alone.
    """
    rows = []
    for dose in sorted(modalities):
        y = labels if isinstance(labels, pd.Series) else labels[dose]
        known, error, p = information_excess(modalities[dose], y, dose, seed)
        alone = agreement(modalities[dose], y, seed)
        row = {"dose": dose, "information": known, "error": error, "p": p, "nmi_alone": alone}
        if first is not None:
            fused = blocks.weighted_blocks(first, modalities[dose])
            base = agreement(first.loc[fused.index], y, seed)
            row |= {"nmi_first": base, "nmi_fused": agreement(fused, y, seed), "gain": agreement(fused, y, seed) - base}
        rows.append(row)
    table = pd.DataFrame(rows)
    worst = table.loc[table["p"].idxmin()]
    p = min(1.0, float(worst["p"]) * len(table))
    beyond = float(worst["information"] - worst["dose"])
    said = (f"at {worst['dose']:.2g} nats in the text, clusters of its embedding hold {worst['information']:.2f} nats "
            f"about the label (p = {p:.2g} over {len(table)} amounts): ")
    if p < EACH:
        said += "more than the text holds, a proxy for the label; document its provenance"
        return Result("dose curve", "proxy", beyond, 0.0, said), table
    return Result("dose curve", "clear", beyond, 0.0, said + "no more than the text holds"), table


def text_dose_curve(builder: Builder, doses: Mapping[float, Corpus], seed: int = 0) -> Result:
    """`dose_curve` for a builder and corpora whose texts carry known information about the labels.

    Where the builder reads more than the texts, what it knows without them comes from elsewhere: so its agreement is
    only held against its own with the texts permuted over all tracks, at dose 0.
    """
    modalities, labels = {}, {}
    for dose, corpus in doses.items():
        modalities[dose], labels[dose] = rebuilding.joinable(builder(corpus)), permuted_corpus.labels_of(corpus)
    some = next(iter(doses))
    if _reads_only_texts(builder, doses[some], modalities[some], seed):
        return dose_curve(modalities, labels, seed=seed)[0]
    if 0 not in doses:
        return not_run("dose curve", "it reads more than texts, and there is no corpus with uninformative texts")
    found = text_within_shuffle(builder, doses[0], seed, modalities[0])
    verdict = "proxy" if found.verdict == "proxy" else "clear"
    return Result("dose curve", verdict, found.value, found.limit, f"with uninformative texts: {found.sentence}")


def _reads_only_texts(builder: Builder, corpus: Corpus, built: pd.DataFrame, seed: int) -> bool:
    """Do rows move from track to track exactly as the texts do?"""
    where = permuted_corpus.slots(corpus)
    order = stream(seed, "permuted order of texts").permutation(len(where))
    after = rebuilding.joinable(rebuilding.build(builder, corpus, Filing(np.arange(len(where)), texts=order)))
    tracks = where["track"].to_numpy()
    if len(set(tracks)) < len(tracks) or not set(tracks) <= set(built.index):
        return False
    moved = pd.DataFrame(built.loc[tracks[order]].to_numpy(), tracks, built.columns)
    return rebuilding.change(moved, after) <= TOLERANCE
