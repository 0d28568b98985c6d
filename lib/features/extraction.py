"""Features of many clips: spread over cores, stored by the content of each clip."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import av
import librosa
import numpy as np
import pandas as pd
import soundfile
from filelock import FileLock

from lib.corpora import registry
from lib.corpora.decoding import SILENCE
from lib.corpora.items import Item, LogMel, Sound
from lib.features import audio
from lib.features.audio import HOP_LENGTH, LOUDEST, N_FFT, POOL, SAMPLE_RATE
from lib.store import engine, files, remembering, runs
from lib.store.errors import Problem, Unusable
from lib.store.settings import Settings, digest

LIMIT = 120.0  # seconds for one clip
MIN_FRAMES = 8  # of `log_mel`: fewer have no course in time
ATTEMPTS = 3  # the second and third are for files that were replaced after they had been hashed, and their copies


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
    note: str = ""  # what is odd about the file, though it is used
    source: str = ""  # fingerprint of what was decoded; "" where the one that was asked for holds


def analyse(spec: dict[str, Any], seconds: float) -> Clip:
    """Read and analyse one track. Raises `Unusable` with the reason when that makes no sense."""
    track = registry.read(spec)
    if isinstance(track, LogMel):
        log_mel, rate = _middle(track, seconds), track.frames_per_second
        content, length = log_mel.astype(np.float16).tobytes(), log_mel.shape[1] / rate
        features = audio.extract_log_mel(log_mel, rate, track.sr, track.calibrated)
        rate /= audio.pooling(rate)
    else:
        y = _prepared(track, seconds)
        steps = np.clip(y, -1, 1)
        steps *= 32767
        content = np.rint(steps, out=steps).astype("<i2").tobytes()
        length, rate = len(y) / SAMPLE_RATE, SAMPLE_RATE / HOP_LENGTH / POOL
        features = audio.extract(y, SAMPLE_RATE, seconds)
    numbers = [features["mfcc_delta"], features["log_mel"], list(features["descriptors"].values())]
    if not all(np.isfinite(values).all() for values in numbers):
        raise Unusable("its features are not finite")
    features["descriptors"] = {name: float(np.float32(value)) for name, value in features["descriptors"].items()}
    if features["log_mel"].shape[1] < MIN_FRAMES:
        raise Unusable(f"too short: {features['log_mel'].shape[1]} frames, at least {MIN_FRAMES} are needed")
    log_mel = np.clip(features.pop("log_mel") * 100, -32767, 32767).round().astype(np.int16)
    identity = "t" + hashlib.sha256(content).hexdigest()[:16]
    return Clip(identity, length, rate, log_mel=log_mel, note=track.note, source=track.source, **features)


def _middle(track: LogMel, seconds: float) -> np.ndarray:
    """A spectrogram's middle `seconds` seconds in dB [bands, frames]."""
    wanted = max(1, round(seconds * track.frames_per_second))
    start = max(0, (track.log_mel.shape[1] - wanted) // 2)
    return track.log_mel[:, start : start + wanted]


def _prepared(sound: Sound, seconds: float) -> np.ndarray:
    """Samples at 22,050 Hz, at most `seconds` of them, from the middle."""
    y, rate = sound.y, sound.sr
    low, high = (y.min(), y.max()) if len(y) else (0.0, 0.0)  # NaN where there is one
    if not np.isfinite([low, high]).all():
        raise Unusable("holds samples that are not finite")
    if max(-low, high) > LOUDEST:
        raise Unusable(f"holds samples far beyond full scale (over {LOUDEST:g})")
    if len(y) * SAMPLE_RATE < N_FFT * rate:  # not even one window
        raise Unusable(f"too short: {len(y) / rate:.2f} s")
    if high - low < SILENCE:
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
    left_out: int = 0  # items that `settings.max_tracks` leaves out
    analysed: int = 0  # clips that the cache did not have


def extract_all(
    items: list[Item], settings: Settings, jobs: int | None = None, progress: Callable[[str], None] | None = None
) -> Extracted:
    """Features of every item, or of a random `settings.max_tracks` of them, from the cache where it has them.

    Spread over `jobs` processes (default: all cores). Each clip is stored as soon as it is done, under the hash of what
    was decoded, so an interrupted call continues where it stopped, and a file that is replaced meanwhile leaves no
    wrong features. A clip that cannot be used costs only itself.
    """
    seconds, say = settings.max_seconds, progress or (lambda message: None)
    if settings.corpus == "controlled":
        seconds = min(seconds, settings.seconds)
    prints, reasons = _fingerprints(items)
    readable = len(prints)
    if settings.max_tracks:
        rank = {i: digest([settings.seed, content]) for i, content in prints.items()}
        prints = {i: prints[i] for i in sorted(sorted(rank, key=rank.get)[: settings.max_tracks])}
    left_out, analysed = readable - len(prints), 0
    for attempt in range(ATTEMPTS + 1):
        paths = {i: _cache_path(content, seconds) for i, content in prints.items()}
        lengths = {path: _stored_seconds(path) for path in set(paths.values())}
        missing: dict[Path, int] = {}
        for i, path in paths.items():
            if lengths[path] is None and i not in reasons:
                missing.setdefault(path, i)  # equal files are read once
        if not missing or attempt == ATTEMPTS:
            break
        say(f"{len(items)} tracks, {len(missing)} to analyse")
        failures, replaced = _extract_missing(items, missing, seconds, jobs, say)
        analysed += len(missing) - len(failures)
        # Equal files fail alike, but not like one that was replaced
        other = {path: missing[path] for path in failures
                 if str(_fingerprint(items[missing[path]].spec)) != prints[missing[path]]}
        reasons |= {i: failures[path] for i, path in paths.items() if path in failures and other.get(path, i) == i}
        prints |= replaced
    for i, path in paths.items():
        length = lengths[path]
        if length is None:
            reasons.setdefault(i, "was replaced again and again while it was read")
        elif length < settings.min_seconds - 1e-3:
            reasons[i] = f"too short: {length:.2f} s, at least {settings.min_seconds:g} s are needed"
    skipped = pd.DataFrame([(items[i].name, reasons[i]) for i in sorted(reasons)], columns=["file", "reason"])
    return Extracted({i: path for i, path in paths.items() if i not in reasons}, skipped, left_out, analysed)


def _fingerprints(items: list[Item]) -> tuple[dict[int, str], dict[int, str]]:
    """By position in the list: what the item holds, or why it cannot be read."""
    prints: dict[int, str] = {}
    reasons: dict[int, str] = {}
    with ThreadPoolExecutor(engine.cores()) as pool:
        for i, result in enumerate(pool.map(_fingerprint, [item.spec for item in items])):
            (reasons if isinstance(result, Unusable) else prints)[i] = str(result)
    return prints, reasons


def load_clip(path: Path, log_mel: bool = True) -> Clip:
    """Read what `extract_all` stored of one clip, with or without its large part."""
    with np.load(path, allow_pickle=False) as stored:
        found = {name: stored[name] for name in Clip._fields if log_mel or name != "log_mel"}
    found |= {name: found[name].item() for name in ("content", "seconds", "frames_per_second", "note", "source")}
    return Clip(**{"log_mel": None} | found | {"descriptors": json.loads(found["descriptors"].item())})


def load_log_mel(path: Path) -> np.ndarray:
    """Only the `log_mel` of a stored clip: int16 [64, frames], hundredths of a dB."""
    with np.load(path, allow_pickle=False) as stored:
        return stored["log_mel"]


def _save_clip(path: Path, clip: Clip) -> None:
    values = clip._asdict() | {"descriptors": json.dumps(clip.descriptors)}
    files.write(path, lambda temporary: np.savez(temporary, **values))


def store(spec: dict[str, Any], seconds: float, path: Path) -> str:
    """Analyse one track and keep the result at `path`; returns "", or, where the file was replaced meanwhile, the
    fingerprint of what it holds now, under which the result is kept then."""
    if not (runs.numba_folder() / f"warm-{version()}").exists():  # on another kind of machine than who asks
        warm()
    clip = analyse(spec, seconds)
    _save_clip(_cache_path(clip.source, seconds) if clip.source else path, clip)
    return clip.source


def _stored_seconds(path: Path) -> float | None:
    """Length of a stored clip; None when it is not stored, or damaged."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            return float(stored["seconds"])
    except Exception:  # a damaged file fails in many ways, and all have one remedy: analyse the clip again
        return None


def _cache_path(content: str, seconds: float) -> Path:
    key = digest([content, seconds], 32)
    return runs.cache_folder() / "features" / key[:2] / f"{key}-{version()}.npz"


@functools.cache
def version() -> str:
    """Short hash of everything that turns a file into features: this module, the decoder and the packages."""
    sources = ("features/extraction.py", "features/audio.py", "corpora/decoding.py", "corpora/ffmpeg.py",
               "corpora/log_mels.py")
    code = remembering.code_of(*sources)
    return digest([code, soundfile.__libsndfile_version__, av.__version__], 8)


def _fingerprint(spec: dict[str, Any]) -> str | Unusable:
    try:
        return registry.fingerprint(spec)
    except Unusable as reason:
        return reason


def _extract_missing(
    items: list[Item], missing: dict[Path, int], seconds: float, jobs: int | None, say: Callable[[str], None]
) -> tuple[dict[Path, str], dict[int, str]]:
    """Analyse and store the missing clips; the reasons of those that failed, and what replaced files hold now."""
    failures: dict[Path, str] = {}
    replaced: dict[int, str] = {}
    todo, cleared = list(missing), False
    while todo:
        warm(clear=cleared)
        inputs = [(items[missing[path]].spec, seconds, path) for path in todo]
        outcomes = engine.run(store, inputs, jobs, LIMIT, _sources(inputs))
        finished = set()
        with contextlib.closing(outcomes):
            for outcome in outcomes:
                if outcome.kind == "died" and not cleared and not engine.elsewhere():
                    break  # a damaged compiler cache kills every process: once, start again with a new one
                path = todo[outcome.index]
                finished.add(path)
                if outcome.kind == "done":
                    if outcome.value and _cache_path(outcome.value, seconds) != path:
                        replaced[missing[path]] = outcome.value
                else:
                    failures[path] = outcome.reason
                done = len(missing) - len(todo) + len(finished)
                if done * 10 // len(missing) > (done - 1) * 10 // len(missing):
                    say(f"analysed {done} of {len(missing)} tracks")
        todo, cleared = [path for path in todo if path not in finished], True
    return failures, replaced


def _sources(inputs: list[tuple]) -> list[Path]:
    """The file, or the folder of all files, that these tracks are read from; the synthetic ones from none."""
    files_read = {spec["path"] for spec, *_ in inputs if "path" in spec}
    return [Path(os.path.commonpath(files_read))] if files_read else []


def warm(clear: bool = False) -> None:
    """Have librosa's compiled functions on disk before several processes need them; `clear` makes them anew.

    Two processes that fill an empty cache at once crash Python, so one does it under a lock, the others wait.
    """
    folder = runs.numba_folder()
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
                with contextlib.closing(engine.here(call_everything, [()], 1, 3600)) as outcomes:
                    outcome = next(outcomes)
                if outcome.kind == "done":
                    marker.touch()
                    return
                if files.is_full(outcome.reason):
                    raise files.no_room()
    except OSError as error:
        raise files.refused(folder, error) from error
    raise Problem(f"librosa does not run here: {outcome.reason}; is the environment complete? (make env)")


def call_everything() -> None:
    """Every librosa function that this module uses, once, so that all of them are compiled."""
    y = np.random.default_rng(0).standard_normal(2 * SAMPLE_RATE).astype(np.float32) * np.hanning(2 * SAMPLE_RATE)
    audio.extract(_prepared(Sound(np.repeat(y, 2).astype(np.float32), 2 * SAMPLE_RATE), 2.0), SAMPLE_RATE, 2.0)
