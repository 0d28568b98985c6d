"""Running the series: which notebooks need a run, in what order, each in a kernel of its own.

One driver executes the notebooks through papermill, `jobs` at once. A notebook's key is a hash of everything its
results follow from; a notebook whose last successful run has the same key is skipped. What happened is written to the
run folder's `run.json` after every notebook, so that a killed run carries on where it stopped.

A notebook starts when those that it needs are done, or have gone past a cell tagged `written`: from there on they write
nothing that others read.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from lib.corpora import registry
from lib.runner import keys, notebook
from lib.runner.kernels import Kernels
from lib.runner.notebook import Failed
from lib.runner.request import Request
from lib.store import files, runs
from lib.store.errors import Problem
from lib.store.series import Series
from lib.store.settings import Settings


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
        registry.open(settings)  # a wrong folder is said here, before anything is written or a kernel started
    for text in only or []:
        series.find(text)
    runs.claim_folder(folder, settings, replace=force)
    found, before = keys.keys(series, request), runs.read_record(folder)
    current = keys.up_to_date(folder, found, before)
    names, extra = keys.choose(series, only or [], current, force)
    values = {name: getattr(request, name) for name in ("profile", "corpus", "source", "lyrics", "out", "settings")}
    for name in names:
        notebook.check_notebook(series.path(name), list(values))
    watcher.planned(names, extra, current - set(names))

    entries = {name: before.get("notebooks", {}).get(name, {"status": "not run"}) for name in series.order()}
    entries |= {name: {"status": "not run"} for name in names}
    record = {
        "status": "running", "started": time.time(), "seconds": 0.0, "jobs": jobs, "ran": names,
        "settings": json.loads(settings.model_dump_json()), "versions": keys.versions(), "seeds": _seeds(settings),
        "notebooks": entries,
    }
    if not names:
        record |= {name: before[name] for name in ("status", "started", "seconds", "jobs")}

    def save() -> None:
        for name, entry in entries.items():
            entry["current"] = entry["status"] == "done" and entry["key"] == found[name]
        files.write_text(folder / "run.json", json.dumps(record, indent=1))

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
        notebook.execute(series.path(name), target, values, manager_class, lambda i, n: watcher.cell(name, i, n),
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
                openings = runs.load_records(folder).get(name, {}).get("label_openings", [])
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
