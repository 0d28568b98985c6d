"""How hard a corpus is for the methods of the series, compared with what GTZAN gives."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lib.scores import agreement, clustering, probes, properties
from lib.scores.intervals import NOT_NEGATIVE, in_window, interval
from lib.store.arithmetic import standardised


def difficulty(mfcc: np.ndarray, labels: np.ndarray, vae_active: np.ndarray | None = None,
               cvae_active: np.ndarray | None = None) -> pd.DataFrame:
    """How hard the corpus is, beside the window of GTZAN that it is matched to (at 1000 tracks of 30 s).

    `mfcc` [track, 40]: mean and standard deviation over time of 20 MFCCs; `labels` [track]; active dimensions [seed]
    that a VAE and a CVAE keep at beta 4, where they are known. Columns: quantity, value, low, high, met
    (`intervals.in_window`, of the 95 % interval over seeds where there is one).
    """
    x, y = standardised(np.asarray(mfcc, dtype=float)), np.unique(labels, return_inverse=True)[1]
    nmi = [agreement.nmi(y, clustering.cluster(x, y.max() + 1, seed=seed, n_init=10)) for seed in range(3)]
    above_two = {name: np.sum(np.linalg.eigvalsh(np.cov(part.T)) > 2)
                 for name, part in {"total": x, "within-genre": properties.remove_means(x, y)}.items()}
    rows = [
        ("k-means NMI", np.mean(nmi), 0.24, 0.36),
        ("logistic regression accuracy", probes.probe_accuracy(x, y, "linear"), 0.58, 0.74),
        ("eigenvalues above 2, total covariance", above_two["total"], 3, 5),
        ("eigenvalues above 2, within-genre covariance", above_two["within-genre"], 2, 4),
    ]
    if vae_active is not None and cvae_active is not None:
        rows += [("active dimensions of a VAE at beta 4", interval(vae_active, within=NOT_NEGATIVE), 3, 4),
                 ("active dimensions of a CVAE at beta 4", interval(cvae_active, within=NOT_NEGATIVE), 1.5, 2.5)]
    table = pd.DataFrame(rows, columns=["quantity", "value", "low", "high"])
    return table.assign(met=[in_window(*row[1:]) for row in rows])
