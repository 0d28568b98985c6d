import hashlib
import http.server
import io
import tarfile
import threading

import numpy as np
import pytest

from lib.corpora import gtzan, registry
from lib.store.errors import Problem
from lib.store.settings import load
from tests.sounds import collection, noise, write

# --- folders ---------------------------------------------------------------------------------------------------------


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
