"""What a latent knows: cross-validated readers of labels and of numbers, with their permutation nulls."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import accuracy_score, log_loss, r2_score
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from lib.scores.information import label_entropy
from lib.store import sizes
from lib.store.streams import stream


class Probe(NamedTuple):
    """Cross-validated reading of labels from points, beside its null (the same with permuted labels)."""

    accuracy: float
    information: float  # V-information (Xu et al. 2020), H(y) - cross-entropy, nats; below 0: worse than the prior
    null_accuracy: float  # mean over permutations


READERS = {"linear": LogisticRegression(max_iter=300), "rbf": SVC(), "knn": KNeighborsClassifier(15)}


def linear_probe(points: np.ndarray, labels: np.ndarray, seed: int = 0, n_permutations: int = 5) -> Probe:
    """5-fold cross-validated logistic regression from points [N, D] to labels [N].

    Classes with fewer than five tracks are left out (they cannot be in every fold).
    """
    points, y = _readable(points, labels)
    if len(np.unique(y)) < 2:
        return Probe(*[float("nan")] * 3)
    rng = stream(seed, "permuted labels of a probe")
    chance = _held_out("linear", points, y, seed, method="predict_proba")
    cross = log_loss(y, np.clip(chance, 1e-9, 1), labels=np.arange(y.max() + 1))
    accuracy, permuted = accuracy_score(y, chance.argmax(1)), (rng.permutation(y) for _ in range(n_permutations))
    null = np.array([accuracy_score(one, _held_out("linear", points, one, seed)) for one in permuted])
    return Probe(accuracy, label_entropy(y) - cross, float(null.mean()) if len(null) else float("nan"))


def probe_accuracy(points: np.ndarray, labels: np.ndarray, reader: str | BaseEstimator = "rbf", seed: int = 0) -> float:
    """5-fold cross-validated accuracy of one of `READERS`, or of another model, as a reader of labels [N]."""
    found = right(points, labels, reader, seed)
    return float(np.mean(found[np.isfinite(found)])) if np.isfinite(found).any() else float("nan")


def right(points: np.ndarray, labels: np.ndarray, reader: str | BaseEstimator = "rbf", seed: int = 0) -> np.ndarray:
    """Is each row's label [N] read rightly when it was held out? 1, 0, or NaN where its class has under five tracks."""
    out, keep = np.full(len(labels), np.nan), _enough(labels)
    points, y = _readable(points, labels)
    if len(np.unique(y)) >= 2:
        out[keep] = _held_out(reader, points, y, seed) == y
    return out


def _held_out(reader: str | BaseEstimator, points: np.ndarray, y: np.ndarray, seed: int, **how: str) -> np.ndarray:
    """What a reader of standardised columns says of each row's label when it was held out."""
    model = make_pipeline(StandardScaler(), READERS[reader] if isinstance(reader, str) else reader)
    split = folds(seed) if reader == "linear" else of_some(points, y, seed)
    return cross_val_predict(model, points, y, cv=split, **how)


def online_code(points: np.ndarray, labels: np.ndarray, seed: int = 0, steps: int = 6) -> float:
    """Information about labels [N] in points [N, D] by an online code, nats per track (Voita and Titov 2020).

    Labels are sent in blocks of doubling size, each coded by a logistic regression of all blocks before it (the first
    uniformly). Returned is what this saves against the entropy of the labels; a poor code comes out below 0.
    """
    points, y = _readable(points, labels)
    if len(np.unique(y)) < 2:
        return float("nan")
    k, n = y.max() + 1, len(y)
    order = stream(seed, "order of an online code").permutation(n)
    points, y = points[order], y[order]
    ends = np.unique(np.r_[np.ceil(n / 2 ** np.arange(steps)[::-1]).astype(int)])
    code = ends[0] * np.log(k)
    for start, end in zip(ends[:-1], ends[1:], strict=True):
        seen = np.unique(y[:start])
        chance = np.full((end - start, k), 1e-3)  # classes not seen yet keep a small chance
        if len(seen) > 1:
            model = make_pipeline(StandardScaler(), clone(READERS["linear"])).fit(points[:start], y[:start])
            chance[:, seen] += model.predict_proba(points[start:end])
        chance /= chance.sum(1, keepdims=True)
        code -= np.log(chance[np.arange(end - start), y[start:end]]).sum()
    return float(label_entropy(y) - code / n)


def _readable(points: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points and class numbers of the classes with at least five tracks."""
    keep = _enough(labels)
    return points[keep], np.unique(labels[keep], return_inverse=True)[1]


def _enough(labels: np.ndarray) -> np.ndarray:
    """Which rows [N] are of a class with at least five."""
    names, counts = np.unique(labels, return_counts=True)
    return np.isin(labels, names[counts >= 5])


def folds(seed: int) -> StratifiedKFold:
    """The split of every reader of labels."""
    return StratifiedKFold(5, shuffle=True, random_state=seed)


def of_some(points: np.ndarray, y: np.ndarray, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """The same split, (learned from, held out), for a reader that is not linear: it learns from at most `sizes.LEARNED`
    rows."""
    split, rng = list(folds(seed).split(points, y)), stream(seed, "rows of a reader")
    if len(y) <= sizes.EXACT:
        return split
    return [(rng.choice(train, sizes.LEARNED, replace=False), held) for train, held in split]


def r2_of_each(points: np.ndarray, targets: np.ndarray, seed: int = 0) -> np.ndarray:
    """Cross-validated R^2 [T] of a linear reading (ridge) of each column of targets [N, T] from points [N, D]."""
    read = read_numbers(points, targets, np.logspace(-1, 4, 6), seed)
    return r2_score(targets, read, multioutput="raw_values")


def read_numbers(points: np.ndarray, targets: np.ndarray, penalties: np.ndarray, seed: int = 0, scale: bool = True,
                 each: bool = False) -> np.ndarray:
    """Targets [N, T] as a ridge reads them from points [N, D] where held out, in 5 folds.

    The penalty is one of `penalties`, by leave-one-out, for all targets or for `each`; columns are standardised first
    (`scale`).
    """
    reader = make_pipeline(StandardScaler() if scale else "passthrough", RidgeCV(penalties, alpha_per_target=each))
    split = KFold(5, shuffle=True, random_state=seed)
    return cross_val_predict(reader, points, targets, cv=split).reshape(targets.shape)
