"""Scores with units left out (artists, singers, copies), for intervals that hold for another sample of them.

Networks and clusters stay as they are: what is left out is left out of the score. Replicates are a series
[(block, seed)]; block -1 is the score of all tracks. Differences of replicates are taken as of any series, and
`intervals.over` makes an interval of them.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from lib.scores import agreement, clustering, intervals, probes
from lib.scores.intervals import BLOCK
from lib.scores.units import units
from lib.store import sizes
from lib.store.remembering import remembered
from lib.store.runs import Run

METRICS = ("nmi", "silhouette")  # of clusters
COLUMNS = ["method", "features", "setting", "metric", "seed"]  # of a stored table, before its blocks


def blocks(run: Run, tracks: np.ndarray | pd.Index) -> np.ndarray:
    """The block of units [track] that each track is left out with."""
    return intervals.blocks(units(run, pd.Index(tracks))[1])


@remembered
def clusters(run: Run, latents: xr.Dataset, k: int, draws: int) -> pd.DataFrame:
    """k-means clusters of mu: [track, (seed, draw)], `draws` clustering seeds nested in each training seed."""
    found = {f"{seed} {draw}": clustering.cluster(latents.mu.sel(seed=seed).values.astype(float), k,
                                                  seed=1000 * seed + draw)
             for seed in latents.seed.values.tolist() for draw in range(draws)}
    return pd.DataFrame(found, index=latents.track.values.astype(str))


def of(run: Run, latents: xr.Dataset, labels: pd.Series, metric: str, k: int) -> pd.Series:
    """Replicates of a metric of k-means clusters (`METRICS`), clustering seeds averaged, or of the accuracy of a linear
    probe for labels [track] (`probe_mu`, `probe_z`), or of the error of held-out tracks (`error_held_out`)."""
    table = _of(run, latents, labels, metric, k)
    return table.set_index([BLOCK, "seed"])["value"]


@remembered
def _of(run: Run, latents: xr.Dataset, labels: pd.Series, metric: str, k: int) -> pd.DataFrame:
    y = np.unique(labels.loc[latents.track.values].to_numpy(), return_inverse=True)[1]
    block, seeds, draws = blocks(run, latents.track.values), latents.seed.values.tolist(), run.settings.n_cluster_seeds
    found = clusters(run, latents, min(k, len(y) - 1), draws) if metric in METRICS else None
    values = {}
    for seed in seeds:
        if metric in METRICS:
            points = latents.mu.sel(seed=seed).values.astype(float)
            ids = [found[f"{seed} {draw}"].to_numpy() for draw in range(draws)]
            values[seed] = np.mean([silhouettes(points, one, block, seed) if metric == "silhouette"
                                    else _nmi(y, one, block) for one in ids], axis=0)
        elif metric == "error_held_out":
            one = latents.sel(seed=seed)
            values[seed] = means(np.where(one.train.values, np.nan, one.error.values), block)
        else:
            points = latents[metric.removeprefix("probe_")].sel(seed=seed).values.astype(float)
            values[seed] = means(probes.right(points, y, "linear", seed), block)
    return long(values).rename("value").reset_index()


def long(values: dict[int, np.ndarray]) -> pd.Series:
    """Replicates of seed -> values, the first of all tracks, then a value for each block left out."""
    table = pd.DataFrame(values).rename_axis(columns="seed")
    return table.set_axis(pd.Index(table.index - 1, name=BLOCK)).stack(future_stack=True)


def of_tracks(values: dict[int, np.ndarray], block: np.ndarray) -> pd.Series:
    """Replicates of the means of values [track] by seed; NaN where a track does not count."""
    return long({seed: means(one, block) for seed, one in values.items()})


def means(values: np.ndarray, block: np.ndarray) -> np.ndarray:
    """The mean of values [track] without NaN, then without each block of tracks."""
    there = np.isfinite(values)
    sums, counts = (np.bincount(block, part, block.max() + 1) for part in (np.where(there, values, 0), there * 1.0))
    with np.errstate(invalid="ignore"):
        return np.r_[sums.sum() / there.sum(), (sums.sum() - sums) / (there.sum() - counts)]


def _nmi(y: np.ndarray, ids: np.ndarray, block: np.ndarray) -> np.ndarray:
    """NMI of clusters [track] with labels y [track] that count, then without each block."""
    rows = agreement.counted(y)
    if not rows.any():
        return np.full(block.max() + 2, np.nan)
    return agreement.nmi_without(np.unique(y[rows], return_inverse=True)[1], ids[rows], block[rows], block.max() + 1)


def silhouettes(points: np.ndarray, ids: np.ndarray, block: np.ndarray, seed: int = 0) -> np.ndarray:
    """The mean silhouette of points [N, D] in clusters [N], then without each block of rows [N]; of a sample of rows
    where there are many, as in `clustering.silhouette`."""
    some = sizes.sample(len(points), seed, "rows of a silhouette")
    if some is not None:
        points, ids, block = points[some], ids[some], block[some]
    return np.array([clustering.silhouette(points, ids), *without_blocks(points, ids, block)])


def without_blocks(points: np.ndarray, ids: np.ndarray, block: np.ndarray) -> np.ndarray:
    """The mean silhouette [block] of what is left of points [N, D] when a block of rows is left out.

    Sums of distances are kept by block and cluster, so that all are taken in one pass over pairs.
    """
    n, ids, k, m = len(points), np.unique(ids, return_inverse=True)[1], len(np.unique(ids)), block.max() + 1
    member, pair = np.zeros((k, m)), ids * m + block
    np.add.at(member, (ids, block), 1)
    size = member.sum(1, keepdims=True) - member  # [cluster, block left out]
    order = np.argsort(pair, kind="stable")
    used, starts = np.unique(pair[order], return_index=True)
    total, left = np.zeros(m), n - member.sum(0)
    squares = (points**2).sum(1)
    for i in range(0, n, 64):
        part = slice(i, i + 64)
        distance = squares[part, None] + squares[order] - 2 * points[part] @ points[order].T
        of_pair = np.zeros((len(distance), k * m))
        of_pair[:, used] = np.add.reduceat(np.sqrt(np.maximum(distance, 0)), starts, axis=1)
        by_block = of_pair.reshape(-1, k, m)
        total += _widths(by_block.sum(2)[:, :, None] - by_block, size, ids[part], block[part])
    return np.where((size > 0).sum(0) >= 2, total / left, np.nan)


def _widths(sums: np.ndarray, size: np.ndarray, ids: np.ndarray, block: np.ndarray) -> np.ndarray:
    """Sums of silhouette widths [block left out] of some rows, from their sums of distances [row, cluster, block] to
    the rows that are left in, `size` [cluster, block] of them."""
    rows, here = np.arange(len(ids)), size[ids]  # [row, block]
    inside = sums[rows, ids] / np.maximum(here - 1, 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        sums /= size
        sums[:, size == 0] = np.inf
        sums[rows, ids] = np.inf
        nearest = sums.min(1)
        widths = np.nan_to_num((nearest - inside) / np.maximum(nearest, inside))
    widths[here <= 1] = 0
    widths[rows, block] = 0  # is left out itself
    return widths.sum(0)


def stored(latents: xr.Dataset, metric: str, replicates: pd.Series) -> pd.DataFrame:
    """Replicates as a table to keep: what they are of, the seed, and a column for each block."""
    about = {name: latents.attrs[name] for name in COLUMNS[:3]} | {"metric": metric}
    table = replicates.unstack(BLOCK).rename(columns=str).reset_index()
    return table.assign(**about)[[*COLUMNS, *(name for name in table if name != "seed")]]


def read(table: pd.DataFrame, metric: str, **where: str) -> pd.Series:
    """Replicates of one method out of a table of `stored` ones; `where` filters columns."""
    rows = table[table["metric"] == metric]
    for column, value in where.items():
        rows = rows[rows[column] == value]
    wide = rows.drop(columns=[name for name in COLUMNS if name != "seed"]).set_index("seed")
    return wide.rename(columns=int).rename_axis(columns=BLOCK).stack(future_stack=True).swaplevel().rename("value")
