"""Folders of arrays made up for the audit: innocent ones of ten kinds, and guilty ones with one planted fault each."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd

from lib.scores import clustering
from lib.studies.leakage.arrays import label_free, reading
from lib.studies.leakage.arrays.reading import Arrays
from lib.studies.leakage.arrays.result_tables import scores_of

INNOCENT = ("layers", "PCA of features", "autoencoders", "unequal classes", "unequal densities", "sorted files",
            "honest lyrics", "small n", "many labels", "heavy tails")


def folder(y: np.ndarray, arrays: dict[str, np.ndarray], tables: dict[str, pd.DataFrame] | None = None,
           parts: np.ndarray | None = None) -> Arrays:
    """Arrays as `reading.load` would have them."""
    points, groups, kinds = {}, {}, {}
    for name, values in arrays.items():
        kinds[name], array = reading.sort(np.asarray(values), len(y))
        (groups if array.ndim == 1 else points)[name] = array
    return Arrays("made up", np.asarray(y).astype(str), points, groups, tables or {}, [], kinds, parts)


def features(rng: np.random.Generator, n: int, k: int, apart: float = 0.9, d: int = 20, y: np.ndarray | None = None
             ) -> tuple[np.ndarray, np.ndarray]:
    """Labels [n] and standardised features [n, d]: six hidden causes that go with the label, mixed, and noise."""
    y = rng.integers(0, k, n) if y is None else y
    hidden = rng.standard_normal((n, 6)) + apart * rng.standard_normal((k, 6))[y]
    x = hidden @ rng.standard_normal((6, d)) + 0.3 * rng.standard_normal((n, d))
    return y, (x - x.mean(0)) / x.std(0)


def encoders(x: np.ndarray, rng: np.random.Generator,
             kinds: tuple[str, ...] = ("tanh", "relu")) -> dict[str, np.ndarray]:
    """Label-free latents of features, one for each kind of map."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {f"latent_{i}": label_free.draw(kind, x, int(rng.integers(4, 11)), rng) for i, kind in enumerate(kinds)}


def lyrics(y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """An honest second modality: topics that go with the label, words that vary within it."""
    topics = 1.5 * rng.standard_normal((y.max() + 1, 8))[y] + rng.standard_normal((len(y), 8))
    words = topics @ rng.standard_normal((8, 24)) + 0.7 * rng.standard_normal((len(y), 24))
    return words / words.std(0)


def innocent(kind: str, seed: int) -> Arrays:
    """A folder of one of the kinds in `INNOCENT`, in which nobody did wrong."""
    rng = np.random.default_rng([seed, INNOCENT.index(kind)])
    n, k, apart = int(rng.integers(250, 450)), int(rng.integers(3, 9)), float(rng.uniform(0.5, 2.0))
    y, kinds = None, ("tanh", "relu")
    if kind == "small n":
        n, k = int(rng.integers(60, 120)), 3
    if kind == "many labels":
        k = 40
    if kind == "unequal classes":
        y = rng.choice(k, n, p=rng.dirichlet(np.full(k, 0.7)) * 0.7 + 0.3 / k)
    if kind == "sorted files":
        y = np.sort(rng.integers(0, k, n))
    y, x = features(rng, n, k, apart, int(rng.integers(12, 41)), y)
    if kind == "unequal densities":
        middle = np.stack([x[y == label].mean(0) if (y == label).any() else x[0] for label in range(y.max() + 1)])
        x = middle[y] + (x - middle[y]) * np.exp(rng.uniform(-1.5, 0.5, y.max() + 1))[y, None]
    if kind == "heavy tails":
        x = x * rng.standard_t(2, (n, 1)) ** 2 / 2 + 0.1 * rng.standard_t(2, x.shape)
    if kind == "autoencoders":
        kinds = ("trained autoencoder", "two layers")
    made = encoders(x, rng, ("linear", "whitened components") if kind == "PCA of features" else kinds)
    if kind == "PCA of features":
        left, size, _ = np.linalg.svd(x - x.mean(0), full_matrices=False)
        made["scores"] = left[:, :8] * size[:8]
    if kind == "honest lyrics":
        made["words"] = lyrics(y, rng)
    if rng.random() < 0.5:
        made["groups"] = clustering.cluster(made["latent_0"].astype(np.float32), max(2, min(k, 8)), seed=0, n_init=2)
    with_source = {"features": x} if rng.random() < 0.7 else {}  # siblings without their source are half the trouble
    return folder(y, with_source | made)


# --- guilty folders -----------------------------------------------------------------------------------------------
def guilty(test: str, seed: int, n: int, labels: int, **effect: float) -> Arrays:
    """A folder with the fault that a test looks for, of the size that `effects.yaml` states."""
    rng = np.random.default_rng([seed, sum(map(ord, test))])
    y, x = features(rng, n, labels)
    made = {"features": x} | encoders(x, rng)
    latent = made["latent_0"]
    if test == "label beside features":
        mixing, shift = rng.standard_normal((x.shape[1], 6)) / np.sqrt(x.shape[1]), rng.standard_normal((labels, 6))
        made["latent_given"] = np.tanh(x @ mixing + effect["weight"] * shift[y])
    elif test == "label-derived":
        made["words"] = effect["scale"] * rng.standard_normal((labels, effect["width"]))[y] + \
            rng.standard_normal((n, effect["width"]))
    elif test == "label as a column":
        column = (y - y.mean()) / y.std() + effect["noise"] * rng.standard_normal(n)
        made["input"] = np.c_[x[:, :6], column]
    elif test == "equals the labels":
        groups = rng.permutation(labels)[y]
        wrong = rng.choice(n, int(effect["changed"] * n), replace=False)
        groups[wrong] = (groups[wrong] + 1) % labels
        made["groups"] = groups
    elif test in ("failed join", "exact duplicates"):
        rows = rng.choice(n, max(2, int(effect["share"] * n)), replace=False)
        source = np.full(len(rows), rows[0]) if test == "failed join" else np.roll(rows, 1)
        if test == "exact duplicates":
            rows, source = rows[::2][: len(rows) // 2], rows[1::2][: len(rows) // 2]
        x[rows] = x[source]
        made = {"features": x} | encoders(x, rng)
    elif test == "test among training rows":
        parts = np.repeat([0, 2], [n - n // 3, n // 3])
        test_rows = rng.choice(np.flatnonzero(parts == 2), int(effect["share"] * (n // 3)), replace=False)
        x[test_rows] = x[rng.choice(np.flatnonzero(parts == 0), len(test_rows), replace=False)]
        return folder(y, {"x": x}, parts=parts)
    elif test == "neighbours in order":
        songs = n // effect["segments"]
        whose, song = features(rng, songs, labels)
        y = np.repeat(whose, effect["segments"])
        x = np.repeat(song, effect["segments"], 0) + effect["noise"] * rng.standard_normal((len(y), song.shape[1]))
        made = {"features": x}
    elif test.startswith("nothing agrees"):
        y = np.roll(y, effect["shift"]) if effect["shift"] else rng.permutation(y)
    elif test == "knows nothing":
        made["words"] = lyrics(y, rng)[rng.permutation(n)]
    elif test == "unknown as a class":
        y = np.where(rng.random(n) < effect["share"], -1, y)
    elif test in ("collapse", "scale of dimensions"):
        alive = effect["alive"] if test == "collapse" else effect["of"] - effect["dead"]
        scale = np.where(np.arange(effect["of"]) < alive, 0.9, 0.02)
        wide = np.tanh(x @ rng.standard_normal((x.shape[1], effect["of"])) / np.sqrt(x.shape[1]))
        made["mu"] = (wide / wide.std(0) * scale)[:, rng.permutation(effect["of"])]
    elif test == "row order":
        y = np.repeat(rng.integers(0, labels, n // effect["run"]), effect["run"])
        y, x = features(rng, len(y), labels, y=y)
        made = {"features": x}
    else:
        return _printed(test, y, x, latent, labels, **effect)
    return folder(y, made)


def _printed(test: str, y: np.ndarray, x: np.ndarray, latent: np.ndarray, k: int, digits: int = 4) -> Arrays:
    """A folder whose result table has the fault."""
    clusters = k + 2  # with as many as labels, purity and inverse purity may be the same
    codes = clustering.cluster(latent.astype(np.float32), clusters, seed=42, n_init=10)
    scores = scores_of(y, codes)
    row = {"method": "latent", "n_clusters": clusters, "silhouette_score": clustering.silhouette(latent, codes),
           "normalized_mutual_info": scores["nmi"], "adjusted_rand_index": scores["ari"],
           "cluster_purity": scores["purity"]}
    if test == "reported purity":
        row["cluster_purity"] = scores["inverse_purity"]
    if test == "baseline metrics":
        row["cluster_purity"] = round(float(np.bincount(y).max() / len(y)), digits)
    if test == "silhouette of another array":
        row["silhouette_score"] = clustering.silhouette(x, codes)
    if test == "rows not reproduced":
        row |= {"normalized_mutual_info": 0.1234567, "adjusted_rand_index": 0.0765432}
    arrays = {"latent": latent, "groups": codes} if test == "silhouette of another array" else {
        "features": x, "latent": latent, "groups": codes}
    return folder(y, arrays, {"results": pd.DataFrame([row])})
