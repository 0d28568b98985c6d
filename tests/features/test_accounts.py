"""A folder of many formats and many odd files, from the files to the sentence of notebook 01."""

import os
from pathlib import Path

import numpy as np
import pytest

from lib.features import extraction, preparation
from lib.report import claims, rules
from lib.store import artifacts, runs
from lib.studies.corpus import checks
from tests.corpora import test_decoding, test_folder
from tests.features.test_preparation import open_run
from tests.sounds import encode, noise, write

FORMATS = test_decoding.LIBSNDFILE[::2][:15] + test_decoding.FFMPEG[:15]


def three_hundred(root: Path) -> None:
    """Ten clips in each of thirty formats, under two labels."""
    for i in range(300):
        ending, container, codec = FORMATS[i % 30]
        sr = 48000 if "opus" in codec.lower() else 44100
        path, y = root / ("jazz", "rock")[i % 2] / f"{i:03d}.{ending}", noise(i, 1.3, sr)
        if container.isupper():
            write(path, y, sr, format=container, subtype=codec)
        else:
            encode(path, y, container, codec, sr)


def sixty_odd_ones(root: Path) -> dict[str, int]:
    """How many of them are to be used, and are to be listed; the others are plainly something else."""
    whole = (root / "jazz" / "000.wav").read_bytes()
    odd = {name: content for files in test_folder.ELSE.values() for name, content in files.items()}
    odd |= {name: content for name, (content, _) in test_folder.LISTED.items()}
    listed, ignored = len(test_folder.LISTED), len(odd) - len(test_folder.LISTED)
    odd |= {
        "tag.mp3": b"ID3\x03\0\0\0\0\0\x0a" + bytes(10), "zeros.wav": bytes(65536), "header.wav": whole[:44],
        "junk.m4a": np.random.default_rng(0).bytes(3000), "short.wav": whole[:5000], "TAG": b"TAG" + bytes(125),
    }
    listed += 6
    used = {"renamed": whole, "renamed.txt": whole, "cut.wav": whole[: int(0.9 * len(whole))], "size 0.wav":
            whole[:40] + bytes(4) + whole[44:]}
    for name, content in (odd | used).items():
        (root / "odd" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "odd" / name).write_bytes(content)
    os.symlink("nowhere", root / "odd" / "link.wav")
    os.mkfifo(root / "odd" / "pipe.wav")
    write(root / "beside.wav", noise(1))
    listed += 3
    i = 0
    while len(odd) + len(used) + 3 + i < 60:
        (root / "odd" / f"note {i}.txt").write_text("words")
        i += 1
    return {"used": len(used), "listed": listed, "ignored": ignored + i}


@pytest.mark.slow
def test_used_and_listed_and_ignored_are_all_that_was_found(tmp_path, monkeypatch):
    extraction.warm()
    monkeypatch.setenv("LATENT_GENRE_CACHE", str(tmp_path / "cache"))
    root = tmp_path / "music"
    three_hundred(root)
    (root / "without").mkdir()
    odd = sixty_odd_ones(root)
    found = sum(len(files) for _, _, files in os.walk(root))
    assert found == 360 and sum(odd.values()) == 60
    run = open_run(tmp_path / "run", root)
    about = preparation.prepare(run)
    files, skipped, noted = (artifacts.load(run, name) for name in ("files", "skipped", "noted"))
    assert files.groupby("group")["files"].sum().to_dict() == odd | {"used": 300 + odd["used"]}, skipped.to_string()
    assert about["n_files"] == files["files"].sum() == found and about["without_audio"] == ["without"]
    assert noted["file"].tolist() == ["odd/cut.wav"] and "its header gives" in noted["note"].iloc[0]
    assert len(skipped) == odd["listed"] and skipped["reason"].str.len().min() > 0
    claims.claim(run, "accounted", rules.adds_up(files["files"], about["n_files"]), **checks.accounts(files, True))
    said = runs.load_records(run.folder)["01_data_preparation"]["findings"][-1]
    used, listed, other = 300 + odd["used"], odd["listed"], odd["ignored"]
    assert said["verdict"] and said["text"] == (
        f"All 360 files are accounted for: {used} used (one of them with a note), {listed} unusable and listed with "
        f"the reason, {other} of another kind.")


@pytest.mark.slow
def test_what_settings_leave_out_is_counted_too(tmp_path, monkeypatch):
    extraction.warm()
    monkeypatch.setenv("LATENT_GENRE_CACHE", str(tmp_path / "cache"))
    for i in range(30):
        write(tmp_path / "music" / "ab"[i % 2] / f"{i}.wav", noise(i // 2 if i < 4 else i, 1.3))
    run = open_run(tmp_path / "run", tmp_path / "music", max_tracks=28, duplicates="drop")
    about = preparation.prepare(run)
    files = artifacts.load(run, "files")
    assert files["files"].sum() == about["n_files"] == 30 and about["n"] < 28
    assert rules.adds_up(files["files"], about["n_files"])["verdict"]
    assert "excluded by settings" in checks.accounts(files, True)["left_out"]
    assert not rules.adds_up(files["files"], 31)["verdict"]
