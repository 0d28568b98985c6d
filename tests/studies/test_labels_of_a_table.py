"""Labels from a table, from the command line to the pages: what the label is called, and what its other columns do."""

import json
import re
import subprocess
import sys

import pandas as pd
import pytest

from lib.store.series import ROOT
from tests.sounds import noise, write

TAG = re.compile(r"<script.*?</script>|src=\"data:[^\"]*\"", re.DOTALL)
NUMBERLESS = re.compile(r"(?<![\w.])(nan|inf)(?!\w)", re.IGNORECASE)


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Records and pages of notebooks 01 and 03 on forty tracks in one folder, labelled by the column "mood"."""
    root = tmp_path_factory.mktemp("flat")
    rows = []
    for i in range(40):
        write(root / "audio" / f"{i:03d}.wav", noise(7 * i + i % 2 * 3))
        mood = ("sad", "glad")[i % 2]
        rows.append((f"audio/{i:03d}.wav", mood, mood.upper(), f"singer {i % 5}", 60 + i / 2, f"title {i}"))
    rows += [("audio/999.wav", "sad", "SAD", "nobody", 1, ""), ("audio/000.wav", "sad", "SAD", "singer 0", 60, "again")]
    table = pd.DataFrame(rows, columns=["file", "mood", "feeling", "singer", "bpm", "title"])
    table.to_csv(root / "tracks.csv", index=False)
    write(root / "audio" / "stray.wav", noise(999))
    command = [sys.executable, str(ROOT / "run_notebooks.py"), "--profile", "smoke", "--corpus", "folder", "--source",
               str(root / "audio"), "--labels", f"{root / 'tracks.csv'}:mood", "--only", "01", "03", "--out",
               str(root / "run"), "--set", "min_seconds=1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800, cwd=root)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    records = {path.stem[:2]: json.loads(path.read_text()) for path in (root / "run" / "records").glob("*.json")}
    return records, {path.stem[:2]: TAG.sub("", path.read_text()) for path in (root / "run" / "html").glob("0*.html")}


@pytest.mark.slow
def test_notebook_01_says_what_became_of_rows_and_columns(pages):
    said = {finding["name"]: finding["text"] for finding in pages[0]["01"]["findings"]}
    assert said["labels_match"] == "40 of 41 files have a label (mood); one without a label is left out."
    words = said["label_in_other_words"]
    assert words.startswith("Of 4 other columns of the table, one repeats the label") and "feeling" in words
    assert "stray.wav" in pages[1]["01"] and "999" in pages[1]["01"]


@pytest.mark.slow
def test_findings_captions_and_tables_call_the_label_by_its_columns_name(pages):
    for record in pages[0].values():
        said = [finding[part] for finding in record["findings"] for part in ("text", "rule")]
        said += [one[part] for one in record["figures"] for part in ("caption", "alt")]
        said += [one["caption"] for one in record["tables"]]
        assert not [text for text in said if re.search(r"genre|\{label\}", text, re.IGNORECASE)]
    assert any("mood" in one["alt"] for one in pages[0]["03"]["figures"])


@pytest.mark.slow
def test_no_page_prints_a_number_that_is_not_there(pages):
    for name, page in pages[1].items():
        found = NUMBERLESS.findall(re.sub(r"<[^>]*>", " ", page))
        assert not found, name
