"""Does a feature builder see labels? Tests that can be put to any builder.

A builder is a function of a list of items (`lib.corpora.items.Item`) that returns a table [track, dim] indexed by
track id. The relabelling test proves a leak; the ceiling only says "acts as a genre proxy, needs provenance".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from lib import information
from lib.corpora.items import Item

Builder = Callable[[Sequence[Item]], pd.DataFrame]


class Audit(NamedTuple):
    """The outcome of one test of one builder."""

    test: str
    leaks: bool
    value: float
    limit: float
    sentence: str


def relabel(items: Sequence[Item], seed: int = 0) -> list[Item]:
    """The same tracks under permuted labels, in folders renamed to match, in another order."""
    rng = np.random.default_rng([seed, 23])
    labels = rng.permutation([item.label for item in items])
    swapped = [item._replace(label=str(label), name=f"{label}/{i:05d}") for i, (item, label)
               in enumerate(zip(items, labels, strict=True))]
    return [swapped[i] for i in rng.permutation(len(swapped))]


def relabelling(builder: Builder, items: Sequence[Item], seed: int = 0, tolerance: float = 1e-6) -> Audit:
    """Permute labels, rename folders, shuffle the order, build again: a track's row must not change.

    Rows are joined by track id; columns may flip their sign (components of a decomposition do).
    """
    before, after = builder(items), builder(relabel(items, seed))
    if set(before.index) != set(after.index):
        return Audit("relabelling", True, float("inf"), tolerance, "other track ids come out under other labels: leaks")
    a, b = before.to_numpy(float), after.loc[before.index].to_numpy(float)
    missing = np.isnan(a) != np.isnan(b)
    a, b = np.nan_to_num(a), np.nan_to_num(b)
    sign = np.where((a * b).sum(0) < 0, -1.0, 1.0)
    change = float(np.abs(a - sign * b).max()) if not missing.any() else float("inf")
    leaks = change > tolerance
    said = f"largest change of a row under permuted labels {change:.2g}, allowed {tolerance:g}: " + (
        "leaks" if leaks else "sees no label")
    return Audit("relabelling", leaks, change, tolerance, said)


def ceiling(embedding: pd.DataFrame, content: pd.DataFrame, labels: pd.Series, seed: int = 0) -> Audit:
    """Can labels be read better from an embedding than from the raw content (say, bag of words) it was made from?

    Both probed by cross-validated logistic regression on the tracks that have both; the allowance is two standard
    errors of the difference.
    """
    tracks = embedding.dropna().index.intersection(content.dropna().index)
    y = labels.loc[tracks].to_numpy()
    got = information.linear_probe(embedding.loc[tracks].to_numpy(float), y, seed).accuracy
    most = information.linear_probe(content.loc[tracks].to_numpy(float), y, seed).accuracy
    error = np.sqrt((got * (1 - got) + most * (1 - most)) / max(len(tracks), 1))
    beats = bool(got - most > 2 * error)
    said = f"embedding read at {got:.2f}, its raw content at {most:.2f}: " + (
        "knows more than its content, needs provenance" if beats else "knows no more than its content")
    return Audit("modality ceiling", beats, got - most, 2 * error, said)
