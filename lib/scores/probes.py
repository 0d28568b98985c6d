"""What a latent knows: active dimensions, rate, and probes with their permutation nulls."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import accuracy_score, log_loss, r2_score
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from lib.scores import information
from lib.scores.information import entropy


class Probe(NamedTuple):
    """Cross-validated reading of labels from points, beside its null (the same with permuted labels)."""

    accuracy: float
    information: (
        float  # H(y) - cross-entropy, nats: V-information (Xu et al. 2020, 2002.10689); below 0: worse than the prior
    )
    null_accuracy: float  # mean over permutations
    null_information: float
    p: float  # of the accuracy
    n_permutations: int


READERS = {
    "linear": lambda seed: LogisticRegression(max_iter=300),
    "rbf": lambda seed: SVC(),
    "knn": lambda seed: KNeighborsClassifier(15),
}


def linear_probe(points: np.ndarray, labels: np.ndarray, seed: int = 0, n_permutations: int = 5) -> Probe:
    """5-fold cross-validated logistic regression from points [N, D] to labels [N].

    Classes with fewer than five tracks are left out (they cannot be in every fold).
    """
    points, y = _readable(points, labels)
    if len(np.unique(y)) < 2:
        return Probe(*[float("nan")] * 5, 0)
    rng = np.random.default_rng([seed, 5])

    def read(y: np.ndarray) -> tuple[float, float]:
        model = make_pipeline(StandardScaler(), READERS["linear"](seed))
        chance = cross_val_predict(model, points, y, cv=_folds(seed), method="predict_proba")
        cross = log_loss(y, np.clip(chance, 1e-9, 1), labels=np.arange(y.max() + 1))
        return accuracy_score(y, chance.argmax(1)), entropy(y) - cross

    accuracy, information = read(y)
    if not n_permutations:
        return Probe(accuracy, information, *[float("nan")] * 3, 0)
    null = np.array([read(rng.permutation(y)) for _ in range(n_permutations)])
    p = (1 + (null[:, 0] >= accuracy).sum()) / (1 + n_permutations)
    return Probe(accuracy, information, *null.mean(0), float(p), n_permutations)


def probe_accuracy(points: np.ndarray, labels: np.ndarray, reader: str = "rbf", seed: int = 0) -> float:
    """5-fold cross-validated accuracy of a linear, RBF-SVM or 15-nearest-neighbours reader of labels [N]."""
    points, y = _readable(points, labels)
    if len(np.unique(y)) < 2:
        return float("nan")
    model = make_pipeline(StandardScaler(), READERS[reader](seed))
    return float(accuracy_score(y, cross_val_predict(model, points, y, cv=_folds(seed))))


def online_code(points: np.ndarray, labels: np.ndarray, seed: int = 0, steps: int = 6) -> float:
    """Information about labels [N] in points [N, D] by an online code, nats per track (Voita and Titov 2020).

    Labels are sent in blocks of doubling size, each coded by a logistic regression of all blocks before it (the first
    uniformly). Returned is what this saves against the entropy of the labels; a poor code comes out below 0.
    """
    points, y = _readable(points, labels)
    k, n = y.max() + 1, len(y)
    order = np.random.default_rng([seed, 6]).permutation(n)
    points, y = points[order], y[order]
    ends = np.unique(np.r_[np.ceil(n / 2 ** np.arange(steps)[::-1]).astype(int)])
    code = ends[0] * np.log(k)
    for start, end in zip(ends[:-1], ends[1:], strict=True):
        seen = np.unique(y[:start])
        chance = np.full((end - start, k), 1e-3)  # classes not seen yet keep a small chance
        if len(seen) > 1:
            model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)).fit(points[:start], y[:start])
            chance[:, seen] += model.predict_proba(points[start:end])
        chance /= chance.sum(1, keepdims=True)
        code -= np.log(chance[np.arange(end - start), y[start:end]]).sum()
    return float(information.entropy(y) - code / n)


def _readable(points: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points and class numbers of the classes with at least five tracks."""
    names, counts = np.unique(labels, return_counts=True)
    keep = np.isin(labels, names[counts >= 5])
    return points[keep], np.unique(labels[keep], return_inverse=True)[1]


def _folds(seed: int) -> StratifiedKFold:
    return StratifiedKFold(5, shuffle=True, random_state=seed)


def told_of_each(points: np.ndarray, targets: np.ndarray, seed: int = 0) -> np.ndarray:
    """Cross-validated R^2 [T] of a linear reading (ridge) of each column of targets [N, T] from points [N, D]."""
    reader = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-1, 4, 6)))
    read = cross_val_predict(reader, points, targets, cv=KFold(5, shuffle=True, random_state=seed))
    return r2_score(targets, read, multioutput="raw_values")
