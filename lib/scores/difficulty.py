"""How hard a corpus is for the methods of the series, compared with what GTZAN gives."""

from __future__ import annotations

import numpy as np
import pandas as pd


# --- difficulty --------------------------------------------------------------------------------------------------
def difficulty(
    mfcc: np.ndarray, labels: np.ndarray, vae_active: np.ndarray | None = None, cvae_active: np.ndarray | None = None
) -> pd.DataFrame:
    """How hard the corpus is, beside the window of GTZAN that it is matched to (at 1000 tracks of 30 s).

    `mfcc` [track, 40]: mean and standard deviation over time of 20 MFCCs; `labels` [track]; active dimensions [seed]
    that a VAE and a CVAE keep at beta 4, where they are known. Columns: quantity, value, low, high, inside (is the
    value, or some of its 95 % interval over seeds, in the window?).
    """
    from sklearn.cluster import KMeans
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import normalized_mutual_info_score
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from lib.scores.intervals import Interval, interval

    mfcc, labels = np.asarray(mfcc, dtype=float), np.asarray(labels)
    x = StandardScaler().fit_transform(mfcc)
    within = x - pd.DataFrame(x).groupby(labels).transform("mean").to_numpy()
    n_labels = len(np.unique(labels))
    nmi = [
        normalized_mutual_info_score(labels, KMeans(n_labels, n_init=10, random_state=seed).fit_predict(x))
        for seed in range(3)
    ]
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    accuracy = cross_val_score(probe, mfcc, labels, cv=StratifiedKFold(5, shuffle=True, random_state=0))
    rows = [
        ("k-means NMI", np.mean(nmi), 0.24, 0.36),
        ("logistic regression accuracy", accuracy.mean(), 0.58, 0.74),
        ("eigenvalues above 2, total covariance", np.sum(np.linalg.eigvalsh(np.cov(x.T)) > 2), 3, 5),
        ("eigenvalues above 2, within-genre covariance", np.sum(np.linalg.eigvalsh(np.cov(within.T)) > 2), 2, 4),
    ]
    if vae_active is not None and cvae_active is not None:
        rows += [("active dimensions of a VAE at beta 4", interval(vae_active), 3, 4),
                 ("active dimensions of a CVAE at beta 4", interval(cvae_active), 1.5, 2.5)]
    table = pd.DataFrame(rows, columns=["quantity", "value", "low", "high"])
    inside = []
    for _, value, low, high in rows:
        ends = (value.low, value.high) if isinstance(value, Interval) else (value, value)
        ends = ends if np.isfinite(ends).all() else (value.mean, value.mean)  # too few seeds for an interval
        inside.append(bool(ends[0] <= high and ends[1] >= low))
    return table.assign(inside=inside)
