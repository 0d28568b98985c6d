"""The planted leaks leak and the clean builders do not, by checks that know nothing of the audit."""

import re
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import RidgeClassifier
from sklearn.metrics import pairwise_distances
from sklearn.model_selection import cross_val_score

from tests import planted
from tests.planted import CLEAN, LEAKS, RELABELLING, UNSTABLE

pytestmark = pytest.mark.slow

# Leaks that tell the label of a single track by themselves, so that a probe finds it where content is mute. The others
# move the table too little, or in too few tracks, or towards labels the probe is not told: their output depends on the
# filing, which is checked for all, and some have a check of their own below.
TELLING = ["label_lookup", "folder_lookup", "prompted_text", "noise_by_folder", "tiny_column",
           "missing_cells", "conditioned_encoder", "leak_under_fresh_noise", "lda_projection",
           "smoothing_within_genre", "classifier_hidden_layer", "label_in_file_name", "path_length", "path_hash",
           "metadata_path", "genre_of_the_artist", "sorted_index", "scandir_order", "file_time", "metadata_row",
           "carried_state", "artist_as_feature", "year_as_feature", "genre_word_in_lyrics",
           "lyrics_written_for_the_genre", "low_pass_of_the_source", "cached_by_content", "tags_by_content",
           "pretrained_on_these_labels", "segments_as_tracks"]


@pytest.fixture(scope="module")
def filed(tmp_path_factory):
    """corpus -> (folder, labels, the same recordings filed otherwise), of collections whose content is mute."""
    made = {}

    def get(corpus=planted.make_corpus):
        if corpus not in made:
            root = tmp_path_factory.mktemp("corpus")
            labels = corpus(root / "as it was", n=100, informative=0.0)
            made[corpus] = root / "as it was", labels, planted.relabelled(root / "as it was", root / "otherwise")
        return made[corpus]

    return get


def difference(a: pd.DataFrame, b: pd.DataFrame) -> float:
    """The largest difference after joining by id, up to a column's sign, beside the column's largest value.

    A column is never taken for smaller than 1e-9 of the table, where only rounding is left.
    """
    b = b.reindex(a.index)
    x, y = a.to_numpy(float), b.to_numpy(float)
    if list(a.columns) != list(b.columns) or (np.isnan(x) != np.isnan(y)).any():
        return np.inf
    x, y = np.nan_to_num(x), np.nan_to_num(y)
    size = np.maximum(np.abs(x).max(0), 1e-9 * np.abs(x).max())
    return float((np.minimum(np.abs(x - y).max(0), np.abs(x + y).max(0)) / size).max())


def beats_chance(x: pd.DataFrame, labels: pd.Series) -> bool:
    """Whether a forest tells the labels three standard errors better than the commonest label, out of bag."""
    y = labels[x.index].to_numpy()
    v = np.nan_to_num(x.to_numpy(float), nan=-99.0)
    v = (v - v.mean(0)) / np.where(v.std(0) > 0, v.std(0), 1)
    forest = ExtraTreesClassifier(40, bootstrap=True, oob_score=True, random_state=0).fit(v, y)
    chance = max(Counter(y).values()) / len(y)
    return forest.oob_score_ > chance + 3 * np.sqrt(chance * (1 - chance) / len(y))


def check_shape(x: pd.DataFrame, labels: pd.Series) -> None:
    assert x.index.is_unique and set(x.index) == set(labels.index)
    assert all(re.fullmatch("t[0-9a-f]{16}", name) for name in x.index)
    assert x.columns.is_unique and x.shape[1] > 0
    assert all(np.issubdtype(kind, np.number) for kind in x.dtypes)


def test_there_are_enough_and_each_says_what_it_is():
    assert len(LEAKS) >= 18 and len(CLEAN) >= 15
    assert set(TELLING) <= set(LEAKS)
    assert {leak.kind for leak in LEAKS.values()} == {*RELABELLING, "proxy", "memory", "copies"}
    builders = [getattr(leak.build, "func", leak.build) for leak in LEAKS.values()]
    for builder in [*builders, *CLEAN.values(), *UNSTABLE.values()]:
        assert builder.__doc__ and "\n" not in builder.__doc__, builder.__name__


@pytest.mark.parametrize("name", LEAKS)
def test_leak(name, filed):
    leak = LEAKS[name]
    folder, labels, other = filed(leak.corpus)
    x = leak.build(folder)
    check_shape(x, labels)
    if leak.kind not in RELABELLING:
        assert difference(x, leak.build(other)) < 1e-9, "renaming changes nothing: that is what makes this kind hard"
    elif name != "leak_under_fresh_noise":
        assert difference(x, leak.build(folder)) == 0, "what differs below is due to the filing alone"
        assert difference(x, leak.build(other)) > 1e-4
    if name in TELLING:
        assert beats_chance(x, labels)


@pytest.mark.parametrize("name", CLEAN)
def test_clean(name, filed):
    folder, labels, other = filed()
    x = CLEAN[name](folder)
    check_shape(x, labels)
    assert difference(x, CLEAN[name](other)) < 1e-5  # 2e-6 for a PCA in float32
    assert not beats_chance(x, labels)


@pytest.mark.parametrize("name", UNSTABLE)
def test_unstable(name, filed):
    folder, labels, other = filed()
    x = UNSTABLE[name](folder)
    check_shape(x, labels)
    assert difference(x, UNSTABLE[name](other)) > 1e-4
    if name != "dropout_left_on":  # has no seed, so that a test of chance would fail by chance
        assert not beats_chance(x, labels)


def test_the_check_sees_a_label_and_forgives_a_sign():
    ids = [f"t{i:016x}" for i in range(60)]
    labels = pd.Series(np.arange(60) % 3, ids).map(str)
    x = pd.DataFrame(np.random.default_rng(0).standard_normal((60, 3)), ids)
    assert not beats_chance(x, labels)
    assert beats_chance(x.assign(leak=labels.astype(float)), labels)
    assert difference(x, -x.sample(frac=1, random_state=0)) == 0
    assert difference(x, x.where(labels == "0", -x)) > 1


def test_leaks_that_a_probe_misses(filed):
    folder, labels, other = filed()
    odd = labels.map({label: i % 2 for i, label in enumerate(sorted(labels.unique()))})

    x = LEAKS["product_of_columns"].build(folder)
    assert (np.sign(x["f0"] * x["f1"]) == 2 * odd[x.index] - 1).all()

    x = LEAKS["sign_of_rows"].build(folder)
    assert ((x["f0"] > 0) == odd[x.index]).all()

    x = LEAKS["half_precision_genre"].build(folder)
    assert ((x == x.astype(np.float16)).all(axis=1) == (odd[x.index] == 0)).all()

    x = LEAKS["spread_by_genre"].build(folder)
    assert x.std(axis=1).groupby(labels).mean().is_monotonic_increasing

    x = LEAKS["weak_leak"].build(folder) - LEAKS["weak_leak"].at(0.0)(folder)
    assert x.round(9).drop_duplicates().shape[0] == labels.nunique()
    assert np.allclose(x.std(axis=1), 0.1, atol=0.05)

    x, y = LEAKS["one_dimension"].build(folder), LEAKS["one_dimension"].at(0)(folder)
    leaky = (x != y).any()
    assert leaky.sum() == 1 and beats_chance(x.loc[:, leaky], labels)

    x, y = LEAKS["few_tracks"].build(folder), LEAKS["few_tracks"].at(0.0)(folder)
    assert 1 <= (x != y).any(axis=1).sum() <= 0.1 * len(x)

    x, y = LEAKS["feature_selection"].build(folder), LEAKS["feature_selection"].build(other)
    shared = x.columns.intersection(y.columns)
    assert len(shared) < 10 and difference(x[shared], y[shared]) < 1e-9, "the choice leaks, no value does"

    x = LEAKS["scaler_per_genre"].build(folder)
    assert np.allclose(x.groupby(labels).mean(), 0, atol=1e-9)


@pytest.mark.parametrize("name", ["copies_as_tracks", "resaved_copies"])
def test_copies_lie_next_to_each_other(name, filed):
    folder, labels, _ = filed(LEAKS[name].corpus)
    x = LEAKS[name].build(folder)
    distances = pairwise_distances(x)
    np.fill_diagonal(distances, np.inf)
    twin = distances.argmin(1)
    close = distances.min(1) < 0.3 * np.median(distances.min(1))
    assert abs(close.sum() - 40) <= 2  # a fifth of 100 files are copies, each with its original
    across = labels[x.index].to_numpy()[close] != labels[x.index].to_numpy()[twin[close]]
    assert 0.1 < across.mean() < 0.5


@pytest.mark.parametrize("name", [name for name, leak in LEAKS.items() if leak.strengths])
def test_strength_can_be_set(name, filed, tmp_path):
    leak = LEAKS[name]
    weakest, strongest = leak.strengths[0], leak.strengths[-1]
    if leak.at:
        folder, labels, _ = filed(leak.corpus)
        x, y = leak.at(weakest)(folder), leak.at(strongest)(folder)
        assert difference(x, y) > 0
        check_shape(y, labels)
    else:
        labels = leak.corpus_at(strongest)(tmp_path, n=36, k=3)
        check_shape(leak.build(tmp_path), labels)


def test_a_collection_is_as_it_says(tmp_path):
    labels = planted.make_corpus(tmp_path / "a", n=80, k=3)
    paths = sorted((tmp_path / "a").glob("*/*.npy"))
    assert len(paths) == len(labels) == 80 and labels.index.is_monotonic_increasing
    assert {planted.content_id(path): path.parent.name for path in paths} == labels.to_dict()
    again = planted.make_corpus(tmp_path / "b", n=80, k=3)
    assert labels.equals(again) and not labels.equals(planted.make_corpus(tmp_path / "c", n=80, k=3, seed=1))

    assert paths[0].name == "blues.00000.npy"
    times = [path.stat().st_mtime for path in paths]
    assert times == sorted(times) and len(set(times)) == 80
    texts = [path.with_suffix(".txt") for path in paths]
    assert 1 <= sum(not text.exists() for text in texts) <= 16
    words = set(" ".join(text.read_text() for text in texts if text.exists()).split())
    assert words.isdisjoint(planted.GENRES)
    assert np.load(paths[0], allow_pickle=False).dtype == np.float32

    metadata = pd.read_csv(tmp_path / "a" / "metadata.csv")
    assert list(metadata) == ["stem", "artist", "title", "year", "path"]
    assert [tmp_path / "a" / path for path in metadata["path"]] == paths
    home = pd.crosstab(metadata["artist"], metadata["path"].str.split("/").str[0])
    assert 0.7 < home.max(axis=1).sum() / 80 < 1


def test_content_tells_the_genre_as_far_as_it_is_told_to(tmp_path):
    def score(build, informative):
        folder = tmp_path / f"{informative}"
        if not folder.exists():
            planted.make_corpus(folder, informative=informative)
        labels = pd.Series({track.id: track.label for track in planted.read_tracks(folder)})
        x = build(folder)
        return cross_val_score(RidgeClassifier(10.0), x, labels[x.index], cv=5).mean()

    for build in (CLEAN["standardised"], CLEAN["bag_of_words"]):
        mute, default, loud = (score(build, informative) for informative in (0.0, 0.5, 1.0))
        assert mute < 0.4 and 0.45 < default < 0.9 and loud > default


def test_filing_otherwise_keeps_every_recording_and_its_metadata(filed):
    folder, labels, other = filed()
    before = {track.id: track for track in planted.read_tracks(folder)}
    after = {track.id: track for track in planted.read_tracks(other)}
    assert before.keys() == after.keys() == set(labels.index)
    assert all(before[name].text == after[name].text for name in before)
    assert sum(before[name].label != after[name].label for name in before) > 50
    assert Counter(t.label for t in before.values()) == Counter(t.label for t in after.values())
    assert {t.path for t in before.values()} == {t.path for t in after.values()}
    a, b = (planted.read_metadata(where, [tracks[name] for name in sorted(before)])[["artist", "title", "year"]]
            for where, tracks in ((folder, before), (other, after)))
    assert (a.to_numpy() == b.to_numpy()).all()
