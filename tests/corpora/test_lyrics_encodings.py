"""Bytes as text: marks and declarations win, what is certain is read, the rest is refused; nothing is read wrongly."""

import pytest

from lib.corpora import lyrics_encodings, lyrics_reading
from tests.corpora import legacy_texts

LANGUAGES = {  # by encoding, a text of our own
    "cp1250": "kůň běží přes řeku, tráva je žlutá a večer příliš tichý",
    "iso8859_2": "źdźbło łąki śpi, a księżyc świeci nad miastem i płacze ze mną",
    "cp1254": "yıldızlar gökyüzünde, aşkım uyuyor, rüzgâr ağaçların içinden geçiyor",
    "cp1257": "ąžuolas auga prie kelio, žvaigždės šviečia ir širdis dainuoja čia",
    "cp1251": "ветер поёт над тёмной водой, и звёзды слушают эту песню до утра",
    "koi8_r": "ветер поёт над тёмной водой, и звёзды слушают эту песню до утра",
    "cp866": "ветер поёт над тёмной водой, и звёзды слушают эту песню до утра",
    "cp1253": "ο άνεμος τραγουδάει πάνω από τη θάλασσα και τα αστέρια ακούνε, εσύ κι εγώ χορεύουμε ξανά ως το πρωί",
    "mac_roman": "schöne Träume über Flüsse, für dich und die Straße, größer als Bäume",
    "cp850": "schöne Träume über Flüsse, für dich und die Straße, größer als Bäume",
    "cp1252": "don’t say “never”, the café is open, and we’ll sing until it’s late",
    "gbk": "风在河上唱歌，星星听着我们的爱，夜里没有人知道",
    "big5": "風在河上唱歌，星星聽著我們的愛，夜裡沒有人知道",
    "shift_jis": "風が川の上で歌い、星は聞いている、夜は誰も知らない",
    "euc_jp": "風が川の上で歌い、星は聞いている、夜は誰も知らない",
    "euc_kr": "바람이 강 위에서 노래하고 별들이 듣고 있어 아무도 몰라",
    "utf-16-le": "ветер поёт над водой", "utf-16-be": "الريح تغني فوق الماء", "utf-16": "风在河上唱歌 我们的爱",
    "utf-7": "der Wind singt über den Flüssen, schöne Träume für dich",
    "iso2022_jp": "風が川の上で歌い、星は聞いている",
    "utf-32": "ветер поёт", "utf-8-sig": "ветер поёт",
}  # fmt: skip


@pytest.mark.parametrize("encoding", LANGUAGES)
def test_a_text_in_each_encoding_is_read(encoding):
    text = "\n".join([LANGUAGES[encoding]] * 2)
    assert lyrics_encodings.decode(text.encode(encoding))[0] == text


@pytest.mark.parametrize(
    "language, line",
    [
        ("Vietnamese in cp1258", "Đêm nay trăng sáng trên sông".encode("cp1258", "ignore")),
        ("Esperanto in iso8859_3", "ĉiu ĝojas kaj ŝi ŝatas ĵaŭdon".encode("iso8859_3")),
        ("half of it damaged", "schöne Träume ".encode() * 3 + "schöne Träume".encode("cp1252")),
        ("two encodings", "ветер поёт".encode("cp1251") + "ветер поёт".encode("koi8_r")),
        ("no text", bytes(range(128, 256)) * 3),
    ],
)
def test_what_is_not_certain_is_refused_with_the_line(language, line):
    with pytest.raises(ValueError, match=r"not UTF-8 \(line 2\).*not certain.*save it as UTF-8"):
        lyrics_encodings.decode(b"la la\n" + line)


@pytest.mark.parametrize(
    "head",
    [
        "[encoding:{}]\n",
        "[charset: {}]\n",
        "#ENCODING:{}\n",
        '<?xml version="1.0" encoding="{}"?>\n',
        '<meta charset="{}">\n',
        "# -*- coding: {} -*-\n",
    ],
)
@pytest.mark.parametrize("encoding", ["cp1251", "koi8_r", "gb18030", "utf-8"])
def test_a_declared_encoding_wins(head, encoding):
    """Of texts that nothing else could tell: a single word."""
    text = head.format(encoding) + "дож"
    assert lyrics_encodings.decode(text.encode(encoding)) == (text, encoding)
    with pytest.raises(ValueError, match="it says that it is in nonsense"):
        lyrics_encodings.decode((head.format("nonsense") + "la").encode())


def test_a_mark_wins_over_what_is_declared():
    text = "[encoding:cp1251]\nдождь"
    assert lyrics_encodings.decode(text.encode("utf-8-sig")) == (text, "utf-8")
    assert lyrics_encodings.decode(text.encode("utf-16"))[0] == text


@pytest.mark.parametrize("text", ["2+2-1 = +3- and C++11", "la la", "", "a\tb\r\nc", "été", "\x01\x02"])
def test_plain_utf_8_is_nothing_else(text):
    assert lyrics_encodings.decode(text.encode()) == (text, "utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("languages, seed", [(legacy_texts.SINGLE, 0), (legacy_texts.MANY, 0)])
def test_of_500_texts_none_is_read_wrongly(languages, seed, record_property):
    tried, refused, wrong = legacy_texts.measure(500, seed, languages)
    record_property("refused", sum(refused.values()) / 500)
    print(f"{sum(refused.values()) / 500:.1%} of 500 texts refused (seed {seed})")
    assert wrong == [] and sum(tried.values()) == 500 and sum(refused.values()) < 100


def test_the_encoding_of_each_file_is_reported(tmp_path):
    for name, encoding in (("a", "cp1250"), ("b", "utf-8"), ("c", "cp1251"), ("d", "utf-8")):
        text = LANGUAGES.get(encoding, "la la été")
        (tmp_path / f"{name}.txt").write_bytes("\n".join([text] * 2).encode(encoding))
    (tmp_path / "e.txt").write_bytes("дож".encode("cp1251"))
    found = lyrics_reading.read(tmp_path)
    assert found["encoding"].tolist() == ["cp1250", "utf-8", "cp1251", "utf-8", ""]
    assert found.attrs["encoding"] == "utf-8 (2), cp1250 (1), cp1251 (1)" and "not certain" in found["fault"][4]
