"""Test 1 of the audit: do features change when labels, names and order are permuted?"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from lib.scores import nulls
from lib.store.streams import stream
from lib.studies.leakage import permuted_corpus, rebuilding
from lib.studies.leakage.outcomes import EACH, Builder, Result, not_run
from lib.studies.leakage.permuted_corpus import Corpus, Filing
from lib.studies.leakage.rebuilding import TOLERANCE

N_REFILED = 10  # builds of refiled corpora where a builder is not exactly repeatable


def relabelling(builder: Builder, corpus: Corpus, seed: int = 0) -> Result:
    """File the recordings otherwise and build again: a track's row must not change.

    Recordings are permuted over slots, so that labels, folders, file names, dates and places in lists change at once,
    and what belongs to the recording follows it. Rows are joined by id; columns may turn their sign. Two builds of one
    folder are compared first. Where the builder is repeatable and changes only when labels change, that is proof. One
    that also changes when recordings are permuted within their label depends on names or order, or on chance:
    `N_REFILED` builds are then searched for anything that goes with the label of the slot (`slot_p`); if nothing is
    found the builder is called unstable, not leaky.
    """
    test = "relabelling"
    where = permuted_corpus.slots(corpus)
    labels = where["label"].to_numpy()
    rng = stream(seed, "recordings refiled")
    before = builder(corpus)
    noise = rebuilding.change(before, builder(corpus))
    orders = [rng.permutation(len(labels)) for _ in range(2)]
    try:
        after = [rebuilding.build(builder, corpus, Filing(order)) for order in orders]
        moved = max(rebuilding.change(before, table) for table in after)
        if noise <= TOLERANCE and moved <= TOLERANCE:
            return Result(test, "clear", moved, TOLERANCE, "does not depend on the label (largest change of an "
                           f"embedding under permuted labels {moved:.2g}, tolerance {TOLERANCE:g})")
        filing = Filing(nulls.permutation(len(labels), rng, labels))
        inside = rebuilding.change(before, rebuilding.build(builder, corpus, filing))
        if noise <= TOLERANCE and inside <= TOLERANCE:
            return Result(test, "leak", moved, TOLERANCE, f"a proved leak: embeddings change by up to {moved:.2g} when "
                           f"labels are permuted, and by {inside:.2g} when recordings move within their label")
        orders += [rng.permutation(len(labels)) for _ in range(N_REFILED - 2)]
        after += [rebuilding.build(builder, corpus, Filing(order)) for order in orders[2:]]
    except Exception as error:  # whatever a builder raises that it did not raise under the first filing
        return Result(test, "leak", float("inf"), TOLERANCE, "a proved leak: the builder fails when the same "
                       f"recordings have other names or folders ({type(error).__name__})")
    p = slot_p(after, where["track"].to_numpy(), labels, orders, seed)
    kind = "two builds of one folder differ" if noise > TOLERANCE else "embeddings depend on names, labels or order"
    if p < EACH:
        size = f"= {p:.2g}" if p > 0 else "< 1e-300"
        return Result(test, "leak", p, EACH, f"a proved leak: {kind}, and the change follows the label (p {size})")
    return Result(test, "unstable", p, EACH, f"not repeatable: {kind}; the change does not follow the label "
                                             f"(p = {p:.2g})")


def slot_p(tables: Sequence[pd.DataFrame], tracks: np.ndarray, labels: np.ndarray, orders: Sequence[np.ndarray],
           seed: int = 0, draws: int = 200) -> float:
    """p-value that what changes between builds of refiled corpora has nothing to do with the label of a track's slot.

    `tables` are builds; in build b the recording `tracks[orders[b][i]]` lay in slot i, of label `labels[i]`. Each
    track's mean over builds, which content may explain, is taken off. Variance between labels of the rest and of its
    square is compared, column by column and in all, with the same after dealing labels to slots anew; since slots were
    assigned to recordings by chance, that null is exact for whatever goes with a slot but not with its label.
    Two-sided, tails from gamma distributions with the draws' mean and variance, Bonferroni over all that is looked at.
    """
    tables = [rebuilding.joinable(table) for table in tables]
    columns = [c for c in tables[0].columns if all(c in table for table in tables)]
    ids = [t for t in dict.fromkeys(tracks) if all(t in table.index for table in tables)]
    cube = np.stack([table.loc[ids, columns].to_numpy() for table in tables])  # [build, track, column]
    cube = np.nan_to_num(cube)
    cube *= np.where((cube * cube[:1]).sum(1, keepdims=True) < 0, -1, 1)
    rest = cube - cube.mean(0)
    size = np.sqrt((rest**2).mean((0, 1)))
    rest = rest[..., size > 1e-12 * np.maximum(np.abs(cube).max((0, 1)), 1e-300)]
    if not rest.size:
        return 1.0
    rest = rest / np.sqrt((rest**2).mean((0, 1)))
    looked = np.concatenate([rest, rest**2 - (rest**2).mean(0)], axis=2)
    place = {track: i for i, track in enumerate(ids)}
    by_slot = np.zeros((len(labels), len(tables), looked.shape[2]))  # a row that is missing counts as none
    there = np.zeros((len(labels), len(tables)))
    for b, order in enumerate(orders):
        rows = np.array([place.get(tracks[moved], -1) for moved in order])
        by_slot[rows >= 0, b], there[rows >= 0, b] = looked[b, rows[rows >= 0]], 1
    marks = np.eye(len(np.unique(labels)))[np.unique(labels, return_inverse=True)[1]]
    rng = stream(seed, "permuted slots")
    found = _between(by_slot, there, marks)
    null = np.stack([_between(by_slot, there, rng.permutation(marks)) for _ in range(draws)])
    p = _two_sided(found, null)
    omnibus = _two_sided(found.sum(1), null.sum(2))
    return float(min(1.0, 2 * min(p.size * p.min(), omnibus.size * omnibus.min())))


def _between(values: np.ndarray, there: np.ndarray, marks: np.ndarray) -> np.ndarray:
    """Sums of squares between labels [2, column] of values [slot, build, column]: of all builds together, and build by
    build; marks [slot, label] are 1 for a slot's label."""
    n, builds, columns = values.shape
    sums = (marks.T @ values.reshape(n, -1)).reshape(-1, builds, columns)
    counts = (marks.T @ there)[..., None]
    pooled = (sums.sum(1) ** 2 / np.maximum(counts.sum(1), 1)).sum(0)
    return np.stack([pooled, (sums**2 / np.maximum(counts, 1)).sum((0, 1))])


def _two_sided(found: np.ndarray, null: np.ndarray) -> np.ndarray:
    """p of `found` against draws `null` [draw, ...]: twice the smaller tail of a gamma of their mean and variance."""
    mean, variance = null.mean(0), np.maximum(null.var(0, ddof=1), 1e-300)
    shape, scale = mean**2 / variance, variance / np.maximum(mean, 1e-300)
    tails = np.minimum(stats.gamma.sf(found, shape, scale=scale), stats.gamma.cdf(found, shape, scale=scale))
    return np.minimum(1, 2 * tails)


# --- test 1, what words and fields give away ---------------------------------------------------------------------
def words_and_fields(builder: Builder, corpus: Corpus, seed: int = 0, built: pd.DataFrame | None = None) -> Result:
    """Does the builder read a label's name in the texts, or a field (artist, year, tag) that goes with the label?

    Part of relabelling, for what follows a recording when it is filed otherwise: labels' names in the texts are
    exchanged with the new label's, and each field is permuted over tracks. A changed table shows that the builder
    reads them. It is a leak only where they go with the label, by a permutation test; titles, say, do not.
    """
    test = "words and fields"
    where = permuted_corpus.slots(corpus)
    labels = where["label"].to_numpy()
    rng = stream(seed, "words and fields refiled")
    before = builder(corpus) if built is None else built
    tracks = permuted_corpus.recordings(corpus) if isinstance(corpus, (str, Path)) else []
    paths = sorted(Path(corpus).iterdir()) if tracks else []
    tables = {path.name: keyed for path in paths if (keyed := permuted_corpus.keyed_table(path, tracks))}
    values = {f"{name}:{column}": _by_slot(keyed, column, len(labels))
              for name, keyed in tables.items() for column in keyed.fields}
    as_is = np.arange(len(labels))
    if rebuilding.change(before, rebuilding.build(builder, corpus, Filing(as_is))) > TOLERANCE:
        return not_run(test, "a copy of the same folder gives other embeddings, so a change would show nothing")
    found: dict[str, float] = {}
    own = names_of_labels(where["text"], labels)
    swapped = Filing(rng.permutation(len(labels)), swap_words=True)
    if own.any() and rebuilding.change(before, rebuilding.build(builder, corpus, swapped)) > TOLERANCE:
        codes = np.unique(labels, return_inverse=True)[1]
        named = _permuted_p(lambda order: own[np.arange(len(codes)), codes[order]].sum(), len(codes), rng)
        found["labels' names in the texts"] = named
    moved = {name: rng.permutation(len(labels)) for name in values}
    if moved and rebuilding.change(before, rebuilding.build(builder, corpus, Filing(as_is, fields=moved))) > TOLERANCE:
        for name in values:
            after = rebuilding.build(builder, corpus, Filing(as_is, fields={name: moved[name]}))
            if rebuilding.change(before, after) > TOLERANCE:
                found[name.split(":", 1)[1]] = _field_p(values[name], labels, rng)
    if not found:
        return Result(test, "clear", 1.0, EACH, "uses neither names of labels in texts nor fields that follow a track")
    p = min(1.0, min(found.values()) * len(found))
    what = ", ".join(f"{name} (p = {value:.2g})" for name, value in found.items())
    if p < EACH:
        return Result(test, "leak", p, EACH, f"a proved leak: it uses what is associated with the label: {what}")
    return Result(test, "clear", p, EACH, f"uses {what}, which is not associated with the label")


def names_of_labels(texts: pd.Series, labels: np.ndarray) -> np.ndarray:
    """Which label's name stands in which text: booleans [text, label], labels sorted."""
    kinds = np.unique(labels)
    patterns = [re.compile(permuted_corpus.word_pattern(str(kind)), re.IGNORECASE) for kind in kinds]
    return np.array([[bool(pattern.search(text)) for pattern in patterns] for text in texts.fillna("")])


def _permuted_p(score: Callable[[np.ndarray], float], n: int, rng: np.random.Generator) -> float:
    """p-value of the score of rows in their order [n] among those of 3999 permuted ones."""
    null = np.array([score(rng.permutation(n)) for _ in range(3999)])
    return float(nulls.upper_p(score(np.arange(n)) * (1 - 1e-12), null))


def _field_p(values: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> float:
    """Permutation p of a field [n] and labels: variance between labels of numbers, shared cells of anything else."""
    codes = np.unique(labels, return_inverse=True)[1]
    marks = np.eye(codes.max() + 1)[codes]
    numbers = pd.to_numeric(pd.Series(values), errors="coerce")
    if numbers.notna().mean() > 0.9 and numbers.nunique() > 2:
        ranks = stats.rankdata(numbers.fillna(numbers.median()))[:, None]
        table = ranks - ranks.mean()
        weights = np.ones(1)
    else:
        kinds = np.unique(values, return_inverse=True)[1]
        table = np.eye(kinds.max() + 1)[kinds]
        weights = 1 / table.sum(0)

    def score(order: np.ndarray) -> float:
        return float((((marks[order].T @ table) ** 2 / marks.sum(0)[:, None]) * weights).sum())

    return _permuted_p(score, len(marks), rng)


def _by_slot(keyed: permuted_corpus.Keyed, column: str, n: int) -> np.ndarray:
    values = np.full(n, "", object)
    values[keyed.slot] = keyed.table[column].to_numpy(object)
    return values.astype(str)
