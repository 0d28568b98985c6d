"""Killed and stopped: Ctrl-C at any moment, killed runners, kernels and servers. Nothing is left, and the next call
carries on."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from filelock import FileLock

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


# --- the first seconds --------------------------------------------------------------------------------------------

HANGS = """\
import os, pathlib, time
if {here}:
    pathlib.Path({marker!r}).write_text(str(os.getpid()))
    try:
        time.sleep(99999)
    except KeyboardInterrupt:  # as libraries do while they are imported
        pass
    time.sleep(99999)
"""
STOPPED = "stopped; what is finished is kept, and the same command carries on"


@pytest.fixture
def temporary():
    """A folder for temporary files whose path is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="t-", dir="/tmp") as folder:
        yield Path(folder)


def stopped_while_importing(
    tmp_path: Path, temporary: Path, module: str, here: str, send: int = signal.SIGINT
) -> list[int]:
    """Ctrl-C in a terminal, which reaches all processes of the run, while one of them imports a module of this name:
    the processes that there were."""
    marker, fake = tmp_path / "marker", tmp_path / "modules"
    fake.mkdir()
    (fake / f"{module}.py").write_text(HANGS.format(here=here, marker=str(marker)))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(fake), str(ROOT)]), "TMPDIR": str(temporary),
                                "LATENT_GENRE_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, str(ROOT / "run_notebooks.py"), "--profile", "smoke", "--out", str(tmp_path / "out")]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               preexec_fn=interruptible, start_new_session=True)
    try:
        assert wait_until(lambda: marker.is_file() and marker.read_text() != "" or process.poll() is not None)
        os.killpg(process.pid, send)
        _, error = process.communicate(timeout=600)
    finally:
        process.kill()
    assert process.returncode == 130 and error.strip() == STOPPED
    assert list(temporary.iterdir()) == []
    return [process.pid, int(marker.read_text())]


@pytest.mark.slow
@pytest.mark.parametrize("send", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ctrl_c_while_the_runner_imports_stops_at_once(send, tmp_path, temporary):
    pids = stopped_while_importing(tmp_path, temporary, "filelock", "True", send)
    assert wait_until(lambda: not any(alive(pid) for pid in pids))
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_ctrl_c_while_kernels_are_being_prepared_stops_at_once(tmp_path, temporary):
    """The fork server imports; a thread of the runner waits for it."""
    pids = stopped_while_importing(tmp_path, temporary, "librosa", "os.environ.get('LATENT_GENRE_IN_RUN')")
    assert pids[0] != pids[1] and wait_until(lambda: not any(alive(pid) for pid in pids))
    assert json.loads((tmp_path / "out" / "run.json").read_text())["status"] == "stopped"
    assert not list((tmp_path / "out").rglob(".unfinished-*"))


@pytest.mark.slow
def test_who_wants_signals_ignored_is_obeyed(tmp_path):
    """As under nohup, or in the background of a shell script."""
    program = ("import signal, run_notebooks\n"
               "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
               "run_notebooks.on_stop(run_notebooks.leave)\n"
               "print(signal.getsignal(signal.SIGHUP) == signal.SIG_IGN, signal.getsignal(signal.SIGTERM).__name__)")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.split() == ["True", "leave"], done.stderr


@pytest.mark.slow
def test_what_killed_runners_left_in_the_temporary_folder_goes(temporary):
    left, held, old, young = (temporary / f"{name}" for name in (
        "latent-genre-left", "latent-genre-held", "new-latent-genre-old", "new-latent-genre-young"))
    for folder in (left, held, old, young):
        folder.mkdir()
        (folder / "lock").touch()
    os.utime(old, (0, 0))
    program = "from lib.runner.kernels import _home; print(_home())"
    with FileLock(held / "lock"):
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT,
                              env=os.environ | {"TMPDIR": str(temporary)})
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(temporary / "latent-genre-"))
    assert {path.name for path in temporary.iterdir()} == {held.name, young.name}  # its own has gone with it


@pytest.mark.slow
def test_a_runner_that_has_nothing_to_run_cleans_up_too(tmp_path, temporary, monkeypatch):
    """The last of a row of killed runners may leave nothing to do, but its temporary folder."""
    toys = series(tmp_path / "notebooks", a="")
    notebook(toys.folder, "a", "1")
    assert run(tmp_path / "out", toys) == 0
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    left = temporary / "latent-genre-left"
    left.mkdir()
    (left / "lock").touch()
    assert run(tmp_path / "out", toys) == 0 and not left.exists()
