"""What arrays tell of each other and of the labels: every pair at once."""

from __future__ import annotations

import numpy as np
from sklearn.model_selection import KFold

from lib.scores import properties
from lib.store.arithmetic import standardised

UNRELATED = 0.02  # R^2 below what Cohen (1988) calls a small effect
PENALTIES = np.logspace(-2, 4, 7)


def within_labels(points: dict[str, np.ndarray], y: np.ndarray, seed: int = 0) -> dict[str, dict[str, float]]:
    """Cross-validated R^2 of each array [N, D] from each other after both lost their means per label.

    `found[a][b]` is how far a ridge on b tells a (five folds, penalty by the best of all folds); 0 at the least, and
    where the label decides an array.
    """
    clean = {name: standardised(x, drop=True) for name, x in points.items()}
    rest = {name: properties.remove_means(z, y) for name, z in clean.items()}
    rest = {name: z for name, z in rest.items() if z.size and (z**2).mean() > 1e-12}
    found = {a: {b: float(a == b) for b in points} for a in points}
    if len(rest) < 2:
        return found
    names, edges = list(rest), np.cumsum([0, *(z.shape[1] for z in rest.values())])
    targets = np.hstack(list(rest.values()))
    total = np.add.reduceat((targets**2).sum(0), edges[:-1])
    folds = list(KFold(5, shuffle=True, random_state=seed).split(targets))
    for source, x in rest.items():
        left = np.zeros((len(PENALTIES), len(names)))
        for train, test in folds:
            values, vectors = np.linalg.eigh(x[train].T @ x[train])
            turned = vectors.T @ (x[train].T @ targets[train])
            seen = x[test] @ vectors
            own, cross, squares = seen.T @ seen, seen.T @ targets[test], (targets[test] ** 2).sum(0)
            for i, penalty in enumerate(PENALTIES):
                weights = turned / (np.maximum(values, 0) + penalty)[:, None]
                wrong = squares + (weights * (own @ weights - 2 * cross)).sum(0)  # of squared residuals, without them
                left[i] += np.add.reduceat(wrong, edges[:-1])
        best = np.maximum(0, 1 - left.min(0) / total)
        for name, r2 in zip(names, best, strict=True):
            if name != source:
                found[name][source] = float(r2)
    return found
