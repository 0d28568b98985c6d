"""Spectrograms stay on disk and are read in blocks of rows: the same bits as from memory."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from lib.features import sets
from lib.models import contrastive, convolutional
from lib.store import artifacts, remembering, sizes
from lib.store.artifacts import OnDisk

N = 300  # more than a block


@pytest.fixture
def stored(prepared_run):
    """(the log-mels in memory, as float32 dB; the same as a run has them)"""
    run, x, _ = prepared_run
    ids = [f"t{i:016x}" for i in range(N)]
    artifacts.save_corpus(run, ids, {"corpus": "controlled"})
    rows = np.random.default_rng(0).integers(-9000, 0, (N, 64, 50)).astype(np.int16)
    coords = {"track": ids, "band": np.arange(64.0), "frame": np.arange(50) / 21.5}
    large = OnDisk("log_mel", ("track", "band", "frame"), rows.dtype, {"scale_factor": np.float32(0.01), "units": "dB"},
                   sizes.blocks(rows))
    artifacts.save(run, "features", xr.Dataset({"mfcc": (("track", "mfcc_stat"), rows[:, 0, :8])}, coords), large=large)
    found = artifacts.load(run, "features").log_mel
    return xr.DataArray(rows * np.float32(0.01), coords, ("track", "band", "frame")), found, run


def test_nothing_is_read_before_it_is_asked_for_and_then_it_is_what_was_written(stored):
    memory, found, run = stored
    assert not found.variable._in_memory and found.attrs["units"] == "dB" and found.dtype == np.float32
    np.testing.assert_array_equal(found[260:270].to_numpy(), memory[260:270])
    assert not found.variable._in_memory
    one = artifacts.load(run, "features", ["log_mel"], track=memory.track.values[7]).log_mel
    np.testing.assert_array_equal(one, memory[7])


@pytest.mark.parametrize("make", [
    lambda x: np.concatenate(contrastive.crop_statistics(x, 21.5, 1.0, 3), axis=2),
    lambda x: sizes.by_blocks(convolutional.images, x), sets.log_mel_statistics, sets.modulation_spectrum,
], ids=["crops", "images", "statistics", "modulation"])
def test_what_is_made_of_blocks_is_the_same_to_the_last_bit(stored, make, monkeypatch):
    memory, found, _ = stored
    in_blocks = np.asarray(make(found))
    monkeypatch.setattr(sizes.blocks, "__defaults__", (10**6,))
    monkeypatch.setattr(sizes.by_blocks, "__defaults__", (10**6,))
    np.testing.assert_array_equal(in_blocks, np.asarray(make(memory)))


def test_a_spectrogram_on_disk_is_known_by_its_content(stored):
    memory, found, _ = stored
    assert remembering.content(found) == remembering.content(memory)
    other = memory.copy()
    other[299, 0, 0] += 1
    assert remembering.content(other) != remembering.content(memory)
