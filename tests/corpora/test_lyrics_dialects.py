"""What is sung: every dialect of time tags, subtitles and markup gives the same words; what is not sung goes."""

import csv
import random
import re
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.corpora import lyrics_dialects, lyrics_encodings, lyrics_matching, lyrics_placeholders, lyrics_reading
from lib.corpora.items import Item
from lib.store import series

CASES = series.ROOT.parent / "shared" / "cases" / "make_cases.py"
LINES = ["slow waves come home", "to 99 bright lamps", "nothing else burns"]
SONG = " ".join(LINES)


def words(text: str) -> str:
    return " ".join(lyrics_placeholders.words(text).text.split())


# --- time tags of lines --------------------------------------------------------------------------------------------
def clock(i: int, form: str) -> str:
    """The time of line `i` in one of many forms."""
    s, ms = 5 * i + 3, 1000 * (5 * i + 3)
    return form.format(
        s=s,
        ms=ms,
        h=f"{s // 3600:02d}",
        m=f"{s // 60:02d}",
        ss=f"{s % 60:02d}",
        e=s + 4,
        ems=ms + 4000,
        es=f"{(s + 4) % 60:02d}",
    )


TAGS = [
    "[{m}:{ss}.50]", "[{m}:{ss},50]", "[{m}:{ss}:50]", "[{m}:{ss};50]", "[{m}:{ss}.5]", "[{m}:{ss}.500]",
    "[{m}:{ss},5000]", "[{m}:{ss}.50000]", "[{m}:{ss}.500000]", "[{h}:{m}:{ss}.50]", "[{h}:{m}:{ss}]",
    "[0:{m}:{ss},500]", "[-{m}:{ss}.50]", "[−{m}:{ss}.50]", "[+{m}:{ss}.50]", "[ {m}:{ss}.50 ]",
    "[{m} : {ss}.50]", "[{m}:{ss} .50]", "[{m}:{ss}]", "[{s}:{ss}]", "[{m}.{ss}.50]", "[0:1{ss}.50]",
    "[00:{s}00.50]", "［{m}:{ss}.50］", "［{m}：{ss}.50］", "【{m}:{ss}.50】", "〔{m}:{ss}〕",
    "〈{m}:{ss}.50〉", "<{m}:{ss}.50>", "＜{m}:{ss}.50＞", "{{{m}:{ss}.50}}", "({m}:{ss}.50)",
    "（{m}:{ss}.50）", "({m}:{ss})", "[{m}:{ss}.50-00:{es}.50]", "[{m}:{ss}.50 --> 00:{es}.50]",
    "[{m}:{ss}.500–00:{es}.500] ", "[{ms}]", "[{s}]", "[{s}.25]", "[{ms},4000]", "<{ms},200,0>", "<0,200,0>",
    "({ms},200)", "({ms},200,0)", "[{ms}][{ems}]", "{m}:{ss}.50 ", "{m}:{ss} ", "00:{m}:{ss}:",
    "{s}.0\t{e}.0\t", "{{{ms}}}{{{ems}}}", "[{m}:{ss}.50]<{m}:{ss}.50>",
]  # fmt: skip


BRACKETED = re.compile(r"[\[<［【〔〈＜]|{{|[(（].*[.,]")


@pytest.mark.parametrize("form", TAGS)
@pytest.mark.parametrize("between", ["", " "])
def test_a_time_before_each_line(form, between):
    text = "\n".join(clock(i, form) + between + line for i, line in enumerate(LINES))
    assert words(text) == SONG


@pytest.mark.parametrize("form", [form for form in TAGS if BRACKETED.match(form) and "][" not in form])
def test_a_time_after_each_word(form):
    """Blanks stay where they stand: after the tag or before it, and "syl<t>la<t>bles" is one word."""
    tag = clock(1, form).strip()
    head = clock(0, "[{m}:{ss}.50]" if "," in form and ":" not in form else form)
    assert words("\n".join(head + "".join(f"{word}{tag} " for word in line.split()) for line in LINES)) == SONG
    assert words("\n".join(head + f" {tag}".join(line.split()) for line in LINES)) == SONG
    assert words("\n".join(head + " ".join(f"{tag}{word}{tag}" for word in line.split()) for line in LINES)) == SONG
    assert words(f"{head}sung syl{tag}la{tag}bles stay\n" * 2) == "sung syllables stay sung syllables stay"


def test_words_that_only_tags_part_are_parted():
    tagged = "\n".join("[00:01.00]" + "<00:02.00>".join(line.split()) for line in LINES)
    assert words(tagged) == SONG
    assert words("[00:01.00]syl<00:01.20>la<00:01.40>bles") == "syllables"
    assert words("[00:01.00]雨<00:01.20>が<00:01.40>降<00:01.60>る") == "雨が降る"


@pytest.mark.parametrize(
    "text, sung",
    [
        ("[00:01.00][00:31.00]la la\n[00:05.00]so", "la la la la so"),
        ("[00:01.00, 00:31.00, 00:51.00]la\n[00:05.00]so", "la la la so"),
        ("[00:01.00] [00:31.00] la\n[00:05.00]so", "la la so"),
        ("[00:01.00][00:01.00]la\n[00:05.00]so", "la so"),
        ("[00:01.00][00:03.00]la\n[00:04.00][00:06.00]so", "la so"),  # start and end
        ("[00:01.00]<00:01.20>la<00:02.00>", "la"),
        ("[00:01.00][00:01.50]la[00:02.00] so[00:03.00]", "la so"),
    ],
)
def test_a_line_with_several_times_counts_as_often_as_it_is_sung(text, sung):
    assert words(text) == sung


@pytest.mark.parametrize(
    "text",
    [
        "we met at 4:20\nand (4:20) again\nno other time",
        "one (1,2,3) go",
        "1 2 3 4 5\n(6) 7 8",
        "in 1999\n99 times",
        "(1985)\nyears",
        "call 555-1234",
        "24/7, 365",
        "3 <3 4",
        "50% of 100",
        "rain: it falls",
        "x2 is a plane",
    ],
)
def test_digits_that_are_words_stay(text):
    assert words(text) == " ".join(text.split()) and words(f"[00:01.00]{text}").endswith(text.split("\n")[-1])


# --- other formats -------------------------------------------------------------------------------------------------
def stamp(i: int, comma: str) -> str:
    return f"00:00:{5 * i:02d}{comma}000 --> 00:00:{5 * i + 4:02d}{comma}000"


SRT = "\n\n".join(f"{i}\n{stamp(i, ',')}\n{line}" for i, line in enumerate(LINES, 1)) + "\n"
VTT = "WEBVTT\n\nNOTE not sung\n\nSTYLE\n::cue {color: red}\n\n" + "\n\n".join(
    f"cue {i}\n{stamp(i, '.')} align:start\n<v Someone><i>{line}</i>" for i, line in enumerate(LINES, 1)
)
ROLLING = "WEBVTT\n\n" + "\n\n".join(
    f"{stamp(i, '.')}\n{LINES[i - 2] if i > 1 else ' '}\n"
    + "<00:00:01.000><c>".join([line.split()[0], *(f" {word}</c>" for word in line.split()[1:])])
    for i, line in enumerate(LINES, 1)
)
SBV = "\n\n".join(f"0:00:0{i}.000,0:00:0{i + 1}.000\n{line}" for i, line in enumerate(LINES))
ASS = (
    "[Script Info]\nTitle: x\n\n[V4+ Styles]\nFormat: Name\nStyle: Default\n\n[Events]\nFormat: Layer, Start, "
    "End, Style, Name,"
    " MarginL, MarginR, MarginV, Effect, Text\nComment: 0,0:00:00.00,0:00:01.00,Default,,0,0,0,,not sung\n"
) + "\n".join(
    f"Dialogue: 0,0:00:0{i}.00,0:00:0{i + 1}.00,Default,Singer,0,0,0,,"
    + r"{\k20}"
    + line.replace(" ", r" {\k30\c&H00&}", 1)
    for i, line in enumerate(LINES)
)
TTML = (
    '<?xml version="1.0" encoding="utf-8"?><tt xmlns="http://www.w3.org/ns/ttml">'
    "<head><metadata>not sung</metadata></head>"
    "<body><div>"
    + "".join(f'<p begin="{i}.5" end="00:0{i + 1}">{line}</p>' for i, line in enumerate(LINES))
    + "</div></body></tt>"
)
SPANS = (
    '<tt xmlns="http://www.w3.org/ns/ttml"><body><div>'
    + "".join(
        "<p>" + " ".join(f'<span begin="{i}s" end="{i + 1}s">{word}</span>' for word in line.split()) + "</p>"
        for i, line in enumerate(LINES)
    )
    + "</div></body></tt>"
)
ULTRASTAR = (
    "#TITLE:A song\n#ARTIST:Someone\n#BPM:200\n"
    + "\n".join(
        "\n".join(
            f": {8 * i + j} 2 5 {word[:2]}\n: {8 * i + j} 2 5 {word[2:]}~ " for j, word in enumerate(line.split())
        )
        + f"\n- {8 * i}"
        for i, line in enumerate(LINES)
    )
    + "\nE\n"
)
SAMI = (
    "<SAMI><BODY>"
    + "".join(f"<SYNC Start={1000 * i}><P Class=ENCC>{line}" for i, line in enumerate(LINES))
    + "</BODY></SAMI>"
)
FORMATS = {
    "srt": SRT,
    "vtt": VTT,
    "rolling vtt": ROLLING,
    "sbv": SBV,
    "ass": ASS,
    "ttml": TTML,
    "ttml by words": SPANS,
    "ultrastar": ULTRASTAR,
    "sami": SAMI,
    "microdvd": "\n".join(f"{{{25 * i}}}{{{25 * i + 20}}}{line}" for i, line in enumerate(LINES)),
    "qrc": '<QrcInfos><Lyric_1 LyricType="1" LyricContent="'
    + "&#10;".join(
        f"[{1000 * i},900]" + " ".join(f"{word}({1000 * i},90)" for word in line.split())
        for i, line in enumerate(LINES)
    )
    + '"/></QrcInfos>',
}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("ending", [".lrc", ".txt", ".srt"])
def test_subtitles_and_karaoke_under_any_ending(tmp_path, name, ending):
    (tmp_path / f"song{ending}").write_text(FORMATS[name], encoding="utf-8")
    found = lyrics_reading.read(tmp_path)
    assert " ".join(found.loc[0, "text"].split()) == SONG


@pytest.mark.parametrize(
    "text", [SRT.replace("nothing else burns", "99"), VTT.replace("nothing else burns", "we say\n99")]
)
def test_numbers_that_are_sung_are_no_numbers_of_cues(text):
    assert words(text).endswith("99") and "2 " not in words(text)


# --- what is not sung ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "text, sung",
    [
        ("[bg: <00:01.00>ooh <00:02.00>aah]", "ooh aah"),
        ("[v2: two words]", "two words"),
        ("[bg:<00:01.00>ooh]", "ooh"),
        ("[Both: two words]", "two words"),
        ("[00:01.00][Female:] one more [2x]", "one more"),
        ("[All:] so (x3)", "so"),
        ("[ar:Someone]\nla", "la"),
        ("[by:x][offset:-20]\nla", "la"),
        ("[re: some tool]\n[ve:1.2]\nla", "la"),
        ("[artist:Some [1] One]\nla", "la"),
        ("[#:a comment]\nla", "la"),
        ("[unknown:x]\nla", "la"),
        ("[Chorus]\nla", "la"),
        ("[Verse 1: Someone]\nla", "la"),
        ("[Припев]\nla", "la"),
        ("[Guitar Solo]\nla", "la"),
        ("[Someone & Other]\nla", "la"),
        ("[Repeat the second verse twice, then fade]\nla", "la"),
        ("I want [to know]", "I want to know"),
        ("v1: la", "la"),
        ("v2:la", "la"),
        ("M: la", "la"),
        ("F：la", "la"),
        ("D: la\nBoth: so", "la so"),
        ("男：la\n合: so", "la so"),
        ("♪ la ♫", "la"),
        ("🎵la🎶", "la"),
        (r"{\an8}la", "la"),
        (r"{\i1}la{\i0} so", "la so"),
        ("{y:i}la", "la"),
        ("<i>la</i> so", "la so"),
        ('<font color="#fff">la</font>', "la"),
        ("la<br>so", "la so"),
        ("la<br/>so<BR >re", "la so re"),
        (r"la\Nso", "la so"),
        (r"la\hso\nre", "la so re"),
        ("Rhythm &amp; Blues", "Rhythm & Blues"),
        ("la&nbsp;so", "la so"),
        ("don&#39;t &lt;3", "don't <3"),
        ("&amp;quot;la&amp;quot;", '"la"'),
        ("<ruby>雨<rp>(</rp><rt>あめ</rt><rp>)</rp></ruby>", "雨"),
        ("<!-- a note -->la", "la"),
    ],
)
def test_brackets_prefixes_and_markup(text, sung):
    assert words(text) == sung


def test_who_sings_is_read_from_the_tags_and_is_no_word():
    for text in (
        "[ar:Björk]\n[ti:Jóga]\n[00:01.00]la",
        "[artist: Björk]\n[title: Jóga]\nla",
        "#ARTIST:Björk\n#TITLE:Jóga\n: 0 1 2 la",
    ):
        assert lyrics_dialects.names(text) == ("Björk", "Jóga") and words(text) == "la"


# --- the same song in all forms ------------------------------------------------------------------------------------
WORDS = st.text(
    st.characters(categories=["Ll", "Lu", "Lo", "Nd"], exclude_characters="￼", max_codepoint=0x4FF),
    min_size=1,
    max_size=8,
)
SONGS = st.lists(st.lists(WORDS, min_size=1, max_size=6), min_size=2, max_size=6)


def forms(lines: list[list[str]], rng: random.Random) -> dict[str, str]:
    """A song as plain text, and in each dialect at random times that rise."""
    times, at = [], 0.0
    for line in lines:
        times.append([at := round(at + rng.uniform(0.1, 9), 3) for _ in line])

    def written(form: str, time: float) -> str:
        s = int(time)
        return form.format(
            s=s,
            ms=int(1000 * time),
            h=f"{s // 3600:02d}",
            m=f"{s // 60:02d}",
            ss=f"{s % 60:02d}",
            e=s + 4,
            ems=int(1000 * time) + 90,
            es=f"{(s + 4) % 60:02d}",
        )

    made = {"plain": "\n".join(map(" ".join, lines))}
    for form in TAGS:
        made[f"lines {form}"] = "\n".join(
            written(form, time[0]) + " ".join(line) for line, time in zip(lines, times, strict=True)
        )
        if BRACKETED.match(form) and "][" not in form:
            made[f"words {form}"] = "\n".join(
                written("[{m}:{ss}.50]", time[0])
                + " ".join(word + written(form, t).strip() for word, t in zip(line, time, strict=True))
                for line, time in zip(lines, times, strict=True)
            )
    return made


ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-32", "[encoding:utf-8]", "[encoding:gb18030]", "#ENCODING:gb18030"]


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(lines=SONGS, seed=st.integers(0, 10**6), encoding=st.sampled_from(ENCODINGS))
def test_all_forms_of_a_song_give_the_same_words(lines, seed, encoding):
    """In UTF-8, UTF-16 and the encoding that the file declares."""
    plain = " ".join(word for line in lines for word in line)
    for name, text in forms(lines, random.Random(seed)).items():
        declared = encoding.rpartition(":")[2].strip("]")
        content = (text if declared == encoding else f"{encoding}\n{text}").encode(declared)
        read = lyrics_encodings.decode(content)[0]
        sung = lyrics_dialects.sung(read.removeprefix(encoding))
        assert " ".join(sung.split()) == plain, name


# --- the cases of others -------------------------------------------------------------------------------------------
@pytest.fixture(scope="session")
def cases(tmp_path_factory):
    if not CASES.is_file():
        pytest.skip("the cases are not here (../shared/cases)")
    folder = tmp_path_factory.mktemp("cases")
    subprocess.run([sys.executable, str(CASES), str(folder)], check=True, capture_output=True)
    with open(folder / "expected.csv", newline="", encoding="utf-8") as file:
        return folder, [row for row in csv.DictReader(file) if row["file"].startswith("lyrics/")]


@pytest.mark.slow
def test_every_case_is_what_was_expected(cases):
    folder, rows = cases
    encodings = []
    for row in rows:
        path, right = folder / row["file"], row["right"]
        if row["kind"] in ("table", "pair"):
            texts, report = lyrics_matching.match(
                [Item("a/t00.mp3", {}, ""), Item("a/t01.mp3", {}, "")],
                lyrics_reading.read(path.parent if row["kind"] == "pair" else path),
            )
            right = right.removeprefix("t00 ").removeprefix("with t00.lrc: ").partition(" (")[0]
            assert " ".join(texts["a/t00.mp3"].split()) == right, row
        elif row["kind"] == "encoding":
            try:
                read = " ".join(lyrics_encodings.decode(path.read_bytes())[0].split())
            except ValueError as reason:
                assert right.endswith("refused, with the reason") and "save it as UTF-8" in str(reason)
                continue
            assert read == right.removesuffix(" | refused, with the reason"), row
            encodings.append(read)
        else:
            assert words(lyrics_encodings.decode(path.read_bytes())[0]) == right, row
    assert len(encodings) >= 9
