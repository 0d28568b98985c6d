"""A batch: a list of runs in a YAML file, made one after another, each in its folder, then compared on one page.

    out: ../build/corpora              # optional; the batch's folder (default: build/<name of the file>)
    defaults: {profile: default, settings: {n_seeds: 5}}
    runs:
      - {name: composed, corpus: controlled}
      - {name: songs, collection: songs, corpus: log_mel, source: $DATA/songs.npz, labels: "$DATA/songs.csv:tag"}
      - {name: betas, corpus: controlled, grid: {beta: [1, 2, 4], latent_dim: [5, 10]}}

Paths are relative to the file; `~` and environment variables are filled in. A `grid` stands for a run of each
combination. What is up to date is skipped, and a run that fails costs itself.

Runs of a batch share their work (`lib/store/sharing.py`), and `NAME.yaml` beside the folder of a run has its parameters
as `papermill -f` takes them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lib.runner import keys
from lib.runner.request import Request, check
from lib.store import files, runs, sharing
from lib.store.errors import Problem
from lib.store.series import ROOT, Series, needs_of

PATHS = ("source", "lyrics", "labels")


class Entry(BaseModel):
    """One run of a batch, as the file has it."""

    model_config = ConfigDict(extra="forbid")
    name: str = ""
    collection: str = ""  # runs of one collection count once on the page of claims
    profile: str = "default"
    corpus: str = "controlled"
    source: str = ""
    lyrics: str = ""
    labels: str = ""
    settings: dict[str, Any] = {}
    grid: dict[str, list[Any]] = {}


class File(BaseModel):
    """A batch file."""

    model_config = ConfigDict(extra="forbid")
    out: str = ""
    defaults: dict[str, Any] = {}
    runs: list[dict[str, Any]] = Field(min_length=1)


class Batch(NamedTuple):
    """The runs of a batch, their grids written out."""

    folder: Path
    entries: list[Entry]

    @property
    def collections(self) -> dict[str, str]:
        """Name of run -> its collection, where the file gives one."""
        return {entry.name: entry.collection for entry in self.entries if entry.collection}


def load(path: Path, out: str = "") -> Batch:
    """The batch that a file describes; `out` takes the place of its own. Raises `Problem` with what is wrong in it."""
    try:
        text = path.read_text(encoding="utf-8")
        file = File.model_validate(yaml.safe_load(text))
        entries = [Entry.model_validate(_merged(file.defaults, one)) for one in file.runs]
    except OSError as error:
        raise Problem(f"--batch: cannot read {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise Problem(f"--batch: {path} is not YAML ({str(error).splitlines()[0]})") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise Problem(f"--batch: {path}: {where}: {first['msg']}; a run has {', '.join(Entry.model_fields)}") from None
    entries = [one for entry in entries for one in _written_out(entry)]
    names = [entry.name for entry in entries]
    if twice := [name for name in names if names.count(name) > 1]:
        raise Problem(f"--batch: {path}: two runs are called '{twice[0]}': give each a name")
    entries = [entry.model_copy(update={k: _full(getattr(entry, k), path.parent) for k in PATHS}) for entry in entries]
    folder = Path(out).absolute() if out else Path(_full(file.out, path.parent) or ROOT / "build" / path.stem)
    return Batch(folder, entries)


def only(batch: Batch, n: int) -> Batch:
    """The batch with its n-th run alone, from 1. Raises `Problem` when it has fewer."""
    if not 1 <= n <= len(batch.entries):
        raise Problem(f"--nth {n}: the batch has {len(batch.entries)} runs, the first is 1")
    return batch._replace(entries=[batch.entries[n - 1]])


def _merged(defaults: dict[str, Any], one: dict[str, Any]) -> dict[str, Any]:
    settings = {**defaults.get("settings", {}), **(one.get("settings") or {})}
    return defaults | one | ({"settings": settings} if settings else {})


def _written_out(entry: Entry) -> list[Entry]:
    """An entry for each combination of its grid, named by what it sets."""
    name = entry.name or f"{entry.corpus}-{entry.profile}"
    made = []
    for values in itertools.product(*entry.grid.values()):
        chosen = dict(zip(entry.grid, values, strict=True))
        parts = [name, *(f"{key}={_plain(value)}" for key, value in chosen.items())]
        made.append(entry.model_copy(update={"name": "-".join(parts), "settings": entry.settings | chosen, "grid": {}}))
    return made


def _plain(value: Any) -> str:
    return re.sub(r"[^\w.+-]+", "_", str(value))


def _full(text: str, base: Path) -> str:
    """A path of the file, made absolute; what stands after the colon of a table of labels stays."""
    if not text or text.startswith("tags:"):
        return text
    return os.path.normpath(base.absolute() / os.path.expandvars(os.path.expanduser(text)))


def request(batch: Batch, entry: Entry) -> Request:
    """What the runner is asked for. Raises `Problem` when something is wrong with it."""
    for name in PATHS:
        if unset := re.search(r"\$\{?(\w+)", getattr(entry, name)):
            raise Problem(f"{name} of '{entry.name}' needs the environment variable {unset[1]}: set it to your folder")
    asked = {name: getattr(entry, name) for name in ("profile", "corpus", *PATHS) if getattr(entry, name)}
    return check(**asked, out=str(batch.folder / entry.name), settings=entry.settings)


def share(batch: Batch) -> None:
    """Have the runs of a batch share what they make, and write the parameters of each beside its folder."""
    try:
        (batch.folder / sharing.FOLDER).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise files.refused(batch.folder, error) from error
    files.remove_unfinished(batch.folder / sharing.FOLDER)  # of a batch that was killed
    for entry in batch.entries:
        with contextlib.suppress(Problem):  # said when its turn comes
            values = dataclasses.asdict(request(batch, entry))
            files.write_text(batch.folder / f"{entry.name}.yaml", yaml.safe_dump(values, sort_keys=False))


def run(batch: Batch, run_one: Callable[[Request], bool], say: Callable[[str], None]) -> tuple[list[Path], list[str]]:
    """Make every run by `run_one`, which says whether one failed: the folders that hold a run, and the names of those
    that failed."""
    share(batch)
    folders, failed = [], []
    for i, entry in enumerate(batch.entries, 1):
        say(f"\n[{i}/{len(batch.entries)}] {entry.name}")
        try:
            one = request(batch, entry)
            bad = run_one(one)
        except Problem as problem:
            say(f"{entry.name}: {problem}")
            bad = True
        if bad:
            failed.append(entry.name)
        if runs.read_record(batch.folder / entry.name).get("settings"):
            folders.append(batch.folder / entry.name)
    say(f"\n{sharing.counted(batch.folder)}")
    return folders, failed


def plan(batch: Batch, series: Series | None = None, only: list[str] | None = None) -> list[str]:
    """A line per run: what there is to do, and about how long it takes by what finished notebooks of runs of the same
    profile took, of the same corpus if there are any. What runs share is not taken off."""
    known, lines, total, unknown = _times(batch), [], 0.0, 0
    for entry in batch.entries:
        try:
            todo, all_of = _to_do(request(batch, entry), series, only or [])
        except Problem as problem:
            lines.append(f"{entry.name}: cannot run: {problem}")
            continue
        times = known.get((entry.corpus, entry.profile)) or known.get(("", entry.profile), {})
        about = sum(times[name] for name in todo) if all(name in times for name in todo) else None
        total, unknown = total + (about or 0.0), unknown + (about is None)
        time = "" if not todo else f", about {about:.0f} s" if about is not None else ", time not known yet"
        lines.append(f"{entry.name}: {f'{len(todo)} of {all_of} notebooks to run' if todo else 'up to date'}{time}"
                     f"{f'  {json.dumps(entry.settings)}' if entry.settings else ''}")
    rest = f"{unknown} run(s) whose like has not been run yet"
    return [*lines, f"in all about {total:.0f} s" + f", and {rest}" * (unknown > 0) if total else
            f"how long is not known: {rest}" if unknown else "everything is up to date"]


def _times(batch: Batch) -> dict[tuple[str, str], dict[str, float]]:
    """By corpus (or "" for any) and profile: mean seconds that each notebook adds to a run, in the runs of this batch
    and in those beside it. Where several ran at once, each counts with its share of the time."""
    found: dict[tuple[str, str], dict[str, list[float]]] = {}
    beside = {*batch.folder.parent.glob("*/run.json"), *batch.folder.glob("*/run.json")}
    for record in (runs.read_record(path.parent) for path in sorted(beside)):
        seconds = {name: one["seconds"] for name, one in record.get("notebooks", {}).items()
                   if one.get("status") == "done" and "seconds" in one}
        ran = sum(seconds.get(name, 0.0) for name in record.get("ran", []))
        if record.get("status") != "done" or not ran:
            continue
        for corpus in ("", record["settings"]["corpus"]):
            times = found.setdefault((corpus, record["settings"]["profile"]), {})
            for name, value in seconds.items():
                times.setdefault(name, []).append(value * record["seconds"] / ran)
    return {key: {name: sum(values) / len(values) for name, values in times.items()} for key, times in found.items()}


def _to_do(one: Request, series: Series | None, only: list[str]) -> tuple[list[str], int]:
    """The notebooks that have to run, and of how many."""
    series = series or Series(needs=needs_of(one.corpus))
    current = keys.up_to_date(one.folder, keys.keys(series, one), runs.read_record(one.folder))
    return keys.choose(series, only, current, False)[0], len(series.order())
