"""Texts in legacy encodings, to measure how many are read, refused and read wrongly; words of our own lists.

    python -m tests.corpora.legacy_texts [texts] [seed]
"""

import random
import sys
from collections import Counter
from pathlib import Path

from lib.corpora import lyrics_encodings

WORDS = dict(  # by language: words as songs have them
    row.split(": ", 1) for row in Path(__file__).with_name("legacy_words.txt").read_text(encoding="utf-8").splitlines()
)
CODECS = {  # by language: the encodings in which such texts were written
    **dict.fromkeys(("cs", "sk", "hu", "pl"), ("cp1250", "iso8859_2", "cp852", "mac_latin2")),
    **dict.fromkeys(("hr", "sl"), ("cp1250", "iso8859_2", "cp852", "mac_croatian")),
    "ro": ("cp1250", "iso8859_2", "cp852"),
    "tr": ("cp1254", "iso8859_9", "cp857", "mac_turkish"),
    **dict.fromkeys(("lt", "lv", "et"), ("cp1257", "iso8859_13", "cp775")),
    "ru": ("cp1251", "koi8_r", "cp866", "iso8859_5", "mac_cyrillic"),
    "uk": ("cp1251", "koi8_u", "iso8859_5", "mac_cyrillic"),
    "bg": ("cp1251", "cp866", "iso8859_5", "mac_cyrillic"),
    "el": ("cp1253", "iso8859_7", "cp737", "mac_greek"),
    **dict.fromkeys(("de", "fr", "es", "pt", "it", "sv", "da", "fi", "is", "en"), ("cp1252", "mac_roman", "cp850")),
    "zh": ("gbk", "gb18030"), "zh-hant": ("big5",), "ja": ("shift_jis", "euc_jp"), "ko": ("euc_kr", "cp949"),
}  # fmt: skip
SINGLE = [language for language in CODECS if not language.startswith(("zh", "ja", "ko"))]


MANY = list(CODECS)


def texts(n: int, seed: int, languages: list[str]):
    """`n` times (language, encoding, text) of 20 to 120 words in lines, as far as that encoding has their letters."""
    rng, made = random.Random(seed), 0
    while made < n:
        language = rng.choice(languages)
        codec = rng.choice(CODECS[language])
        words = WORDS[language].split()
        lines = [" ".join(rng.choices(words, k=rng.randint(3, 8))) for _ in range(rng.randint(7, 15))]
        how = rng.choice((str.lower, str.lower, str.capitalize, str.capitalize, str.upper))
        text = "\n".join(map(how, lines))
        text = text.encode(codec, "ignore").decode(codec)
        if not text.isascii():
            made += 1
            yield language, codec, text


def measure(n: int, seed: int, languages: list[str]) -> tuple[Counter, Counter, list[tuple[str, str, str, str]]]:
    """Texts by (language, encoding), those refused, and (language, encoding, as read, text) of those read wrongly."""
    tried, refused, wrong = Counter(), Counter(), []
    for language, codec, text in texts(n, seed, languages):
        tried[language, codec] += 1
        try:
            read, name = lyrics_encodings.decode(text.encode(codec))
        except ValueError:
            refused[language, codec] += 1
        else:
            if read != text:
                wrong.append((language, codec, name, text, read))
    return tried, refused, wrong


def main(n: int = 500, seed: int = 0) -> None:
    for what, languages in (("8-bit encodings", SINGLE), ("all encodings", MANY)):
        tried, refused, wrong = measure(n, seed, languages)
        print(f"{what}: {n} texts (seed {seed}), {len(wrong)} read wrongly, {sum(refused.values()) / n:.1%} refused")
        for key, count in sorted(tried.items()):
            if refused[key]:
                print(f"  {key[0]} in {key[1]}: {refused[key]} of {count} refused")
        for language, codec, name, text, read in wrong[:20]:
            print(f"  {language} in {codec} read as {name}: {text[:60]!r} {read[:60]!r}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
