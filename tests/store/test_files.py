"""Files are whole or not there, on a full disk too, and what killed processes were writing goes."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from lib.store import files
from lib.store.errors import Problem
from lib.store.series import ROOT

WRITES = """\
import resource, sys
from pathlib import Path
import numpy as np, pandas as pd, xarray as xr
from lib.store import artifacts, files, runs
from lib.store.errors import Problem

rows = np.random.default_rng(0).random((20000, 10))
writers = {
    "text.json": lambda path: path.write_text("x" * 900_000), "array.npz": lambda path: np.savez(path, a=rows),
    "table.csv": lambda path: pd.DataFrame(rows).to_csv(path),
}
folder = Path(sys.argv[1])
run = runs.open_run("vae", "smoke", out=str(folder / "run"))
artifacts.save_corpus(run, ["t1"], {})
for name in writers:
    files.write_text(folder / name, "as it was")
if sys.argv[2:]:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
for name, writer in writers.items():
    try:
        files.write(folder / name, writer)
    except Problem as problem:
        print(problem)
try:
    artifacts.save(run, "features", xr.Dataset({"a": (("x", "y"), rows)}))
except Problem as problem:
    print(problem)
"""


def said_of_a_full_disk(folder, *limit: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", WRITES, str(folder), *limit], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-2000:]  # HDF5 would end it by a signal
    assert not list(folder.rglob(".unfinished-*")) and not (folder / "run" / "store" / "features.nc").exists()
    assert all((folder / name).read_text() == "as it was" for name in ("text.json", "array.npz", "table.csv"))
    return done.stdout.splitlines()


@pytest.mark.slow
def test_a_file_that_may_not_grow_is_a_problem_and_leaves_what_was_there(tmp_path):
    said = said_of_a_full_disk(tmp_path, "100000")
    assert len(said) == 4 and all("File too large; free some space there, or choose another folder" in one
                                  for one in said)


@pytest.mark.slow
def test_a_full_disk_is_a_problem_and_leaves_what_was_there(tmp_path):
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=800k", "tmpfs", str(tmp_path)], capture_output=True)
    if mounted.returncode:
        pytest.skip("a small disk can be mounted only by root")
    try:
        said = said_of_a_full_disk(tmp_path)
        assert len(said) == 4 and all("No space left on device; free some space there" in one for one in said)
        assert files.has_no_room(tmp_path) and not files.has_no_room(ROOT)
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_what_killed_processes_were_writing_goes_and_nothing_else(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    here, inner = platform.node()[:60], tmp_path / "store" / "latents"
    inner.mkdir(parents=True)
    gone = [inner / f".unfinished-{here}-{ended.pid}-abc_1.nc", files.unfinished(tmp_path / "a-b.ipynb")]
    kept = [inner / f".unfinished-{here}-{os.getppid()}-abc_1.nc", inner / f".unfinished-not-{here}-{ended.pid}-a.nc",
            inner / ".unfinished-x", inner / "x.nc", tmp_path / ".lock"]
    for path in [*gone, *kept]:
        path.touch()
    files.remove_unfinished(tmp_path, tmp_path / "not there")
    assert not any(path.exists() for path in gone) and all(path.exists() for path in kept)


def test_reasons_of_full_disks_are_told_from_others():
    assert files.is_full("OSError: [Errno 28] No space left on device: 'x'") and files.is_full("[Errno 122] quota")
    assert not files.is_full("OSError: [Errno 2] No such file") and not files.is_full("28")


def test_a_writer_that_fails_leaves_nothing(tmp_path):
    def fails(path):
        path.write_text("half")
        raise PermissionError(13, "no")

    with pytest.raises(Problem, match="Permission denied; see who may write there, or choose another folder"):
        files.write(tmp_path / "a.txt", fails)
    with pytest.raises(ZeroDivisionError):
        files.write(tmp_path / "a.txt", lambda path: 1 / 0)
    assert list(tmp_path.iterdir()) == []
