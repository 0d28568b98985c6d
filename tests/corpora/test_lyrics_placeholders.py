"""Placeholders, what sites add, pairs of files, shared texts and tables of lyrics: kind by kind."""

import importlib.util
import json

import pandas as pd
import pytest

from lib.corpora import lyrics_matching, lyrics_placeholders, lyrics_reading
from lib.corpora.items import Item
from lib.corpora.lyrics_placeholders import (
    CLOSING,
    EMPTY_VALUE,
    ERROR_PAGE,
    INSTRUMENTAL,
    KINDS,
    MISSING,
    NO_WORDS,
    SOUNDS,
)
from lib.report import rules
from lib.store.errors import Problem
from lib.studies.corpus import checks

TEXTS = {
    EMPTY_VALUE: ["NaN", "n/a", "None", "null", "tbd", "-- TBA --", "0", "unknown"],
    SOUNDS: ["[Music]", "(applause)", "♪", "♪ ♫ ♪", "[Music]\n[Applause]\n[Music]", "*laughter*", "[Musik]", "[音楽]"],
    INSTRUMENTAL: [
        "Instrumental", "[Instrumental]", "This song is an instrumental", "Dieses Lied ist instrumental",
        "(Instrumentale)",
        "Cette chanson est instrumentale", "Este tema es instrumental", "Brano strumentale", "Música instrumental",
        "Dit nummer is instrumentaal", "Utwór instrumentalny", "Instrumentální skladba", "Bu parça enstrümantal",
        "Инструментальная композиция", "インスト", "この曲はインストゥルメンタルです",
        "此歌曲为没有填词的纯音乐，请您欣赏", "純音樂", "연주곡입니다",
        "[00:00.00]纯音乐，请欣赏",
    ],
    MISSING: [
        "Lyrics not found", "We don't have the lyrics for this song yet.",
        "Lyrics for this song have yet to be released.",
        "Not found", "Kein Songtext verfügbar", "Paroles non disponibles", "Letra no disponible",
        "Testo non disponibile",
        "Tekst niedostępny, brak", "歌词未找到", "暂无歌词", "가사 준비중입니다", "Текст песни отсутствует",
        "Lyrics coming soon", "no lyrics",
    ],
    ERROR_PAGE: [
        "404 Not Found", "403 Forbidden", "Error 503: service unavailable", "Too Many Requests",
        "502 Bad Gateway", "Access denied",
        "<!DOCTYPE html><html><head><title>Song</title></head><body>la la</body></html>",
        "Please enable JavaScript and cookies",
    ],
    CLOSING: [
        "Thanks for watching!", "Thank you for watching.\nPlease subscribe", "Untertitel im Auftrag des ZDF",
        "ご視聴ありがとうございました",
        "Sous-titres réalisés par la communauté d'Amara.org", "Продолжение следует...", "谢谢观看",
        "시청해주셔서 감사합니다",
    ],
    NO_WORDS: ["", "  \n", "...", "[00:01.00]\n[00:02.00]", "[ar:Someone]\n[by:x]", "[Chorus]\n[Verse 2]"],
}  # fmt: skip


@pytest.mark.parametrize("kind, text", [(kind, text) for kind, texts in TEXTS.items() for text in texts])
def test_a_placeholder_is_no_words(kind, text):
    found = lyrics_placeholders.words(text)
    assert found == ("", kind, found.added)


@pytest.mark.parametrize("text", [
    "I hear the music, the music plays for no one but you and me tonight\n" * 3,
    "thanks for the ride\nthanks for the night we sang",
    "nan na nan na hey hey", "nothing\nnothing at all to say",
    "the lyrics of this song are not found in any book that I would read, no "
    "not one word of them", "404 miles from home and counting\nI drive", "null and void\nis what we are",
    "zero, one, zero",
])  # fmt: skip
def test_a_song_that_sings_of_such_things_is_words(text):
    assert lyrics_placeholders.words(text).text.split() == text.split()


@pytest.mark.parametrize("text, words, pieces", [
    ("3 ContributorsSome Title Lyricsla la1Embed", "la la", 2),
    ("1 ContributorTitle LyricsA song of which a site says much… Read More la la", "la la", 1),
    ("la la\nYou might also likeso so\nYou might also like\nre", "la la so so re", 2),
    ("la\nSee Someone LiveGet tickets as low as $45\nso", "la so", 1),
    ("la so12.5KEmbed", "la so", 1), ("la soEmbed", "la so", 1), ("la\nEmbed", "la", 1),
    ("la\n******* This Lyrics is NOT for Commercial use *******\n(1409617829201)", "la", 1),
    ("la\nSongwriters: Some One, An Other\nLyrics licensed & provided by LyricFind", "la", 2),
    ("[00:00.00] 作词 : 某人\n[00:01.00] 作曲 : 某人\n[00:02.00]la", "la", 2),
    ("Lyrics by: Someone\nla\nSource: www.example.com", "la", 2), ("la\n© 2001 Some Label", "la", 1),
    ("Songtext von Someone – Title Lyrics\nla", "la", 1),
    ('{"t":0,"c":[{"tx":"作词: "}]}\n[1000,900](1000,900,0)la', "la", 1),
    ("Thanks to someone for correcting these lyrics\nla", "la", 1),
    ("you might also like me\nplease Embed\nwritten by the wind",
     "you might also like me please Embed written by the wind", 0),
])  # fmt: skip
def test_what_sites_add_is_taken_off_and_counted(text, words, pieces):
    found = lyrics_placeholders.words(text)
    assert (" ".join(found.text.split()), found.kind, found.added) == (words, "", pieces)


def folder(tmp_path, files: dict[str, str]):
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return lyrics_reading.read(tmp_path)


def tracks(*names):
    return [Item(f"rock/{name}.wav", {}, "rock") for name in names]


def test_placeholders_are_counted_by_kind(tmp_path):
    texts = {
        f"{i}.txt": text
        for i, text in enumerate(["Instrumental", "[Music]", "nan", "N/A", "404 Not Found", "la la la", "so"])
    }
    _, report = lyrics_matching.match(tracks(*range(7)), folder(tmp_path, texts))
    table = lyrics_matching.summary(report).set_index("kind")
    assert table["entries"].to_dict() == {
        "by its file's name": 2,
        INSTRUMENTAL: 1,
        SOUNDS: 1,
        EMPTY_VALUE: 2,
        ERROR_PAGE: 1,
    }
    assert {kind: table.loc[kind, "status"] for kind in table.index[1:]}.items() <= KINDS.items()


@pytest.mark.parametrize("lrc", [
    "[00:01.00]don't go\n[00:02.00]now", "[00:01.00]Don’t  go\n\n\n[00:02.00]now!",
    "[ar:Some]\n[00:01.00]dont go[00:02.00] now",
    "[00:02.00]now\n[00:01.00]don't go",
])  # fmt: skip
def test_the_same_words_in_two_files_are_one_text(tmp_path, lrc):
    texts, report = lyrics_matching.match(
        tracks("01"), folder(tmp_path, {"01.txt": "Don't go\n\nnow", "01.lrc": lrc})
    )
    assert len(texts) == 1 and report["status"].tolist() == ["matched", "duplicate"]
    assert "the same words as 01.lrc" in report["reason"][1]


def test_two_files_that_differ_are_refused_with_the_reason(tmp_path):
    texts, report = lyrics_matching.match(
        tracks("01", "02"), folder(tmp_path, {"01.txt": "don't go", "01.lrc": "go away", "02.txt": "la"})
    )
    assert list(texts) == ["rock/02.wav"] and "2 entries name this track, and differ" in report["reason"][0]


@pytest.mark.parametrize("own, alike, used", [(12, 12, 12), (99, 2, 101), (0, 6, 0), (10, 0, 10)])
def test_texts_of_several_tracks_are_named_and_above_a_share_left_out(tmp_path, own, alike, used):
    names = [f"{i:03d}" for i in range(own + alike)]
    texts = {f"{name}.txt": f"own words {name}" if int(name) < own else "The same words!" for name in names}
    given, report = lyrics_matching.match(tracks(*names), folder(tmp_path, texts))
    share, numbers = checks.shared(report)
    assert len(given) == used and numbers["n"] == alike and share == alike / (own + alike)
    assert rules.at_most(share, numbers["most"])["verdict"] == (used == own + alike)
    if alike:
        assert f"one text {alike}: rock/{own:03d}.wav" in numbers["which"]
    assert (report["status"] == "shared").sum() == own + alike - used


# --- tables --------------------------------------------------------------------------------------------------------
ROWS = [("t00", "two words"), ("t01", "more, words")]
CSV = 'track_id,lyrics\nt00,two words\nt01,"more, words"\n'
QUOTED = 'track_id;lyrics\n"t00";"two ""words"""\n"t01";"x"\n'


@pytest.mark.parametrize("content", [
    CSV, "sep=,\n" + CSV, "\n\n" + CSV, "# a comment, with commas\n" + CSV, "Words of our songs\n" + CSV,
    "// note\n\n" + CSV,
    'sep=;\n"track_id";"lyrics"\nt00;two words\nt01;more, words',
    "track_id\tlyrics\nt00\ttwo words\nt01\tmore, words\n",
    "id,filename,lyrics\n0,t00.mp3,two words\n1,t01.mp3,\"more, words\"\n",
    "Dateiname;Songtext\nt00.mp3;two words\nt01.mp3;more, words\n",
    "audio_path|lyrics_text\nrock/t00.wav|two words\nrock/t01.wav|more, words\n",
    "fichier;paroles\nt00;two words\nt01;more, words",
    "archivo;letra\nt00;two words\nt01;more, words", "song_id;testo\nt00;two words\nt01;more, words",
    "файл;текст\nt00;two words\nt01;more, words",
    "文件名;歌词\nt00;two words\nt01;more, words", "ファイル名;歌詞\nt00;two words\nt01;more, words",
    '{"track_id": "t00", "lyrics": "two words"}\n\n{"track_id": "t01", "lyrics": "more, words"}\n',
    '[{"track_id": "t00", "lyrics": ["two", "words"]}, {"id": "t01", "lyrics": "more, words"}]',
    '{"t00": "two words", "t01": "more, words"}',
    '{"songs": [{"file": "t00", "text": "two words"}, {"file": "t01", "text": "more, words"}]}',
    "track_id,artist,year,tag,tempo,lyrics,plays\nt00,artist 7,2001,rock,1.5,two words,9\nt01,8,,pop,,\"more, "
    "words\",\n",
])  # fmt: skip
@pytest.mark.parametrize("name", ["table.csv", "table.txt"])
def test_tables_as_people_have_them(tmp_path, name, content):
    (tmp_path / name).write_text(content, encoding="utf-8")
    texts, _ = lyrics_matching.match(tracks("t00", "t01"), lyrics_reading.read(tmp_path / name))
    assert [" ".join(text.split()) for text in texts.values()] == ["two words", "more, words"]


@pytest.mark.parametrize(
    "cell, text",
    [
        (r'"he said \"go\" twice"', 'he said "go" twice'),
        (r'"\"go\""', '"go"'),
        ('"he said ""go"""', 'he said "go"'),
        (r'"a \ b"', "a \\ b"),
    ],
)
def test_quotes_with_backslashes_or_doubled(tmp_path, cell, text):
    (tmp_path / "a.csv").write_text(f'track_id,note,lyrics\nt00,"",{cell}\nt01,"",la\n')
    assert lyrics_reading.read(tmp_path / "a.csv")["text"].tolist() == [text, "la"]


@pytest.mark.parametrize("name, package", [("a.xlsx", "openpyxl"), ("a.parquet", "pyarrow")])
def test_excel_and_parquet_are_read_or_named(tmp_path, monkeypatch, name, package):
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    frame = pd.DataFrame(ROWS, columns=["track_id", "lyrics"])
    (frame.to_excel if package == "openpyxl" else frame.to_parquet)(tmp_path / name, index=False)
    assert lyrics_reading.read(tmp_path / name)[["track_id", "text"]].to_numpy().tolist() == [
        list(row) for row in ROWS
    ]
    reader = "read_excel" if package == "openpyxl" else "read_parquet"

    def missing(*args, **options):
        raise ImportError(package)

    monkeypatch.setattr(pd, reader, missing)
    with pytest.raises(Problem, match=f"pip install {package}, or save it as CSV"):
        lyrics_reading.read(tmp_path / name)


def test_a_bad_line_of_json_costs_that_line(tmp_path):
    rows = [
        json.dumps({"track_id": "t00", "lyrics": "la"}),
        "{broken",
        json.dumps({"track_id": "t01", "lyrics": "so"}),
        "5",
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(rows))
    found = lyrics_reading.read(tmp_path / "a.jsonl")
    assert found["fault"].tolist() == ["", "is not an object", "", "is not an object"] and found["text"][2] == "so"


def test_columns_that_are_not_understood_are_named_with_those_that_are(tmp_path):
    (tmp_path / "a.csv").write_text("number,sentence\n1,la\n")
    with pytest.raises(
        Problem, match="columns number, sentence; needed are lyrics .*songtext.* and track_id .*filename"
    ):
        lyrics_reading.read(tmp_path / "a.csv")
