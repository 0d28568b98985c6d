"""What sampling costs on a corpus with more rows than are used of it (`lib.store.sizes`): each measure again and again,
each time of other rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from lib.scores import agreement, clustering, probes
from lib.store import sizes
from lib.store.arithmetic import standardised

DRAWS = 5


def errors(points: np.ndarray, labels: np.ndarray, k: int, seed: int = 0) -> pd.DataFrame:
    """A row per measure of points [N, D] and labels [N] that is taken of a sample: metric, clusterer or reader, tracks
    used, mean and standard deviation over `DRAWS` samples; no rows where everything is computed of all.

    The deviation is the error that a sample adds to one value. A reader that learns from fewer rows also reads less,
    and a graph of fewer rows is cut worse: that is in the value, not in its error.
    """
    columns = ["metric", "of", "tracks used", "value", "error"]
    if len(points) <= sizes.EXACT:
        return pd.DataFrame(columns=columns)
    x, y = standardised(points), np.unique(labels, return_inverse=True)[1]
    ids, scored = clustering.cluster(x, k, seed=seed), agreement.counted(y)

    def nmi(method: str, draw: int) -> float:
        found = np.unique(clustering.cluster(x, k, method, draw), return_inverse=True)[1]
        return agreement.nmi(y[scored], found[scored])

    measures: list[tuple[str, str, int, Callable[[int], float]]] = [
        ("silhouette", "kmeans", sizes.EXACT, lambda draw: clustering.silhouette(x, ids, draw)),
        *(("nmi", method, sizes.EXACT, lambda draw, method=method: nmi(method, draw))
          for method in clustering.CLUSTERERS if method not in clustering.LINEAR),
        *(("accuracy", reader, sizes.LEARNED, lambda draw, reader=reader: probes.probe_accuracy(x, y, reader, draw))
          for reader in probes.READERS if reader != "linear"),
    ]
    rows = []
    for metric, of, used, measure in measures:
        values = [measure(1000 * seed + draw) for draw in range(DRAWS)]
        rows.append((metric, of, used, float(np.mean(values)), float(np.std(values, ddof=1))))
    return pd.DataFrame(rows, columns=columns)
