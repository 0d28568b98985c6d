"""What a latent knows: active dimensions, rate, and probes with their permutation nulls."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import accuracy_score, log_loss, r2_score
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

ACTIVE_NATS = 0.1  # a latent dimension is active when its mean KL exceeds this


def active_dimensions(kl: np.ndarray) -> np.ndarray:
    """Number of latent dimensions with KL above 0.1 nats; kl [..., L] -> [...].

    Not Burda's Var(mu) > 0.01, which counts all ten dimensions of a collapsed CVAE as active.
    """
    return (np.asarray(kl) > ACTIVE_NATS).sum(-1)


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


def linear_probe(points: np.ndarray, labels: np.ndarray, seed: int = 0, n_permutations: int = 5) -> Probe:
    """5-fold cross-validated logistic regression from points [N, D] to labels [N].

    Classes with fewer than five tracks are left out (they cannot be in every fold).
    """
    names, counts = np.unique(labels, return_counts=True)
    keep = np.isin(labels, names[counts >= 5])
    points, y = points[keep], np.unique(labels[keep], return_inverse=True)[1]
    if len(np.unique(y)) < 2:
        return Probe(*[float("nan")] * 5, 0)
    rng = np.random.default_rng([seed, 5])

    def read(y: np.ndarray) -> tuple[float, float]:
        folds = StratifiedKFold(5, shuffle=True, random_state=seed)
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))
        chance = cross_val_predict(model, points, y, cv=folds, method="predict_proba")
        share = np.bincount(y) / len(y)
        entropy = -(share * np.log(share)).sum()
        cross = log_loss(y, np.clip(chance, 1e-9, 1), labels=np.arange(len(share)))
        return accuracy_score(y, chance.argmax(1)), entropy - cross

    accuracy, information = read(y)
    null = np.array([read(rng.permutation(y)) for _ in range(n_permutations)])
    p = (1 + (null[:, 0] >= accuracy).sum()) / (1 + n_permutations)
    return Probe(accuracy, information, *null.mean(0), float(p), n_permutations)


def explained_within(points: np.ndarray, target: np.ndarray, labels: np.ndarray, seed: int = 0) -> float:
    """Cross-validated R^2 of a ridge from points [N, D] to a number [N], after both lost their means per label.

    What the points carry of a factor beyond what the label already says. Below 0: nothing.
    """
    groups = np.unique(labels, return_inverse=True)[1]
    x, t = _without_means(points, groups), _without_means(target[:, None].astype(float), groups)[:, 0]
    if t.std() < 1e-12:
        return float("nan")
    model = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-2, 4, 13)))
    guess = cross_val_predict(model, x, t, cv=KFold(5, shuffle=True, random_state=seed))
    return float(r2_score(t, guess))


def _without_means(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    sums = np.zeros((groups.max() + 1, values.shape[1]))
    np.add.at(sums, groups, values)
    return values - (sums / np.bincount(groups)[:, None])[groups]


def remove_means(points: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """points [N, D] minus the mean of each label's rows: what a perfect conditional decoder leaves to the latent."""
    return _without_means(points, np.unique(labels, return_inverse=True)[1])


def spectrum(x: np.ndarray, labels: np.ndarray | None = None) -> np.ndarray:
    """Eigenvalues, descending, of the covariance of standardised x [N, D]; of the within-label covariance if labels
    are given."""
    x = (x - x.mean(0)) / np.where(x.std(0) > 0, x.std(0), 1)
    if labels is not None:
        x = remove_means(x, labels)
    return np.linalg.eigvalsh(np.cov(x.T))[::-1]


def predicted_active(eigenvalues: np.ndarray, beta: float) -> int:
    """Active dimensions of the optimal linear VAE at this beta: eigenvalues above the decoder variance beta/2
    (Lucas et al. 2019, arXiv 1911.02469). An upper bound in practice for a nonlinear model."""
    return int((np.asarray(eigenvalues) > beta / 2).sum())


def predicted_kl(eigenvalues: np.ndarray, beta: float) -> np.ndarray:
    """KL in nats of each dimension of the optimal linear VAE: 1/2 ln(eigenvalue / (beta/2)), zero where negative."""
    return np.maximum(0.5 * np.log(np.maximum(np.asarray(eigenvalues), 1e-12) / (beta / 2)), 0)
