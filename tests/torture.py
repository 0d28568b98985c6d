"""Kill runner, kernels and workers of one run again and again, restart it each time, and see that nothing shows.

    make torture                                          # 30 kills of a smoke run of the built-in corpus
    make torture ARGS="--kills 10 --seed 7 --only 04"     # what is not known here goes to run_notebooks.py

Twice as long as an undisturbed run, and more. Processes are found in /proc: this needs Linux.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
MARK = "LATENT_GENRE_TORTURE"
PREPARATION = "01_data_preparation"
STARTING = 0.2  # share of kills before the first notebook starts
WHO = ("all at once", "all at once", "runner", "kernels", "workers", "server")
PATIENCE = 600  # seconds in which what was killed must be gone


class Place(NamedTuple):
    """Where a run lies, and the environment of its processes, which tells them from all others."""

    out: Path
    cache: Path
    temporary: Path
    environment: dict[str, str]
    command: list[str]


def place(folder: Path, name: str, options: list[str]) -> Place:
    """A run's folder, cache and folder of temporary files; only what numba compiles is shared."""
    own = [folder / name / part for part in ("out", "cache", "tmp")]
    for path in own:
        path.mkdir(parents=True)
    environment = os.environ | {
        MARK: uuid.uuid4().hex, "TMPDIR": str(own[2]), "LATENT_GENRE_CACHE": str(own[1]),
        "NUMBA_CACHE_DIR": str(folder / "numba"),
    }
    return Place(*own, environment, [sys.executable, str(ROOT / "run_notebooks.py"), "--out", str(own[0]), *options])


def begin(at: Place) -> subprocess.Popen:
    with open(at.out.parent / "said.txt", "a") as said:
        return subprocess.Popen(at.command, env=at.environment, stdout=said, stderr=said, start_new_session=True)


def processes(at: Place) -> dict[str, list[int]]:
    """The numbers of a run's processes by kind; zombies do not count."""
    found: dict[str, list[int]] = {"runner": [], "server": [], "kernels": [], "workers": [], "others": []}
    mark, parents = f"{MARK}={at.environment[MARK]}".encode(), {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (path / "stat").read_text().rpartition(")")[2].split()[:2]
            if state == "Z" or mark not in (path / "environ").read_bytes():
                continue
            parents[int(path.name)] = int(parent), (path / "cmdline").read_bytes()
        except OSError:
            continue
    for pid, (parent, line) in parents.items():
        if b"multiprocessing.forkserver" in line:
            kind = "kernels" if b"multiprocessing.forkserver" in parents.get(parent, (0, b""))[1] else "server"
        else:
            kind = "runner" if b"run_notebooks.py" in line else "workers" if b"lib.store.engine" in line else "others"
        found[kind].append(pid)
    return found


def kill(at: Place, who: str) -> dict[str, int]:
    """Kill these processes, all of each kind, and then the runner; how many of each kind there were to kill."""
    found = processes(at)
    kinds = ("server", "kernels", "workers", "runner") if who == "all at once" else (who, "runner")
    for kind in kinds:
        for pid in found[kind]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if who not in ("all at once", "runner") and kind == who:
            time.sleep(random.uniform(0, 2))  # the runner sees it
    return {kind: len(found[kind]) for kind in kinds if found[kind]}


def record(at: Place) -> dict[str, Any]:
    try:
        return json.loads((at.out / "run.json").read_text())["notebooks"]
    except (OSError, ValueError):
        return {}


def working(at: Place) -> list[str]:
    return [name for name, entry in record(at).items() if entry["status"] == "running"]


def is_prepared(at: Place) -> bool:
    return record(at).get(PREPARATION, {}).get("status") == "done"


def at_work(at: Place) -> bool:
    """Is there a kernel, and has a notebook of this runner opened the run?"""
    changed = [path.stat().st_mtime for path in (at.out / "records").glob("[!.]*.json")]
    started = json.loads((at.out / "run.json").read_text())["started"] if changed else 0
    return bool(changed) and max(changed) > started and bool(processes(at)["kernels"])


def live(at: Place, process: subprocess.Popen, seconds: float, share: float) -> None:
    """Let a run live until a random moment: while it starts (within `seconds`), or when notebooks have been at work for
    up to twice their `share`; or until it ends by itself."""
    starting = random.random() < STARTING
    while not starting and process.poll() is None and not at_work(at):
        time.sleep(0.1)
    end = time.monotonic() + random.uniform(0, seconds if starting else 2 * share)
    while process.poll() is None and time.monotonic() < end:
        time.sleep(0.02)


def torture(at: Place, times: dict[str, float], kills: int, starting: float) -> None:
    """Kill the run `kills` times, at least half of them when its tracks are prepared. `times` are the seconds of each
    notebook undisturbed, and `starting` those before the first."""
    early, number = kills * 2 // 5, 0
    while number < kills:
        process = begin(at)
        if is_prepared(at):
            left = sum(seconds for name, seconds in times.items() if record(at)[name]["status"] != "done") / 2
            share = left / (kills - number + 1)
        else:
            share = times[PREPARATION] / (early + 2)
            while number >= early and not is_prepared(at) and process.poll() is None:
                time.sleep(0.2)
        live(at, process, starting, share)
        if process.poll() == 0:
            (at.out / "notebooks" / f"{max(times)}.ipynb").unlink()
            print("     had ended by itself, so its last notebook was removed", flush=True)
            continue
        number += 1
        state, busy, who = "prepared" if is_prepared(at) else "not prepared", working(at), random.choice(WHO)
        killed = kill(at, who)
        process.wait()
        said = ", ".join(f"{n} {kind}" for kind, n in killed.items()) or "nothing was there any more"
        print(f"{number:3}: {state}, at work: {' '.join(n[:2] for n in busy) or '-'}; killed: {said}", flush=True)


def leftovers(at: Place, like: Place) -> list[str]:
    """Processes of a run, and files that another run of the same command, undisturbed, does not have."""
    end = time.monotonic() + PATIENCE
    while any(processes(at).values()) and time.monotonic() < end:
        time.sleep(0.2)
    found = [f"process {pid} ({kind})" for kind, pids in processes(at).items() for pid in pids]
    for mine, other in zip(at[:3], like[:3], strict=True):
        there = {path.relative_to(other) for path in other.rglob("*")}
        found += [str(path) for path in mine.rglob("*") if path.relative_to(mine) not in there]
    return found


def scores(at: Place) -> bytes:
    """The score table; empty where notebooks were run that make none."""
    path = at.out / "scores.csv"
    return path.read_bytes() if path.is_file() else b""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10_000))
    parser.add_argument("--keep", action="store_true", help="leave the folder with both runs")
    options, others = parser.parse_known_args()
    others = (["--profile", "smoke"] if "--profile" not in others else []) + others
    random.seed(options.seed)
    folder = Path(tempfile.mkdtemp(prefix="torture-"))
    calm, tortured = place(folder, "undisturbed", others), place(folder, "tortured", others)
    print(f"seed {options.seed}; run_notebooks.py {' '.join(others)}; in {folder}", flush=True)
    process, start = begin(calm), time.monotonic()
    while process.poll() is None and not working(calm):
        time.sleep(0.05)
    starting = time.monotonic() - start
    if process.wait():
        print(f"the undisturbed run has failed: see {folder}/undisturbed/said.txt")
        return 1
    times = {name: entry["seconds"] for name, entry in record(calm).items() if "seconds" in entry}
    print(f"undisturbed: {time.monotonic() - start:.0f} s, {times.get(PREPARATION, 0):.0f} s of them preparation")
    torture(tortured, times, options.kills, starting)
    code = begin(tortured).wait()
    same = code == 0 and scores(tortured) == scores(calm)
    left = leftovers(tortured, calm)
    print(f"completed: exit code {code}; scores.csv ({len(scores(calm))} bytes) {'is' if same else 'IS NOT'} equal "
          f"byte for byte; left over: {len(left)} processes or files", *left, sep="\n  ")
    failed = bool(code or left or not same)
    if not (failed or options.keep):
        subprocess.run(["rm", "-r", str(folder)], check=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
