"""UMAP, compiled once on a machine: its machine code is kept beside librosa's, where numba's cache is."""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from filelock import FileLock
from sklearn.neighbors import NearestNeighbors

from lib.scores import nulls
from lib.store import runs, sizes
from lib.store.streams import stream

NEIGHBOURS = 15  # UMAP's own default; not tuned
CLOUDS = 3  # Gaussian clouds that are embedded beside the tracks
ALL_PAIRS = 4096  # rows below which UMAP measures all pairs one by one in Python, for each seed: half of its time


def umap(points: np.ndarray, dim: int, seeds: list[int], **options: float | str) -> np.ndarray:
    """UMAP (McInnes et al. 2018, 1802.03426) of points [track, feature], once per seed: [seed, track, dim], float32.

    15 neighbours (its default; fewer where there are fewer points); `options` are more arguments of `umap.UMAP`.
    """
    options = {"n_components": dim, "n_neighbors": min(NEIGHBOURS, len(points) - 2), "n_jobs": 1, **options}
    if len(points) < ALL_PAIRS:
        options["precomputed_knn"] = _with_themselves(points.astype(np.float32), options["n_neighbors"])
    with warnings.catch_warnings():  # that TensorFlow is missing, and what numba cannot keep
        warnings.simplefilter("ignore")
        with _compiling(runs.numba_folder()):
            from umap import UMAP  # seconds; only who needs it pays

            _keep_compiled()
            found = [UMAP(**options, random_state=seeds[0]).fit_transform(points)]
        found += [UMAP(**options, random_state=seed).fit_transform(points) for seed in seeds[1:]]
    return np.stack(found).astype(np.float32)


def _with_themselves(points: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers and distances [N, k] of the k nearest rows of points [N, D], themselves among them, as UMAP wants.

    From a tree, whose distances are exact: a matrix product puts a row at some distance from itself.
    """
    far, near = NearestNeighbors(n_neighbors=k, algorithm="ball_tree").fit(points).kneighbors(points)
    return near.astype(np.int32), far.astype(np.float32)


def of_nothing(points: np.ndarray, dim: int, seed: int, **options: float | str) -> np.ndarray:
    """`umap` [track, dim] of a Gaussian cloud of the points' covariance: the null of what follows.

    It is drawn before UMAP, which draws neighbours together and so makes clusters of a cloud that has none.
    """
    cloud = nulls.draw_null(points.astype(float), "gaussian", stream(seed, "clouds to embed"))
    return umap(cloud, dim, [seed], **options)[0]


def neighbours(points: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Distances and row numbers [N, k] of the k nearest other rows of points [N, D], nearest first.

    Above `sizes.EXACT` rows by UMAP's own search, nearest-neighbour descent (Dong et al. 2011), which misses about one
    in a hundred (under test).
    """
    if len(points) <= sizes.EXACT:
        return NearestNeighbors(n_neighbors=k).fit(points).kneighbors()
    with warnings.catch_warnings(), _compiling(runs.numba_folder()):
        warnings.simplefilter("ignore")
        from pynndescent import NNDescent

        _keep_compiled()
        near, far = NNDescent(points, n_neighbors=k + 1, n_jobs=1, random_state=0).neighbor_graph
    others = near != np.arange(len(points))[:, None]
    others[others.all(1), -1] = False  # a row of several copies may have found only the others
    return far[others].reshape(-1, k).astype(float), near[others].reshape(-1, k)


@contextlib.contextmanager
def _compiling(folder: Path) -> Iterator[None]:
    """One process at a time: two that fill numba's folder at once crash Python. Without a folder nobody waits."""
    lock = FileLock(folder / ".umap.lock")
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _keep_compiled() -> None:
    """Have numba keep what UMAP and its search for neighbours compile: ten seconds in every process otherwise."""
    from numba.core.dispatcher import Dispatcher

    for name in [name for name in sys.modules if name.split(".")[0] in ("umap", "pynndescent")]:
        for function in vars(sys.modules[name]).values():
            if isinstance(function, Dispatcher) and function.py_func.__module__ == name:
                with contextlib.suppress(RuntimeError):  # there is no place to keep it: slower, and as right
                    function.enable_caching()
