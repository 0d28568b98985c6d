"""Kernels of this interpreter, that start in no time and die with the runner."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib.runner import keys
from lib.store import engine, remembering, runs
from lib.store.series import PRELOADED, ROOT


class Kernels:
    """Kernels of this interpreter, talking through sockets in a short temporary folder, that die with the runner.

    They are copies of one process, `lib.runner.nursery`, that has imported `modules` already.
    """

    def __init__(self, modules: tuple[str, ...] = PRELOADED) -> None:
        short = None if len(tempfile.gettempdir()) < 40 else "/tmp"  # a socket's path has about 100 characters
        self.folder = Path(tempfile.mkdtemp(prefix="lg-", dir=short))
        self.numbers = itertools.count()
        self.running: set[int] = set()
        self.ended: dict[int, int] = {}  # exit status by kernel
        self.closed = False
        self._lock, self._starting = threading.Lock(), threading.Lock()
        self._born: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._nursery = subprocess.Popen(
            [sys.executable, "-m", "lib.runner.nursery", str(self.folder), *modules], cwd=ROOT, text=True,
            env=os.environ | self.environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
        )
        threading.Thread(target=self._listen, daemon=True).start()

    def environment(self) -> dict[str, str]:
        """What kernels see beside the runner's own environment."""
        inherited = os.environ.get("PYTHONPATH")
        return engine.ONE_THREAD | {
            "NUMBA_CACHE_DIR": str(runs.numba_folder()),
            remembering.CODE: keys.code(),
            "PYTHONHASHSEED": "0",
            "PYTHONPATH": os.pathsep.join([str(ROOT), *([inherited] if inherited else [])]),
            "IPYTHONDIR": str(self.folder / "ipython"),  # no start-up files of the user's
            "MPLBACKEND": "module://matplotlib_inline.backend_inline",  # as a kernel would set it
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        }

    def manager_class(self) -> type:
        """A kernel manager class for nbclient, whose kernels are born and counted here."""
        from jupyter_client.kernelspec import KernelSpec
        from jupyter_client.manager import AsyncKernelManager
        from jupyter_client.provisioning import LocalProvisioner

        kernels = self
        spec = KernelSpec(argv=["{connection_file}"], display_name="Python 3", language="python")

        class Provisioner(LocalProvisioner):
            async def launch_kernel(self, cmd: list[str], **options: Any) -> dict[str, Any]:
                self.process = kernels.start(cmd[0], str(options.get("cwd") or ROOT))
                self.pid = self.pgid = self.process.pid
                return self.connection_info

        class Manager(AsyncKernelManager):
            def __init__(self, **options: Any) -> None:
                path = kernels.folder / f"{next(kernels.numbers)}.json"
                super().__init__(**options, transport="ipc", connection_file=str(path), shutdown_wait_time=1.0)
                self.provisioner = Provisioner(kernel_id=path.stem, kernel_spec=spec, parent=self)

            @property
            def kernel_spec(self) -> KernelSpec:
                return spec

            async def cleanup_resources(self, restart: bool = False) -> None:
                if self.provisioner.pid:
                    kernels.end(self.provisioner.pid)
                await super().cleanup_resources(restart)

        return Manager

    def start(self, connection_file: str, cwd: str) -> _Kernel:
        """A new kernel; raises RuntimeError when the runner is stopping, or no kernel can be started."""
        with self._starting:
            with self._lock:
                if self.closed:
                    raise RuntimeError("the runner is stopping")
                self._tell(start=connection_file, cwd=cwd)
            pid = self._born.get()
        if pid is None:
            self._born.put(None)  # for whoever asks next
            raise RuntimeError("kernels cannot be started: is the environment complete? (make env)")
        with self._lock:
            self.running.add(pid)
            if self.closed:
                _kill_group(pid)
        return _Kernel(pid, self.ended)

    def end(self, group: int) -> None:
        """Kill what a kernel has left behind: its process group bears its number."""
        with self._lock:
            if group in self.running:
                self.running.discard(group)
                self._tell(end=group)

    def _listen(self) -> None:
        for line in self._nursery.stdout:
            told = json.loads(line)
            if "ended" in told:
                self.ended[told["ended"]] = told["status"]
            else:
                self._born.put(told["started"])
        with self._lock:  # nobody is left to say when a kernel ends, and no other can start
            for pid in self.running:
                _kill_group(pid)
                self.ended.setdefault(pid, -signal.SIGKILL)
        self._born.put(None)

    def _tell(self, **message: Any) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._nursery.stdin.write(json.dumps(message) + "\n")
            self._nursery.stdin.flush()

    def kill(self) -> None:
        """Kill every kernel at once, and start no more."""
        with self._lock:
            self.closed = True
            for group in self.running:
                _kill_group(group)

    def close(self) -> None:
        """End the nursery, which kills what is left and removes the temporary folder."""
        with contextlib.suppress(OSError):
            self._nursery.stdin.close()
        self._nursery.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass(frozen=True)
class _Kernel:
    """A kernel's process, as jupyter_client wants to handle it (like `subprocess.Popen`); its parent is the nursery."""

    pid: int
    ended: dict[int, int]
    stdin = stdout = stderr = None

    def poll(self) -> int | None:
        """Exit status, None while it runs."""
        return self.ended.get(self.pid)

    def wait(self) -> int:
        """Exit status, when it has ended."""
        while self.poll() is None:
            time.sleep(0.02)
        return self.ended[self.pid]

    def send_signal(self, number: int) -> None:
        """Send a signal; nothing happens when the process has ended."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)


def _kill_group(group: int) -> None:
    with contextlib.suppress(OSError):
        os.killpg(group, signal.SIGKILL)
