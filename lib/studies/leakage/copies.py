"""Test 5 of the audit: near duplicates across the corpus."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from lib.models.umap import neighbours
from lib.store.arithmetic import standardised
from lib.studies.leakage import permuted_corpus
from lib.studies.leakage.outcomes import EACH, Result
from lib.studies.leakage.permuted_corpus import Corpus


class NearCopies(NamedTuple):
    """Pairs of rows nearer to each other than a cloud of that density and dimension has them."""

    pairs: np.ndarray  # [pair, 2] row numbers, smaller first
    p: float  # corrected over all rows
    dimension: float  # intrinsic dimension that the p-values assume


def near_copies(points: np.ndarray, identical: bool = True) -> NearCopies:
    """Rows of points [N, D] that are nearer to their nearest neighbour than chance allows.

    Columns are standardised. In a cloud of locally even density and dimension m, (d1 / dk)^m is the smallest of k - 1
    uniform numbers, d1 and dk being the distances to the first and the k-th neighbour; so the test needs no scale and
    no overall density (after Facco et al. 2017, "Two-NN"). m comes from d_k / d_2k, in the middle over all rows or at
    the row itself, whichever is smaller. A pair is called at `EACH` divided by N; so is a table in which more rows
    than chance allows (binomial) lie below 0.001, as when all are segments of few recordings. Without `identical`,
    rows that are equal up to rounding are left out (they are counted elsewhere).
    """
    n = len(points)
    k = min(10, (n - 1) // 3)
    nothing = NearCopies(np.zeros((0, 2), int), 1.0, float("nan"))
    x = standardised(points, drop=True)
    if k < 3 or not x.shape[1]:
        return nothing
    distance, neighbour = neighbours(x, 2 * k)
    usable = (distance[:, 0] > 1e-6 * distance[:, k - 1]) | identical
    usable &= (0 < distance[:, k - 1]) & (distance[:, k - 1] < distance[:, 2 * k - 1])
    if usable.sum() < 3 * k:
        return nothing
    slope = np.log(0.5) / np.log(distance[usable, k - 1] / distance[usable, 2 * k - 1])
    overall = float(np.median(slope))
    ratio = (distance[usable, 0] / distance[usable, k - 1]) ** np.minimum(overall, slope)
    p = -np.expm1((k - 1) * np.log1p(-np.clip(ratio, 0, 1 - 1e-12)))
    rows = np.flatnonzero(usable)
    many = stats.binom.sf((p < 1e-3).sum() - 1, len(p), 0.005)  # five times what it should be: p is not exact
    called = rows[(p < 1e-3) if many < EACH / 2 else (p < EACH / 2 / n)]
    pairs = {tuple(sorted((int(i), int(neighbour[i, 0])))) for i in called}
    return NearCopies(np.array(sorted(pairs), int).reshape(-1, 2), float(min(1.0, 2 * min(p.min() * n, many))), overall)


def copies(corpus: Corpus, table: pd.DataFrame | None = None,
           content: Mapping[str, pd.DataFrame] | None = None) -> Result:
    """Recordings that are in the corpus, or in a builder's table, more than once.

    Proof: the same audio file twice; the same text of ten words or more at two tracks; rows of the table that are no
    track of the corpus, or several rows of one. At `EACH`: near copies (`near_copies`) among the audio as summed up in
    `content["audio"]`; not among the rows of the table, which may be alike by right.
    """
    test = "copies"
    where = permuted_corpus.slots(corpus)
    said, count = [], 0
    same = where[where["track"].duplicated(keep=False)]
    if len(same):
        crossing = int((same.groupby("track")["label"].nunique() > 1).sum())
        said.append(f"{same['track'].nunique()} recordings occur more than once, {crossing} under different labels")
    texts = where[where["text"].str.split().str.len() >= 10]
    texts = texts[texts["text"].duplicated(keep=False) & ~texts["track"].isin(same["track"])]
    if len(texts):
        said.append(f"{len(texts)} tracks share their text with another")
    count += len(same) + len(texts)
    audio = (content or {}).get("audio")
    if table is not None:
        strangers = int((~table.index.isin(where["track"])).sum())
        several = int(table.index.duplicated().sum()) - int(where["track"].duplicated().sum())
        if strangers or several > 0:
            said.append(f"{strangers} embeddings belong to no track of the corpus, {max(several, 0)} repeat one")
            count += strangers + max(several, 0)
    if audio is not None and audio.shape[1] > 1:
        near = near_copies(audio.to_numpy(float))
        if len(near.pairs):
            said.append(f"{len(near.pairs)} pairs of recordings are closer than expected by chance (p = {near.p:.2g})")
            count += len(near.pairs)
    if said:
        return Result(test, "copies", float(count), 0.0, "; ".join(said))
    return Result(test, "clear", 0.0, 0.0, "no recording occurs twice or nearly so")
