"""What runs of a batch share: made once, by content, counted, and never of other tracks or settings that matter."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lib.models.latents import pca_latents
from lib.scores import table as scores
from lib.store import remembering, runs, sharing
from tests.conftest import fill


@pytest.fixture
def neighbours(tmp_path, monkeypatch):
    """A function that opens a run of a batch, with made-up tracks of this seed: (run, x, labels)."""
    monkeypatch.setenv(remembering.IN_RUN, "1")
    (tmp_path / sharing.FOLDER).mkdir()

    def made(name: str, seed: int = 0, **settings):
        run = runs.open_run("04_vae", "smoke", out=str(tmp_path / name), settings={"n_nulls": 3, **settings})
        return run, *fill(run, n=40, seed=seed)

    return made


def n(folder, kind: str, what: str) -> int:
    found = sharing.uses(folder)
    return int(found[(found["kind"] == kind) & (found["what"] == what)]["n"].sum())


def test_latents_and_scores_are_made_once_whatever_else_the_settings_say(neighbours, tmp_path):
    tables = []
    for name, settings in (("one", {}), ("two", {"betas": [3.0], "hidden": [7]})):
        run, x, genre = neighbours(name, **settings)
        latents = pca_latents(run, x, 3, [0, 1])
        tables.append(scores.score(run, latents, genre))
    pd.testing.assert_frame_equal(*tables, check_exact=True)
    assert (n(tmp_path, "latents", "computed"), n(tmp_path, "latents", "reused")) == (1, 1)
    assert n(tmp_path, "remembered", "computed") == 2  # the scores, and the clusters in them
    assert n(tmp_path, "remembered", "reused") == 1  # the scores; nobody asked for the clusters
    assert len({path.stat().st_ino for path in tmp_path.rglob("latents/*.nc")}) == 1
    assert "latents: 1 computed, 1 reused" in sharing.counted(tmp_path)
    assert pca_latents(run, x, 3, [0, 1]).equals(latents) and n(tmp_path, "latents", "reused") == 1  # once a run


@pytest.mark.parametrize("seed, settings", [(0, {"n_nulls": 4}), (0, {"n_cluster_seeds": 2}), (1, {})])
def test_other_tracks_or_a_setting_that_counts_are_other_scores(neighbours, tmp_path, seed, settings):
    for name, about in (("one", {"seed": 0}), ("two", {"seed": seed, **settings})):
        run, x, genre = neighbours(name, about.pop("seed"), **about)
        scores.score(run, pca_latents(run, x, 3, [0, 1]), genre)
    made = sharing.uses(tmp_path)
    of_scores = made[(made["kind"] == "remembered") & made["name"].str.startswith("score")]
    assert [*of_scores["what"]] == ["computed", "computed"]


def test_a_run_that_shares_nothing_writes_nothing_elsewhere(prepared_run, tmp_path):
    run, x, _ = prepared_run
    pca_latents(run, x, 3, [0, 1])
    assert [path.name for path in tmp_path.iterdir()] == [run.folder.name] and sharing.uses(tmp_path).empty


def test_where_links_are_not_possible_it_is_copied(neighbours, tmp_path, monkeypatch):
    def refuse(*paths):
        raise OSError("no links here")

    monkeypatch.setattr(sharing.os, "link", refuse)
    found = [pca_latents(run, x, 3, [0]) for run, x, _ in (neighbours("one"), neighbours("two"))]
    np.testing.assert_array_equal(*(each.mu for each in found))
    assert n(tmp_path, "latents", "reused") == 1
