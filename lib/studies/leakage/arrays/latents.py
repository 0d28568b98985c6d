"""Latents from inside: dimensions that carry nothing or far too much, silhouettes that a cloud has too."""

from __future__ import annotations

import numpy as np

from lib.scores import information, nulls
from lib.scores.verdict import examine
from lib.studies.leakage.arrays.report import ASSUMING, OBSERVED, Finding, finding

DEAD = 0.01  # of the largest variance: Burda et al.'s (2016) limit for an active unit, on a scale of the array's own
FLOAT_NATS = 32 * np.log(2)  # a number in single precision, sent as it is


def principal(x: np.ndarray) -> bool:
    """Are the columns principal components: uncorrelated, their variances falling?"""
    variance = x.var(0)
    if x.shape[1] < 2 or not (variance > 0).all():
        return False
    correlation = np.corrcoef(x.T) - np.eye(x.shape[1])
    limit = 4 / np.sqrt(len(x))  # four standard errors: none of some hundred correlations exceeds it by chance
    return bool(np.abs(correlation).max() < limit and (np.diff(variance) <= 0.05 * variance[:-1]).all())


def collapse(name: str, x: np.ndarray) -> Finding:
    """How many dimensions of a latent carry anything, if it is the mean of a VAE under a standard normal prior?

    Then Var(mu) + E[variance] is about 1 in each dimension, and KL about -1/2 ln(1 - Var mu). Where variances exceed
    1.2, or all are 1, that cannot be (an autoencoder, standardised columns): not told. Found where fewer than half of
    the dimensions are active (above 0.1 nats).
    """
    variance = x.var(0)
    ratio = nulls.participation_ratio(x)
    numbers = {"d": x.shape[1], "std_least": float(x.std(0).min()), "std_most": float(x.std(0).max()),
               "participation_ratio": ratio}
    if variance.max() > 1.2 or np.allclose(variance, 1, atol=0.02):
        said = (f"variances {variance.min():.2f} to {variance.max():.2f} are not those of a mean under a standard "
                "normal prior: not told")
        return finding("collapse", name, False, ASSUMING, said, numbers | {"active": None, "kl": None})
    kl = -0.5 * np.log(1 - np.minimum(variance, 0.95))
    active = int(information.active_dimensions(kl))
    bound = "at least " if (variance > 0.95).any() else ""
    said = (f"{active} of {x.shape[1]} dimensions active (KL above {information.ACTIVE_NATS:g} nats), KL "
            f"{bound}{kl.sum():.2f} nats in all, standard deviations {numbers['std_least']:.3f} to "
            f"{numbers['std_most']:.3f}, {ratio:.1f} effective dimensions; this assumes a VAE's mean, a standard "
            "normal prior, and that it is met on average")
    return finding("collapse", name, active < x.shape[1] / 2, ASSUMING, said,
                   numbers | {"active": active, "kl": float(kl.sum()), "kl_is_bound": bool(bound)})


def scales(name: str, x: np.ndarray) -> Finding:
    """Are dimensions of an array far apart in scale, or all of them absurdly large?

    Against the array's own largest: dimensions below 1 % of its variance count for nothing in any distance. Against a
    prior, if it is a VAE's mean: KL is at least half the mean square, and above 22 nats a dimension (single precision)
    a code costs more than the numbers themselves. Principal components fall off by right.
    """
    variance = x.var(0)
    dead = int((variance < DEAD * variance.max()).sum())
    cost = float(0.5 * (x**2).mean())
    top = float(variance.max() / max(variance.sum(), 1e-300))
    numbers = {"d": x.shape[1], "dead": dead, "largest_share": top, "kl_per_dimension": cost,
               "std_least": float(x.std(0).min()), "std_most": float(x.std(0).max())}
    if principal(x):
        return finding("scale of dimensions", name, False, ASSUMING, "principal components: variances fall by "
                                                                     "right", numbers)
    said = (f"{dead} of {x.shape[1]} dimensions have less than 1 % of the largest one's variance (standard deviations "
            f"{numbers['std_least']:.3g} to {numbers['std_most']:.3g})")
    if dead:
        said += (f"; the widest alone is {100 * top:.0f} % of the variance: collapsed dimensions if this is a VAE's "
                 "mean, columns never put on one scale if these are features; distances see only the others")
    if cost > FLOAT_NATS:
        said += (f"; if this is a VAE's mean it has exploded: KL of at least {cost:.3g} nats a dimension, where "
                 f"sending the number itself costs {FLOAT_NATS:.0f}")
    found = dead > 0 or cost > FLOAT_NATS
    return finding("scale of dimensions", name, found, ASSUMING, said, numbers)


def stretched_copy(name: str, points: dict[str, np.ndarray]) -> Finding | None:
    """Is an array another one with its dimensions put on one scale, dead ones blown up? All rows are needed."""
    x = points[name]
    if not np.allclose(x.std(0), 1, atol=0.02):
        return None
    for other, whole in points.items():
        if other == name or whole.shape != x.shape or not (variance := whole.var(0)).all():
            continue
        z = (whole - whole.mean(0)) / np.sqrt(variance)
        same = np.abs((z * (x - x.mean(0))).mean(0)) / x.std(0)
        dead = int((variance < DEAD * variance.max()).sum())
        if (same > 1 - 1e-4).all() and dead:
            said = (f"{other} with every dimension put to variance one: {dead} of {x.shape[1]} that have less than 1 % "
                    "of the largest one's variance there count as much as the others here, in distances too")
            return finding("scale of dimensions", name, True, OBSERVED, said, {"of": other, "dead": dead})
    return None


def silhouette_explained(name: str, x: np.ndarray, k: int, seed: int = 0, n_nulls: int = 5) -> Finding:
    """How much of a k-means silhouette does a Gaussian cloud of its covariance have? Found where more than half."""
    evidence = examine(x, k, n_nulls=n_nulls, seed=seed, n_init=4)
    one, round_ = evidence.silhouettes["gaussian"], evidence.silhouettes["isotropic"]
    share = one.null_mean / one.value if one.value > 0 else float("nan")
    ratio = nulls.participation_ratio(x)
    said = (f"silhouette {one.value:.3f} at k = {k}; a Gaussian cloud of its covariance has {one.null_mean:.3f} "
            f"({100 * share:.0f} %, excess {one.excess:+.3f}, z {one.z:.1f}), an isotropic one in "
            f"{max(1, round(ratio))} dimensions {round_.null_mean:.3f}; by the rule of "
            f"lib.scores.verdict {evidence.verdict}")
    return finding("silhouette", name, share > 0.5, OBSERVED, said, {
        "silhouette": one.value, "null": one.null_mean, "explained": share, "z": one.z, "isotropic": round_.null_mean,
        "verdict": evidence.verdict, "k": k})
