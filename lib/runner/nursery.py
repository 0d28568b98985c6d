"""Where the runner's kernels are born: one process that has imported what notebooks import, and forks.

Importing torch, scikit-learn and the rest costs each kernel some seconds; a copy of a process that has them costs none.
The same process kills the kernels (and what they started) that are still there when the runner has gone, whatever way
it went. It is started by `lib.runner.kernels` with the kernels' environment, and reads one JSON object per line:

    {"start": CONNECTION_FILE, "cwd": FOLDER}   answered with {"started": PID}, later {"ended": PID, "status": CODE}
    {"end": PID}                                kills what that kernel has left behind

A kernel leads a process group of its own, which bears its number. At the end of the input, all groups are killed.
Nothing that is imported here may start threads or use the GPU: neither survives a fork.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import select
import shutil
import signal
import sys
from typing import Any


def main(folder: str, modules: list[str]) -> None:
    """Serve until standard input ends; then kill all kernels and remove `folder`."""
    for name in [*modules, "ipykernel.kernelapp"]:
        with contextlib.suppress(ImportError):  # a notebook that needs it will say so
            importlib.import_module(name)
    gc.freeze()
    groups: set[int] = set()
    waiting, alive = "", 0
    while True:
        ready, _, _ = select.select([0], [], [], 0.05)
        while alive:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                break
            alive -= 1
            _say({"ended": pid, "status": os.waitstatus_to_exitcode(status)})
        if not ready:
            continue
        data = os.read(0, 65536).decode()
        if not data:
            break
        *lines, waiting = (waiting + data).split("\n")
        for line in lines:
            told = json.loads(line)
            if "start" in told:
                group = _fork(told["start"], told["cwd"])
                groups.add(group)
                alive += 1
                _say({"started": group})
            else:
                groups.discard(told["end"])
                _kill(told["end"])
    for group in groups:
        _kill(group)
    shutil.rmtree(folder, ignore_errors=True)


def _say(message: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):
        os.write(1, (json.dumps(message) + "\n").encode())


def _kill(group: int) -> None:
    with contextlib.suppress(OSError):
        os.killpg(group, signal.SIGKILL)


def _fork(connection_file: str, cwd: str) -> int:
    """Start a kernel; it leads its group by the time this returns."""
    told, tell = os.pipe()
    child = os.fork()
    if child:
        os.close(tell)
        os.read(told, 1)  # ends when the child closes its side
        os.close(told)
        return child
    try:
        os.setsid()
        os.chdir(cwd)
        null = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(null, number)
        for number in (told, tell, null):
            os.close(number)
        from ipykernel.kernelapp import IPKernelApp

        sys.argv = ["ipykernel_launcher", "-f", connection_file]
        sys.path[0] = ""  # as for `python -m ipykernel_launcher`
        IPKernelApp.launch_instance()
    finally:
        os._exit(1)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
