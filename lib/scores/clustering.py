"""Clusters from points, and scores of clusters: judged by themselves (against labels: `agreement`)."""

from __future__ import annotations

import warnings

import numpy as np
from scipy.spatial.distance import cdist
from sklearn import cluster as sk
from sklearn import metrics
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import NearestNeighbors

from lib.store import sizes
from lib.store.streams import stream

CLUSTERERS = ("kmeans", "agglomerative", "mixture", "spectral", "dbscan", "hdbscan")
LINEAR = ("kmeans", "mixture")  # take as many times as long as there are more rows; the others, longer
NEIGHBOURS = 15  # of the graph that spectral clustering cuts
RESTARTS = 4  # of k-means; clustering seeds are nested in training seeds, so what is left to chance is in the intervals


def cluster(points: np.ndarray, k: int, method: str = "kmeans", seed: int = 0, n_init: int = RESTARTS) -> np.ndarray:
    """Cluster number of each row of points [N, D]; -1 is DBSCAN's and HDBSCAN's noise.

    `k` is used by all but the last two. "agglomerative" is Ward's; "mixture" is Gaussian, its form of covariance the
    one of four with the lowest BIC; "spectral" cuts the graph of 15 nearest neighbours. DBSCAN's radius is the knee of
    the sorted distances to the 5th neighbour; HDBSCAN's smallest cluster is 2 % of the rows, at least 5. None of these
    rules sees a label. Above `sizes.EXACT` rows all but the first two cluster a sample, and each row goes where its
    nearest one in the sample is.
    """
    some = None if method in LINEAR else sizes.sample(len(points), seed, "rows of a clustering")
    if some is not None:
        return cluster(points[some], k, method, seed)[nearest(points, points[some])]
    if method == "kmeans":
        return sk.KMeans(k, n_init=n_init, random_state=seed).fit_predict(points)
    if method == "agglomerative":
        return sk.AgglomerativeClustering(k).fit_predict(points)
    if method == "mixture":
        return mixture(points, k, seed).predict(points)
    if method == "spectral":
        graph = {"affinity": "nearest_neighbors", "n_neighbors": min(NEIGHBOURS, len(points) - 1)}
        with warnings.catch_warnings():  # that the graph falls into parts: then these are clusters
            warnings.simplefilter("ignore", UserWarning)
            return sk.SpectralClustering(k, **graph, assign_labels="cluster_qr", random_state=seed).fit_predict(points)
    if method == "dbscan":
        return sk.DBSCAN(eps=knee_radius(points), min_samples=5).fit_predict(points)
    if method == "hdbscan":
        return sk.HDBSCAN(min_cluster_size=max(5, len(points) // 50), copy=True).fit_predict(points)
    raise ValueError(f"unknown clusterer {method!r}; known are {CLUSTERERS}")


def nearest(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Row number [N], among `others` [M, D], of the one that is nearest to each of points [N, D]."""
    return NearestNeighbors(n_neighbors=1).fit(others).kneighbors(points, return_distance=False)[:, 0]


def mixture(points: np.ndarray, k: int, seed: int = 0) -> GaussianMixture:
    """The Gaussian mixture of k components whose form of covariance (spherical, diagonal, tied or full) has the lowest
    BIC on points [N, D]."""
    scale = max(points.std(0).max(), 1e-12) ** 2
    forms = ("spherical", "diag", "tied", "full")
    with warnings.catch_warnings():  # that a form did not converge: its BIC says what it is worth
        warnings.simplefilter("ignore")
        fitted = [GaussianMixture(k, covariance_type=form, reg_covar=1e-4 * scale, random_state=seed).fit(points)
                  for form in forms]
    return min(fitted, key=lambda model: model.bic(points))


def mteb(points: np.ndarray, labels: np.ndarray, draws: int = 10, seed: int = 0) -> np.ndarray:
    """V-measure (the same as NMI) [draws] by the protocol of MTEB's clustering tasks.

    Per draw, as many rows of points [N, D] as there are, with replacement, and one start of mini-batch k-means (batch
    512) with as many clusters as labels [N] (MAEB, 2602.16008). Copies of a row make it no easier.
    """
    if not len(labels):
        return np.full(draws, np.nan)
    rng, k = stream(seed, "bootstrap of mteb"), len(np.unique(labels))
    values = []
    for draw in range(draws):
        rows = rng.integers(0, len(points), len(points))
        fitted = sk.MiniBatchKMeans(k, n_init=1, batch_size=512, random_state=1000 * seed + draw)
        values.append(metrics.v_measure_score(labels[rows], fitted.fit_predict(points[rows])))
    return np.array(values)


def knee_radius(points: np.ndarray, neighbour: int = 5) -> float:
    """Distance to the `neighbour`-th neighbour at the knee of its sorted curve: farthest below the chord between its
    ends (Satopaa et al. 2011, "kneedle", without smoothing)."""
    neighbour = min(neighbour, len(points) - 1)
    curve = np.sort(NearestNeighbors(n_neighbors=neighbour).fit(points).kneighbors()[0][:, -1])
    spread = curve[-1] - curve[0]
    if spread <= 0:
        return float(max(curve[-1], 1e-9))
    gap = np.linspace(0, 1, len(curve)) - (curve - curve[0]) / spread
    return float(max(curve[np.argmax(gap)], 1e-9))


def internal(points: np.ndarray, clusters: np.ndarray, seed: int = 0) -> dict[str, float]:
    """Silhouette, Davies-Bouldin and Calinski-Harabasz of points [N, D] without their noise rows; number of clusters
    and share of noise. Undefined scores (fewer than two clusters) are NaN.
    """
    keep = clusters >= 0
    found = np.unique(clusters[keep])
    out = {"n_clusters": float(len(found)), "noise": float(1 - keep.mean())}
    names = ("silhouette", "davies_bouldin", "calinski_harabasz")
    if not 2 <= len(found) < keep.sum():
        return out | dict.fromkeys(names, float("nan"))
    inside, ids = points[keep], clusters[keep]
    return out | {
        "silhouette": silhouette(inside, ids, seed),
        **dispersion(inside, ids),
    }


def dispersion(points: np.ndarray, clusters: np.ndarray) -> dict[str, float]:
    """Davies-Bouldin and Calinski-Harabasz of points [N, D] in two clusters or more.

    scikit-learn's functions give the same (under test) but check their input for longer than all else here takes.
    """
    ids, size = np.unique(clusters, return_inverse=True, return_counts=True)[1:]
    n, k = len(points), len(size)
    centres = np.eye(k)[ids].T @ points / size[:, None]
    away = points - centres[ids]
    width = np.bincount(ids, np.linalg.norm(away, axis=1)) / size
    apart = cdist(centres, centres)
    apart[apart == 0] = np.inf
    between, within = size @ ((centres - points.mean(0)) ** 2).sum(1), (away**2).sum()
    return {
        "davies_bouldin": float(((width[:, None] + width) / apart).max(1).mean()),
        "calinski_harabasz": float(between * (n - k) / (within * (k - 1))) if within > 0 else 1.0,
    }


def silhouette(points: np.ndarray, clusters: np.ndarray, seed: int = 0) -> float:
    """Mean silhouette (Rousseeuw 1987) of points [N, D], of a sample of `sizes.EXACT` rows where there are more; NaN
    below two clusters.

    Squared distances are one matrix product, block by block, and the sums of distances another, with the clusters'
    indicators: a third of scikit-learn's time, and nulls are mostly silhouettes.
    """
    some = sizes.sample(len(points), seed, "rows of a silhouette")
    if some is not None:
        points, clusters = points[some], clusters[some]
    names, ids = np.unique(clusters, return_inverse=True)
    if not 2 <= len(names) < len(points):
        return float("nan")
    member = np.eye(len(names))[ids]  # [N, K]
    size, own, centred = member.sum(0), np.arange(len(points)), points - points.mean(0)
    squares, ones = (centred**2).sum(1, keepdims=True), np.ones((len(points), 1))
    left, right = np.hstack([centred, squares, ones]), np.hstack([-2 * centred, ones, squares]).T
    sums = np.zeros(member.shape)
    for i in range(0, len(points), 64):
        distance = left[i : i + 64] @ right[:, i:]  # to the rows from i on: each pair is met once
        np.maximum(distance, 0, out=distance)
        np.sqrt(distance, out=distance)
        sums[i : i + 64] += distance @ member[i:]
        sums[i + 64 :] += distance[:, 64:].T @ member[i : i + 64]
    inside = sums[own, ids] / np.maximum(size[ids] - 1, 1)
    sums /= size
    sums[own, ids] = np.inf
    nearest = sums.min(1)
    with np.errstate(invalid="ignore"):  # copies of one point: 0 / 0 counts as 0
        widths = np.nan_to_num((nearest - inside) / np.maximum(nearest, inside))
    return float(np.where(size[ids] > 1, widths, 0).mean())
