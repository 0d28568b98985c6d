"""Words, scripts and languages of texts, whatever they are written in."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections import Counter

import pandas as pd

# Thai, Lao, Tibetan, Burmese, Khmer, Japanese and Chinese are written without spaces between words
SPACELESS = (
    "\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3041-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
_RUN = re.compile(f"[{SPACELESS}]+")
_ACCENTS = re.compile("([a-z\u0370-\u03ff])[\u0300-\u036f]+")  # of Latin and Greek; elsewhere marks are letters
_NAMES = {"CJK": "Han", "IDEOGRAPHIC": "Han", "KATAKANA-HIRAGANA": "Katakana"}
CONFIDENT = 0.7  # least probability that a guess gives itself
UNKNOWN = "undetermined"


class _Kept(dict):
    """For `str.translate`: letters, digits and marks stay, apostrophes and joiners go, all else parts words."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        kept = char if unicodedata.category(char)[0] in "LMN" else "" if char in "'’ʼ\u00ad\u200b\u200c\u200d" else " "
        self[code] = kept
        return kept


_KEPT = _Kept()


def plain(text: str) -> str:
    """A text without regard to case, compatibility forms, punctuation, and accents of Latin and Greek letters."""
    folded = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", text).casefold())
    folded = unicodedata.normalize("NFC", _ACCENTS.sub(r"\1", folded))
    return " ".join(folded.translate(_KEPT).split())


def words(text: str) -> list[str]:
    """The words of two letters or more; where a script has no spaces, its runs of two and of three letters."""
    text = plain(text)
    runs = _RUN.findall(text)
    found = [word for word in (_RUN.sub(" ", text) if runs else text).split() if len(word) > 1]
    for run in runs:
        found += [run[i : i + n] for n in (2, 3) for i in range(len(run) - n + 1)] or [run]
    return found


def script(text: str) -> str:
    """The script of most letters, by the first word of their Unicode names; "" where there are none."""
    counts: Counter[str] = Counter()
    for char, n in Counter(text).items():
        counts[_script(char)] += n
    del counts[""]
    return min(counts, key=lambda name: (-counts[name], name), default="")


@functools.cache
def _script(char: str) -> str:
    if unicodedata.category(char)[0] != "L":
        return ""
    name = unicodedata.name(unicodedata.normalize("NFKC", char)[0], "").split(" ")[0]
    return "" if name == "MODIFIER" else _NAMES.get(name, name.capitalize())


def language(text: str) -> str:
    """ISO 639 code of the language that a text seems to be in, or `UNKNOWN` where the guess is unsure ("la la la").

    A guess by py3langid (after Lui and Baldwin 2012), which takes a text to be in one language.
    """
    code, probability = _identifier().classify(text)
    return code if probability >= CONFIDENT else UNKNOWN


def ranked(text: str) -> list[tuple[str, float]]:
    """All languages that the text could be in, as (ISO 639 code, probability), likeliest first."""
    return _identifier().rank(text)


@functools.cache
def _identifier():
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # 1 to 2 s, and few need it

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def of_texts(texts: pd.Series) -> pd.DataFrame:
    """Script and language of each text that holds a letter: columns script, language, index as in `texts`."""
    found = {name: (script(text), language(text)) for name, text in texts.fillna("").items() if script(text)}
    return pd.DataFrame.from_dict(found, orient="index", columns=["script", "language"])


def summary(texts: pd.Series) -> pd.DataFrame:
    """How many texts are in which script and language, commonest first: script, language, texts, share."""
    counts = of_texts(texts).value_counts().rename("texts").reset_index()
    counts = counts.sort_values(["texts", "script", "language"], ascending=[False, True, True], ignore_index=True)
    return counts.assign(share=counts["texts"] / max(counts["texts"].sum(), 1))
