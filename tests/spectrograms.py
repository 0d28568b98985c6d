"""Made-up log-mel spectrograms, in the forms in which people keep them."""

import numpy as np


def pack(path, n=30, **changes):
    """An `.npz` of GTZAN's form, with some arrays changed or (None) left out."""
    arrays = {
        "logmel_db": np.random.default_rng(0).normal(-20, 10, (n, 128, 387)).astype(np.float16),
        "file_stem": np.array([f"rock.{i:05d}" for i in range(n)]), "genre": np.array(["rock", "jazz"] * n)[:n],
    } | changes
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    return path


def log_mels(n, bands, frames, kinds=2, seed=0):
    """Spectrograms [n, bands, frames] in dB, float32: a slope over bands per kind (row % kinds), pulses and noise."""
    rng = np.random.default_rng(seed)
    slope = np.linspace(0, -1, bands)[:, None] * (10 + 30 * (np.arange(n) % kinds))[:, None, None]
    pulse = 6 * np.cos(2 * np.pi * np.arange(frames) / 8 * rng.uniform(0.5, 2, n)[:, None])[:, None]
    return (slope + pulse + rng.normal(-20, 3, (n, bands, frames))).astype(np.float32)


def npz(path, values, kinds=2, compressed=False, **more):
    """An `.npz` of spectrograms [n, bands, frames] with names and labels, and `more` arrays; None leaves one out."""
    n = len(values)
    arrays = {"log_mel": values, "file_stem": np.array([f"track {i:05d}" for i in range(n)]),
              "genre": np.array([f"kind {i % kinds}" for i in range(n)])} | more
    save = np.savez_compressed if compressed else np.savez
    save(path, **{name: array for name, array in arrays.items() if array is not None})
    return path
