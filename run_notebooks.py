#!/usr/bin/env python3
"""Run the series of notebooks on a corpus and make its HTML book. `run_notebooks.py --help` says how."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

STOPPED = "stopped; what is finished is kept, and the same command carries on"


def leave(number: int, frame: Any) -> None:
    """End at once. That is for the seconds in which nothing is under way: a library that is being imported may swallow
    a KeyboardInterrupt, or make another error of it."""
    os.write(sys.stderr.fileno(), f"\n{STOPPED}\n".encode())
    os._exit(130)


def stop(number: int, frame: Any) -> None:
    """Stop what is under way, which takes a second or so; whoever cannot wait stops again."""
    on_stop(leave)
    raise KeyboardInterrupt


def on_stop(handler: Any) -> None:
    """What Ctrl-C and its kin do from now on, unless the caller wanted them ignored (nohup, `&`)."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, handler)


if __name__ == "__main__":
    on_stop(leave)

import argparse
import contextlib
import functools
import threading
import time
from collections.abc import Iterator
from pathlib import Path

EXAMPLES = """\
examples:
  run_notebooks.py                                   the whole series on the built-in synthetic corpus
  run_notebooks.py --profile smoke                   the same, small and quick, to see that everything works
  run_notebooks.py --corpus folder --source ~/music --lyrics ~/music/lyrics.csv
                                                     your own music: one sub-folder of audio files per label
  run_notebooks.py --corpus folder --source ~/music --labels ~/music/tracks.csv:genre
                                                     files in any folders, and a table that knows their labels
  run_notebooks.py --corpus latents --source ~/run --out ~/run-audit
                                                     audit somebody's arrays: Z_*.npy and others, with y.npy
  run_notebooks.py --only 09                         notebook 09, and before it whatever it needs
  run_notebooks.py --set n_seeds=20 --set "betas=[1, 2, 4]" --out build/more-seeds
                                                     other settings, in a folder of their own
  run_notebooks.py --export latex                    numbers, tables and figures for a paper, from a finished run
  run_notebooks.py --compare build/controlled-default build/gtzan-default
                                                     finished runs side by side on one page
  run_notebooks.py --batch notebooks/corpora.yaml    many runs, one after another, and the claims that hold on them

Notebooks that are up to date are skipped: after a stop, a failure or a change, give the same command again.
exit code: 0 all is well, 1 a notebook failed, 2 something is wrong with the request, 130 stopped by Ctrl-C
"""


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="run_notebooks.py", description="Run the series of notebooks on a corpus and make its HTML book.",
        epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_argument_group("what to run on")
    what.add_argument("--profile", default="default", help="size of the study: smoke, default or paper")
    what.add_argument("--corpus", default="controlled",
                      help="controlled (synthetic, built in), folder, gtzan, gtzan_logmel, log_mel or latents")
    what.add_argument("--source", default="", metavar="PATH", help="folder or file of a real corpus")
    what.add_argument("--lyrics", default="", metavar="PATH",
                      help="lyrics of its tracks, if there are: a table, or a folder of text files (.txt, .lrc ...)")
    what.add_argument("--labels", default="", metavar="TABLE:COLUMN",
                      help="labels of its tracks: a table (CSV, TSV, JSON, Excel, parquet) and its column, or the "
                      "files' tags (tags:genre); default: the names of the folders")
    what.add_argument("--set", action="append", default=[], metavar="KEY=VALUE",
                      help="any setting of lib/store/settings.py; may be given several times")
    how = parser.add_argument_group("how to run")
    how.add_argument("--only", nargs="+", action="extend", default=[], metavar="NOTEBOOK",
                     help="only these notebooks, by number or name, and what they need")
    how.add_argument("--out", default="", metavar="DIR", help="the run's folder (default: build/CORPUS-PROFILE)")
    how.add_argument("--jobs", type=int, default=2, metavar="N", help="notebooks at once (default: 2)")
    how.add_argument("--force", action="store_true",
                     help="run even what is up to date, and replace a run with other settings in the same folder")
    how.add_argument("--no-html", action="store_true", help="leave the HTML book as it is")
    many = parser.add_argument_group("many runs")
    many.add_argument("--batch", default="", metavar="FILE",
                      help="a list of runs (lib/runner/batch.py says its form), one after another, then compared")
    many.add_argument("--nth", type=int, default=0, metavar="N",
                      help="with --batch: only its N-th run, from 1; for the array job of a queue")
    many.add_argument("--dry-run", action="store_true",
                      help="with --batch: only say what would run, and about how long; with --cluster: only print the "
                      "job that a queue would be given")
    machines = parser.add_argument_group("many machines (README says how)")
    machines.add_argument("--cluster", default=os.environ.get("LATENT_GENRE_CLUSTER", ""), metavar="WHERE",
                          help="where features are computed and networks trained: a Dask scheduler (tcp://HOST:PORT, "
                          "tls://HOST:PORT), slurm, or a YAML file about a queue; default: this machine")
    machines.add_argument("--workers", type=int, default=0, metavar="N",
                          help="workers to wait for (an address; default: 1) or to ask for (a queue; default: 4)")
    machines.add_argument("--tls", default=os.environ.get("LATENT_GENRE_TLS", ""), metavar="DIR",
                          help="folder of the scheduler's certificates: ca.pem, cert.pem and key.pem")
    after = parser.add_argument_group("from runs that exist, without running anything")
    after.add_argument("--export", choices=("html", "latex", "pdf", "zip", "all"),
                       help="html: the book again; latex: what a paper takes (numbers.tex, tables, figures, methods); "
                       "pdf: the book printed by Chromium; zip: the book with its data, to hand over; of the run in "
                       "--out or build/CORPUS-PROFILE")
    after.add_argument("--compare", nargs="+", metavar="DIR",
                       help="two runs or more side by side on one page (--out: its folder, or FILE.html)")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None, series: Any = None) -> int:
    """Run the command line and return its exit code; `series` (a `lib.running.Series`) is for tests."""
    options = parse(arguments)
    from lib.store.errors import Problem

    try:
        if options.export or options.compare:
            return _from_existing(options, series)
        if options.dry_run and options.cluster:
            from lib.store import machines

            print(machines.job_script(options.cluster, options.tls))
            return 0
        return _batch(options, series) if options.batch else _run(options, series)
    except Problem as problem:
        print(f"run_notebooks.py: {problem}", file=sys.stderr)
        return 2
    except OSError as error:
        if error.filename is None:  # not a file that the user named
            raise
        print(f"run_notebooks.py: {error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\n{STOPPED}", file=sys.stderr, flush=True)
        return 130


def _run(options: argparse.Namespace, series: Any) -> int:
    from lib.runner.request import check
    from lib.store.errors import Problem

    on_stop(stop)
    if options.jobs < 1:
        raise Problem(f"--jobs {options.jobs}: give the number of notebooks to run at once, 1 or more")
    request = check(
        options.profile, options.corpus, options.source, options.lyrics, options.labels, options.out,
        parse_settings(options.set),
    )
    with _machines(options):
        return _run_one(request, options, series)


def _run_one(request: Any, options: argparse.Namespace, series: Any = None) -> int:
    """Run one request, and make its book; 1 where a notebook failed."""
    from lib.runner import schedule
    from lib.store import cluster
    from lib.store.series import Series, needs_of

    series = series or Series(needs=needs_of(request.corpus))
    with schedule.only_runner(request.folder):
        cluster.compare([Path(path) for path in (request.out, request.source) if path])
        kind = "synthetic" if request.corpus == "controlled" else request.source or "downloaded"
        print(f"corpus {request.corpus} ({kind}), profile {request.profile} -> {request.folder}", flush=True)
        rendering = contextlib.nullcontext() if options.no_html else _rendering(request.folder)
        with rendering, (Live if sys.stdout.isatty() else Lines)() as watcher:
            record = schedule.run_series(request, series, options.only, options.jobs, options.force, watcher)
        failed = summarise(record, series, request.folder)
        from lib.report import book

        if not options.no_html and (record["ran"] or book.is_old(request.folder)):
            book.export(request.folder, sorted(series.needs), series.folder)
        index = book.index_path(request.folder)
        if index.is_file():
            print(index, flush=True)
    return 1 if failed else 0


def _machines(options: argparse.Namespace) -> contextlib.AbstractContextManager:
    """While this is open, work is done where the command line says."""
    from lib.store import machines

    return machines.using(options.cluster, options.workers, options.tls, functools.partial(print, flush=True))


def _batch(options: argparse.Namespace, series: Any) -> int:
    """Make the runs of a batch file, and a page about all of them."""
    from lib.report import compare
    from lib.runner import batch
    from lib.store.errors import Problem

    found = batch.load(Path(options.batch), options.out)
    if options.nth:
        found = batch.only(found, options.nth)
    if options.dry_run:
        print("\n".join(batch.plan(found, series, options.only)))
        return 0
    with _machines(options):
        folders, failed = batch.run(found, lambda request: bool(_run_one(request, options, series)), print)
    if len(folders) > 1:
        try:
            print(compare.export(folders, found.folder / "claims.html", found.collections))
        except Problem as problem:  # the runs are there all the same
            print(f"no page of claims: {problem}", file=sys.stderr)
    if failed:
        print(f"{len(failed)} of {len(found.entries)} runs failed: {', '.join(failed)}; "
              "the same command tries them again", file=sys.stderr)
    return 1 if failed else 0


@contextlib.contextmanager
def _rendering(folder: Path) -> Iterator[None]:
    """While notebooks run, render those that are done: that takes seconds."""
    import nbclient  # noqa: F401  (before the thread: two that import jupyter_client at once find it half made)

    ended = threading.Event()

    def render() -> None:
        from lib.report import book

        while not ended.wait(1.0):
            book.prepare(folder)

    thread = threading.Thread(target=render, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
    thread.join()


def _from_existing(options: argparse.Namespace, series: Any) -> int:
    """Export one run, or compare two, as they are."""
    from lib.report import compare, exports
    from lib.runner import schedule
    from lib.store.errors import Problem
    from lib.store.series import NOTEBOOKS, ROOT

    on_stop(stop)
    if options.export and options.compare:
        raise Problem("--export and --compare are two things to ask for: give one of them")
    if options.compare:
        print(compare.export([*map(Path, options.compare)], Path(options.out) if options.out else None))
        return 0
    folder = Path(options.out) if options.out else ROOT / "build" / f"{options.corpus}-{options.profile}"
    folder = folder.absolute()
    there = os.path.isdir(folder)  # else it would be made
    with schedule.only_runner(folder) if there else contextlib.nullcontext():
        made = exports.export(folder, options.export, print, series.folder if series else NOTEBOOKS)
    for path in made:
        print(path)
    return 0


def parse_settings(pairs: list[str]) -> dict[str, Any]:
    """`key=value` pairs as a dictionary; values are YAML, so numbers, booleans and [lists] are what they look like."""
    import yaml

    from lib.store.errors import Problem

    settings = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError:
            value = None
        if not equals or value is None:
            raise Problem(f"--set {pair}: write it as key=value, for example --set n_seeds=5 or --set 'betas=[1, 4]'")
        settings[name.strip()] = value
    return settings


def summarise(record: dict[str, Any], series: Any, folder: Path) -> bool:
    """Print a line per notebook and the total; says whether a notebook failed."""
    entries, ran = record["notebooks"], record["ran"]
    if not ran:
        print("nothing to run: everything is up to date")
        return False
    failed = [name for name in ran if entries[name]["status"] == "failed"]
    width = max(map(len, entries))
    print()
    for name in sorted(entries):
        entry = entries[name]
        if name in ran:
            text = f"{entry['status']:10} {_seconds(entry)}  {entry.get('error', '')}"
        else:
            text = "up to date" if entry["current"] else "out of date" if entry["status"] == "done" else "not run"
        print(f"  {name:{width}}  {text}".rstrip())
    sys.stdout.flush()
    for name in failed:
        print(f"{name} failed: {entries[name]['error']}\n  see {folder / 'notebooks' / (name + '.failed.ipynb')}",
              file=sys.stderr)
    reached = series.dependants(set(ran)) - set(ran)
    stale = [n for n in sorted(reached) if entries[n]["status"] == "done" and not entries[n]["current"]]
    if stale:
        print(f"not up to date any more: {', '.join(stale)}; run_notebooks.py without --only brings all up to date")
    done = sum(entries[name]["status"] == "done" for name in ran)
    print(f"{done} of {len(ran)} notebooks done in {record['seconds']:.1f} s", flush=True)
    return bool(failed)


def _seconds(entry: dict[str, Any]) -> str:
    return f"{entry['seconds']:7.1f} s" if "seconds" in entry else " " * 9


# --- progress ----------------------------------------------------------------------------------------------------


class Lines:
    """Progress where output is not a terminal: one line per start and finish."""

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *error: Any) -> None:
        pass

    def planned(self, names: list[str], extra: list[str], current: set[str]) -> None:
        announce(extra, current, print)

    def started(self, name: str) -> None:
        print(f"{time.strftime('%H:%M:%S')}  {name} started", flush=True)

    def cell(self, name: str, index: int, total: int) -> None:
        pass

    def finished(self, name: str, entry: dict[str, Any]) -> None:
        if entry["status"] == "not run":  # the summary says so
            return
        parts = [time.strftime("%H:%M:%S"), f"{name} {entry['status']}", _seconds(entry).strip(), entry.get("error")]
        print("  ".join(part for part in parts if part), flush=True)


class Live:
    """Progress on a terminal: a table with a row per notebook, kept up to date."""

    def __init__(self) -> None:
        from rich import live
        from rich.console import Console

        self.console = Console(highlight=False)
        self.rows: dict[str, dict[str, Any]] = {}
        self.lock = threading.Lock()
        self.display = live.Live(get_renderable=self.table, console=self.console, transient=True)

    def __enter__(self) -> Live:
        self.display.start()
        return self

    def __exit__(self, *error: Any) -> None:
        self.display.stop()

    def table(self) -> Any:
        from rich.table import Table

        table = Table(box=None, pad_edge=False)
        for title in ("notebook", "state", "cell", "seconds"):
            table.add_column(title, justify="right" if title == "seconds" else "left")
        styles = {"done": "green", "failed": "bold red", "running": "bold", "not run": "yellow", "waiting": "dim"}
        with self.lock:
            for name, row in self.rows.items():
                seconds = row.get("seconds") or (time.time() - row["started"] if "started" in row else None)
                style = styles[row["state"]]
                cells = (name, f"[{style}]{row['state']}[/]", row.get("cell", ""), f"{seconds:.1f}" if seconds else "")
                table.add_row(*cells)
        return table if self.rows else ""

    def planned(self, names: list[str], extra: list[str], current: set[str]) -> None:
        announce(extra, current, self.console.print)
        with self.lock:
            self.rows = {name: {"state": "waiting"} for name in names}

    def started(self, name: str) -> None:
        with self.lock:
            self.rows[name] |= {"state": "running", "started": time.time()}

    def cell(self, name: str, index: int, total: int) -> None:
        with self.lock:
            self.rows[name]["cell"] = f"{index}/{total}"

    def finished(self, name: str, entry: dict[str, Any]) -> None:
        with self.lock:
            self.rows[name] |= {"state": entry["status"], "seconds": entry.get("seconds")}


def announce(extra: list[str], current: set[str], say: Any) -> None:
    """Say what is skipped and what is run although it was not asked for."""
    if current:
        say(f"up to date: {', '.join(sorted(current))}")
    if extra:
        say(f"also running, because it is needed first: {', '.join(extra)}")


if __name__ == "__main__":
    code = main()
    if code == 130:
        from lib.runner import kernels

        kernels.end_process(code)
    sys.exit(code)
