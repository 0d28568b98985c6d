"""The built-in corpus: synthetic music whose causes are known.

Ten genres as composition rules (`controlled_genres`), played by sampled instruments. Nothing here is a recording of
real music. Each track takes its rules from its genre, except that each component (tempo, drums, bass, chords, palette)
is borrowed from another genre with a chance of `BORROW_CHANCE`. How it was recorded (key, melody instrument, loudness,
drive, bandwidth, noise, EQ, reverb, compression) is drawn from a random stream of its own that never sees the genre.

The instruments come from TimGM6mb.sf2 by Tim Brechbill (GNU General Public Licence, version 2), as it lies in the
`pretty_midi` wheel; symusic plays them.
"""

from __future__ import annotations

import importlib.util
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import fft
from scipy.signal import fftconvolve, lfilter
from symusic import Score, Synthesizer, Track
from symusic.core import NoteSecondList

from lib.corpora import controlled_lyrics
from lib.corpora.controlled_genres import COMPONENTS, DECAY_S, DRUMS, GENRES, LEADS, PITCHES, SCALES
from lib.corpora.items import Item, Sound
from lib.parameters import Settings

SR = 22050  # Hz
QUALITY = 2  # of symusic's interpolation; 0 and 1 alias, 5 and 6 are silent (symusic 0.5.9)
DRUM_S, LONGEST_S, RELEASE_S = 1.0, 4.0, 0.08  # length of a drum hit, longest note, fade after a note; seconds
BORROW_CHANCE = 0.15  # of each component

# name -> description, unit, whether the genre has a say in it
FACTORS: dict[str, tuple[str, str, str]] = {
    "tempo_bpm": ("tempo", "beats per minute", "tied to genre"),
    "beats": ("metre", "beats per bar", "tied to genre"),
    "swing": ("swing: 0 straight, 1/3 triplets", "share of half a beat", "tied to genre"),
    "density": ("chance that an optional note is played", "probability", "tied to genre"),
    "percussion_db": ("level of the drums against the accompaniment", "dB", "tied to genre"),
    "bass_db": ("level of the bass against the accompaniment", "dB", "tied to genre"),
    "drum_kit": ("drum kit", "General MIDI program", "tied to genre"),
    "tempo_from": ("genre whose tempo, metre and swing it has", "genre", "tied to genre"),
    "drums_from": ("genre whose drums it has", "genre", "tied to genre"),
    "bass_from": ("genre whose bass line it has", "genre", "tied to genre"),
    "chords_from": ("genre whose harmony and accompaniment pattern it has", "genre", "tied to genre"),
    "palette_from": ("genre whose chord and bass instruments it has", "genre", "tied to genre"),
    "chord_program": ("instrument of the chords", "General MIDI program", "tied to genre"),
    "bass_program": ("instrument of the bass", "General MIDI program", "tied to genre"),
    "topic": ("topic of the lyrics", "topic", "tied to genre"),
    "borrowed": ("components borrowed from another genre", "names", "independent"),
    "n_borrowed": ("number of components borrowed from another genre", "components", "independent"),
    "key": ("tonic", "semitones above C", "independent"),
    "lead": ("melody instrument", "instrument", "independent"),
    "lead_db": ("level of the melody against the accompaniment", "dB", "independent"),
    "loudness_db": ("level of the recording", "dB RMS re full scale", "independent"),
    "drive_db": ("gain into saturation", "dB", "independent"),
    "bandwidth_hz": ("brightness: corner of the low-pass", "Hz", "independent"),
    "low_cut_hz": ("corner of the high-pass", "Hz", "independent"),
    "noise_db": ("recording noise against the music", "dB", "independent"),
    "tilt_db": ("EQ: slope of the spectrum", "dB per octave", "independent"),
    "mid_db": ("EQ: bell of two octaves around the mid frequency", "dB", "independent"),
    "mid_hz": ("EQ: mid frequency", "Hz", "independent"),
    "reverb_wet": ("level of the reverberation against the direct sound", "ratio", "independent"),
    "reverb_s": ("reverberation time (to -60 dB)", "s", "independent"),
    "compression": ("share of the level's changes (in dB) that is taken away", "ratio", "independent"),
}


@dataclass(frozen=True)
class Recording:
    """How a track was recorded: independent of its genre."""

    key: int
    lead: str
    lead_db: float
    loudness_db: float
    drive_db: float
    bandwidth_hz: float
    low_cut_hz: float
    noise_db: float
    tilt_db: float
    mid_db: float
    mid_hz: float
    reverb_wet: float
    reverb_s: float
    compression: float


@dataclass(frozen=True)
class Composition:
    """What a track is made of: where its components come from and what was drawn from their rules."""

    tempo_from: str
    drums_from: str
    bass_from: str
    chords_from: str
    palette_from: str
    borrowed: str
    n_borrowed: int
    tempo_bpm: float
    beats: int
    swing: float
    density: float
    drum_kit: int
    percussion_db: float
    bass_db: float
    chord_program: int
    bass_program: int


# --- items -------------------------------------------------------------------------------------------------------


def items(settings: Settings) -> list[Item]:
    """The tracks of the controlled corpus: balanced over ten genres, in random order; nothing is rendered."""
    found = []
    for index in range(settings.n_tracks):
        spec = {
            "kind": "controlled", "seed": settings.seed, "index": index, "n_tracks": settings.n_tracks,
            "seconds": settings.seconds,
        }
        genre = _genre(spec)
        rng = _rng(spec, "lyrics")
        topic = controlled_lyrics.draw_topic(rng, list(GENRES).index(genre), settings.lyrics_information)
        factors = asdict(composition(spec)) | asdict(recording(spec)) | {"topic": topic}
        # A program or a key is a name, not an amount: as text, nothing regresses on its number
        factors |= {name: f"{name} {factors[name]}" for name in ("drum_kit", "chord_program", "bass_program", "key")}
        lyrics = controlled_lyrics.write(rng, topic)
        found.append(Item(f"controlled track {index}", spec, genre, {name: factors[name] for name in FACTORS}, lyrics))
    return found


def composition(spec: dict[str, Any]) -> Composition:
    """What the track of this spec is made of."""
    genre, rng = _genre(spec), _rng(spec, "composition")
    others = [name for name in GENRES if name != genre]
    borrowed = [name for name in COMPONENTS if rng.random() < BORROW_CHANCE]
    sources = {name: others[rng.integers(len(others))] if name in borrowed else genre for name in COMPONENTS}
    rules = {name: GENRES[source] for name, source in sources.items()}
    return Composition(
        **{f"{name}_from": source for name, source in sources.items()},
        borrowed="+".join(borrowed) or "none",
        n_borrowed=len(borrowed),
        tempo_bpm=round(rng.uniform(*rules["tempo"].tempo_bpm), 2),
        beats=_choice(rng, rules["tempo"].beats),
        swing=round(rng.uniform(*rules["tempo"].swing), 3),
        density=round(rng.uniform(*GENRES[genre].density), 3),
        drum_kit=_choice(rng, rules["drums"].kits),
        percussion_db=round(rng.uniform(*rules["drums"].percussion_db), 2),
        bass_db=round(rng.uniform(*rules["bass"].bass_db), 2),
        chord_program=_choice(rng, rules["palette"].chord_programs),
        bass_program=_choice(rng, rules["palette"].bass_programs),
    )


def recording(spec: dict[str, Any]) -> Recording:
    """How the track of this spec was recorded; the genre is never asked for."""
    rng = _rng(spec, "recording")
    return Recording(
        key=int(rng.integers(12)),
        lead=_choice(rng, tuple(LEADS)),
        lead_db=round(rng.uniform(-14, -3), 2),
        loudness_db=round(rng.normal(-22, 3), 2),
        drive_db=round(rng.uniform(-10, -4), 2),
        bandwidth_hz=round(float(np.exp(rng.uniform(np.log(5900), np.log(10800)))), 1),
        low_cut_hz=round(float(np.exp(rng.uniform(np.log(20), np.log(38)))), 1),
        noise_db=round(rng.uniform(-44, -32), 2),
        tilt_db=round(rng.normal(0, 0.2), 2),
        mid_db=round(rng.normal(0, 0.7), 2),
        mid_hz=round(float(np.exp(rng.uniform(np.log(400), np.log(3000)))), 1),
        reverb_wet=round(rng.uniform(0, 0.35) ** 2, 3),
        reverb_s=round(rng.uniform(0.2, 1.0), 3),
        compression=round(rng.uniform(-0.1, 0.2), 3),
    )


_STREAMS = ("order", "composition", "recording", "lyrics", "notes", "room")


def _rng(spec: dict[str, Any], stream: str) -> np.random.Generator:
    """A random stream of this track alone, so that no draw depends on another part's."""
    return np.random.default_rng([spec["seed"], spec["index"], _STREAMS.index(stream)])


def _genre(spec: dict[str, Any]) -> str:
    return list(GENRES)[_order(spec["seed"], spec["n_tracks"])[spec["index"]]]


@lru_cache(maxsize=8)
def _order(seed: int, n_tracks: int) -> np.ndarray:
    """The number of each track's genre: as balanced as `n_tracks` allows, shuffled."""
    rng = np.random.default_rng([seed, n_tracks, _STREAMS.index("order")])
    return rng.permutation(np.arange(n_tracks) % len(GENRES))


def _choice(rng: np.random.Generator, options: tuple) -> Any:
    return options[rng.integers(len(options))]


# --- notes -------------------------------------------------------------------------------------------------------

Notes = list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]  # onset in beats, length in beats, pitch, velocity
SECTION = 4  # bars
LAYERS = {"drums": 0.9, "bass": 0.92, "chords": 0.92, "lead": 0.75}  # chance that a section has the layer
TONES = {"1": 0, "3": 1, "5": 2, "6": 2, "8": 3}  # which tone of the chord a digit names
DEGREES = {"I": 0, "II": 2, "III": 4, "IV": 5, "V": 7, "VI": 9, "VII": 11}


def chord(numeral: str) -> tuple[int, ...]:
    """Semitones above the tonic of a Roman numeral: "bVII" -> (10, 14, 17); the root comes first."""
    body = numeral.rstrip("57").removesuffix("maj")
    root = DEGREES[body.lstrip("b").upper()] - body.count("b")
    suffix = numeral[len(body):]
    minor = body.lstrip("b").islower()
    tones = (0, 7) if suffix == "5" else (0, 3 if minor else 4, 7)
    seventh = {"7": (10,), "maj7": (11,)}.get(suffix, ())
    return tuple(root + tone for tone in tones + seventh)


def steps(pattern: str, beats: int) -> list[tuple[float, str]]:
    """The steps of a bar of `beats` beats that are no rests: (onset in beats, symbol). A longer bar starts it again."""
    groups = pattern.split()
    bar = [groups[beat % len(groups)] for beat in range(beats)]
    return [
        (beat + i / len(group), symbol)
        for beat, group in enumerate(bar) for i, symbol in enumerate(group) if symbol != "."
    ]


def compose(spec: dict[str, Any]) -> dict[str, np.ndarray]:
    """The notes of a track by layer (drums, bass, chords, lead): arrays [note, 4] of onset (s), length (s), pitch and
    velocity (1 to 127)."""
    made, rng = composition(spec), _rng(spec, "notes")
    key = recording(spec).key
    beats = made.beats
    n_bars = int(np.ceil(spec["seconds"] * made.tempo_bpm / 60 / beats)) + 1
    n_sections = -(-n_bars // SECTION)
    playing = {layer: rng.random(n_sections) < chance for layer, chance in LAYERS.items()}
    thin = sum(np.asarray(on, dtype=int) for on in playing.values()) < 2
    dynamics = rng.uniform(0.75, 1.0, n_sections)
    rules = GENRES[made.chords_from]
    progression = [chord(numeral) for numeral in _choice(rng, rules.progressions).split()]
    harmony = [tuple(tone + key for tone in progression[bar % len(progression)]) for bar in range(n_bars)]
    parts = {
        "drums": _drums(rng, made, n_bars),
        "bass": _bass(rng, made, harmony),
        "chords": _chords(rng, made, harmony),
        "lead": _lead(rng, made, harmony, key),
    }
    start = rng.uniform(0, beats)  # the excerpt starts within the first bar
    notes = {}
    for layer, part in parts.items():
        section = (part[:, 0] // (beats * SECTION)).astype(int)
        part = part[(playing[layer] | thin)[section]]
        section = (part[:, 0] // (beats * SECTION)).astype(int)
        beat, within = np.divmod(part[:, 0], 1.0)
        swung = np.where(within < 0.5, within * (1 + made.swing), 1 - (1 - within) * (1 - made.swing))
        onset = (beat + swung - start) * 60 / made.tempo_bpm + rng.normal(0, 0.006, len(part))
        velocity = np.clip(part[:, 3] * dynamics[section] * rng.uniform(0.85, 1.1, len(part)), 0.05, 1) * 127
        timed = np.column_stack([onset, part[:, 1] * 60 / made.tempo_bpm, part[:, 2], velocity])
        timed = timed[(onset >= 0) & (onset < spec["seconds"] - 0.05)]
        notes[layer] = timed[np.argsort(timed[:, 0], kind="stable")]
    return notes


def _drums(rng: np.random.Generator, made: Composition, n_bars: int) -> np.ndarray:
    found = []
    for name, pattern in _choice(rng, GENRES[made.drums_from].drums).items():
        bar = steps(pattern, made.beats)
        onset = (np.arange(n_bars)[:, None] * made.beats + np.array([at for at, _ in bar])[None, :]).ravel()
        force = np.tile([{"X": 1.0, "x": 0.75, "o": 0.5}[symbol] for _, symbol in bar], n_bars)
        chance = np.tile([made.density if symbol == "o" else 0.97 for _, symbol in bar], n_bars)
        played = rng.random(len(onset)) < chance
        pitch = np.full(len(onset), DRUMS[name])
        found.append(np.column_stack([onset, np.full(len(onset), 0.5), pitch, force])[played])
    return np.concatenate(found)


def _bass(rng: np.random.Generator, made: Composition, harmony: list[tuple[int, ...]]) -> np.ndarray:
    bar = steps(_choice(rng, GENRES[made.bass_from].bass), made.beats)
    notes = []
    for i, tones in enumerate(harmony):
        root = 28 + (tones[0] - 28) % 12  # E1 to D#2
        for at, symbol in bar:
            if symbol == "o" and rng.random() > made.density:
                continue
            if symbol == "w":
                interval = (0, 2, 4, 5, 7, 9, 12)[rng.integers(7)]
            elif symbol in "o1":
                interval = 0
            else:
                interval = {"3": tones[1] - tones[0], "5": 7, "6": 9, "8": 12}[symbol]
            notes.append((i * made.beats + at, root + interval, 0.95 if at == 0 else 0.8))
    onset, pitch, force = np.array(notes).T
    return np.column_stack([onset, _until_next(onset, made.beats) * 0.9, pitch, force])


def _chords(rng: np.random.Generator, made: Composition, harmony: list[tuple[int, ...]]) -> np.ndarray:
    pattern, legato = _choice(rng, GENRES[made.chords_from].comping)
    bar = [(at, symbol) for at, symbol in steps(pattern, made.beats)]
    register = rng.integers(48, 56)
    onsets, hits = [], []
    for i, tones in enumerate(harmony):
        voicing = sorted(register + (tone - register) % 12 for tone in tones)
        ladder = [*voicing, voicing[0] + 12]
        for at, symbol in bar:
            if symbol == "o" and rng.random() > made.density:
                continue
            onsets.append(i * made.beats + at)
            hits.append(voicing if symbol in "xo" else [ladder[min(TONES[symbol], len(ladder) - 1)]])
    onset = np.array(onsets)
    length = _until_next(onset, made.beats) * legato
    count = [len(hit) for hit in hits]
    pitch = np.concatenate(hits)
    return np.column_stack([np.repeat(onset, count), np.repeat(length, count), pitch, np.full(len(pitch), 0.8)])


def _lead(rng: np.random.Generator, made: Composition, harmony: list[tuple[int, ...]], key: int) -> np.ndarray:
    """A walk over the scale: chord tones on beats, steps between them; the denser the track, the more notes."""
    scale = sorted((key + tone) % 12 for tone in SCALES[GENRES[made.chords_from].scale])
    ladder = np.array([12 * octave + tone for octave in range(5, 7) for tone in scale])
    place = len(ladder) // 3
    notes = []
    for i, tones in enumerate(harmony):
        for half in range(2 * made.beats):
            if rng.random() > made.density * (0.9 if half % 2 == 0 else 0.6):
                continue
            place = int(np.clip(place + rng.integers(-2, 3), 0, len(ladder) - 1))
            pitch = ladder[place]
            if half % made.beats == 0:
                chordal = np.array([12 * octave + tone % 12 for octave in range(5, 7) for tone in tones])
                pitch = chordal[np.argmin(np.abs(chordal - pitch))]
            notes.append((i * made.beats + half / 2, pitch, rng.uniform(0.65, 1.0)))
    if not notes:
        return np.zeros((0, 4))
    onset, pitch, force = np.array(notes).T
    return np.column_stack([onset, np.minimum(_until_next(onset, made.beats), 2) * 0.9, pitch, force])


def _until_next(onset: np.ndarray, last: float) -> np.ndarray:
    """Beats from each onset to the next one; `last` for the last."""
    return np.diff(onset, append=onset[-1] + last)


# --- sound -------------------------------------------------------------------------------------------------------


def render(spec: dict[str, Any]) -> Sound:
    """The track of this spec as sound: float32 [seconds * 22050], mono, within -1 to 1; the same in every process."""
    return Sound(record(play(spec), spec, recording(spec)), SR)


@lru_cache(maxsize=1)
def _sound_font() -> Path:
    return Path(importlib.util.find_spec("pretty_midi").origin).parent / "TimGM6mb.sf2"


def play(spec: dict[str, Any]) -> np.ndarray:
    """The dry mix of a track, float32 [samples], RMS 1: each layer is played alone and set to its level."""
    made, recorded = composition(spec), recording(spec)
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
    sound = np.asarray(Synthesizer(_sound_font(), SR, QUALITY).render(score, stereo=False)).ravel()
    starts = _at(np.arange(len(distinct)) * apart)
    return {int(p): sound[at: at + round(seconds * SR)] for p, at in zip(distinct, starts, strict=True)}


def _at(seconds: np.ndarray) -> np.ndarray:
    return np.round(seconds * SR).astype(int)


def _loudness(notes: np.ndarray) -> np.ndarray:
    """Amplitude from velocity, as the SoundFont standard has it: 40 log10 dB."""
    return ((notes[:, 3] / 127) ** 2).astype(np.float32)


def record(dry: np.ndarray, spec: dict[str, Any], how: Recording) -> np.ndarray:
    """Record a mix `dry` [samples] of RMS 1: saturation, noise, room, EQ, low-pass, compression, level."""
    rng = _rng(spec, "room")
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


# --- difficulty --------------------------------------------------------------------------------------------------


def difficulty(
    mfcc: np.ndarray, labels: np.ndarray, vae_active: np.ndarray | None = None, cvae_active: np.ndarray | None = None
) -> pd.DataFrame:
    """How hard the corpus is, beside the window of GTZAN that it is matched to (at 1000 tracks of 30 s).

    `mfcc` [track, 40]: mean and standard deviation over time of 20 MFCCs; `labels` [track]; active dimensions [seed]
    that a VAE and a CVAE keep at beta 4, where they are known. Columns: quantity, value, low, high, inside (is the
    value, or some of its 95 % interval over seeds, in the window?).
    """
    from sklearn.cluster import KMeans
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import normalized_mutual_info_score
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from lib.statistics import Interval, interval

    mfcc, labels = np.asarray(mfcc, dtype=float), np.asarray(labels)
    x = StandardScaler().fit_transform(mfcc)
    within = x - pd.DataFrame(x).groupby(labels).transform("mean").to_numpy()
    n_labels = len(np.unique(labels))
    nmi = [
        normalized_mutual_info_score(labels, KMeans(n_labels, n_init=10, random_state=seed).fit_predict(x))
        for seed in range(3)
    ]
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    accuracy = cross_val_score(probe, mfcc, labels, cv=StratifiedKFold(5, shuffle=True, random_state=0))
    rows = [
        ("k-means NMI", np.mean(nmi), 0.24, 0.36),
        ("logistic regression accuracy", accuracy.mean(), 0.58, 0.74),
        ("eigenvalues above 2, total covariance", np.sum(np.linalg.eigvalsh(np.cov(x.T)) > 2), 3, 5),
        ("eigenvalues above 2, within-genre covariance", np.sum(np.linalg.eigvalsh(np.cov(within.T)) > 2), 2, 4),
    ]
    if vae_active is not None and cvae_active is not None:
        rows += [("active dimensions of a VAE at beta 4", interval(vae_active), 3, 4),
                 ("active dimensions of a CVAE at beta 4", interval(cvae_active), 1.5, 2.5)]
    table = pd.DataFrame(rows, columns=["quantity", "value", "low", "high"])
    inside = []
    for _, value, low, high in rows:
        ends = (value.low, value.high) if isinstance(value, Interval) else (value, value)
        ends = ends if np.isfinite(ends).all() else (value.mean, value.mean)  # too few seeds for an interval
        inside.append(bool(ends[0] <= high and ends[1] >= low))
    return table.assign(inside=inside)
