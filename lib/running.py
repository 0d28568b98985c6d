"""Running the series: which notebooks need a run, in what order, each in a kernel of its own.

One driver executes the notebooks through papermill, `jobs` at once. A notebook's key is a hash of everything its
results follow from; a notebook whose last successful run has the same key is skipped. What happened is written to the
run folder's `run.json` after every notebook, so that a killed run carries on where it stopped.

A notebook starts when those that it needs are done, or have gone past a cell tagged `written`: from there on they write
nothing that others read.
"""

from __future__ import annotations

import ast
import contextlib
import itertools
import json
import logging
import os
import platform
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from importlib import metadata
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from lib import artifacts, corpora, memory, parameters, workers
from lib.errors import Problem
from lib.labels import ARRAY_FILES
from lib.parameters import Settings, digest
from lib.series import APPENDICES, NEEDS, NOTEBOOKS, ROOT

# Of the notebooks that could start, these start first: what the longest, 09, waits for, then what can run beside it.
FIRST = (
    "03_baselines", "07_cvae", "04_vae", "05_beta_vae", "09_cvae_latent_space", "06_conv_vae", "02_lyrics_embeddings",
)

NEEDS_SOURCE = {
    "folder": "a folder with one sub-folder of audio files per label",
    "gtzan_logmel": "the .npz file of log-mel spectrograms",
    "latents": "a folder of .npy arrays, one row per track, with their labels in y.npy",
}


@dataclass(frozen=True)
class Series:
    """The notebooks that are run: their folder, what each needs, and which go first when several could."""

    folder: Path = NOTEBOOKS
    needs: dict[str, tuple[str, ...]] = field(default_factory=lambda: NEEDS)
    first: tuple[str, ...] = FIRST
    preloaded: tuple[str, ...] = field(default_factory=lambda: PRELOADED)

    def path(self, name: str) -> Path:
        return self.folder / f"{name}.ipynb"

    def order(self) -> list[str]:
        """Names in an order in which each comes after what it needs."""
        return list(TopologicalSorter(self.needs).static_order())

    def dependants(self, names: set[str]) -> set[str]:
        """`names` and every notebook that reads, directly or through others, what they write."""
        found = set(names)
        for name in self.order():
            if found & set(self.needs[name]):
                found.add(name)
        return found

    def find(self, text: str) -> str:
        """The notebook meant by a number, a name or the beginning of a name. Raises `Problem` if there is none."""
        wanted = Path(text).stem if text.endswith(".ipynb") else text
        wanted = wanted.zfill(2) if wanted.isdigit() else wanted
        matches = [name for name in self.needs if name.startswith(wanted)] if wanted else []
        for corpus, notebooks in APPENDICES.items():
            if not matches and wanted and any(name.startswith(wanted) for name in notebooks):
                raise Problem(f"--only {text}: that notebook is for somebody else's arrays; "
                              f"add --corpus {corpus} --source DIR")
        if len(matches) != 1 and wanted not in self.needs:
            others = [f"{name} (--corpus {corpus})" for corpus, notebooks in APPENDICES.items() for name in notebooks]
            raise Problem(f"--only {text}: {'several notebooks match' if matches else 'no such notebook'}; "
                          f"choose from {', '.join(sorted({*self.needs, *others}))}")
        return wanted if wanted in self.needs else matches[0]


@dataclass(frozen=True)
class Request:
    """What to run on: the notebooks' six parameters, with absolute paths. `check` makes one."""

    profile: str
    corpus: str
    source: str
    lyrics: str
    out: str
    settings: dict[str, Any]

    def checked(self) -> Settings:
        """The run's settings. Raises `Problem` when something is wrong with them."""
        return parameters.load(self.profile, self.corpus, self.source, self.lyrics, self.settings)

    @property
    def folder(self) -> Path:
        return Path(self.out)


def check(
    profile: str = "default",
    corpus: str = "controlled",
    source: str = "",
    lyrics: str = "",
    out: str = "",
    settings: dict[str, Any] | None = None,
) -> Request:
    """Check what the user asked for, make relative paths absolute, and choose the run's folder.

    Raises `Problem` for an unknown profile, corpus or setting, or a source or lyrics file that is needed and not there.
    """
    settings = settings or {}
    for name in ("profile", "corpus", "source", "lyrics"):
        if name in settings:
            raise Problem(f"--set {name}=...: say --{name} {settings[name]} instead")
    source, lyrics, out = (str(Path(p).expanduser().absolute()) if p else "" for p in (source, lyrics, out))
    found = parameters.load(profile, corpus, source, lyrics, settings)
    if corpus == "controlled" and (source or lyrics):
        raise Problem("the controlled corpus is composed by the program and reads no files: "
                      "add --corpus folder (or gtzan, gtzan_logmel, latents) to use your own")
    if corpus in NEEDS_SOURCE and not source:
        raise Problem(f"the corpus '{corpus}' needs --source PATH: {NEEDS_SOURCE[corpus]}")
    for option, path in (("--source", source), ("--lyrics", lyrics)):
        if path and not Path(path).exists():
            raise Problem(f"{option}: there is nothing at {path}; check the path")
    if corpus == "latents" and not any((Path(source) / name).is_file() for name in ARRAY_FILES):
        raise Problem(f"--source: no labels in {source}: put {ARRAY_FILES[0]} there, one label per row of the others")
    _check_cache()
    return Request(profile, corpus, source, lyrics, out or str(artifacts.default_folder(found)), settings)


def _check_cache() -> None:
    """Raises `Problem` unless results that all runs share can be kept."""
    folder = artifacts.cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise Problem(f"cannot keep anything in {folder}: {error.strerror or error}; the environment variable "
                      "LATENT_GENRE_CACHE can name another folder") from error


# --- what needs a run --------------------------------------------------------------------------------------------


def keys(series: Series, request: Request) -> dict[str, str]:
    """For each notebook a hash of all that its results follow from: sources, settings, input files, versions, needs."""
    shared = {
        "settings": request.checked().key(),
        "code": code(),
        "source": _fingerprint(request.source),
        "lyrics": _fingerprint(request.lyrics),
    }
    found: dict[str, str] = {}
    for name in series.order():
        needed = {need: found[need] for need in series.needs[name]}
        found[name] = digest({"shared": shared, "cells": _sources(series.path(name)), "needs": needed}, 16)
    return found


def code() -> str:
    """Hash of `lib`, of Python and of the packages that results depend on."""
    return digest([{str(p.relative_to(ROOT)): _hash_file(p) for p in _library_files()}, versions()], 16)


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that results depend on."""
    return {"python": platform.python_version()} | {name: metadata.version(name) for name in artifacts.PACKAGES}


def _library_files() -> list[Path]:
    """Files of lib that a notebook's numbers can depend on: not the report's, the runner's or the explorer's."""
    skipped = {ROOT / "lib" / name for name in ("running.py", "nursery.py", "explorer.py", "explorer.js")}
    return [
        path for path in sorted((ROOT / "lib").rglob("*"))
        if path.is_file() and path not in skipped and not {"__pycache__", "report"} & set(path.parts)
    ]


def _hash_file(path: Path) -> str:
    return digest(path.read_bytes().decode("utf-8", "replace"))


def _sources(path: Path) -> list[tuple[str, str]]:
    """Type and source of every cell; outputs, counters and metadata do not count."""
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        return [(cell["cell_type"], "".join(cell["source"])) for cell in cells]
    except OSError as error:
        raise Problem(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise Problem(f"{path} is not a notebook that can be read: repair it, or restore it with git") from None


def _fingerprint(path: str) -> list[tuple[str, int, int]]:
    """Relative paths, sizes and times of change of a file or of all files of a folder."""
    root = Path(path)
    if not path:
        return []
    files = [root] if root.is_file() else sorted(p for p in root.rglob("*") if p.is_file())
    return [(str(p.relative_to(root)), p.stat().st_size, p.stat().st_mtime_ns) for p in files]


def up_to_date(folder: Path, found: dict[str, str], record: dict[str, Any]) -> set[str]:
    """Notebooks whose last run succeeded with the key that they have now, and whose outputs are all still there."""
    current = set()
    for name, entry in record.get("notebooks", {}).items():
        outputs = [f"notebooks/{name}.ipynb", *entry.get("files", [])]
        if (
            entry.get("status") == "done"
            and entry.get("key") == found.get(name)
            and all((folder / output).is_file() for output in outputs)
        ):
            current.add(name)
    return current


def choose(series: Series, only: list[str], current: set[str], force: bool) -> tuple[list[str], list[str]]:
    """Which notebooks to run, in order, and which of them were not asked for but are needed first.

    Everything (or what is named in `only`) that is not `current`, or all of it with `force`; then, backwards, whatever
    those need and is not current.
    """
    asked = {series.find(text) for text in only} or set(series.needs)
    chosen = asked if force else asked - current
    for name in reversed(series.order()):
        if name in chosen:
            chosen = chosen | {need for need in series.needs[name] if need not in current}
    return [n for n in series.order() if n in chosen], [n for n in series.order() if n in chosen - asked]


def read_record(folder: Path) -> dict[str, Any]:
    """The folder's `run.json`; empty when there is none or it cannot be read."""
    try:
        return json.loads((folder / "run.json").read_text())
    except (OSError, ValueError):
        return {}


# --- kernels -----------------------------------------------------------------------------------------------------

# What the notebooks import, imported once for all of them
PRELOADED = (
    "numpy", "pandas", "scipy.stats", "sklearn.linear_model", "xarray", "torch", "matplotlib.pyplot", "seaborn",
    "lib.features", "lib.paradox", "lib.figures", "lib.multimodal", "lib.languages",
)


class Kernels:
    """Kernels of this interpreter, talking through sockets in a short temporary folder, that die with the runner.

    They are copies of one process, `lib.nursery`, that has imported `modules` already.
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
            [sys.executable, "-m", "lib.nursery", str(self.folder), *modules], cwd=ROOT, text=True,
            env=os.environ | self.environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
        )
        threading.Thread(target=self._listen, daemon=True).start()

    def environment(self) -> dict[str, str]:
        """What kernels see beside the runner's own environment."""
        inherited = os.environ.get("PYTHONPATH")
        return workers.ONE_THREAD | {
            "NUMBA_CACHE_DIR": str(artifacts.numba_folder()),
            memory.CODE: code(),
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


# --- one notebook ------------------------------------------------------------------------------------------------


WRITTEN = "written"  # tag of the cell after which a notebook writes nothing that others read


class Failed(Exception):
    """A notebook did not end well; the message is one line."""


def check_notebook(path: Path, names: list[str]) -> None:
    """Raises `Problem` unless the notebook can be read and its cell tagged `parameters` has every one of `names`.

    papermill itself would only warn.
    """
    _sources(path)
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    tagged = ["".join(cell["source"]) for cell in cells if "parameters" in cell["metadata"].get("tags", [])]
    try:
        statements = ast.parse("\n".join(tagged)).body
    except SyntaxError as error:
        raise Problem(f"the parameters cell of {path} is not Python: {error.msg}") from None
    known = {statement.target.id for statement in statements if isinstance(statement, ast.AnnAssign)}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise Problem(f"{path} has no parameter {', '.join(unknown)}: "
                      "add it, annotated, to the notebook's first code cell, the one tagged 'parameters'")


def execute(
    path: Path, target: Path, values: dict[str, Any], manager_class: type, on_cell: Callable[[int, int], None],
    on_written: Callable[[], None],
) -> None:
    """Run a notebook from its clean source and leave the executed one at `target`; `on_written` is called when it is
    past its cell tagged `written`, if it has one.

    On failure `target` stays as it was, what was executed is left beside it as `NAME.failed.ipynb`, and `Failed` is
    raised. Only the raised error decides: a killed kernel leaves a notebook that looks finished.
    """
    import nbformat
    import papermill
    from nbclient.exceptions import DeadKernelError

    logging.getLogger("papermill").setLevel(logging.CRITICAL)  # what goes wrong is said once, by the runner
    total = len(_sources(path))
    partial, failed = target.with_name(f".{target.stem}.part.ipynb"), target.with_name(f"{target.stem}.failed.ipynb")
    target.parent.mkdir(parents=True, exist_ok=True)
    cells = []

    def start_cell(cell: Any, cell_index: int) -> None:
        if cells and WRITTEN in cells[-1].metadata.get("tags", []):
            on_written()
        cells.append(cell)
        on_cell(cell_index + 1, total + 1)  # papermill adds one with the parameters

    try:
        papermill.execute_notebook(
            # papermill formats paths as templates
            *(str(p).replace("{", "{{").replace("}", "}}") for p in (path, partial)), values,
            kernel_name="python3", language="python", progress_bar=False, request_save_on_cell_execute=False,
            kernel_manager_class=manager_class, resources={"metadata": {"path": str(path.parent)}},
            on_cell_start=start_cell, coalesce_streams=True,
        )
    except papermill.PapermillExecutionError as error:
        os.replace(partial, failed)
        text = error.evalue if error.ename == "Problem" else f"{error.ename}: {error.evalue}"
        raise Failed(_first_line(text)) from error
    except Exception as error:
        nbformat.write(nbformat.v4.new_notebook(cells=cells), failed)
        if isinstance(error, DeadKernelError) or "Kernel died" in str(error):
            raise Failed("its kernel died: killed from outside, or out of memory") from error
        raise Failed(_first_line(f"{type(error).__name__}: {error}")) from error
    os.replace(partial, target)
    failed.unlink(missing_ok=True)


def _first_line(text: str) -> str:
    return next((line for line in text.splitlines() if line.strip()), "no message").strip()


# --- the run -----------------------------------------------------------------------------------------------------


class Watcher:
    """Told what happens during a run; the runner's displays derive from it. Called from several threads."""

    def planned(self, names: list[str], extra: list[str], current: set[str]) -> None:
        """What will run, which of it was not asked for, and what is up to date."""

    def started(self, name: str) -> None:
        """A notebook has started."""

    def cell(self, name: str, index: int, total: int) -> None:
        """A notebook is at cell `index` of `total`, from 1."""

    def finished(self, name: str, entry: dict[str, Any]) -> None:
        """A notebook has ended, or will not run; `entry` is its part of run.json."""


@contextlib.contextmanager
def only_runner(folder: Path) -> Iterator[None]:
    """Hold the folder for this runner. Raises `Problem` when another one is at work in it."""
    lock = FileLock(folder / ".runner.lock", timeout=0)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise Problem(f"another run_notebooks.py is at work in {folder}: "
                      "wait until it is done, or choose another folder with --out") from None
    except OSError as error:
        why = error.strerror or error
        raise Problem(f"cannot use the folder {folder}: {why}; choose another with --out") from error
    try:
        yield
    finally:
        lock.release()


def run_series(
    request: Request,
    series: Series | None = None,
    only: list[str] | None = None,
    jobs: int = 2,
    force: bool = False,
    watcher: Watcher | None = None,
) -> dict[str, Any]:
    """Run what needs a run and return the content of run.json, which lists in `ran` what this call was to run.

    The caller holds `only_runner(request.folder)`. Raises `Problem` before anything starts, and lets KeyboardInterrupt
    through once all kernels are dead and what was finished is recorded.
    """
    series, watcher = series or Series(), watcher or Watcher()
    settings, folder = request.checked(), request.folder
    if settings.corpus in ("folder", "gtzan_logmel"):
        corpora.open(settings)  # a wrong folder is said here, before anything is written or a kernel started
    for text in only or []:
        series.find(text)
    artifacts.claim_folder(folder, settings, replace=force)
    found, before = keys(series, request), read_record(folder)
    current = up_to_date(folder, found, before)
    names, extra = choose(series, only or [], current, force)
    values = {name: getattr(request, name) for name in ("profile", "corpus", "source", "lyrics", "out", "settings")}
    for name in names:
        check_notebook(series.path(name), list(values))
    watcher.planned(names, extra, current - set(names))

    entries = {name: before.get("notebooks", {}).get(name, {"status": "not run"}) for name in series.order()}
    entries |= {name: {"status": "not run"} for name in names}
    record = {
        "status": "running", "started": time.time(), "seconds": 0.0, "jobs": jobs, "ran": names,
        "settings": json.loads(settings.model_dump_json()), "versions": versions(), "seeds": _seeds(settings),
        "notebooks": entries,
    }
    if not names:
        record |= {name: before[name] for name in ("status", "started", "seconds", "jobs")}

    def save() -> None:
        for name, entry in entries.items():
            entry["current"] = entry["status"] == "done" and entry["key"] == found[name]
        artifacts.write_text(folder / "run.json", json.dumps(record, indent=1))

    save()
    if names:
        try:
            _run_all(series, names, jobs, folder, values, found, entries, save, watcher)
            record["status"] = "done" if all(entries[name]["status"] == "done" for name in names) else "failed"
        except BaseException:
            record["status"] = "stopped"
            raise
        finally:
            record["seconds"] = round(time.time() - record["started"], 2)
            save()
    return record


def _seeds(settings: Settings) -> dict[str, Any]:
    return {
        "headline": settings.seeds(settings.n_seeds), "sweep": settings.seeds(settings.n_seeds_sweep),
        "conv": settings.seeds(settings.n_seeds_conv), "clusterings per training seed": settings.n_cluster_seeds,
    }


def _run_all(
    series: Series, names: list[str], jobs: int, folder: Path, values: dict[str, Any], found: dict[str, str],
    entries: dict[str, dict[str, Any]], save: Callable[[], None], watcher: Watcher,
) -> None:
    """Run `names`, `jobs` at once, each after what it needs has been written; what needs a failed one is not run."""
    sorter = TopologicalSorter({name: [n for n in series.needs[name] if n in names] for name in names})
    sorter.prepare()
    priority = {name: i for i, name in enumerate([*series.first, *(n for n in names if n not in series.first)])}
    kernels = Kernels(series.preloaded)
    manager_class = kernels.manager_class()
    ready: list[str] = []
    working: dict[Future, tuple[str, dict[str, int]]] = {}
    writing: dict[Future, str] = {}  # done when the notebook is past its cell tagged `written`
    written: set[str] = set()

    def work(name: str, passed: Future) -> None:
        target = folder / "notebooks" / f"{name}.ipynb"
        execute(series.path(name), target, values, manager_class, lambda i, n: watcher.cell(name, i, n),
                lambda: passed.done() or passed.set_result(None))

    def finish(name: str, **entry: Any) -> None:
        entries[name] = entry
        save()
        watcher.finished(name, entry)

    pool = ThreadPoolExecutor(jobs)
    try:
        while sorter.is_active() or working:
            ready = sorted([*ready, *sorter.get_ready()], key=priority.__getitem__)
            if ready and len(working) < jobs:
                name = ready.pop(0)
                missing = [n for n in series.needs[name] if n not in written and entries[n]["status"] != "done"]
                if missing:
                    finish(name, status="not run", error=f"needs {', '.join(missing)}")
                    sorter.done(name)
                    continue
                entries[name] = {"status": "running", "key": found[name], "started": time.time()}
                save()
                watcher.started(name)
                writing[passed := Future()] = name
                working[pool.submit(work, name, passed)] = name, _store_files(folder)
                continue
            for future in wait([*working, *writing], return_when=FIRST_COMPLETED).done:
                if future in writing:
                    written.add(writing[future])
                    sorter.done(writing.pop(future))
                if future not in working:
                    continue
                name, files = working.pop(future)
                error = future.exception()
                if error is not None and not isinstance(error, Failed):
                    raise error
                entry = entries[name] | {"seconds": round(time.time() - entries[name]["started"], 2)}
                if error is None:
                    entry |= {"status": "done", "files": _written(folder, files)}
                else:
                    entry |= {"status": "failed", "error": str(error)}
                openings = artifacts.load_records(folder).get(name, {}).get("label_openings", [])
                finish(name, **entry, label_openings=[o for o in openings if o["time"] >= entry["started"]])
                if name not in written:
                    sorter.done(name)
                    writing = {passed: other for passed, other in writing.items() if other != name}
    finally:
        # After Ctrl-C kernels may be at work: kill them, then their threads end by themselves within a second or so.
        kernels.kill()
        pool.shutdown(wait=True, cancel_futures=True)
        kernels.close()


def _store_files(folder: Path) -> dict[str, int]:
    """Relative path and time of change of every stored artifact, and of the audit's report."""
    files = [*(folder / "store").rglob("[!.]*"), folder / "audit.json"]
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in files if path.is_file()}


def _written(folder: Path, before: dict[str, int]) -> list[str]:
    """Artifacts that are new or changed since `before`: the notebook's own, and those of one that ran beside it."""
    return sorted(name for name, changed in _store_files(folder).items() if before.get(name) != changed)
