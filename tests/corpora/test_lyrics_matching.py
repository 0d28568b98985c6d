"""Lyrics files: what can be read, what is refused and why, and that no text ever goes to another track."""

import csv
import io
import json
import os

import numpy as np
import pandas as pd
import pytest
import soundfile
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lib.corpora import folder, lyrics_matching, lyrics_reading, lyrics_tables
from lib.corpora.items import Item
from lib.report import output, showing
from lib.store import runs, series
from lib.store.errors import Problem

MOOD = series.ROOT.parent / "shared" / "data" / "mood_clips"


def files(*names):
    return [Item(name, {}, name.split("/")[0]) for name in names]


def table(tmp_path, content, name="lyrics.csv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return lyrics_reading.read(path)


def entries(*rows):
    """A table as `read` gives it, from rows of (track_id, artist, title, text)."""
    return pd.DataFrame([lyrics_tables.Entry(f"line {i}", *row) for i, row in enumerate(rows, 2)])


# --- reading -----------------------------------------------------------------------------------------------------


def test_csv_keeps_ids_as_text_and_texts_as_they_are(tmp_path):
    rows = '007,A,B,1999,"one\ntwo, ""three"""\n\nNA,,,,no null\n08, , ,, " four"\n'
    found = table(tmp_path, "Track_ID,artist,title,year,Lyrics\n" + rows)
    assert found["track_id"].tolist() == ["007", "NA", "08"]
    assert found["text"].tolist() == ['one\ntwo, "three"', "no null", "four"]
    assert found["where"].tolist() == ["line 2", "line 5", "line 6"]


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        ("id;lyrics\n1;été\n".encode("utf-8-sig"), "utf-8"),
        ("id;lyrics\n1;été la nuit\n".encode("cp1252"), "cp1252"),
        ("id\tlyrics\n1\tété\n".encode("utf-16"), "utf-16"),
        ("id,lyrics\r\n1,\0été\0\r\n".encode(), "utf-8"),
        ("id;lyrics\n1;été\n".encode("utf-16-le"), "utf-16-le"),
        ("id|lyrics\n1|été".encode(), "utf-8"),
        ("id;lyrics\n1;été\n".encode("utf-16-be"), "utf-16-be"),
    ],
)
def test_encodings_separators_and_nul_bytes(tmp_path, content, encoding):
    found = table(tmp_path, content)
    assert found["text"][0].startswith("été") and found.attrs["encoding"].startswith(encoding)


@pytest.mark.parametrize("encoding", ["koi8-r", "cp1251", "cp1253"])
def test_too_few_letters_of_an_old_encoding_are_refused_and_not_read_as_rubbish(tmp_path, encoding):
    text = "νύχτα" if encoding == "cp1253" else "дождь идёт"
    with pytest.raises(Problem, match=r"not UTF-8 \(line 3\).*save it as UTF-8"):
        table(tmp_path, f"id,lyrics\n1,la\n2,{text}\n".encode(encoding))


def test_json_as_list_or_mapping(tmp_path):
    rows = [("01", "la"), (2, ["a", "b"]), ("3", None), ("4", float("nan"))]
    found = table(tmp_path, json.dumps([{"track_id": i, "lyrics": text} for i, text in rows]), "a.json")
    assert found["track_id"].tolist() == ["01", "2", "3", "4"] and found["text"].tolist() == ["la", "a\nb", "", ""]
    found = table(tmp_path, '{"01": "la", "01": "lo", "x": "y"}', "b.json")
    assert found["track_id"].tolist() == ["01", "01", "x"]
    found = table(tmp_path, '{"01": {"artistName": "A", "trackName": "T", "plainLyrics": "la"}}', "c.json")
    assert found.loc[0, ["track_id", "artist", "title", "text"]].tolist() == ["01", "A", "T", "la"]


def test_a_bad_entry_costs_itself(tmp_path):
    rows = [
        {"id": "a", "lyrics": "la"},
        5,
        None,
        {"id": "b", "lyrics": {"verse": "x"}},
        {"id": "c", "lyrics": [[1]]},
        {"id": 10**400, "lyrics": "lo"},
        {"lyrics": "no name"},
        {"id": {"d": 1}, "lyrics": "la"},
        {"id": "e", "lyrics": True},
    ]
    found = table(tmp_path, json.dumps(rows).replace('{"id": "e"', '{"id": "e", "id": "f"'), "a.json")
    assert found["text"][found["fault"] == ""].tolist() == ["la", "lo", "no name"]
    said = found["fault"][found["fault"] != ""].tolist()
    assert "not an object" in said[0] and "its text is an object" in said[2] and "key twice" in said[-1]
    found = table(tmp_path, "id,lyrics\na,la\nb\nc,oh, baby\nd,lo,\n")
    assert found["track_id"][found["fault"] == ""].tolist() == ["a", "d"]
    assert "3 fields where the header has 2: put texts" in found["fault"][2]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", "id,words\n1,la\n", "columns id, words"),
        ("a.csv", "", "no rows below a header"),
        ("a.csv", "lyrics\nla\n", "by their position"),
        ("a.csv", "artist,lyrics\nla,lo\n", "by their position"),
        ("a.csv", "id,lyrics,lyrics\n1,la,lo\n", "two columns called lyrics"),
        ("a.csv", "id,lyrics\n", "no rows below a header"),
        ("a.csv", 'id,lyrics\n1,"la\n2,lo\n3,"li"\n', "line 4: .*quote"),
        ("a.csv", 'id,lyrics\n1,"la\n2,lo\n', "quote"),
        ("a.csv", b"PK\x03\x04rest", "spreadsheet"),
        ("a.csv", b"\x00\x01\xff\xfe" * 100, "not UTF-8"),
        ("a.csv", "x" * 10**6 + "\n1", "columns x{40}\\.\\.\\.;"),
        ("a.csv", ",".join("abcdefghijkl") + "\n1\n", "h, \\.\\.\\.;"),
        ("a.json", "[1, 2]", "expected a list of objects"),
        ("a.json", '["la", "lo"]', "expected a list of objects"),
        ("a.json", "{", "line 1"),
        ("a.json", '{"id": ["1"], "lyrics": ["la"]}', "lists columns"),
        ("a.json", "[" * 100_000, "recursion"),
        ("a.json", '{"id": {"0": "1"}, "lyrics": {"0": "la"}}', "lists columns"),
        ("a.json", '"text"', "no rows below a header"),
        ("a.json", '{"a": ' * 900 + "1" + "}" * 900, "columns a|none of the|recursion"),
        ("a.json", '[{"id": "a", "lyrics": {}}, 1]', "none of the 2 entries .*entry 1 its text"),
    ],
)
def test_what_cannot_be_understood_is_one_sentence(tmp_path, name, content, says):
    with pytest.raises(Problem, match=says) as problem:
        table(tmp_path, content, name)
    assert len(str(problem.value)) < 500 + len(str(tmp_path)) and "\n" not in str(problem.value)


def test_what_is_no_file_is_one_sentence(tmp_path):
    with pytest.raises(Problem, match="there is no lyrics file"):
        lyrics_reading.read(tmp_path / "nothing.csv")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Problem, match="neither a file nor a folder"):
        lyrics_reading.read(tmp_path / "pipe")
    with pytest.raises(Problem, match=r"no text files \(\.txt, \.lrc"):
        lyrics_reading.read(tmp_path)


@pytest.mark.slow
def test_huge_files_cost_neither_memory_nor_the_run(tmp_path, monkeypatch):
    line = "la " * 17_000_000  # 50 MB
    found = table(tmp_path, "id,lyrics\n1," + line)
    assert len(found["text"][0]) == lyrics_reading.MAX_CHARACTERS
    with pytest.raises(Problem, match="columns la la.*needed are lyrics") as problem:
        table(tmp_path, line + "\nla")
    assert len(str(problem.value)) < 500
    for name, content in (("a.csv", "id,lyrics" + "," * 10**7), ("a.json", "[" + "{}," * 10**7 + "{}]")):
        with pytest.raises(Problem, match="more than 10 million parts"):
            table(tmp_path, content, name)
    monkeypatch.setattr(lyrics_tables, "MAX_ENTRIES", 3)
    for name, content in (
        ("a.csv", "id,lyrics\n" + "a,la\n" * 4),
        ("a.json", json.dumps([{"id": "a", "lyrics": "la"}] * 4)),
    ):
        with pytest.raises(Problem, match="more than 3 entries"):
            table(tmp_path, content, name)
    monkeypatch.setattr(lyrics_reading, "MAX_BYTES", 100)
    with pytest.raises(Problem, match="is it the right file"):
        table(tmp_path, "id,lyrics\n1," + "la " * 100)


def test_a_folder_of_text_files(tmp_path):
    root = tmp_path / "words"
    (root / "rock").mkdir(parents=True)
    (root / "rock" / "01.txt").write_text("[Chorus]\nrain: it falls")
    (root / "b.LRC").write_text(
        "[ar:Björk]\n[ti:Jóga]\n[offset:+100]\n[00:01.00][01:02.50]state of\n[00:03] <00:03.2>emer<00:04>gency\n"
    )
    (root / "cover.jpg").write_bytes(b"no text")
    (root / ".hidden.txt").write_text("no")
    (root / "bad.txt").write_bytes("дождь идёт".encode("koi8-r"))
    (root / "long.txt").write_text("é " * 400_000)
    os.mkfifo(root / "pipe.txt")
    found = lyrics_reading.read(root).set_index("track_id")
    assert set(found.index) == {"rock/01", "b", "bad", "long", "pipe"}
    assert found.loc["rock/01", "text"] == "rain: it falls"
    assert found.loc["b", ["artist", "title", "text"]].tolist() == ["Björk", "Jóga", "state of\nstate of\nemergency"]
    assert "save it as UTF-8" in found.loc["bad", "fault"] and "regular file" in found.loc["pipe", "fault"]
    assert found.loc["long", "fault"] == "" and len(found.loc["long", "text"]) == lyrics_reading.MAX_CHARACTERS


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(
    content=st.one_of(
        st.binary(max_size=300),
        st.text(alphabet='[]{}",:\\0aé雨\n\r\t;', max_size=200).map(str.encode),
        st.text(alphabet='",\n\r ab', max_size=80).map(lambda text: f"id,lyrics\n{text}".encode()),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
            lambda value: st.lists(value) | st.dictionaries(st.sampled_from(["id", "lyrics", "title", "x"]), value),
        ).map(lambda v: json.dumps(v).encode()),
    ),
    suffix=st.sampled_from([".csv", ".json", ""]),
)
@example(content=b'[{"id": "a\\ud800", "lyrics": "\\udfff la \\u0000\\u0007"}]', suffix=".json")
def test_any_bytes_are_read_or_refused(tmp_path_factory, content, suffix):
    path = tmp_path_factory.getbasetemp() / f"any{suffix}"
    path.write_bytes(content)
    try:
        found = lyrics_reading.read(path)
    except Problem as problem:
        assert "\n" not in str(problem).strip()
        return
    for value in found.drop(columns="added").to_numpy().ravel():
        assert isinstance(value, str) and "\0" not in value and value.encode("utf-8") is not None


# --- matching ----------------------------------------------------------------------------------------------------


def test_by_path_by_stem_and_by_artist_and_title(tmp_path):
    found = table(
        tmp_path,
        "track_id,artist,title,lyrics\n007,,,seven\n7,,,no\nsong.mp3,,,with suffix\nC:\\music\\rock\\01.mp3,,,by path\n"
        ',Björk,Jóga!,state of\nx,AC/DC,T.N.T.,oi\n,"Charles, Ray [1]",What\'d I Say (feat. Nobody),hey\n'
        ",The Beatles,Help,help\n,和田,雨,雨が\n",
    )
    items = files(
        "pop/007.mp3",
        "pop/song.mp3",
        "rock/01.wav",
        "ice/bjork - joga.wav",
        "rock/AC DC - T N T.ogg",
        "soul/03 - Ray Charles – What’d I say.flac",
        "pop/1. beatles - HELP!.mp3",
        "jp/和田 - 雨.mp3",
        "rock/other.wav",
    )
    texts, report = lyrics_matching.match(items, found)
    assert texts == {
        "pop/007.mp3": "seven",
        "pop/song.mp3": "with suffix",
        "rock/01.wav": "by path",
        "ice/bjork - joga.wav": "state of",
        "rock/AC DC - T N T.ogg": "oi",
        "soul/03 - Ray Charles – What’d I say.flac": "hey",
        "pop/1. beatles - HELP!.mp3": "help",
        "jp/和田 - 雨.mp3": "雨が",
    }
    assert report["status"].value_counts().to_dict() == {"matched": 8, "unmatched": 1}
    summary = lyrics_matching.summary(report)
    assert summary["status"].tolist() == ["matched", "matched", "unmatched"]
    assert summary["entries"].tolist() == [3, 5, 1]
    assert summary["kind"].tolist() == ["by its file's name", "by artist and title", ""]


def test_the_path_settles_what_the_stem_cannot():
    items = files("rock/01.wav", "pop/01.wav")
    assert lyrics_matching.match(items, entries(("pop/01.wav", "", "", "la")))[0] == {"pop/01.wav": "la"}
    assert lyrics_matching.match(items, entries(("rock/01", "", "", "la"), ("pop/01", "", "", "lo")))[0] == {
        "rock/01.wav": "la",
        "pop/01.wav": "lo",
    }


def test_a_number_in_another_folder_is_another_track():
    items = files("pop/01.wav", "pop/Hey.wav", "pop/Ho.wav")
    rows = ("rock/01", "", "", "a"), ("rock/Hey", "", "", "b"), ("rock/Ho", "", "", "c"), ("x/pop/Ho", "", "", "d")
    texts, report = lyrics_matching.match(items, entries(*rows))
    assert texts == {"pop/Hey.wav": "b", "pop/Ho.wav": "d"}
    assert report["status"].tolist() == ["unmatched", "matched", "duplicate", "matched"]
    assert "in another folder" in report["reason"][0] and "in another folder" in report["reason"][1]


def test_artist_and_title_from_audio_tags(tmp_path):
    (tmp_path / "rock").mkdir()
    for i, (artist, title) in enumerate([("Björk", "Jóga"), ("AC/DC", "T.N.T."), ("", "")]):
        with soundfile.SoundFile(tmp_path / "rock" / f"{i}.flac", "w", 8000, 1) as file:
            if artist:
                file.artist, file.title = artist, title
            file.write(np.zeros(100))
    (tmp_path / "rock" / "broken.flac").write_bytes(b"fLaC no more")
    items, *_ = folder.find(tmp_path, 30)
    rows = (
        ("", "bjork", "joga", "state of"),
        ("", "Ac Dc", "TNT", "x"),
        ("", "AC-DC", "T N T", "oi"),
        ("", "", "", "no"),
    )
    texts, report = lyrics_matching.match(items, entries(*rows))
    assert texts == {"rock/0.flac": "state of", "rock/1.flac": "oi"}
    assert report["status"].tolist() == ["matched", "unmatched", "matched", "unmatched"]


@pytest.mark.parametrize("number", ["7", "#7", "7.0", " 07 "])
def test_a_number_that_is_part_of_a_name_is_refused_with_the_reason(number):
    items = files("blues/blues.00007.wav", "blues/007.wav", "rock/7 days.mp3", "rock/song.mp3")
    texts, report = lyrics_matching.match(items, entries((number, "", "", "la"), ("song", "", "", "lo")))
    assert texts == {"rock/song.mp3": "lo"} and report["status"].tolist() == ["unmatched", "matched"]
    assert "never as a position or a part of one ('blues.00007')" in report["reason"][0]
    with pytest.raises(Problem, match="a number is used only where it is a file's whole name"):
        lyrics_matching.match(items, entries((number, "", "", "la")))


def test_what_is_not_certain_is_not_used():
    items = files(
        "x/twice.mp3",
        "x/both.mp3",
        "y/both.mp3",
        "x/only.mp3",
        "x/A - One.mp3",
        "x/A - Two.mp3",
        "x/none.mp3",
        "x/quiet.mp3",
    )
    texts, report = lyrics_matching.match(
        items,
        entries(
            ("twice", "", "", "a"),
            ("twice", "", "", "b"),
            ("both", "", "", "c"),
            ("only", "", "", "d"),
            ("only", "", "", "d"),
            ("A - One", "", "", "e"),
            ("", "A", "One", "other"),
            ("A - Two", "A", "One", "f"),
            ("none", "", "", " ... "),
            ("quiet", "", "", "[Instrumental]"),
            ("none", "", "", ""),
        ),
    )
    assert texts == {"x/only.mp3": "d", "x/A - One.mp3": "e"}
    assert report["status"].tolist() == [
        "duplicate",
        "duplicate",
        "ambiguous",
        "matched",
        "duplicate",
        "matched",
        "duplicate",
        "ambiguous",
        "empty",
        "instrumental",
        "empty",
    ]
    assert "2 entries name this track, and differ" in report["reason"][0]
    assert "the same words as line 5" in report["reason"][4]
    assert "names the track better" in report["reason"][6] and "those of x/A - One.mp3" in report["reason"][7]


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([("abc", "", "", "x")], "matches none of the 1 tracks.*'abc'.*'s1'"),
        ([("", "A", "B", "x")], "'A - B'"),
        ([("s1", "", "", "")], "no words in any of them: leave out --lyrics"),
    ],
)
def test_matching_nothing_is_one_sentence(rows, says):
    with pytest.raises(Problem, match=says):
        lyrics_matching.match(files("l/s1.mp3"), entries(*rows))


NAMES = (
    st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/\\"), min_size=1, max_size=8)
    .map(lambda name: " ".join(name.split()))
    .filter(lambda name: name.strip(". ") == name and name and " - " not in name)
)
GARBAGE = st.tuples(
    st.one_of(st.integers(0, 30).map(str), st.text(max_size=6), NAMES), NAMES | st.just(""), NAMES | st.just("")
)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(
    names=st.lists(NAMES, min_size=1, max_size=8, unique_by=lyrics_matching._stem),
    garbage=st.lists(GARBAGE, max_size=8),
    how=st.sampled_from(["csv", "json", "mapping"]),
    data=st.data(),
)
def test_no_garbage_and_no_order_ever_shifts_a_text(tmp_path_factory, names, garbage, how, data):
    """Entries in any order, with garbage between them: a track has its own text, or (where garbage names it) none."""
    items = [Item(f"label {i % 2}/{name}.wav", {}, "") for i, name in enumerate(names)]
    own = [(name, "", "", f'the words of {i}\n"{name}"') for i, name in enumerate(names)]
    rows = data.draw(st.permutations(own + [(*row, "garbage") for row in garbage]))
    keys = ("track_id", "artist", "title", "lyrics")
    path = tmp_path_factory.getbasetemp() / f"shuffled.{'csv' if how == 'csv' else 'json'}"
    if how == "csv":
        text = io.StringIO(newline="")
        csv.writer(text).writerows([keys, *rows])
        path.write_bytes(text.getvalue().encode("utf-8", "replace"))
    elif how == "json":
        path.write_text(json.dumps([5, *(dict(zip(keys, row, strict=True)) for row in rows), None]))
    else:
        pairs = [f"{json.dumps(row[0])}: {json.dumps(row[3])}" for row in rows]
        path.write_text("{" + ", ".join(pairs) + "}")
    reader = lyrics_reading.read(path)
    try:
        texts, report = lyrics_matching.match(data.draw(st.permutations(items)), reader)
    except Problem:
        texts, report = {}, None
    strangers = {lyrics_matching._stem(row[0].replace("\\", "/")).rsplit("/", 1)[-1] for row in garbage}
    named = {item.name for item, name in zip(items, names, strict=True) if lyrics_matching._stem(name) in strangers}
    for item, row in zip(items, own, strict=True):
        if item.name in texts and item.name not in named:
            assert texts[item.name].split("\n")[0] == row[3].split("\n")[0]  # a last line such as "©" is a notice
    assert {file for file, text in texts.items() if text == "garbage"} <= named
    if not garbage:
        assert set(texts) == {item.name for item in items}
    if report is not None:
        assert set(report["status"]) <= set(lyrics_matching.STATUS) and len(report) == len(reader)
        assert set(report.loc[report["status"] == "matched", "file"]) == set(texts)


# --- the page, and real files ------------------------------------------------------------------------------------

HOSTILE = "<script>alert(1)</script> \\input{/etc/passwd} $x_1$ 50% & #"


def test_titles_are_escaped_in_page_and_latex(tmp_path, capsys):
    _, report = lyrics_matching.match(files("l/s1.mp3"), entries(("s1", "", "", "la"), ("", HOSTILE, HOSTILE, "x")))
    run = runs.open_run("01_data_preparation", "smoke", out=str(tmp_path / "run"))
    shown = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(output, "display", lambda bundle, raw: shown.append(bundle["text/html"]))
        showing.table(run, lyrics_matching.summary(report), "lyrics_files_test", "What became of the entries.")
    assert "alert(1)" in shown[0] and "<script" not in shown[0]
    latex = (run.folder / "tables" / "lyrics_files_test.tex").read_text()
    assert "\\input" not in latex and latex.count("$x") == latex.count("\\$x\\_1\\$ 50\\% \\& \\#") > 0


def test_the_mood_clips_match_by_name_and_by_their_tags():
    if not (MOOD / "lyrics.csv").is_file():
        pytest.skip("real clips with lyrics are not here (../shared/data/mood_clips)")
    items, *_ = folder.find(MOOD / "audio", 30)
    found = lyrics_reading.read(MOOD / "lyrics.csv")
    texts, report = lyrics_matching.match(items, found)
    assert report["status"].value_counts().to_dict() == {"matched": 100, "empty": 20}
    by_song, _ = lyrics_matching.match(items, found.assign(track_id=""))
    assert by_song == texts
    with pytest.raises(Problem, match="never as a position"):
        lyrics_matching.match(items, found.assign(track_id=[str(i) for i in range(1000, 1120)], artist="", title=""))
