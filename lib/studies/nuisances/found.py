"""Which nuisances a corpus has: what was planted, columns of its table, else descriptors. No label is read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from lib.report import glossary
from lib.scores import grouping, properties
from lib.scores.grouping import POOLED
from lib.store import artifacts
from lib.store.arithmetic import standardised
from lib.store.runs import Run
from lib.studies.nuisances.protocol import protocol

PLANTED = ("bandwidth_hz", "loudness_db", "noise_db")  # factors of the built-in corpus: band edge, level, noise
TOGETHER = "together"  # all of them
MEASURED = ("spectral_bandwidth", "mel_spread")  # on the built-in corpus, the descriptor that follows the band edge


class Nuisance(NamedTuple):
    """Something about tracks that shall not be in their latents."""

    name: str
    kind: str  # planted, column, or measured: a function of the same audio
    groups: pd.Series  # [track], text; groups of few tracks are pooled
    targets: np.ndarray  # [track, T]: the number itself, or an indicator of each group; for linear removal
    explained: float  # share of the features' variance between groups, corrected for their number

    @property
    def codes(self) -> np.ndarray:
        """The groups as numbers [track], in the order of their names."""
        return np.unique(self.groups, return_inverse=True)[1]


def nuisances(run: Run, x: pd.DataFrame) -> tuple[list[Nuisance], pd.DataFrame]:
    """The nuisances to try, most of the features' variance first, and those left out (columns nuisance, kind, reason).

    x [track, D] are features. Descriptors are tried where there is nothing else; on the built-in corpus one of them
    stands beside what was planted.
    """
    tried, left = [], []
    for name, kind, values in _candidates(run, x.index):
        found = nuisance(name, kind, values, x)
        if isinstance(found, str):
            left.append((name, kind, found))
        else:
            tried.append(found)
    tried.sort(key=lambda one: -one.explained)
    more = f"not among the {protocol().most} that explain most of the features' variance"
    left += [(one.name, one.kind, more) for one in tried[protocol().most :]]
    return tried[: protocol().most], pd.DataFrame(left, columns=["nuisance", "kind", "reason"])


def _candidates(run: Run, tracks: pd.Index) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Name, kind and values [track, 1 or more] of everything that could be tried."""
    tables = {name: artifacts.load(run, name).loc[tracks] for name in ("factors", "columns", "descriptors")
              if artifacts.has(run, name)}
    planted = [name for name in PLANTED if name in tables.get("factors", ())]
    yield from ((name, "planted", tables["factors"][[name]]) for name in planted)
    if len(planted) > 1:
        yield TOGETHER, "planted", tables["factors"][planted]
    columns = grouping.typed(tables.get("columns", pd.DataFrame(index=tracks)))
    yield from ((str(name), "column", columns[[name]]) for name in columns)
    measured = list(tables.get("descriptors", ()))
    if planted:
        measured = [name for name in MEASURED if name in measured][:1]
    if planted or not len(columns.columns):
        yield from ((name, "measured", tables["descriptors"][[name]]) for name in measured)


def nuisance(name: str, kind: str, values: pd.DataFrame, x: pd.DataFrame) -> Nuisance | str:
    """A nuisance of these values [track, 1 or more], or why it cannot be one."""
    choice = protocol()
    bins = grouping.bins_for(len(values), choice.bins, choice.least_tracks)
    if values.shape[1] > 1:  # crossed, with some tracks in every cell
        bins = max(2, min(bins, int((len(values) / (2 * choice.least_tracks)) ** (1 / values.shape[1]))))
    parts = [grouping.levels(column, bins, choice.bins) for _, column in values.items()]
    groups = grouping.pooled(parts[0].str.cat(parts[1:], sep=" · ") if parts[1:] else parts[0], choice.least_tracks)
    if groups.nunique() < 2:
        each = values.iloc[:, 0]
        if each.nunique() < 2:
            return "the same for all tracks"
        return f"no two groups of {choice.least_tracks} tracks or more"
    numbers = [column for _, column in values.items() if grouping.is_number(column, choice.bins)]
    if len(numbers) == values.shape[1]:
        targets = np.column_stack([column.fillna(column.mean()) for column in numbers]).astype(float)
    else:
        targets = pd.get_dummies(groups).to_numpy(float)
    return Nuisance(name, kind, groups, targets, explained(x.to_numpy(float), groups.to_numpy()))


def explained(x: np.ndarray, groups: np.ndarray) -> float:
    """Share of the variance of standardised x [N, D] that lies between groups [N], corrected for chance (adjusted
    R²): about 0 for groups that say nothing."""
    x = standardised(x)
    within = (properties.remove_means(x, groups) ** 2).sum() / max((x**2).sum(), 1e-300)
    return float(1 - within * (len(x) - 1) / max(len(x) - len(np.unique(groups)), 1))


def shown(name: str) -> str:
    """A nuisance or a correction, for readers."""
    return glossary.shown(name, (*glossary.ID_COLUMNS["nuisance"], *glossary.ID_COLUMNS["correction"]))


def listed(tried: list[Nuisance]) -> str:
    """Their names and kinds in a sentence."""
    return ", ".join(f"{shown(one.name)} ({one.kind})" for one in tried) or "none"


def described(tried: list[Nuisance]) -> pd.DataFrame:
    """What is known of each nuisance before anything is trained."""
    return pd.DataFrame([
        {"nuisance": one.name, "kind": one.kind, "groups": one.groups.nunique(),
         "smallest": int(one.groups.value_counts().min()), "pooled": int((one.groups == POOLED).sum()),
         "explained": one.explained}
        for one in tried])
