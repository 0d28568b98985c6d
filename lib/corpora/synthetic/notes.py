"""A composition of the built-in corpus as notes: drums, bass, chords and lead, bar by bar."""

from __future__ import annotations

from typing import Any

import numpy as np

from lib.corpora.synthetic import composition
from lib.corpora.synthetic.composition import Composition
from lib.corpora.synthetic.genres import DRUMS, GENRES, SCALES

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
    made, rng = composition.composition(spec), composition.stream(spec, "notes")
    key = composition.recording(spec).key
    beats = made.beats
    n_bars = int(np.ceil(spec["seconds"] * made.tempo_bpm / 60 / beats)) + 1
    n_sections = -(-n_bars // SECTION)
    playing = {layer: rng.random(n_sections) < chance for layer, chance in LAYERS.items()}
    thin = sum(np.asarray(on, dtype=int) for on in playing.values()) < 2
    dynamics = rng.uniform(0.75, 1.0, n_sections)
    rules = GENRES[made.chords_from]
    progression = [chord(numeral) for numeral in composition.pick(rng, rules.progressions).split()]
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
    for name, pattern in composition.pick(rng, GENRES[made.drums_from].drums).items():
        bar = steps(pattern, made.beats)
        onset = (np.arange(n_bars)[:, None] * made.beats + np.array([at for at, _ in bar])[None, :]).ravel()
        force = np.tile([{"X": 1.0, "x": 0.75, "o": 0.5}[symbol] for _, symbol in bar], n_bars)
        chance = np.tile([made.density if symbol == "o" else 0.97 for _, symbol in bar], n_bars)
        played = rng.random(len(onset)) < chance
        pitch = np.full(len(onset), DRUMS[name])
        found.append(np.column_stack([onset, np.full(len(onset), 0.5), pitch, force])[played])
    return np.concatenate(found)


def _bass(rng: np.random.Generator, made: Composition, harmony: list[tuple[int, ...]]) -> np.ndarray:
    bar = steps(composition.pick(rng, GENRES[made.bass_from].bass), made.beats)
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
    pattern, legato = composition.pick(rng, GENRES[made.chords_from].comping)
    bar = steps(pattern, made.beats)
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
