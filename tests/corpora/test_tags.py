import os

import numpy as np
import pytest
import soundfile

from lib.corpora import tags
from tests.sounds import encode, noise, write

TAGS = {"artist": "Björk & co", "title": "Ça va ☂", "album": "One", "genre": "Rock", "date": "1999"}


@pytest.mark.parametrize(
    ("container", "codec"),
    [
        ("mp3", "libmp3lame"), ("ogg", "libopus"), ("ogg", "flac"), ("ipod", "aac"), ("flac", "flac"),
        ("wav", "pcm_s16le"), ("webm", "libopus"), ("caf", "pcm_s16be"), ("wv", "wavpack"),
    ],
)
def test_tags_of_every_kind_of_container(tmp_path, container, codec):
    path = encode(tmp_path / "a file", noise(0, sr=48000), container, codec, 48000, TAGS)
    found = tags.read(path)
    assert TAGS.items() <= found.items()
    assert not {"encoder", "major_brand", "handler_name"} & set(found)


def test_values_are_one_line_of_text_and_empty_ones_are_not_there(tmp_path):
    odd = {"title": " two\nlines\x07 ", "artist": "   ", "genre": "x" * 10_000}
    found = tags.read(encode(tmp_path / "a.ogg", noise(0, sr=48000), "ogg", "libopus", 48000, odd))
    assert found["title"] == "two lines" and "artist" not in found and len(found["genre"]) == tags.MAX_TEXT


def test_tags_of_libsndfile_too(tmp_path):
    with soundfile.SoundFile(tmp_path / "a.wav", "w", 22050, 1) as file:
        file.title, file.artist = "A title", "Somebody"
        file.write(noise(0))
    assert tags.read(tmp_path / "a.wav") == {"title": "A title", "artist": "Somebody"}


def test_bytes_that_are_no_utf8_cost_no_file(tmp_path):
    path = encode(tmp_path / "a.ogg", noise(0, sr=48000), "ogg", "flac", 48000, {"title": "abcdef"})
    path.write_bytes(path.read_bytes().replace(b"abcdef", b"\xffbcd\xe9f"))
    assert set(tags.read(path)) <= {"title"}  # the page's checksum no longer holds: whatever it gives, no exception


def test_what_has_no_tags_has_none(tmp_path):
    assert tags.read(write(tmp_path / "plain.wav", noise(0))) == {}
    (tmp_path / "text.mp3").write_text("words " * 100)
    (tmp_path / "empty.mp3").write_bytes(b"")
    (tmp_path / "junk.m4a").write_bytes(np.random.default_rng(0).bytes(5000))
    os.mkfifo(tmp_path / "pipe.wav")
    for name in ("text.mp3", "empty.mp3", "junk.m4a", "pipe.wav", "missing.wav", "."):
        assert tags.read(tmp_path / name) == {}, name


def test_a_list_of_files_has_no_tags_of_its_neighbours(tmp_path):
    encode(tmp_path / "song.ogg", noise(0, sr=48000), "ogg", "libopus", 48000, TAGS)
    (tmp_path / "list.mp3").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:1,\nsong.ogg\n#EXT-X-ENDLIST\n")
    (tmp_path / "list.ogg").write_text("ffconcat version 1.0\nfile song.ogg\n")
    assert tags.read(tmp_path / "list.mp3") == tags.read(tmp_path / "list.ogg") == {}
