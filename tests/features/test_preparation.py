import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lib.corpora import folder, registry
from lib.features import audio, extraction, preparation
from lib.report import claims
from lib.store import artifacts, labels, runs
from lib.store.errors import Problem
from lib.store.settings import load
from tests.sounds import collection, noise, write
from tests.spectrograms import pack

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory):
    """One store of features for all tests here, so that each file is analysed once."""
    extraction.warm()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LATENT_GENRE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def music(tmp_path_factory):
    """Twenty-four tracks with three labels; one pair of copies with the same label, one with different labels."""
    root = collection(tmp_path_factory.mktemp("music"), {"blues": 8, "jazz": 8, "ska": 5})
    write(root / "ska" / "half.wav", noise(90, 0.5))
    shutil.copy(root / "blues" / "000.wav", root / "blues" / "copy of 000.wav")
    shutil.copy(root / "blues" / "001.wav", root / "jazz" / "copy of 001.wav")
    (root / "jazz" / "broken.mp3").write_text("no music")
    return root


def open_run(out, source, lyrics="", corpus="folder", labels="", **changes):
    return runs.open_run("01_data_preparation", "smoke", corpus, str(source), str(lyrics), labels=str(labels),
                         out=str(out), settings={"min_seconds": 1.0} | changes)


@pytest.mark.slow
def test_the_store_holds_every_table_by_track(tmp_path, music):
    run = open_run(tmp_path / "run", music)
    about = preparation.prepare(run)
    assert about["n"] == 23 and about["n_labels"] == 3 and not about["has_lyrics"] and about["n_skipped"] == 2
    found = artifacts.load(run, "features")
    ids = found.track.values.tolist()
    assert ids == sorted(ids) and dict(found.sizes) == {
        "track": 23, "mfcc_stat": 40, "mfcc_delta_stat": 60, "band": 64, "frame": 431,
    }
    assert found.log_mel.dtype == np.float32 and found.mfcc_stat.values[[0, 20]].tolist() == ["mean_00", "std_00"]
    for name in ("descriptors", "tracks", "sources"):
        assert artifacts.load(run, name).index.tolist() == ids, name
    genre = labels.open_labels(run, "corpus_check")
    assert genre.index.tolist() == ids and genre.value_counts().to_dict() == {"blues": 9, "jazz": 9, "ska": 5}
    skipped = artifacts.load(run, "skipped").set_index("file")["reason"]
    assert "too short" in skipped["ska/half.wav"] and "text, not audio" in skipped["jazz/broken.mp3"]
    assert not artifacts.has(run, "lyrics") and not artifacts.has(run, "factors")

    # A row is the clip that its id names
    track = ids[7]
    y, sr, *_ = preparation.listen(run, track)
    again = audio.extract(y, sr)
    np.testing.assert_allclose(found.mfcc.sel(track=track), again["mfcc"], atol=1e-4)
    np.testing.assert_allclose(found.log_mel.sel(track=track), again["log_mel"], atol=0.006)


@pytest.mark.slow
def test_copies_are_kept_or_dropped_and_always_listed(tmp_path, music):
    kept, dropped = open_run(tmp_path / "keep", music), open_run(tmp_path / "drop", music, duplicates="drop")
    assert preparation.prepare(kept)["n"] == 23 and preparation.prepare(dropped)["n"] == 20
    pd.testing.assert_frame_equal(artifacts.load(kept, "duplicates"), artifacts.load(dropped, "duplicates"))
    groups = artifacts.load(kept, "duplicates").groupby("group")
    assert sorted(groups["labels_agree"].first()) == [False, True] and (groups.size() == 2).all()
    assert all({name, f"{name}-2"} == set(copies["track"]) for name, copies in groups)
    agreeing = groups["labels_agree"].first()
    left = artifacts.load(dropped, "tracks")["group"]
    assert all((group in set(left)) == agree for group, agree in agreeing.items()) and left.is_unique


def by_track(run):
    preparation.prepare(run)
    arrays = artifacts.load(run, "features")
    return arrays, artifacts.load(run, "descriptors"), labels.open_labels(run, "corpus_check")


@pytest.mark.slow
def test_relabelling_renaming_and_reordering_change_no_feature(tmp_path, music, monkeypatch):
    """Every folder and file gets another name, every track another label; the features of each id stay equal."""
    before = by_track(open_run(tmp_path / "before", music))
    rng = np.random.default_rng(0)
    renamed = tmp_path / "renamed"
    for i, path in enumerate(rng.permutation(sorted(map(str, music.rglob("*.wav"))))):
        target = renamed / f"label {rng.integers(4)}" / f"{i}.wav"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    find = folder.find

    def shuffled(root, seconds, **options):
        found = find(root, seconds, **options)
        return found._replace(items=[found.items[i] for i in rng.permutation(len(found.items))])

    monkeypatch.setattr(folder, "find", shuffled)
    monkeypatch.setenv("LATENT_GENRE_CACHE", str(tmp_path / "cold cache"))
    after = by_track(open_run(tmp_path / "after", renamed))
    assert before[0].drop_attrs().identical(after[0].drop_attrs())
    pd.testing.assert_frame_equal(before[1], after[1])
    assert (before[2] != after[2]).any()


@pytest.mark.slow
def test_lyrics_join_by_file_stem(tmp_path, music):
    words = pd.DataFrame({"track_id": ["003", "002", "nobody"], "lyrics": ["rain, rain", "NA", "x"]})
    words.to_csv(tmp_path / "words.csv", index=False)
    run = open_run(tmp_path / "run", music, tmp_path / "words.csv")
    assert preparation.prepare(run)["has_lyrics"]
    texts = artifacts.load(run, "lyrics")["text"].fillna("")
    names = artifacts.load(run, "sources")["name"]
    assert texts[names == "blues/003.wav"].tolist() == ["rain, rain"] and (texts != "").sum() in (1, 2)
    assert artifacts.load(run, "lyrics_report")["status"].tolist()[-1] == "unmatched"


@pytest.mark.slow
def test_columns_of_a_table_of_labels_are_known_of_the_tracks(tmp_path, music):
    """Numbers as numbers, names of groups as text; without the table, in the same folder, nothing is left of it."""
    files = sorted(path.relative_to(music).as_posix() for path in music.rglob("*.wav"))
    each = range(len(files))
    table = pd.DataFrame({
        "file": files, "mood": [("sad", "glad")[i % 2] for i in each], "fold": [f"{i % 3:02d}" for i in each],
        "artist_id": [100 + i for i in each], "tempo": [80 + i / 2 for i in each],
        "year": [1990 + i if i % 5 else "" for i in each], "empty": "", "take": [i % 2 for i in each],
    })
    table.to_csv(tmp_path / "table.csv", index=False)
    run = open_run(tmp_path / "run", music, labels=f"{tmp_path / 'table.csv'}:mood")
    about = preparation.prepare(run)
    assert about["label"] == claims.label_of(run) == "mood" and about["n_labels"] == 2
    columns = artifacts.load(run, "columns")
    numbers = [name for name in columns if pd.api.types.is_numeric_dtype(columns[name])]
    assert list(columns) == ["fold", "artist_id", "tempo", "year", "take"] and numbers == ["tempo", "year"]
    assert set(columns["fold"]) == {"00", "01", "02"} and columns["year"].isna().any()
    known = preparation.known(run)
    assert known.columns.is_unique and {"tempo", "tempo (table)", "fold", "spectral_centroid"} <= set(known)
    names = artifacts.load(run, "sources")["name"]
    assert (known["tempo (table)"] == [80 + files.index(name) / 2 for name in names]).all()
    runs.claim_folder(run.folder, load("smoke", "folder", str(music), settings={"min_seconds": 1.0}), replace=True)
    run = open_run(tmp_path / "run", music)
    assert preparation.prepare(run)["label"] == "genre"
    assert not artifacts.has(run, "columns") and not artifacts.has(run, "labels_report")


@pytest.mark.slow
def test_a_subset_and_a_log_mel_pack(tmp_path):
    path = pack(tmp_path / "gtzan_logmel.npz", n=40)
    run = open_run(tmp_path / "run", path, corpus="gtzan_logmel", max_tracks=25)
    about = preparation.prepare(run)
    assert about["n"] == 25 and not about["has_audio"]
    found = artifacts.load(run, "features")
    assert found.sizes["frame"] == 387 and float(found.frame[-1]) == pytest.approx(386 / 12.9)
    assert preparation.listen(run, str(found.track.values[0])) is None
    assert "tempo" not in artifacts.load(run, "descriptors") and "level" in artifacts.load(run, "descriptors")


@pytest.mark.slow
def test_what_remains_must_be_enough(tmp_path):
    root = collection(tmp_path / "short", {"a": 12, "b": 12}, seconds=0.4)
    with pytest.raises(Problem, match="none of the 24 tracks"):
        preparation.prepare(open_run(tmp_path / "1", root))
    for i in range(20):
        write(root / "a" / f"long {i}.wav", noise(i))
    with pytest.raises(Problem, match="all 20 usable tracks .* same label"):
        preparation.prepare(open_run(tmp_path / "2", root))


@pytest.mark.slow
def test_a_moved_file_can_no_longer_be_heard(tmp_path, music):
    root = tmp_path / "moving"
    shutil.copytree(music, root)
    run = open_run(tmp_path / "run", root)
    preparation.prepare(run)
    root.rename(tmp_path / "moved")
    with pytest.raises(Problem, match="was its file moved"):
        preparation.listen(run, artifacts.load(run, "tracks").index[0])


@pytest.mark.slow
@pytest.mark.skipif(not (SHARED / "gtzan_logmel").is_dir(), reason="needs ../shared/data/gtzan_logmel")
def test_gtzan_has_its_known_duplicates(tmp_path):
    run = open_run(tmp_path / "run", SHARED / "gtzan_logmel" / "gtzan_logmel.npz", corpus="gtzan_logmel")
    items = registry.open(run.settings).items
    prints = pd.Series([registry.fingerprint(item.spec) for item in items])
    genres = pd.Series([item.label for item in items])
    copies = prints[prints.duplicated(keep=False)]
    assert len(items) == 999 and len(copies) == 28 and copies.nunique() == 14
    assert (genres[copies.index].groupby(copies).nunique() == 2).sum() == 1
