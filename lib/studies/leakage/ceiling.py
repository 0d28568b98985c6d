"""Test 2 of the audit: does an embedding say more of the label than the content it was made from?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer
from sklearn.model_selection import cross_val_predict
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from lib.scores.probes import of_some
from lib.store.arithmetic import standardised
from lib.studies.leakage import permuted_corpus
from lib.studies.leakage.outcomes import EACH, Result, not_run
from lib.studies.leakage.permuted_corpus import Corpus

MARGIN, MOST = 0.05, 0.85  # see `ceiling`
Reading = pd.Series  # bool [track]: is its label read rightly when held out?


def read(tables: Mapping[str, pd.DataFrame], labels: pd.Series, seed: int = 0) -> Reading:
    """The best cross-validated reading of labels from any of the tables [track, dim], over tracks that all have.

    Columns are standardised; each table is read by linear and radial support vector machines and by five nearest
    neighbours, 5 folds. Labels of fewer than five tracks are left out.
    """
    tracks = labels.index[labels.groupby(labels).transform("size") >= 5]
    for table in tables.values():
        tracks = tracks.intersection(table.dropna().index.unique())
    y = labels.loc[tracks].to_numpy()
    counts = np.unique(y, return_counts=True)[1]
    if len(counts) < 2 or counts.min() < 5:
        return pd.Series(dtype=bool)
    found = []
    for table in tables.values():
        x = standardised(table[~table.index.duplicated()].loc[tracks].to_numpy(float))
        for model in (SVC(kernel="linear", C=0.1), SVC(C=3), KNeighborsClassifier(5)):
            found.append(cross_val_predict(model, x, y, cv=of_some(x, y, seed)) == y)
    return pd.Series(max(found, key=np.mean), tracks)


def ceiling(embedding: pd.DataFrame, content: Mapping[str, pd.DataFrame] | Reading, labels: pd.Series,
            seed: int = 0) -> Result:
    """Can labels be read better from a table than from the raw content (say, bag of words) that it was made from?

    Both as `read` does. McNemar's exact test on the tracks that only one of them reads rightly, and a difference of at
    least `MARGIN`, since a good summary is honestly a little easier to read than raw content. Where the table is read
    at `MOST` of the way from always guessing the commonest label to no mistake, the content itself needs provenance
    (files may carry a mark of the site they came from): genres are not that far apart to the ear.
    """
    test = "modality ceiling"
    if not isinstance(content, Reading):
        content = read(content, labels, seed)
    got = read({"table": embedding}, labels, seed)
    tracks = got.index.intersection(content.index)
    if len(tracks) < 20:
        return not_run(test, "fewer than 20 tracks have an embedding, raw content and a label of five tracks or more")
    mine, theirs = got.loc[tracks], content.loc[tracks]
    more, fewer = int((mine & ~theirs).sum()), int((theirs & ~mine).sum())
    p = float(stats.binom.sf(more - 1, more + fewer, 0.5)) if more + fewer else 1.0
    difference = float(mine.mean() - theirs.mean())
    said = (f"the label is decodable with accuracy {mine.mean():.2f} from the embedding, {theirs.mean():.2f} from the "
            f"raw content (p = {p:.2g}): ")
    if p < EACH and difference >= MARGIN:
        said += "more than its content holds, a proxy for the label; document its provenance"
        return Result(test, "proxy", difference, MARGIN, said)
    commonest = float(labels.loc[tracks].value_counts(normalize=True).max())
    share = (float(mine.mean()) - commonest) / (1 - commonest)
    if share >= MOST:
        said += "the content itself reveals it, a proxy for the label; document its provenance"
        return Result(test, "proxy", share, MOST, said)
    return Result(test, "clear", difference, MARGIN, said + "no more than its content holds")


def raw_content(corpus: Corpus) -> dict[str, pd.DataFrame]:
    """What a builder could have read, as tables [track, dim]: statistics of each `.npy`, words of the texts, and both.

    Of an array the mean and standard deviation along its longer axis, and for a plain signal its log power in 32 bands.
    Other kinds of audio are left to the caller.
    """
    where = permuted_corpus.slots(corpus)
    index = pd.Index(where["track"])
    found = {}
    if isinstance(corpus, (str, Path)):
        paths = [r.files.get(".npy") for r in permuted_corpus.recordings(corpus)]
        if all(paths):
            rows = [_statistics(np.load(path, allow_pickle=False)) for path in paths]
            width = min(map(len, rows))
            found["audio"] = pd.DataFrame([row[:width] for row in rows], index)
    if where["text"].str.split().str.len().gt(0).sum() >= 2:
        counts = CountVectorizer(max_features=1000).fit_transform(where["text"])
        weighted = TfidfTransformer(sublinear_tf=True).fit_transform(counts)
        found["words"] = pd.DataFrame(np.sqrt(counts.toarray()), index)
        found["weighted words"] = pd.DataFrame(weighted.toarray(), index)
    if "audio" in found and "words" in found:
        found["audio and words"] = pd.concat([found["audio"], found["words"]], axis=1, ignore_index=True)
    return {name: table[~table.index.duplicated()] for name, table in found.items()}


def _statistics(values: np.ndarray) -> np.ndarray:
    values = np.nan_to_num(values.astype(float))
    if values.ndim == 1 and len(values) > 256:
        power = np.abs(np.fft.rfft(values)) ** 2
        bands = np.array([band.mean() for band in np.array_split(power, 32)])
        return np.r_[values.mean(), values.std(), np.log(bands + 1e-12)]
    if values.ndim < 2:
        return np.atleast_1d(values)
    axis = int(np.argmax(values.shape))
    return np.r_[values.mean(axis).ravel(), values.std(axis).ravel()]
