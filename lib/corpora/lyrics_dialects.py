"""Words out of time tags, subtitles and markup: what is sung, as lines of plain text, whatever it was written in.

LRC has many dialects. A time tag goes and leaves what stands around it as it is: "two<t> words" are two words and
"syl<t>la<t>bles" one. A number is a word unless it stands in the brackets or in the place of a time.
"""

from __future__ import annotations

import html
import re

import pysubs2
from bs4 import BeautifulSoup

# --- what a time looks like --------------------------------------------------------------------------------------
_CLOCK = r"[-+−]?\s{0,3}\d{1,6}(?:\s{0,3}:\s{0,3}\d{1,6}){1,3}"  # 0:01, 00:00:01
_FRACTION = r"(?:\s{0,3}[.,;]\s{0,3}\d{1,6})"
_TIME = rf"(?:{_CLOCK}{_FRACTION}?|\d{{1,3}}\.\d{{1,3}}\.\d{{1,6}})"
_TIMES = rf"{_TIME}(?:(?:\s{{0,3}}(?:-->|->|[-–—~,;|/])\s{{0,3}}|\s){_TIME}){{0,19}}"  # a range, or a list
_NUMBERS = r"[-+−]?\d{1,9}(?:[.,]\d{1,9}){0,3}\s?(?:ms|s)?"  # seconds, milliseconds, a start and a duration
_TAG = re.compile(rf"\[\s{{0,3}}(?:{_TIMES}|{_NUMBERS})\s{{0,3}}\]|<\s{{0,3}}(?:{_TIMES}|{_NUMBERS})\s{{0,3}}>"
                  rf"|\{{\s{{0,3}}(?:{_TIMES}|{_NUMBERS})\s{{0,3}}\}}|\(\s{{0,3}}{_CLOCK}{_FRACTION}\s{{0,3}}\)")
_ROUND_CLOCK = re.compile(rf"\(\s{{0,3}}{_TIMES}\s{{0,3}}\)")  # may be words, "(4:20)": only where most lines have one
_ROUND_NUMBERS = re.compile(r"\(\d{1,9},\d{1,9}(?:,\d{1,9})?\)")  # may be words, "(1,2,3)": only beside other tags
_BARE = re.compile(rf"^\s*(?:\d{{1,2}}(?::\d{{2}}){{1,2}}{_FRACTION}?(?:\s*[-–>]+\s*\d{{1,2}}(?::\d{{2}}){{1,2}}"
                   rf"{_FRACTION}?)?(?:[:=|]|\s+|$)|(?:\d+[.,]\d+\t){{1,2}})\s*")
_LINE_OF_MS = re.compile(r"^\s*\[\d+,\d+\]", re.MULTILINE)
_CUE = re.compile(r"^\s*(?:(?:\d+:)?\d+:\d+[.,]\d+\s*-->\s*(?:\d+:)?\d+:\d+[.,]\d+.*"
                  r"|\d+:\d\d:\d\d\.\d+,\d+:\d\d:\d\d\.\d+\s*)$", re.MULTILINE)

# --- what else is not sung ---------------------------------------------------------------------------------------
_KEYS = ("ar|artist|ti|title|al|album|au|author|lyricist|composer|by|creator|offset|length|re|ve|version|tool|"
         "key|id|la|lang|"
         "language|lr|mr|kana|total|hash|sign|qq|encoding|charset|ec|url|source|genre|year|date|track|bpm|comment|#")
_INSIDE = r"(?:[^\[\]\n]|\[[^\[\]\n]*\])*"
_HEADER = re.compile(rf"\[\s*({_KEYS})\s*:({_INSIDE})\]", re.IGNORECASE)
_SINGERS = ("bg|background|x-bg|v\\d{1,4}|m|f|d|both|all|male|female|man|woman|men|women|boy|girl|boys|girls|"
            "duet|group|choir|"
            "everyone|together|spoken|whispered|alle|beide|tous|todos|tutti|все|男|女|合")
_KEYED = re.compile(rf"\[\s*([^\W\d][\w #.'-]{{0,30}}?|\w?\d{{1,4}}|#)\s*:({_INSIDE})\]")
_SINGER = re.compile(rf"(?:{_SINGERS})", re.IGNORECASE)
_PREFIX = re.compile(r"^\s*(?:[vV]\d{1,4}|[MFD]|bg|Both|All|Male|Female|Duet|男|女|合|♂|♀)\s*:(?!\d)\s*")
_TIMES_SUNG = re.compile(r"[\[(]\s*(?:[x×]\s?\d{1,2}|\d{1,2}\s?[x×]|repeat(?:ed)?(?: x?\d+)?|bis|ter)\s*[\])]",
                         re.IGNORECASE)
_SECTIONS = ("verse|chorus|(?:pre|post)[- ]?chorus|bridge|intro|outro|hook|refrain|interlude|break(?:down)?|"
             "instrumental|solo|"
             "guitar|piano|drop|coda|skit|part|stanza|strophe|couplet|pont|estribillo|estrofa|verso|coro|puente|"
             "ritornello|strofa|ponte|refrão|refren|refrén|zwrotka|sloka|nakarat|припев|куплет|бридж|интро|аутро|"
             "проигрыш|"
             "вступление|副歌|主歌|前奏|间奏|間奏|尾奏|サビ|[AB]メロ|후렴|간주|music|musik|musique|música|музыка|"
             "音乐|音楽|applause|"
             "laugh\\w*|cheer\\w*|sigh\\w*|silence|beat|speaking|spoken|whisper\\w*|fade\\w*|repeat\\w*")
_SECTION = re.compile(rf"(?:{_SECTIONS})(?:x?\d+)?\b", re.IGNORECASE)
HEADING = 5  # words, as far as a line in square brackets names who sings, or what is heard
_SQUARE = re.compile(r"\[([^\[\]\n]{0,300})\]")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#x[0-9a-f]{1,6}|[a-z]\w{1,30});", re.IGNORECASE)
_UNSEEN = re.compile(r"<!--.{0,5000}?-->|<(rt|rp|script|style)\b[^<>]{0,300}>[^<]{0,5000}</\1>",
                     re.IGNORECASE | re.DOTALL)
_NEW_LINE = re.compile(r"<(?:br|/?p|/?div|/?li|/?tr)\b[^<>]{0,300}>|\\r?\\n|\\N|\\n", re.IGNORECASE)
_MARKUP = re.compile(r"</?[a-z][^<>\n]{0,300}>|\{[^{}\n]{0,300}\\[^{}\n]{0,300}\}|\{[a-z]:[^{}\n]{0,60}\}",
                     re.IGNORECASE)
_NOTES = re.compile("[♩♪♫♬♭♮♯🎵🎶🎤🎼]|\\\\h")
_BRACKETS = str.maketrans("［］【】〔〕＜＞〈〉‹›⟨⟩（）｛｝：", "[][][]<><><><>(){}:")
TIME = "\0"  # stands for a time tag within a line


def sung(text: str) -> str:
    """The words of a text in any of the dialects, line by line, each as often as it is sung."""
    text = _lines_of_a_format(text.replace("\0", ""))
    for _ in range(2):  # what was escaped twice
        text = _ENTITY.sub(lambda found: html.unescape(found[0]), text)
    text = text.translate(_BRACKETS)
    text = _NEW_LINE.sub("\n", _UNSEEN.sub("", text))
    lines = _timed(_HEADER.sub("", text).split("\n"))
    found, blank = [], True
    for line in lines:
        line = " ".join(line.replace(TIME, "").split())
        if line or not blank:
            found.append(line)
        blank = not line
    return "\n".join(found).strip()


def names(text: str) -> tuple[str, str]:
    """Artist and title that a text says of itself, in the tags of LRC or UltraStar; "" where it does not."""
    tags = {key.lower(): value.strip() for key, value in _HEADER.findall(text)}
    tags |= {key.lower(): value.strip() for key, value in re.findall(r"^#(ARTIST|TITLE):(.*)$", text, re.MULTILINE)}
    return tags.get("ar", tags.get("artist", "")), tags.get("ti", tags.get("title", ""))


# --- lines with time tags ----------------------------------------------------------------------------------------
def _timed(lines: list[str]) -> list[str]:
    """The lines without their times, which are `TIME` where they part a word; a line with several times comes again."""
    text, written = "\n".join(lines), sum(any(map(str.isalnum, line)) for line in lines)
    patterns = [_TAG]
    if 2 * sum(bool(_ROUND_CLOCK.match(line.lstrip())) for line in lines) >= max(written, 2):
        patterns.append(_ROUND_CLOCK)
    numbers = _ROUND_NUMBERS.findall(text)
    if numbers and (_LINE_OF_MS.search(text) or any(int(n) >= 100 for tag in numbers for n in re.findall(r"\d+", tag))):
        patterns.append(_ROUND_NUMBERS)
    bare = 2 * sum(bool(_BARE.match(line)) for line in lines) >= max(written, 2)
    tag = re.compile("|".join(pattern.pattern for pattern in patterns))
    parsed = [_parsed(_BARE.sub("", line) if bare else line, tag) for line in lines]
    spans = _are_spans([times for times, rest in parsed if rest.replace(TIME, "").strip()])
    blank = " " if _parted_by_tags([rest for _, rest in parsed]) else TIME
    found = []
    for times, rest in parsed:
        said = _said(rest, bool(times) or bare)
        again = 1 if spans or rest.count(TIME) else max(1, len(times))
        found += [said.replace(TIME, blank)] * (again if said.strip() else 1)
    return found


def _parsed(line: str, tag: re.Pattern) -> tuple[list[float], str]:
    """The different times at the start of a line, in the first one's brackets, and what follows, tags as `TIME`."""
    tags = tag.findall(line)
    line = tag.sub(TIME, line)
    start = re.match(rf"[\s{TIME}]*", line)[0]
    leading = tags[: start.count(TIME)]
    times = [time for tag in leading if tag[0] == leading[0][0] for time in _seconds(tag)]
    return list(dict.fromkeys(times)), line[len(start):]


def _seconds(tag: str) -> list[float]:
    """The times of a tag in seconds; of a range, and of numbers with commas, the first."""
    inner = tag[1:-1]
    if ":" not in inner:
        return [float(re.findall(r"\d+", inner)[0])]
    parts = re.findall(_TIME, inner)[:1] if re.search(r"->|\d\s*[-–—~]", inner) else re.findall(_TIME, inner)
    found = []
    for part in parts:
        whole, *rest = re.split(r"[.,;]", re.sub(r"\s", "", part))
        seconds = 0.0
        for number in whole.split(":"):
            seconds = 60 * seconds + abs(int(number.replace("−", "-") or 0))
        found.append(seconds + float(f"0.{rest[0]}" if rest else 0))
    return found


def _are_spans(times: list[list[float]]) -> bool:
    """Whether every line has two times, its start and its end, and none begins before another has ended."""
    return len(times) > 1 and all(len(two) == 2 for two in times) and all(
        start < end <= later[0] for (start, end), later in zip(times, times[1:], strict=False))


def _parted_by_tags(lines: list[str]) -> bool:
    """Whether the words of a text are parted by tags alone: no blanks in it, and lines too long for words."""
    inner = [line for line in lines if line.strip(TIME + " ").count(TIME)]
    if not inner or any(re.search(r"\s", line.strip(TIME + " ")) for line in inner):
        return False
    return sum(sum(map(str.isalnum, line)) for line in inner) > 15 * len(inner)


def _said(line: str, timed: bool) -> str:
    """A line without marks of who sings and how often; what stands in square brackets at its start is a heading, if it
    is called so or short and has no time."""
    for _ in range(2):  # a singer may stand in brackets, and before them
        line = _PREFIX.sub("", line).lstrip(TIME)
    line = _KEYED.sub(_keyed, _TIMES_SUNG.sub("", line))
    line = _MARKUP.sub("", _NOTES.sub(" ", line)).strip()
    first = _SQUARE.match(line)
    if first and not timed and TIME not in first[1]:
        alone = first.end() == len(line)
        if len(first[1].split()) <= HEADING and (alone or first[1][:1].isupper()):
            line = line[first.end():]
    return _SQUARE.sub(lambda found: "" if _SECTION.match(found[1].strip()) else found[1], line)


def _keyed(found: re.Match) -> str:
    """What is sung of "[key: value]": the value, if the key says who sings; else it is a heading or a header."""
    return f" {found[2]} " if _SINGER.fullmatch(found[1].strip()) else ""


# --- formats -----------------------------------------------------------------------------------------------------
def _lines_of_a_format(text: str) -> str:
    """The lines of what is no LRC: subtitles, TTML, UltraStar; any other text as it is."""
    start = text[:5000]
    if re.search(r"^\s*\[Script Info\]|^Dialogue:\s", start, re.MULTILINE | re.IGNORECASE):
        return _by_pysubs2(text, "ass")
    if re.search(r"<sami\b", start, re.IGNORECASE):
        return _by_pysubs2(text, "sami")
    if re.search(r"<tt\b", start):
        return _ttml(text)
    if found := re.findall(r'LyricContent="([^"]*)"', text):
        return html.unescape("\n".join(found))
    if re.search(r"^[:*FRG]\s\d+\s\d+\s-?\d+\s", text, re.MULTILINE) and re.search(r"^#\w+:", start, re.MULTILINE):
        return _ultrastar(text)
    return _cues(text) if _CUE.search(text) else text


def _by_pysubs2(text: str, name: str) -> str:
    try:
        events = pysubs2.SSAFile.from_string(text, format_=name)
    except (pysubs2.exceptions.Pysubs2Error, ValueError, IndexError, KeyError, NotImplementedError):
        return text
    lines = [event.plaintext for event in events if not (event.is_comment or event.is_drawing)]
    return "\n".join(lines) if lines else text


def _ttml(text: str) -> str:
    """The paragraphs of TTML. Its times are left to `_timed`: pysubs2 refuses some that players take."""
    page = BeautifulSoup(text, "html.parser")
    for line_break in page.find_all(["br", "tt:br"]):
        line_break.replace_with("\n")
    for span in page.find_all(["span", "tt:span"], begin=True):
        span.insert(0, "<0:00>")
    lines = []
    for paragraph in page.find_all(["p", "tt:p"]):
        parts = [" ".join(f"|{part}|".split())[1:-1] for part in paragraph.get_text().split("\n")]
        lines.append(" ".join(parts))
    return "\n".join(lines)


def _ultrastar(text: str) -> str:
    """The syllables of UltraStar's notes ": beat length pitch syllable", whose blanks part words; "~" holds a note."""
    line, lines = "", []
    for row in text.split("\n"):
        if found := re.match(r"[:*FRG]\s\d+\s\d+\s-?\d+ (.*)", row.rstrip("\r")):
            line += found[1].replace("~", "")
        elif row.startswith(("-", "P", "E")):
            lines, line = [*lines, line], ""
    return "\n".join([*lines, line])


def _cues(text: str) -> str:
    """The text of SRT, WebVTT and SBV: what follows a line of times, up to a blank line.

    pysubs2 would take a number that is sung for that of the next cue. Where words have times, captions roll: a line
    comes again without them until the next one pushes it away.
    """
    found: list[str] = []
    rolling = bool(re.search(r"<\d\d:\d\d[\d:.]*><c>", text))
    for block in re.split(r"\n[^\S\n]*\n", text):
        rows = block.strip("\n").split("\n")
        at = [number for number, row in enumerate(rows) if _CUE.match(row)]
        if not at and not found or re.match(r"\s*(NOTE|STYLE|REGION|WEBVTT)\b", rows[0]):
            continue
        for begin, end in zip(at or [-1], [*at[1:], len(rows) + 1], strict=True):
            part = rows[begin + 1: end]
            if end <= len(rows) and part and part[-1].strip().isdecimal():
                part = part[:-1]  # the number of the next cue
            for row in part:
                if not (rolling and "<c>" not in row and found and _MARKUP.sub("", _TAG.sub("", found[-1])) == row):
                    found.append(row)
    return "\n".join(found)
