"""A task run over many inputs in several processes, where a crash or a hang costs one input.

The standard pools lose all pending work when one process dies, cannot stop a process that hangs, and import the
caller's main module again; here each worker is a plain child with a pipe, so one can be killed and replaced.
"""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from multiprocessing import connection
from typing import Any, Literal, NamedTuple

from lib.store.errors import Unusable
from lib.store.series import ROOT

ONE_THREAD = dict.fromkeys(["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"], "1")


class Outcome(NamedTuple):
    """What became of one input: `value` where `kind` is "done", else `reason`."""

    index: int
    kind: Literal["done", "failed", "died", "late"]
    value: Any = None
    reason: str = ""


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run(task: str, inputs: Sequence[tuple], jobs: int | None = None, timeout: float = 120.0) -> Iterator[Outcome]:
    """Outcomes of `task(*input)` for each input, as they come.

    `task` is "module:function"; inputs and results must pickle. An input on which a process dies, or takes longer
    than `timeout` seconds, is reported as "died" or "late". Wrap the iterator in `contextlib.closing`: leaving it
    early (Ctrl-C) then ends every process at once.
    """
    waiting = deque(enumerate(inputs))
    team: list[_Worker] = []
    try:
        while waiting or team:
            while waiting and len(team) < (jobs or cores()):
                team.append(_Worker(task))
                team[-1].give(*waiting.popleft(), timeout)
            patience = min(worker.deadline for worker in team) - time.monotonic()
            connection.wait([worker.pipe for worker in team], max(0.0, patience))
            for worker in list(team):
                outcome = worker.outcome()
                if outcome is None:
                    continue
                yield outcome
                if outcome.kind in ("done", "failed") and waiting:
                    worker.give(*waiting.popleft(), timeout)
                else:
                    team.remove(worker)
                    worker.stop()
    finally:
        for worker in team:
            worker.stop()


class _Worker:
    """One child process, its pipe, and the input that it is busy with."""

    def __init__(self, task: str) -> None:
        self.pipe, child_end = connection.Pipe()
        code = f"from lib.store.engine import serve; serve({child_end.fileno()}, {task!r})"
        self.process = subprocess.Popen(
            [sys.executable, "-c", code], pass_fds=[child_end.fileno()], cwd=ROOT,
            env=os.environ | ONE_THREAD, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        child_end.close()

    def give(self, index: int, arguments: tuple, timeout: float) -> None:
        self.index, self.timeout, self.deadline = index, timeout, time.monotonic() + timeout
        try:
            self.pipe.send(arguments)
        except OSError:
            pass  # it is dead already: `outcome` will find out how

    def outcome(self) -> Outcome | None:
        """What became of the current input; None while the process is busy."""
        try:
            if self.pipe.poll():
                kind, content = self.pipe.recv()
                return Outcome(self.index, kind, *((content,) if kind == "done" else (None, content)))
        except (EOFError, OSError):
            code = self.process.wait()
            reason = f"signal {-code}, {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
            return Outcome(self.index, "died", reason=f"the process that read it died ({reason})")
        if time.monotonic() > self.deadline:
            return Outcome(self.index, "late", reason=f"took longer than {self.timeout:g} s")
        return None

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        self.pipe.close()


def serve(handle: int, task: str) -> None:
    """The life of a worker: read arguments from the pipe, call the task, answer, until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent ends its workers
    pipe = connection.Connection(handle)
    module, name = task.split(":")
    function = getattr(importlib.import_module(module), name)
    while True:
        try:
            arguments = pipe.recv()
        except EOFError:
            return
        try:
            answer = ("done", function(*arguments))
        except Unusable as error:
            answer = ("failed", str(error))
        except Exception as error:
            answer = ("failed", f"{type(error).__name__}: {error}")
        pipe.send(answer)
