"""What a corpus owes to its artists: their shares of labels, and scores with all tracks of one held together
(Pampalk, Flexer and Widmer 2005, Improvements of audio-based music similarity and genre classification; Flexer 2007, A
closer look on artist filters)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lib.scores import agreement, intervals
from lib.scores.clustering import RESTARTS
from lib.scores.intervals import Interval
from lib.scores.units import RECORDING, units
from lib.store.runs import Run

FOLDS = 5
APART, TOGETHER = "tracks apart", "held together"
Split = list[tuple[np.ndarray, np.ndarray]]


def known(run: Run, tracks: pd.Index) -> tuple[str, pd.Series] | None:
    """The column that names artists (albums, songs) and each track's one [track]; None where no column does."""
    name, found = units(run, tracks)
    return None if name == RECORDING else (name, found)


def shares(labels: pd.Series, artist: pd.Series) -> pd.DataFrame:
    """Of each label [track]: tracks, artists, and the shares of the largest artist and of the three largest; labels
    that lean on one artist most first."""
    rows = []
    for label, some in artist.groupby(labels.loc[artist.index]):
        sizes = some.value_counts()
        rows.append((label, len(some), len(sizes), sizes.iloc[0] / len(some), sizes.iloc[:3].sum() / len(some)))
    table = pd.DataFrame(rows, columns=["{label}", "tracks", "artists", "largest artist", "three largest"])
    return table.sort_values("largest artist", ascending=False, ignore_index=True)


def splits(y: np.ndarray, artist: np.ndarray, seed: int) -> dict[str, Split]:
    """Folds of labels y [N]: tracks apart, and all tracks of an artist [N] in one fold; no more folds than artists."""
    n = min(FOLDS, len(np.unique(artist)))
    apart, together = (kind(n, shuffle=True, random_state=seed) for kind in (StratifiedKFold, StratifiedGroupKFold))
    return {APART: list(apart.split(y, y)), TOGETHER: list(together.split(y, y, artist))}


def effect(run: Run, x: pd.DataFrame, labels: pd.Series, artist: pd.Series) -> tuple[pd.DataFrame, Interval] | None:
    """Scores of features x [track, D] on held-out tracks, apart and with artists held together, and their difference
    (a row per score); and the difference in the probe's accuracy over seeds and artists. None with one artist, or one
    label that counts.

    A linear probe reads labels [track]; k-means is fitted without the fold, and NMI is that of the fold's tracks,
    averaged over folds, so that both columns have folds of the same size.
    """
    kept = agreement.counted(labels.loc[x.index].to_numpy())
    points, who = x.to_numpy()[kept], artist.loc[x.index].to_numpy()[kept]
    y = np.unique(labels.loc[x.index].to_numpy()[kept], return_inverse=True)[1]
    if not kept.any() or len(np.unique(who)) < 2:
        return None
    right, nmi, seeds = {APART: [], TOGETHER: []}, {APART: [], TOGETHER: []}, run.settings.seeds(
        run.settings.n_seeds_sweep)
    for seed in seeds:
        for name, split in splits(y, who, seed).items():
            right[name].append(_read(points, y, split))
            nmi[name].append(_agreement(points, y, split, seed))
    read = {name: np.array(one) for name, one in right.items()}
    gap = intervals.over_seeds_and_groups(
        lambda rows: read[APART][:, rows].mean(1) - read[TOGETHER][:, rows].mean(1), who).interval
    accuracy = {name: one.mean(1) for name, one in read.items()}
    agreed = {name: np.array(one) for name, one in nmi.items()}
    rows = [{"score": score} | {name: intervals.interval(one[name], within=intervals.SHARE) for name in one}
            | {"difference": intervals.interval(one[APART] - one[TOGETHER])}
            for score, one in (("accuracy of a linear probe", accuracy), ("NMI of k-means", agreed))]
    rows[0]["difference"] = gap
    return pd.DataFrame(rows), gap


def _read(points: np.ndarray, y: np.ndarray, split: Split) -> np.ndarray:
    """Is each row's label y [N] read rightly from points [N, D] where its fold was held out?"""
    right = np.zeros(len(y))
    for train, held in split:
        if len(np.unique(y[train])) > 1:
            model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)).fit(points[train], y[train])
            right[held] = model.predict(points[held]) == y[held]
        else:
            right[held] = y[held] == y[train[0]]
    return right


def _agreement(points: np.ndarray, y: np.ndarray, split: Split, seed: int) -> float:
    """NMI of labels y [N] and the clusters of held-out points, k-means of as many clusters as labels being fitted on
    the other folds; mean over folds."""
    found = []
    for train, held in split:
        model = make_pipeline(StandardScaler(), KMeans(min(len(np.unique(y)), len(train)), n_init=RESTARTS,
                                                       random_state=seed)).fit(points[train])
        codes = [np.unique(one, return_inverse=True)[1] for one in (y[held], model.predict(points[held]))]
        found.append(agreement.nmi(*codes))
    return float(np.mean(found))
