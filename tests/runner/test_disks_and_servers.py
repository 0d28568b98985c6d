"""A full disk and a kernel server that was killed: each is its own true sentence, and the runner ends in order."""

from __future__ import annotations

import errno
import os

import pytest

from lib.runner import kernels as kernels_module
from lib.runner import notebook as notebook_module
from lib.runner.kernels import Kernels
from lib.store import files
from tests.running import run
from tests.toys import notebook, series, statuses


@pytest.mark.slow
def test_a_full_disk_under_a_notebook_is_said_with_the_remedy(tmp_path, capsys):
    toys = series(tmp_path / "notebooks", a="")
    notebook(toys.folder, "a", "raise OSError(28, 'No space left on device', '/cache/compiled.nbc')")
    assert run(tmp_path / "out", toys) == 1
    said = capsys.readouterr().err
    assert "a failed: a disk is full: [Errno 28] No space left on device: '/cache/compiled.nbc'; free some" in said


@pytest.mark.slow
@pytest.mark.parametrize("where", ["papermill.execute_notebook", "nbformat.write"])
def test_a_full_disk_under_the_executed_notebook_is_said_with_the_remedy(where, tmp_path, capsys, monkeypatch):
    def full(*args, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    toys = series(tmp_path / "notebooks", a="")
    notebook(toys.folder, "a", "1 / 0")
    monkeypatch.setattr("papermill.execute_notebook", full)
    monkeypatch.setattr(where, full)
    assert run(tmp_path / "out", toys) == 1
    said = capsys.readouterr().err
    assert "a.ipynb: No space left on device; free some space there" in said and "Traceback" not in said


def test_a_full_disk_under_the_record_ends_the_run_with_a_sentence(tmp_path, capsys, monkeypatch):
    def full(path, text):
        raise files.refused(path, files.no_room())

    toys = series(tmp_path / "notebooks", a="")
    notebook(toys.folder, "a", "1")
    monkeypatch.setattr(files, "write_text", full)
    assert run(tmp_path / "out", toys) == 2
    said = capsys.readouterr().err
    assert "settings.json: No space left on device; free some space" in said and len(said.splitlines()) == 1


def test_why_a_kernel_died_is_said_as_far_as_it_is_known(tmp_path, monkeypatch):
    kernels = Kernels()
    try:
        assert kernels.why_dead(tmp_path) == "its kernel died: killed from outside, or out of memory"
        monkeypatch.setattr(files, "has_no_room", lambda folder: folder == tmp_path)
        assert kernels.why_dead(tmp_path / "x", tmp_path) == (
            f"its kernel died, and the disk of {tmp_path} is full: free some space there")
        kernels.server_lost = True
        assert kernels.why_dead(tmp_path).startswith("the process that starts the kernels was killed")
    finally:
        kernels.close()


@pytest.mark.slow
def test_a_killed_kernel_server_is_said_and_a_new_one_serves_what_is_left(tmp_path, capsys):
    toys = series(tmp_path / "notebooks", a="", b="a", c="a")
    notebook(toys.folder, "a", "1")
    notebook(toys.folder, "b", "import os, signal, time; os.kill(os.getppid(), signal.SIGKILL); time.sleep(9999)")
    notebook(toys.folder, "c", "import os; assert os.environ['OMP_NUM_THREADS'] == '1'",
             "import sys; assert sys.flags.hash_randomization == 0")
    assert run(tmp_path / "out", toys, "--jobs", "1") == 1
    said = capsys.readouterr().err
    assert "b failed: the process that starts the kernels was killed, from outside or for want of memory" in said
    assert statuses(tmp_path / "out") == {"a": "done", "b": "failed", "c": "done"}


@pytest.mark.slow
def test_a_server_that_dies_while_it_imports_is_said(tmp_path, capsys, monkeypatch):
    modules = tmp_path / "modules"
    modules.mkdir()
    (modules / "ends_its_process.py").write_text("import os; os._exit(3)")
    monkeypatch.setenv("PYTHONPATH", str(modules))
    kernels_module._end_server()
    toys = series(tmp_path / "notebooks", a="")
    object.__setattr__(toys, "preloaded", ("ends_its_process",))
    notebook(toys.folder, "a", "1")
    try:
        assert run(tmp_path / "out", toys) == 1
    finally:
        os.environ.pop("PYTHONPATH")
        kernels_module._end_server()
    said = capsys.readouterr().err
    assert "a failed: no kernel can be started, since the process that starts them ended while it imported" in said


def test_an_error_of_one_line_is_one_line():
    assert notebook_module._sentence("Problem", "\nwrong\nmore") == "wrong"
    assert notebook_module._sentence("KeyError", "'x'") == "KeyError: 'x'"
    assert notebook_module._sentence("OSError", "") == "OSError: no message"
