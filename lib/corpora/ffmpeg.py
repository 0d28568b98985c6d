"""FFmpeg, through PyAV: a file opened so that no other file and no network can be reached from it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import BinaryIO

import av
import numpy as np
from av.container import InputContainer

# Containers that hold audio and nothing but it, or audio beside pictures. Never lists of other files (hls, concat,
# dash, sdp, imf), nor forms without a header, which would take any bytes for samples (s16le, mulaw, g722, adp ...).
CONTAINERS = (
    "3gp", "aac", "ac3", "adx", "aea", "aiff", "amr", "ape", "asf", "ast", "au", "avi", "bonk", "brstm", "caf", "dsf",
    "dss", "dts", "dtshd", "eac3", "flac", "flv", "iff", "ircam", "loas", "matroska", "mlp", "mmf", "mov", "mp3", "mpc",
    "mpc8", "mpeg", "mpegts", "mxf", "nistsphere", "nut", "ogg", "oma", "osq", "pvf", "qcp", "qoa", "rka", "rm",
    "shn", "sox", "tak", "truehd", "tta", "voc", "vqf", "w64", "wav", "wavarc", "webm", "wsd", "wv", "xwma",
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


class Refused(Exception):
    """A decoder makes no samples of the file: the next one may, and else this is the reason."""


_NO_LENGTH = {"aac", "ac3", "amr", "dts", "eac3", "loas", "mlp", "mpeg", "mpegts", "truehd"}  # FFmpeg guesses it


def packets(stream: BinaryIO, longest: float) -> tuple[int, float, float | None, str]:
    """Of the best audio stream: Hz, seconds of its packets (or a bit more than `longest`), seconds that the header
    gives (None where it gives none), and the container's name. Nothing is decoded. Raises `Refused`.
    """
    stream.seek(0)
    try:
        with opened(stream) as container:
            found = container.streams.best("audio")
            if found is None:
                raise Refused("holds no sound, only pictures or text")
            if found.codec_context is None or not found.codec_context.sample_rate:
                raise Refused("is encrypted, or in a format that FFmpeg cannot decode")
            rate, name, seconds = found.codec_context.sample_rate, container.format.name, 0.0
            claimed = found.duration * found.time_base if found.duration else (container.duration or 0) / av.time_base
            with contextlib.suppress(av.FFmpegError):  # damaged from here on
                for packet in container.demux(found):
                    seconds += float((packet.duration or 0) * found.time_base)
                    if seconds > longest:
                        break
            return rate, seconds, None if name in _NO_LENGTH else float(claimed) or None, name
    except (OSError, ValueError, av.FFmpegError) as error:
        raise Refused from error


def samples(stream: BinaryIO, rate: int) -> Iterator[np.ndarray]:
    """float32 [samples, channels] of the best audio stream, frame by frame; what cannot be decoded is left out.

    Ends where the sample rate or the number of channels changes: another recording begins.
    """
    stream.seek(0)
    channels = 0
    with contextlib.suppress(OSError, ValueError, av.FFmpegError), opened(stream) as container:
        for packet in container.demux(container.streams.best("audio")):
            frames: list[av.AudioFrame] = []
            with contextlib.suppress(av.FFmpegError):
                frames = packet.decode()
            for frame in frames:
                block = _floats(frame)
                channels = channels or block.shape[1]
                if frame.sample_rate != rate or block.shape[1] != channels:
                    return
                yield block


def _floats(frame: av.AudioFrame) -> np.ndarray:
    """A frame as float32 [samples, channels], full scale 1, as libsndfile has it."""
    y = frame.to_ndarray()
    y = y.T if frame.format.is_planar else y.reshape(-1, len(frame.layout.channels))
    if y.dtype == np.uint8:
        return (y.astype(np.float32) - 128) / 128
    if y.dtype.kind == "i":
        return y.astype(np.float32) / np.float32(2 ** (8 * y.itemsize - 1))
    return y.astype(np.float32)
