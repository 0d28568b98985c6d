"""Small sound files for the tests of real corpora."""

from pathlib import Path

import av
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


def encode(path: Path, y: np.ndarray, container: str, codec: str, sr: int = SR, tags: dict[str, str] | None = None,
           **options: str) -> Path:
    """Write y [samples] or [samples, channels] with FFmpeg; `options` are those of container and codec."""
    path.parent.mkdir(parents=True, exist_ok=True)
    y = np.atleast_2d(np.asarray(y, np.float32).T)
    layout = {1: "mono", 2: "stereo", 6: "5.1"}[len(y)]
    with av.open(str(path), "w", format=container, options=options) as out:
        stream = out.add_stream(codec, rate=sr, layout=layout, options=options)
        out.metadata.update(tags or {})
        stream.bit_rate = 128_000  # of those that lose something
        stream.codec_context.open()
        resampler = av.AudioResampler(stream.format, layout, sr, frame_size=stream.frame_size or None)
        for start in range(0, y.shape[1], sr):
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(y[:, start : start + sr]), "fltp", layout)
            frame.sample_rate, frame.pts = sr, start
            for ready in resampler.resample(frame):
                out.mux(stream.encode(ready))
        for ready in resampler.resample(None):
            out.mux(stream.encode(ready))
        out.mux(stream.encode(None))
    return path
