"""Notes of the built-in corpus as sound: sampled instruments, then a recording chain with its faults."""

from __future__ import annotations

import importlib.util
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from scipy import fft
from scipy.signal import fftconvolve, lfilter
from symusic import Score, Synthesizer, Track
from symusic.core import NoteSecondList

from lib.corpora.items import Sound
from lib.corpora.synthetic import composition
from lib.corpora.synthetic.composition import SR, Recording
from lib.corpora.synthetic.genres import DECAY_S, LEADS, PITCHES
from lib.corpora.synthetic.notes import compose

SOUND_FONT = Path(importlib.util.find_spec("pretty_midi").origin).parent / "TimGM6mb.sf2"
QUALITY = 2  # of symusic's interpolation; 0 and 1 alias, 5 and 6 are silent (symusic 0.5.9)
DRUM_S, LONGEST_S, RELEASE_S = 1.0, 4.0, 0.08  # length of a drum hit, longest note, fade after a note; seconds


def render(spec: dict[str, Any]) -> Sound:
    """The track of this spec as sound: float32 [seconds * 22050], mono, within -1 to 1; the same in every process."""
    return Sound(record(play(spec), spec, composition.recording(spec)), SR)


def play(spec: dict[str, Any]) -> np.ndarray:
    """The dry mix of a track, float32 [samples], RMS 1: each layer is played alone and set to its level."""
    made, recorded = composition.composition(spec), composition.recording(spec)
    n_samples = round(spec["seconds"] * SR)
    programs = {"bass": made.bass_program, "chords": made.chord_program, "lead": LEADS[recorded.lead]}
    levels = {"drums": made.percussion_db, "bass": made.bass_db, "chords": 0.0, "lead": recorded.lead_db}
    mix = np.zeros(n_samples, dtype=np.float32)
    for layer, notes in compose(spec).items():
        if len(notes):
            if layer == "drums":
                sound = _drum(notes, made.drum_kit, n_samples)
            else:
                sound = _tune(notes, programs[layer], n_samples)
            sound *= np.float32(_gain(levels[layer])) / _rms(sound)
            mix += sound
    mix /= _rms(mix)
    return mix


def _drum(notes: np.ndarray, kit: int, n_samples: int) -> np.ndarray:
    samples = _samples(notes[:, 2].astype(int), kit, DRUM_S, drums=True)
    y = np.zeros(n_samples + round(DRUM_S * SR), dtype=np.float32)
    for start, pitch, gain in zip(_at(notes[:, 0]), notes[:, 2], _loudness(notes), strict=True):
        sample = samples[int(pitch)]
        y[start: start + len(sample)] += gain * sample
    return y[:n_samples]


def _tune(notes: np.ndarray, program: int, n_samples: int) -> np.ndarray:
    """Notes of one instrument, each with its decay and a release; symusic gives neither."""
    pitches = np.clip(notes[:, 2], *PITCHES).astype(int)
    release = round(RELEASE_S * SR)
    length = np.minimum(_at(notes[:, 1]), round(LONGEST_S * SR)) + release
    samples = _samples(pitches, program, length.max() / SR)
    decay = 10 ** (-3 * np.arange(length.max(), dtype=np.float32) / SR / np.float32(DECAY_S.get(program, np.inf)))
    samples = {pitch: sample * decay[: len(sample)] for pitch, sample in samples.items()}
    fade = np.linspace(1, 0, release, dtype=np.float32)
    y = np.zeros(n_samples + length.max(), dtype=np.float32)
    for start, n, pitch, gain in zip(_at(notes[:, 0]), length, pitches, _loudness(notes), strict=True):
        sample = samples[pitch][:n]
        held = max(0, len(sample) - release)
        y[start: start + held] += gain * sample[:held]
        y[start + held: start + len(sample)] += gain * sample[held:] * fade[: len(sample) - held]
    return y[:n_samples]


def _samples(pitches: np.ndarray, program: int, seconds: float, drums: bool = False) -> dict[int, np.ndarray]:
    """One note of each of these pitches, `seconds` long, by pitch.

    The synthesizer is a new one (under 1 ms): one that has played before plays some notes differently (symusic 0.5.9).
    It only plays single notes, one after the other; they are mixed here, with envelopes.
    """
    distinct = np.unique(pitches)
    apart = seconds + 0.05
    score, track = Score(960, "second"), Track("", program, drums, ttype="second")
    track.notes = NoteSecondList.from_numpy(
        (np.arange(len(distinct)) * apart).astype(np.float32), np.full(len(distinct), seconds, dtype=np.float32),
        distinct.astype(np.int8), np.full(len(distinct), 100, dtype=np.int8),
    )
    score.tracks.append(track)
    sound = np.asarray(Synthesizer(SOUND_FONT, SR, QUALITY).render(score, stereo=False)).ravel()
    starts = _at(np.arange(len(distinct)) * apart)
    return {int(p): sound[at: at + round(seconds * SR)] for p, at in zip(distinct, starts, strict=True)}


def _at(seconds: np.ndarray) -> np.ndarray:
    return np.round(seconds * SR).astype(int)


def _loudness(notes: np.ndarray) -> np.ndarray:
    """Amplitude from velocity, as the SoundFont standard has it: 40 log10 dB."""
    return ((notes[:, 3] / 127) ** 2).astype(np.float32)


def record(dry: np.ndarray, spec: dict[str, Any], how: Recording) -> np.ndarray:
    """Record a mix `dry` [samples] of RMS 1: saturation, noise, room, EQ, low-pass, compression, level."""
    rng = composition.stream(spec, "room")
    y = dry * np.float32(_gain(how.drive_db))
    np.tanh(y, out=y)
    y /= _rms(y)
    hiss = _hiss(2 ** int(np.ceil(np.log2(len(y)) + 0.5)))
    at = int(rng.integers(len(hiss) - len(y)))
    y += np.float32(_gain(how.noise_db)) * hiss[at: at + len(y)]
    y = _filter(y, _impulse_response(how, rng))
    y = _compress(y, how.compression)
    y *= np.float32(_gain(how.loudness_db)) / _rms(y)
    return np.tanh(y) if np.abs(y).max() > 0.9 else y


@lru_cache(maxsize=1)
def _hiss(n: int) -> np.ndarray:
    """White noise of RMS 1, drawn once per process: each track starts elsewhere in it."""
    return np.random.default_rng(0).standard_normal(n, dtype=np.float32)


def _filter(y: np.ndarray, taps: np.ndarray) -> np.ndarray:
    """`y` through a filter, same length: overlap-save in float32, four times as fast as `scipy.signal.oaconvolve`."""
    size, before = 2**15, len(taps) - 1
    hop = size - before
    padded = np.zeros(-(-len(y) // hop) * hop + before, dtype=np.float32)
    padded[before: before + len(y)] = y
    blocks = fft.rfft(np.lib.stride_tricks.sliding_window_view(padded, size)[::hop], axis=1)
    blocks *= fft.rfft(taps, size)
    return fft.irfft(blocks, size, axis=1)[:, before:].ravel()[: len(y)]


def _impulse_response(how: Recording, rng: np.random.Generator) -> np.ndarray:
    """Room, EQ, high-pass and low-pass in one filter, float32 [8192 + 2047 taps]."""
    n_room, n_eq = 8192, 2048
    t = np.arange(n_room) / SR
    tail = rng.standard_normal(n_room) * 10 ** (-3 * t / how.reverb_s) * (t > 0.01)
    room = how.reverb_wet * tail / np.sqrt(np.sum(tail**2))
    room[0] = 1.0
    f = np.maximum(np.fft.rfftfreq(n_eq, 1 / SR), 1.0)
    octave = np.log2(np.maximum(f, 60) / 1000)
    level = how.tilt_db * octave + how.mid_db * np.exp(-0.5 * np.log2(f / how.mid_hz) ** 2)
    steep = 1 / np.sqrt((1 + (f / how.bandwidth_hz) ** 24) * (1 + (how.low_cut_hz / f) ** 8))
    eq = np.roll(np.fft.irfft(10 ** (level / 20) * steep), n_eq // 2) * np.hanning(n_eq)
    return fftconvolve(room, eq).astype(np.float32)


def _compress(y: np.ndarray, share: float) -> np.ndarray:
    """Take `share` of the slow changes of level (in dB) away; a negative share makes them larger."""
    hop = 256
    frames = np.pad(y, (0, -len(y) % hop)).reshape(-1, hop)
    level = 10 * np.log10(np.einsum("ij,ij->i", frames, frames) / hop + 1e-6)
    slow = lfilter([0.2], [1, -0.8], level, zi=[0.8 * level[0]])[0]
    gain = (10 ** (-share * np.clip(slow - slow.mean(), -30, 30) / 20)).astype(np.float32)
    ramp = np.arange(hop, dtype=np.float32) / hop
    frames *= gain[:, None] + np.diff(gain, append=gain[-1:])[:, None] * ramp
    return frames.ravel()[: len(y)]


def _gain(db: float) -> float:
    return 10 ** (db / 20)


def _rms(y: np.ndarray) -> np.float32:
    return np.float32(np.sqrt(np.dot(y, y) / max(1, len(y))) + 1e-9)
