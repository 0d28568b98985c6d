"""A small prepared run: made-up features of known structure, in a temporary folder."""

import os

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from lib import artifacts, labels


def fill(run, n=150, k=3, seed=0):
    """Put features whose clusters are the labels into a run's store; returns x [track, 12] and labels [track]."""
    rng = np.random.default_rng(seed)
    ids = sorted(f"t{value:016x}" for value in rng.integers(0, 2**60, n))
    codes = rng.integers(0, k, n)
    x = 2.0 * rng.standard_normal((k, 12))[codes] + rng.standard_normal((n, 12))
    artifacts.save_corpus(
        run,
        ids,
        {
            "corpus": run.settings.corpus,
            "title": "made-up features",
            "synthetic": True,
            "has_audio": False,
            "n_labels": k,
        },
    )
    genre = pd.Series([f"genre {c}" for c in codes], ids)
    labels.seal(run, genre)
    table = pd.DataFrame({"group": ids, "seconds": 8.0}, index=pd.Index(ids, name="track"))
    artifacts.save(run, "tracks", table)
    frame = pd.DataFrame(x, index=pd.Index(ids, name="track"), columns=[f"mfcc {i}" for i in range(12)])
    artifacts.save(
        run,
        "features",
        xr.Dataset({"mfcc": (("track", "mfcc_stat"), x)}, coords={"track": ids, "mfcc_stat": list(frame.columns)}),
    )
    return frame, genre


@pytest.fixture
def prepared_run(tmp_path):
    """(run, x [track, 12], labels [track]) of a small run whose labels are clusters in x."""
    run = artifacts.open_run("04_vae", "smoke", out=str(tmp_path / "run"))
    return run, *fill(run)
