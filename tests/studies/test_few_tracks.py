"""The whole series on corpora with few tracks per label: it runs, decides nothing that it cannot, and prints no NaN."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
from bs4 import BeautifulSoup

from lib.store import series
from tests import spectrograms

SMALLEST = ("n_seeds=2", "n_seeds_sweep=2", "epochs=4", "conv_epochs=1", "n_nulls=3", "n_permutations=19")
PART = ("03", "07", "12")  # where labels left out change what can be said; the whole series takes minutes
GONE = re.compile(r"(?<![\w.])[-+]?(nan|inf)(?![\w])|n = 0\b")


@pytest.mark.slow
@pytest.mark.parametrize("sizes, only", [([4] * 5, ()), ([31, 1], PART), ([10, 10, 3], PART)], ids=str)
def test_the_series_runs_on_few_tracks(tmp_path, sizes, only):
    n, y = sum(sizes), np.repeat([f"kind {i}" for i in range(len(sizes))], sizes)
    source = spectrograms.npz(tmp_path / "few.npz", spectrograms.log_mels(n, 64, 200, kinds=len(sizes)), genre=y,
                              frames_per_second=np.array(12.9))
    folder = tmp_path / "run"
    command = [sys.executable, str(series.ROOT / "run_notebooks.py"), "--profile", "smoke", "--corpus", "log_mel",
               "--source", str(source), "--out", str(folder)]
    for setting in SMALLEST:
        command += ["--set", setting]
    command += ["--only", *only] if only else []
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    undecided = 0
    for path in (folder / "records").glob("*.json"):
        for finding in json.loads(path.read_text())["findings"]:
            assert not GONE.search(finding["text"]), finding["text"]
            undecided += "fewer than 5 tracks" in finding["text"] and finding["verdict"] is None
    assert bool(undecided) is (sum(size >= 5 for size in sizes) < 2)
    for path in (folder / "html").glob("*.html"):
        page = BeautifulSoup(path.read_text(), "html.parser")
        for hidden in page(["script", "style"]):
            hidden.decompose()
        said = [page.get_text(" "), *(image.get("alt", "") for image in page("img"))]
        assert not any(GONE.search(text) for text in said), path.name
        assert all(heading.get_text(strip=True) for heading in page(re.compile(r"^h\d$")))
