"""A folder: every file is used, listed with a reason, or plainly something else."""

import errno
import os
import unicodedata

import numpy as np
import pytest
import soundfile

from lib.corpora import folder, kinds, registry
from lib.store.errors import Problem
from lib.store.settings import load
from tests.sounds import SR, collection, encode, noise, write


def find(root, **how) -> folder.Found:
    """`folder.find`, and the sum adds up, also with what the operating system counts."""
    found = folder.find(root, 30.0, **how)
    assert len(found.items) + len(found.listed) + sum(found.ignored.values()) == found.n
    return found


def count(root) -> int:
    return sum(len(files) for _, _, files in os.walk(root))


def names(found: folder.Found) -> set[str]:
    return {item.name for item in found.items}


@pytest.fixture(scope="module")
def clips():
    """The bytes of one clip in formats of the two decoders."""
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as where:
        paths = [write(Path(where, "a.wav"), noise(0)), write(Path(where, "a.mp3"), noise(0)),
                 write(Path(where, "a.flac"), noise(0)), encode(Path(where, "b.m4a"), noise(0), "ipod", "aac"),
                 encode(Path(where, "b.mka"), noise(0), "matroska", "flac")]
        return [path.read_bytes() for path in paths]


# --- content before endings --------------------------------------------------------------------------------------
ENDINGS = (
    ".wav .wave .bwf .rf64 .WAV .Mp3 .snd .aifc .caf .w64 .oga .spx .mp2 .mpga .mka .webm .m4b .3gp .ac3 .dts .amr "
    ".voc .raw .pcm .flac .fla .ogg .opus .aiff .aif .au .mp3 .m4a .mp4 .aac .wma .ape .wv .tta .ra .rm .mid .xyz .x "
    ".1 .bak .tmp .part .download .old .orig .copy .sound .track .dat .bin .data .unknown .mp3_ .MP3~ .wav2 .txt .csv "
    ".json .jpg .png .pdf .zip .html .xml .py .log .md .npy"
).split()


@pytest.mark.parametrize("form", range(5))
def test_audio_is_taken_whatever_it_is_called(tmp_path, clips, form):
    for ending in [*ENDINGS, ""]:
        (tmp_path / "a").mkdir(exist_ok=True)
        (tmp_path / "a" / f"clip{ending}").write_bytes(clips[form])
    found = find(tmp_path)
    assert names(found) == {f"a/clip{ending}" for ending in [*ENDINGS, ""]} and not found.listed and not found.ignored


ELSE = {  # what a file is plainly: its name, its bytes
    "text": {"notes.txt": b"words", "README": b"# Title\n", "a.lab": b"0.0 1.0 C:maj\n",
             "cp1250.txt": "kůň".encode("cp1250"), "utf16.txt": "käse".encode("utf-16-le"), "page.html": b"<html>",
             "x.json": b'{"a": 1}', "empty.txt": b"", "big5.txt": "河水在夜裡歌唱".encode("big5")},
    "picture": {"cover.jpg": b"\xff\xd8\xff\xe0" + bytes(50), "no ending": b"\x89PNG\r\n\x1a\n" + bytes(50),
                "damaged.png": b"\0\1\2" * 50, "logo.svg": b"<svg xmlns='x'/>", "a.bmp": b"BM" + bytes(60)},
    "table or data": {"features.npy": b"\x93NUMPY" + bytes(50), "a.h5": b"\x89HDF\r\n\x1a\n" + bytes(9),
                      "a.pkl": b"\x80\4\x95" + bytes(9), "empty.csv": b""},
    "archive": {"all.zip": b"PK\3\4" + bytes(50), "all.tar": bytes(257) + b"ustar" + bytes(300),
                "a.gz": b"\x1f\x8b\x08" + bytes(9)},
    "document": {"booklet.pdf": b"%PDF-1.7\n\xe2\xe3", "a.doc": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99)},
    "hidden": {".hidden.wav": b"x", "._001.wav": b"x", "Thumbs.db": b"x", "desktop.ini": b"x", ".DS_Store": b"x",
               "__MACOSX/a.wav": b"x", ".git/objects/ab": b"x", "~$a.doc": b"x"},
}
LISTED = {  # name: bytes, reason
    "page.mp3": (b"<!DOCTYPE html>", "an HTML page, not audio"), "text.wav": (b"words", "text, not audio"),
    "cover.mp3": (b"\xff\xd8\xff\xe0", "a JPEG image, not audio"), "all.flac": (b"PK\3\4", "a zip archive, not audio"),
    "a.m3u": (b"b.wav\n", "a list of files"), "a.m3u8": (b"#EXTM3U\nb.wav\n", "a playlist (M3U)"),
    "a.mp3": (b"#EXTM3U\nb.wav\n", "a playlist (M3U)"),
    "a.ogg": (b"ffconcat version 1.0\nfile b.wav", "FFmpeg's concat"),
    "a.pls": (b"[playlist]\nFile1=b.wav", "a playlist (PLS)"), "a.cue": (b'FILE "b.wav" WAVE', "a list of files (cue)"),
    "song.mid": (b"MThd\0\0\0\6" + bytes(9), "a MIDI file"),
    "empty.wav": (b"", "empty file"), "empty": (b"", "empty file"),
    "lfs.wav": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
}


def test_what_is_no_audio_is_listed_or_counted(tmp_path):
    root = collection(tmp_path, {"a": 20})
    for files in ELSE.values():
        for name, content in files.items():
            (root / "a" / name).parent.mkdir(parents=True, exist_ok=True)
            (root / "a" / name).write_bytes(content)
    for name, (content, _) in LISTED.items():
        (root / "a" / name).write_bytes(content)
    (root / "a" / "cover lfs.jpg").write_bytes(LISTED["lfs"][0])
    found = find(root)
    assert names(found) == {f"a/{i:03d}.wav" for i in range(20)} and found.n == count(root)
    expected = {family: len(files) for family, files in ELSE.items()}
    assert found.ignored == expected | {"picture": expected["picture"] + 1}
    assert [name for name, _ in found.listed] == sorted(f"a/{name}" for name in LISTED)
    for name, reason in found.listed:
        assert LISTED[name[2:]][1] in reason, (name, reason)


def test_what_only_a_decoder_can_tell_is_tried(tmp_path):
    root = collection(tmp_path, {"a": 1})
    (root / "a" / "random.bin").write_bytes(np.random.default_rng(0).bytes(5000))
    (root / "a" / "zeros.xyz").write_bytes(bytes(5000))
    assert len(find(root).items) == 3


def test_nothing_is_read_whole(tmp_path, monkeypatch):
    root = collection(tmp_path, {"a": 3})
    asked = []

    class Watched(type(open(os.devnull, "rb", buffering=0))):  # a FileIO that tells how much was read
        def read(self, n=-1):
            asked.append(n)
            return super().read(n)

    monkeypatch.setattr("builtins.open", lambda path, mode="r", **how: Watched(path, "rb"))
    find(root)
    assert asked == [kinds.HEAD] * 3


# --- labels ------------------------------------------------------------------------------------------------------
def test_labels_are_folders_of_the_first_level(tmp_path):
    root = collection(tmp_path / "my music", {"blues": 12, "Björk & co": 9})
    write(root / "blues" / "disc 1" / "naïve ☂ song.FLAC", noise(50))
    write(root / "beside.wav", noise(51))
    (root / "tracks.csv").write_text("file,genre\n")
    for empty in ("jazz", "only text", "Rock "):
        (root / empty).mkdir()
    (root / "only text" / "a.txt").write_text("words")
    (root / ".git").mkdir()
    found = find(root)
    assert len(found.items) == 22 and {item.label for item in found.items} == {"blues", "Björk & co"}
    assert "blues/disc 1/naïve ☂ song.FLAC" in names(found)
    assert found.listed == [("beside.wav", folder.BESIDE)] and found.ignored == {"table or data": 1, "text": 1}
    assert found.without == ["Rock", "jazz", "only text"]
    corpus = registry.open(load(corpus="folder", source=str(root)))
    assert (corpus.n_files, corpus.without, corpus.title) == (25, found.without, "my music")
    assert not corpus.synthetic and corpus.has_audio


def test_labels_are_trimmed_and_composed_and_case_is_kept(tmp_path):
    spelt = {"Rock": "Rock", "rock": "rock", "Rap ": "Rap", " Rap": "Rap", unicodedata.normalize("NFD", "Café"): "Café",
             unicodedata.normalize("NFC", "Café"): "Café", "Folk\u00a0": "Folk", " ": "unnamed"}
    for i, name in enumerate(spelt):
        write(tmp_path / name / f"{i}.wav", noise(i))
    found = find(tmp_path)
    assert len(found.items) == 8 and {item.label for item in found.items} == set(spelt.values())
    assert not found.without


def test_names_are_composed_unicode_and_always_writable(tmp_path):
    decomposed = unicodedata.normalize("NFD", "é")
    assert folder.readable(decomposed) == "é"
    assert folder.readable("bad \udcff byte").encode()  # what Python makes of a byte that is not UTF-8


@pytest.mark.parametrize("layout", ["flat", "nested", "both"])
def test_without_label_folders_any_layout_will_do(tmp_path, layout):
    places = {"flat": ["a.wav", "b.wav"], "nested": ["000/000002.wav", "x/y/z/b.wav"], "both": ["a.wav", "x/b.wav"]}
    for i, place in enumerate(places[layout]):
        write(tmp_path / place, noise(i))
    (tmp_path / "tracks.csv").write_text("file,genre\n")
    found = find(tmp_path, label_folders=False)
    assert names(found) == set(places[layout]) and {item.label for item in found.items} == {""}
    assert not found.listed and not found.without and found.ignored == {"table or data": 1}


# --- mistakes ----------------------------------------------------------------------------------------------------
def problem(root, **how) -> str:
    with pytest.raises(Problem) as caught:
        folder.find(root, 30.0, **how)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_flat_folder_is_pointed_to_labels(tmp_path):
    write(tmp_path / "a.xyz", noise(0), format="WAV")
    assert "directly in" in problem(tmp_path) and "--labels" in problem(tmp_path)


def test_folders_without_audio_say_what_is_there(tmp_path):
    (tmp_path / "a").mkdir()
    assert "no audio files" in problem(tmp_path) and "no audio files" in problem(tmp_path, label_folders=False)
    (tmp_path / "a" / "page.mp3").write_text("<html>")
    assert "1 files cannot be used; a/page.mp3: an HTML page" in problem(tmp_path)


@pytest.mark.parametrize("audio", [0, 2])
def test_a_clone_without_its_large_files_gets_one_sentence(tmp_path, audio):
    collection(tmp_path, {"a": audio})
    for i in range(3):
        write(tmp_path / "a" / f"p{i}.wav", noise(0)).write_text("version https://git-lfs.github.com/spec/v1\noid x\n")
    assert "3 files in" in problem(tmp_path) and "run git lfs pull" in problem(tmp_path)
    write(tmp_path / "a" / "x.wav", noise(0))
    write(tmp_path / "a" / "y.wav", noise(0)), write(tmp_path / "a" / "z.wav", noise(0))
    assert len(find(tmp_path).listed) == 3  # some pointers among audio: a line each


# --- rights and links --------------------------------------------------------------------------------------------
def refuse(monkeypatch, function: str, names: set[str], code: int) -> None:
    """The operating system refuses `function` for paths that end so, as it does to who has no rights."""
    was = getattr(os, function)

    def refused(path, *args, **how):
        if os.fspath(path).endswith(tuple(names)):
            raise OSError(code, os.strerror(code), path)
        return was(path, *args, **how)

    monkeypatch.setattr(os, function, refused)


@pytest.mark.parametrize("code", [errno.EACCES, errno.EIO, errno.ESTALE])
def test_folders_and_files_without_rights_are_listed(tmp_path, monkeypatch, code):
    root = collection(tmp_path, {"a": 2, "locked": 2, "b": 3})
    refuse(monkeypatch, "listdir", {"/locked"}, code)
    refuse(monkeypatch, "stat", {"/003.wav", "/005.wav"}, code)
    found = find(root)
    assert dict(found.listed) == {"locked": f"a folder that cannot be read: {os.strerror(code)}",
                                  "b/005.wav": f"cannot be read: {os.strerror(code)}"}
    assert found.without == ["locked"] and len(found.items) == 4


def test_a_file_that_cannot_be_opened_is_listed(tmp_path, monkeypatch):
    root = collection(tmp_path, {"a": 2})

    def refused(path, *args, was=open, **how):
        if os.fspath(path).endswith("001.wav"):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return was(path, *args, **how)

    monkeypatch.setattr("builtins.open", refused)
    assert find(root).listed == [("a/001.wav", "cannot be read: Permission denied")]


def test_a_root_without_rights_is_a_problem(tmp_path, monkeypatch):
    root = collection(tmp_path / "music", {"a": 2})
    refuse(monkeypatch, "listdir", {"/music"}, errno.EACCES)
    assert "cannot read the folder" in problem(root)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("mode", [0o444, 0o000, 0o111])
def test_a_folder_of_mode(tmp_path, mode):
    root = collection(tmp_path, {"a": 2, "b": 2})
    (root / "b").chmod(mode)
    try:
        found = find(root)
    finally:
        (root / "b").chmod(0o755)
    assert len(found.items) == 2 and found.listed


def test_odd_links_are_listed_and_good_ones_followed(tmp_path):
    root = collection(tmp_path / "music", {"a": 2})
    elsewhere = collection(tmp_path / "elsewhere", {"c": 2})
    links = {"a/long.wav": "x" * 300, "a/nowhere.wav": "nowhere", "a/itself.wav": "itself.wav", "a/up": "..",
             "top": str(root), "a/file.wav": str(elsewhere / "c" / "000.wav"), "c": str(elsewhere / "c"),
             "x" * 200: "y" * 300}
    for name, target in links.items():
        os.symlink(target, root / name)
    os.mkfifo(root / "a" / "pipe.wav")
    found = find(root)
    assert names(found) == {"a/000.wav", "a/001.wav", "a/file.wav", "c/000.wav", "c/001.wav"}
    reasons = dict(found.listed)
    assert set(reasons) == {"a/long.wav", "a/nowhere.wav", "a/itself.wav", "a/up", "top", "x" * 200, "a/pipe.wav"}
    assert "name too long" in reasons["a/long.wav"].lower() and reasons["a/nowhere.wav"] == "a link to nothing"
    assert reasons["a/up"] == reasons["top"] == "a link to a folder that it lies in"
    assert "levels of symbolic links" in reasons["a/itself.wav"] and "a pipe" in reasons["a/pipe.wav"]


def test_names_that_are_no_text_and_deep_folders(tmp_path):
    root = collection(tmp_path, {"a": 1})
    os.makedirs(os.fsencode(root / "a") + b"/b\xff")
    with open(os.fsencode(root / "a") + b"/b\xff/c\xfe.wav", "wb") as file:
        soundfile.write(file, noise(0), SR, format="WAV")
    write(root / "a" / "/".join(["d"] * 300) / "x.wav", noise(1))
    assert len(find(root).items) == 3
