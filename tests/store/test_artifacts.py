"""Settings and the store."""

import errno
import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from lib.store import artifacts, files, runs, series
from lib.store.errors import Problem
from lib.store.settings import Settings, load
from tests.conftest import fill


def open_run(folder, notebook="04_vae", **settings):
    return runs.open_run(notebook, "smoke", out=str(folder), settings=settings)


# --- settings ---


@pytest.mark.parametrize("profile", ["smoke", "default", "paper"])
def test_profiles_are_valid(profile):
    assert load(profile).profile == profile


@pytest.mark.parametrize(
    "settings, said",
    [
        ({"epoch": 3}, "no setting 'epoch'"),
        ({"epochs": 0}, "setting 'epochs'"),
        ({"corpus": "msd"}, "setting 'corpus'"),
        ({"betas": "many"}, "setting 'betas'"),
    ],
)
def test_wrong_settings_are_said_in_a_sentence(settings, said):
    with pytest.raises(Problem, match=said):
        load("smoke", settings=settings)
    with pytest.raises(Problem, match="choose one of: default, paper, smoke"):
        load("smok")


def test_corpus_key_depends_on_the_corpus_alone():
    base = load("smoke")
    assert load("smoke", settings={"epochs": 3}).corpus_key() == base.corpus_key()
    for change in ({"n_tracks": 40}, {"seed": 1}, {"duplicates": "drop"}):
        assert load("smoke", settings=change).corpus_key() != base.corpus_key()


@pytest.mark.parametrize("corpus", ["controlled", "folder", "gtzan_logmel", "log_mel"])
def test_settings_that_were_written_and_read_have_the_same_keys(corpus):
    """A default of 0 for a float was "0" before and "0.0" after: the runner did not know the notebooks' corpus."""
    made = load(corpus=corpus)
    back = Settings(**json.loads(json.dumps(made.model_dump())))
    assert (back.corpus_key(), back.key()) == (made.corpus_key(), made.key())
    again = Settings(**json.loads(made.model_dump_json()))
    assert (again.corpus_key(), again.key()) == (made.corpus_key(), made.key())


# --- folders ---


def test_a_folder_belongs_to_its_settings(tmp_path):
    open_run(tmp_path, epochs=2)
    run = open_run(tmp_path, epochs=3)  # nothing was stored or found: there is no run yet
    artifacts.save_corpus(run, ["t1"], {"corpus": "x"})
    open_run(tmp_path, epochs=3)
    with pytest.raises(Problem, match="epochs=3 there, 5 here"):
        open_run(tmp_path, epochs=5)
    runs.claim_folder(tmp_path, load("smoke", settings={"epochs": 5}), replace=True)
    assert open_run(tmp_path, epochs=5).settings.epochs == 5


def test_full_disk_is_one_sentence_and_leaves_nothing_half_written(tmp_path):
    path = tmp_path / "a" / "x.csv"
    files.write_text(path, "old")

    def full(temporary):
        temporary.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(Problem, match="No space left on device; free some space"):
        files.write(path, full)
    assert path.read_text() == "old" and [p.name for p in path.parent.iterdir()] == ["x.csv"]


# --- artifacts ---


def test_arrays_and_tables_come_back(prepared_run):
    run, x, _ = prepared_run
    array = xr.Dataset(
        {"mu": (("seed", "track"), np.ones((2, 3), np.float32))}, {"seed": [0, 1], "track": ["a", "b", "c"]}
    )
    artifacts.save(run, "some/array", array)
    loaded = artifacts.load(run, "some/array")
    xr.testing.assert_equal(loaded, array)
    assert loaded.attrs["written_by"] == "04_vae"
    table = pd.DataFrame(
        {"label": ["NA", "01", "1", "None"], "text": ["", 'a,b\n"c"', "é", None], "v": [1.5, np.nan, 3, 4]},
        pd.Index(["t1e5", "t2", "0007", "8"], name="track"),
    )
    artifacts.save(run, "table", table)
    back = artifacts.load(run, "table")
    assert back.index.tolist() == table.index.tolist() and back["label"].tolist() == table["label"].tolist()
    assert back["v"].tolist()[0] == 1.5 and np.isnan(back["v"].iloc[1]) and back["text"].iloc[1] == 'a,b\n"c"'


def test_missing_stale_and_foreign_artifacts_say_what_to_run(prepared_run, tmp_path):
    run, x, genre = prepared_run
    with pytest.raises(Problem, match="run notebooks/02_lyrics_embeddings.ipynb first"):
        artifacts.load(run, "lyrics_embeddings")
    empty = open_run(tmp_path / "empty")
    with pytest.raises(Problem, match="run notebooks/01_data_preparation.ipynb first"):
        artifacts.load(empty, "features")
    artifacts.save_corpus(run, ["t1", "t2"], {"corpus": "controlled"})
    with pytest.raises(Problem, match="stale"):
        artifacts.load(run, "features")
    assert not artifacts.has(run, "features")
    runs.claim_folder(run.folder, load("smoke", settings={"n_tracks": 77}), replace=True)
    with pytest.raises(Problem, match="another corpus"):
        artifacts.load(open_run(run.folder, n_tracks=77), "features")


def test_corpus_ids_must_be_sorted_and_unique(prepared_run):
    for ids in (["b", "a"], ["a", "a"]):
        with pytest.raises(ValueError, match="sorted and unique"):
            artifacts.save_corpus(prepared_run[0], ids, {})


def rows(value, method="vae"):
    return pd.DataFrame([{**dict.fromkeys(artifacts.SCORE_COLUMNS, ""), "method": method, "seed": 0, "value": value}])


def test_scores_replace_their_notebook_and_read_only_what_came_before(prepared_run):
    run, *_ = prepared_run
    with pytest.raises(Problem, match="03_baselines has left no scores yet"):
        artifacts.load_scores(run)
    before = runs.Run("03_baselines", run.settings, run.folder)
    artifacts.save_scores(before, rows(1.0, "pca"))
    artifacts.save_scores(before, rows(2.0, "pca"))
    artifacts.save_scores(run, rows(np.nan))
    assert artifacts.load_scores(run)["value"].tolist() == [2.0]
    merged = pd.read_csv(run.folder / "scores.csv")
    assert list(merged.columns) == artifacts.SCORE_COLUMNS and merged["method"].tolist() == ["pca", "vae"]
    fill(run, seed=9)  # other tracks: what was scored before no longer counts
    with pytest.raises(Problem, match="03_baselines has scored other tracks"):
        artifacts.load_scores(run)
    artifacts.save_scores(run, rows(3.0))
    assert pd.read_csv(run.folder / "scores.csv")["value"].tolist() == [3.0]
    with pytest.raises(ValueError, match="columns"):
        artifacts.save_scores(run, rows(1.0).drop(columns="metric"))


# --- problems and the graph ---


def test_what_another_notebook_is_writing_is_not_read(prepared_run):
    """Notebooks run side by side: a file under its temporary name is not there yet."""
    run = prepared_run[0]
    records, seen = runs.load_records(run.folder), []

    def while_written(path):
        seen.append(runs.load_records(run.folder))
        path.write_text("{}")

    files.write(run.folder / "records" / "05_beta_vae.json", while_written)
    assert seen == [records]
    scores = pd.DataFrame(columns=artifacts.SCORE_COLUMNS)
    files.write(run.folder / "store" / "scores" / "03_baselines.csv", lambda path: artifacts.save_scores(run, scores))


def test_a_problem_shows_no_traceback_in_jupyter():
    assert Problem("the folder is empty")._render_traceback_() == ["Problem: the folder is empty"]


def test_graph_is_complete():
    names = sorted(path.stem for path in series.NOTEBOOKS.glob("[0-9]*.ipynb"))
    assert names == sorted(series.NEEDS) and len(names) == 13
    assert series.ancestors("04_vae") == {"01_data_preparation", "03_baselines"}
