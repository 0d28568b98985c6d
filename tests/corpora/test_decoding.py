"""One file: what is decoded of it, and what is said of it."""

import hashlib
import io
import os
import struct
import tracemalloc

import av
import numpy as np
import pytest
import soundfile

from lib.corpora import decoding, ffmpeg, registry
from lib.corpora.items import Sound
from lib.features import audio, extraction
from lib.store.errors import Unusable
from lib.store.settings import load
from tests.sounds import SR, encode, noise, write


def music(seconds: float = 6.0, sr: int = SR) -> np.ndarray:
    """A tone of 220 Hz whose overtone comes and goes."""
    t = np.arange(int(seconds * sr)) / sr
    return (0.3 * np.sin(2 * np.pi * 220 * t) + 0.2 * np.sin(2 * np.pi * 660 * t) * (t % 0.5 < 0.1)).astype(np.float32)


def why_not(path) -> str:
    with pytest.raises(Unusable) as caught:
        decoding.read(str(path), 30.0)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def seconds_and_note(path, most=30.0) -> tuple[float, str]:
    sound = decoding.read(str(path), most)
    assert sound.y.dtype == np.float32 and sound.y.ndim == 1
    assert sound.source == hashlib.sha256(path.read_bytes()).hexdigest()
    return len(sound.y) / sound.sr, sound.note


# --- formats -----------------------------------------------------------------------------------------------------
LIBSNDFILE = [  # ending, format, subtype
    ("wav", "WAV", "PCM_16"), ("wav", "WAV", "PCM_U8"), ("wav", "WAV", "PCM_24"), ("wav", "WAV", "PCM_32"),
    ("wav", "WAV", "FLOAT"), ("wav", "WAV", "DOUBLE"), ("wav", "WAV", "ULAW"), ("wav", "WAV", "ALAW"),
    ("wav", "WAV", "IMA_ADPCM"), ("wav", "WAV", "MS_ADPCM"), ("wav", "WAVEX", "PCM_24"), ("rf64", "RF64", "PCM_16"),
    ("w64", "W64", "PCM_16"), ("aiff", "AIFF", "PCM_16"), ("aiff", "AIFF", "PCM_S8"), ("aifc", "AIFF", "FLOAT"),
    ("au", "AU", "PCM_16"), ("au", "AU", "ULAW"), ("snd", "AU", "FLOAT"), ("caf", "CAF", "PCM_24"),
    ("caf", "CAF", "ALAC_16"), ("flac", "FLAC", "PCM_16"), ("flac", "FLAC", "PCM_24"), ("ogg", "OGG", "VORBIS"),
    ("opus", "OGG", "OPUS"), ("mp3", "MP3", "MPEG_LAYER_III"), ("voc", "VOC", "PCM_16"), ("sf", "IRCAM", "PCM_16"),
    ("nist", "NIST", "PCM_16"), ("paf", "PAF", "PCM_16"), ("iff", "SVX", "PCM_16"), ("pvf", "PVF", "PCM_16"),
    ("avr", "AVR", "PCM_16"), ("htk", "HTK", "PCM_16"), ("mat", "MAT5", "PCM_16"),
]
FFMPEG = [  # ending, container, codec
    ("m4a", "ipod", "aac"), ("mp4", "mp4", "aac"), ("mov", "mov", "alac"), ("m4a", "ipod", "alac"),
    ("aac", "adts", "aac"),    ("wma", "asf", "wmav2"), ("wma", "asf", "wmav1"),
    ("webm", "webm", "libopus"), ("mka", "matroska", "libopus"),
    ("mka", "matroska", "flac"), ("ogg", "ogg", "flac"), ("mp4", "mp4", "libopus"), ("mp4", "mp4", "flac"),
    ("wv", "wv", "wavpack"), ("tta", "tta", "tta"), ("ac3", "ac3", "ac3"), ("eac3", "eac3", "eac3"),
    ("mp2", "mp2", "mp2"), ("ts", "mpegts", "aac"), ("avi", "avi", "pcm_s16le"), ("flv", "flv", "aac"),
    ("wav", "wav", "libmp3lame"),
    ("aifc", "aiff", "pcm_s24be"), ("caf", "caf", "pcm_s16le"), ("mka", "matroska", "libmp3lame"),
    ("oga", "oga", "flac"),
]


@pytest.mark.parametrize(("ending", "container", "subtype"), LIBSNDFILE)
def test_every_format_of_libsndfile(tmp_path, ending, container, subtype):
    sr = 48000 if subtype == "OPUS" else 44100
    path = write(tmp_path / f"a.{ending}", music(3.0, sr), sr, format=container, subtype=subtype)
    length, note = seconds_and_note(path)
    assert length == pytest.approx(3, abs=0.06) and not note
    assert np.std(decoding.read(str(path), 30.0).y) == pytest.approx(np.std(music(3.0)), rel=0.03)


@pytest.mark.parametrize(("ending", "container", "codec"), FFMPEG)
def test_every_format_of_ffmpeg(tmp_path, ending, container, codec):
    path = encode(tmp_path / f"a.{ending}", music(3.0, 48000), container, codec, 48000)
    length, note = seconds_and_note(path)
    assert length == pytest.approx(3, abs=0.12) and not note
    assert np.std(decoding.read(str(path), 30.0).y) == pytest.approx(np.std(music(3.0)), rel=0.06)  # LAME takes 5 % off


def flac(samples: np.ndarray, bits: int, total: bool = True) -> bytes:
    """A FLAC file of plain (verbatim) frames [samples], with any number of bits and, if wished, no length."""

    def crc(data: bytes, polynomial: int, width: int) -> bytes:
        value = 0
        for byte in data:
            value ^= byte << (width - 8)
            for _ in range(8):
                value = (value << 1 ^ (polynomial if value >> (width - 1) else 0)) & (1 << width) - 1
        return value.to_bytes(width // 8, "big")

    n, block = len(samples), 4096
    about = (SR << 44 | (bits - 1) << 36 | (n if total else 0)).to_bytes(8, "big")
    out = [b"fLaC\x80\0\0\x22", struct.pack(">HH", block, block), bytes(6), about, bytes(16)]
    for number, start in enumerate(range(0, n, block)):
        some = samples[start : start + block]
        header = bytes([0xFF, 0xF8, 0x70, 0x00, number]) + struct.pack(">H", len(some) - 1)  # rate, bits: as above
        header += crc(header, 0x07, 8)
        digits = "00000010" + "".join(format(int(value) & (1 << bits) - 1, f"0{bits}b") for value in some)
        digits += "0" * (-len(digits) % 8)
        frame = header + int(digits, 2).to_bytes(len(digits) // 8, "big")
        out += [frame, crc(frame, 0x8005, 16)]
    return b"".join(out)


@pytest.mark.parametrize("bits", [8, 12, 15, 16, 20, 24])
@pytest.mark.parametrize("total", [True, False])
def test_flac_of_any_depth_and_without_a_length(tmp_path, bits, total):
    samples = np.round(music(0.5) * 2 ** (bits - 1)).astype(int)
    (tmp_path / "a.flac").write_bytes(flac(samples, bits, total))
    sound = decoding.read(str(tmp_path / "a.flac"), 30.0)
    np.testing.assert_allclose(sound.y, samples / 2 ** (bits - 1), atol=1e-7)
    assert not sound.note


def test_stereo_is_the_mean_and_of_long_files_the_middle_is_used(tmp_path):
    ramp = np.linspace(-0.9, 0.9, 10 * SR, dtype=np.float32)
    both = np.stack([ramp, np.zeros_like(ramp)], axis=1)
    for path in (
        write(tmp_path / "stereo.wav", both, subtype="FLOAT"),
        encode(tmp_path / "stereo.mka", both, "matroska", "pcm_f32le"),
    ):
        sound = decoding.read(str(path), 2.0)
        assert sound.sr == SR and sound.y.shape == (2 * SR,)
        np.testing.assert_allclose(sound.y, ramp[4 * SR : 6 * SR] / 2, atol=1e-6)


# --- the two decoders agree ---------------------------------------------------------------------------------------
def by(decoder, content: bytes):
    with decoder(io.BytesIO(content)) as opened:
        return decoding._part(opened, 30.0)


def aligned(a: np.ndarray, b: np.ndarray, most: int = 5000) -> tuple[np.ndarray, np.ndarray]:
    """The two where they are most alike, moved against each other by at most so many samples."""
    n = min(len(a), len(b))
    spectrum = np.fft.rfft(a[:n], 2 * n) * np.conj(np.fft.rfft(b[:n], 2 * n))
    likeness = np.fft.irfft(spectrum)
    lag = int(np.argmax(np.r_[likeness[:most], likeness[-most:]]))
    lag = lag if lag < most else lag - 2 * most
    a, b = a[max(0, lag) :], b[max(0, -lag) :]
    n = min(len(a), len(b))
    return a[:n], b[:n]


# Not AVR, HTK, MAT5 and PAF, which FFmpeg does not know. Not MS_ADPCM, on which the two disagree: they round predicted
# samples otherwise (libsndfile down, FFmpeg towards zero), and predict from what was predicted
BOTH = [each for each in LIBSNDFILE if not {"AVR", "HTK", "MAT5", "PAF", "MS_ADPCM"} & set(each)]


@pytest.mark.parametrize(("ending", "container", "subtype"), BOTH)
def test_both_decoders_give_the_same_samples(tmp_path, ending, container, subtype):
    """Of lossy formats, which may start elsewhere, once aligned."""
    sr = 48000 if subtype == "OPUS" else SR
    content = write(tmp_path / f"a.{ending}", noise(0, sr=sr), sr, format=container, subtype=subtype).read_bytes()
    first, second = by(decoding._libsndfile, content), by(decoding._ffmpeg, content)
    assert first.sr == second.sr and abs(len(first.y) - len(second.y)) <= 2304
    np.testing.assert_allclose(*aligned(first.y, second.y), atol=5e-6)


@pytest.fixture(scope="module")
def tracks():
    """Ten tracks of the synthetic corpus, one of each genre."""
    items = {item.label: item for item in registry.open(load(settings={"n_tracks": 30, "seconds": 5.0})).items}
    assert len(items) == 10
    return [registry.read(item.spec).y for item in items.values()]


@pytest.mark.slow
@pytest.mark.parametrize(("ending", "container", "subtype"), BOTH)
def test_both_decoders_give_the_same_features(tmp_path, tracks, ending, container, subtype):
    """To a thousandth of what tracks differ by. Descriptors to a hundredth: in near silence, rounding has signs too."""
    values = {decoding._libsndfile: [], decoding._ffmpeg: []}
    for y in tracks:
        if subtype == "OPUS":
            y = audio.librosa.resample(y, orig_sr=SR, target_sr=48000)
        sr = 48000 if subtype == "OPUS" else SR
        content = write(tmp_path / f"a.{ending}", y, sr, format=container, subtype=subtype).read_bytes()
        sounds = [by(decoder, content).y for decoder in values]
        for rows, part in zip(values.values(), aligned(*sounds), strict=True):
            found = audio.extract(extraction._prepared(Sound(part, sr), 5.0), SR, 5.0)
            rows.append(np.r_[found["mfcc_delta"], list(found["descriptors"].values())])
    first, second = (np.stack(rows) for rows in values.values())
    worst = (np.abs(first - second) / first.std(axis=0)).max(axis=0)
    assert worst[:60].max() < 1e-3 and worst[60:].max() < 1e-2, worst


# --- headers -----------------------------------------------------------------------------------------------------
def wav_claiming(size: int, y: np.ndarray) -> bytes:
    whole = io.BytesIO()
    soundfile.write(whole, y, SR, format="WAV")
    content = whole.getvalue()
    return content[:40] + struct.pack("<I", size) + content[44:]


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFFFFF - 36])
def test_a_wav_from_a_pipe_is_as_long_as_it_is(tmp_path, size):
    (tmp_path / "a.wav").write_bytes(wav_claiming(size, music()))
    assert seconds_and_note(tmp_path / "a.wav") == (6.0, "")


def cut(path, share):
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    return path


LONG = {  # what each is written with
    "mp3": write, "flac": write, "wav": write, "aiff": write, "w64": write, "caf": write, "au": write,
    "m4a": lambda path, y: encode(path, y, "ipod", "alac", movflags="faststart"),
    "mka": lambda path, y: encode(path, y, "matroska", "flac"), "wv": lambda path, y: encode(path, y, "wv", "wavpack"),
}


@pytest.mark.slow
@pytest.mark.parametrize("ending", LONG)
@pytest.mark.parametrize("share", [0.4, 0.2])
def test_of_a_file_cut_short_the_middle_of_what_is_left(tmp_path, ending, share):
    """The sound says where it is: its pitch rises steadily. Its loudness too, so that no two parts are alike."""
    t = np.arange(60 * SR) / SR
    y = (0.3 * np.sin(2 * np.pi * (200 * t + 10 * t**2)) + 0.003 * noise(1, 60.0)).astype(np.float32)
    path = cut(LONG[ending](tmp_path / f"a.{ending}", y), share)
    length, note = seconds_and_note(path, 10.0)
    left = 60 * share  # of bytes: roughly of seconds
    assert length == pytest.approx(10.0) and "its header gives 60." in note and "can be decoded" in note
    sound = decoding.read(str(path), 10.0)
    crossings = np.sum(np.diff(np.signbit(sound.y))) / 2 / length
    middle = (crossings - 200) / 20
    assert middle == pytest.approx(left / 2, abs=0.15 * left)


def test_a_header_that_gives_an_hour_is_not_believed(tmp_path):
    (tmp_path / "a.wav").write_bytes(wav_claiming(2 * SR * 3600, music()))
    assert seconds_and_note(tmp_path / "a.wav") == (6.0, "its header gives 3600.0 s, 6.0 s can be decoded")


def test_a_wav_with_more_after_its_samples_is_no_lie(tmp_path):
    (tmp_path / "a.wav").write_bytes(write(tmp_path / "b.wav", music()).read_bytes() + b"LIST" + bytes(5000))
    assert seconds_and_note(tmp_path / "a.wav") == (6.0, "")


@pytest.mark.slow
@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("xing", ["0", "1"])
def test_mp3_without_a_length_is_as_long_as_it_is(tmp_path, order, xing):
    """Of a variable bit rate: what the first frames suggest is three times too much, or a third."""
    y = np.concatenate([np.zeros(20 * SR, np.float32), 3 * noise(0, 60.0)])[::order]
    how = {"write_xing": xing, "flags": "+qscale", "global_quality": "118"}
    path = encode(tmp_path / "a.mp3", y, "mp3", "libmp3lame", **how)
    length, note = seconds_and_note(path, 100.0)
    assert length == pytest.approx(80, abs=0.2) and not note
    loud = np.abs(decoding.read(str(path), 40.0).y) > 1e-3
    assert loud.mean() == pytest.approx(1.0, abs=0.02)  # its middle: 20 to 60 s


# --- channels ----------------------------------------------------------------------------------------------------
def rears_inverted(y):
    return np.stack([y, y, 0 * y, 0 * y, -y, -y], axis=1)


CANCELLING = {
    "opposite": lambda y: np.stack([y, -y], axis=1), "nearly": lambda y: np.stack([y, -0.99 * y], axis=1),
    "but for noise": lambda y: np.stack([y, -y + 1e-3 * noise(3, len(y) / SR)], axis=1),
    "22 dB": lambda y: np.stack([y, -0.85 * y], axis=1), "offset": lambda y: np.stack([y + 0.2, 0.2 - y], axis=1),
    "5.1": rears_inverted,
}
SOUND = {  # channels that do not cancel
    "same": lambda y: np.stack([y, y], axis=1), "one": lambda y: np.stack([0 * y, y], axis=1),
    "one of eight": lambda y: np.stack([0 * y] * 7 + [y], axis=1), "17 dB": lambda y: np.stack([y, -0.75 * y], axis=1),
    "others": lambda y: np.stack([noise(5, len(y) / SR), noise(6, len(y) / SR)], axis=1),
}


@pytest.mark.parametrize("name", CANCELLING)
@pytest.mark.parametrize("ending", ["wav", "mka"])
def test_where_channels_cancel_one_is_used(tmp_path, name, ending):
    y, path = music(3.0), tmp_path / f"a.{ending}"
    both = CANCELLING[name](y)
    write(path, both, subtype="FLOAT") if ending == "wav" else encode(path, both, "matroska", "pcm_f32le")
    sound = decoding.read(str(path), 30.0)
    assert "its channels cancel each other" in sound.note and "channel 1 alone" in sound.note
    np.testing.assert_allclose(sound.y, both[:, 0], atol=1e-6)
    assert audio.extract(sound.y, SR)["descriptors"]["spectral_centroid"] < 500


@pytest.mark.parametrize("name", SOUND)
def test_other_channels_are_mixed(tmp_path, name):
    both = SOUND[name](music(3.0))
    sound = decoding.read(str(write(tmp_path / "a.wav", both, subtype="FLOAT")), 30.0)
    assert not sound.note
    np.testing.assert_allclose(sound.y, both.mean(axis=1), atol=1e-6)


def test_silent_and_damaged_channels_are_left_to_those_who_refuse_them(tmp_path):
    for value in (0.0, np.nan, np.inf, 1e30):
        path = write(tmp_path / "a.wav", np.full((SR, 2), value, np.float32), subtype="FLOAT")
        assert seconds_and_note(path) == (1.0, "")


# --- silence -----------------------------------------------------------------------------------------------------
def silent(seconds):
    return np.zeros(int(seconds * SR), np.float32)


@pytest.mark.parametrize(
    ("parts", "loudest"),
    [  # seconds of silence (0) and music (1, or its level); where the loudest ten seconds begin
        ([(1, 6), (0, 40), (1, 6)], {0, 42}), ([(0, 40), (1, 12)], {40, 41, 42}), ([(1, 12), (0, 40)], {0, 1, 2}),
        ([(0.3, 10), (0, 40), (1, 10)], {50}), ([(1, 3), (0, 30), (0.5, 11), (0, 6)], {33, 34}),
    ],
)
@pytest.mark.parametrize("ending", ["flac", "mka"])
def test_where_the_middle_is_silent_the_loudest_part_is_used(tmp_path, parts, loudest, ending):
    y = np.concatenate([level * music(seconds) for level, seconds in parts])
    path = tmp_path / f"a.{ending}"
    write(path, y) if ending == "flac" else encode(path, y, "matroska", "flac")
    sound = decoding.read(str(path), 10.0)
    assert sound.note == "its middle is silent: the loudest 10 s are used" and len(sound.y) == 10 * SR
    best = min(np.abs(sound.y - y[s * SR : (s + 10) * SR]).max() for s in loudest)
    assert best < 1e-3 or np.std(sound.y) >= 0.99 * max(np.std(y[s * SR : (s + 10) * SR]) for s in loudest)


def test_a_silent_file_stays_silent(tmp_path):
    sound = decoding.read(str(write(tmp_path / "a.flac", silent(40))), 10.0)
    assert not sound.y.any() and len(sound.y) == 10 * SR and not sound.note


# --- what it is instead -------------------------------------------------------------------------------------------
def test_reasons_say_what_a_file_is(tmp_path):
    whole = encode(tmp_path / "whole.m4a", music(), "ipod", "aac").read_bytes()
    speech = io.BytesIO()
    soundfile.write(speech, music(), SR, format="WAV")
    expected = {
        b"": "empty file", b"ID3\x03\0\0\0\0\0\x0a" + bytes(10): "an MP3 tag without audio",
        b"TAG" + b"a title".ljust(125, b"\0"): "an MP3 tag without audio",
        b"ID3\x04\0\0\0\0\x10\0" + bytes(2048) + b"TAG" + bytes(125): "an MP3 tag without audio",
        b"<!DOCTYPE html><html><head><title>404</title>": "an HTML page, not audio",
        b"\n\n <HTML lang='en'>": "an HTML page, not audio",
        b"<?xml version='1.0'?>\n<!-- a comment -->\n<html>": "an HTML page, not audio",
        b"\xef\xbb\xbf{\"error\": 404}": "a JSON file, not audio",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n": "a Git LFS pointer",
        b"I am not a sound. " * 100: "text, not audio", "Käse".encode("utf-16"): "text, not audio",
        bytes(65536): "nothing but zeros", b"\x89PNG\r\n\x1a\n" + bytes(100): "a PNG image, not audio",
        b"PK\x03\x04" + bytes(100): "a zip archive, not audio", b"%PDF-1.4\n%\xe2\xe3": "a PDF document, not audio",
        b"MThd\0\0\0\6" + bytes(100): "a MIDI file: notes without sound",
        whole[: len(whole) // 2]: "an MP4 file without what says where its sound is",
        np.random.default_rng(0).bytes(5000): "no audio file, or a damaged one",
        speech.getvalue()[:44]: "holds no samples",
    }
    for content, reason in expected.items():
        (tmp_path / "a.mp3").write_bytes(content)
        assert reason in why_not(tmp_path / "a.mp3"), content[:40]


def test_m4a_called_mp3_and_junk_before_mp3(tmp_path):
    encode(tmp_path / "a.m4a", music(), "ipod", "aac").rename(tmp_path / "a.mp3")
    assert seconds_and_note(tmp_path / "a.mp3")[0] == pytest.approx(6, abs=0.12)
    (tmp_path / "b.mp3").write_bytes(bytes(65536) + write(tmp_path / "c.mp3", music()).read_bytes())
    assert seconds_and_note(tmp_path / "b.mp3")[0] == pytest.approx(6, abs=0.12)


def test_a_video_without_sound_says_so(tmp_path):
    with av.open(str(tmp_path / "a.mp4"), "w") as out:
        stream = out.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 32
        for _ in range(5):
            frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8))
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    assert why_not(tmp_path / "a.mp4") == "holds no sound, only pictures or text"


def test_what_is_no_file_is_said(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    rate = bytearray(write(tmp_path / "rate.wav", noise(0)).read_bytes())
    rate[24:28] = (2**31 - 1).to_bytes(4, "little")
    (tmp_path / "rate.wav").write_bytes(rate)
    expected = {"pipe.wav": "not a regular file", ".": "not a regular file", "missing.wav": "cannot be read: No such",
                "rate.wav": "sample rate of 2147483647 Hz", "nul\0l.wav": "cannot be read"}
    for name, reason in expected.items():
        assert reason in why_not(f"{tmp_path}/{name}")


# --- nothing else is opened, and memory is bounded -----------------------------------------------------------------
LISTS = {
    "m3u8": "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:10\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:6.0,\n{it}\n"
            "#EXT-X-ENDLIST\n",
    "m3u": "{it}\n", "pls": "[playlist]\nFile1={it}\nNumberOfEntries=1\n",
    "ffconcat": "ffconcat version 1.0\nfile '{it}'\n",
    "xspf": "<?xml version='1.0'?>\n<playlist><trackList><track><location>{it}</location></track></trackList>",
    "mpd": "<?xml version='1.0'?>\n<MPD type='static'><Period><AdaptationSet mimeType='audio/mp4'>"
           "<Representation id='1'><BaseURL>{it}</BaseURL></Representation></AdaptationSet></Period></MPD>",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
    "asx": "<asx version='3.0'><entry><ref href='{it}'/></entry></asx>", "cue": 'FILE "{it}" WAVE\n  TRACK 01 AUDIO\n',
}


@pytest.mark.parametrize("ending", LISTS)
@pytest.mark.parametrize("named", ["{}", "file:{}", "concat:{}", "name only"])
def test_a_list_that_names_a_neighbour_is_never_decoded(tmp_path, monkeypatch, ending, named):
    song = encode(tmp_path / "song.ts", music(), "mpegts", "aac")
    for path in (tmp_path / "list.mp3", tmp_path / f"list.{ending}"):
        path.write_text(LISTS[ending].format(it="song.ts" if named == "name only" else named.format(song)))
        monkeypatch.chdir(tmp_path)
        assert why_not(path) and not decoding.opens(str(path))
        with open(path, "rb", buffering=0) as file, pytest.raises((OSError, ValueError)):
            ffmpeg.opened(io.BytesIO(file.read()))


def test_a_movie_that_refers_to_another_file_does_not_open_it(tmp_path, monkeypatch):
    """A QuickTime reference movie keeps its samples elsewhere: its data reference is an alias with a path."""
    whole = encode(tmp_path / "a.mov", music(), "mov", "pcm_s16le").read_bytes()
    assert b"url \0\0\0\x01" in whole or b"alis\0\0\0\x01" in whole
    outside = whole.replace(b"url \0\0\0\x01", b"alis\0\0\0\0").replace(b"alis\0\0\0\x01", b"alis\0\0\0\0")
    (tmp_path / "a.mov").write_bytes(outside)
    opened = []
    monkeypatch.setattr(os, "open", lambda *args, was=os.open: opened.append(args[0]) or was(*args))
    decoding.read(str(tmp_path / "a.mov"), 30.0)
    assert opened == [str(tmp_path / "a.mov")]


@pytest.mark.slow
def test_memory_stays_bounded_whatever_the_file_claims(tmp_path, monkeypatch):
    monkeypatch.setattr(decoding, "IN_MEMORY", 2**20)
    path = write(tmp_path / "huge.au", noise(0))
    with open(path, "r+b") as file:
        file.seek(8)
        file.write(b"\xff\xff\xff\xff")  # an AU file of unknown length: as long as the file is
        file.truncate(10**8)  # sparse
    assert path.stat().st_size > decoding.IN_MEMORY
    tracemalloc.start()
    sound = decoding.read(str(path), 30.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(sound.y) == 30 * SR and peak < 60e6


@pytest.mark.slow
def test_hours_of_silence_in_a_small_file_cost_no_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(decoding, "LONGEST", 120.0)
    path = encode(tmp_path / "a.m4a", np.r_[music(), silent(600)], "ipod", "alac")
    sound = decoding.read(str(path), 10.0)
    assert len(sound.y) == 10 * SR and "silent" in sound.note and "only its first" in sound.note


def test_a_file_beyond_the_bound_is_refused(tmp_path, monkeypatch):
    path = write(tmp_path / "a.wav", music())
    monkeypatch.setattr(decoding, "LARGEST", 1000)
    assert "larger than" in why_not(path)


@pytest.mark.parametrize("in_memory", [0, decoding.IN_MEMORY])
def test_the_hash_is_that_of_what_was_decoded(tmp_path, monkeypatch, in_memory):
    """A writer replaces the content while the file is decoded."""
    monkeypatch.setattr(decoding, "IN_MEMORY", in_memory)
    path = write(tmp_path / "a.wav", noise(1))
    other = write(tmp_path / "b.wav", noise(2)).read_bytes()

    def meanwhile(opened, seconds, part=decoding._part):
        path.write_bytes(other)
        return part(opened, seconds)

    monkeypatch.setattr(decoding, "_part", meanwhile)
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    if in_memory:
        sound = decoding.read(str(path), 30.0)
        assert sound.source == before
        np.testing.assert_allclose(sound.y, noise(1), atol=1e-4)
    else:
        assert "changed while it was read" in why_not(path)
