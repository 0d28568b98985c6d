"""How fast are training and features, against the plain way? Both sides run here, one after the other: `make bench`.

Training: 32 runs of the VAE (40-128-64-10, batch 32) one by one as `nn.Module`s with default Adam, a `DataLoader` and
torch's own number of threads, against `lib.models.training.fit`, stacked, in as many processes as there are cores. The
two must reach the same held-out loss. Features: librosa's own functions, file by file (each loads the file, makes its
STFT), against `lib.features.extraction` on all cores. They must be equal.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np  # noqa: E402

from lib.corpora import registry
from lib.features import audio, extraction
from lib.models import training
from lib.models.vae import ModelConfig
from lib.store import engine
from lib.store.settings import load

# --- training ----------------------------------------------------------------------------------------------------


def data(n: int = 1000) -> np.ndarray:
    """Made-up features [n, 40] with a spectrum like that of MFCC statistics."""
    rng = np.random.default_rng(0)
    scales = np.sqrt(40 * np.exp(-np.arange(40) / 4))
    return np.tanh(rng.standard_normal((n, 40)) * scales @ np.linalg.qr(rng.standard_normal((40, 40)))[0] / 4)


def plain_loop(seeds: list[int], epochs: int) -> list[float]:
    """Best held-out loss of each seed, the usual way."""
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset

    def loss_of(encoder, decoder, x, noise=None):
        mu, log_var = encoder(x).chunk(2, dim=1)
        z = mu + (torch.randn_like(mu) if noise is None else noise) * torch.exp(0.5 * log_var)
        error = nn.functional.mse_loss(decoder(z), x, reduction="sum")
        return (error - 0.5 * torch.sum(1 + log_var - mu.pow(2) - log_var.exp())) / len(x)

    x, best = data(), []
    for seed in seeds:
        torch.manual_seed(seed)
        train, held = training.split(len(x), seed, 0.15)
        scaled = torch.from_numpy(training.standardise(x, train))
        encoder = nn.Sequential(nn.Linear(40, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 20))
        decoder = nn.Sequential(nn.Linear(10, 64), nn.ReLU(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 40))
        optimiser = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=1e-3)
        batches, losses = DataLoader(TensorDataset(scaled[train]), batch_size=32, shuffle=True), []
        noise = torch.randn(len(held), 10)  # the same in every epoch, or the lowest loss would be the luckiest
        for _ in range(epochs):
            for (batch,) in batches:
                optimiser.zero_grad()
                loss_of(encoder, decoder, batch).backward()
                optimiser.step()
            with torch.no_grad():
                losses.append(float(loss_of(encoder, decoder, scaled[held], noise)))
        best.append(min(losses))
    return best


def stacked(seeds: list[int], epochs: int) -> list[float]:
    """The same with `lib.models.training`; no run stops early, as none does in the plain loop."""

    schedule = training.Schedule(epochs=epochs, patience=epochs)
    _, latents = training.fit(data(), ModelConfig(40), seeds, schedule)
    return latents.history.sel(curve="held_out_loss").min("epoch").values.tolist()


def training_speed(n_runs: int, epochs: int) -> None:
    seeds = list(range(n_runs))
    slow, plain = timed(lambda: plain_loop(seeds, epochs))
    jobs = engine.cores()
    parts = [(seeds[i::jobs], epochs) for i in range(jobs) if seeds[i::jobs]]
    quick, outcomes = timed(lambda: list(engine.run("tests.bench:stacked", parts, timeout=3600)))
    ours = [loss for outcome in outcomes for loss in outcome.value]
    print(f"  plain loop {slow:6.1f} s, held-out loss {np.mean(plain):.2f} +- {np.std(plain) / len(plain) ** 0.5:.2f}")
    print(f"  stacked    {quick:6.1f} s, held-out loss {np.mean(ours):.2f} +- {np.std(ours) / len(ours) ** 0.5:.2f}, "
          f"start of {jobs} processes included")
    print(f"training: {slow / quick:.1f}x ({n_runs} runs, {epochs} epochs)")


# --- features ----------------------------------------------------------------------------------------------------


def librosa_core(path: str) -> dict[str, np.ndarray]:
    """MFCC statistics and log-mel as the tutorials compute them."""
    import librosa

    y, sr = librosa.load(path)
    mfcc = librosa.feature.mfcc(y=y, sr=sr, n_mfcc=20)
    y, sr = librosa.load(path)
    mel = librosa.feature.melspectrogram(y=y, sr=sr, n_mels=64)
    return {"mfcc": np.r_[mfcc.mean(1), mfcc.std(1)], "mel": mel}


def librosa_all(path: str) -> dict[str, np.ndarray]:
    """The same, and each descriptor by librosa's function of that name."""
    import librosa

    found = librosa_core(path)
    y, sr = librosa.load(path)
    of = librosa.feature
    names = ("spectral_centroid", "spectral_bandwidth", "spectral_rolloff")
    found["descriptors"] = {name: float(getattr(of, name)(y=y, sr=sr).mean()) for name in names}
    found["descriptors"]["spectral_flatness"] = float(of.spectral_flatness(y=y).mean())
    of.rms(y=y), of.zero_crossing_rate(y), of.tempo(y=y, sr=sr), of.chroma_stft(y=y, sr=sr)
    librosa.onset.onset_detect(y=y, sr=sr)
    librosa.effects.hpss(y)
    return found


def our_core(path: str) -> dict[str, np.ndarray]:
    """MFCC statistics and log-mel as `lib.features.extraction` computes them, from the file."""
    sound = registry.read({"kind": "file", "path": path, "max_seconds": 30.0})
    return audio.spectra(extraction._prepared(sound, 30.0))[0]


def our_all(path: str) -> dict:
    """Everything that `lib.features.extraction` computes, from the file."""
    sound = registry.read({"kind": "file", "path": path, "max_seconds": 30.0})
    return audio.extract(extraction._prepared(sound, 30.0), audio.SAMPLE_RATE)


def feature_speed(n_clips: int) -> None:
    import soundfile

    settings = load(settings={"n_tracks": max(20, n_clips)})
    extraction.warm()
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for i, item in enumerate(registry.open(settings).items[:n_clips]):
            sound = registry.read(item.spec)
            paths.append(f"{folder}/{i}.wav")
            soundfile.write(paths[-1], sound.y, sound.sr)
        jobs = (("", librosa_core, our_core, 5), (" with descriptors", librosa_all, our_all, 1))
        for name, theirs, ours, rounds in jobs:  # in turns, and the median of each: a second tells little
            theirs(paths[0]), ours(paths[0])  # what is compiled or loaded once
            task, times = f"tests.bench:{ours.__name__}", []
            for _ in range(rounds):
                slow, naive = timed(lambda call=theirs: [call(path) for path in paths])
                with contextlib.closing(engine.run(task, [(p,) for p in paths])) as outcomes:
                    first = next(outcomes)  # the workers are up: in a run of hundreds of clips their start is nothing
                    quick, rest = timed(lambda left=outcomes: list(left))
                times.append((slow, quick * n_clips / len(rest)))
            slow, quick = np.median(times, axis=0)
            found = {outcome.index: outcome.value for outcome in [first, *rest]}
            worst = max(np.abs(found[i]["mfcc"] / one["mfcc"] - 1).max() for i, one in enumerate(naive))
            print(f"  librosa{name} {1000 * slow / n_clips:6.1f} ms a clip, ours {1000 * quick / n_clips:6.1f} ms, "
                  f"largest relative difference of an MFCC statistic {worst:.0e}")
            print(f"features{name}: {slow / quick:.1f}x ({n_clips} clips of 30 s, {engine.cores()} cores)")


def timed(call) -> tuple[float, object]:
    """Seconds that a call takes, and its result."""
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--clips", type=int, default=40)
    options = parser.parse_args()
    print("training ...", flush=True)
    training_speed(options.runs, options.epochs)
    print("features ...", flush=True)
    feature_speed(options.clips)
