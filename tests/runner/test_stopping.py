"""Killed and stopped: Ctrl-C at any moment, killed runners, kernels and servers. Nothing is left, and the next call
carries on."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lib.store.series import ROOT
from tests.running import alive, run, wait_until
from tests.toys import interruptible, notebook, series, statuses

SLOW = """\
import os, pathlib, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(99999)"])
pathlib.Path(out, "pids").write_text(f"{os.getpid()} {child.pid}")
while not pathlib.Path(out, "go on").exists():
    time.sleep(0.1)
child.kill()"""


@pytest.fixture
def slow_run(tmp_path):
    """A runner in a process of its own: `a` is done, `b` at work in a kernel with a child. Process, folder, series."""
    toys = series(tmp_path / "notebooks", a="", b="a", c="b")
    notebook(toys.folder, "a", "1")
    notebook(toys.folder, "b", SLOW)
    notebook(toys.folder, "c", "1")
    out = tmp_path / "out"
    driver = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "import run_notebooks; from tests.toys import series, Path\n"
        f"toys = series(Path({str(toys.folder)!r}), a='', b='a', c='b')\n"
        f"sys.exit(run_notebooks.main(['--profile', 'smoke', '--no-html', '--out', {str(out)!r}], toys))"
    )
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen([sys.executable, "-c", driver], preexec_fn=interruptible, **pipes)
    try:
        assert wait_until(lambda: (out / "pids").is_file() and len((out / "pids").read_text().split()) == 2)
        yield process, out, toys
    finally:
        process.kill()
        process.wait()


def assert_nothing_survives(out: Path) -> None:
    pids = [int(pid) for pid in (out / "pids").read_text().split()]
    assert wait_until(lambda: not any(alive(pid) for pid in pids)), "a kernel or its child has survived the runner"


@pytest.mark.slow
def test_a_killed_runner_takes_its_kernels_along_and_the_next_call_carries_on(slow_run):
    process, out, toys = slow_run
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert_nothing_survives(out)
    assert statuses(out) == {"a": "done", "b": "running", "c": "not run"}
    (out / "go on").touch()
    assert run(out, toys) == 0
    record = json.loads((out / "run.json").read_text())
    assert record["ran"] == ["b", "c"] and set(statuses(out).values()) == {"done"}


@pytest.mark.slow
def test_ctrl_c_stops_at_once_and_keeps_what_is_done(slow_run):
    process, out, _ = slow_run
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=600)
    assert process.returncode == 130
    assert re.fullmatch(r"\s*stopped; what is finished is kept, and the same command carries on\s*", error)
    assert_nothing_survives(out)
    assert statuses(out)["a"] == "done" and statuses(out)["b"] != "done"
    assert json.loads((out / "run.json").read_text())["status"] == "stopped"
    assert (out / "notebooks" / "a.ipynb").is_file() and not (out / "notebooks" / "b.ipynb").exists()


@pytest.mark.slow
def test_an_ended_notebook_leaves_no_process_behind(tmp_path):
    toys = series(tmp_path / "notebooks", a="")
    notebook(toys.folder, "a", SLOW.partition("while")[0])
    assert run(tmp_path / "out", toys) == 0
    assert os.getpid() not in [int(pid) for pid in (tmp_path / "out" / "pids").read_text().split()]
    assert_nothing_survives(tmp_path / "out")
