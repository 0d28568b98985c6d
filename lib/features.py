"""Audio to numbers: one decode and one short-time Fourier transform per clip, spread over cores, stored by content.

No feature ever sees a label, a file name or an order: `extract` gets samples, `extract_log_mel` a spectrogram.
Import this module before librosa: it says where librosa's compiled functions are kept.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import scipy.fft
import scipy.sparse
import soundfile
from filelock import FileLock

from lib import artifacts, corpora, parameters, workers
from lib.corpora.items import Item, LogMel, Sound
from lib.errors import Problem, Unusable
from lib.parameters import Settings

artifacts.numba_folder()  # said before numba is imported
import librosa  # noqa: E402

SAMPLE_RATE, N_FFT, HOP_LENGTH = 22050, 2048, 512  # librosa's defaults
N_MFCC, N_MELS, POOL = 20, 64, 3  # POOL: frames averaged into one frame of `log_mel`
SILENCE = 1e-4  # a clip whose samples span less than this (-80 dBFS) is silent
LOUDEST = 1e3  # samples beyond this (full scale is 1) are no sound but a damaged file
TIMEOUT = 120.0  # seconds for one clip
LEVEL_SCALE = 3 / 16 * N_FFT**2  # sum over bins of |STFT|^2 per mean square of the signal: Hann window, half spectrum

MFCC_STATS = [f"{stat}_{i:02d}" for stat in ("mean", "std") for i in range(N_MFCC)]
MFCC_DELTA_STATS = MFCC_STATS + [f"delta_std_{i:02d}" for i in range(N_MFCC)]

# name -> (unit, what it says); clips without audio have only those marked so
DESCRIPTORS: dict[str, tuple[str, str]] = {
    "tempo": ("BPM", "strongest periodicity of the onset strength, with librosa's prior around 120"),
    "onset_rate": ("1/s", "note and drum onsets per second"),
    "level": ("dBFS", "mean power of the clip; also without audio"),
    "dynamic_range": ("dB", "95th minus 10th percentile of the frame level; also without audio"),
    "spectral_centroid": ("Hz", "mean frequency of the magnitude spectrum: brightness"),
    "spectral_bandwidth": ("Hz", "spread of the magnitude spectrum around its centroid"),
    "spectral_flatness": ("0 to 1", "geometric over arithmetic mean of the power spectrum: noise 1, tone 0"),
    "spectral_rolloff": ("Hz", "frequency below which 85 % of the magnitude lies"),
    "zero_crossing_rate": ("1/s", "sign changes per second"),
    "percussive_ratio": ("0 to 1", "percussive share of the energy (Fitzgerald 2010); also without audio"),
    "key_clarity": ("r", "best correlation of the mean chroma with a major or minor key profile (Krumhansl 1990)"),
    "mel_centroid": ("mel", "power-weighted mean of the mel bands; also without audio"),
    "mel_spread": ("mel", "power-weighted standard deviation of the mel bands; also without audio"),
}

# Krumhansl and Kessler's probe-tone ratings, from the tonic upwards
_MAJOR = [6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88]
_MINOR = [6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17]


# --- one clip ----------------------------------------------------------------------------------------------------


def extract(y: np.ndarray, sr: int, seconds: float = 30.0) -> dict[str, Any]:
    """All features of a clip `y` [samples] at 22,050 Hz.

    Returns `mfcc` [40] (mean and std over time of 20 MFCCs, as `librosa.feature.mfcc` gives them), `mfcc_delta` [60]
    (and std of their differences from frame to frame), `log_mel` [64, frames] (power in dB, 3 frames averaged, of
    exactly `seconds` seconds: a shorter clip is repeated, a longer one cut) and `descriptors` (see `DESCRIPTORS`).
    """
    if sr != SAMPLE_RATE:
        raise ValueError(f"resample to {SAMPLE_RATE} Hz first (got {sr})")
    features, power, bands, narrow, log_bands = spectra(y, seconds)
    return features | {"descriptors": _mel_descriptors(bands) | _descriptors(y, power, log_bands, narrow)}


def spectra(y: np.ndarray, seconds: float = 30.0) -> tuple[dict[str, np.ndarray], *tuple[np.ndarray, ...]]:
    """`extract` without descriptors; and power [1025, frames], the same in 128 and 64 mel bands, dB of the 128."""
    stft = librosa.stft(y, n_fft=N_FFT, hop_length=HOP_LENGTH)
    power = librosa.util.abs2(stft)  # [1 + n_fft/2, frames]
    bands, narrow = np.split(_filters() @ power, [128])  # [128, frames], [64, frames]
    log_bands = librosa.power_to_db(bands)
    frames = np.arange(POOL * n_frames(seconds)) % power.shape[1]
    pooled = narrow[:, frames].reshape(N_MELS, -1, POOL).mean(axis=2)
    features = _mfcc_statistics(log_bands) | {"log_mel": librosa.power_to_db(pooled)}
    return features, power, bands, narrow, log_bands


def extract_log_mel(log_mel: np.ndarray, frames_per_second: float) -> dict[str, Any]:
    """The features that a log-mel spectrogram [128, frames] in dB can give; `log_mel` [64, frames] halves its bands."""
    power = 10 ** (log_mel.astype(np.float64) / 10)
    level = _frame_level(power)
    paired = power.reshape(N_MELS, 2, -1).mean(axis=1)
    descriptors = {
        "level": 10 * np.log10(np.mean(10 ** (level / 10))), "dynamic_range": _range(level),
        "percussive_ratio": _percussive_ratio(paired, frames_per_second),
    }
    return _mfcc_statistics(log_mel) | {
        "log_mel": 10 * np.log10(paired).astype(np.float32), "descriptors": descriptors | _mel_descriptors(power),
    }


def band_frequencies(has_audio: bool) -> np.ndarray:
    """Centre frequency of each band of `log_mel`, Hz."""
    if has_audio:
        return librosa.mel_frequencies(n_mels=N_MELS + 2, fmax=SAMPLE_RATE / 2)[1:-1]
    return librosa.mel_frequencies(n_mels=130, fmax=SAMPLE_RATE / 2)[1:-1].reshape(N_MELS, 2).mean(axis=1)


def n_frames(seconds: float) -> int:
    """Frames of `log_mel` for a clip of this length."""
    return -(-(1 + int(seconds * SAMPLE_RATE) // HOP_LENGTH) // POOL)


def _mfcc_statistics(log_bands: np.ndarray) -> dict[str, np.ndarray]:
    mfcc = _cosines(len(log_bands)) @ log_bands.astype(np.float64)
    statistics = np.concatenate([mfcc.mean(axis=1), mfcc.std(axis=1)])
    deltas = np.diff(mfcc, axis=1).std(axis=1)
    both = np.concatenate([statistics, deltas]).astype(np.float32)
    return {"mfcc": both[: len(MFCC_STATS)], "mfcc_delta": both}


def _descriptors(y: np.ndarray, power: np.ndarray, log_bands: np.ndarray, narrow: np.ndarray) -> dict[str, float]:
    magnitude = np.sqrt(power)
    frequency = librosa.fft_frequencies(sr=SAMPLE_RATE, n_fft=N_FFT)
    # Total, first and second moment of every frame at once; librosa's own functions take ten times as long
    moments = np.stack([np.ones_like(frequency), frequency, frequency**2]).astype(np.float32) @ magnitude
    total = np.maximum(moments[0], 1e-10)
    centroid, square = moments[1] / total, moments[2] / total
    below = magnitude.copy()
    for i in range(1, len(below)):  # numpy's cumsum along the first axis takes three times as long
        below[i] += below[i - 1]
    rolloff = frequency[(below < 0.85 * below[-1]).sum(axis=0)]
    rate = SAMPLE_RATE / HOP_LENGTH
    halved = narrow[:, : narrow.shape[1] // 2 * 2].reshape(N_MELS, -1, 2).mean(axis=2)
    onsets = librosa.onset.onset_strength(S=log_bands, sr=SAMPLE_RATE)
    level = 10 * np.log10(np.maximum(_frame_power(y), 1e-10))
    return {
        "tempo": _tempo(onsets),
        "onset_rate": len(librosa.onset.onset_detect(onset_envelope=onsets, sr=SAMPLE_RATE)) / (len(y) / SAMPLE_RATE),
        "level": float(10 * np.log10(np.mean(y.astype(np.float64) ** 2))),
        "dynamic_range": _range(level),
        "spectral_centroid": float(centroid.mean()),
        "spectral_bandwidth": float(np.sqrt(np.maximum(square - centroid**2, 0)).mean()),
        "spectral_flatness": float(librosa.feature.spectral_flatness(S=magnitude).mean()),
        "spectral_rolloff": float(rolloff.mean()),
        "zero_crossing_rate": np.count_nonzero(np.diff(np.signbit(y))) / (len(y) / SAMPLE_RATE),
        "percussive_ratio": _percussive_ratio(halved, rate / 2),
        "key_clarity": _key_clarity(librosa.feature.chroma_stft(S=power, sr=SAMPLE_RATE, tuning=0).mean(axis=1)),
    }


def _frame_power(y: np.ndarray) -> np.ndarray:
    """Mean square of each frame [frames], framed as by `librosa.feature.rms`, which squares each sample four times."""
    hops = np.pad(y, N_FFT // 2)[: (len(y) // HOP_LENGTH + N_FFT // HOP_LENGTH) * HOP_LENGTH].reshape(-1, HOP_LENGTH)
    energy = np.einsum("ij,ij->i", hops, hops)
    return np.lib.stride_tricks.sliding_window_view(energy, N_FFT // HOP_LENGTH).sum(axis=1) / N_FFT


def _tempo(onsets: np.ndarray) -> float:
    """Beats per minute, from the autocorrelation of a clip's whole onset strength: as right as the mean over librosa's
    windows (on the controlled corpus 67 % of 100 tempos within 4 %, against 68 %), at a thirtieth of the time.
    """
    lags = librosa.autocorrelate(onsets, max_size=384)
    return float(librosa.feature.tempo(tg=(lags / max(lags[0], 1e-9))[:, None], sr=SAMPLE_RATE)[0])


def _mel_descriptors(bands: np.ndarray) -> dict[str, float]:
    """Centre and spread of mel-band power [128, frames], the same for clips with and without audio."""
    mel = librosa.hz_to_mel(librosa.mel_frequencies(n_mels=130, fmax=SAMPLE_RATE / 2)[1:-1])
    share = bands / np.maximum(bands.sum(axis=0), 1e-10)
    centroid = mel @ share
    return {
        "mel_centroid": float(centroid.mean()),
        "mel_spread": float(np.sqrt(np.maximum(mel**2 @ share - centroid**2, 0)).mean()),
    }


def _frame_level(bands: np.ndarray) -> np.ndarray:
    """Level of each frame in dBFS, from mel-band power [128, frames].

    librosa's filters have unit area; weighted with half the width of each they add up to one at every frequency.
    """
    edges = librosa.mel_frequencies(n_mels=130, fmax=SAMPLE_RATE / 2)
    return 10 * np.log10(np.maximum((edges[2:] - edges[:-2]) / 2 @ bands / LEVEL_SCALE, 1e-10))


def _range(level: np.ndarray) -> float:
    return float(np.subtract(*np.percentile(level, [95, 10])))


def _percussive_ratio(narrow: np.ndarray, frames_per_second: float) -> float:
    """From mel-band power [64, frames], at a fraction of what the full spectrum costs.

    The filters span what librosa's span by default: 0.7 s, and at low frequencies 330 Hz.
    """
    magnitude = np.sqrt(narrow).astype(np.float32)
    along_time = _running_median(magnitude, 2 * int(0.35 * frames_per_second) + 1, axis=1)
    along_bands = _running_median(magnitude, 7, axis=0)
    mask = librosa.util.softmask(along_bands, along_time, power=2)
    percussive = np.sum((magnitude * mask) ** 2, dtype=np.float64)
    harmonic = np.sum((magnitude * (1 - mask)) ** 2, dtype=np.float64)
    return float(percussive / max(percussive + harmonic, 1e-20))


def _running_median(x: np.ndarray, size: int, axis: int) -> np.ndarray:
    """As `librosa.decompose.hpss` takes it through scipy, in a third of the time."""
    ends = [(size // 2, size // 2) if i == axis else (0, 0) for i in range(x.ndim)]
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(x, ends, mode="symmetric"), size, axis=axis)
    return np.partition(windows, size // 2, axis=-1)[..., size // 2]


def _key_clarity(chroma: np.ndarray) -> float:
    if np.ptp(chroma) < 1e-9:
        return 0.0
    keys = [np.roll(profile, tonic) for profile in (_MAJOR, _MINOR) for tonic in range(12)]
    return float(np.corrcoef(chroma, keys)[0, 1:].max())


@functools.cache
def _cosines(n_bands: int) -> np.ndarray:
    """The first rows of the cosine transform (type 2, orthonormal): [N_MFCC, n_bands]."""
    return scipy.fft.dct(np.eye(n_bands), axis=0, type=2, norm="ortho")[:N_MFCC]


@functools.cache
def _filters() -> scipy.sparse.csr_array:
    """Both mel filter banks, 128 bands and 64, one above the other: [192, 1 + n_fft/2], nearly all of it zeros."""
    banks = [librosa.filters.mel(sr=SAMPLE_RATE, n_fft=N_FFT, n_mels=n) for n in (128, N_MELS)]
    return scipy.sparse.csr_array(np.concatenate(banks))


# --- one item ----------------------------------------------------------------------------------------------------


class Clip(NamedTuple):
    """What is stored of one clip."""

    content: str  # "t" and 16 hex digits of the SHA-256 of what was analysed
    seconds: float
    frames_per_second: float  # of `log_mel`
    mfcc: np.ndarray
    mfcc_delta: np.ndarray
    log_mel: np.ndarray | None  # int16 [64, frames], hundredths of a dB; None where only the rest was asked for
    descriptors: dict[str, float]


def analyse(spec: dict[str, Any], seconds: float) -> Clip:
    """Read and analyse one track. Raises `Unusable` with the reason when that makes no sense."""
    track = corpora.read(spec)
    if isinstance(track, LogMel):
        if not np.isfinite(track.log_mel).all():
            raise Unusable("holds values that are not finite")
        content, rate = track.log_mel.astype(np.float16).tobytes(), track.frames_per_second
        length, features = track.log_mel.shape[1] / rate, extract_log_mel(track.log_mel, rate)
    else:
        y = _prepared(track, seconds)
        content = (np.clip(y, -1, 1) * 32767).round().astype("<i2").tobytes()
        length, rate = len(y) / SAMPLE_RATE, SAMPLE_RATE / HOP_LENGTH / POOL
        features = extract(y, SAMPLE_RATE, seconds)
    numbers = [features["mfcc_delta"], features["log_mel"], list(features["descriptors"].values())]
    if not all(np.isfinite(values).all() for values in numbers):
        raise Unusable("its features are not finite")
    features["descriptors"] = {name: float(np.float32(value)) for name, value in features["descriptors"].items()}
    log_mel = np.clip(features.pop("log_mel") * 100, -32767, 32767).round().astype(np.int16)
    return Clip("t" + hashlib.sha256(content).hexdigest()[:16], length, rate, log_mel=log_mel, **features)


def _prepared(sound: Sound, seconds: float) -> np.ndarray:
    """Samples at 22,050 Hz, at most `seconds` of them, from the middle."""
    y, rate = sound
    if not np.isfinite(y).all():
        raise Unusable("holds samples that are not finite")
    if np.abs(y).max(initial=0) > LOUDEST:
        raise Unusable(f"holds samples far beyond full scale (over {LOUDEST:g})")
    if len(y) * SAMPLE_RATE < N_FFT * rate:  # not even one window
        raise Unusable(f"too short: {len(y) / rate:.2f} s")
    if np.ptp(y) < SILENCE:
        raise Unusable("silent")
    if rate != SAMPLE_RATE:
        y = librosa.resample(y, orig_sr=rate, target_sr=SAMPLE_RATE, res_type="soxr_hq")
    wanted = int(seconds * SAMPLE_RATE)
    start = max(0, (len(y) - wanted) // 2)
    return y[start : start + wanted]


# --- many items --------------------------------------------------------------------------------------------------


class Extracted(NamedTuple):
    """Where the features of each usable item are, by its position in the list, and why others have none."""

    paths: dict[int, Path]
    skipped: pd.DataFrame  # file, reason


def analysed_seconds(settings: Settings) -> float:
    """How much of each clip is analysed, seconds."""
    return min(settings.max_seconds, settings.seconds) if settings.corpus == "controlled" else settings.max_seconds


def extract_all(
    items: list[Item], settings: Settings, jobs: int | None = None, progress: Callable[[str], None] | None = None
) -> Extracted:
    """Features of every item, or of a random `settings.max_tracks` of them, from the cache where it has them.

    Spread over `jobs` processes (default: all cores). Each clip is stored as soon as it is done, so an interrupted
    call continues where it stopped. A clip that cannot be used costs only itself.
    """
    seconds, say = analysed_seconds(settings), progress or (lambda message: None)
    reasons: dict[int, str] = {}
    prints: dict[int, str] = {}
    for i, result in enumerate(_fingerprints(items)):
        (reasons if isinstance(result, Unusable) else prints)[i] = str(result)
    if settings.max_tracks:
        rank = {i: parameters.digest([settings.seed, content]) for i, content in prints.items()}
        prints = {i: prints[i] for i in sorted(sorted(rank, key=rank.get)[: settings.max_tracks])}
    paths = {i: _cache_path(content, seconds) for i, content in prints.items()}
    lengths = {path: _stored_seconds(path) for path in set(paths.values())}
    missing: dict[Path, int] = {}
    for i, path in paths.items():
        if lengths[path] is None:
            missing.setdefault(path, i)  # equal files are read once
    if missing:
        say(f"{len(items)} tracks, {len(missing)} to analyse")
        failures = _extract_missing(items, missing, seconds, jobs, say)
        lengths |= {path: _stored_seconds(path) for path in missing}
        reasons |= {i: failures[path] for i, path in paths.items() if path in failures}
    for i, path in paths.items():
        length = lengths[path]
        if length is not None and length < settings.min_seconds - 1e-3:
            reasons[i] = f"too short: {length:.2f} s, at least {settings.min_seconds:g} s are needed"
    skipped = pd.DataFrame([(items[i].name, reasons[i]) for i in sorted(reasons)], columns=["file", "reason"])
    return Extracted({i: path for i, path in paths.items() if i not in reasons}, skipped)


def load_clip(path: Path, log_mel: bool = True) -> Clip:
    """Read what `extract_all` stored of one clip, with or without its large part."""
    with np.load(path, allow_pickle=False) as stored:
        descriptors = dict(zip(stored["descriptor_names"].tolist(), stored["descriptor_values"].tolist(), strict=True))
        numbers = {"mfcc": stored["mfcc"], "mfcc_delta": stored["mfcc_delta"]}
        content, (length, rate) = str(stored["content"]), stored["times"].tolist()
        large = stored["log_mel"] if log_mel else None
    return Clip(content, length, rate, log_mel=large, descriptors=descriptors, **numbers)


def load_log_mel(path: Path) -> np.ndarray:
    """Only the `log_mel` of a stored clip: int16 [64, frames], hundredths of a dB."""
    with np.load(path, allow_pickle=False) as stored:
        return stored["log_mel"]


def _save_clip(path: Path, clip: Clip) -> None:
    values = {
        "content": np.array(clip.content), "times": np.array([clip.seconds, clip.frames_per_second]),
        "mfcc": clip.mfcc, "mfcc_delta": clip.mfcc_delta, "log_mel": clip.log_mel,
        "descriptor_names": np.array(list(clip.descriptors)),
        "descriptor_values": np.array(list(clip.descriptors.values())),
    }
    artifacts.write(path, lambda temporary: np.savez(temporary, **values))


def _stored_seconds(path: Path) -> float | None:
    """Length of a stored clip; None when it is not stored, or damaged."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            return float(stored["times"][0])
    except Exception:  # a damaged file fails in many ways, and all have one remedy: analyse the clip again
        return None


def _cache_path(content: str, seconds: float) -> Path:
    key = parameters.digest([content, seconds], 32)
    return artifacts.cache_folder() / "features" / key[:2] / f"{key}-{version()}.npz"


@functools.cache
def version() -> str:
    """Short hash of everything that turns a file into features: this module, the decoder and librosa."""
    sources = [Path(__file__), Path(corpora.folder.__file__)]
    content = [hashlib.sha256(path.read_bytes()).hexdigest() for path in sources]
    return parameters.digest([*content, librosa.__version__, np.__version__, soundfile.__libsndfile_version__], 8)


def _fingerprints(items: list[Item]) -> list[str | Unusable]:
    pool = ThreadPoolExecutor(workers.cores())
    try:
        return list(pool.map(_fingerprint, [item.spec for item in items]))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _fingerprint(spec: dict[str, Any]) -> str | Unusable:
    try:
        return corpora.fingerprint(spec)
    except Unusable as reason:
        return reason


def _extract_missing(
    items: list[Item], missing: dict[Path, int], seconds: float, jobs: int | None, say: Callable[[str], None]
) -> dict[Path, str]:
    """Analyse and store the missing clips; the reasons of those that failed."""
    failures: dict[Path, str] = {}
    todo, cleared = list(missing), False
    while todo:
        warm(clear=cleared)
        inputs = [(items[missing[path]].spec, seconds) for path in todo]
        outcomes = workers.run("lib.features:analyse", inputs, jobs, TIMEOUT)
        finished = set()
        with contextlib.closing(outcomes):
            for outcome in outcomes:
                if outcome.kind == "died" and not cleared:
                    break  # a damaged compiler cache kills every process: once, start again with a new one
                path = todo[outcome.index]
                finished.add(path)
                if outcome.kind == "done":
                    _save_clip(path, outcome.value)
                else:
                    failures[path] = outcome.reason
                done = len(missing) - len(todo) + len(finished)
                if done * 10 // len(missing) > (done - 1) * 10 // len(missing):
                    say(f"analysed {done} of {len(missing)} tracks")
        todo, cleared = [path for path in todo if path not in finished], True
    return failures


def warm(clear: bool = False) -> None:
    """Have librosa's compiled functions on disk before several processes need them; `clear` makes them anew.

    Two processes that fill an empty cache at once crash Python, so one does it under a lock, the others wait.
    """
    folder = artifacts.numba_folder()
    marker = folder / f"warm-{version()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"):
            for attempt in range(2):
                if clear or attempt:
                    for path in [marker, *folder.rglob("*.nb[ic]")]:
                        path.unlink(missing_ok=True)
                if marker.exists():
                    return
                with contextlib.closing(workers.run("lib.features:call_everything", [()], 1, 600)) as outcomes:
                    outcome = next(outcomes)
                if outcome.kind == "done":
                    marker.touch()
                    return
    except OSError as error:
        raise Problem(f"cannot use the folder {folder}: {error.strerror or error}") from error
    raise Problem(f"librosa does not run here: {outcome.reason}; is the environment complete? (make env)")


def call_everything() -> None:
    """Every librosa function that this module uses, once, so that all of them are compiled."""
    y = np.random.default_rng(0).standard_normal(2 * SAMPLE_RATE).astype(np.float32) * np.hanning(2 * SAMPLE_RATE)
    extract(_prepared(Sound(np.repeat(y, 2).astype(np.float32), 2 * SAMPLE_RATE), 2.0), SAMPLE_RATE, 2.0)
