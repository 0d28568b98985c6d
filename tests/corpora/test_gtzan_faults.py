"""GTZAN's known faults are left out by the published lists, and each of them is listed."""

from collections import Counter

import pytest

from lib.corpora import gtzan, registry
from lib.features import preparation
from lib.store import artifacts, runs
from lib.store.errors import Problem
from lib.store.settings import load
from tests.sounds import noise, write

FAULTY, SOUND = ("blues", "pop"), 12
LISTS = {"filtered_train": 443, "filtered_valid": 197, "filtered_test": 290}  # tracks, as published


def names():
    return [line for line in gtzan.FAULTS.read_text().splitlines() if not line.startswith("#")]


def test_what_is_left_out_is_what_no_list_has():
    assert len(names()) == len(set(names())) == len(gtzan.GENRES) * 100 - sum(LISTS.values())
    counts = Counter(name.split(".")[0] for name in names())
    assert set(counts) <= gtzan.GENRES and "blues" not in counts and counts["pop"] == 16
    assert "metal.00058" in names() and "rock.00016" not in names()  # one recording under two genres


def test_source_and_licence_stand_beside_the_names():
    head = "".join(line for line in gtzan.FAULTS.read_text().splitlines(True) if line.startswith("#"))
    assert "torchaudio/datasets/gtzan.py" in head and "BSD 2-Clause License" in head and "Copyright (c) 2017" in head


def collection(folder, faults=()):
    """A few of GTZAN's tracks under their own names, some of them faulty."""
    for seed, name in enumerate([*(f"blues.{i:05d}" for i in range(SOUND)), *(f"rock.{i:05d}" for i in range(SOUND)),
                                 *faults]):
        write(folder / name.split(".")[0] / f"{name}.wav", noise(seed))
    return folder


def test_faults_are_left_out_and_listed(tmp_path):
    faults = [name for name in names() if name.startswith("pop")][:3]
    source = str(collection(tmp_path, faults))
    kept, dropped = (registry.open(load(corpus="gtzan", source=source, settings={"faults": what}))
                     for what in ("keep", "drop"))
    assert len(kept.items) == 2 * SOUND + 3 and len(dropped.items) == 2 * SOUND
    assert dropped.skipped["file"].tolist() == [f"pop/{name}.wav" for name in faults]
    assert "fault-filtered lists" in dropped.skipped["reason"].iloc[0]
    assert "filtered" in dropped.title and f"{2 * SOUND} tracks with 2 labels" in dropped.description


@pytest.mark.slow
def test_no_file_vanishes(tmp_path):
    faults = [name for name in names() if name.startswith("pop")][:3]
    source = str(collection(tmp_path / "music", faults))
    run = runs.open_run("data_preparation", "smoke", "gtzan", source, out=str(tmp_path / "run"),
                        settings={"faults": "drop", "min_seconds": 1})
    about = preparation.prepare(run)
    files = artifacts.load(run, "files")
    assert about["n"] == 2 * SOUND and files["files"].sum() == about["n_files"] == 2 * SOUND + 3
    assert files.loc[files["group"] == "listed", "files"].tolist() == [3]


@pytest.mark.parametrize("corpus", ["controlled", "folder", "log_mel", "latents"])
def test_other_corpora_refuse_it_in_a_sentence(corpus):
    with pytest.raises(Problem, match="known faults of GTZAN") as caught:
        load(corpus=corpus, settings={"faults": "drop"})
    assert "\n" not in str(caught.value)


def test_files_without_gtzans_names_are_refused(tmp_path):
    for i in range(24):
        write(tmp_path / ("blues" if i % 2 else "pop") / f"track {i}.wav", noise(i))
    with pytest.raises(Problem, match="GTZAN's own file names"):
        registry.open(load(corpus="gtzan", source=str(tmp_path), settings={"faults": "drop"}))


def test_the_corpus_is_another_one():
    keys = [load(corpus="gtzan", settings={"faults": what}).corpus_key() for what in ("keep", "drop")]
    assert keys[0] != keys[1]
