"""The runner: order, skipping, failures, killed kernels and runners, Ctrl-C."""

from __future__ import annotations

import dataclasses
import json
import re
import sys
from multiprocessing import forkserver
from pathlib import Path

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st

import run_notebooks
from lib.runner import keys
from lib.store import remembering
from lib.store.errors import Problem
from lib.store.series import FIRST, NEEDS, ROOT, Series
from tests.running import edit, request_for, run
from tests.toys import notebook, series, statuses, writes

# --- what to run, in what order -----------------------------------------------------------------------------------


def test_the_real_series_is_a_graph_and_each_notebook_comes_after_what_it_needs():
    order = Series().order()
    assert sorted(order) == sorted(NEEDS) and len(NEEDS) == 13
    assert all(order.index(need) < order.index(name) for name, needs in NEEDS.items() for need in needs)
    assert set(FIRST) <= set(NEEDS)


def test_dependants_are_found_through_others():
    real = Series()
    assert real.dependants({"09_cvae_latent_space"}) == {"09_cvae_latent_space", "12_final_comparison", "00_overview"}
    assert real.dependants({"01_data_preparation"}) == set(NEEDS)
    assert real.dependants({"00_overview"}) == {"00_overview"}


@pytest.mark.parametrize("text", ["9", "09", "09_cvae", "09_cvae_latent_space", "notebooks/09_cvae_latent_space.ipynb"])
def test_a_notebook_is_named_by_number_or_name(text):
    assert Series().find(text) == "09_cvae_latent_space"


@pytest.mark.parametrize("text", ["11", "vae", "", "0"])
def test_an_unknown_or_ambiguous_notebook_is_a_problem_that_lists_the_known(text):
    toys = series(Path("x"), **{"01_a": "", "02_b": "", "00_c": "", "00_d": ""})
    with pytest.raises(Problem, match="01_a, 02_b"):
        toys.find(text)


@given(st.sets(st.sampled_from(sorted(NEEDS))), st.lists(st.sampled_from(sorted(NEEDS)), max_size=3), st.booleans())
def test_what_is_chosen_is_enough_and_not_too_much(current, only, force):
    names, extra = keys.choose(Series(), only, current, force)
    asked = set(only) or set(NEEDS)
    assert all(need in names or need in current for name in names for need in NEEDS[name])
    assert set(extra) == set(names) - asked and not set(extra) & current
    assert set(names) & asked == (asked if force else asked - current)
    if not force:
        assert not set(names) & current


# --- what makes a notebook out of date ----------------------------------------------------------------------------


def changed(before: dict[str, str], after: dict[str, str]) -> str:
    return "".join(name for name in sorted(before) if before[name] != after[name])


def test_keys_change_with_sources_settings_and_needs_and_with_nothing_else(chain, tmp_path, monkeypatch):
    request = request_for(tmp_path / "out")
    before = keys.keys(chain, request)
    made = nbformat.read(chain.path("b"), as_version=4)
    made.cells[2].outputs = [nbformat.v4.new_output("stream", text="hello")]
    made.cells[2].execution_count = 7
    made.metadata["kernelspec"] = {"name": "other", "display_name": "Other"}
    nbformat.write(made, chain.path("b"))
    assert changed(before, keys.keys(chain, request)) == ""
    assert changed(before, keys.keys(chain, request_for(tmp_path / "elsewhere"))) == ""
    edit(chain.path("b"), "value = 'b'", "value = 'B'")
    assert changed(before, keys.keys(chain, request)) == "bc"
    edit(chain.path("b"), "value = 'B'", "value = 'b'")
    assert changed(before, keys.keys(chain, request_for(tmp_path / "out", settings={"seed": 3}))) == "abcd"
    monkeypatch.setattr(remembering, "versions", lambda: {"numpy": "99"})
    assert changed(before, keys.keys(chain, request)) == "abcd"


def test_keys_follow_the_source_files(chain, tmp_path):
    music = tmp_path / "music" / "jazz"
    music.mkdir(parents=True)
    (music / "a song.wav").write_bytes(b"1234")
    lyrics = tmp_path / "lyrics.csv"
    lyrics.write_text("track_id,lyrics\n")
    request = request_for(tmp_path / "out", corpus="folder", source=str(tmp_path / "music"), lyrics=str(lyrics))
    before = keys.keys(chain, request)
    assert keys.keys(chain, request) == before
    (music / "b.wav").write_bytes(b"12")
    assert changed(before, keys.keys(chain, request)) == "abcd"
    (music / "b.wav").unlink()
    lyrics.write_text("track_id,lyrics\na song,la la\n")
    assert changed(before, keys.keys(chain, request)) == "abcd"


def test_up_to_date_needs_success_the_same_key_and_all_files(tmp_path):
    (tmp_path / "notebooks").mkdir()
    for name in "abcd":
        (tmp_path / "notebooks" / f"{name}.ipynb").write_text("{}")
    entry = {"status": "done", "key": "k", "files": []}
    record = {"notebooks": {
        "a": entry, "b": entry | {"status": "running"}, "c": entry | {"key": "old"},
        "d": entry | {"files": ["store/x.nc"]}, "e": entry,
    }}
    assert keys.up_to_date(tmp_path, dict.fromkeys("abcde", "k"), record) == {"a"}


@pytest.mark.slow
def test_other_settings_do_not_share_a_folder_unless_forced(chain, tmp_path, capsys):
    only_d = series(chain.folder, d="")
    assert run(tmp_path / "out", only_d) == 0
    assert run(tmp_path / "out", only_d, "--set", "seed=5") == 2
    assert "other settings (seed=0 there, 5 here)" in capsys.readouterr().err
    assert run(tmp_path / "out", only_d, "--set", "seed=5", "--force") == 0
    assert json.loads((tmp_path / "out" / "run.json").read_text())["settings"]["seed"] == 5


# --- running ------------------------------------------------------------------------------------------------------

REPORTING = """\
import json, os, sys
import lib
from pathlib import Path
names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS", "PYTHONHASHSEED")
about = {"settings": settings, "out": out, "cwd": os.getcwd(), "python": sys.executable, "lib": lib.__file__}
Path(out, "about.json").write_text(json.dumps(about | {name: os.environ[name] for name in names}))"""


@pytest.mark.slow
def test_a_folder_in_which_nothing_was_found_can_be_used_with_other_settings(tmp_path, capsys):
    toys = series(tmp_path / "notebooks", a="")
    notebook(toys.folder, "a", "from lib.store import artifacts", "assert profile != 'smoke', 'a wrong path, say'")
    out = tmp_path / "out"
    assert run(out, toys) == 1  # before anything was stored
    assert run(out, toys, "--set", "n_seeds=4", "--only", "b") == 2  # no such notebook
    assert run_notebooks.main(["--profile", "default", "--out", str(out), "--no-html"], toys) == 0
    (out / "store").mkdir()
    (out / "store" / "features.nc").touch()
    capsys.readouterr()
    assert run(out, toys) == 2
    assert "holds a run with other settings" in capsys.readouterr().err


@pytest.mark.slow
def test_kernels_get_parameters_one_thread_this_interpreter_and_this_library(tmp_path, monkeypatch):
    toys = series(tmp_path / "a folder with {braces} and Ümlaut", a="")
    notebook(toys.folder, "a", REPORTING)
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))  # another kernel of the same name is not used
    spec = tmp_path / "jupyter" / "kernels" / "python3" / "kernel.json"
    spec.parent.mkdir(parents=True)
    spec.write_text(json.dumps({"argv": ["false"], "display_name": "x", "language": "python"}))
    out = tmp_path / "out {1} é"
    assert run(out, toys, "--set", "betas=[1, 4]", "--set", "duplicates=drop") == 0
    about = json.loads((out / "about.json").read_text())
    assert about["settings"] == {"betas": [1, 4], "duplicates": "drop"} and about["out"] == str(out)
    assert about["cwd"] == str(toys.folder) and about["python"] == sys.executable
    assert Path(about["lib"]) == ROOT / "lib" / "__init__.py"
    assert {about[name] for name in about if name.endswith("_THREADS")} == {"1"} and about["PYTHONHASHSEED"] == "0"
    record = json.loads((out / "run.json").read_text())
    assert record["status"] == "done" and record["versions"]["numpy"] and record["seeds"]["headline"]
    assert record["settings"]["betas"] == [1.0, 4.0]


@pytest.mark.slow
def test_a_run_skips_what_is_up_to_date_and_reruns_what_depends_on_a_change(chain, tmp_path, capsys):
    out = tmp_path / "out"
    assert run(out, chain, "--only", "b") == 0
    assert "also running, because it is needed first: a" in capsys.readouterr().out
    assert statuses(out) == {"a": "done", "b": "done", "c": "not run", "d": "not run"}
    assert run(out, chain, "--jobs", "2") == 0
    assert "up to date: a, b" in capsys.readouterr().out
    assert run(out, chain) == 0
    assert "nothing to run: everything is up to date" in capsys.readouterr().out

    edit(chain.path("c"), "value = 'c'", "value = 'C'")
    assert run(out, chain) == 0
    assert json.loads((out / "run.json").read_text())["ran"] == ["c"]
    assert (out / "store" / "c.csv").read_text() == "C"
    assert "injected-parameters" not in chain.path("c").read_text()  # the source stays clean

    (out / "store" / "d.csv").unlink()
    assert run(out, chain) == 0
    assert "d" in json.loads((out / "run.json").read_text())["ran"] and (out / "store" / "d.csv").is_file()

    capsys.readouterr()
    assert run(out, chain, "--only", "a", "--force") == 0
    said = capsys.readouterr().out
    assert "not up to date any more" not in said and not re.search("^up to date:.* a(,|$)", said, re.MULTILINE)
    edit(chain.path("b"), "value = 'b'", "value = 'B'")
    assert run(out, chain, "--only", "b") == 0
    assert "not up to date any more: c" in capsys.readouterr().out


@pytest.mark.slow
def test_a_failure_stops_only_what_depends_on_it(tmp_path, capsys):
    toys = series(tmp_path / "notebooks", a="", b="a", c="b", d="")
    fails = "from lib.store.errors import Problem\nraise Problem('no <music> here')"
    notebook(toys.folder, "a", "print('before')", fails)
    notebook(toys.folder, "b", "1")
    notebook(toys.folder, "c", "1")
    notebook(toys.folder, "d", "1")
    out = tmp_path / "out"
    assert run(out, toys) == 1
    said = capsys.readouterr()
    assert statuses(out) == {"a": "failed", "b": "not run", "c": "not run", "d": "done"}
    assert "a failed: no <music> here" in said.err and str(out / "notebooks" / "a.failed.ipynb") in said.err
    assert "needs a" in said.out and "Traceback" not in said.out + said.err
    assert json.loads((out / "run.json").read_text())["status"] == "failed"
    assert sorted(p.name for p in (out / "notebooks").iterdir()) == ["a.failed.ipynb", "d.ipynb"]
    assert "before" in (out / "notebooks" / "a.failed.ipynb").read_text()

    notebook(toys.folder, "a", "print('before')")
    assert run(out, toys) == 0
    assert set(statuses(out).values()) == {"done"}
    assert sorted(p.name for p in (out / "notebooks").iterdir()) == ["a.ipynb", "b.ipynb", "c.ipynb", "d.ipynb"]


@pytest.mark.slow
@pytest.mark.parametrize("fails", [False, True])
def test_others_start_when_what_they_read_is_written(fails, tmp_path, capsys):
    """`a` waits for `b`, which needs it: that ends only if `b` starts early. If `a` then fails, `b` is no worse."""
    toys = series(tmp_path / "notebooks", a="", b="a", c="b")
    wait = ("import time; from pathlib import Path\n"
            "while not (Path(out) / 'store' / 'b.csv').exists():\n    time.sleep(0.02)")
    notebook(toys.folder, "a", writes("a"), wait, f"assert not {fails}, 'its own fault'", written=0)
    notebook(toys.folder, "b", "from pathlib import Path; assert (Path(out) / 'store' / 'a.csv').exists()",
             writes("b"))
    notebook(toys.folder, "c", "1")
    out = tmp_path / "out"
    assert run(out, toys) == fails
    assert statuses(out) == {"a": "failed" if fails else "done", "b": "done", "c": "done"}
    assert ("its own fault" in capsys.readouterr().out) == fails
    notebook(toys.folder, "a", writes("a"), "1 / 0", "1", written=1)  # not past it
    assert run(out, toys) == 1
    assert statuses(out) == {"a": "failed", "b": "not run", "c": "not run"}
    assert run(tmp_path / "single", toys, "--jobs", "1") == 1


@pytest.mark.slow
def test_a_killed_kernel_is_a_failure_and_keeps_the_earlier_result(tmp_path, capsys):
    toys = series(tmp_path / "notebooks", a="", b="")
    path = notebook(toys.folder, "a", "print('first')", "import os, signal", "pass", "print('last')")
    notebook(toys.folder, "b", "1")
    out = tmp_path / "out"
    assert run(out, toys) == 0
    earlier = (out / "notebooks" / "a.ipynb").read_bytes()
    edit(path, "pass", "os.kill(os.getpid(), signal.SIGKILL)")
    assert run(out, toys) == 1
    assert "a failed: its kernel died" in capsys.readouterr().err
    assert statuses(out) == {"a": "failed", "b": "done"}
    assert (out / "notebooks" / "a.ipynb").read_bytes() == earlier
    failed = (out / "notebooks" / "a.failed.ipynb").read_text()
    assert "first" in failed and "last" not in failed


@pytest.mark.slow
def test_kernels_are_born_with_what_notebooks_import_and_each_for_itself(tmp_path):
    toys = series(tmp_path / "notebooks", a="", b="a")
    toys = dataclasses.replace(toys, preloaded=("tests.toys", "there.is.no.such.module"))
    forkserver._forkserver._stop()  # that of the tests before has imported other modules
    check = "import sys; assert 'tests.toys' in sys.modules and not hasattr(sys.modules['tests.toys'], 'mark')"
    for name in "ab":  # what a leaves in the module, b does not find there
        notebook(toys.folder, name, check + "; sys.modules['tests.toys'].mark = 1",
                 "import os, threading; assert os.getpgid(0) == os.getpid()")
    assert run(tmp_path / "out", toys) == 0


@pytest.mark.slow
def test_a_killed_fork_server_fails_what_is_left_and_hangs_nothing(tmp_path, capsys):
    toys = series(tmp_path / "notebooks", a="", b="a", c="b")
    notebook(toys.folder, "a", "1")
    notebook(toys.folder, "b", "import os, signal, time; os.kill(os.getppid(), signal.SIGKILL); time.sleep(9999)")
    notebook(toys.folder, "c", "1")
    assert run(tmp_path / "out", toys) == 1
    assert statuses(tmp_path / "out")["a"] == "done" and statuses(tmp_path / "out")["c"] != "done"
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.slow
def test_the_number_of_jobs_changes_no_result(tmp_path):
    toys = series(tmp_path / "notebooks", a="", b="", c="a b")
    for name in "ab":
        notebook(toys.folder, name, f"import random\nrandom.seed('{name}')", writes(name, "random.random()"))
    read = "import pathlib\nboth = [pathlib.Path(out, 'store', name + '.csv').read_text() for name in 'ab']"
    notebook(toys.folder, "c", read, writes("c", "hash(tuple(both))"))
    for jobs in ("1", "2"):
        assert run(tmp_path / jobs, toys, "--jobs", jobs) == 0
    results = [{p.name: p.read_text() for p in (tmp_path / jobs / "store").iterdir()} for jobs in ("1", "2")]
    assert results[0] == results[1] and len(results[0]) == 3
