"""What is wrong with a request is said in one sentence, before anything starts."""

from __future__ import annotations

import pytest

import run_notebooks
from lib.runner import keys, request, schedule
from lib.store.errors import Problem
from tests.running import edit, request_for, run


@pytest.mark.parametrize(("arguments", "sentence"), [
    (["--profile", "tiny"], "there is no profile 'tiny'"),
    (["--corpus", "folder"], "needs --source PATH"),
    (["--corpus", "folder", "--source", "/nowhere/at/all"], "nothing at /nowhere/at/all"),
    (["--source", "."], "reads no files"),
    (["--set", "epoch=3"], "no setting 'epoch'"),
    (["--set", "epochs=-3"], "setting 'epochs'"),
    (["--set", "epochs"], "key=value"),
    (["--set", "betas=[1, 2"], "key=value"),
    (["--set", "profile=smoke"], "say --profile smoke"),
    (["--only", "12"], "no such notebook"),
    (["--jobs", "0"], "--jobs 0"),
])
def test_a_mistake_is_one_sentence_and_exit_code_2(arguments, sentence, chain, tmp_path, capsys):
    assert run_notebooks.main(["--out", str(tmp_path / "out"), *arguments], chain) == 2
    error = capsys.readouterr().err
    assert sentence in error and "Traceback" not in error and len(error.strip().splitlines()) == 1


def test_settings_are_read_as_yaml():
    pairs = ["n_seeds=3", "betas=[1, 0.5]", "learning_rate=1e-3", "duplicates=drop"]
    found = run_notebooks.parse_settings(pairs)
    assert found == {"n_seeds": 3, "betas": [1, 0.5], "learning_rate": "1e-3", "duplicates": "drop"}
    assert request.check("smoke", settings=found).checked().learning_rate == 1e-3


def test_help_names_every_option_and_every_exit_code(capsys):
    with pytest.raises(SystemExit) as stopped:
        run_notebooks.main(["--help"])
    text = capsys.readouterr().out
    assert stopped.value.code == 0
    assert all(word in text for word in ("--corpus", "--set", "--only", "--force", "examples:", "exit code:"))


def test_an_unknown_parameter_stops_the_run_before_anything_starts(chain, tmp_path, capsys):
    edit(chain.path("c"), "lyrics: str", "lyric: str")
    assert run(tmp_path / "out", chain) == 2
    assert "has no parameter lyrics" in capsys.readouterr().err
    assert not (tmp_path / "out" / "notebooks").exists()


@pytest.mark.parametrize("content", ["", "{}", "not json", '{"cells": 3}'])
def test_a_broken_notebook_is_a_problem(content, chain, tmp_path, capsys):
    chain.path("b").write_text(content)
    assert run(tmp_path / "out", chain) == 2
    assert "is not a notebook" in capsys.readouterr().err


def test_a_second_runner_on_the_same_folder_is_refused(chain, tmp_path, capsys):
    with schedule.only_runner(tmp_path / "out"):
        assert run(tmp_path / "out", chain) == 2
    assert "another run_notebooks.py is at work" in capsys.readouterr().err


def test_what_goes_wrong_inside_a_run_is_not_blamed_on_its_folder(tmp_path):
    with pytest.raises(FileNotFoundError), schedule.only_runner(tmp_path / "out"):
        (tmp_path / "missing").read_text()
    (tmp_path / "file").write_text("")
    refused = pytest.raises(Problem, match="cannot write .*/out: Not a directory; choose another folder")
    with refused, schedule.only_runner(tmp_path / "file" / "out"):
        pass


def test_a_cache_that_cannot_be_kept_is_said_before_anything_starts(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("LATENT_GENRE_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(Problem, match="LATENT_GENRE_CACHE"):
        request_for(tmp_path / "out")


# --- thirty more, of kinds that people make ------------------------------------------------------------------------
LONG = "x" * 300
MISTAKES = [
    (["--jobs", "-3"], "--jobs -3"), (["--only", ""], "no such notebook"), (["--only", "b,c"], "no such notebook"),
    (["--set", "=3"], "no setting ''"), (["--set", "epochs="], "key=value"), (["--set", "epochs=abc"], "'epochs'"),
    (["--set", "epochs=1e400"], "'epochs'"), (["--set", "beta=1"], "greater than 1"),
    (["--set", "betas=3"], "'betas'"), (["--set", "betas=[]"], "'betas'"),
    (["--set", "betas=[1, a]"], "'betas.1'"), (["--set", "betas=[.nan]"], "'betas.0'"),
    (["--set", "betas=[0]"], "'betas.0'"), (["--set", "hidden=[-3]"], "'hidden.0'"),
    (["--set", "learning_rate=.inf"], "'learning_rate'"), (["--set", "seed=99999999999999999999"], "'seed'"),
    (["--set", "n_tracks=10000000000"], "'n_tracks'"), (["--set", "epochs=2020-01-01"], "'epochs'"),
    (["--set", "out=x"], "no setting 'out'"), (["--set", "a: b"], "key=value"),
    (["--set", "epochs=!!python/name:os.system"], "key=value"),
    (["--profile", ""], "there is no profile ''"), (["--profile", "../profiles/smoke"], "there is no profile"),
    (["--corpus", "musik"], "'corpus'"), (["--corpus", "folder", "--source", "{file}"], "is a file"),
    (["--corpus", "folder", "--source", "{empty}"], "no audio files"),
    (["--corpus", "folder", "--source", "{dangling}"], "there is nothing at"),
    (["--corpus", "folder", "--source", "{loop}"], "there is nothing at"),
    (["--corpus", "folder", "--source", LONG], "there is nothing at"),
    (["--corpus", "folder", "--source", "~nobody-of-this-name/x"], "there is nothing at"),
    (["--corpus", "folder", "--source", "{empty}", "--lyrics", "{dangling}"], "--lyrics: there is nothing at"),
    (["--corpus", "folder", "--source", "{empty}", "--out", "{empty}/a/../b"], "lies inside --source"),
    (["--corpus", "folder", "--source", "{linked}", "--out", "{empty}/b"], "lies inside --source"),
    (["--corpus", "latents", "--source", "{file}"], "there is no folder"),
    (["--corpus", "latents", "--source", LONG], "there is nothing at"),
    (["--out", "{file}"], "cannot write {file}: File exists; choose another folder"),
    (["--out", "{file}/x"], "cannot write {file}/x: Not a directory; choose another folder"),
    (["--out", "{dangling}/x"], "cannot write {dangling}/x: File exists"), (["--out", "{loop}"], "cannot write {loop}"),
    (["--out", "{empty}/" + LONG], "File name too long; choose another folder"), (["--out", "/dev/null"], "/dev/null"),
    (["--export", "latex", "--out", "{file}"], "there is no run in {file}"),
    (["--export", "html", "--out", LONG], "there is no run in"),
    (["--export", "html", "--corpus", "musik"], "there is no run in"),
    (["--compare", "{loop}", "{dangling}"], "--compare: there is no run in"),
    (["--compare", "{empty}", LONG], "--compare: there is no run in"),
    (["--compare", "{empty}", "{linked}"], "--compare: {empty} is given twice"),
]


@pytest.mark.parametrize(("arguments", "sentence"), MISTAKES)
def test_a_mistake_of_another_kind_is_one_sentence_too(arguments, sentence, chain, tmp_path, capsys, monkeypatch):
    folder = tmp_path / "mit Leerzeichen é"
    names = {name: str(folder / name) for name in ("file", "empty", "dangling", "loop", "linked")}
    (folder / "empty").mkdir(parents=True)
    (folder / "file").touch()
    for name, target in (("dangling", "nowhere"), ("loop", "loop"), ("linked", "empty")):
        (folder / name).symlink_to(target)
    monkeypatch.chdir(tmp_path)
    arguments = [text.format(**names) for text in arguments]
    elsewhere = [] if {"--out", "--export", "--compare"} & set(arguments) else ["--out", str(tmp_path / "out")]
    assert run_notebooks.main([*arguments, *elsewhere], chain) == 2
    error = capsys.readouterr().err
    assert sentence.format(**names) in error and len(error.strip().splitlines()) == 1


def test_relative_paths_spaces_and_links_are_no_mistakes(tmp_path, monkeypatch):
    source = tmp_path / "meine Müsik"
    source.mkdir()
    (tmp_path / "link").symlink_to(source)
    monkeypatch.chdir(tmp_path)
    for given in ("meine Müsik", "./meine Müsik/", "link", str(source)):
        found = request.check("smoke", "folder", given, out="a run")
        assert found.source == str(tmp_path / given.rstrip("/")) and found.out == str(tmp_path / "a run")


def test_links_and_rights_that_forbid_to_look_do_not_stop_the_run(chain, tmp_path, monkeypatch):
    (tmp_path / "music").mkdir()
    (tmp_path / "music" / "a.wav").touch()
    (tmp_path / "music" / "b.wav").symlink_to(LONG)  # a target longer than a name may be
    found = request_for(tmp_path / "out", corpus="folder", source=str(tmp_path / "music"))
    before = keys.keys(chain, found)

    def forbidden(path, **options):
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patched:
        patched.setattr("pathlib.Path.stat", forbidden)
        without = keys._fingerprint(found.source)
    assert [one[1:] for one in without] == [(0, 0)] * 2
    assert keys.keys(chain, found) == before
