"""Parameters of a notebook that a hand or papermill has set: what is wrong with them is one sentence."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lib.store import parameters, runs
from lib.store.errors import Problem
from lib.store.series import ROOT
from tests.toys import notebook

KNOWN = ("profile", "corpus", "source", "lyrics", "labels", "out", "settings")


@pytest.mark.parametrize(("name", "said"), [
    ("profil", "did you mean 'profile'"), ("Out", "did you mean 'out'"), ("lyric", "did you mean 'lyrics'"),
    ("beat_tracker", "known are: profile, corpus"), ("n_seeds", "'n_seeds' is a setting, no parameter"),
    ("epochs", "-y 'settings: "),
])
def test_an_unknown_name_is_a_problem_with_what_may_have_been_meant(name, said):
    with pytest.raises(Problem, match=re.escape(said)):
        parameters.refuse_unknown(["profile", name], KNOWN)
    parameters.refuse_unknown([*KNOWN, "PAPERMILL_OUTPUT_PATH"], KNOWN)


@pytest.mark.parametrize(("given", "meant"), [
    ({"out": "007"}, "007"), ({"out": Path("a") / "b"}, "a/b"), ({"out": None}, ""), ({"source": 2024}, "2024"),
    ({"settings": {"n_seeds": 3}}, {"n_seeds": 3}), ({"settings": None}, {}), ({"out": -7}, "-7"),
])
def test_what_is_meant_is_taken(given, meant, capsys):
    assert list(parameters.checked(**given).values()) == [meant]
    number = isinstance(next(iter(given.values())), int)
    assert ("-r" in capsys.readouterr().out) == number  # papermill's way to keep what was written


@pytest.mark.parametrize(("given", "said"), [
    ({"out": True}, "'out' is True, which is no text"), ({"source": 1e3}, "'source' is 1000.0, which is no text"),
    ({"corpus": ["folder"]}, "'corpus' is ['folder'], which is no text"), ({"lyrics": b"x"}, "'lyrics' is b'x'"),
    ({"settings": "n_seeds=3"}, "'settings' is 'n_seeds=3', which is no dictionary"),
    ({"settings": ["n_seeds", 3]}, "is no dictionary"), ({"settings": 3}, "is no dictionary"),
    ({"settings": {1: 2}}, "is no dictionary of settings by name"),
])
def test_another_type_is_a_problem(given, said, tmp_path):
    with pytest.raises(Problem, match=re.escape(said)) as raised:
        runs.open_run("vae", **{"profile": "smoke", "out": str(tmp_path / "out")} | given)
    assert len(str(raised.value).splitlines()) == 1 and not (tmp_path / "out").exists()


OPENS = "from lib.store import runs\nrun = runs.open_run('vae', profile, corpus, source, lyrics, labels, out, settings)"


@pytest.fixture(scope="module")
def papermill(tmp_path_factory):
    """Run a notebook that does nothing but open its run with these options of papermill: exit code, what it said."""
    folder = tmp_path_factory.mktemp("papermill")
    path = notebook(folder, "opens", OPENS)

    def execute(*options: str) -> tuple[int, str]:
        executed = folder / "out.ipynb"
        command = [sys.executable, "-m", "papermill", str(path), str(executed), "--no-progress-bar", *options]
        command += ["--start-timeout", "600", "-k", "python3", "-l", "python"]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT,
                              env=os.environ | {"PYTHONPATH": str(ROOT)})
        return done.returncode, done.stderr

    return execute


@pytest.mark.slow
@pytest.mark.parametrize(("options", "said"), [
    (("-p", "profil", "smoke"), "Problem: there is no parameter 'profil'; did you mean 'profile'?"),
    (("-p", "n_seeds", "3"), "Problem: 'n_seeds' is a setting, no parameter"),
    (("-p", "settings", "n_seeds=3"), "Problem: parameter 'settings' is 'n_seeds=3'"),
    (("-y", "settings: {n_seed: 3}"), "Problem: there is no setting 'n_seed'; did you mean 'n_seeds'?"),
    (("-p", "profile", "1"), "Problem: there is no profile '1'"),
])
def test_papermill_stops_with_the_sentence(options, said, papermill, tmp_path):
    code, error = papermill("-r", "out", str(tmp_path / "out"), *options)
    assert code == 1 and said in error
    assert not (tmp_path / "out").exists()
    assert error.rstrip().splitlines()[-1].startswith(said)  # nothing after it, and no traceback of this project
    assert "lib/store" not in error


@pytest.mark.slow
def test_a_folder_whose_name_is_a_number_can_be_named(papermill, tmp_path):
    code, error = papermill("-p", "profile", "smoke", "-r", "out", str(tmp_path / "007"))
    assert code == 0 and (tmp_path / "007" / "settings.json").is_file(), error
