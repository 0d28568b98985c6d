import contextlib
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from lib.store import engine
from lib.store.series import ROOT
from tests.running import alive, wait_until
from tests.tasks import task
from tests.toys import interruptible


@pytest.mark.slow
def test_each_misfortune_costs_one_input():
    orders = ["ok", "crash", "bad", "ok", "exit", "error", "crash answering", "ok", "ok"]
    found = {o.index: o for o in engine.run(task, [(order, i) for i, order in enumerate(orders)], jobs=2)}
    assert [found[i].kind for i in range(len(orders))] == [
        "done", "died", "failed", "done", "died", "failed", "died", "done", "done",
    ]
    assert found[3].value[0] == 3 and found[2].reason == "a good reason"
    assert "SIGSEGV" in found[1].reason and "exit code 3" in found[4].reason and "SIGKILL" in found[6].reason
    assert "KeyError" in found[5].reason


def test_a_hang_costs_one_input(tmp_path, monkeypatch):
    """The clock goes only while the second input hangs: however slow the machine is, no other is late."""
    hanging, now, found = tmp_path / "hanging", [0], []

    def clock():
        now[0] += hanging.exists()
        return now[0]

    monkeypatch.setattr(engine, "time", SimpleNamespace(monotonic=clock))
    for outcome in engine.run(task, [("ok", 0), ("hang", hanging), ("ok", 2), ("ok", 3)], jobs=1, limit=0.1):
        found.append((outcome.index, outcome.kind, outcome.reason))
        if outcome.kind == "late":
            hanging.unlink()
    assert found == [(0, "done", ""), (1, "late", "took longer than 0.1 s"), (2, "done", ""), (3, "done", "")]


def test_no_time_passes_while_the_run_is_stopped(monkeypatch):
    """Ctrl-Z for an hour, as the clock shows it: once, while a wait goes on."""
    now, waited = [0.0], []

    def wait(pipes, seconds):
        waited.append(seconds)
        if len(waited) == 3:
            now[0] += 3600
        if len(waited) < 8:  # nobody says anything before
            now[0] += seconds
            return []
        return ready(pipes)

    ready = engine.connection.wait
    monkeypatch.setattr(engine, "connection", SimpleNamespace(Pipe=engine.connection.Pipe, wait=wait))
    monkeypatch.setattr(engine, "time", SimpleNamespace(monotonic=lambda: now[0]))
    assert [o.kind for o in engine.run(task, [("ok", 0)], jobs=1, limit=120)] == ["done"]
    assert max(waited) <= engine.LOOK


def test_the_limit_is_in_seconds():
    assert [o.kind for o in engine.run(task, [("hang",)], limit=0.1)] == ["late"]


def test_workers_have_one_thread_and_outcomes_come_as_they_are_ready():
    assert [o.value for o in engine.run(os.getenv, [(name,) for name in engine.ONE_THREAD], 1)] == ["1"] * 4
    with contextlib.closing(engine.run(task, [("hang",), ("ok", 1), ("ok", 2)], 2)) as found:
        assert [next(found).index, next(found).index] == [1, 2]


def gone(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        return False
    return True


@pytest.mark.slow
def test_leaving_early_ends_every_process():
    inputs = [("ok", 0), ("ok", 0), ("hang",)]
    with contextlib.closing(engine.run(task, inputs, 2)) as found:
        pids = {next(found).value[1], next(found).value[1]}
    assert all(gone(pid) for pid in pids)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["process", "group"])
def test_ctrl_c_stops_at_once_and_leaves_no_process(how, tmp_path):
    """The inputs hang: only Ctrl-C ends them."""
    code = (
        "import contextlib, pathlib\nfrom lib.store import engine\nfrom tests.tasks import task\n"
        f"inputs = [('ok', 0), ('ok', 0)] + [('hang', pathlib.Path({str(tmp_path)!r}, str(i))) for i in range(4)]\n"
        "with contextlib.closing(engine.run(task, inputs, 2)) as found:\n"
        "    for outcome in found: print(outcome.value[1], flush=True)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True, preexec_fn=interruptible,
    )
    pids = {int(parent.stdout.readline()), int(parent.stdout.readline())}
    while not list(tmp_path.iterdir()):
        time.sleep(0.05)
    (os.kill if how == "process" else os.killpg)(parent.pid, signal.SIGINT)
    parent.communicate(timeout=600)
    assert parent.returncode not in (0, None)
    assert all(gone(pid) for pid in pids)


@pytest.mark.slow
def test_a_worker_whose_task_hangs_does_not_outlive_its_parent(tmp_path):
    """Not even when the parent is killed and can end nobody."""
    place = tmp_path / "hanging"
    code = ("import pathlib\nfrom lib.store import engine\nfrom tests.tasks import task\n"
            f"list(engine.run(task, [('hang', pathlib.Path({str(place)!r}))], 1))")
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, start_new_session=True)
    assert wait_until(lambda: place.exists() and place.read_text())
    parent.kill()
    parent.wait()
    assert wait_until(lambda: not alive(int(place.read_text())))
