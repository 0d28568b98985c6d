"""Bytes as text: a byte order mark or a declared encoding wins, then UTF-8 and UTF-16, and a legacy encoding only
where nothing else fits: what cannot be told for certain is refused, since a wrong reading looks like words.

A legacy reading must have the letters of one language in the places where that language has them (`_costs`), be that
language for py3langid, and be found plausible by charset-normalizer; every other reading must be clearly worse.
"""

from __future__ import annotations

import codecs
import functools
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from lib.corpora import languages

LEGACY = (  # what texts were written in, by Python's names; where two give the same text, the first names it
    *("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp874"),
    *("iso8859_2", "iso8859_4", "iso8859_5", "iso8859_6", "iso8859_7", "iso8859_8", "iso8859_9", "iso8859_13"),
    *("iso8859_15", "koi8_r", "koi8_u", "cp437", "cp737", "cp775", "cp850", "cp852", "cp857", "cp866"),
    *("mac_roman", "mac_latin2", "mac_croatian", "mac_cyrillic", "mac_greek", "mac_turkish"),
    *("gb18030", "big5hkscs", "cp932", "euc_jp", "cp949"),
)
WIDE = {"gb18030": "zh", "big5hkscs": "zh", "cp932": "ja", "euc_jp": "ja", "cp949": "ko"}  # several bytes a letter
ALPHABETS = {  # letters besides a to z of the languages that py3langid tells apart, the commonest first
    "af": "êëéôíîïáèóöûüú", "bs": "čšžćđ", "ca": "àéèóçíòúïü", "cs": "áíěéšřčžýůúťďňó", "da": "æøåé", "de": "üäöß",
    "en": "", "es": "áéíóñúü", "et": "äõüöšž", "fi": "äöå", "fr": "éèàêçâîôùûœïëæüÿ", "gl": "éóáíñúü", "hr": "čšžćđ",
    "hu": "éáöőíóüúű", "is": "ðáíéóþöæúý", "it": "èàùòìéóîíú", "lt": "ėšžųįąūčęš", "lv": "āīēšūļņķžčģ",
    "nl": "ëéïóèüöáêíú", "no": "åøæéòôó", "pl": "łęąóśżćźń", "pt": "ãáéçíóêâúõôàü", "ro": "ăîşţâșț",
    "sk": "áíéčúýžšľťôňďäóŕĺ", "sl": "čšž", "sq": "ëç", "sv": "äåöé", "tr": "ıişüğöçâîû", "az": "əıişüğöç",
    "be": "анітсроыелкдямпувзхбьчйжўцгэюшфё", "bg": "аоиентрсвлкдпмзгбъячйухжщцшюфь",
    "el": "αοιετσνηυρπκμλςωδάίγόθέχήύφβώξζψΐϊϋΰ", "mk": "аоиентрсвкдлпмјузгбчцшхжфќњѓљџѕ",
    "ru": "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъё", "sr": "аоиентрсјукдвмлпгзбшчцђжћњхљфџ",
    "uk": "оанивітерслкдумпязьгбчйхцжїюшєщфґ", "he": "יוהלאתרבמשנדעחכפקםטסגןצזךףץ",
    "ar": "اليمونترهبفدكسعقحجةشصخىأطضذثغإزئءآظؤًٌٍَُِّْ", "fa": "اینرهدتومبشسکزگلخقفعجپحصطچآضغذءژثئظأؤ",
    "th": "านรอกเงมยลวดทสตะปบคแหใจพชขไโผถซศธภษ่้ัีิุูำ็์ืึๆฉณญฐฟฝฤฮฆฏฎฌฑฒฬฯ๊๋ฃฅ",
}  # fmt: skip
KIN = {"bs": "hr", "sr": "hr", "nn": "no", "da": "no"}  # languages that a guess mixes up -> which of them counts
COMMONEST = 12  # letters that make up over half of any text whose alphabet is not Latin
FINAL = "ςךםןףץ"  # stand at the end of words alone
HAN = set(  # some of the commonest characters of Chinese: a sixth of any text and more
    "的一是不了人我在有他这中大来上国个到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可她里后小么心多天而能好都然没日于起还发成"
    "事只作当想看文无开手十用主行方又如前所本见经头面公同三已老从动两长知爱把给让谁再走像夜风情梦回笑"
    "這來國個說們為時會著過學對裡後麼沒於還發當無開經頭從動兩長愛給讓誰風夢"
)
LOANS = "áàâäçéèêëíïñóôöøåúü"  # seen in words taken from other languages
MARKS, INNER = "‘’“”„‚«»‹›–—…·¡¿´\xa0", "’´‘·-"  # usual marks, and those that may stand within a word
MANY = 20_000  # bytes that a guess looks at
MOST, LEAST_WORSE = 0.1, 0.4  # cost per letter: of a reading that is believed, and by which any other is worse
OTHER_TONGUE = 0.1  # what a reading costs that py3langid does not take to be in the language of the best
LEAST_WIDE, LEAST_OTHER = 6, 12  # letters that a text must have, in Chinese and the like, and in another script
DECLARED = re.compile(
    rb"""<\?xml[^>]{0,80}\bencoding\s*=\s*["']([\w.:-]+)|<meta[^>]{0,80}\bcharset\s*=\s*["']?([\w.:-]+)"""
    rb"""|^\#ENCODING\s*:\s*([\w.:-]+)|^\[(?:encoding|charset|ec)\s*:\s*([\w.:-]+)\s*\]"""
    rb"""|\A\W{0,4}-\*-\s*coding\s*[:=]\s*([\w.:-]+)""",
    re.IGNORECASE | re.MULTILINE,
)
BINARY = (b"PK\x03\x04", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x89PNG", b"%PDF", b"\xd0\xcf\x11\xe0")
ORDER_MARKS = (  # the longer first: UTF-32's begins with UTF-16's
    (codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)


class Reading(NamedTuple):
    """Bytes read in one encoding."""

    encoding: str
    text: str
    tongue: str  # the language that it seems to be in
    costs: np.ndarray  # how odd each character is in that language [characters], 0 to 1; NaN for ASCII
    ranks: np.ndarray  # how rare each is among the letters of the language (`_ranks`)


def decode(content: bytes) -> tuple[str, str]:
    """The text and the name of its encoding. Raises `ValueError` when it is no text, or not certain which one."""
    if content.startswith(BINARY):
        raise ValueError("it is a spreadsheet, archive or document: save it as CSV or JSON, in UTF-8")
    for mark, name in ORDER_MARKS:
        if content.startswith(mark):
            return content.decode(name, "replace").replace("\0", ""), name.removesuffix("-sig")
    if declared := DECLARED.search(content[:2000]):
        name = next(filter(None, declared.groups())).decode()
        try:
            return content.decode(name), name.lower()
        except (LookupError, UnicodeDecodeError, TypeError) as error:
            raise ValueError(f"it says that it is in {name}, and is not: save it as UTF-8") from error
    if name := _utf16(content):
        return content[: len(content) // 2 * 2].decode(name), name
    try:
        text = content.decode().replace("\0", "")
    except UnicodeDecodeError as error:
        return _legacy(content, 1 + content.count(b"\n", 0, error.start))
    return _seven_bits(content) or (text, "utf-8")


def _utf16(content: bytes) -> str:
    """UTF-16 without a mark: its blanks and line ends hold zero bytes at every other place, or most letters do."""
    start = content[:MANY]
    for name, high, low in (("utf-16-le", start[1::2], start[::2]), ("utf-16-be", start[::2], start[1::2])):
        zeros = high.count(0)
        if not zeros or low.count(0) > 0.1 * zeros:
            continue
        blanks = sum(a == 0 and b in b" \n\r\t,;" for a, b in zip(high, low, strict=False))
        if zeros <= len(high) / 2 and blanks < len(high) / 40:
            continue
        text = start[: len(start) // 2 * 2].decode(name, "ignore")
        kinds = [unicodedata.category(char) for char in text if char not in "\n\r\t\f\ufeff\0"]
        scripts = {languages.script(char) for char in set(text)} - {""}
        if kinds and sum(kind in ("Cc", "Cn", "Co", "Cs") for kind in kinds) < 0.01 * len(kinds) and len(scripts) < 6:
            return name
    return ""


def _seven_bits(content: bytes) -> tuple[str, str] | None:
    """What is ASCII and stands for more: ISO-2022-JP and UTF-7; None where it is ASCII indeed."""
    if not content.isascii():
        return None
    if b"\x1b$" in content:
        try:
            return content.decode("iso2022_jp_2"), "iso2022_jp"
        except UnicodeDecodeError as error:
            raise ValueError("it has the escapes of ISO-2022, and is not: save it as UTF-8") from error
    shifted = re.findall(rb"\+[A-Za-z0-9+/]{3,}-?", content[:MANY])
    if len(shifted) > 1:
        try:
            text = content.decode("utf-7")
        except UnicodeDecodeError:
            return None
        letters = [char for char in text if not char.isascii()]
        tongue = _tongue(text)
        known = ALPHABETS.get(tongue, "") + MARKS + LOANS
        if letters and (tongue in ("zh", "ja", "ko") or sum(char.lower() in known for char in letters) > 0.9 * len(
                letters)):
            return text, "utf-7"
    return None


# --- legacy encodings --------------------------------------------------------------------------------------------
def _legacy(content: bytes, line: int) -> tuple[str, str]:
    sample = _sample(content)
    readings = list(_readings(sample))
    name = _best(sample, readings)
    if name:
        try:
            return content.decode(name).replace("\0", ""), name
        except UnicodeDecodeError:
            pass  # the lines that were not looked at say otherwise
    like = ", ".join(one.encoding for one in sorted(readings, key=lambda one: _mean(one.costs))[:3])
    maybe = f"perhaps {like}" if like else "no encoding that is known here"
    raise ValueError(f"it is not UTF-8 (line {line}), and its encoding is not certain ({maybe}): save it as UTF-8")


def _sample(content: bytes) -> bytes:
    """Lines that are not ASCII, some 20 kB, and where they are few, some others that say in which language."""
    kept, size, rows = [], 0, content.split(b"\n")
    for wanted, most in ((False, MANY), (True, MANY / 10)):
        for row in rows:
            if size < most and row.isascii() is wanted:
                kept.append(row[:MANY])
                size += len(kept[-1])
    return b"\n".join(kept)


def _readings(sample: bytes) -> Iterator[Reading]:
    """All that the bytes could say, each text once."""
    seen = set()
    for encoding in LEGACY:
        try:
            text = sample.decode(encoding)
        except UnicodeDecodeError:
            continue
        if text in seen or any(unicodedata.category(char) in ("Cc", "Co", "Cn") for char in set(text) - set("\n\r\t")):
            continue
        seen.add(text)
        if encoding in WIDE:
            yield Reading(encoding, text, WIDE[encoding], _wide_costs(text, encoding), np.zeros(len(text)))
        else:
            yield _in_tongue(encoding, text, _tongue(text))


def _in_tongue(encoding: str, text: str, tongue: str) -> Reading:
    return Reading(encoding, text, tongue, _costs(text, tongue), _ranks(text, tongue))


def _tongue(text: str) -> str:
    """The language that py3langid is sure of, one of `KIN` counting as the other; else `languages.UNKNOWN`."""
    chances = Counter()
    for code, chance in languages.ranked(text.lower())[:4]:
        chances[KIN.get(code, code)] += chance
    code, chance = chances.most_common(1)[0]
    if code == "hr" and languages.script(text) == "Cyrillic":
        code = "sr"
    return code if chance >= languages.CONFIDENT else languages.UNKNOWN


def _best(sample: bytes, readings: list[Reading]) -> str:
    """The encoding of the one reading that is believed, "" where there is none."""
    if not readings:
        return ""
    best = min(readings, key=lambda one: (_mean(one.costs), _mean(one.ranks)))
    letters, wide = np.isfinite(best.costs).sum(), best.encoding in WIDE
    if best.tongue not in (*ALPHABETS, *WIDE.values()) or _mean(best.costs) > (0.5 if best.tongue == "en" else MOST):
        return ""
    if letters < (LEAST_WIDE if wide else LEAST_OTHER if best.tongue in ALPHABETS and not _latin(best.tongue) else 1):
        return ""
    if not all(rival is best or _clearly_worse(rival, best) for rival in readings):
        return ""
    return best.encoding if _found_plausible(sample, best) else ""


def _clearly_worse(rival: Reading, best: Reading) -> bool:
    """By the characters that differ, where both texts have as many; else by the mean of all."""
    seems = rival.tongue
    if rival.encoding not in WIDE and best.tongue in ALPHABETS:
        other = _in_tongue(rival.encoding, rival.text, best.tongue)
        rival = min(rival, other, key=lambda one: _mean(one.costs) + _mean(one.ranks))
    if len(rival.text) != len(best.text):
        return _mean(rival.costs) > _mean(best.costs) + LEAST_WORSE / 2
    worse = [np.nan_to_num(one.costs) + one.ranks for one in (rival, best)]
    differ = np.array([a != b for a, b in zip(rival.text, best.text, strict=True)])
    more = (worse[0] - worse[1])[differ].mean() + (0 if seems == best.tongue else OTHER_TONGUE)
    return bool(more > LEAST_WORSE or more > max(0.06, differ.sum() ** -0.5))  # less is enough where many differ


def _found_plausible(sample: bytes, best: Reading) -> bool:
    """Whether charset-normalizer, left with the same candidates, keeps this text among the possible ones."""
    import charset_normalizer  # 0.1 s, and few need it

    found = charset_normalizer.from_bytes(sample, cp_isolation=list(LEGACY), threshold=0.35)
    return any(str(one) == best.text for one in found)


def _mean(values: np.ndarray) -> float:
    """Mean over the characters that are not ASCII."""
    return float(np.nanmean(values)) if np.isfinite(values).any() else 0.0


def _ranks(text: str, tongue: str) -> np.ndarray:
    """The place of each character [characters] among the letters of a language, from 0, the commonest, to 0.6."""
    alphabet = ALPHABETS.get(tongue, "")
    found = {letter: 0.6 * at / len(alphabet) for at, letter in enumerate(alphabet)}
    return np.array([found.get(char.lower(), 0.0) for char in text])


def _costs(text: str, tongue: str) -> np.ndarray:
    """How odd each character [characters] beyond ASCII is in a language, 0 to 1; NaN for ASCII.

    A letter of another alphabet, a capital after a small letter, a word in two scripts, a sign beside letters. Where an
    alphabet is not Latin, every letter costs if the common ones are rare: one such encoding read as another.
    """
    alphabet = ALPHABETS.get(tongue, "")
    latin = _latin(tongue)
    costs = np.full(len(text), np.nan)
    padded = f" {text} "
    for at, char in enumerate(text):
        if char.isascii():
            continue
        before, after = padded[at], padded[at + 2]
        if not (char.isalpha() or unicodedata.category(char) == "Mn"):
            costs[at] = _of_a_sign(char, before, after, tongue)
        elif _misplaced(char, before, after):
            costs[at] = 1
        else:
            small = char.lower()[0]
            costs[at] = 0 if small in alphabet else 0.5 if latin and small in LOANS else 1
    letters = [char for char in text.lower() if char.isalpha() and not char.isascii()]
    if not latin and sum(char in alphabet[:COMMONEST] for char in letters) < 0.5 * len(letters):
        costs[np.isfinite(costs)] = 1
    return costs


@functools.cache
def _latin(tongue: str) -> bool:
    return languages.script(ALPHABETS.get(tongue, "")) in ("Latin", "")


def _misplaced(char: str, before: str, after: str) -> bool:
    """Whether a letter cannot stand between two other characters."""
    if (char.isupper() and before.islower()) or (char.islower() and char != "ß" and after.isupper()):
        return True
    if char in FINAL and after.isalpha() or char == "σ" and before.isalpha() and not (after.isalpha() or after in "'’"):
        return True
    own = languages.script(char)
    return any(other.isalpha() and languages.script(other) != own for other in (before, after)) and own != "Thai"


def _of_a_sign(char: str, before: str, after: str, tongue: str) -> float:
    """What a character costs that is no letter, between two others."""
    if char not in MARKS:
        return 1 if before.isalpha() or after.isalpha() else 0.5
    if char in "„‚" and before.isalpha():
        return 1
    if before.isalpha() and after.isalpha():
        return 0 if char in INNER else 0.5 if char in "…—" else 1
    if char in "·\xa0" and (before.isalpha() or after.isalpha()):
        return 0.7
    if char == "–" and (before.isalpha() or after.isalpha()):
        return 0.5
    return 0.5 if char in "”…’" and after.isalpha() and not (char == "’" and tongue == "en") else 0


def _wide_costs(text: str, encoding: str) -> np.ndarray:
    """As `_costs`, for Chinese, Japanese and Korean: a character that is not among the common ones of its standard."""
    tongue, found = WIDE[encoding], []
    costs = np.full(len(text), np.nan)
    padded = f" {text} "
    for at, char in enumerate(text):
        if char.isascii():
            continue
        block = languages.script(char)
        found.append("kana" if block in ("Hiragana", "Katakana") else "common" if char in HAN else block)
        if padded[at].isascii() and padded[at].isalpha() and char.isalpha():
            costs[at] = 1  # accented letters of a Latin text, taken for halves of a character
        elif not char.isalnum():
            costs[at] = 0 if unicodedata.category(char)[0] in "PZ" or char in "～♪♥☆★○●" else 1
        elif "\uff61" <= char <= "\uff9f":  # half-width kana: what other bytes look like in Shift-JIS
            costs[at] = 1
        elif block in ("Hiragana", "Katakana"):
            costs[at] = 0 if tongue == "ja" else 1
        elif block in ("Han", "Hangul"):
            costs[at] = 0 if _common(char, encoding) else 1
        else:
            costs[at] = 0 if unicodedata.name(char, "").startswith("FULLWIDTH") else 1
    if encoding == "big5hkscs" and len(found) > LEAST_OTHER:
        second = [char.encode(encoding)[-1] for char in text if not char.isascii()]
        if sum(byte < 0x7F for byte in second) < 0.1 * len(second):
            costs[np.isfinite(costs)] = 1  # a text in Big5 uses all its second bytes, other encodings only high ones
    least = {"ja": ("kana", 0.15), "zh": ("common", 0.16), "ko": ("Hangul", 0.9)}[tongue]
    if found.count(least[0]) < least[1] * len(found):
        costs[np.isfinite(costs)] = 1  # no song does without
    return costs


def _common(char: str, encoding: str) -> bool:
    """Whether a character is in the first level, of common ones, of its standard."""
    standard, first, last = {
        "gb18030": ("gb2312", 0xB0, 0xD7), "big5hkscs": ("big5", 0xA4, 0xC6), "cp949": ("euc_kr", 0xB0, 0xC8),
    }.get(encoding, ("euc_jp", 0xB0, 0xCF))
    try:
        return first <= char.encode(standard)[0] <= last
    except UnicodeEncodeError:
        return False
