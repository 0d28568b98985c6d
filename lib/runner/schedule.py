"""Running the series: which notebooks need a run, in what order, each in a kernel of its own.

One driver executes the notebooks through papermill, `jobs` at once. A notebook's key is a hash of everything its
results follow from; a notebook whose last successful run has the same key is skipped. What happened is written to the
run folder's `run.json` after every notebook, so that a killed run carries on where it stopped.

A notebook starts when those that it needs are done, or have gone past a cell tagged `written`: from there on they write
nothing that others read.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from graphlib import TopologicalSorter
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from filelock import FileLock, Timeout

from lib.corpora import registry
from lib.runner import keys, notebook
from lib.runner.kernels import Kernels, sweep
from lib.runner.notebook import Failed
from lib.runner.request import Request
from lib.store import files, remembering, runs
from lib.store.errors import Problem
from lib.store.origin import origin
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
        raise files.refused(folder, error) from error
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
    if settings.corpus in ("folder", "gtzan_logmel", "log_mel"):
        registry.open(settings)  # a wrong folder is said here, before anything is written or a kernel started
    for text in only or []:
        series.find(text)
    files.remove_unfinished(folder, runs.cache_folder())
    sweep()
    runs.claim_folder(folder, settings, replace=force)
    found, before = keys.keys(series, request), runs.read_record(folder)
    current = keys.up_to_date(folder, found, before)
    names, extra = keys.choose(series, only or [], current, force)
    values = {field.name: getattr(request, field.name) for field in dataclasses.fields(request)}
    for name in names:
        notebook.check_notebook(series.path(name), list(values))
    watcher.planned(names, extra, current - set(names))
    record = _record(settings, series, names, jobs, before)
    driver = _Driver(series, folder, values, found, record, watcher)
    driver.save()
    if names:
        try:
            driver.run(names, jobs)
            record["status"] = "done" if all(driver.entries[name]["status"] == "done" for name in names) else "failed"
        except BaseException:
            record["status"] = "stopped"
            raise
        finally:
            record["seconds"] = round(time.time() - record["started"], 2)
            driver.save()
            files.remove_unfinished(folder)
    return record


def _record(
    settings: Settings, series: Series, names: list[str], jobs: int, before: dict[str, Any]
) -> dict[str, Any]:
    """The content of run.json before `names` are run; when there is nothing to run, what is said of the last time."""
    entries = {name: before.get("notebooks", {}).get(name, {"status": "not run"}) for name in series.order()}
    entries |= {name: {"status": "not run"} for name in names}
    about = {"status": "running", "started": time.time(), "seconds": 0.0, "jobs": jobs, "origin": origin()}
    return (about if names else {name: before[name] for name in about if name in before}) | {
        "ran": names, "settings": json.loads(settings.model_dump_json()), "versions": remembering.versions(),
        "seeds": _seeds(settings), "notebooks": entries,
    }


def _seeds(settings: Settings) -> dict[str, Any]:
    return {
        "headline": settings.seeds(settings.n_seeds), "sweep": settings.seeds(settings.n_seeds_sweep),
        "conv": settings.seeds(settings.n_seeds_conv), "clusterings per training seed": settings.n_cluster_seeds,
    }


class _Driver:
    """Runs notebooks, several at once, and writes to run.json what becomes of them.

    Each runs in a thread, which only tells of its events; all else happens in the thread that calls `run`.
    """

    def __init__(
        self, series: Series, folder: Path, values: dict[str, Any], found: dict[str, str], record: dict[str, Any],
        watcher: Watcher,
    ) -> None:
        self.series, self.folder, self.values, self.watcher = series, folder, values, watcher
        self.found, self.record, self.entries = found, record, record["notebooks"]
        self.events: SimpleQueue[tuple[str, BaseException | str | None]] = SimpleQueue()  # name; how it ended, WRITTEN
        self.working: dict[str, dict[str, int]] = {}  # name -> the store when it started
        self.written: set[str] = set()  # past their cell tagged `written`

    def run(self, names: list[str], jobs: int) -> None:
        """Run `names`, `jobs` at once, each after what it needs has been written; what needs a failed one is not."""
        sorter = TopologicalSorter({name: [n for n in self.series.needs[name] if n in names] for name in names})
        sorter.prepare()
        order = [*self.series.first, *(name for name in names if name not in self.series.first)]
        ready: list[str] = []
        kernels, pool = Kernels(self.series.preloaded), ThreadPoolExecutor(jobs)
        manager_class = kernels.manager_class()
        try:
            while sorter.is_active() or self.working:
                ready = sorted([*ready, *sorter.get_ready()], key=order.index)
                if ready and len(self.working) < jobs:
                    name = ready.pop(0)
                    if self.start(name):
                        pool.submit(self.work, name, kernels, manager_class)
                    else:
                        sorter.done(name)
                    continue
                name, event = self.events.get()
                if name not in self.written:
                    sorter.done(name)
                if event == notebook.WRITTEN:
                    self.written.add(name)
                else:
                    self.end(name, event)
        except BaseException:
            # Kernels may be at work: with them gone, their threads end by themselves in a second or so.
            kernels.kill(server=True)
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        else:
            pool.shutdown()
        finally:
            kernels.kill()
            kernels.close()

    def start(self, name: str) -> bool:
        """Say that a notebook starts; False if it cannot, since what it needs has failed."""
        needs = self.series.needs[name]
        missing = [n for n in needs if n not in self.written and self.entries[n]["status"] != "done"]
        if missing:
            self.finish(name, {"status": "not run", "error": f"needs {', '.join(missing)}"})
            return False
        self.entries[name] = {"status": "running", "key": self.found[name], "started": time.time()}
        self.save()
        self.watcher.started(name)
        self.working[name] = _store_files(self.folder)
        return True

    def work(self, name: str, kernels: Kernels, manager_class: type) -> None:
        """The life of a thread."""
        target = self.folder / "notebooks" / f"{name}.ipynb"
        try:
            notebook.execute(
                self.series.path(name), target, self.values, manager_class,
                lambda i, n: self.watcher.cell(name, i, n), lambda: self.events.put((name, notebook.WRITTEN)),
                lambda: kernels.why_dead(self.folder, runs.cache_folder()),
            )
        except BaseException as error:
            self.events.put((name, error))
        else:
            self.events.put((name, None))

    def end(self, name: str, error: BaseException | None) -> None:
        """A notebook has ended; raises `error` if it is not the notebook's."""
        before, entry = self.working.pop(name), self.entries[name]
        if error is not None and not isinstance(error, Failed):
            raise error
        entry["seconds"] = round(time.time() - entry["started"], 2)
        if error is None:
            entry |= {"status": "done", "files": _written(self.folder, before)}
        else:
            entry |= {"status": "failed", "error": str(error)}
        openings = runs.load_records(self.folder).get(name, {}).get("label_openings", [])
        self.finish(name, entry | {"label_openings": [o for o in openings if o["time"] >= entry["started"]]})

    def finish(self, name: str, entry: dict[str, Any]) -> None:
        self.entries[name] = entry
        self.save()
        self.watcher.finished(name, entry)

    def save(self) -> None:
        for name, entry in self.entries.items():
            entry["current"] = entry["status"] == "done" and entry["key"] == self.found[name]
        files.write_text(self.folder / "run.json", json.dumps(self.record, indent=1))


def _store_files(folder: Path) -> dict[str, int]:
    """Relative path and time of change of every stored artifact, and of the audit's report."""
    files = [*(folder / "store").rglob("[!.]*"), folder / "audit.json"]
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in files if path.is_file()}


def _written(folder: Path, before: dict[str, int]) -> list[str]:
    """Artifacts that are new or changed since `before`: the notebook's own, and those of one that ran beside it."""
    return sorted(name for name, changed in _store_files(folder).items() if before.get(name) != changed)
