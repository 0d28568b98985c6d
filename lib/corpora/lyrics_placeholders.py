"""What stands where words should: placeholders, error pages, what transcribers hear in silence, and what sites add.

A text is judged as a whole and only if it is short, so that no song that sings of music is lost.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from lib.corpora import languages, lyrics_dialects

SHORT = 15  # words, as far as a text can be a placeholder
INSTRUMENTAL, SOUNDS = "says that nothing is sung", "names sounds, no words"
MISSING, ERROR_PAGE, CLOSING = "says that the words are missing", "an error page", "what transcribers hear in silence"
EMPTY_VALUE, NO_WORDS = "an empty value", "no words"
KINDS = {  # kind of a placeholder -> the status of its entry
    INSTRUMENTAL: "instrumental", SOUNDS: "instrumental", MISSING: "empty", ERROR_PAGE: "empty", CLOSING: "empty",
    EMPTY_VALUE: "empty", NO_WORDS: "empty",
}

_VALUES = set(  # as `languages.plain` writes them
    "nan|n a|na|null|nil|none|nill|tbd|tba|tbc|todo|0|0 0|1|undefined|unknown|empty|missing|blank|false|true|not "
    "a number|"
    "no value|no data|xxx|test|lorem ipsum|wip|k a|s o|нет|keine|leer|vide|vacio|vuoto|無|无|없음|ref|n v t|n d|nd"
    .split("|")
)
_NOTHING_SUNG = re.compile(
    r"\b(instrumental\w*|strumental[ei]|instrumentaal|instrumentaln\w*|enstrumantal\w*|инструментал\w*|інструментал\w*|"
    r"ορχηστρικο\w*|karaoke version|no vocals?|without words|ohne gesang|ohne text|sans paroles|sin letra|senza testo|"
    r"sem letra|bez slow|bez slov|без слов|без слів)\b|インストゥルメンタル|インスト(曲|$)|纯音乐|純音樂|純音楽|"
    r"没有歌词|沒有歌詞|歌詞なし|"
    r"歌詞はありません|연주곡|가사 ?없음|경음악|موسيقى فقط|אינסטרומנטלי|บรรเลง"
)
_LYRICS = (
    r"(lyrics?|songtext\w*|liedtext\w*|letras?|paroles?|testo|testi|tekst\w*|text(y|ten|um|a)?|sanat|szoveg\w*|"
    r"dalszoveg\w*|"
    r"versuri\w*|sozleri|sarki sozu|текст\w*|слова|στιχοι|dainos|zodziai|vardi|song ?words?)"
)
_ABSENT = (
    r"(no|not|none|without|un|un ?available|missing|found|yet|soon|coming|unfortunately|sorry|cannot|can t|cant|"
    r"don t|dont|"
    r"kein\w*|nicht|fehl\w*|leider|aucune?|pas|non|indisponibles?|introuvables?|ninguna?|disponibles?|disponivel|"
    r"disponiveis|"
    r"nao|nessun\w*|disponibile|geen|niet|inte|ingen|ikke|ei|brak|nie|neni|nejsou|nincs\w*|nu|yok|bulunamadi|нет|не|"
    r"отсутств\w*|відсутн\w*|няма|nera|nav|δεν)"
)
_WORDS_MISSING = re.compile(
    rf"\b{_LYRICS}\b.*\b{_ABSENT}\b|\b{_ABSENT}\b.*\b{_LYRICS}\b|\blyrics unavailable\b|\bbe the first to add\b"
    r"|\bnot licen[sc]ed to display\b|\b(page|file|song|track) not found\b|^not found$|^coming soon$|^to be "
    r"(added|announced)$"
    r"|\b(yet|not yet|yet to be) (released|transcribed|available)\b|\bstay tuned\b"
    r"|暂无歌词|暫無歌詞|没有找到歌词|歌词不存在|歌词(暂)?未|歌詞未|歌詞が見つかりません|歌詞準備中|歌詞登録なし|"
    r"가사 ?준비|가사가 ?없|등록된 가사"
)
_PAGE = re.compile(
    r"((error|http|http error|status|code|https?)? ?(400|401|403|404|408|410|429|451|500|502|503|504)"
    r"( (bad|unauthorized|forbidden|access|not|page|file|request|gone|too many|unavailable|internal|server|"
    r"service|gateway|"
    r"error|ok|client|nginx)\b.*)?|bad gateway|gateway time ?out|service unavailable|internal server error|"
    r"too many requests|access denied|forbidden|unauthorized|just a moment|attention required.*|.*enable javascript.*|"
    r".*captcha.*|.*rate limit.*|page not found|request timed? ?out|.*temporarily unavailable.*|.*cloudflare.*)"
)
_HTML = re.compile(r"\s*(<!doctype html|<html\b|<\?xml[^>]*>\s*<(error|html)\b)", re.IGNORECASE)
_HEARD = re.compile(  # by speech recognisers, where nobody speaks
    r"((so |and |ok )?(thanks?|thank you)( you)?( all| guys| everyone| so much| very much)*( for (watching|"
    r"listening|viewing)"
    r"( (the|this|my|our) \w+)?| and see you.*)?|(please |don t forget to |dont forget to )*(like and |like "
    r"comment and )?"
    r"subscribe( to (my|our|the) channel)?|see you( in the)? next (time|video)|bye( bye)*|you|"
    r".*\bamara ?org\b.*|.*\b(subtitles|captions|captioning|transcript\w*|transcribed|translated) by\b.*|"
    r"untertitel\w* .*|"
    r"sous titr\w* .*|sottotitoli .*|subtitulos .*|legendas .*|ondertitel\w* .*|napisy .*|titulky .*|teksting av "
    r".*|undertexter .*|"
    r"altyazi .*|субтитры .*|редактор субтитров .*|продолжение следует|спасибо за (просмотр|внимание)|danke "
    r"furs? (zuschauen|"
    r"zusehen)|vielen dank( furs? .*)?|merci d avoir regarde.*|merci|gracias por ver.*|obrigad[oa] por assistir.*|"
    r"grazie per (la visione|aver guardato).*|dziekuje za (uwage|ogladanie)|ご視聴ありがとうございました|"
    r"チャンネル登録.*|字幕.{0,30}|"
    r"谢谢(观看|大家).{0,10}|謝謝(觀看|大家|收看).{0,10}|请不吝点赞.*|請不吝點贊.*|시청해 ?주셔서 ?감사합니다|"
    r"구독.*|mbc 뉴스.*|"
    r"www [\w ]+|copyright [\w ]+)"
)
_SOUND = re.compile(
    r"(music|musik|musique|musica|muzyka|hudba|zene|muzik|музыка|музика|μουσικη|音乐|音樂|音楽|음악|musiikkia|"
    r"applause|applaus|"
    r"applaudissements|aplausos|applausi|аплодисменты|掌声|拍手|laughter|laughs|laughing|cheering|cheers|silence|"
    r"noise|whistling|"
    r"humming|blank audio|playing|plays|ends|starts|continues|background|upbeat|soft|instrumental|solo|intro|"
    r"outro|guitar|piano|"
    r"drums?|foreign|singing in foreign language|inaudible|speaking in foreign language|crowd|audience|the|and|♪)"
)

# --- what sites add ----------------------------------------------------------------------------------------------
_ADDED = (
    re.compile(r"\A\s*\d+(?:[.,]\d+K?)? ?Contributors?[^\n]*? Lyrics(?:[^\n]{0,2000}?Read More\s*)?"),
    re.compile(r"\A\s*\d+(?:[.,]\d+K?)? ?Contributors?[^\n]*\n"),
    re.compile(r"^You might also like(?=\S|\s*$)", re.MULTILINE),
    re.compile(r"^See .{1,80}? Live *\n?Get tickets as low as \$?\d+", re.MULTILINE),
    re.compile(r"(?<=[^\s\d])\d*(?:\.\d+)?K?Embed\s*\Z|^\d*(?:\.\d+)?K?Embed\s*\Z|Embed ?Share ?Url:?.*\Z",
               re.MULTILINE),
    re.compile(r"^.*not for commercial use.*\n?(?:^\(\d{6,}\)\s*)?", re.MULTILINE | re.IGNORECASE),
    re.compile(  # credits: names of people, not words
        r"^\W{0,3}(?:(?:song)?writers?(?:\(s\))?|songwriters?|lyrics?(?: by)?|(?:written|composed|produced|"
        r"submitted|words|"
        r"music|powered|transcribed) by|producers?|composers?|source|last updated?|publisher|label|copyright|"
        r"[词詞曲]|作[词詞曲]|[编編]曲|歌手|演唱|制作人|製作人|混音|母带|出品|录音|吉他|和声|监制|原唱|翻唱|작사|"
        r"작곡|편곡)"
        r"\s*[:：][^\n]*\n?", re.MULTILINE | re.IGNORECASE,
    ),
    re.compile(
        r"^\W{0,3}(?:lyrics (?:powered|provided|licensed)\b.{0,40}\bby|submit corrections|thanks to .{1,80} for "
        r"(?:\w+ ){0,3}"
        r"lyrics|(?:songtext|liedtext) von .{1,60} [–-] |paroles de la chanson .{1,80} par |[©℗]|copyright "
        r".{0,60}\b\d{4}\b|"
        r"all rights reserved|https?://|www\.)[^\n]*\n?", re.MULTILINE | re.IGNORECASE,
    ),
    re.compile(
        r"^.{0,60}\b(?:azlyrics|metrolyrics|lyricsfreak|musixmatch|lyricfind|songmeanings|lyricsmode|rentanadviser|"
        r"lrcgenerator|amara\.org)\b.{0,40}\n?", re.MULTILINE | re.IGNORECASE,
    ),
    re.compile(r'^\{"t":\d.*\}\s*\n?', re.MULTILINE),
)


class Words(NamedTuple):
    """What is left of a text."""

    text: str  # what is sung, "" where `kind` says that it is a placeholder
    kind: str  # one of `KINDS`, or "" of words
    added: int  # pieces that a site had added, and that were taken off


def words(text: str) -> Words:
    """The words of a text as it stands in a file, with its time tags, brackets and markup."""
    if _HTML.match(text):
        return Words("", ERROR_PAGE, 0)
    sung, added = without_additions(lyrics_dialects.sung(text))
    left = any(map(str.isalnum, sung))
    kind = _kind_of(sung) or ("" if added and left else _kind_of(text))  # in `text` are also brackets, and additions
    if not kind and not left:
        kind = SOUNDS if any(note in text for note in "♪♫🎵🎶") else NO_WORDS
    return Words("" if kind else sung, kind, added)


def _kind_of(text: str) -> str:
    """The kind of placeholder that a text is, "" if it may be words."""
    lines = list(dict.fromkeys(filter(None, map(languages.plain, text[:5000].split("\n")))))
    said = " ".join(lines)
    if not lines or len(said.split()) > SHORT or len(said) > 150:
        return ""
    if said in _VALUES or set(lines) <= _VALUES:
        return EMPTY_VALUE
    if _NOTHING_SUNG.search(said):
        return INSTRUMENTAL
    if _PAGE.fullmatch(said):
        return ERROR_PAGE
    if _WORDS_MISSING.search(said):
        return MISSING
    if all(map(_HEARD.fullmatch, lines)):
        return CLOSING
    return SOUNDS if all(_SOUND.fullmatch(word) for word in said.split()) else ""


def without_additions(text: str) -> tuple[str, int]:
    """A text without what lyric sites add to it, and how many such pieces there were."""
    pieces = 0
    for pattern in _ADDED:
        text, found = pattern.subn("", text)
        pieces += found
    return text.strip(), pieces
