"""Batches: what a file asks for, what is run, skipped, and survives a failure."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import papermill
import pytest
import yaml

import run_notebooks
from lib.runner import batch
from lib.store import runs, sharing
from lib.store.artifacts import SCORE_COLUMNS
from lib.store.errors import Problem
from lib.store.series import ROOT, Series
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
  - {name: g, collection: synthetic, grid: {beta: [2, 4], latent_dim: [5, 10]}}
"""))
    assert [entry.name for entry in found.entries] == [
        "a", "g-beta=2-latent_dim=5", "g-beta=2-latent_dim=10", "g-beta=4-latent_dim=5", "g-beta=4-latent_dim=10"]
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


def test_a_batch_of_four_runs_that_is_killed_goes_on(tmp_path):
    """Killed in its third run, it goes on there; a second call runs nothing."""
    go = tmp_path / "go"
    wait = (f"import time; from pathlib import Path\n"
            f"while settings['seed'] == 3 and not Path({str(go)!r}).exists(): time.sleep(1)")
    notebook(tmp_path / "toys", "01_first", writes("one"))
    notebook(tmp_path / "toys", "02_second", writes("two"), wait)
    file = write(tmp_path, "{defaults: {profile: smoke}, runs: [{name: x, grid: {seed: [1, 2, 3, 4]}}]}")
    code = ("import sys, run_notebooks\nfrom pathlib import Path\nfrom tests.toys import series\n"
            "toys = series(Path(sys.argv[1]), **{'01_first': '', '02_second': '01_first'})\n"
            "sys.exit(run_notebooks.main(sys.argv[2:], toys))")
    command = [sys.executable, "-u", "-c", code, str(tmp_path / "toys"), "--batch", str(file), "--out",
               str(tmp_path / "out"), "--no-html"]
    first = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True)
    third = False
    for line in first.stdout:
        third = third or "[3/4]" in line
        if third and "02_second started" in line:
            break
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    assert [statuses(tmp_path / "out" / f"x-seed={seed}")["02_second"] for seed in (1, 2)] == ["done", "done"]
    go.touch()
    for known, done in ((2, 2), (4, 0)):
        again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert again.returncode == 0, again.stdout + again.stderr
        assert again.stdout.count("nothing to run") == known and again.stdout.count("02_second done") == done
    assert {statuses(folder)["02_second"] for folder in (tmp_path / "out").glob("x-seed=?")} == {"done"}


def test_a_dry_run_says_what_would_run_and_writes_nothing(tmp_path, capsys):
    file = write(tmp_path, "{defaults: {profile: smoke}, runs: [{name: x, grid: {beta: [2, 4]}}]}")
    assert run_notebooks.main(["--batch", str(file), "--out", str(tmp_path / "out"), "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert said.count("notebooks to run") == 2 and '{"beta": 4}' in said and not (tmp_path / "out").exists()


def test_one_run_of_a_batch_can_be_asked_for(tmp_path, capsys):
    """For the tasks of an array job: each lists, or makes, its own."""
    file = write(tmp_path, "{defaults: {profile: smoke}, runs: [{name: x, grid: {beta: [2, 4]}}]}")
    call = ["--batch", str(file), "--out", str(tmp_path / "out"), "--dry-run", "--nth"]
    assert run_notebooks.main([*call, "2"]) == 0
    said = capsys.readouterr().out
    assert said.count("notebooks to run") == 1 and '{"beta": 4}' in said
    for n in ("3", "-1"):
        assert run_notebooks.main([*call, n]) == 2 and "the batch has 2 runs" in capsys.readouterr().err


def test_a_dry_run_reckons_with_what_finished_runs_took(tmp_path, toys, capsys):
    file = write(tmp_path, "{defaults: {profile: smoke}, runs: [{name: x, grid: {beta: [2, 4]}}, {profile: default}]}")
    call = ["--batch", str(file), "--out", str(tmp_path / "out"), "--no-html", "--dry-run"]
    run_notebooks.main(call, toys)
    assert "3 run(s) whose like has not been run yet" in capsys.readouterr().out

    before = tmp_path / "earlier"  # ten seconds with two notebooks at once, of another run
    before.mkdir()
    entries = {"01_first": {"status": "done", "seconds": 4}, "02_second": {"status": "done", "seconds": 12}}
    (before / "run.json").write_text(json.dumps({
        "status": "done", "seconds": 8, "ran": [*entries], "notebooks": entries,
        "settings": {"corpus": "controlled", "profile": "smoke"}}))
    run_notebooks.main(call, toys)
    said = capsys.readouterr().out
    assert said.count("2 of 2 notebooks to run, about 8 s") == 2 and "time not known yet" in said
    assert "in all about 16 s, and 1 run(s)" in said
    run_notebooks.main([*call, "--only", "01"], toys)
    assert capsys.readouterr().out.count("1 of 2 notebooks to run, about 2 s") == 2


def test_papermill_takes_the_parameters_beside_a_run(tmp_path, toys):
    file = write(tmp_path, "runs: [{name: x, profile: smoke, grid: {beta: [4], betas: [[1, 4]]}}]")
    run_notebooks.main(["--batch", str(file), "--out", str(tmp_path / "out"), "--no-html"], toys)
    path = tmp_path / "out" / "x-beta=4-betas=_1_4_.yaml"
    values = yaml.safe_load(path.read_text())
    assert values["settings"] == {"beta": 4, "betas": [1, 4]} and values["out"] == str(path.with_suffix(""))
    done = tmp_path / "done.ipynb"
    about = {"kernel_name": "python3", "language": "python"}
    papermill.execute_notebook(toys.path("01_first"), done, values, progress_bar=False, **about)
    assert str(path.with_suffix("")) in done.read_text()


SMALL = """
defaults: {profile: smoke, settings: {n_tracks: 24, seconds: 4, epochs: 2, n_seeds: 2, n_nulls: 3, hidden: [8]}}
runs: [{name: grid, grid: {beta: [2, 4]}}, {name: small, settings: {latent_dim: 2}}]
"""


@pytest.mark.slow
def test_a_batch_that_is_killed_goes_on_and_does_what_is_shared_once(tmp_path):
    out = tmp_path / "out"
    command = [sys.executable, str(ROOT / "run_notebooks.py"), "--batch", str(write(tmp_path, SMALL)),
               "--out", str(out), "--only", "05", "--no-html"]
    own = {"LATENT_GENRE_CACHE": str(tmp_path / "cache"), "NUMBA_CACHE_DIR": str(runs.numba_folder())}
    environment = os.environ | own
    first = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True)
    for line in first.stdout:
        if "[3/3]" in line:
            break
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()

    second = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=3600)
    assert second.returncode == 0, second.stdout + second.stderr
    assert second.stdout.count("nothing to run") == 2 and "features of clips: 24 computed, 48 reused" in second.stdout
    made = sharing.uses(out)
    computed = made[(made["what"] == "computed") & (made["kind"] != "features")]
    assert not computed["name"].duplicated().any()
    assert set(made[made["what"] == "reused"]["kind"]) == {*sharing.KINDS}
    assert "reused" in [*made.query("run == 'grid-beta=4' and kind == 'latents'")["what"]]  # of beta 1

    scores = pd.read_csv(out / "scores.csv.gz")
    assert set(scores.columns) == {"run", "collection", *SCORE_COLUMNS, "set beta", "set latent_dim"}
    assert scores["run"].nunique() == 3 and (out / "claims.html").is_file()
    third = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=3600)
    assert third.stdout.count("nothing to run") == 3 and sharing.uses(out).equals(made)
