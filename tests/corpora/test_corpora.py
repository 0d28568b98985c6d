import hashlib
import http.server
import io
import tarfile
import threading
import tracemalloc
import unicodedata

import numpy as np
import pytest

from lib.corpora import folder, gtzan, registry
from lib.store.errors import Problem, Unusable
from lib.store.settings import load
from tests.sounds import SR, collection, noise, write

# --- folders -----------------------------------------------------------------------------------------------------


def test_finds_audio_by_label_and_ignores_the_rest(tmp_path):
    root = collection(tmp_path / "my music", {"blues": 12, "Björk & co": 9})
    write(root / "blues" / "disc 1" / "naïve ☂ song.FLAC", noise(50))
    for name in (".hidden.wav", "._001.wav", "notes.txt", "cover.jpg"):
        (root / "blues" / name).write_bytes(b"x")
    (root / "__MACOSX" / "blues").mkdir(parents=True)
    (root / "__MACOSX" / "blues" / "a.wav").write_bytes(b"x")
    (root / ".git").mkdir()
    (root / "empty label").mkdir()
    (root / "blues" / "new.m4a").write_bytes(b"x")
    corpus = registry.open(load(corpus="folder", source=str(root)))
    assert len(corpus.items) == 22 and {item.label for item in corpus.items} == {"blues", "Björk & co"}
    assert "blues/disc 1/naïve ☂ song.FLAC" in [item.name for item in corpus.items]
    assert list(corpus.skipped["file"]) == ["blues/new.m4a"] and "convert" in corpus.skipped["reason"][0]
    assert not corpus.synthetic and corpus.has_audio and corpus.title == "my music"


def test_names_are_composed_unicode_and_always_writable(tmp_path):
    decomposed = unicodedata.normalize("NFD", "é")
    assert folder.readable(decomposed) == "é"
    assert folder.readable("bad \udcff byte").encode()  # what Python makes of a byte that is not UTF-8


@pytest.mark.parametrize("labels", [{"a": 19, "b": 1}, {f"label {i:02d}": 1 + i % 3 for i in range(40)}])
def test_any_number_of_labels_and_very_unequal_ones(tmp_path, labels):
    corpus = registry.open(load(corpus="folder", source=str(collection(tmp_path, labels))))
    assert {item.label for item in corpus.items} == set(labels)


def problem(**settings) -> str:
    with pytest.raises(Problem) as caught:
        registry.open(load(settings=settings.pop("settings", None), **settings))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_every_mistake_gets_its_own_sentence(tmp_path):
    good = collection(tmp_path / "good", {"a": 12, "b": 12})
    assert "needs --source" in problem(corpus="folder")
    assert "there is no folder" in problem(corpus="folder", source=str(tmp_path / "nowhere"))
    assert "is a file" in problem(corpus="folder", source=str(good / "a" / "000.wav"))
    assert "directly in" in problem(corpus="folder", source=str(good / "a"))
    (tmp_path / "empty" / "a").mkdir(parents=True)
    assert "no audio files" in problem(corpus="folder", source=str(tmp_path / "empty"))
    single = collection(tmp_path / "single", {"only": 25})
    assert "same label ('only')" in problem(corpus="folder", source=str(single))
    few = collection(tmp_path / "few", {"a": 3, "b": 3})
    assert "at least 20" in problem(corpus="folder", source=str(few))
    assert "too few for 30 clusters" in problem(corpus="folder", source=str(good), settings={"n_clusters": 30})
    (tmp_path / "lyrics.csv").write_text("track_id,lyrics\nxyz,la la la\n")
    assert "matches none" in problem(corpus="folder", source=str(good), lyrics=str(tmp_path / "lyrics.csv"))
    assert "is not GTZAN" in problem(corpus="gtzan", source=str(good))
    assert "writes its own lyrics" in problem(corpus="controlled", lyrics=str(tmp_path / "lyrics.csv"))


# --- decoding ----------------------------------------------------------------------------------------------------


def test_reads_mono_and_the_middle_of_long_files(tmp_path):
    ramp = np.linspace(-0.9, 0.9, 10 * SR, dtype=np.float32)
    path = write(tmp_path / "stereo.wav", np.stack([ramp, np.zeros_like(ramp)], axis=1), subtype="FLOAT")
    y, sr = folder.read(str(path), 2.0)
    assert sr == SR and y.shape == (2 * SR,) and y.dtype == np.float32
    np.testing.assert_allclose(y, ramp[4 * SR : 6 * SR] / 2, atol=1e-6)


@pytest.mark.parametrize("suffix", folder.SUFFIXES)
def test_reads_every_format(tmp_path, suffix):
    written = noise(6, 3.0, 44100)
    y, sr = folder.read(str(write(tmp_path / f"noise{suffix}", written, 44100)), 30.0)
    assert sr == 44100 and abs(len(y) / sr - 3) < 0.06
    assert np.std(y) == pytest.approx(np.std(written), rel=0.1)


def test_memory_stays_bounded_whatever_the_file_claims(tmp_path):
    path = write(tmp_path / "huge.au", noise(0))
    with open(path, "r+b") as file:
        file.seek(8)
        file.write(b"\xff\xff\xff\xff")  # an AU file of unknown length: as long as the file is
        file.truncate(2 * 10**9)  # sparse: two gigabytes, twelve hours
    tracemalloc.start()
    y, _ = folder.read(str(path), 30.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(y) == 30 * SR and peak < 50e6


def test_bad_files_are_unusable_with_a_reason(tmp_path):
    (tmp_path / "zero.wav").write_bytes(b"")
    (tmp_path / "text.wav").write_text("I am not a sound file. " * 100)
    (tmp_path / "header.wav").write_bytes(write(tmp_path / "whole.wav", noise(0)).read_bytes()[:44])
    (tmp_path / "junk.mp3").write_bytes(np.random.default_rng(0).bytes(5000))
    long = write(tmp_path / "long.flac", noise(0, 20.0)).read_bytes()
    (tmp_path / "cut.flac").write_bytes(long[: len(long) // 4])
    rate = bytearray((tmp_path / "whole.wav").read_bytes())
    rate[24:28] = (2**31 - 1).to_bytes(4, "little")
    (tmp_path / "rate.wav").write_bytes(rate)
    expected = {
        "zero.wav": "empty file", "text.wav": "cannot be decoded", "header.wav": "holds no samples",
        "junk.mp3": ".", "cut.flac": ".", "rate.wav": "sample rate", "missing.wav": "cannot be read",
        ".": "regular file",
    }
    for name, reason in expected.items():
        with pytest.raises(Unusable, match=reason):
            folder.read(str(tmp_path / name), 2.0)


def test_truncated_files_give_what_is_left(tmp_path):
    for name in ("a.mp3", "a.wav"):
        whole = write(tmp_path / name, noise(2, 6.0)).read_bytes()
        (tmp_path / f"cut {name}").write_bytes(whole[: len(whole) // 2])
        y, sr = folder.read(str(tmp_path / f"cut {name}"), 30.0)
        assert 2 < len(y) / sr < 4


def test_fingerprint_follows_the_bytes(tmp_path):
    a, b = write(tmp_path / "a.wav", noise(1)), write(tmp_path / "b.wav", noise(1))
    spec = [{"kind": "file", "path": str(path), "max_seconds": 30.0} for path in (a, b)]
    assert registry.fingerprint(spec[0]) == registry.fingerprint(spec[1]) == hashlib.sha256(a.read_bytes()).hexdigest()
    write(b, noise(2))
    assert registry.fingerprint(spec[0]) != registry.fingerprint(spec[1])


# --- download ----------------------------------------------------------------------------------------------------


def tar_of(members):
    """A .tar.gz of (name, content) pairs, or of ready TarInfo objects."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as tar:
        for member, content in members:
            info = member if isinstance(member, tarfile.TarInfo) else tarfile.TarInfo(member)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return raw.getvalue()


@pytest.fixture
def server():
    """A web server on this machine: `server.files` by path; `server.cut` bytes are sent before a connection breaks."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            web.requests.append((self.path, self.headers.get("Range")))
            content = web.files.get(self.path)
            if content is None:
                return self.send_error(404)
            start = int(self.headers["Range"][6:-1]) if self.headers.get("Range") else 0
            if start >= len(content):
                return self.send_error(416)
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            stop = web.cut.pop() if web.cut else len(content)
            self.wfile.write(content[start:stop])

        def log_message(self, *args):
            pass

    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    web.files, web.requests, web.cut = {}, [], []
    web.url = f"http://127.0.0.1:{web.server_port}"
    threading.Thread(target=web.serve_forever, daemon=True).start()
    yield web
    web.shutdown()
    web.server_close()


def archive_bytes():
    content = np.random.default_rng(0).bytes(300_000)
    return tar_of([("genres/blues/blues.00000.au", content), ("genres/rock/rock.00000.au", b"rock")])


def test_download_from_the_first_mirror_that_works(tmp_path, server):
    content = archive_bytes()
    server.files = {"/wrong.tar.gz": b"<html>moved</html>", "/good.tar.gz": content}
    mirrors = [f"{server.url}/{name}.tar.gz" for name in ("gone", "wrong", "good")]
    root = gtzan.local_folder(tmp_path / "gtzan", mirrors, hashlib.sha256(content).hexdigest())
    assert (root / "rock" / "rock.00000.au").read_bytes() == b"rock"
    asked = len(server.requests)
    assert gtzan.local_folder(tmp_path / "gtzan", mirrors, "") == root and len(server.requests) == asked


def test_an_interrupted_download_goes_on_where_it_stopped(tmp_path, server):
    content = archive_bytes()
    server.files, server.cut = {"/genres.tar.gz": content}, [200_000]
    mirrors, sha256 = [f"{server.url}/genres.tar.gz"], hashlib.sha256(content).hexdigest()
    with pytest.raises(Problem, match="cannot be downloaded"):
        gtzan.local_folder(tmp_path, mirrors, sha256)
    assert gtzan.local_folder(tmp_path, mirrors, sha256) == tmp_path / "genres"
    first, second = (asked for _, asked in server.requests)
    assert first is None and 0 < int(second[6:-1]) <= 200_000
    assert sorted(path.name for path in tmp_path.iterdir()) == ["genres", "genres.tar.gz"]


def test_without_a_network_it_says_where_to_put_the_files(tmp_path):
    with pytest.raises(Problem, match="put genres.tar.gz there") as caught:
        gtzan.local_folder(tmp_path, ["http://127.0.0.1:9/genres.tar.gz"])
    assert str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)


def link(name, kind):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, "/etc/passwd"
    return info


@pytest.mark.parametrize(
    "members",
    [
        [("../evil.au", b"x")], [("/tmp/evil.au", b"x")], [("genres/../../evil.au", b"x")],
        [(link("genres/blues", tarfile.SYMTYPE), b"")], [(link("genres/a", tarfile.LNKTYPE), b"")],
        [(link("genres/a", tarfile.CHRTYPE), b"")], [("other/a.au", b"x")],
    ],
)
def test_unsafe_archives_leave_nothing(tmp_path, members):
    archive = tmp_path / "in" / "genres.tar.gz"
    archive.parent.mkdir()
    archive.write_bytes(tar_of(members))
    with pytest.raises(Problem):
        gtzan.unpack(archive, archive.parent / "genres")
    assert [path.name for path in tmp_path.rglob("*")] == ["in", "genres.tar.gz"]


def test_damaged_and_oversized_archives(tmp_path, monkeypatch):
    whole = archive_bytes()
    archive = tmp_path / "genres.tar.gz"
    archive.write_bytes(whole[:1000])
    with pytest.raises(Problem, match="cannot be unpacked"):
        gtzan.unpack(archive, tmp_path / "genres")
    archive.write_bytes(whole)
    monkeypatch.setattr(gtzan, "MAX_UNPACKED", 1000)
    with pytest.raises(Problem, match="more than GTZAN"):
        gtzan.unpack(archive, tmp_path / "genres")
