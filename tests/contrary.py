"""Data on which a verdict of notebooks 07 and 09 must be *no*, and data on which it must be *yes*."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lib.models.latents import mlp_latents
from lib.scores import nulls
from lib.scores import table as scores
from lib.scores.intervals import Interval
from lib.store import artifacts, labels, runs
from lib.studies.paradox import experiments

# --- a corpus small enough to train on, with everything that the paradox needs --------------------


def corpus(n: int = 240, k: int = 4, seed: int = 0) -> tuple[pd.DataFrame, pd.Series]:
    """x [track, 40] and labels [track]: means of their own per label; inside each label two strong directions, on a
    ring (no Gaussian), which a CVAE of beta 4 keeps, eight weak ones, which only one of beta 1 keeps, and noise."""
    rng = np.random.default_rng(seed)
    codes, angle = rng.integers(0, k, n), rng.uniform(0, 2 * np.pi, n)
    ring = np.repeat(np.sqrt(2) * np.c_[np.cos(angle), np.sin(angle)], 20, axis=1)
    weak = rng.standard_normal((n, 8)) @ rng.standard_normal((8, 40))
    x = 0.85 * rng.standard_normal((k, 40))[codes] + 0.6 * ring + 0.25 * weak + 0.3 * rng.standard_normal((n, 40))
    index = pd.Index(sorted(f"t{value:016x}" for value in rng.integers(0, 2**60, n)), name="track")
    names = pd.Index([f"mfcc {i}" for i in range(40)], name="mfcc_stat")
    return pd.DataFrame(x, index, names), labels.for_control(pd.Series([f"genre {c}" for c in codes], index))


def prepared(folder, **settings) -> tuple[runs.Run, pd.DataFrame, pd.Series]:
    """A run on `corpus`, of the size of a test."""
    small = {
        "hidden": [32],
        "latent_dim": 12,
        "epochs": 60,
        "learning_rate": 0.003,
        "n_seeds": 6,
        "n_seeds_sweep": 3,
        "n_nulls": 10,
        **settings,
    }
    run = runs.open_run("09_cvae_latent_space", "smoke", out=str(folder), settings=small)
    x, genre = corpus()
    about = {
        "corpus": "controlled",
        "title": "rings",
        "synthetic": True,
        "has_audio": False,
        "n_labels": genre.nunique(),
    }
    artifacts.save_corpus(run, list(x.index), about)
    labels.seal(run, genre)
    artifacts.save(run, "tracks", pd.DataFrame({"group": x.index, "seconds": 8.0}, index=x.index))
    return run, x, genre


def trained(run: runs.Run, x: pd.DataFrame, genre: pd.Series) -> pd.DataFrame:
    """The score rows of notebook 07's models that `paradox.controls` asks for: with and without a label, at two betas,
    and the control."""
    rows = []
    for beta, plain in ((1.0, "vae"), (run.settings.beta, "beta_vae")):
        for method, given in (
            (plain, None),
            ("cvae", genre),
            ("cvae_permuted", nulls.permuted_labels(genre, run.settings.seed)),
        ):
            model = experiments.config(run, x.shape[1], given, beta=beta)
            latents = mlp_latents(run, method, x, model, run.seeds, labels=given)
            # Nulls take most of the time, and only the CVAE's are asked for
            rows.append(scores.score(run, latents, genre, nulls=method == "cvae" and beta > 1, probes=True))
    return pd.concat(rows)


# --- clouds ------------------------------------------------------------------------------------------


def three_clusters(n: int = 300) -> np.ndarray:
    """Points [n, 2] in three true clusters."""
    rng = np.random.default_rng(0)
    return 12 * np.array([[0, 0], [1, 0], [0.5, 0.9]])[np.arange(n) % 3] + rng.standard_normal((n, 2))


def plane(n: int = 300) -> np.ndarray:
    """Points [n, 2] of an isotropic Gaussian."""
    return np.random.default_rng(1).standard_normal((n, 2))


# --- score tables and effects, made up ----------------------------------------------------------------------


def seeds(mean: float, spread: float = 0.01, n: int = 6, first: int = 0) -> pd.Series:
    """A measure [seed] around `mean`, the same for the same arguments."""
    rng = np.random.default_rng([int(1e6 * (mean + 9)), first])
    return pd.Series(mean + spread * rng.standard_normal(n), pd.RangeIndex(n, name="seed"))


def rows(**metrics: float) -> pd.DataFrame:
    """Score rows of one setting: every metric around a mean."""
    parts = [
        seeds(mean, 0.002, 5)
        .rename("value")
        .reset_index()
        .assign(metric=metric, clusterer="kmeans" if metric in ("nmi", "silhouette") else "none")
        for metric, mean in metrics.items()
    ]
    return pd.concat(parts, ignore_index=True)


def effect(mean: float, half: float = 0.01) -> Interval:
    """A resolved effect of a designed experiment."""
    return Interval(mean, mean - half, mean + half, 10)
