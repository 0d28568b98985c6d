"""The built-in corpus: synthetic music whose causes are known.

Ten genres as composition rules (`controlled_genres`), played by sampled instruments. Nothing here is a recording of
real music. Each track takes its rules from its genre, except that each component (tempo, drums, bass, chords, palette)
is borrowed from another genre with a chance of `BORROW_CHANCE`. How it was recorded (key, melody instrument, loudness,
drive, bandwidth, noise, EQ, reverb, compression) is drawn from a random stream of its own that never sees the genre.

The ranges in `recording` were tuned by trial until the corpus came near the windows of `scores.difficulty`: a CVAE of
beta 4 keeps two dimensions, and one factor, `bandwidth_hz`, dominates the features. So what a CVAE's clusters capture
there is by construction (`lib.studies.paradox.variants`).

The instruments come from TimGM6mb.sf2 by Tim Brechbill (GNU General Public Licence, version 2), as it lies in the
`pretty_midi` wheel; symusic plays them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from lib.corpora.items import Item
from lib.corpora.synthetic.genres import COMPONENTS, GENRES, LEADS
from lib.corpora.synthetic.lyrics import draw_topic, write
from lib.store.settings import Settings

SR = 22050  # Hz
BORROW_CHANCE = 0.15  # of each component


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

    tempo_bpm: float
    beats: int
    swing: float
    density: float
    percussion_db: float
    bass_db: float
    drum_kit: int
    tempo_from: str
    drums_from: str
    bass_from: str
    chords_from: str
    palette_from: str
    chord_program: int
    bass_program: int
    borrowed: str
    n_borrowed: int


def items(settings: Settings) -> list[Item]:
    """The tracks of the controlled corpus: balanced over ten genres, in random order; nothing is rendered."""
    found = []
    for index in range(settings.n_tracks):
        spec = {
            "kind": "controlled", "seed": settings.seed, "index": index, "n_tracks": settings.n_tracks,
            "seconds": settings.seconds,
        }
        genre = _genre(spec)
        rng = stream(spec, "lyrics")
        topic = draw_topic(rng, list(GENRES).index(genre), settings.lyrics_information)
        made = asdict(composition(spec))
        last = {name: made.pop(name) for name in ("borrowed", "n_borrowed")}
        factors = made | {"topic": topic} | last | asdict(recording(spec))
        # A program or a key is a name, not an amount: as text, nothing regresses on its number
        factors |= {name: f"{name} {factors[name]}" for name in ("drum_kit", "chord_program", "bass_program", "key")}
        found.append(Item(f"controlled track {index}", spec, genre, factors, write(rng, topic)))
    return found


def composition(spec: dict[str, Any]) -> Composition:
    """What the track of this spec is made of."""
    genre, rng = _genre(spec), stream(spec, "composition")
    others = [name for name in GENRES if name != genre]
    borrowed = [name for name in COMPONENTS if rng.random() < BORROW_CHANCE]
    sources = {name: others[rng.integers(len(others))] if name in borrowed else genre for name in COMPONENTS}
    rules = {name: GENRES[source] for name, source in sources.items()}
    return Composition(
        **{f"{name}_from": source for name, source in sources.items()},
        borrowed="+".join(borrowed) or "none",
        n_borrowed=len(borrowed),
        tempo_bpm=round(rng.uniform(*rules["tempo"].tempo_bpm), 2),
        beats=pick(rng, rules["tempo"].beats),
        swing=round(rng.uniform(*rules["tempo"].swing), 3),
        density=round(rng.uniform(*GENRES[genre].density), 3),
        drum_kit=pick(rng, rules["drums"].kits),
        percussion_db=round(rng.uniform(*rules["drums"].percussion_db), 2),
        bass_db=round(rng.uniform(*rules["bass"].bass_db), 2),
        chord_program=pick(rng, rules["palette"].chord_programs),
        bass_program=pick(rng, rules["palette"].bass_programs),
    )


def recording(spec: dict[str, Any]) -> Recording:
    """How the track of this spec was recorded; the genre is never asked for."""
    rng = stream(spec, "recording")
    return Recording(
        key=int(rng.integers(12)),
        lead=pick(rng, tuple(LEADS)),
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


def stream(spec: dict[str, Any], stream: str) -> np.random.Generator:
    """A random stream of this track alone, so that no draw depends on another part's."""
    return np.random.default_rng([spec["seed"], spec["index"], _STREAMS.index(stream)])


def _genre(spec: dict[str, Any]) -> str:
    return list(GENRES)[_order(spec["seed"], spec["n_tracks"])[spec["index"]]]


@lru_cache(maxsize=8)
def _order(seed: int, n_tracks: int) -> np.ndarray:
    """The number of each track's genre: as balanced as `n_tracks` allows, shuffled."""
    rng = np.random.default_rng([seed, n_tracks, _STREAMS.index("order")])
    return rng.permutation(np.arange(n_tracks) % len(GENRES))


def pick(rng: np.random.Generator, options: tuple) -> Any:
    return options[rng.integers(len(options))]
