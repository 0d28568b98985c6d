import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.corpora import folder, registry
from lib.corpora.items import Item
from lib.features import audio, extraction
from lib.store import engine
from lib.store.errors import Unusable
from lib.store.series import ROOT
from lib.store.settings import load
from tests.sounds import SR, collection, noise, write

librosa = audio.librosa


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Features are stored in a folder of the test's own; librosa's compiled functions are not."""
    extraction.warm()
    monkeypatch.setenv("LATENT_GENRE_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def music():
    """Six seconds with chords, clicks and noise."""
    t = np.arange(6 * SR) / SR
    rng = np.random.default_rng(0)
    y = sum(np.sin(2 * np.pi * f * t) * (1 + np.sin(t * f / 100)) for f in (220, 277.2, 329.6, 880)) / 12
    y[:: SR // 2] += 0.8
    return (y + 0.01 * rng.standard_normal(len(t))).astype(np.float32)


# --- agreement with plain librosa --------------------------------------------------------------------------------


@pytest.mark.slow
def test_mfcc_statistics_are_librosas(music):
    mfcc = librosa.feature.mfcc(y=music, sr=SR, n_mfcc=20)
    found = audio.extract(music, SR)
    np.testing.assert_allclose(found["mfcc"], np.r_[mfcc.mean(axis=1), mfcc.std(axis=1)], atol=1e-3)
    np.testing.assert_allclose(found["mfcc_delta"][40:], np.diff(mfcc, axis=1).std(axis=1), atol=1e-3)
    np.testing.assert_array_equal(found["mfcc_delta"][:40], found["mfcc"])


@pytest.mark.slow
def test_log_mel_is_librosas_with_frames_averaged_and_short_clips_repeated(music):
    mel = librosa.feature.melspectrogram(y=music, sr=SR, n_mels=64)
    n = mel.shape[1]
    repeated = np.concatenate([mel] * 6, axis=1)[:, : 3 * 431].reshape(64, 431, 3).mean(axis=2)
    found = audio.extract(music, SR, seconds=30.0)["log_mel"]
    assert found.shape == (64, 431) and n == 259
    np.testing.assert_allclose(found, librosa.power_to_db(repeated), atol=1e-3)
    whole = audio.extract(music, SR, seconds=6.0)["log_mel"]
    assert whole.shape == (64, 87)
    np.testing.assert_allclose(whole[:, :86], found[:, :86], atol=1e-3)


@pytest.mark.slow
def test_descriptors_are_librosas(music):
    found = audio.extract(music, SR)["descriptors"]
    magnitude = np.abs(librosa.stft(music))
    onsets = librosa.onset.onset_strength(y=music, sr=SR)
    expected = {
        "spectral_centroid": librosa.feature.spectral_centroid(y=music, sr=SR).mean(),
        "spectral_bandwidth": librosa.feature.spectral_bandwidth(y=music, sr=SR).mean(),
        "spectral_flatness": librosa.feature.spectral_flatness(y=music).mean(),
        "spectral_rolloff": librosa.feature.spectral_rolloff(y=music, sr=SR).mean(),
        "tempo": librosa.feature.tempo(y=music, sr=SR)[0],
        "onset_rate": len(librosa.onset.onset_detect(onset_envelope=onsets, sr=SR)) / 6,
        "zero_crossing_rate": librosa.feature.zero_crossing_rate(music, center=False).mean() * SR,
    }
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=0.01), name
    mel = audio._filters()[128:] @ magnitude**2
    harmonic, percussive = librosa.decompose.hpss(np.sqrt(mel), kernel_size=(15, 7))
    share = np.sum(percussive**2) / (np.sum(percussive**2) + np.sum(harmonic**2))
    assert audio._percussive_ratio(mel, 15 / 0.7) == pytest.approx(share, rel=1e-4)
    assert set(found) == set(audio.DESCRIPTORS)


# --- known answers -----------------------------------------------------------------------------------------------


def tone(frequency, seconds=4.0, level=1.0):
    return (level * np.sin(2 * np.pi * frequency * np.arange(int(seconds * SR)) / SR)).astype(np.float32)


def clicks(per_minute, seconds=12.0):
    y = np.zeros(int(seconds * SR), np.float32)
    for start in np.arange(0, seconds, 60 / per_minute):
        y[int(start * SR) : int(start * SR) + 100] = noise(1)[:100] * 5
    return y + 1e-4 * noise(2, seconds)


@pytest.mark.slow
def test_a_tone_has_its_frequency_and_level():
    found = audio.extract(tone(2000.0), SR)["descriptors"]
    assert found["spectral_centroid"] == pytest.approx(2000, rel=0.05)
    assert found["level"] == pytest.approx(-3.01, abs=0.02)
    assert found["zero_crossing_rate"] == pytest.approx(4000, rel=0.01)
    assert found["mel_centroid"] == pytest.approx(librosa.hz_to_mel(2000), rel=0.03)
    assert found["spectral_flatness"] < 0.01 and found["percussive_ratio"] < 0.1 and found["dynamic_range"] < 1


def test_clicks_have_a_tempo_and_are_percussive():
    found = audio.extract(clicks(120), SR)["descriptors"]
    assert found["tempo"] == pytest.approx(120, rel=0.03) and found["onset_rate"] == pytest.approx(2, rel=0.1)
    assert found["percussive_ratio"] > 0.8 and found["dynamic_range"] > 20


def test_a_key_is_clearer_than_noise_and_the_same_in_every_key():
    def clarity(tonic):
        chord = sum(tone(tonic * 2 ** (step / 12), 2.0, w) for step, w in ((0, 0.3), (4, 0.2), (7, 0.25), (12, 0.1)))
        return audio.extract(chord, SR)["descriptors"]["key_clarity"]

    assert clarity(261.6) > 0.7 and clarity(392.0) == pytest.approx(clarity(261.6), abs=0.1)
    assert audio.extract(noise(0, 4.0), SR)["descriptors"]["key_clarity"] < clarity(261.6) - 0.1


@settings(max_examples=15, deadline=None)
@given(st.floats(0.05, 4.0), st.integers(0, 20))
def test_loudness_moves_the_level_and_nothing_else(gain, seed):
    y = noise(seed)
    before, after = audio.extract(y, SR), audio.extract((gain * y).astype(np.float32), SR)
    decibels = 20 * np.log10(gain)
    assert after["descriptors"]["level"] - before["descriptors"]["level"] == pytest.approx(decibels, abs=0.01)
    assert after["mfcc"][0] - before["mfcc"][0] == pytest.approx(np.sqrt(128) * decibels, abs=0.1)
    np.testing.assert_allclose(after["mfcc"][1:], before["mfcc"][1:], atol=0.02)
    for name in ("spectral_centroid", "spectral_flatness", "percussive_ratio", "mel_spread"):
        assert after["descriptors"][name] == pytest.approx(before["descriptors"][name], rel=1e-3), name


def test_a_log_mel_gives_what_the_audio_gives(music):
    for y in (music, noise(3, 5.0), tone(500.0, level=0.3)):
        log_mel = librosa.power_to_db(librosa.feature.melspectrogram(y=y, sr=SR, n_mels=128))
        heard, seen = audio.extract(y, SR, 4.0), audio.extract_log_mel(log_mel, SR / 512)
        np.testing.assert_allclose(seen["mfcc_delta"], heard["mfcc_delta"], atol=1e-3)
        for name in ("level", "dynamic_range"):
            assert seen["descriptors"][name] == pytest.approx(heard["descriptors"][name], abs=1.0), name
        assert seen["descriptors"]["mel_centroid"] == pytest.approx(heard["descriptors"]["mel_centroid"], rel=1e-3)
        assert seen["log_mel"].shape == (64, log_mel.shape[1] // audio.pooling(SR / 512))
        assert set(seen["descriptors"]) < set(audio.DESCRIPTORS)


# --- many clips --------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_bad_clips_cost_only_themselves_and_good_ones_are_stored(tmp_path, monkeypatch):
    root = collection(tmp_path / "music", {"ä b": 2})
    label = root / "ä b"
    write(label / "eight.wav", noise(20, 2.0, 8000), 8000)
    write(label / "stereo.wav", np.stack([noise(21), noise(22)], axis=1))
    write(label / "high.wav", noise(23, 2.0, 96000), 96000)
    write(label / "silent.wav", np.zeros(3 * SR))
    write(label / "offset.wav", np.full(3 * SR, 0.3))
    write(label / "one sample.wav", np.ones(1))
    write(label / "short.wav", noise(24, 0.5))
    write(label / "nan.wav", np.where(np.arange(3 * SR) == 700, np.nan, noise(25, 3.0)), subtype="FLOAT")
    write(label / "vast.wav", 1e30 * noise(25, 3.0), subtype="FLOAT")
    (label / "zero.mp3").write_bytes(b"")
    (label / "text.wav").write_text("words " * 1000)
    (label / "junk.wav").write_bytes(bytes(range(256)) * 20)
    run_settings = load(corpus="folder", source=str(root), settings={"min_seconds": 1.0})
    items, listed, *_ = folder.find(root, 30.0)
    assert [name for name, _ in listed] == ["ä b/text.wav", "ä b/zero.mp3"]
    said = []
    found = extraction.extract_all(items, run_settings, jobs=2, progress=said.append)
    reasons = dict(zip(found.skipped["file"].str.removeprefix("ä b/"), found.skipped["reason"], strict=True))
    expected = {
        "silent.wav": "silent", "offset.wav": "silent", "one sample.wav": "too short", "short.wav": "0.50 s",
        "nan.wav": "not finite", "vast.wav": "far beyond full scale", "junk.wav": "no audio file, or a damaged one",
    }
    assert set(reasons) == set(expected)
    assert all(expected[name] in reason for name, reason in reasons.items()), reasons
    names = {items[i].name.removeprefix("ä b/") for i in found.paths}
    assert names == {"000.wav", "001.wav", "eight.wav", "stereo.wav", "high.wav"} and said
    clip = extraction.load_clip(found.paths[min(found.paths)])
    assert clip.log_mel.dtype == np.int16 and len(clip.mfcc_delta) == 60
    assert set(clip.descriptors) == set(audio.DESCRIPTORS)

    # What is stored is not computed again, and a damaged file is
    paths = list(found.paths.values())
    paths[0].write_bytes(b"damaged")
    asked = []
    monkeypatch.setattr(engine, "run", _recording(engine.run, asked))
    again = extraction.extract_all([items[i] for i in found.paths], run_settings, jobs=1)
    assert list(again.paths.values()) == paths and [len(inputs) for inputs in asked] == [1]
    np.testing.assert_array_equal(extraction.load_clip(paths[0]).mfcc, clip.mfcc)


def _recording(run, asked):
    def wrapped(task, inputs, *rest):
        asked.append(inputs)
        return run(task, inputs, *rest)

    return wrapped


def test_after_a_crash_the_compiled_functions_are_made_anew_once(tmp_path, monkeypatch):
    root = collection(tmp_path / "music", {"a": 3})
    items = folder.find(root, 30.0).items
    cleared, calls = [], []

    def run(task, inputs, jobs, limit, seen):
        calls.append(len(inputs))
        for i, arguments in enumerate(inputs):
            if len(calls) == 1 and i == 1 or arguments[0]["path"].endswith("002.wav"):
                yield engine.Outcome(i, "died", reason="signal 11")
            else:
                yield engine.Outcome(i, "done", task(*arguments))

    monkeypatch.setattr(engine, "run", run)
    monkeypatch.setattr(extraction, "warm", lambda clear=False: cleared.append(clear))
    found = extraction.extract_all(items, load(corpus="folder", settings={"min_seconds": 1.0}))
    assert cleared == [False, True] and calls == [3, 2]
    assert list(found.paths) == [0, 1] and found.skipped["reason"].tolist() == ["signal 11"]


def _here(task, inputs, jobs, limit, seen):
    """As `engine.run`, in this process."""
    for i, arguments in enumerate(inputs):
        try:
            yield engine.Outcome(i, "done", task(*arguments))
        except Unusable as reason:
            yield engine.Outcome(i, "failed", reason=str(reason))


@pytest.mark.parametrize("swap", ["before", "after"])
@pytest.mark.parametrize("new", ["other", "stored already", "unusable"])
def test_files_replaced_while_the_run_goes_on_leave_no_wrong_features(tmp_path, monkeypatch, swap, new):
    """The first of two equal files is replaced after it was hashed, just before or after its bytes are read."""
    root = collection(tmp_path / "music", {"a": 3})
    victim, twin = root / "a" / "000.wav", root / "a" / "0twin.wav"
    twin.write_bytes(victim.read_bytes())
    content = {"other": write(tmp_path / "other.wav", noise(77)).read_bytes(), "unusable": b"words",
               "stored already": (root / "a" / "001.wav").read_bytes()}[new]
    swapped = []

    def read(spec, was=registry.read):
        if swapped or spec["path"] != str(victim):
            return was(spec)
        swapped.append(spec)
        if swap == "before":
            victim.write_bytes(content)
        found = was(spec)
        victim.write_bytes(content)
        return found

    monkeypatch.setattr(registry, "read", read)
    monkeypatch.setattr(engine, "run", _here)
    chosen = load(corpus="folder", settings={"min_seconds": 1.0})
    items = folder.find(root, 30.0).items
    found = extraction.extract_all(items, chosen)
    assert swapped
    for i, path in found.paths.items():
        # What the victim held when it was read is what its twin holds still
        still = swap == "after" and items[i].name == "a/000.wav"
        spec = dict(items[i].spec, path=str(twin)) if still else items[i].spec
        np.testing.assert_array_equal(extraction.load_clip(path).mfcc, extraction.analyse(spec, 30.0).mfcc)
    lost = {"a/000.wav"} if new == "unusable" and swap == "before" else set()
    assert {items[i].name for i in found.paths} == {item.name for item in items} - lost
    assert set(found.skipped["file"]) == lost and found.skipped["reason"].str.contains("text, not audio").all()

    # A later run, when all is quiet, finds under every hash what belongs to it
    again = extraction.extract_all(items, chosen)
    for i, path in again.paths.items():
        np.testing.assert_array_equal(extraction.load_clip(path).mfcc, extraction.analyse(items[i].spec, 30.0).mfcc)
    assert len(again.paths) == (3 if new == "unusable" else 4)


def test_a_subset_depends_on_content_and_seed_alone(tmp_path, monkeypatch):
    root = collection(tmp_path / "music", {"a": 12})
    items = folder.find(root, 30.0).items
    monkeypatch.setattr(engine, "run", _here)
    shuffled = [Item(f"other/{i}.wav", item.spec, "other") for i, item in enumerate(items[::-1])]

    def contents(items, seed):
        chosen = load(corpus="folder", settings={"min_seconds": 1.0, "max_tracks": 5, "seed": seed})
        return {path.name for path in extraction.extract_all(items, chosen).paths.values()}

    assert len(contents(items, 0)) == 5 and contents(items, 0) == contents(shuffled, 0) != contents(items, 1)


@pytest.mark.slow
def test_two_cold_workers_do_not_crash(tmp_path):
    """Two processes that compile librosa's functions into one empty folder at once would crash Python."""
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "numba"), "PYTHONPATH": str(ROOT)}
    code = "from lib.features import extraction; extraction.warm(); extraction.call_everything()"
    both = [subprocess.Popen([sys.executable, "-c", code], env=environment) for _ in range(2)]
    assert [process.wait(timeout=3600) for process in both] == [0, 0]
    compiled = {path: path.stat().st_mtime_ns for path in (tmp_path / "numba").rglob("*.nb[ic]")}
    assert compiled
    subprocess.run([sys.executable, "-c", code.replace("extraction.warm(); ", "")], env=environment, check=True)
    assert compiled == {path: path.stat().st_mtime_ns for path in (tmp_path / "numba").rglob("*.nb[ic]")}
