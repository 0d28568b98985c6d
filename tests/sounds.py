"""Small sound files for the tests of real corpora."""

from pathlib import Path

import numpy as np
import soundfile

SR = 22050


def noise(seed: int, seconds: float = 1.5, sr: int = SR) -> np.ndarray:
    """Noise whose colour and level depend on the seed."""
    rng = np.random.default_rng(seed)
    y = np.convolve(rng.standard_normal(int(seconds * sr)), np.ones(1 + seed % 7) / (1 + seed % 7), mode="same")
    return (0.1 * y).astype(np.float32)


def write(path: Path, y: np.ndarray, sr: int = SR, **how: str) -> Path:
    """Write a sound file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, y, sr, **how)
    return path


def collection(root: Path, labels: dict[str, int], seconds: float = 1.5) -> Path:
    """A folder with so many tracks per label, all different."""
    seed = 0
    for label, n in labels.items():
        for _ in range(n):
            write(root / label / f"{seed:03d}.wav", noise(seed, seconds))
            seed += 1
    return root
