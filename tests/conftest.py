"""A small prepared run: made-up features of known structure, in a temporary folder."""

import os
import subprocess
import sys

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from filelock import FileLock
from hypothesis import HealthCheck, settings

from lib.features import extraction
from lib.report import output
from lib.store import artifacts, labels, runs, series

# No test depends on speed
settings.register_profile("series", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("series")


def pytest_configure(config):
    """Have librosa compiled before several workers call it: two that fill an empty cache at once crash Python."""
    if not hasattr(config, "workerinput"):
        extraction.warm()


# Files that take minutes begin first, or a worker has nothing to do at the end; the first two make their runs at once
LONGEST = ("test_few_tracks", "test_series", "test_cluster", "test_book_in_browser", "test_explorer",
           "test_array_audit", "test_paradox", "test_leakage", "test_extraction", "test_vae", "test_runner")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """What uses a run that takes long to make is slow; what uses a browser says so; the longest files come first."""
    place = {name: i for i, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.stem, len(LONGEST)))
    for item in items:
        if {"smoke", "small", "rings", "audited", "measured"} & set(item.fixturenames):
            item.add_marker("slow")
        if {"browser", "lab"} & set(item.fixturenames):
            item.add_marker("browser")


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
    genre = labels.for_control(pd.Series([f"genre {c}" for c in codes], ids))
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
    run = runs.open_run("04_vae", "smoke", out=str(tmp_path / "run"))
    return run, *fill(run)


@pytest.fixture(scope="session")
def smoke(tmp_path_factory):
    """The whole series on the controlled corpus, smoke profile, run as a user would: folder, what it said, command.

    Run once, whichever worker comes first; nobody writes into the folder.
    """
    shared = tmp_path_factory.getbasetemp()
    shared = (shared.parent if "PYTEST_XDIST_WORKER" in os.environ else shared) / "smoke"
    shared.mkdir(exist_ok=True)
    folder, said = shared / "run", shared / "said.txt"
    command = [sys.executable, str(series.ROOT / "run_notebooks.py"), "--profile", "smoke", "--out", str(folder)]
    with FileLock(shared / "lock"):
        if not said.is_file():
            done = subprocess.run(command, capture_output=True, text=True, timeout=4 * 3600, cwd=shared)
            why = f"failed\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
            said.write_text(why if done.returncode else done.stdout)
    assert not said.read_text().startswith("failed"), said.read_text()
    return folder, said.read_text(), command


@pytest.fixture
def shown(monkeypatch):
    """Call something and return the HTML that it displayed."""
    pages = []
    monkeypatch.setattr(output, "display", lambda bundle, raw: pages.append(bundle["text/html"]))

    def run_and_collect(call):
        pages.clear()
        call()
        return "".join(pages)

    return run_and_collect
