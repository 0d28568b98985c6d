"""A task run over many inputs in several processes, where a crash or a hang costs one input.

Each worker is a plain child with a pipe of its own, so one can be killed and replaced. `pebble.ProcessPool` (5.2) was
tried in its place and is no slower: features of 60 clips, eleven turns on a busy machine, pebble ahead in seven (best
turns 98 against 115 ms a clip; in the last four, since workers here no longer wait for who asked, two each). But its
workers share one pipe and its locks, so it cannot say for sure whose input a process died of: of three runs of 200
inputs beside eight busy loops, every fourth input ending its process, one blamed a healthy input and one lost 53; ours
lost none in four. And a process killed while it answered cost all inputs then left, seven of ten, in two minutes.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import connection
from typing import Any, Literal, NamedTuple

from lib.store.errors import Unusable
from lib.store.series import ROOT

ONE_THREAD = dict.fromkeys(["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"], "1")
START = 600.0  # seconds in which a worker must have imported what its task needs


class Outcome(NamedTuple):
    """What became of one input: `value` where `kind` is "done", else `reason`."""

    index: int
    kind: Literal["done", "failed", "died", "late"]
    value: Any = None
    reason: str = ""


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run(task: Callable, inputs: Sequence[tuple], jobs: int | None = None, limit: float = 120.0) -> Iterator[Outcome]:
    """Outcomes of `task(*input)` for each input, as they come.

    `task` is a function of a module that workers can import; inputs and results must pickle. An input on which a
    process dies, or takes longer than `limit` seconds, is reported as "died" or "late". Wrap the iterator in
    `contextlib.closing`: leaving it early (Ctrl-C) then ends every process at once.
    """
    waiting = deque(enumerate(inputs))
    team: list[_Worker] = []
    try:
        while waiting or team:
            while waiting and len(team) < (jobs or cores()):
                team.append(_Worker(task, limit))
                team[-1].give(*waiting.popleft())
            patience = min(worker.deadline for worker in team) - time.monotonic()
            connection.wait([worker.pipe for worker in team], max(0.0, patience))
            for worker in list(team):
                outcome = worker.outcome()
                if outcome is None:
                    continue
                if outcome.kind in ("done", "failed") and waiting:
                    worker.give(*waiting.popleft())
                else:
                    team.remove(worker)
                    worker.stop()
                yield outcome  # last: who asked may take its time, and the worker is busy meanwhile
    finally:
        for worker in team:
            worker.stop()


class _Worker:
    """One child process, its pipe, and the input that it is busy with."""

    def __init__(self, task: Callable, limit: float) -> None:
        self.limit = limit
        self.pipe, child_end = connection.Pipe()
        self.process = subprocess.Popen(
            [sys.executable, "-c", f"from lib.store.engine import _serve; _serve({child_end.fileno()})"],
            pass_fds=[child_end.fileno()], cwd=ROOT, env=os.environ | ONE_THREAD,
            stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        child_end.close()
        self._send(task)

    def _send(self, message: Any) -> None:
        try:
            self.pipe.send(message)
        except OSError:
            pass  # it is dead already: `outcome` will find out how

    def give(self, index: int, arguments: tuple) -> None:
        self.index, self.deadline = index, time.monotonic() + START
        self._send(arguments)

    def outcome(self) -> Outcome | None:
        """What became of the current input; None while the process is busy."""
        try:
            if self.pipe.poll():
                answer = self.pipe.recv()
                if answer is not None:
                    return Outcome(self.index, *answer)
                self.deadline = time.monotonic() + self.limit  # it begins
        except (EOFError, OSError):
            code = self.process.wait()
            reason = f"signal {-code}, {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
            return Outcome(self.index, "died", reason=f"the process that read it died ({reason})")
        if time.monotonic() > self.deadline:
            return Outcome(self.index, "late", reason=f"took longer than {self.limit:g} s")
        return None

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        self.pipe.close()


def _serve(handle: int) -> None:
    """The life of a worker: for arguments from the pipe say that it begins, call the task, answer."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent ends its workers
    threading.Thread(target=_end_with_parent, args=[handle], daemon=True).start()
    pipe = connection.Connection(handle)
    task = pipe.recv()  # which imports its module
    while True:
        try:
            arguments = pipe.recv()
        except EOFError:
            return
        pipe.send(None)
        try:
            answer = "done", task(*arguments)
        except Unusable as error:
            answer = "failed", None, str(error)
        except Exception as error:
            answer = "failed", None, f"{type(error).__name__}: {error}"
        pipe.send(answer)


def _end_with_parent(handle: int) -> None:
    """End this process when the other end of its pipe has gone, whatever it is busy with: who is killed ends nobody."""
    other_end = select.poll()
    other_end.register(handle, 0)  # of nothing but its loss
    other_end.poll()
    os._exit(1)
