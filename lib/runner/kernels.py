"""Kernels of this interpreter, that start in no time and die with the runner.

The imports of the eleven notebooks cost 35 s of CPU, kernel by kernel; once for all, 4 s. Two at once, on two cores,
that is 15 s of a run (reckoned, not timed). So kernels are copies of one process that has imported them: the standard
library's fork server. Nothing that it imports may start threads or use the GPU: neither survives a fork.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import threading
from multiprocessing import connection, forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from lib.store import engine, remembering, runs
from lib.store.series import PRELOADED, ROOT


class Kernels:
    """Kernels of this interpreter, talking through sockets in a short temporary folder, that die with the runner.

    They are born with `modules` imported (those of the first `Kernels` of this process, which starts the server).
    """

    def __init__(self, modules: tuple[str, ...] = PRELOADED) -> None:
        short = None if len(tempfile.gettempdir()) < 40 else "/tmp"  # a socket's path has about 100 characters
        self.folder = Path(tempfile.mkdtemp(prefix="lg-", dir=short))
        self.running: set[BaseProcess] = set()
        self.closed = False
        self._lock = threading.Lock()
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([*modules, "ipykernel.kernelapp"])
        before = dict(os.environ)
        os.environ.update(self.environment())  # some of it counts when Python starts, or NumPy is imported
        try:
            forkserver.ensure_running()
        finally:
            os.environ.clear()
            os.environ.update(before)

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
                return self.process.exitcode if self.process else 0

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
        """A new kernel; raises RuntimeError when the runner is stopping, or no kernel can be started."""
        environment = os.environ | self.environment()
        process = self._context.Process(target=_kernel, args=(connection_file, cwd, environment))
        with self._lock:
            if self.closed:
                raise RuntimeError("the runner is stopping")
            try:
                process.start()
            except (OSError, EOFError) as error:
                raise RuntimeError("kernels cannot be started: is the environment complete? (make env)") from error
            self.running.add(process)
        return process

    def end(self, process: BaseProcess) -> None:
        """Kill a kernel and what it has left behind."""
        with self._lock:
            self.running.discard(process)
        _signal(process, signal.SIGKILL)

    def kill(self) -> None:
        """Kill every kernel at once, and start no more."""
        with self._lock:
            self.closed = True
            for process in self.running:
                _signal(process, signal.SIGKILL)
                process.kill()  # if it does not lead its group yet

    def close(self) -> None:
        """Remove the temporary folder, when all kernels have ended."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _signal(process: BaseProcess, number: int) -> None:
    """Send a signal to a kernel and what it has started; nothing happens when they have ended."""
    with contextlib.suppress(OSError):
        os.killpg(process.pid, number)


def _kernel(connection_file: str, cwd: str, environment: dict[str, str]) -> None:
    """The life of a kernel, which leads a process group of its own."""
    os.setsid()
    os.chdir(cwd)
    os.environ.update(environment)
    threading.Thread(target=_end_with_runner, args=[Path(connection_file).parent], daemon=True).start()
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
