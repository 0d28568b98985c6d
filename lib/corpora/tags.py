"""What audio files say of themselves: ID3, Vorbis comments, MP4 atoms, RIFF INFO and others, read through FFmpeg."""

from __future__ import annotations

import os
import stat

import av

from lib.corpora import ffmpeg

MAX_TEXT = 2000  # characters of a value: a longer one is a cover in disguise, or lyrics
_LIKE = {"tpe1": "artist", "tit2": "title", "talb": "album", "tcon": "genre", "year": "date", "tyer": "date"}
_OF_THE_CONTAINER = {"major_brand", "minor_version", "compatible_brands", "handler_name", "vendor_id", "encoder"}


def read(path: str | os.PathLike) -> dict[str, str]:
    """The tags of an audio file by lower-case name (artist, title, genre, album, date ...); {} when it has none.

    Values are trimmed, without control characters; empty ones are left out. Never raises: a file that cannot be read
    has no tags.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # opening a pipe would wait for whoever writes into it
            return {}
        with ffmpeg.unnamed(path) as file, ffmpeg.opened(file) as container:
            # Ogg keeps them with the stream; what the container says comes first
            sources = [container.metadata, *(stream.metadata for stream in container.streams.audio)]
    except (OSError, ValueError, av.FFmpegError):
        return {}
    found: dict[str, str] = {}
    for name, value in (pair for source in sources for pair in source.items()):
        name = name.strip().lower()
        text = " ".join("".join(c if c.isprintable() else " " for c in value[:MAX_TEXT]).split())
        if text and name not in _OF_THE_CONTAINER | {""} and (name, text) != ("language", "und"):
            found.setdefault(_LIKE.get(name, name), text)
    return found
