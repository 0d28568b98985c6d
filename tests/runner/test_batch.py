"""Batches: what a file asks for, what is run, skipped, and survives a failure."""

from __future__ import annotations

from pathlib import Path

import pytest

import run_notebooks
from lib.runner import batch
from lib.store.errors import Problem
from lib.store.series import Series
from tests.toys import notebook, series, statuses, writes


def write(folder: Path, text: str) -> Path:
    path = folder / "some.yaml"
    path.write_text(text)
    return path


@pytest.fixture
def toys(tmp_path) -> Series:
    """Two notebooks; the second fails where the first seed is 3."""
    notebook(tmp_path / "toys", "01_first", writes("one"))
    notebook(tmp_path / "toys", "02_second", writes("two"), "assert settings.get('seed') != 3")
    return series(tmp_path / "toys", **{"01_first": "", "02_second": "01_first"})


def test_a_grid_is_a_run_for_each_combination(tmp_path):
    found = batch.load(write(tmp_path, """
defaults: {profile: smoke, settings: {n_seeds: 2}}
runs:
  - {name: a, corpus: controlled, settings: {beta: 2}}
  - {name: g, collection: synthetic, grid: {beta: [1, 4], latent_dim: [5, 10]}}
"""))
    assert [entry.name for entry in found.entries] == [
        "a", "g-beta=1-latent_dim=5", "g-beta=1-latent_dim=10", "g-beta=4-latent_dim=5", "g-beta=4-latent_dim=10"]
    assert found.entries[0].settings == {"n_seeds": 2, "beta": 2}
    assert found.entries[4].settings == {"n_seeds": 2, "beta": 4, "latent_dim": 10}
    assert {entry.profile for entry in found.entries} == {"smoke"}
    assert found.collections == {entry.name: "synthetic" for entry in found.entries[1:]}


def test_paths_are_relative_to_the_file_and_variables_are_filled_in(tmp_path, monkeypatch):
    monkeypatch.setenv("MY_MUSIC", str(tmp_path / "music"))
    text = "runs: [{name: x, corpus: folder, source: $MY_MUSIC/a, labels: 'tags:genre', lyrics: ../words.csv}]"
    (tmp_path / "below").mkdir()
    entry = batch.load(write(tmp_path / "below", text)).entries[0]
    assert (entry.source, entry.labels) == (str(tmp_path / "music" / "a"), "tags:genre")
    assert entry.lyrics == str(tmp_path / "words.csv")


@pytest.mark.parametrize("text, said", [
    ("runs: []", "at least 1"),
    ("runs: [{corpora: x}]", "corpora"),
    ("run: [{}]", "run"),
    ("[", "not YAML"),
    ("just text", "the file"),
    ("runs: [{}, {}]", "two runs are called 'controlled-default'"),
])
def test_a_file_that_is_no_batch_is_one_sentence(tmp_path, text, said):
    with pytest.raises(Problem, match=said):
        batch.load(write(tmp_path, text))
    assert "\n" not in str(pytest.raises(Problem, batch.load, write(tmp_path, text)).value)


def test_a_file_that_is_not_there_is_a_problem(tmp_path):
    with pytest.raises(Problem, match="cannot read"):
        batch.load(tmp_path / "none.yaml")


def test_a_failure_costs_its_run_and_a_second_call_runs_only_that(tmp_path, toys, capsys):
    file = write(tmp_path, """
defaults: {profile: smoke}
runs: [{name: one}, {name: two, settings: {seed: 3}}, {name: lost, corpus: folder, source: $NOT_SET_ANYWHERE/x}]
""")
    call = ["--batch", str(file), "--out", str(tmp_path / "out"), "--no-html"]
    assert run_notebooks.main(call, toys) == 1
    said = capsys.readouterr()
    assert "NOT_SET_ANYWHERE" in said.out and "2 of 3 runs failed: two, lost" in said.err
    assert statuses(tmp_path / "out" / "one") == {"01_first": "done", "02_second": "done"}
    assert statuses(tmp_path / "out" / "two") == {"01_first": "done", "02_second": "failed"}

    assert run_notebooks.main(call, toys) == 1
    said = capsys.readouterr().out
    assert said.count("nothing to run") == 1 and "01_first started" not in said and "02_second started" in said


def test_a_dry_run_says_what_would_run_and_writes_nothing(tmp_path, capsys):
    file = write(tmp_path, "{defaults: {profile: smoke}, runs: [{name: x, grid: {beta: [1, 4]}}]}")
    assert run_notebooks.main(["--batch", str(file), "--out", str(tmp_path / "out"), "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert said.count("notebooks to run") == 2 and '{"beta": 4}' in said and not (tmp_path / "out").exists()


def test_one_run_of_a_batch_can_be_asked_for(tmp_path, capsys):
    """For the tasks of an array job: each lists, or makes, its own."""
    file = write(tmp_path, "{defaults: {profile: smoke}, runs: [{name: x, grid: {beta: [1, 4]}}]}")
    call = ["--batch", str(file), "--out", str(tmp_path / "out"), "--dry-run", "--nth"]
    assert run_notebooks.main([*call, "2"]) == 0
    said = capsys.readouterr().out
    assert said.count("notebooks to run") == 1 and '{"beta": 4}' in said
    for n in ("3", "-1"):
        assert run_notebooks.main([*call, n]) == 2 and "the batch has 2 runs" in capsys.readouterr().err
