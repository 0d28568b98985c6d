import contextlib
import os
import signal
import subprocess
import sys
import time

import pytest

from lib.store import engine
from lib.store.errors import Unusable
from lib.store.series import ROOT
from tests.toys import interruptible


def task(order, value=None):
    """What the workers below are told to do."""
    if order == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if order == "exit":
        os._exit(3)
    if order == "sleep":
        time.sleep(value)
    if order == "bad":
        raise Unusable("a good reason")
    if order == "error":
        raise KeyError("x")
    return value, os.getpid()


@pytest.mark.slow
def test_each_misfortune_costs_one_input():
    inputs = [("double", i) for i in range(6)]
    inputs[1:4] = [("crash", 0), ("sleep", 60), ("bad", 0)]
    inputs += [("exit", 0), ("error", 0)]
    started = time.perf_counter()
    found = {o.index: o for o in engine.run("tests.store.test_engine:task", inputs, jobs=2, timeout=5)}
    assert time.perf_counter() - started < 30
    assert {i: o.kind for i, o in found.items()} == {
        0: "done", 1: "died", 2: "late", 3: "failed", 4: "done", 5: "done", 6: "died", 7: "failed",
    }
    assert found[4].value[0] == 4 and found[3].reason == "a good reason"
    assert "SIGSEGV" in found[1].reason and "5 s" in found[2].reason and "exit code 3" in found[6].reason
    assert "KeyError" in found[7].reason


def gone(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        return False
    return True


@pytest.mark.slow
def test_leaving_early_ends_every_process():
    inputs = [("now", 0), ("now", 0), ("sleep", 60)]
    with contextlib.closing(engine.run("tests.store.test_engine:task", inputs, 2)) as found:
        pids = {next(found).value[1], next(found).value[1]}
    assert all(gone(pid) for pid in pids)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["process", "group"])
def test_ctrl_c_stops_at_once_and_leaves_no_process(how):
    code = (
        "import contextlib\nfrom lib.store import engine\n"
        "inputs = [('now', 0), ('now', 0)] + [('sleep', 60)] * 4\n"
        "with contextlib.closing(engine.run('tests.store.test_engine:task', inputs, 2)) as found:\n"
        "    for outcome in found: print(outcome.value[1], flush=True)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True, preexec_fn=interruptible,
    )
    pids = {int(parent.stdout.readline()), int(parent.stdout.readline())}
    time.sleep(0.3)
    started = time.perf_counter()
    (os.kill if how == "process" else os.killpg)(parent.pid, signal.SIGINT)
    parent.communicate(timeout=20)
    assert parent.returncode not in (0, None) and time.perf_counter() - started < 5
    assert all(gone(pid) for pid in pids)
