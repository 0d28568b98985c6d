"""A task run over many inputs in several processes, where a crash or a hang costs one input.

Each worker is a plain child with a pipe of its own, so one can be killed and replaced. `pebble.ProcessPool` (5.2) was
tried in its place and is no slower: features of 60 clips, eleven turns on a busy machine, pebble ahead in seven (best
turns 98 against 115 ms a clip; in the last four, since workers here no longer wait for who asked, two each). But its
workers share one pipe and its locks, so it cannot say for sure whose input a process died of: of three runs of 200
inputs beside eight busy loops, every fourth input ending its process, one blamed a healthy input and one lost 53; ours
lost none in four. And a process killed while it answered cost all inputs then left, seven of ten, in two minutes.

Where the environment names a cluster (`lib.store.cluster`), its machines do the work, each in such processes.
"""

from __future__ import annotations

import os
import pickle
import select
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from multiprocessing import connection
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

from lib.store.errors import Problem, Unusable
from lib.store.series import ROOT

K, T = TypeVar("K", bound=Hashable), TypeVar("T")

ONE_THREAD = dict.fromkeys(["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"], "1")
START = 600.0  # seconds in which a worker must have imported what its task needs
LOOK = 5.0  # seconds between two looks at the clock, at most
DAYS = 1e6  # seconds: no limit
CLUSTER = "LATENT_GENRE_CLUSTER"  # in the environment: see `lib.store.cluster`


class Outcome(NamedTuple):
    """What became of one input: `value` where `kind` is "done", else `reason`."""

    index: int
    kind: Literal["done", "failed", "died", "late"]
    value: Any = None
    reason: str = ""


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def elsewhere() -> bool:
    """Does work go to a cluster?"""
    return bool(os.environ.get(CLUSTER))


def run(task: Callable, inputs: Sequence[tuple], jobs: int | None = None, limit: float = 120.0,
        seen: Sequence[Path] = ()) -> Iterator[Outcome]:
    """Outcomes of `task(*input)` for each input, as they come.

    `task` is a function of a module that workers can import; inputs and results must pickle. An input on which a
    process dies, or takes longer than `limit` seconds, is reported as "died" or "late"; a `Problem` in a task is raised
    here. Wrap the iterator in `contextlib.closing`: leaving it early (Ctrl-C) then ends every process at once.

    On a cluster as many work as there are, whatever `jobs` says; `seen` are paths that the machines of one must see.
    """
    if elsewhere():
        from lib.store import cluster

        return cluster.run(task, inputs, limit, seen)
    return here(task, inputs, jobs, limit)


def call(task: Callable[..., T], *args: Any, seen: Sequence[Path] = ()) -> T:
    """What `task(*args)` returns: in this process, or on a machine of the cluster."""
    if not elsewhere():
        return task(*args)
    with closing(run(task, [args], limit=DAYS, seen=seen)) as outcomes:
        outcome = next(outcomes)
    if outcome.kind != "done":
        raise Problem(f"work on the cluster failed: {outcome.reason}; the same command carries on")
    return outcome.value


def together(calls: Mapping[K, Callable[[], T]]) -> dict[K, T]:
    """What each of these calls returns: one after another, or at once where what they `call` is done on a cluster."""
    if not elsewhere():
        return {name: one() for name, one in calls.items()}
    from lib.store import cluster

    cluster.connected()  # before several threads do
    with ThreadPoolExecutor(max(1, len(calls))) as pool:
        return dict(zip(calls, pool.map(lambda one: one(), calls.values()), strict=True))


def here(task: Callable, inputs: Sequence[tuple], jobs: int | None = None, limit: float = 120.0) -> Iterator[Outcome]:
    """`run` in processes of this machine, whether there is a cluster or not."""
    waiting = deque(enumerate(inputs))
    team: list[Worker] = []

    def give(worker: Worker) -> None:
        index, arguments = waiting.popleft()
        worker.give(index, pickle.dumps((task, arguments)), limit)

    try:
        while waiting or team:
            while waiting and len(team) < (jobs or cores()):
                team.append(Worker(os.environ))
                give(team[-1])
            _listen(team)
            for worker in list(team):
                outcome = worker.outcome()
                if outcome is None:
                    continue
                if outcome.kind in ("done", "failed") and waiting:
                    give(worker)
                else:
                    team.remove(worker)
                    worker.stop()
                yield outcome  # last: who asked may take its time, and the worker is busy meanwhile
    finally:
        for worker in team:
            worker.stop()


class Worker:
    """One child process with this environment, its pipe, and the input that it is busy with."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.pipe, child_end = connection.Pipe()
        self.process = subprocess.Popen(
            [sys.executable, "-c", f"from lib.store.engine import _serve; _serve({child_end.fileno()})"],
            pass_fds=[child_end.fileno()], cwd=ROOT, env={**environment} | ONE_THREAD,
            stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        child_end.close()

    def give(self, index: int, message: bytes, limit: float) -> None:
        """Hand it an input: the pickled task and arguments, and its seconds."""
        self.index, self.limit, self.deadline = index, limit, time.monotonic() + START
        try:
            self.pipe.send_bytes(message)
        except OSError:
            pass  # it is dead already: `outcome` will find out how

    def outcome(self) -> Outcome | None:
        """What became of the current input; None while the process is busy. Raises the `Problem` of a task."""
        try:
            if self.pipe.poll():
                answer = self.pipe.recv()
                if answer is not None and answer[0] == "problem":
                    raise Problem(answer[2])
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

    def wait(self) -> Outcome:
        """What has become of the current input, when it has."""
        while (outcome := self.outcome()) is None:
            _listen([self])
        return outcome

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        self.pipe.close()


def _listen(team: Sequence[Worker]) -> None:
    """Wait until one of the workers has said something, is late, or a look at the clock is due. While this process is
    stopped (Ctrl-Z), so are they, and no time passes for them."""
    before = time.monotonic()
    patience = min(max(0.0, min(worker.deadline for worker in team) - before), LOOK)
    connection.wait([worker.pipe for worker in team], patience)
    stopped = time.monotonic() - before - patience
    if stopped > LOOK:
        for worker in team:
            worker.deadline += stopped


def _serve(handle: int) -> None:
    """The life of a worker: for arguments from the pipe say that it begins, call the task, answer."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent ends its workers
    threading.Thread(target=_end_with_parent, args=[handle], daemon=True).start()
    pipe = connection.Connection(handle)
    while True:
        try:
            task, arguments = pipe.recv()  # which imports the task's module
        except EOFError:
            return
        pipe.send(None)
        try:
            answer = "done", task(*arguments)
        except Unusable as error:
            answer = "failed", None, str(error)
        except Problem as error:
            answer = "problem", None, str(error)
        except Exception as error:
            answer = "failed", None, f"{type(error).__name__}: {error}"
        pipe.send(answer)


def _end_with_parent(handle: int) -> None:
    """End this process when the other end of its pipe has gone, whatever it is busy with: who is killed ends nobody."""
    other_end = select.poll()
    other_end.register(handle, 0)  # of nothing but its loss
    other_end.poll()
    os._exit(1)
