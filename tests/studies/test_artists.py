"""Artist effects: found where they were planted, not where there are none; columns that name artists."""

import numpy as np
import pandas as pd
import pytest

from lib.scores import units
from lib.store import artifacts
from lib.studies.corpus import artists


def planted(run, x, alike):
    """Features [track, 12] in which tracks of an artist are alike or not, two labels that features do not tell, artists
    of one label each."""
    rng = np.random.default_rng(0)
    who = np.arange(len(x)) % 30
    label = pd.Series(np.where(who % 2, "a", "b"), x.index)
    made = rng.standard_normal(x.shape) + (6 * rng.standard_normal((30, x.shape[1]))[who] if alike else 0)
    artifacts.save(run, "columns", pd.DataFrame({"Artist": [f"artist {i}" for i in who]}, x.index))
    return pd.DataFrame(made, x.index, x.columns), label


def test_an_artist_effect_is_found_and_none_where_there_is_none(prepared_run):
    run, x, _ = prepared_run
    for alike in (True, False):
        made, label = planted(run, x, alike)
        name, who = artists.known(run, x.index)
        table, gap = artists.effect(run, made, label, who)
        assert name == "Artist" and table["score"].tolist()[0].startswith("accuracy")
        assert (gap.low > 0) is alike and table[artists.TOGETHER][0].mean < 0.7


def test_no_artist_is_on_both_sides():
    who, y = np.arange(100) % 20, np.arange(100) % 2
    for train, held in artists.splits(y, who, 0)[artists.TOGETHER]:
        assert not set(who[train]) & set(who[held])


def test_shares_of_a_label():
    index = [f"t{i}" for i in range(6)]
    labels = pd.Series(["a", "a", "a", "a", "b", "b"], index)
    who = pd.Series(["x", "x", "x", "y", "z", "w"], index)
    table = artists.shares(labels, who).set_index("{label}")
    assert table.loc["a"].tolist() == [4, 2, 0.75, 1.0] and table.loc["b", "artists"] == 2


def test_one_artist_or_one_label_has_no_effect_to_show(prepared_run):
    run, x, labels = prepared_run
    assert artists.effect(run, x, labels, pd.Series("one", x.index)) is None
    assert artists.effect(run, x, pd.Series("one", x.index), pd.Series(list(x.index), x.index)) is None


def test_a_corpus_without_a_table_names_no_artists(prepared_run):
    run, x, _ = prepared_run
    assert artists.known(run, x.index) is None and units.units(run, x.index)[0] == units.RECORDING


@pytest.mark.parametrize("name", ["artist", "Artist Name", "artist_id", "artists", "singer", "SPEAKER", "track.artist",
                                  "Künstler", "artista", "album", "album.title", "song_title"])
def test_names_of_columns(name):
    assert units.named(pd.DataFrame({"year": [1, 1, 2, 2], name: ["a", "a", "b", "b"]})) == name


@pytest.mark.parametrize("columns", [{"language": list("aabb")}, {"artist": list("abcd")}, {"artist": list("aaaa")},
                                     {"artist.active_year_begin": list("aabb")}, {"bandwidth": list("aabb")}])
def test_columns_that_name_no_artists_who_come_back(columns):
    assert units.named(pd.DataFrame(columns)) is None


def test_the_coarsest_that_is_named_counts():
    table = pd.DataFrame({"song": list("aabbcc"), "artist": list("aaaabb"), "album": list("aaabbb")})
    assert units.named(table) == "artist" and units.named(table.drop(columns="artist")) == "album"
