"""The audit of builders: on planted leaks and clean builders, on simulated clean ones, and each of its tests alone."""

import functools
import os
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sklearn
from scipy import stats

from lib.corpora import folder, lyrics_matching, lyrics_reading
from lib.corpora.items import Item
from lib.corpora.synthetic import lyrics as synthetic_lyrics
from lib.features import lyrics
from lib.scores import information, nulls
from lib.store import series
from lib.store.labels import for_control
from lib.studies.leakage import audit, ceiling, copies, generators, permuted_corpus, rebuilding, relabelling, shuffles
from lib.studies.leakage.outcomes import LEVEL, TESTS, Result
from tests import planted

N, K = 80, 4
CONTENT_TOLD = ("proxy", "memory", "copies")


@pytest.fixture(scope="module", autouse=True)
def quick():
    """Folders that are filed again live in memory where that can be; sklearn checks no parameters."""
    with pytest.MonkeyPatch.context() as patch, sklearn.config_context(skip_parameter_validation=True):
        if os.access("/dev/shm", os.W_OK):
            patch.setattr(tempfile, "tempdir", "/dev/shm")
        yield


@pytest.fixture(scope="module")
def corpora():
    """Writes a planted corpus once: (function, informative) -> folder, its raw content, how well that is read."""
    made, places = {}, []

    def write(corpus=planted.make_corpus, informative=0.5):
        key = (str(corpus), informative)
        if key not in made:
            places.append(tempfile.TemporaryDirectory())
            folder = Path(places[-1].name, "music")
            labels = corpus(folder, N, K, informative=informative)
            content = ceiling.raw_content(folder)
            made[key] = folder, content, ceiling.read(content, labels[~labels.index.duplicated()])
        return made[key]

    yield write
    for place in places:
        place.cleanup()


def put(builder, made, tests=TESTS):
    folder, content, reading = made
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of builders that fit too little data
        return audit.audit(builder, folder, content=content, ceiling_reading=reading, tests=tests)


def one_in_four(names):
    """Every fourth case for the fast lane, the others marked slow."""
    return [name if i % 4 == 0 else pytest.param(name, marks=pytest.mark.slow) for i, name in enumerate(names)]


@pytest.mark.slow
@pytest.mark.parametrize("name", one_in_four(n for n, one in planted.LEAKS.items() if one.kind in planted.RELABELLING))
def test_planted_leaks_are_proved(name, corpora):
    """Whatever changes when the same recordings are filed otherwise is proved by relabelling."""
    leak = planted.LEAKS[name]
    report = put(leak.build, corpora(leak.corpus), ["relabelling"])
    assert report.verdict == "leak", report["relabelling"].sentence


# which test alone must see it; relabelling sees none of these
ALONE = {
    "artist_as_feature": "words and fields", "year_as_feature": "words and fields",
    "genre_word_in_lyrics": "words and fields", "tags_by_content": "words and fields",
    "lyrics_written_for_the_genre": "shuffle within labels", "low_pass_of_the_source": "modality ceiling",
    "cached_by_content": "modality ceiling", "pretrained_on_these_labels": "modality ceiling",
    "copies_as_tracks": "copies", "resaved_copies": "copies", "segments_as_tracks": "copies",
}


@pytest.mark.parametrize("name", one_in_four(n for n, leak in planted.LEAKS.items() if leak.kind in CONTENT_TOLD))
def test_what_relabelling_cannot_see_is_called_by_another_test(name, corpora):
    leak = planted.LEAKS[name]
    report = put(leak.build, corpora(leak.corpus), ["relabelling", ALONE[name]])
    assert report["relabelling"].verdict == "clear"
    expected = {"words and fields": "leak", "copies": "copies"}.get(ALONE[name], "proxy")
    assert report[ALONE[name]].verdict == expected, report[ALONE[name]].sentence
    assert report.verdict == expected


@pytest.mark.slow
@pytest.mark.parametrize("name", one_in_four(planted.CLEAN))
def test_clean_builders_pass(name, corpora):
    """On a corpus whose content tells nothing of the label, no test says anything."""
    report = put(planted.CLEAN[name], corpora(informative=0), TESTS)
    assert report.verdict == "clear", report.table().to_string()
    assert report["dose curve"].verdict == "not run"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bag_of_words", "tfidf_svd", "audio_and_lyrics"])
def test_honest_informative_lyrics_are_a_proxy_and_no_leak(name, corpora):
    report = put(planted.CLEAN[name], corpora(), ["relabelling", "words and fields", "shuffle within labels"])
    assert report.verdict == "proxy" and "provenance" in report["shuffle within labels"].sentence
    assert ("clustered alone" in report["shuffle within labels"].sentence) == (name != "audio_and_lyrics")
    assert report["relabelling"].verdict == report["words and fields"].verdict == "clear"


@pytest.mark.parametrize("name", planted.UNSTABLE)
def test_what_is_not_repeatable_is_called_so_and_not_a_leak(name, corpora):
    assert put(planted.UNSTABLE[name], corpora(), ["relabelling"]).verdict == "unstable"


# --- real lyrics --------------------------------------------------------------------------------------------------

MOOD = series.ROOT.parent / "shared" / "data" / "mood_clips"
GENERATORS = {
    "first generator": lambda items: generators.leaky_label_embeddings(for_control(by_track(items, "label")), 32),
    "second generator": lambda items: generators.leaky_folder_embeddings(for_control(by_track(items, "name")), 32),
}


def by_track(items, field):
    return pd.Series({item.spec["track"]: getattr(item, field) for item in items})


def embedded(items):
    return lyrics.embed(by_track(items, "lyrics"), 32)


@pytest.fixture(scope="module", params=["made up", "mood clips"])
def songs(request):
    """120 tracks of five labels, 100 of them with words: real ones, or their made-up likeness that is always here."""
    if request.param == "made up":
        rng = np.random.default_rng(5)
        texts = [synthetic_lyrics.write(rng, topic) if i % 6 else ""
                 for i, topic in enumerate(rng.choice(list(synthetic_lyrics.TOPICS), 120))]
        return [Item(f"mood {i // 24}/{i:03d}.mp3", {"track": f"t{i:03d}"}, f"mood {i // 24}", lyrics=text)
                for i, text in enumerate(texts)]
    if not (MOOD / "lyrics.csv").is_file():
        pytest.skip("real clips with lyrics are not here (../shared/data/mood_clips)")
    items = folder.find(MOOD / "audio", 30).items
    texts, _ = lyrics_matching.match(items, lyrics_reading.read(MOOD / "lyrics.csv"))
    return [item._replace(spec={"track": f"t{Path(item.name).stem}"}, lyrics=texts.get(item.name, ""))
            for item in items]


@pytest.mark.parametrize("name", GENERATORS)
def test_the_generators_of_the_earlier_study_are_proved_on_a_corpus_with_words(songs, name):
    report = audit.audit(GENERATORS[name], songs, tests=["relabelling", "modality ceiling", "shuffle within labels"])
    assert report.verdict == "leak" and report["relabelling"].leaks, report.table().to_string()
    assert report["modality ceiling"].verdict == "proxy"


def test_words_as_they_are_leak_nothing(songs):
    assert sum(bool(item.lyrics) for item in songs) == 100
    report = audit.audit(embedded, songs, tests=["relabelling", "words and fields", "shuffle within labels"])
    assert report.verdict in ("clear", "proxy") and report["relabelling"].verdict == "clear", report.table().to_string()


def test_words_that_know_the_label_honestly_need_provenance_and_are_no_leak(songs):
    """The same tracks with words whose topic goes with the label, as when people file songs by what is sung."""
    labels = for_control(by_track(songs, "label"))
    made, known = generators.dosed_texts(labels, 1.5)
    told = [item._replace(lyrics=made[item.spec["track"]] if item.lyrics else "") for item in songs]
    report = audit.audit(embedded, told, tests=["relabelling", "words and fields", "shuffle within labels", "copies"])
    assert known > 0.7 and report.verdict == "proxy", report.table().to_string()
    assert "proxy for the label; document its provenance" in report["shuffle within labels"].sentence
    assert not any(outcome.leaks for outcome in report.outcomes) and report["relabelling"].verdict == "clear"


# --- without an audit's test, its leak passes ---------------------------------------------------------------------

BROKEN = {
    "relabelling": (relabelling, "relabelling", planted.LEAKS["class_balanced_scaler"], planted.make_corpus),
    "words and fields": (relabelling, "words_and_fields", planted.LEAKS["year_as_feature"], planted.make_corpus),
    "modality ceiling": (ceiling, "ceiling", planted.LEAKS["pretrained_on_these_labels"], planted.with_pretrained),
    "shuffle within labels": (shuffles, "text_within_shuffle", planted.LEAKS["lyrics_written_for_the_genre"],
                             functools.partial(planted.with_generated_lyrics, strength=0.35)),
    "copies": (copies, "copies", planted.LEAKS["resaved_copies"],
               functools.partial(planted.with_duplicates, noise=1e-4)),
}


@pytest.mark.slow
@pytest.mark.parametrize("test", BROKEN)
def test_each_test_is_the_only_one_that_sees_some_leak(test, corpora, monkeypatch):
    module, function, leak, corpus = BROKEN[test]
    made = corpora(corpus)
    whole = put(leak.build, made)
    assert whole.verdict != "clear" and whole[test].verdict == whole.verdict
    monkeypatch.setattr(module, function, lambda *args, **kwargs: Result(test, "clear", 0.0, 0.0, "broken"))
    assert put(leak.build, made).verdict == "clear"


@pytest.mark.slow
def test_the_dose_curve_is_the_only_one_that_sees_text_that_knows_more_than_stated(tmp_path, monkeypatch):
    folder, said_to_be_empty = tmp_path / "a", tmp_path / "b"
    planted.make_corpus(folder, N, K, informative=0)
    planted.with_generated_lyrics(said_to_be_empty, N, K, informative=0)
    builder = planted.CLEAN["tfidf_svd"]
    tests = ["relabelling", "shuffle within labels", "dose curve"]
    report = audit.audit(builder, folder, doses={0.0: said_to_be_empty}, tests=tests)
    assert report.verdict == "proxy" == report["dose curve"].verdict
    assert shuffles.text_dose_curve(builder, {0.0: folder}).verdict == "clear"
    both = shuffles.text_dose_curve(planted.CLEAN["audio_and_lyrics"], {0.0: said_to_be_empty})
    assert both.verdict == "proxy", both.sentence
    broken = Result("dose curve", "clear", 0, 0, "broken")
    monkeypatch.setattr(shuffles, "text_dose_curve", lambda *args: broken)
    assert audit.audit(builder, folder, doses={0.0: said_to_be_empty}, tests=tests).verdict == "clear"


# --- level --------------------------------------------------------------------------------------------------------


def clean_items(rng, n=60, k=3):
    words = [f"{a}{b}" for a in "love road night".split() for b in "train dust moon fire".split()]
    labels = sorted(f"genre {i % k}" for i in range(n))
    return [Item(f"{label}/{i:03d}", {"track": f"t{rng.integers(2**40):012x}"}, label,
                 lyrics=" ".join(rng.choice(words, 10))) for i, label in enumerate(labels)]


@pytest.mark.slow
def test_false_alarms_of_simulated_clean_builders_are_within_the_level():
    """240 clean builders: 1 % may meet an alarm. A third is deterministic, a third has fresh noise, a third depends on
    the order of rows. The slower tests take turns."""
    alarms, builds = [], 240
    for i in range(builds):
        rng = np.random.default_rng([9, i])
        items = clean_items(rng)
        place = {item.spec["track"]: row for row, item in enumerate(items)}
        line = {item.lyrics: row for row, item in enumerate(items)}
        values = rng.standard_normal((len(items), 6))
        texts = lyrics.bag_of_words(pd.Series({item.spec["track"]: item.lyrics for item in items}))

        def build(items, kind=i % 3, values=values, place=place, line=line, texts=texts.to_numpy(), rng=rng):
            rows, lines = zip(*((place[item.spec["track"]], line[item.lyrics]) for item in items), strict=True)
            x = np.c_[values[list(rows)], texts[list(lines)]]
            x = x + (0.1 * rng.standard_normal(x.shape) if kind == 1 else 0)
            x = x + (0.1 * np.random.default_rng(0).standard_normal(x.shape) if kind == 2 else 0)
            return pd.DataFrame(x, [item.spec["track"] for item in items])

        fixed = build(items)
        content = {"audio": fixed[list(range(6))], "all": fixed}
        labels = pd.Series({item.spec["track"]: item.label for item in items})
        outcomes = [copies.copies(items, fixed, content)]
        if i % 3:
            outcomes.append(relabelling.relabelling(build, items, i))
        if i % 6 == 0:
            outcomes.append(ceiling.ceiling(fixed, content, labels, i))
        if i % 6 == 1:
            outcomes.append(shuffles.modality_within_shuffle(fixed[list(range(6))], texts, labels, i))
            outcomes.append(shuffles.dose_curve({0.0: fixed}, labels, seed=i)[0])
        alarms.append([o.sentence for o in outcomes if o.verdict not in ("clear", "unstable", "not run")])
    count = sum(map(bool, alarms))
    assert stats.binom.sf(count - 1, builds, LEVEL) > 0.01, [a for a in alarms if a]


@pytest.mark.slow
def test_words_and_fields_keep_their_level():
    rng = np.random.default_rng(3)
    labels = np.array(sorted(f"genre {i % 4}" for i in range(80)))
    fields = [rng.choice(["a", "b", "c"] if i % 2 else np.arange(1950, 2020).astype(str), 80) for i in range(200)]
    p = [relabelling._field_p(field, labels, rng) for field in fields]
    assert stats.binomtest(int((np.array(p) <= 0.05).sum()), 200, 0.05, "greater").pvalue > 0.01
    assert relabelling._field_p(np.array([f"title {i}" for i in range(80)]), labels, rng) == 1.0


# --- parts --------------------------------------------------------------------------------------------------------


def some(n=60, d=5, seed=0):
    return pd.DataFrame(np.random.default_rng(seed).standard_normal((n, d)), [f"t{i:03d}" for i in range(n)])


def test_change_allows_signs_and_rounding_and_nothing_else():
    a = some()
    assert rebuilding.change(a, a.sample(frac=1, random_state=0) * [1, -1, 1, 1, -1]) == 0
    assert rebuilding.change(a, a + 1e-9) <= 1e-6
    assert rebuilding.change(1e9 + a, 1e9 + a + 1e-7) <= 1e-6
    one = a.copy()
    one.iloc[3, 2] += 1e-4
    assert rebuilding.change(a, one) > 1e-6
    assert rebuilding.change(a, one.drop("t007")) == np.inf
    assert rebuilding.change(a, a.where(a > 0)) == np.inf
    assert rebuilding.change(a, a.rename(columns={0: "other"})) == np.inf
    assert rebuilding.change(a.assign(name="x"), a.assign(name="y")) > 1e-6


def test_refiling_moves_recordings_and_leaves_slots(tmp_path):
    source, target = tmp_path / "a", tmp_path / "b"
    planted.make_corpus(source, 40, 3)
    target.mkdir()
    order = np.random.default_rng(0).permutation(40)
    before = permuted_corpus.recordings(source)
    permuted_corpus._refile_folder(source, target, permuted_corpus.Filing(order))
    after = permuted_corpus.recordings(target)
    assert [(r.label, r.stem) for r in after] == [(r.label, r.stem) for r in before], "slots, and their order by date"
    assert [r.track for r in after] == [before[i].track for i in order]
    assert [r.text for r in after] == [before[i].text for i in order]
    rows = [pd.read_csv(folder / "metadata.csv") for folder in (source, target)]
    assert (rows[0][["stem", "path"]] == rows[1][["stem", "path"]]).all(axis=None)
    place = {(r.label, r.stem): i for i, r in enumerate(before)}
    artist = rows[0].set_index("stem")["artist"]
    for row in rows[1].itertuples():
        slot = place[row.path.split("/")[0], row.stem]
        assert row.artist == artist[before[order[slot]].stem]


def test_words_that_name_a_label_are_exchanged_however_they_are_joined():
    swapped = permuted_corpus.swap_words("Hip-Hop and hip hop, a rocket, rock!", "hiphop", "rock")
    assert swapped == "Hip-Hop and hip hop, a rocket, hiphop!" or "rocket" in swapped
    assert permuted_corpus.swap_words("more blues lyrics, bluesy", "blues", "pop") == "more pop lyrics, bluesy"
    assert permuted_corpus.swap_words("hip-hop rock", "hip hop", "rock") == "rock hip hop"


def test_a_builder_that_fails_on_other_names_leaks(tmp_path):
    planted.make_corpus(tmp_path / "a", 40, 3)
    known = {r.track: r.label for r in permuted_corpus.recordings(tmp_path / "a")}

    def builder(folder):
        found = permuted_corpus.recordings(folder)
        assert all(known[r.track] == r.label for r in found)
        return pd.DataFrame({"x": range(len(found))}, [r.track for r in found])

    assert relabelling.relabelling(builder, tmp_path / "a").leaks


def test_items_can_be_audited_too():
    rng = np.random.default_rng(0)
    items = clean_items(rng)
    labels = for_control(pd.Series({i.spec["track"]: i.label for i in items}))
    leaky = audit.audit(lambda items: generators.leaky_label_embeddings(
        for_control(by_track(items, "label")), 8), items, tests=["relabelling", "modality ceiling"])
    assert leaky["relabelling"].leaks and leaky["modality ceiling"].verdict == "proxy"
    clean = audit.audit(lambda items: lyrics.embed(pd.Series({i.spec["track"]: i.lyrics for i in items}), 5), items)
    assert clean.verdict == "clear", clean.table().to_string()
    assert set(clean.table()["test"]) == set(TESTS)
    leak = generators.leaky_folder_embeddings(labels, 8)
    assert shuffles.modality_within_shuffle(None, leak, labels).verdict == "proxy"


def test_a_view_that_says_more_than_the_label_is_no_proxy():
    """The pairing with the first view carries the gain: each view alone, and any other pairing, tells nothing."""
    rng = np.random.default_rng(0)
    index = [f"t{i:03d}" for i in range(400)]
    y = np.repeat([0, 1], 200)
    common = rng.choice([-4.0, 4.0], (400, 1)) * np.ones(3)
    first = pd.DataFrame(common + 0.1 * rng.standard_normal((400, 3)), index)
    second = pd.DataFrame(common * np.where(y, -1, 1)[:, None] + 0.1 * rng.standard_normal((400, 3)), index)
    labels = pd.Series([f"genre {c}" for c in y], index)

    def score(how, i):
        dealt = second if how == "as is" else nulls.permuted(second, i, labels if how == "inside" else None)
        return shuffles.agreement(pd.DataFrame(first.to_numpy() * dealt.to_numpy(), index), labels)

    found = shuffles.within_shuffle(score)
    assert found.verdict == "clear" and "more than the label" in found.sentence


@pytest.mark.parametrize("dose", [0.0, 0.5, 1.5])
def test_clusters_know_at_most_what_was_put_in(dose):
    labels = for_control(pd.Series([f"genre {i % 10}" for i in range(600)], [f"t{i:04d}" for i in range(600)]))
    texts, known = generators.dosed_texts(labels, dose)
    assert known == pytest.approx(dose, abs=0.15)  # a draw of 600 tracks scatters around what was asked for
    view = lyrics.embed(texts, 16)
    assert shuffles.dose_curve({known: view}, labels)[0].verdict == "clear"
    assert shuffles.dose_curve({max(known - 0.4, 0): view}, labels)[0].verdict == ("proxy" if dose >= 0.5 else "clear")


def test_full_dose_is_the_entropy_of_the_labels():
    labels = for_control(pd.Series([f"genre {i % 3}" for i in range(30)], [f"t{i:04d}" for i in range(30)]))
    assert generators.dosed_texts(labels, np.log(len(synthetic_lyrics.TOPICS)))[1] == pytest.approx(
        np.log(3) - information.beyond_chance(np.arange(30) % 3, np.arange(30) % 3)[1].mean())


@pytest.mark.parametrize("seed", range(4))
def test_clusters_never_know_more_than_the_dose_that_the_draw_holds(seed):
    """The dose that was asked for is exceeded in some draws; that of the topics that were drawn in none."""
    labels = for_control(pd.Series([f"genre {i % 10}" for i in range(400)], [f"t{i:04d}" for i in range(400)]))
    for asked in (0.0, 1.5):
        texts, known = generators.dosed_texts(labels, asked, seed)
        found, error, _ = shuffles.information_excess(lyrics.embed(texts, 16, seed), labels, known, seed)
        assert found <= known + (0.01 if asked else 3 * error)


@pytest.mark.parametrize("kind", ["flat", "one", "heavy", "forty"])
def test_near_copies_spare_clouds(kind):
    draw = {"flat": lambda r: r.standard_normal((150, 2)), "one": lambda r: r.standard_normal((150, 1)),
            "heavy": lambda r: r.standard_t(3, (150, 8)), "forty": lambda r: r.standard_normal((150, 40))}[kind]
    assert sum(len(copies.near_copies(draw(np.random.default_rng(i))).pairs) > 0 for i in range(40)) <= 1


def test_near_copies_find_the_planted_pairs():
    x = np.random.default_rng(0).standard_normal((200, 10))
    x[100:105] = x[:5] + 0.01
    x[7] = x[9]
    assert {(0, 100), (4, 104), (7, 9)} <= set(map(tuple, copies.near_copies(x).pairs))
    assert (7, 9) not in set(map(tuple, copies.near_copies(x, identical=False).pairs))


@pytest.mark.slow
def test_power_counts_what_is_called():
    table = audit.power([0.0, 1.0], repeats=4, n=60, d=8).set_index(["strength", "test"])
    assert (table.loc[0.0, "called"] == 0).all() and (table.loc[1.0, "called"] == 4).all()
    assert (table["low"] <= table["rate"]).all() and (table["rate"] <= table["high"]).all()
