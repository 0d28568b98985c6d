"""The audit on planted leaks and on clean builders."""

import numpy as np
import pandas as pd
import pytest

from lib import leakage, lyrics
from lib.corpora.items import Item

WORDS = [f"{a}{b}" for a in "love road night money dance river".split() for b in "train dust moon fire stone rain".split()]


def items(n=120, k=4, seed=0):
    rng = np.random.default_rng(seed)
    out = []
    for i in range(n):
        label = f"genre {i * k // n}"
        text = " ".join(rng.choice(WORDS, 12))
        out.append(Item(f"{label}/{i:03d}", {"track": f"t{rng.integers(2**40):012x}"}, label, lyrics=text))
    return out


def table(items, values):
    return pd.DataFrame(values, index=[item.spec["track"] for item in items])


def content(item):
    return np.random.default_rng(int(item.spec["track"][1:], 16)).standard_normal(6)


CLEAN = {
    "content": lambda items: table(items, [content(i) for i in items]),
    "text": lambda items: lyrics.embed(pd.Series({i.spec["track"]: i.lyrics for i in items}), 5),
    "standardised over all": lambda items: (lambda x: (x - x.mean()) / x.std())(table(items, [content(i) for i in items])),
}


def centred_per_genre(items):
    x = table(items, [content(i) for i in items])
    return x - x.groupby([i.label for i in items]).transform("mean")


LEAKS = {
    "label lookup": lambda items: lyrics.leaky_label_embeddings(pd.Series({i.spec["track"]: i.label for i in items}), 8),
    "folder lookup": lambda items: lyrics.leaky_folder_embeddings(pd.Series({i.spec["track"]: i.name for i in items}), 8),
    "file order": lambda items: table(items, np.arange(len(items))[:, None] / len(items)),
    "scaler fitted per genre": centred_per_genre,
    "one dimension of six": lambda items: table(
        items, [np.r_[content(i)[:5], hash_of(i.label)] for i in items]),
    "a tenth of the noise": lambda items: table(items, [content(i) + 0.1 * hash_of(i.label) for i in items]),
    "five per cent of the tracks": lambda items: table(
        items, [content(i) + (hash_of(i.label) if int(i.spec["track"][1:], 16) % 20 == 0 else 0) for i in items]),
    "tracks go missing by label": lambda items: table(*zip(*[(i, content(i)) for i in items if i.label != "genre 0"])),
}


def hash_of(label):
    return float(np.random.default_rng(list(label.encode())).standard_normal())


@pytest.mark.parametrize("name", CLEAN)
def test_clean_builders_pass(name):
    audit = leakage.relabelling(CLEAN[name], items())
    assert not audit.leaks, audit.sentence


@pytest.mark.parametrize("name", LEAKS)
def test_planted_leaks_are_found(name):
    audit = leakage.relabelling(LEAKS[name], items())
    assert audit.leaks and audit.value > audit.limit, audit.sentence


def test_sign_flips_of_a_component_are_no_leak():
    flips = iter((1.0, -1.0))

    def builder(items):
        return next(flips) * table(items, [content(i) for i in items])

    assert not leakage.relabelling(builder, items()).leaks


def test_relabel_keeps_content_and_moves_everything_else():
    before = items()
    after = {i.spec["track"]: i for i in leakage.relabel(before)}
    assert len(after) == len(before)
    assert all(after[i.spec["track"]].lyrics == i.lyrics for i in before)
    assert np.mean([after[i.spec["track"]].label == i.label for i in before]) < 0.5
    assert all(i.name.startswith(i.label + "/") for i in after.values())


def test_ceiling_flags_vectors_that_know_more_than_their_text():
    found = items()
    labels = pd.Series({i.spec["track"]: i.label for i in found})
    words = pd.Series({i.spec["track"]: i.lyrics for i in found})
    bag = lyrics.bag_of_words(words)
    assert leakage.ceiling(lyrics.leaky_folder_embeddings(labels, 8), bag, labels).leaks
    assert not leakage.ceiling(lyrics.embed(words, 5), bag, labels).leaks
