"""FFmpeg, through PyAV: a file opened so that no other file and no network can be reached from it."""

from __future__ import annotations

import os
from typing import BinaryIO

import av
from av.container import InputContainer

# Containers that hold audio and nothing but it, or audio beside pictures. Never lists of other files (hls, concat,
# dash, sdp, imf), nor forms without a header, which would take any bytes for samples (s16le, mulaw, g722, adp ...).
CONTAINERS = (
    "3gp", "aac", "ac3", "adx", "aea", "aiff", "amr", "ape", "asf", "ast", "au", "avi", "bonk", "brstm", "caf", "dsf",
    "dss", "dts", "dtshd", "eac3", "flac", "flv", "iff", "ircam", "loas", "matroska", "mlp", "mmf", "mov", "mp3", "mpc",
    "mpc8", "mpeg", "mpegts", "mxf", "nistsphere", "nut", "ogg", "oma", "osq", "paf", "pvf", "qcp", "qoa", "rka", "rm",
    "shn", "sox", "svx", "tak", "truehd", "tta", "voc", "vqf", "w64", "wav", "wavarc", "webm", "wsd", "wv", "xwma",
)
# No protocol is named: bytes come from the open file alone, and a container that asks for another one is refused
OPTIONS = {"format_whitelist": ",".join(CONTAINERS), "protocol_whitelist": "none", "enable_drefs": "0"}


def opened(file: BinaryIO) -> InputContainer:
    """The container in an open file (one that tells no path: bytes in memory, or opened by `unnamed`).

    A name would be a hint to what it holds, and the way to its neighbours. Raises `av.FFmpegError` when there is none
    of `CONTAINERS` in it.
    """
    return av.open(file, container_options=OPTIONS, metadata_errors="replace", buffer_size=2**18)


def unnamed(path: str | os.PathLike) -> BinaryIO:
    """A file opened for reading, its name unknown to whoever gets it."""
    return os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0)), "rb")
