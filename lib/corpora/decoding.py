"""One audio file, decoded: by libsndfile, or by FFmpeg where libsndfile cannot; what its header claims is not believed.

A file's bytes are read once, hashed, and these bytes are decoded: whatever happens to the file meanwhile, the samples
belong to the hash. No decoder ever learns the file's name, so none can open its neighbours.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import stat
import struct
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

import av
import numpy as np
import soundfile

from lib.corpora import ffmpeg, kinds
from lib.corpora.ffmpeg import Refused
from lib.corpora.items import Sound
from lib.store.errors import Unusable

SAMPLE_RATES = (1_000, 768_000)  # Hz; anything else is a damaged header, and would ask for absurd amounts of memory
BLOCK = 2**20  # samples decoded at a time, all channels together
IN_MEMORY = 2**26  # bytes; larger files are read twice, and refused if they changed in between
LARGEST = 2**33  # bytes of a file
LONGEST = 6 * 3600.0  # seconds that are looked at where every second must be decoded
SILENCE = 1e-4  # samples that span less than this (-80 dBFS) are silent
CANCELLED = 1e-2  # of the channels' mean power: a mono mix below it (20 dB) has lost what the channels hold
PADDING = 0.1  # seconds that codecs may add at both ends
OFF = 0.05  # share by which header and content may differ without a note


class _Opened(NamedTuple):
    """A file in one of the two decoders."""

    rate: int  # Hz
    frames: int  # samples a channel, as far as the decoder knows without decoding
    claimed: float | None  # seconds that the header gives; None where it gives none
    blocks: Callable[[int], Iterator[np.ndarray]]  # float32 [samples, channels] from a sample on, while there are any
    reaches: Callable[[], bool] = lambda: True  # is the last of `frames` there?
    at_end: Callable[[], bool] = lambda: True  # after the last block: is it the end of the file?


# --- reading -----------------------------------------------------------------------------------------------------
def read(path: str, max_seconds: float) -> Sound:
    """Decode a file to mono at its own sample rate: the middle `max_seconds` seconds of a longer one.

    Where the middle is silent, the loudest part; where channels cancel each other, the loudest channel: `note` says
    so. Decodes block by block, so memory is bounded whatever the file claims. Raises `Unusable` with the reason.
    """
    with _bytes(path) as (file, print_of):
        return _decode(file, max_seconds)._replace(source=print_of)


def fingerprint(path: str) -> str:
    """SHA-256 of the file's bytes. Raises `Unusable` when it cannot be read."""
    with _regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def opens(path: str) -> bool:
    """Does a decoder take this for audio? Nothing is decoded."""
    with contextlib.suppress(Unusable), _regular(path) as file:
        with contextlib.suppress(soundfile.LibsndfileError), soundfile.SoundFile(file):
            return True
        file.seek(0)
        with contextlib.suppress(OSError, ValueError, av.FFmpegError), ffmpeg.opened(file) as container:
            return bool(container.streams.audio)
    return False


@contextlib.contextmanager
def _regular(path: str) -> Iterator[BinaryIO]:
    """A regular file, open, without its name. Raises `Unusable` for anything else, also when reading it fails."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # opening a pipe would wait for whoever writes into it
            raise Unusable("not a regular file")
        with ffmpeg.unnamed(path) as file:
            yield file
    except (OSError, ValueError) as error:
        raise Unusable(f"cannot be read: {getattr(error, 'strerror', None) or error}") from error


@contextlib.contextmanager
def _bytes(path: str) -> Iterator[tuple[BinaryIO, str]]:
    """A file's bytes, to be decoded, and their SHA-256."""
    with _regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size == 0:
            raise Unusable("empty file (0 bytes)")
        if size > LARGEST:
            raise Unusable(f"larger than {LARGEST / 2**30:g} GiB: cut it")
        if size <= IN_MEMORY:
            content = file.read(size)
            yield io.BytesIO(content), hashlib.sha256(content).hexdigest()
            return
        before = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
        yield file, before
        file.seek(0)
        if hashlib.file_digest(file, "sha256").hexdigest() != before:
            raise Unusable("changed while it was read: run again when nobody writes into it")


def _decode(file: BinaryIO, max_seconds: float) -> Sound:
    why = ""
    for decoder in (_libsndfile, _ffmpeg):
        file.seek(0)
        try:
            with decoder(file) as opened:
                return _part(opened, max_seconds)
        except Refused as refused:
            why = str(refused) or why
    raise Unusable(_what_it_is(file, why) or "cannot be decoded: no audio file, or a damaged one")


# --- the part that is used ---------------------------------------------------------------------------------------
def _part(opened: _Opened, max_seconds: float) -> Sound:
    """The middle of what can be decoded, or the loudest part where that is silent, as one channel."""
    if not SAMPLE_RATES[0] <= opened.rate <= SAMPLE_RATES[1]:
        raise Unusable(f"sample rate of {opened.rate} Hz")
    wanted = int(max_seconds * opened.rate)
    length = opened.frames if opened.frames <= wanted or opened.reaches() else _count(opened)
    y, notes = _mono(opened, max(0, length - wanted) // 2, wanted)
    if len(y) < (1 - OFF) * min(wanted, length) and length > wanted:  # packets are there that cannot be decoded
        length = _count(opened)
        y, notes = _mono(opened, max(0, length - wanted) // 2, wanted)
    if length <= wanted:
        if not opened.at_end():
            raise Refused
        length = len(y)
    if not len(y):
        raise Refused("holds no samples")
    if length > len(y) and np.ptp(y) < SILENCE:
        loud, more = _mono(opened, _loudest(opened, wanted), wanted)
        if np.ptp(loud) >= SILENCE:
            y, notes = loud, [f"its middle is silent: the loudest {max_seconds:g} s are used", *more]
    return Sound(y, opened.rate, "; ".join([*notes, *_about_length(length, opened)]))


def _about_length(length: int, opened: _Opened) -> list[str]:
    """A note where the header gives another length than there is, by more than codecs add at both ends."""
    seconds, claimed = length / opened.rate, opened.claimed
    if length == int(LONGEST * opened.rate):
        return [f"very long: only its first {LONGEST / 3600:g} h were looked at"]
    if claimed is not None and abs(claimed - seconds) > max(OFF * max(claimed, seconds), PADDING):
        return [f"its header gives {claimed:.1f} s, {seconds:.1f} s can be decoded"]
    return []


def _mono(opened: _Opened, start: int, wanted: int) -> tuple[np.ndarray, list[str]]:
    """`wanted` samples from `start`: the mean of the channels, or the loudest one where they cancel each other."""
    y, power, mixed = _mix(opened, start, wanted)
    if len(power) == 1:
        return y, []
    mean = power.mean() if np.isfinite(power).all() else 0.0  # what is not finite is refused later, with that reason
    if mean <= SILENCE**2 or mixed >= CANCELLED * mean:
        return y, []
    loudest = int(np.argmax(power > 0.9 * power.max()))  # the first of those alike
    mixed = np.var(y, dtype=np.float64)
    lost = f"{10 * np.log10(mean / mixed):.0f} dB below them" if mixed > CANCELLED * SILENCE**2 else "silent"
    y, *_ = _mix(opened, start, wanted, loudest)
    return y, [f"its channels cancel each other (the mono mix is {lost}): channel {loudest + 1} alone is used"]


def _mix(opened: _Opened, start: int, wanted: int, channel: int | None = None) -> tuple[np.ndarray, np.ndarray, float]:
    """The mean of the channels, or one of them, float32 [samples]; each channel's variance, and that of the mean.

    Of a single channel nothing is asked: its variances are zero.
    """
    parts: list[np.ndarray] = []
    sums, products, n = np.zeros(1), np.zeros((1, 1)), 0
    with contextlib.closing(opened.blocks(start)) as blocks, np.errstate(all="ignore"):
        for block in blocks:
            block = block[: wanted - n]
            n += len(block)
            channels = block.shape[1]
            if channels == 1 or channel is not None:
                parts.append(block[:, channel or 0])
            else:  # products with vectors: numpy's own means along short rows take ten times as long
                half = np.full(2, 0.5, np.float32)
                parts.append(block @ half if channels == 2 else block.mean(axis=1))
                sums = sums + (np.ones(len(block), np.float32) @ block).astype(np.float64)
                products = products + (block.T @ block).astype(np.float64)
            if n >= wanted:
                break
        means = sums / max(n, 1)
        covariance = products / max(n, 1) - np.outer(means, means)
    y = np.concatenate(parts) if len(parts) > 1 else parts[0] if parts else np.zeros(0, np.float32)
    return y, np.diagonal(covariance), float(covariance.mean())


def _count(opened: _Opened) -> int:
    """Samples a channel that can be decoded, by decoding them."""
    n = 0
    with contextlib.closing(opened.blocks(0)) as blocks:
        for block in blocks:
            n += len(block)
            if n >= LONGEST * opened.rate:
                break
    return min(n, int(LONGEST * opened.rate))


def _loudest(opened: _Opened, wanted: int) -> int:
    """Where the loudest `wanted` samples begin, to a quarter of a second."""
    hop, energy, n = max(1, opened.rate // 4), np.zeros(0), 0
    with contextlib.closing(opened.blocks(0)) as blocks:
        for block in blocks:
            where = (n + np.arange(len(block))) // hop
            found = np.bincount(where, np.square(block, dtype=np.float64).sum(axis=1))
            energy = found + np.pad(energy, (0, len(found) - len(energy)))
            n += len(block)
            if n >= LONGEST * opened.rate:
                break
    total = np.cumsum(np.pad(energy, (1, 0)))
    span = max(1, min(wanted // hop, len(energy)))
    return min(int(np.argmax(total[span:] - total[:-span])) * hop, max(0, n - wanted))


# --- the decoders ------------------------------------------------------------------------------------------------
@contextlib.contextmanager
def _libsndfile(stream: BinaryIO) -> Iterator[_Opened]:
    tag = _mpeg_length_tag(stream)
    try:
        file = soundfile.SoundFile(stream)
    except soundfile.LibsndfileError as error:
        raise Refused from error
    with file:
        if not 0 < file.frames < 2**53:  # a stream of unknown length
            raise Refused("holds no samples")
        mpeg = file.format == "MP3"
        size = _size(stream)

        def blocks(start: int) -> Iterator[np.ndarray]:
            many = max(1, BLOCK // file.channels)
            with contextlib.suppress(soundfile.LibsndfileError):  # damaged from here on
                file.seek(start)
                while len(block := file.read(many, dtype="float32", always_2d=True)):
                    yield block

        def at_end() -> bool:
            """MPEG audio without a length in it is as long as the first frames suggest: is there more?"""
            return not mpeg or stream.tell() > (1 - OFF) * size

        def reaches() -> bool:
            with contextlib.suppress(soundfile.LibsndfileError):
                file.seek(file.frames - 1)
                if len(file.read(1)):
                    if not at_end():
                        raise Refused
                    return True
            return False

        claimed = None if mpeg and not tag else file.frames / file.samplerate * _cut(file)
        yield _Opened(file.samplerate, file.frames, claimed, blocks, reaches, at_end)


def _cut(file: soundfile.SoundFile) -> float:
    """How many times longer the header says that the samples are; 1 where it says the truth, or that it is unknown.

    libsndfile trusts the file's size, and notes in its log what it did not believe.
    """
    chunk = "riff(?: size)?" if file.format in ("W64", "RF64") else "data|data size|ssnd|body"
    found = re.search(rf"(?im)^\s*(?:{chunk})\s*:\s*(\d+) \(should be (\d+)\)", file.extra_info)
    if not found or not int(found[2]) or int(found[1]) >= 0x7FFF0000:
        return 1.0
    return max(1.0, int(found[1]) / int(found[2]))


def _caf_cut(stream: BinaryIO) -> float:
    """The same of a CAF file, of which FFmpeg says only what is there: its data chunk against the file's end."""
    at = 8
    while True:
        stream.seek(at)
        head = stream.read(12)
        name, size = struct.unpack(">4sq", head) if len(head) == 12 else (b"", -1)
        if size < 0:  # the end, or data of unknown length
            return 1.0
        if name == b"data":
            return max(1.0, size / max(1, _size(stream) - at - 12))
        at += 12 + size


def _mpeg_length_tag(stream: BinaryIO) -> bool:
    """Does MPEG audio begin with a frame that tells its length (Xing, Info, VBRI)? Leaves the stream at its start."""
    head = stream.read(10)
    if head[:3] == b"ID3":
        stream.seek(10 + _tag_size(head))
    found = re.search(rb"Xing|Info|VBRI", head + stream.read(kinds.HEAD))
    stream.seek(0)
    return bool(found)


def _tag_size(head: bytes) -> int:
    """Bytes of an ID3 tag after its first ten: seven bits a byte."""
    return sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))


@contextlib.contextmanager
def _ffmpeg(stream: BinaryIO) -> Iterator[_Opened]:
    tag = _mpeg_length_tag(stream)
    rate, seconds, claimed, name = ffmpeg.packets(stream, LONGEST)
    if name == "mp3" and not tag:
        claimed = None
    if name == "caf" and claimed is not None:
        claimed *= _caf_cut(stream)

    def blocks(start: int) -> Iterator[np.ndarray]:
        n = 0
        for block in ffmpeg.samples(stream, rate):
            n += len(block)
            if n > start:
                yield block[max(0, start - (n - len(block))) :]

    yield _Opened(rate, int(min(seconds, LONGEST) * rate), claimed, blocks)


# --- what it is instead ------------------------------------------------------------------------------------------
def _what_it_is(file: BinaryIO, why: str) -> str:
    """Why no decoder takes the file, as far as its bytes tell, or the decoder's own reason; "" when nobody knows."""
    file.seek(0)
    head = file.read(kinds.HEAD)
    kind = kinds.of(head, "")
    if kind.family:
        return kind.name if kind.family in ("pointer", "list", "no sound") else f"{kind.name}, not audio"
    if why:
        return why
    if head[:3] == b"ID3" and 10 + _tag_size(head) >= _size(file) - 128 or head[:3] == b"TAG":
        return "an MP3 tag without audio"
    if head[4:8] == b"ftyp":
        return "an MP4 file without what says where its sound is: cut short, or never finished"
    file.seek(0)
    if not any(file.read(2**20)):
        return "holds nothing but zeros"
    return ""


def _size(stream: BinaryIO) -> int:
    """Bytes of an open file; its position stays."""
    here = stream.tell()
    size = stream.seek(0, os.SEEK_END)
    stream.seek(here)
    return size
