"""Blocks of features joined so that each has its say."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lib.store.arithmetic import unit_variance


def joined(*sets: pd.DataFrame) -> pd.DataFrame:
    """Feature sets side by side, joined by track id; the columns' first level is the number of the set."""
    tracks = sets[0].index
    if any(not each.index.equals(tracks) for each in sets):
        raise ValueError("feature sets of different tracks cannot be joined")
    return pd.concat(dict(enumerate(sets)), axis=1)


def weights(x: pd.DataFrame, total: float = 40.0) -> np.ndarray:
    """Weights [D] of standardised columns that give each block of `joined` features the same share of the variance.

    The whole then has the variance `total`: 40 is that of the 40 MFCC statistics, so that beta prices the same share of
    the variance in every feature set. Constant columns count as columns.
    """
    blocks = x.columns.get_level_values(0) if x.columns.nlevels > 1 else np.zeros(x.shape[1], dtype=int)
    size = pd.Series(blocks).map(pd.Series(blocks).value_counts()).to_numpy()
    return np.sqrt(total / (size * len(set(blocks))))


def join(a: pd.DataFrame, b: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows that both modalities have (by track id, sorted); rows with missing values count as not there."""
    tracks = a.dropna().index.intersection(b.dropna().index).sort_values()
    return a.loc[tracks], b.loc[tracks]


def concatenate(a: pd.DataFrame, b: pd.DataFrame) -> pd.DataFrame:
    """Columns of both modalities side by side, as they are: the modality with more variance rules."""
    a, b = join(a, b)
    return pd.concat([a.add_prefix("a_"), b.add_prefix("b_")], axis=1)


def weighted_blocks(a: pd.DataFrame, b: pd.DataFrame, weight: float = 0.5) -> pd.DataFrame:
    """Each modality centred and scaled to total variance one, then weighted sqrt(1 - weight) and sqrt(weight).

    So squared distances are a weighted mean of the modalities' own; at 0.5 neither modality rules by its units or its
    width.
    """
    if not 0 <= weight <= 1:
        raise ValueError("weight is the share of the second modality, 0 to 1")
    a, b = join(a, b)
    return concatenate(np.sqrt(1 - weight) * unit_variance(a), np.sqrt(weight) * unit_variance(b))
