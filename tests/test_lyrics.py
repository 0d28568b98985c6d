import json

import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import normalized_mutual_info_score

from lib import lyrics
from lib.corpora.items import Item
from lib.errors import Problem


def files(*names):
    return [Item(name, {}, name.split("/")[0]) for name in names]


def table(tmp_path, content, name="lyrics.csv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return lyrics.read(path)


# --- reading -----------------------------------------------------------------------------------------------------


def test_csv_keeps_ids_as_text_and_texts_as_they_are(tmp_path):
    rows = '007,A,B,1999,"one\ntwo, ""three"""\nNA,,,,null\n08,,,,\n'
    found = table(tmp_path, "Track_ID,artist,title,year,Lyrics\n" + rows)
    assert found["track_id"].tolist() == ["007", "NA", "08"]
    assert found["text"].tolist() == ['one\ntwo, "three"', "null", ""]


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        ("id;lyrics\n1;été\n".encode("utf-8-sig"), "utf-8"), ("id;lyrics\n1;été\n".encode("cp1252"), "cp1252"),
        ("id\tlyrics\n1\tété\n".encode("utf-16"), "utf-16"), ("id,lyrics\r\n1,\0été\0\r\n".encode(), "utf-8"),
        ("id,lyrics\n1,été".encode(), "utf-8"),
    ],
)
def test_encodings_separators_and_nul_bytes(tmp_path, content, encoding):
    found = table(tmp_path, content)
    assert found["text"].tolist() == ["été"] and found.attrs["encoding"].startswith(encoding)


def test_json_as_list_or_mapping(tmp_path):
    rows = [("01", "la"), (2, ["a", "b"]), ("3", None)]
    found = table(tmp_path, json.dumps([{"track_id": i, "lyrics": text} for i, text in rows]), "a.json")
    assert found["track_id"].tolist() == ["01", "2", "3"] and found["text"].tolist() == ["la", "a\nb", ""]
    found = table(tmp_path, '{"01": "la", "01": "lo", "x": "y"}', "b.json")
    assert found["track_id"].tolist() == ["01", "01", "x"]
    found = table(tmp_path, '{"01": {"artist": "A", "title": "T", "lyrics": "la"}}', "c.json")
    assert found.iloc[0].tolist() == ["01", "A", "T", "la"]


def test_a_huge_line_is_cut_and_not_fatal(tmp_path):
    found = table(tmp_path, "id,lyrics\n1," + "la " * 200_000)
    assert len(found["text"][0]) == lyrics.MAX_CHARACTERS


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "id,words\n1,la\n"), ("a.csv", ""), ("a.csv", "lyrics\nla\n"), ("a.csv", "artist,lyrics\nla,lo\n"),
        ("a.json", "[1, 2]"), ("a.json", "{"), ("a.json", "[" * 100_000), ("a.json", '"text"'),
        ("a.csv", b"\x00\x01\xff\xfe" * 100),
    ],
)
def test_what_cannot_be_understood_is_one_sentence(tmp_path, name, content):
    with pytest.raises(Problem, match="cannot be understood"):
        table(tmp_path, content, name)


def test_a_missing_file_is_one_sentence(tmp_path):
    with pytest.raises(Problem, match="there is no lyrics file"):
        lyrics.read(tmp_path / "nothing.csv")


# --- matching ----------------------------------------------------------------------------------------------------


def test_matching_by_stem_then_by_artist_and_title(tmp_path):
    found = table(
        tmp_path,
        "track_id,artist,title,lyrics\n007,,,seven\n7,,,no\nsong.mp3,,,with suffix\n"
        ",Björk,Jóga!,state of\nx,AC/DC,T.N.T.,oi\n",
    )
    items = files("pop/007.mp3", "pop/song.mp3", "ice/bjork - joga.wav", "rock/AC DC - T N T.ogg", "rock/other.wav")
    texts, report = lyrics.match(items, found)
    assert texts == {
        "pop/007.mp3": "seven", "pop/song.mp3": "with suffix", "ice/bjork - joga.wav": "state of",
        "rock/AC DC - T N T.ogg": "oi",
    }
    assert report["outcome"].tolist() == [
        "matched by file stem", "no such track", "matched by file stem", "matched by artist and title",
        "matched by artist and title",
    ]


def test_ambiguous_entries_are_reported_and_not_used(tmp_path):
    found = table(tmp_path, "id,lyrics\ntwice,a\ntwice,b\nboth,c\nonly,d\n")
    texts, report = lyrics.match(files("x/twice.mp3", "x/both.mp3", "y/both.mp3", "x/only.mp3"), found)
    assert texts == {"x/only.mp3": "d"}
    assert report["outcome"].str.startswith("not used").tolist() == [True, True, True, False]


def test_the_order_of_files_and_entries_does_not_matter(tmp_path):
    found = table(tmp_path, "id,lyrics\n" + "".join(f"s{i},text {i}\n" for i in range(9)))
    items = files(*(f"l/s{i}.mp3" for i in range(9)))
    shuffled = lyrics.match(items[::-1], found.sample(frac=1, random_state=0))[0]
    assert lyrics.match(items, found)[0] == shuffled and shuffled["l/s3.mp3"] == "text 3"


def test_matching_nothing_is_one_sentence(tmp_path):
    with pytest.raises(Problem, match="matches none of the 1 tracks.*'abc'.*'s1'"):
        lyrics.match(files("l/s1.mp3"), table(tmp_path, "id,lyrics\nabc,x\n"))


# --- embedding ---------------------------------------------------------------------------------------------------


def topics(n=60):
    rng = np.random.default_rng(0)
    words = np.array(["rain river sea storm water cloud", "money street car gold night city"])
    text = [" ".join(rng.choice(words[i % 2].split(), 12)) for i in range(n)]
    return pd.Series(text, index=[f"t{i:02d}" for i in range(n)])


def test_texts_of_a_topic_lie_together_and_missing_ones_are_missing():
    texts = topics()
    texts.iloc[[3, 8]] = ["", np.nan]
    found = lyrics.embed(texts, 5)
    assert found.index.equals(texts.index) and found.isna().all(axis=1).sum() == 2 and found.shape == (60, 5)
    rest = found.dropna()
    np.testing.assert_allclose(np.linalg.norm(rest, axis=1), 1)
    topic = np.array([int(name[1:]) % 2 for name in rest.index])
    assert normalized_mutual_info_score(topic, KMeans(2, n_init=3, random_state=0).fit_predict(rest)) == 1


def test_embedding_follows_the_track_not_the_row():
    texts = topics()
    shuffled = texts.sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(lyrics.embed(texts, 4), lyrics.embed(shuffled, 4).loc[texts.index])


def test_few_texts_give_fewer_dimensions_or_one_sentence():
    assert lyrics.embed(topics(6), 32).shape[1] <= 5
    for texts in (pd.Series(["", ""]), pd.Series(["one two", "three four", ""]), pd.Series(["la la"])):
        with pytest.raises(Problem, match="too few"):
            lyrics.embed(texts, 4)


@pytest.mark.parametrize(("leaky", "low", "high"), [("label", 0.97, 1.0), ("folder", 0.80, 0.92)])
def test_the_leaky_embeddings_tell_the_genre(leaky, low, high):
    genre = np.repeat("blues classical country disco hiphop jazz metal pop reggae rock".split(), 100)
    ids = [f"t{i:04d}" for i in range(1000)]
    if leaky == "label":
        found = lyrics.leaky_label_embeddings(pd.Series(genre, ids), 32)
    else:
        found = lyrics.leaky_folder_embeddings(pd.Series([f"{g}/{i}.wav" for i, g in enumerate(genre)], ids), 32)
    clusters = KMeans(10, n_init=5, random_state=0).fit_predict(found)
    assert found.index.tolist() == ids and low <= normalized_mutual_info_score(genre, clusters) <= high
