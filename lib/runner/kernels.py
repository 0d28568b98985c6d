"""Kernels of this interpreter, that start in no time and die with the runner.

The imports of the eleven notebooks cost 35 s of CPU, kernel by kernel; once for all, 4 s. Two at once, on two cores,
that is 15 s of a run (reckoned, not timed). So kernels are copies of one process that has imported them: the standard
library's fork server. Nothing that it imports may start threads or use the GPU: neither survives a fork.

The fork server, its socket and those of the kernels live in a temporary folder of this process, which it locks: one
that nobody locks was left by a runner that was killed, and goes.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from multiprocessing import connection, forkserver, resource_tracker, util
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NoReturn

from filelock import FileLock, Timeout

from lib.store import engine, files, remembering, runs
from lib.store.errors import Problem
from lib.store.series import PRELOADED, ROOT

ENDED_UNSEEN = 255  # exit code of a process whose fork server has gone
HOME = "latent-genre-"
NEW = "new-"  # before its name, while nobody may have locked it yet: for milliseconds, never as long as
UNLOCKED = 60.0  # seconds


class Kernels:
    """Kernels of this interpreter, talking through sockets in a short temporary folder, that die with the runner.

    They are born with `modules` imported (those of the first `Kernels` of this process, which starts the server).
    """

    def __init__(self, modules: tuple[str, ...] = PRELOADED) -> None:
        self.folder = Path(tempfile.mkdtemp(dir=_home()))
        self.running: set[BaseProcess] = set()
        self.closed, self.server_lost = False, False
        self._lock = threading.Lock()
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([*modules, "ipykernel.kernelapp"])
        self._serve()

    def _serve(self) -> None:
        """Start the fork server, if it does not run (any more).

        It is born with Ctrl-C blocked, which reaches all processes of a terminal, and a server that is still importing
        would answer with a traceback.
        """
        resource_tracker.ensure_running()  # lifts the block when it starts
        before, blocked = dict(os.environ), signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        os.environ.update(self.environment())  # some of it counts when Python starts, or NumPy is imported
        usual, tempfile.tempdir = tempfile.tempdir, str(_home())  # where the server's socket will be
        try:
            forkserver.ensure_running()
        finally:
            tempfile.tempdir = usual
            os.environ.clear()
            os.environ.update(before)
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)

    def environment(self) -> dict[str, str]:
        """What kernels see beside the runner's own environment."""
        inherited = os.environ.get("PYTHONPATH")
        return engine.ONE_THREAD | {
            "NUMBA_CACHE_DIR": str(runs.numba_folder()),
            remembering.IN_RUN: "1",
            "PYTHONHASHSEED": "0",
            "PYTHONPATH": os.pathsep.join([str(ROOT), *([inherited] if inherited else [])]),
            "IPYTHONDIR": str(self.folder / "ipython"),  # no start-up files of the user's
            "MPLBACKEND": "module://matplotlib_inline.backend_inline",  # as a kernel would set it
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        }

    def manager_class(self) -> type:
        """A kernel manager class for nbclient, whose kernels are born and ended here."""
        from jupyter_client.kernelspec import KernelSpec
        from jupyter_client.manager import AsyncKernelManager
        from jupyter_client.provisioning import LocalProvisioner

        kernels, numbers = self, itertools.count()
        spec = KernelSpec(argv=["{connection_file}"], display_name="Python 3", language="python")

        class Provisioner(LocalProvisioner):
            async def launch_kernel(self, cmd: list[str], **options: Any) -> dict[str, Any]:
                self.process = kernels.start(cmd[0], str(options.get("cwd") or ROOT))
                self.pid = self.process.pid
                return self.connection_info

            async def poll(self) -> int | None:
                code = self.process.exitcode if self.process else 0
                kernels.server_lost |= code == ENDED_UNSEEN and files.is_running(self.process.pid)
                return code

            async def wait(self) -> None:
                while await self.poll() is None:
                    await asyncio.sleep(0.02)

            async def send_signal(self, signum: int) -> None:
                _signal(self.process, signum)

            async def cleanup(self, restart: bool = False) -> None:
                if self.process:
                    kernels.end(self.process)

        class Manager(AsyncKernelManager):
            def __init__(self, **options: Any) -> None:
                path = kernels.folder / f"{next(numbers)}.json"
                super().__init__(**options, transport="ipc", connection_file=str(path), shutdown_wait_time=1.0)
                self.provisioner = Provisioner(kernel_id=path.stem, kernel_spec=spec, parent=self)

            @property
            def kernel_spec(self) -> KernelSpec:
                return spec

        return Manager

    def start(self, connection_file: str, cwd: str) -> BaseProcess:
        """A new kernel; raises RuntimeError when the runner is stopping, and `Problem` if none can be started."""
        environment = os.environ | self.environment()
        process = self._context.Process(target=_kernel, args=(connection_file, cwd, environment))
        with self._lock:
            if self.closed:
                raise RuntimeError("the runner is stopping")
            try:
                self._serve()
                process.start()
            except (OSError, EOFError) as error:
                raise Problem("no kernel can be started, since the process that starts them ended while it imported "
                              "what notebooks need: killed from outside, out of memory, or the environment is not "
                              "complete (make env)") from error
            self.running.add(process)
        return process

    def end(self, process: BaseProcess) -> None:
        """Kill a kernel and what it has left behind."""
        with self._lock:
            self.running.discard(process)
        _signal(process, signal.SIGKILL)

    def why_dead(self, *folders: Path) -> str:
        """What to say of a kernel that died while it wrote to `folders`, of what is known: one line."""
        if self.server_lost:
            return "the process that starts the kernels was killed, from outside or for want of memory, and they ended"
        full = [folder for folder in folders if files.has_no_room(folder)]
        if full:
            return f"its kernel died, and the disk of {full[0]} is full: free some space there"
        return "its kernel died: killed from outside, or out of memory"

    def kill(self, server: bool = False) -> None:
        """Kill every kernel at once, and start no more; with `server`, who waits for one to start waits no longer."""
        self.closed = True
        if server:
            _end_server()
        while not self._lock.acquire(timeout=0.1):  # held by who waits for a server, perhaps for a new one
            if server:
                _end_server()
        try:
            for process in self.running:
                _signal(process, signal.SIGKILL)
                process.kill()  # if it does not lead its group yet
        finally:
            self._lock.release()

    def close(self) -> None:
        """Remove the temporary folder, when all kernels have ended."""
        shutil.rmtree(self.folder, ignore_errors=True)


def sweep() -> None:
    """Remove what runners that were killed have left in the temporary folder."""
    for left in Path(_temporary()).glob(f"*{HOME}*"):
        with contextlib.suppress(Timeout, OSError), FileLock(left / "lock", timeout=0):
            if not left.name.startswith(NEW) or left.stat().st_mtime < time.time() - UNLOCKED:
                shutil.rmtree(left, ignore_errors=True)


def _temporary() -> str:
    short = tempfile.gettempdir()
    return short if len(short) < 40 else "/tmp"  # a socket's path has about 100 characters


@functools.cache
def _home() -> Path:
    """The temporary folder of this process, made on first use, and removed at its end or by whoever starts later."""
    sweep()
    made = Path(tempfile.mkdtemp(prefix=NEW + HOME, dir=_temporary()))
    lock = FileLock(made / "lock")
    lock.acquire()
    home = made.rename(made.with_name(made.name.removeprefix(NEW)))  # locked from the first moment
    util.Finalize(None, _leave_home, [home, lock], exitpriority=-200)  # after the server's socket has gone
    return home


def _leave_home(home: Path, lock: FileLock) -> None:
    shutil.rmtree(home, ignore_errors=True)
    lock.release()


def end_process(code: int) -> NoReturn:
    """End this process at once, whatever its threads wait for, once the kernels are dead."""
    shutil.rmtree(_home(), ignore_errors=True)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _end_server() -> None:
    """Kill the fork server of this process."""
    pid = getattr(forkserver._forkserver, "_forkserver_pid", None)
    if pid:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)


def _signal(process: BaseProcess, number: int) -> None:
    """Send a signal to a kernel and what it has started; nothing happens when they have ended."""
    with contextlib.suppress(OSError):
        os.killpg(process.pid, number)


def _kernel(connection_file: str, cwd: str, environment: dict[str, str]) -> None:
    """The life of a kernel, which leads a process group of its own."""
    os.setsid()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    os.chdir(cwd)
    os.environ.update(environment)
    threading.Thread(target=_end_with_runner, args=[Path(connection_file).parents[1]], daemon=True).start()
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    from ipykernel.kernelapp import IPKernelApp

    sys.argv = ["ipykernel_launcher", "-f", connection_file]
    sys.path.insert(0, "")  # as for `python -m ipykernel_launcher`
    IPKernelApp.launch_instance()


def _end_with_runner(folder: Path) -> None:
    """When the runner has gone, whatever way it went, end this kernel and what it has started."""
    connection.wait([multiprocessing.parent_process().sentinel])
    shutil.rmtree(folder, ignore_errors=True)
    os.killpg(0, signal.SIGKILL)
