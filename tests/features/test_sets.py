"""Feature sets on sounds whose rhythm and balance are known."""

import numpy as np
import pandas as pd
import pytest
import scipy.fft
import xarray as xr

from lib.features import blocks, sets
from lib.models import training

RATE = 14.35  # frames a second, as of the stored log-mels


def pulsing(hz, group=0, n_bands=64, frames=431, seed=0):
    """log_mel [1, band, frame] in dB: noise, and one group of bands that pulses at `hz`."""
    time = np.arange(frames) / RATE
    values = 0.1 * np.random.default_rng(seed).standard_normal((n_bands, frames)) - 30
    rows = np.array_split(np.arange(n_bands), sets.BAND_GROUPS)[group]
    values[rows] += 5 * np.cos(2 * np.pi * hz * time)
    return xr.DataArray(values[None], dims=("track", "band", "frame"), coords={"track": ["a"], "frame": time})


PULSES = [(0.6, "0.5-0.85"), (1.1, "0.85-1.4"), (2.0, "1.4-2.4"), (3.0, "2.4-4.1"), (5.0, "4.1-6.4")]


@pytest.mark.parametrize("hz, band", PULSES)
def test_a_pulse_is_heard_in_its_own_band(hz, band):
    found = sets.modulation_spectrum(pulsing(hz, group=2)).iloc[0]
    assert found.drop([c for c in found.index if c.endswith("share")]).idxmax() == f"bands_2_{band}_Hz"
    assert found["bands_2_share"] > 0.95


def test_rhythm_does_not_hear_levels_nor_balance():
    quiet = pulsing(2.0)
    tilted = quiet + xr.DataArray(np.linspace(-20, 20, 64), dims="band")
    plain, changed = (sets.modulation_spectrum(each) for each in (quiet, tilted))
    pd.testing.assert_frame_equal(plain, changed, atol=1e-3)


def test_sets_do_not_depend_on_the_order_of_tracks():
    both = xr.concat([pulsing(1.0), pulsing(3.0, 4).assign_coords(track=["b"])], "track")
    for make in (sets.modulation_spectrum, sets.log_mel_statistics):
        pd.testing.assert_frame_equal(make(both).loc[["b"]], make(both.isel(track=[1, 0])).loc[["b"]])


def test_silence_and_very_short_clips_stay_finite():
    silent = xr.zeros_like(pulsing(1.0)) - 80
    short = pulsing(1.0).isel(frame=slice(0, 12))
    for log_mel in (silent, short):
        assert np.isfinite(sets.modulation_spectrum(log_mel).to_numpy()).all()
        assert np.isfinite(sets.log_mel_statistics(log_mel).to_numpy()).all()


def test_log_mel_statistics_by_hand():
    log_mel = xr.DataArray([[[1.0, 3.0], [5.0, 5.0]]], dims=("track", "band", "frame"), coords={"track": ["a"]})
    assert sets.log_mel_statistics(log_mel).loc["a"].tolist() == [2, 5, 1, 0]


def test_blocks_have_the_same_variance_whatever_their_width():
    rng = np.random.default_rng(0)
    index = pd.Index([f"t{i}" for i in range(300)])
    narrow, wide = (pd.DataFrame(rng.standard_normal((300, d)) * 7, index) for d in (5, 60))
    x = blocks.joined(narrow, wide)
    scaled = training.standardise(x.to_numpy(), np.arange(300), blocks.weights(x))
    variance = pd.Series(scaled.var(0)).groupby(x.columns.get_level_values(0).to_numpy()).sum()
    assert variance.tolist() == pytest.approx([20, 20], rel=1e-3)
    assert blocks.weights(pd.DataFrame(np.ones((2, 40)))).tolist() == [1] * 40


def test_sets_of_different_tracks_are_not_joined():
    with pytest.raises(ValueError, match="different tracks"):
        blocks.joined(pd.DataFrame({"a": [1]}, ["t1"]), pd.DataFrame({"b": [1]}, ["t2"]))


def test_mel_profile_inverts_the_cepstrum():
    smooth = np.cos(np.pi * 3 * (np.arange(128) + 0.5) / 128) * 4 + 2
    mfcc = scipy.fft.dct(smooth, type=2, norm="ortho")[:20]
    assert sets.mel_profile(mfcc, bands=128) == pytest.approx(smooth)
    assert sets.mel_profile(mfcc) == pytest.approx(smooth.reshape(64, 2).mean(1))
