"""The cases of `../shared/cases`, where they are: each file of sound gives what `expected.csv` says."""

import csv
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lib.corpora import folder, registry
from lib.features import audio, extraction
from lib.store.errors import Unusable

SCRIPT = Path(__file__).resolve().parents[3] / "shared" / "cases" / "make_cases.py"


@pytest.mark.slow
@pytest.mark.skipif(not SCRIPT.is_file(), reason="../shared is not there")
def test_every_case_gives_what_is_expected(tmp_path):
    subprocess.run([sys.executable, str(SCRIPT), str(tmp_path)], check=True, capture_output=True)
    with open(tmp_path / "expected.csv", newline="") as file:
        expected = {row["file"]: row["right"] for row in csv.DictReader(file) if row["file"].startswith("audio/")}
    found = folder.find(tmp_path, 30.0)
    reasons, sounds = dict(found.listed), {}
    for item in found.items:
        try:
            sounds[item.name] = registry.read(item.spec)
        except Unusable as reason:
            reasons[item.name] = str(reason)
    wrong = {name: (right, reasons.get(name, sounds.get(name))) for name, right in expected.items()
             if not met(right, sounds.get(name), reasons.get(name, ""))}
    assert len(expected) >= 27 and not wrong, wrong


def met(right: str, sound, reason: str) -> bool:
    """Is this what the sentence says?"""
    if right.startswith("listed: "):
        words = {"a Git LFS pointer", "an HTML page", "a tag without audio"}
        assert right.removeprefix("listed: ") in words
        return right.removeprefix("listed: ").replace("a tag", "MP3 tag") in reason
    if sound is None:
        return False
    length = len(sound.y) / sound.sr
    if right == "used by content, or listed with a reason; never silent" or right.startswith("used, 6 s"):
        return abs(length - 6) < 0.15 and bool(sound.note) == ("noted" in right)
    if seconds := re.match(r"(?:the|used,) middle 30 s of (?:the )?(\d+) s", right):
        return abs(length - 30) < 0.1 and ("noted" not in right or f"{seconds[1]}." in sound.note)
    if right.startswith("one channel, noted"):
        y = extraction._prepared(sound, 30.0)
        tone = audio.extract(y, audio.SAMPLE_RATE)["descriptors"]["spectral_centroid"] < 1000
        return "channels cancel" in sound.note and tone
    if right.startswith("a part with sound"):
        return abs(length - 30) < 0.1 and "silent" in sound.note and sound.y.any()
    raise ValueError(f"nobody here knows what is meant by {right!r}")
