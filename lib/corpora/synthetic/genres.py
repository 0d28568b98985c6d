"""The ten genres of the controlled corpus as composition rules: data only, read by `composition` and `notes`.

A pattern is one bar: a group of steps per beat, groups separated by spaces, as many steps in a group as the beat is
divided into. Steps: `.` rest; in drums `X` accent, `x` hit, `o` optional hit (played with the chance `density`); in
bass lines `1 3 5 6 8` the chord's root, third, fifth, sixth and octave, `w` a step of a walk, `o` an optional root; in
accompaniments `x` the whole chord, `o` an optional one, digits a single tone of it. Chords are Roman numerals of the
major scale (`b` lowers the root, lower case is minor); programs are General MIDI programs counted from 0.

The rules are the author's plain stereotypes of each genre, not measured from recordings.
"""

from __future__ import annotations

from typing import NamedTuple

Range = tuple[float, float]
# General MIDI percussion keys
DRUMS = {
    "kick": 36, "rim": 37, "snare": 38, "clap": 39, "tom": 45, "hat": 42, "pedal_hat": 44, "open_hat": 46, "crash": 49,
    "ride": 51, "tambourine": 54, "cowbell": 56, "conga": 63, "shaker": 70, "triangle": 81,
}
# symusic 0.5.9 never returns from notes above about 91 of some programs of TimGM6mb.sf2, and plays uninitialised
# memory for others (whistle, alto sax): every program named below was tried at each pitch of this range.
PITCHES = (28, 84)
# Plucked and struck instruments die away: program -> seconds to -60 dB. All others hold their tone.
DECAY_S = {
    0: 6.0, 1: 6.0, 3: 5.0, 4: 5.0, 6: 3.0, 11: 4.0, 25: 3.0, 26: 3.0, 27: 4.0, 28: 0.6, 32: 2.0, 33: 4.0, 34: 4.0,
    35: 4.0, 36: 2.0, 38: 3.0, 39: 4.0, 46: 4.0, 105: 1.5,
}
# Melody instruments, the same for every genre
LEADS = {
    "flute": 73, "clarinet": 71, "trumpet": 56, "tenor sax": 66, "violin": 40, "harmonica": 22, "guitar": 27,
    "vibraphone": 11, "synth lead": 81, "oboe": 68,
}
SCALES = {
    "major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10), "blue": (0, 3, 5, 6, 7, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10), "pentatonic": (0, 2, 4, 7, 9), "dorian": (0, 2, 3, 5, 7, 9, 10),
}


class Genre(NamedTuple):
    """Composition rules of one genre; where there are several variants, each track draws one."""

    # the component "tempo"
    tempo_bpm: Range
    beats: tuple[int, ...]  # beats per bar
    swing: Range  # 0 straight, 1/3 triplets
    # the component "drums"
    drums: tuple[dict[str, str], ...]
    kits: tuple[int, ...]
    percussion_db: Range  # level of the drums against the accompaniment
    # the component "bass"
    bass: tuple[str, ...]
    bass_db: Range  # level of the bass against the accompaniment
    # the component "chords"
    progressions: tuple[str, ...]  # one chord per bar
    scale: str
    comping: tuple[tuple[str, float], ...]  # pattern, share of the step that a chord sounds
    # the component "palette"
    chord_programs: tuple[int, ...]
    bass_programs: tuple[int, ...]
    # not a component: never borrowed
    density: Range  # chance that an optional note is played; also the density of the melody


COMPONENTS = ("tempo", "drums", "bass", "chords", "palette")
GENRES: dict[str, Genre] = {
    "blues": Genre(
        tempo_bpm=(62, 118), beats=(4,), swing=(0.25, 0.36),
        drums=(
            {"kick": "x.. ... x.. ..o", "snare": "... X.. ... X..", "hat": "x.x x.x x.x x.x"},
            {"kick": "x.. ..o x.. ...", "snare": "... x.o ... x.o", "ride": "xoo xoo xoo xoo"},
        ),
        kits=(40, 0), percussion_db=(-8, -3),
        bass=("1.1 3.3 5.5 6.6", "1.. 1.o 5.. 6..", "1.. 3.. 5.. 6.."), bass_db=(-5, -1),
        progressions=("I7 I7 I7 I7 IV7 IV7 I7 I7 V7 IV7 I7 V7", "I7 IV7 I7 I7 IV7 IV7 I7 I7 V7 IV7 I7 V7"),
        scale="blue",
        comping=(("x.. o.x x.. o.x", 0.7), ("x.. x.. x.. x..", 0.9), ("..x ... ..x o..", 0.6)),
        chord_programs=(0, 3, 27), bass_programs=(32, 33), density=(0.3, 0.7),
    ),
    "classical": Genre(
        tempo_bpm=(56, 132), beats=(3, 4, 4), swing=(0.0, 0.03),
        drums=(
            {"triangle": "x... .... .... ....", "tom": "o... .... .... ..oo"},
            {"tom": "o... .... o... ....", "crash": "o... .... .... ...."},
        ),
        kits=(48,), percussion_db=(-26, -16),
        bass=("1... .... .... ....", "1... .... 5... ....", "1... 3... 5... 8..."), bass_db=(-12, -8),
        progressions=("I IV V I vi ii V I", "i iv V i bVI iv V i", "I vi ii V",
                      "I V vi iii IV I IV V"),
        scale="major",
        comping=(("15 35 15 35", 1.0), ("135 835 135 835", 1.0), ("x... .... x... ....", 1.0),
                 ("1358 5358 1358 5358", 1.2)),
        chord_programs=(48, 6, 46, 49), bass_programs=(42, 43), density=(0.2, 0.7),
    ),
    "country": Genre(
        tempo_bpm=(86, 150), beats=(4, 4, 4, 3), swing=(0.0, 0.15),
        drums=(
            {"kick": "x... .... x... ....", "snare": "o.Xo o.Xo o.Xo o.Xo"},
            {"kick": "x... .... x... ..o.", "snare": ".... X... .... X...", "hat": "x.x. x.x. x.x. x.x."},
            {"kick": "x... .... x... ....", "rim": ".... x... .... x...", "shaker": "x.x. x.x. x.x. x.x."},
        ),
        kits=(0, 8), percussion_db=(-12, -7),
        bass=("1... .... 5... ....", "1... .... 5... ..oo", "1... 3... 5... 3..."), bass_db=(-10, -6),
        progressions=("I I IV I I V I I", "I IV I V", "I IV V I", "I vi IV V"),
        scale="pentatonic",
        comping=((".... x.o. .... x.o.", 0.7), ("..x. ..x. ..x. ..x.", 0.6), ("1.3. 5.3. 8.3. 5.3.", 1.2)),
        chord_programs=(25, 25, 105), bass_programs=(32,), density=(0.4, 0.8),
    ),
    "disco": Genre(
        tempo_bpm=(108, 134), beats=(4,), swing=(0.0, 0.05),
        drums=(
            {"kick": "X... X... X... X...", "open_hat": "..x. ..x. ..x. ..x.", "clap": ".... X... .... X...",
             "hat": "x.oo x.oo x.oo x.oo"},
            {"kick": "X... X... X... X...", "snare": ".... X... .... X...", "open_hat": "..X. ..X. ..X. ..X.",
             "tambourine": "xoxo xoxo xoxo xoxo"},
            {"kick": "X... X... X... X...", "clap": ".... X... .... X...", "hat": "..x. ..x. ..x. ..x.",
             "conga": "o..o ..o. o..o ..o."},
        ),
        kits=(0, 24), percussion_db=(1, 6),
        bass=("1.8. 1.8. 1.8. 1.8.", "1..8 ..8. 1..8 ..5.", "..1. ..8. ..1. ..8."), bass_db=(3, 6),
        progressions=("vi ii V I", "i bVII bVI V7", "ii7 V7 Imaj7 vi7", "i iv bVII i"),
        scale="minor",
        comping=(("..x. ..x. ..x. ..x.", 0.5), ("x.xo .xo. x.xo .xo.", 0.4), ("x... .... .... ....", 1.0)),
        chord_programs=(50, 48, 28), bass_programs=(36, 38), density=(0.5, 0.9),
    ),
    "hiphop": Genre(
        tempo_bpm=(78, 106), beats=(4,), swing=(0.05, 0.28),
        drums=(
            {"kick": "X..o ..x. ..x. o...", "snare": ".... X... .... X...", "hat": "x.x. x.x. x.xo x.x."},
            {"kick": "X... ..x. .ox. ....", "clap": ".... X... .... X...", "hat": "xoxo xoxo xoxo xoxo"},
            {"kick": "X.x. .... .x.. x...", "snare": ".... X..o .o.. X...", "shaker": "x.x. x.x. x.x. x.x."},
        ),
        kits=(25, 25, 24), percussion_db=(4, 9),
        bass=("1... .... ..1. ....", "1... ..1. .... ..5.", "1..1 .... ..o. ...."), bass_db=(8, 13),
        progressions=("i i bVI bVI", "i iv", "i i i i", "i bVII bVI bVI"),
        scale="minor",
        comping=(("x... .... .... ....", 0.8), ("x... ..o. .... ....", 0.5), ("1..3 ..5. 1..3 ..5.", 0.8)),
        chord_programs=(4, 89, 4), bass_programs=(38, 39), density=(0.1, 0.5),
    ),
    "jazz": Genre(
        tempo_bpm=(96, 210), beats=(4, 4, 4, 3), swing=(0.22, 0.36),
        drums=(
            {"ride": "x.. x.x x.. x.x", "pedal_hat": "... x.. ... x..", "snare": "..o ... ..o ..o",
             "kick": "o.. ... o.. ..."},
            {"ride": "x.o x.x x.o x.x", "pedal_hat": "... x.. ... x..", "rim": "... ... ... o.."},
        ),
        kits=(40,), percussion_db=(-12, -7),
        bass=("w w w w", "1 w 5 w", "1. w. w. wo"), bass_db=(-3, 1),
        progressions=("ii7 V7 Imaj7 vi7", "Imaj7 vi7 ii7 V7",
                      "iii7 vi7 ii7 V7 Imaj7 IV7 iii7 V7", "i7 i7 iv7 i7 bVI7 V7 i7 V7"),
        scale="dorian",
        comping=(("..x ... x.. ..o", 0.5), ("x.. ..x ... ...", 0.6), ("... x.. ... x.o", 0.5)),
        chord_programs=(26, 0, 11), bass_programs=(32,), density=(0.4, 0.9),
    ),
    "metal": Genre(
        tempo_bpm=(96, 190), beats=(4,), swing=(0.0, 0.02),
        drums=(
            {"kick": "xxxx xxxx xxxx xxxx", "snare": ".... X... .... X...", "crash": "X... ..o. X... ...."},
            {"kick": "x.xx x.xx x.xx x.xx", "snare": ".... X... .... X...", "hat": "X.x. X.x. X.x. X.x."},
            {"kick": "x.x. x.x. x.x. x.x.", "snare": "..X. ..X. ..X. ..X.", "ride": "X.x. X.x. X.x. X.x."},
        ),
        kits=(16,), percussion_db=(-3, 2),
        bass=("1.1. 1.1. 1.1. 1.1.", "1111 1.11 1111 1.1o", "1.11 1.11 1.11 5.55"), bass_db=(-8, -4),
        progressions=("i5 i5 bVI5 bVII5", "i5 bII5 i5 bVII5", "i5 i5 i5 bIII5", "i5 bVII5 bVI5 V5"),
        scale="minor",
        comping=(("x.xx x.xx x.xx x.xx", 0.9), ("xxxx xxxx xxxx xxxx", 0.8), ("x... x.x. ..x. x...", 1.0)),
        chord_programs=(30,), bass_programs=(34,), density=(0.5, 0.95),
    ),
    "pop": Genre(
        tempo_bpm=(90, 132), beats=(4,), swing=(0.0, 0.08),
        drums=(
            {"kick": "x... ..x. x... ....", "snare": ".... X... .... X...", "hat": "x.x. x.x. x.x. x.x."},
            {"kick": "x... x... x... x...", "clap": ".... X... .... X...", "shaker": "xoxo xoxo xoxo xoxo"},
            {"kick": "x..x ..x. x..x ..o.", "snare": ".... X... .... X...", "tambourine": "..x. ..x. ..x. ..x."},
        ),
        kits=(8, 24, 0), percussion_db=(-3, 2),
        bass=("1.1. 1.1. 1.1. 1.1.", "1... ..1. 1... ..5.", "1..1 ..1. 5..5 ..5."), bass_db=(0, 4),
        progressions=("I V vi IV", "vi IV I V", "I vi IV V", "I IV vi V"),
        scale="major",
        comping=(("x... .... .... ....", 1.0), ("x... x... x... x...", 0.9), ("x..x ..x. x..x ..x.", 0.8),
                 ("1.5. 3.5. 1.5. 3.5.", 1.0)),
        chord_programs=(1, 88, 90), bass_programs=(38, 33), density=(0.3, 0.8),
    ),
    "reggae": Genre(
        tempo_bpm=(62, 96), beats=(4,), swing=(0.0, 0.22),
        drums=(
            {"kick": ".... .... X... ....", "rim": ".... .... X... ....", "hat": "x.x. x.x. x.x. x.xo"},
            {"kick": "x... .... X... ....", "rim": "...o .... X..o ....", "hat": "..x. ..x. ..x. ..x."},
            {"kick": "x... x... x... x...", "snare": ".... .... X... ....", "hat": "x.xo x.x. x.xo x.x.",
             "conga": "o... ..o. o... ..o."},
        ),
        kits=(8, 0), percussion_db=(-5, 0),
        bass=("1... ..1. 3.5. ....", "..1. 1.3. 5... ....", "1.1. ..5. 1.1. ...."), bass_db=(8, 13),
        progressions=("I IV I IV", "I V IV V", "i bVII i bVII", "I ii I ii"),
        scale="mixolydian",
        comping=(("..x. ..x. ..x. ..x.", 0.35), (".... x... .... x...", 0.3), ("..xo ..x. ..xo ..x.", 0.3)),
        chord_programs=(16, 17, 28), bass_programs=(35, 33), density=(0.2, 0.6),
    ),
    "rock": Genre(
        tempo_bpm=(98, 156), beats=(4,), swing=(0.0, 0.06),
        drums=(
            {"kick": "x... ..x. x.x. ....", "snare": ".... X... .... X...", "hat": "X.x. X.x. X.x. X.x."},
            {"kick": "x... .... x.x. ..o.", "snare": ".... X... .... X..o", "ride": "x.x. x.x. x.x. x.x.",
             "crash": "o... .... .... ...."},
            {"kick": "x..x ..x. x... ....", "snare": ".... X... .... X...", "open_hat": "x... x... x... x..."},
        ),
        kits=(16, 0), percussion_db=(-2, 3),
        bass=("1.1. 1.1. 1.1. 1.1.", "1..1 ..1. 1..1 ..5.", "1... 1... 5... 5..."), bass_db=(-4, 0),
        progressions=("I bVII IV I", "I IV V IV", "i bVII bVI bVII", "I5 IV5 bVII5 IV5"),
        scale="pentatonic",
        comping=(("x.x. x.x. x.x. x.x.", 0.9), ("x... ..x. ..x. ....", 1.0), ("x..x ..xo x..x ..x.", 0.9)),
        chord_programs=(29, 18, 29), bass_programs=(34, 33), density=(0.4, 0.85),
    ),
}
