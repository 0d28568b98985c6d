"""What a file is, by its first bytes; its ending is asked only where they say nothing.

Whether a file is audio is for the decoders to say (`lib.corpora.decoding`). Here is told what surely is none: text,
pictures, archives, lists of files, and what stands in for audio that is not there.
"""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Literal, NamedTuple

HEAD = 2048  # bytes that are looked at

Family = Literal["text", "picture", "table or data", "archive", "document", "hidden", "list", "pointer", "no sound", ""]


class Kind(NamedTuple):
    """`family` is "" where only a decoder can say; `name` is a phrase for messages ("a PNG image")."""

    family: Family
    name: str = ""


POINTER = Kind("pointer", "a Git LFS pointer, not the file itself: run git lfs pull")
UNKNOWN = Kind("")
_MAGIC: tuple[tuple[int, bytes, Kind], ...] = (  # offset, bytes there
    (0, b"\xff\xd8\xff", Kind("picture", "a JPEG image")),
    (0, b"\x89PNG\r\n\x1a\n", Kind("picture", "a PNG image")),
    (0, b"GIF8", Kind("picture", "a GIF image")),
    (8, b"WEBP", Kind("picture", "a WebP image")),
    (4, b"ftypavif", Kind("picture", "an AVIF image")),
    (4, b"ftyphei", Kind("picture", "a HEIF image")),
    (4, b"ftypmif1", Kind("picture", "a HEIF image")),
    (0, b"II*\0", Kind("picture", "a TIFF image")),
    (0, b"MM\0*", Kind("picture", "a TIFF image")),
    (0, b"8BPS", Kind("picture", "a Photoshop image")),
    (0, b"PK\x03\x04", Kind("archive", "a zip archive")),
    (0, b"PK\x05\x06", Kind("archive", "an empty zip archive")),
    (0, b"Rar!\x1a\x07", Kind("archive", "a RAR archive")),
    (0, b"7z\xbc\xaf\x27\x1c", Kind("archive", "a 7z archive")),
    (0, b"\x1f\x8b\x08", Kind("archive", "a gzip archive")),
    (0, b"BZh", Kind("archive", "a bzip2 archive")),
    (0, b"\xfd7zXZ\0", Kind("archive", "an xz archive")),
    (0, b"\x28\xb5\x2f\xfd", Kind("archive", "a Zstandard archive")),
    (257, b"ustar", Kind("archive", "a tar archive")),
    (0, b"%PDF-", Kind("document", "a PDF document")),
    (0, b"{\\rtf", Kind("document", "an RTF document")),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Kind("document", "an old Office document")),
    (0, b"\x93NUMPY", Kind("table or data", "a numpy array")),
    (0, b"\x89HDF\r\n\x1a\n", Kind("table or data", "an HDF5 file")),
    (0, b"PAR1", Kind("table or data", "a Parquet table")),
    (0, b"SQLite format 3\0", Kind("table or data", "an SQLite database")),
    (0, b"MThd", Kind("no sound", "a MIDI file: notes without sound")),
)
_TEXT: tuple[tuple[str, Kind], ...] = (  # a pattern that the text begins with
    (r"version https://git-lfs\.github\.com", POINTER),
    (r"#EXTM3U|#EXT-X-|#EXTINF", Kind("list", "a playlist (M3U): it names files and holds none")),
    (r"\[playlist\]", Kind("list", "a playlist (PLS): it names files and holds none")),
    (r"ffconcat version", Kind("list", "a list for FFmpeg's concat: it names files and holds none")),
    (r"<asx\b|(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)?<(playlist|smil|MPD)\b",
     Kind("list", "a playlist (XML): it names files and holds none")),
    (r"v=0\s+o=", Kind("list", "a session description (SDP): it names streams and holds none")),
    (r"(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)?(<!doctype html|<html|<head|<body)", Kind("text", "an HTML page")),
    (r"(<\?xml[^>]*>\s*)?(<!--.*?-->\s*|<!doctype svg.*?>\s*)*<svg", Kind("picture", "an SVG image")),
    (r"<\?xml", Kind("text", "an XML file")),
    (r"[{\[]\s*[\"{\[]", Kind("text", "a JSON file")),
)
_BY_ENDING: dict[Family, str] = {  # asked where the bytes say nothing
    "text": "txt md rst lrc srt vtt ass ttml log nfo ini cfg conf json jsonl xml html htm css js py ipynb r m tex bib"
            " sfv md5 sha1 sha256 url yml yaml toml lab textgrid asc",
    "picture": "jpg jpeg jpe png gif bmp webp tif tiff svg ico heic heif avif psd eps xcf",
    "table or data": "csv tsv xls xlsx ods parquet feather npy npz pkl pickle h5 hdf5 mat pt pth arff rdata db sqlite",
    "archive": "zip tar gz tgz bz2 xz 7z rar zst iso",
    "document": "pdf doc docx odt rtf epub ppt pptx",
}
_FAMILY = {ending: family for family, endings in _BY_ENDING.items() for ending in endings.split()}
_LISTS = {".m3u", ".m3u8", ".pls", ".cue", ".asx", ".xspf", ".wpl", ".ffconcat", ".mpd"}
# Not what is used: only which files say that they hold sound, so that a page called .mp3 gets its line
AUDIO_ENDINGS = frozenset(
    f".{ending}" for ending in
    "3g2 3gp aa aac aax ac3 adts aif aifc aiff amr ape asf au avi avr bwf caf dff dsf dts eac3 f4v flac flv gsm htk "
    "iff ircam kar m2a m2ts m4a m4b m4p m4r m4v mac mid midi mk3d mka mkv mlp mmf mov mp1 mp2 mp3 mp4 mpa mpc mpeg mpg "
    "mpga mts mxf nist nut oga ogg ogm ogv oma opus paf pcm pvf qcp qoa ra ram raw rf64 rm rmi sd2 sds sf shn snd sox "
    "sph spx svx tak tta voc vox vqf w64 wav wave webm wma wmv wv wve xi xwma".split()
)
_SYSTEM = {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx", "$recycle.bin", "system volume information",
           "@eadir", "lost+found"}


def is_hidden(name: str) -> bool:
    """A file or folder that people do not see: hidden ones, and what operating systems leave behind."""
    return name.startswith((".", "~$")) or name.lower() in _SYSTEM


def of(head: bytes, name: str) -> Kind:
    """What a file is that begins with these bytes (up to `HEAD`); family "" when only a decoder can say.

    `name` decides only what text is: a cue sheet and a playlist without a header line look like any other.
    """
    for offset, magic, kind in _MAGIC:
        if head.startswith(magic, offset):
            return kind
    text = _as_text(head)
    if text is None:
        return UNKNOWN
    for pattern, kind in _TEXT:
        if re.match(pattern, text, re.IGNORECASE | re.DOTALL):
            return kind
    if PurePath(name).suffix.lower() in _LISTS:
        return Kind("list", f"a list of files ({PurePath(name).suffix[1:].lower()}): it names files and holds none")
    return Kind("text", "text")


def by_ending(name: str) -> Family:
    """What the name alone says that a file is; "" when it says that it is sound, or nothing."""
    return _FAMILY.get(PurePath(name).suffix.lower().lstrip("."), "")


def says_audio(name: str) -> bool:
    """Does the ending say that there is sound in the file?"""
    return PurePath(name).suffix.lower() in AUDIO_ENDINGS


def _as_text(head: bytes) -> str | None:
    """The bytes as text, without byte order mark and leading blanks; None when they are none.

    Text has no control characters but those of lines; what encoding it is in does not matter here.
    """
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) and len(head) > 3 and not head.startswith(b"\xff\xfe\0\0"):
        text = head[: len(head) // 2 * 2].decode("utf-16", "replace")
    else:
        text = head.removeprefix(b"\xef\xbb\xbf").decode("latin-1")
    controls = re.search(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]", text)
    return None if controls or not text.strip() else text.lstrip()
