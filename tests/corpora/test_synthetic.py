"""The controlled corpus: deterministic, independent where it says so, and blind where it must be."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, kruskal

from lib.corpora.synthetic import composition, lyrics, sound
from lib.corpora.synthetic.genres import COMPONENTS, DRUMS, GENRES
from lib.corpora.synthetic.notes import chord, compose, steps
from lib.report import glossary
from lib.scores import difficulty
from lib.store.arithmetic import mutual_information
from lib.store.series import ROOT
from lib.store.settings import Settings

SHORT = Settings(n_tracks=30, seconds=4)


@pytest.fixture(scope="module")
def thousand():
    return composition.items(Settings())


@pytest.fixture(scope="module")
def factors(thousand):
    return pd.DataFrame([item.factors for item in thousand])


@pytest.fixture(scope="module")
def genres(thousand):
    return np.array([item.label for item in thousand])


# --- items -------------------------------------------------------------------------------------------------------


def test_tracks_are_balanced_and_not_in_genre_order(genres):
    assert Counter(genres) == {genre: 100 for genre in GENRES}
    neighbours = np.mean(genres[1:] == genres[:-1])
    assert neighbours < 0.14  # 0.1 by chance, 0.99 when sorted


@pytest.mark.parametrize("n_tracks", [20, 23])
def test_small_corpora_are_as_balanced_as_they_can_be(n_tracks):
    counts = Counter(item.label for item in composition.items(Settings(n_tracks=n_tracks, seconds=4)))
    assert sum(counts.values()) == n_tracks and len(counts) == 10
    assert max(counts.values()) - min(counts.values()) <= 1


def test_another_seed_is_another_corpus(thousand):
    other = composition.items(Settings(seed=1))
    assert np.mean([a.label == b.label for a, b in zip(thousand, other, strict=True)]) < 0.2
    assert np.mean([a.factors["key"] == b.factors["key"] for a, b in zip(thousand, other, strict=True)]) < 0.2


def test_spec_survives_json_and_names_no_genre(thousand):
    for item in thousand[:50]:
        text = json.dumps(item.spec)
        assert json.loads(text) == item.spec
        assert not any(genre in text + item.name for genre in GENRES)
    keys = {frozenset(item.spec) for item in thousand}
    assert keys == {frozenset({"kind", "seed", "index", "n_tracks", "seconds"})}


def test_every_factor_is_described_and_storable(thousand):
    for item in thousand[:20]:
        assert list(item.factors) == list(glossary.registry()["factors"])
        assert all(isinstance(value, int | float | str) for value in item.factors.values())
        json.dumps(item.factors)


# --- what the genre has a say in ---------------------------------------------------------------------------------


def _p_independent(values: pd.Series, genres: np.ndarray) -> float:
    if pd.api.types.is_numeric_dtype(values):
        return kruskal(*[values[genres == genre] for genre in GENRES]).pvalue
    return chi2_contingency(pd.crosstab(values, genres)).pvalue


def test_factors_called_independent_are_and_the_others_are_not(factors, genres):
    for name, term in glossary.registry()["factors"].items():
        if name == "borrowed":  # too many combinations to tabulate; `n_borrowed` is tested
            continue
        p = _p_independent(factors[name], genres)
        assert p > 1e-3 if not term.says.endswith("tied to genre.") else p < 1e-6, (name, p)


def test_recording_never_asks_for_the_genre(monkeypatch, thousand):
    def closed(spec):
        raise AssertionError("the genre was asked for")

    monkeypatch.setattr(composition, "_genre", closed)
    for item in thousand[:20]:
        assert f"key {composition.recording(item.spec).key}" == item.factors["key"]
    with pytest.raises(AssertionError, match="genre was asked"):
        composition.composition(thousand[0].spec)


def test_components_are_borrowed_as_often_as_said(factors, genres):
    for name in COMPONENTS:
        borrowed = factors[f"{name}_from"].to_numpy() != genres
        assert abs(borrowed.mean() - composition.BORROW_CHANCE) < 0.04
        assert (factors["borrowed"].str.contains(name).to_numpy() == borrowed).all()


def test_tempo_stays_in_the_range_of_the_genre_it_came_from(factors):
    for source, table in factors.groupby("tempo_from"):
        low, high = GENRES[source].tempo_bpm
        assert table["tempo_bpm"].between(low, high).all()
        assert table["beats"].isin(GENRES[source].beats).all()
    own = factors.groupby("tempo_from")["tempo_bpm"]
    assert own.max()["reggae"] < own.min()["disco"]


# --- notes -------------------------------------------------------------------------------------------------------


def test_numerals_name_the_right_chords():
    assert chord("I") == (0, 4, 7)
    assert chord("bVII") == (10, 14, 17)
    assert chord("ii7") == (2, 5, 9, 12)
    assert chord("Imaj7") == (0, 4, 7, 11)
    assert chord("V7") == (7, 11, 14, 17)
    assert chord("bVI5") == (8, 15)


def test_patterns_fill_the_bar():
    assert steps("x... ..o.", 2) == [(0.0, "x"), (1.5, "o")]
    assert steps("x. .x", 3) == [(0.0, "x"), (1.5, "x"), (2.0, "x")]
    assert steps("x.x", 1)[1][0] == pytest.approx(2 / 3)


def test_every_rule_can_be_read():
    for genre in GENRES.values():
        assert all(chord(numeral) for song in genre.progressions for numeral in song.split())
        for parts in genre.drums:
            assert set(parts) <= set(DRUMS) and set("".join(parts.values())) <= set("Xxo. ")
        assert all(set(pattern) <= set("13568wo. ") for pattern in genre.bass)
        assert all(set(pattern) <= set("1358xo. ") for pattern, _ in genre.comping)


def test_kicks_of_a_four_on_the_floor_fall_on_the_beat(factors, thousand):
    plain = factors[(factors["drums_from"] == "disco") & (factors["tempo_from"] == "disco")].index[:5]
    for index in plain:
        notes = compose(thousand[index].spec)["drums"]
        kicks = notes[notes[:, 2] == DRUMS["kick"], 0]
        gaps = np.diff(kicks) * factors["tempo_bpm"][index] / 60
        assert abs(np.median(gaps) - 1) < 0.05


# --- sound -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [4.0, 7.3])
def test_sound_is_finite_audible_and_never_clips(seconds):
    for item in composition.items(Settings(n_tracks=30, seconds=seconds)):
        y, sr, *_ = sound.render(item.spec)
        assert sr == 22050 and y.dtype == np.float32 and y.shape == (round(seconds * sr),)
        assert np.isfinite(y).all() and np.abs(y).max() < 1
        assert 20 * np.log10(np.sqrt(np.mean(y**2))) == pytest.approx(item.factors["loudness_db"], abs=1.5)


@pytest.mark.slow
def test_sound_is_the_same_in_every_process_and_order():
    specs = [item.spec for item in composition.items(SHORT)[:6]]
    code = (
        "import sys, json, hashlib\nfrom lib.corpora.synthetic import sound\n"
        "print(*[hashlib.sha256(sound.render(s).y.tobytes()).hexdigest() for s in json.loads(sys.argv[1])])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, json.dumps(specs[::-1])], cwd=ROOT, capture_output=True, text=True, check=True,
        timeout=600,
    ).stdout.split()
    here = [hashlib.sha256(sound.render(spec).y.tobytes()).hexdigest() for spec in specs]
    assert found[::-1] == here
    assert len(set(here)) == len(here)


def test_the_filter_is_a_convolution():
    rng = np.random.default_rng(0)
    y, taps = rng.standard_normal(70_001).astype(np.float32), rng.standard_normal(400).astype(np.float32)
    assert np.allclose(sound._filter(y, taps), np.convolve(y, taps)[: len(y)], atol=1e-3)


def test_bandwidth_and_noise_are_heard():
    spec = composition.items(SHORT)[0].spec
    dry = sound.play(spec)
    how = composition.recording(spec)

    def above(hz, **changes):
        changed = composition.Recording(**(vars(how) | changes))
        power = np.abs(np.fft.rfft(sound.record(dry, spec, changed))) ** 2
        f = np.fft.rfftfreq(len(dry), 1 / composition.SR)
        return power[f > hz].sum() / power.sum()

    assert above(5000, bandwidth_hz=10_000.0) > 5 * above(5000, bandwidth_hz=3000.0)
    assert above(5000, noise_db=-20.0) > above(5000, noise_db=-60.0)


# --- lyrics ------------------------------------------------------------------------------------------------------


@given(st.floats(0, 2.3))
def test_topic_carries_exactly_the_information_asked_for(information):
    given_genre = lyrics.topic_given_genre(information)
    assert np.allclose(given_genre.sum(0), 1)
    assert mutual_information(given_genre / 10) == pytest.approx(information, abs=1e-9)


def test_information_has_known_extremes():
    assert mutual_information(np.full((10, 10), 0.01)) == pytest.approx(0, abs=1e-12)
    assert mutual_information(np.eye(10) / 10) == pytest.approx(np.log(10))
    with pytest.raises(ValueError, match="nats"):
        lyrics.topic_given_genre(2.4)


@pytest.mark.parametrize("information", [0.0, 0.8, 2.0])
def test_drawn_topics_carry_it_too(information):
    rng, n = np.random.default_rng(3), 20_000
    genres = np.arange(n) % 10
    topics = [lyrics.draw_topic(rng, genre, information) for genre in genres]
    joint = pd.crosstab(pd.Series(topics), genres).to_numpy() / n
    bias = 81 / (2 * n)  # of the plug-in estimate, Miller and Madow
    assert mutual_information(joint) - bias == pytest.approx(information, abs=0.02)


def test_lyrics_name_no_genre(thousand):
    words = [*GENRES, "hip hop", "hip-hop"]
    for item in thousand:
        assert not any(word in item.lyrics.lower() for word in words)
        assert lyrics.LINES[0] <= len(item.lyrics.splitlines()) <= lyrics.LINES[1]


def test_lyrics_depend_on_the_topic_alone():
    assert lyrics.write(np.random.default_rng(5), "home") == lyrics.write(
        np.random.default_rng(5), "home"
    )
    told = {
        topic: " ".join(lyrics.write(np.random.default_rng(seed), topic) for seed in range(40))
        for topic in ("home", "battle")
    }
    assert "tractor" in told["home"] and "tractor" not in told["battle"]


# --- difficulty --------------------------------------------------------------------------------------------------


def test_difficulty_of_noise_and_of_a_giveaway_are_outside():
    rng, labels = np.random.default_rng(0), np.repeat(list(GENRES), 20)
    noise = difficulty.difficulty(rng.standard_normal((200, 40)), labels).set_index("quantity")
    assert noise.loc[["k-means NMI", "logistic regression accuracy"], "met"].eq("not met").all()
    given_away = np.repeat(rng.standard_normal((10, 40)) * 9, 20, axis=0) + rng.standard_normal((200, 40))
    table = difficulty.difficulty(given_away, labels).set_index("quantity")
    assert table.loc["k-means NMI", "value"] > 0.9 and table.loc["logistic regression accuracy", "value"] > 0.99


@pytest.mark.parametrize("active, met", [
    ([3, 3, 3, 3, 2, 3, 3, 2, 3, 4], "compatible"),  # mean 2.9, interval from 2.5 to 3.3: not inside 3 to 4
    ([3, 2, 2, 2, 2, 2, 3, 2, 2, 2], "not met"), ([5, 5, 5, 4, 5, 5, 5, 5, 5, 5], "not met"), ([4, 4], "met"),
    ([2, 2], "not met"), ([3, 4, 3, 4, 3, 4, 3, 4], "met"),
])
def test_difficulty_of_models_is_judged_by_their_interval_over_seeds(active, met):
    rng, labels = np.random.default_rng(0), np.repeat(list(GENRES), 20)
    table = difficulty.difficulty(rng.standard_normal((200, 40)), labels, np.array(active), np.array([2, 2, 2]))
    table = table.set_index("quantity")
    assert table.loc["active dimensions of a VAE at beta 4", "met"] == met
    assert table.loc["active dimensions of a CVAE at beta 4", "met"] == "met"
