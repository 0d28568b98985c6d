"""Synthetic lyrics of the controlled corpus: a topic grammar whose information about genre is set.

Each genre has a home topic. A track takes the home topic of its genre with a chance `a`, else any of the other nine;
`a` is solved so that I(topic; genre) is the amount wanted, in nats. The text is written from the topic alone, so it
tells about genre at most what the topic tells (data processing inequality). Nobody wrote or sang these words.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.optimize import brentq

from lib.store.arithmetic import mutual_information

# topic -> nouns, verbs, adjectives, places. In the order of the genres whose home topic each is.
TOPICS: dict[str, tuple[tuple[str, ...], ...]] = {
    "sorrow": (
        ("tears", "whiskey", "sorrow", "trouble", "rain", "debt", "goodbye", "ache"),
        ("cry", "moan", "worry", "lose", "weep", "suffer"),
        ("lonesome", "broke", "weary", "bitter", "empty", "low"),
        ("at the crossroads", "by the levee", "in the delta", "on the porch", "at the back door"),
    ),
    "nature": (
        ("spring", "nightingale", "meadow", "moonlight", "rose", "brook", "shepherd", "linden"),
        ("blossom", "wander", "slumber", "whisper", "bloom", "awaken"),
        ("gentle", "silver", "tender", "quiet", "pale", "sacred"),
        ("in the forest", "beneath the linden", "by the brook", "over the hills", "in the garden"),
    ),
    "home": (
        ("truck", "farm", "mama", "tractor", "church", "fence", "horse", "harvest"),
        ("drive", "pray", "plough", "settle", "mend", "raise"),
        ("dusty", "honest", "faithful", "plain", "golden", "humble"),
        ("down the gravel lane", "at the county line", "on the ranch", "in a small town", "by the barn"),
    ),
    "dancing": (
        ("mirror", "floor", "fever", "spotlight", "glitter", "rhythm", "boogie", "strobe"),
        ("dance", "spin", "shake", "groove", "move", "shimmy"),
        ("sparkling", "sweaty", "dazzling", "hot", "funky", "electric"),
        ("on the dance floor", "under the mirror ball", "in the spotlight", "at the party", "by the turntable"),
    ),
    "street": (
        ("hustle", "block", "mic", "paper", "crew", "corner", "rhyme", "cash"),
        ("grind", "spit", "flow", "rise", "represent", "flip"),
        ("real", "raw", "hungry", "fresh", "tough", "slick"),
        ("on the block", "in the projects", "around the corner", "on the subway", "in the cipher"),
    ),
    "evening": (
        ("cocktail", "cigarette", "saxophone", "taxi", "lamp", "perfume", "autumn", "skyline"),
        ("linger", "sip", "hum", "drift", "murmur", "stroll"),
        ("smoky", "dim", "velvet", "mellow", "elegant", "hazy"),
        ("at the bar", "on the avenue", "in the lounge", "across the river", "after midnight"),
    ),
    "battle": (
        ("steel", "blood", "demon", "throne", "sword", "grave", "thunder", "serpent"),
        ("slay", "burn", "rage", "conquer", "crush", "summon"),
        ("unholy", "burning", "merciless", "black", "eternal", "savage"),
        ("in the abyss", "on the battlefield", "beyond the gates", "beneath the crypt", "in the fire"),
    ),
    "romance": (
        ("heart", "kiss", "crush", "phone", "summer", "smile", "butterflies", "selfie"),
        ("love", "miss", "text", "fall", "hold", "promise"),
        ("sweet", "perfect", "crazy", "young", "pretty", "shiny"),
        ("on my mind", "in your arms", "next to you", "at the beach", "in my bedroom"),
    ),
    "island": (
        ("island", "babylon", "lion", "roots", "sunshine", "ocean", "prophet", "drum"),
        ("unite", "chant", "skank", "free", "praise", "overcome"),
        ("irie", "righteous", "natural", "humble-hearted", "mighty", "easy"),
        ("in the yard", "by the seaside", "on the mountain", "under the palm", "in the sun"),
    ),
    "rebellion": (
        ("engine", "highway", "guitar", "leather", "amplifier", "rebel", "motor", "stadium"),
        ("scream", "ride", "break", "shout", "run", "crash"),
        ("wild", "loud", "reckless", "restless", "electric-eyed", "fast"),
        ("on the highway", "in the garage", "through the red light", "at the arena", "out of control"),
    ),
}
TEMPLATES = (
    "i {verb} for the {noun} {place}",
    "the {noun} is {adjective} {place}",
    "{adjective} {noun} and {adjective2} {noun2}",
    "won't you {verb} with me {place}",
    "they {verb} till the {noun} is gone",
    "oh the {adjective} {noun}, oh the {noun2}",
    "we {verb} and {verb2} {place}",
    "give me a {adjective} {noun}",
)
# lines that every topic shares
FILLER = (
    "oh yeah, one more time", "la la la, la la la", "day after day and night after night", "tell me now, tell me true",
    "here we go again", "and i don't know why", "come on and sing along", "you and me, you and me",
    "time goes by, it always does", "say it again, say it slow",
)
FILLER_CHANCE = 0.3
LINES = (6, 14)


@lru_cache(maxsize=8)
def topic_given_genre(information: float) -> np.ndarray:
    """P(topic | genre) as an array [topic, genre] with I(topic; genre) = `information` nats, genres equally likely.

    Raises `ValueError` for an amount outside 0 to ln(number of topics).
    """
    n = len(TOPICS)
    if not 0 <= information <= np.log(n):
        raise ValueError(f"the topic can carry 0 to {np.log(n):.3f} nats about genre, not {information}")

    def given(home: float) -> np.ndarray:
        return np.where(np.eye(n, dtype=bool), home, (1 - home) / (n - 1))

    if information < 1e-9:  # below what the sum over the joint distribution resolves
        return given(1 / n)
    wanted = min(information, mutual_information(given(1.0) / n))  # the most, but for rounding
    return given(brentq(lambda home: mutual_information(given(home) / n) - wanted, 1 / n, 1.0, xtol=1e-14))


def draw_topic(rng: np.random.Generator, genre: int, information: float) -> str:
    """The topic of a track of the genre with this number."""
    return list(TOPICS)[rng.choice(len(TOPICS), p=topic_given_genre(information)[:, genre])]


def write(rng: np.random.Generator, topic: str) -> str:
    """Synthetic lyrics on a topic: 6 to 14 lines, some of them shared by all topics."""
    nouns, verbs, adjectives, places = TOPICS[topic]
    lines = []
    for _ in range(rng.integers(LINES[0], LINES[1] + 1)):
        if rng.random() < FILLER_CHANCE:
            lines.append(FILLER[rng.integers(len(FILLER))])
            continue
        (noun, noun2), (verb, verb2), (adjective, adjective2) = (
            [words[i] for i in rng.choice(len(words), 2, replace=False)] for words in (nouns, verbs, adjectives)
        )
        template = TEMPLATES[rng.integers(len(TEMPLATES))]
        lines.append(template.format(
            noun=noun, noun2=noun2, verb=verb, verb2=verb2, adjective=adjective, adjective2=adjective2,
            place=places[rng.integers(len(places))],
        ))
    return "\n".join(lines)
