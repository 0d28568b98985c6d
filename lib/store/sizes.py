"""How much is done at once, and of how many rows: up to `EXACT` rows everything is computed of all of them.

Above it, what grows faster than the rows is computed of a random sample; what that costs is measured on the corpus
itself (`lib.scores.sampling`), and said on the page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import xarray as xr

from lib.store.streams import stream

EXACT = 3_000  # rows; sampled are as many: silhouettes, clusterings by pairs or neighbours, consensus
LEARNED = EXACT * 4 // 5  # rows that a reader that is not linear learns from: what five folds of `EXACT` rows leave
AT_ONCE = 3_000  # rows that a network describes at once
BLOCK = 256  # rows of spectrograms in memory at once
DRAWN = 3_000  # points that a plot of the page lets the reader point at


def sample(n: int, seed: int, name: str) -> np.ndarray | None:
    """`EXACT` random row numbers of `n`, in order, from a stream of random numbers; None where there are no more."""
    return np.sort(stream(seed, name).choice(n, EXACT, replace=False)) if n > EXACT else None


def blocks(data: np.ndarray | xr.DataArray, rows: int = BLOCK) -> Iterator[np.ndarray]:
    """Data [row, ...] in blocks of rows; what is on disk is read block by block."""
    for start in range(0, len(data), rows):
        yield np.asarray(data[start : start + rows])


def by_blocks(function: Callable[[np.ndarray], np.ndarray], data: np.ndarray | xr.DataArray,
              rows: int = BLOCK) -> np.ndarray:
    """What a function of rows makes of data [row, ...], block by block."""
    return np.concatenate([function(block) for block in blocks(data, rows)])
