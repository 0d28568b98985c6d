"""Features and networks on spectrograms of other sizes than audio gives."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.corpora import registry
from lib.features import audio, extraction, preparation, sets
from lib.models import contrastive, convolutional
from lib.store import artifacts, runs
from lib.store.settings import load
from tests import spectrograms
from tests.sounds import SR, noise
from tests.spectrograms import npz

librosa = audio.librosa
SHAPES = [(40, 200), (96, 1300), (64, 50), (128, 387), (20, 64), (512, 90), (127, 333)]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENT_GENRE_CACHE", str(tmp_path / "cache"))


# --- bands and frames --------------------------------------------------------------------------------------------


def test_128_bands_stay_as_they_are():
    values = spectrograms.log_mels(1, 128, 50)[0]
    assert audio.in_bands(values) is values


@given(st.integers(20, 512), st.integers(1, 30), st.floats(-100, 40))
@settings(max_examples=40)
def test_flat_spectra_stay_flat(bands, frames, level):
    found = audio.in_bands(np.full((bands, frames), level, np.float32))
    assert found.shape == (128, frames) and found == pytest.approx(level, abs=1e-3)


@given(st.integers(20, 512))
@settings(max_examples=40)
def test_bands_keep_their_place_on_the_mel_axis(bands):
    """A spectrum that falls evenly over mel does so in any number of bands."""
    slope = -40 * (np.arange(bands) + 1) / (bands + 1)
    wanted = -40 * (np.arange(128) + 1) / 129
    found = audio.in_bands(np.repeat(slope[:, None], 3, axis=1).astype(np.float32))[:, 0]
    inside = (wanted > slope[-1]) & (wanted < slope[0])
    assert found[inside] == pytest.approx(wanted[inside], abs=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("bands", [40, 64, 80, 96, 192, 256])
def test_descriptors_are_those_of_128_bands(bands):
    """Of one sound, analysed by librosa with other numbers of bands."""
    y = noise(3, seconds=4)
    found = [audio.extract_log_mel(librosa.power_to_db(librosa.feature.melspectrogram(y=y, sr=SR, n_mels=n)), SR / 512)
             for n in (128, bands)]
    tolerance = {"level": 0.5, "dynamic_range": 0.5, "percussive_ratio": 0.1, "mel_centroid": 0.5, "mel_spread": 0.3}
    for name, allowed in tolerance.items():
        assert found[1]["descriptors"][name] == pytest.approx(found[0]["descriptors"][name], abs=allowed), name
    assert found[0]["log_mel"].shape == found[1]["log_mel"].shape == (64, (len(y) // 512 + 1) // 3)


def test_without_a_known_zero_there_is_no_level_and_nothing_else_changes():
    values = spectrograms.log_mels(1, 96, 300)[0]
    louder, found = (audio.extract_log_mel(values + gain, 20.0, calibrated=False) for gain in (150, 0))
    assert "level" not in found["descriptors"] and "dynamic_range" in found["descriptors"]
    assert louder["descriptors"] == pytest.approx(found["descriptors"], rel=1e-4)
    assert louder["mfcc_delta"][1:20] == pytest.approx(found["mfcc_delta"][1:20], abs=1e-2)


@pytest.mark.parametrize("rate, size", [(12.9, 1), (SR / 512, 3), (SR / 256, 6), (100, 7), (1, 1), (1000, 70)])
def test_frames_are_averaged_to_about_those_of_audio(rate, size):
    assert audio.pooling(rate) == size
    found = audio.extract_log_mel(spectrograms.log_mels(1, 40, 700)[0], rate)
    assert found["log_mel"].shape == (64, 700 // size)


@pytest.mark.parametrize("shape", SHAPES)
def test_clips_of_any_shape(tmp_path, shape):
    corpus = registry.open(load(corpus="log_mel", source=str(npz(tmp_path / "x.npz",
                                                                  spectrograms.log_mels(24, *shape)))))
    clip = extraction.analyse(corpus.items[3].spec, 30.0)
    rate = SR / 512
    kept = min(shape[1], round(30 * rate))
    assert clip.seconds == pytest.approx(kept / rate) and clip.log_mel.shape == (64, kept // 3)
    assert np.isfinite(clip.mfcc_delta).all() and len(clip.mfcc_delta) == 60
    short = extraction.analyse(corpus.items[3].spec, 1.0)
    assert short.seconds == pytest.approx(min(43, shape[1]) / rate)


# --- from a source to networks -----------------------------------------------------------------------------------


def prepared(tmp_path, source, **settings):
    run = runs.open_run("01_data_preparation", "smoke", "log_mel", str(source), out=str(tmp_path / "run"),
                        settings={"min_seconds": 0.5, **settings})
    return run, preparation.prepare(run)


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES[:3])
def test_sets_and_networks_take_any_shape(tmp_path, shape):
    run, about = prepared(tmp_path, npz(tmp_path / "my mels.npz", spectrograms.log_mels(24, *shape)))
    assert about["title"] == "my mels" and not about["has_audio"] and about["n"] == 24
    found = artifacts.load(run, "features")
    assert found.log_mel.shape == (24, 64, min(shape[1], round(30 * SR / 512)) // 3)
    assert found.band.values[-1] < SR / 2 and np.diff(found.frame.values) == pytest.approx(3 * 512 / SR)
    for table in (sets.log_mel_statistics(found.log_mel), sets.modulation_spectrum(found.log_mel)):
        assert np.isfinite(table.to_numpy()).all()
    blocks = contrastive.crop_statistics(found.log_mel.to_numpy(), 14.36, 10.0, 5)
    assert all(np.isfinite(block).all() and block.shape[:2] == (5, 24) for block in blocks)
    images = convolutional.images(found.log_mel.to_numpy())
    model = convolutional.ConvVAE(images.shape[1:], np.zeros((4, images[0].size)), np.ones(4))
    mu, _ = model.encode(torch.from_numpy(images))
    assert model.decode(mu).shape == images.shape


@pytest.mark.slow
def test_tracks_of_unequal_length(tmp_path):
    lengths = np.random.default_rng(0).integers(100, 2000, 24)
    for i, length in enumerate(lengths):
        folder = tmp_path / "mels" / f"kind {i % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / f"{i}.npy", spectrograms.log_mels(1, 80, length, seed=i)[0])
    np.save(folder / "nan.npy", np.full((80, 300), np.nan))
    run, about = prepared(tmp_path, tmp_path / "mels", max_seconds=20.0)
    found = artifacts.load(run, "features").log_mel
    most = round(20 * SR / 512)
    assert about["n"] == 24 and found.sizes["frame"] == min(lengths.max(), most) // 3
    assert artifacts.load(run, "skipped").reset_index()["reason"].str.contains("not finite").any()
    seconds = artifacts.load(run, "tracks")["seconds"]
    shortest = found.sel(track=seconds.idxmin()).values
    own = int(round(seconds.min() * SR / 512)) // 3
    np.testing.assert_array_equal(shortest[:, own : 2 * own], shortest[:, :own])


@pytest.mark.parametrize("bands", [1, 3, 6, 64])
def test_groups_of_bands_are_means_whatever_their_number(bands):
    level = np.cos(np.arange(200) / 3)
    crop = np.repeat(level[None, None].astype(np.float32), bands, axis=1)
    found = contrastive._modulation(crop, 14.36).reshape(-1, 10)
    assert found == pytest.approx(np.repeat(found[:1], len(found), axis=0), abs=1e-4)
