import io
import os
import pickle
import tracemalloc
import zipfile

import numpy as np
import pytest

from lib.corpora import array_rows, log_mels, registry
from lib.store import runs
from lib.store.errors import Problem, Unusable
from lib.store.settings import load
from tests import spectrograms
from tests.spectrograms import npz, pack


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENT_GENRE_CACHE", str(tmp_path / "cache"))


def opened(path, **settings):
    return registry.open(load(corpus="log_mel", source=str(path), settings=settings))


def header(shape, descr="<f4", version=1):
    """The header of a .npy file, without values."""
    file = io.BytesIO()
    write = {1: np.lib.format.write_array_header_1_0, 2: np.lib.format.write_array_header_2_0}[version]
    write(file, {"descr": descr, "fortran_order": False, "shape": shape})
    return file.getvalue()


def with_member(path, content, name="log_mel.npy"):
    """An `.npz` whose array of that name is these bytes."""
    npz(path, spectrograms.log_mels(24, 40, 200), **{name.removesuffix(".npy"): None})
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return path


# --- GTZAN's form ------------------------------------------------------------------------------------------------


def test_log_mel_pack(tmp_path):
    path = pack(tmp_path / "gtzan_logmel.npz")
    corpus = registry.open(load(corpus="gtzan_logmel", source=str(tmp_path)))
    assert len(corpus.items) == 30 and not corpus.has_audio
    track = registry.read(corpus.items[3].spec)
    np.testing.assert_array_equal(track.log_mel, np.load(path)["logmel_db"][3].astype(np.float32))
    assert track.frames_per_second == pytest.approx(12.9) and track.calibrated
    assert registry.fingerprint(corpus.items[3].spec) != registry.fingerprint(corpus.items[4].spec)


def test_gtzans_form_is_known_by_its_shape(tmp_path):
    corpus = opened(pack(tmp_path / "other name.npz"))
    track = registry.read(corpus.items[0].spec)
    assert track.frames_per_second == pytest.approx(12.9) and not track.calibrated
    assert "12.9 frames a second)" in corpus.description and corpus.title == "other name"


@pytest.mark.parametrize(
    "changes",
    [
        {"genre": None}, {"logmel_db": np.zeros((30, 64, 387), np.float16)}, {"logmel_db": np.zeros(3, np.float16)},
        {"logmel_db": np.zeros((), np.float16)}, {"logmel_db": np.zeros((30, 128, 387), np.complex64)},
        {"file_stem": np.array(["a"])},
    ],
)
def test_a_pack_of_other_shape_is_refused(tmp_path, changes):
    with pytest.raises(Problem, match="logmel_db"):
        log_mels.find_gtzan(pack(tmp_path / "x.npz", **changes))


# --- any form ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float16", "float64", ">f4", "int16"])
def test_rows_of_an_archive_come_back(tmp_path, compressed, dtype):
    values = spectrograms.log_mels(24, 40, 200).astype(dtype)
    corpus = opened(npz(tmp_path / "x.npz", values, compressed=compressed))
    assert [item.name for item in corpus.items[:2]] == ["track 00000", "track 00001"]
    assert {item.label for item in corpus.items} == {"kind 0", "kind 1"}
    for row in (0, 7, 23):
        found = registry.read(corpus.items[row].spec)
        np.testing.assert_array_equal(found.log_mel, values[row].astype(np.float32))
    assert len({registry.fingerprint(item.spec) for item in corpus.items}) == 24
    registry.forget(corpus)
    assert not list((runs.cache_folder() / "unpacked").glob("*.npy"))
    np.testing.assert_array_equal(registry.read(corpus.items[1].spec).log_mel, values[1].astype(np.float32))


@pytest.mark.parametrize("change", [
    lambda values: np.asfortranarray(values), lambda values: values[..., None], lambda values: values[:, None],
])
def test_order_and_channels_do_not_matter(tmp_path, change):
    values = spectrograms.log_mels(24, 40, 200)
    found = registry.read(opened(npz(tmp_path / "x.npz", change(values))).items[5].spec)
    np.testing.assert_array_equal(found.log_mel, values[5])


def test_names_and_rates_of_other_archives(tmp_path):
    values, n = spectrograms.log_mels(24, 96, 300), 24
    np.savez(path := tmp_path / "x.npz", Mel_DB=values, track_ids=np.arange(n), sr=np.array([44100]),
             hop_length=np.int64(441), labels=np.array([b"caf\xc3\xa9", b"rock "] * 12)[:, None], z=np.zeros((n, 3)))
    corpus = opened(path)
    assert corpus.items[3].name == "3" and {item.label for item in corpus.items} == {"café", "rock"}
    track = registry.read(corpus.items[0].spec)
    assert (track.sr, track.frames_per_second) == (44100, 100)
    told = opened(path, log_mel_frame_rate=50, log_mel_sample_rate=16000)
    assert registry.read(told.items[0].spec)[1:3] == (16000, 50)
    assert "assumed" not in told.description
    assert registry.fingerprint(told.items[0].spec) != registry.fingerprint(corpus.items[0].spec)


@pytest.mark.parametrize("unit, inverse", [
    ("power", lambda db: 10 ** (db / 10)), ("ln", lambda db: db / 10 * np.log(10)), ("dB", lambda db: db),
])
def test_other_units_become_db(tmp_path, unit, inverse):
    values = spectrograms.log_mels(24, 40, 200)
    path = npz(tmp_path / "x.npz", inverse(values.astype(float)))
    found = registry.read(opened(path, log_mel_unit=unit).items[2].spec)
    assert found.log_mel == pytest.approx(values[2], abs=1e-3)


def test_a_folder_with_a_file_per_track(tmp_path):
    for i, length in enumerate(range(200, 224)):
        folder = tmp_path / "mels" / ("Björk" if i % 2 else "rock") / "disc"
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / f"{i:02d}.npy", spectrograms.log_mels(1, 64, length, seed=i)[0])
    rock = tmp_path / "mels" / "rock"
    np.save(rock / "narrow.npy", np.zeros((40, 200)))
    np.save(rock / "pickled.npy", np.array([{}], dtype=object), allow_pickle=True)
    (rock / "pointer.npy").write_text("version https://git-lfs.github.com/spec/v1\n")
    (rock / "cut.npy").write_bytes((rock / "disc" / "00.npy").read_bytes()[:-100])
    (rock / "empty.npy").write_bytes(b"")
    (rock / ".hidden.npy").write_bytes(b"x")
    np.save(tmp_path / "mels" / "loose.npy", np.zeros((64, 200)))
    corpus = opened(tmp_path / "mels")
    assert len(corpus.items) == 24 and {item.label for item in corpus.items} == {"Björk", "rock"}
    assert registry.read(corpus.items[1].spec).log_mel.shape[0] == 64
    reasons = dict(corpus.skipped.itertuples(index=False))
    assert "[40, 200]" in reasons["rock/narrow.npy"] and "never read" in reasons["rock/pickled.npy"]
    assert "git lfs pull" in reasons["rock/pointer.npy"] and "claims" in reasons["rock/cut.npy"]
    assert "empty" in reasons["rock/empty.npy"] and "no label" in reasons["loose.npy"] and len(reasons) == 6


def test_a_folder_with_one_array(tmp_path):
    values = spectrograms.log_mels(24, 64, 300)
    np.save(tmp_path / "X.npy", values)
    np.save(tmp_path / "names.npy", np.array([f"song {i}" for i in range(24)]))
    np.save(tmp_path / "y.npy", np.arange(24) % 3)
    corpus = opened(tmp_path)
    assert corpus.items[4].name == "song 4" and corpus.items[4].label == "1"
    np.testing.assert_array_equal(registry.read(corpus.items[4].spec).log_mel, values[4])


# --- what is wrong with a file -----------------------------------------------------------------------------------


MEL = spectrograms.log_mels(24, 40, 200)


@pytest.mark.parametrize("changes, said", [
    ({"log_mel": np.zeros((24, 40))}, "holds log_mel .24, 40. float64"),
    ({"log_mel": np.zeros((24, 1025, 30))}, "1025 bands.*exchanged"),
    ({"log_mel": np.zeros((24, 1025, 600))}, "1025 bands.*linear"),
    ({"log_mel": np.zeros((24, 8, 600))}, "8 bands x 600 frames"),
    ({"log_mel": np.zeros((24, 600, 40))}, "are the two axes exchanged"),
    ({"log_mel": np.array([["a"] * 40] * 24)}, "needs|must be|holds"),
    ({"log_mel": None, "a": MEL, "b": MEL}, "several arrays of three axes .a, b."),
    ({"file_stem": None, "genre": None}, "no names of its 24 tracks"),
    ({"file_stem": np.array(["x"] * 23)}, "file_stem.*each of the 24 tracks"),
    ({"file_stem": np.array(["x" * 2000] * 24)}, "file_stem.*each of the 24 tracks"),
    ({"genre": np.zeros(24)}, "genre.*each of the 24 tracks"),
    ({"genre": None}, "no labels of its spectrograms.*--labels"),
    ({"genre": np.array([{}] * 24, dtype=object)}, "genre.*pickled.*never read"),
    ({"log_mel": np.array([{}] * 24, dtype=object)}, "log_mel.*pickled.*never read"),
    ({"sr": np.array(7)}, "sample rate of 7 Hz"),
    ({"fps": np.array(1e9)}, "frame rate of 1e\\+09 Hz"),
])
def test_what_cannot_be_used_is_said(tmp_path, changes, said):
    with pytest.raises(Problem, match=said) as problem:
        opened(npz(tmp_path / "x.npz", MEL, **changes))
    assert "\n" not in str(problem.value) and "allow_pickle" not in str(problem.value)


class Trap:
    """A pickle that leaves a file behind when somebody reads it."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_no_pickle_is_ever_read(tmp_path):
    trap = tmp_path / "sprung"
    array = io.BytesIO()
    np.save(array, np.array([Trap(trap)] * 24, dtype=object), allow_pickle=True)
    for name in ("log_mel.npy", "genre.npy", "file_stem.npy"):
        with pytest.raises(Problem, match="pickled"):
            opened(with_member(tmp_path / "x.npz", array.getvalue(), name))
    (tmp_path / "x.npz").write_bytes(pickle.dumps(Trap(trap)))
    with pytest.raises(Problem, match="is a pickle"):
        opened(tmp_path / "x.npz")
    assert not trap.exists()


@pytest.mark.parametrize("content, said", [
    (header((10**9, 128, 387)), "claims 198,144,000,000,000 bytes of values, and holds 0"),
    (header((24, 40, 200)) + bytes(1000), "claims 768,000 bytes of values, and holds 1,000"),
    (header((24, 40, 200)) + bytes(768_001), "claims 768,000 bytes of values, and holds 768,001"),
    (header((-1, -40, 200)) + bytes(8000 * 4), "claims|damaged"),
    (b"\x93NUMPY\x02\x00" + (200 * 10**6).to_bytes(4, "little") + b"{'descr': '<f4', ", "header.*200,000,000 bytes"),
    (b"\x93NUMPY\x02\x00" + (2 * 10**7).to_bytes(4, "little") + b" " * 2 * 10**7, "header.*20,000,000 bytes"),
    (b"\x93NUMPY\x02\x00\xff\xff\xff\xff", "header.*4,294,967,295 bytes"),
    (b"\x93NUMPY\x01\x00\x76\x00" + b"(" * 118, "damaged header"),
    (b"\x93NUMPY\x01\x00\x76\x00" + b"{'descr': '<f4'".ljust(118), "damaged header"),
    (b"\x93NUMPY\x01\x00\x76\x00" + bytes(range(118)), "damaged header"),
    (b"\x93NUMPY\x03\x00\x76\x00" + b" " * 118, "version 3"),
    (b"\x93NUMPY", "cut off in its header"), (b"", "empty"), (b"hello" * 100, "no NumPy array"),
    (b"<!DOCTYPE html><html>", "HTML page"),
])
def test_a_header_is_not_believed(tmp_path, content, said):
    path = with_member(tmp_path / "x.npz", content)
    tracemalloc.start()
    try:
        with pytest.raises(Problem, match=said):
            opened(path)
        assert tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()
    (tmp_path / "alone.npy").write_bytes(content)
    with pytest.raises(Unusable, match=said):
        array_rows.of_file(tmp_path / "alone.npy")


@pytest.mark.parametrize("compressed", [False, True])
def test_a_damaged_archive_is_said(tmp_path, compressed):
    whole = npz(tmp_path / "x.npz", MEL, compressed=compressed).read_bytes()
    rng = np.random.default_rng(0)
    for kind in range(12):
        broken = bytearray(whole)
        if kind < 4:
            broken = broken[: rng.integers(1, len(whole))]
        elif kind < 8:  # in the values
            place = int(rng.integers(2000, len(whole) // 2))
            broken[place : place + 50] = rng.bytes(50)
        else:  # in the directory
            place = len(whole) - int(rng.integers(1, 300))
            broken[place : place + 4] = rng.bytes(4)
        (tmp_path / "broken.npz").write_bytes(broken)
        try:
            items = opened(tmp_path / "broken.npz").items
        except Problem as problem:
            assert "\n" not in str(problem) and "broken.npz" in str(problem)
        else:  # where it hit nothing that counts
            assert kind >= 8
            np.testing.assert_array_equal(registry.read(items[3].spec).log_mel, MEL[3])


@pytest.mark.parametrize("content, said", [
    (b"no archive", "not a readable .npz"), (b"", "not a readable .npz"),
    (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"), (b"<html>", "HTML page"),
])
def test_no_archive_at_all(tmp_path, content, said):
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(Problem, match=said):
        opened(tmp_path / "x.npz")
    with pytest.raises(Problem, match="there is no file"):
        opened(tmp_path / "y.npz")
    (tmp_path / "empty").mkdir()
    with pytest.raises(Problem, match="there is no .npy"):
        opened(tmp_path / "empty")


def test_a_bad_row_costs_itself(tmp_path):
    values = MEL.copy()
    values[3, 0, 0], values[4, 5, 6], values[5, 1, 1] = np.nan, -np.inf, 1e30
    items = opened(npz(tmp_path / "x.npz", values)).items
    for row, said in ((3, "not finite$"), (4, "add a floor"), (5, "log_mel_unit=power")):
        with pytest.raises(Unusable, match=said):
            registry.read(items[row].spec)
    assert registry.read(items[6].spec).log_mel.shape == (40, 200)
    with pytest.raises(Unusable, match="negative"):
        registry.read(opened(tmp_path / "x.npz", log_mel_unit="power").items[0].spec)


def test_an_archive_replaced_meanwhile(tmp_path):
    path = npz(tmp_path / "x.npz", MEL)
    items = opened(path).items
    before = registry.fingerprint(items[23].spec)
    npz(path, MEL[::-1])
    os.utime(path, ns=(1, 1))
    assert registry.fingerprint(items[23].spec) != before
    npz(path, MEL[:20])
    with pytest.raises(Unusable, match="only 20 rows"):
        registry.read(items[23].spec)


def test_no_space_to_unpack(tmp_path, monkeypatch):
    path = npz(tmp_path / "x.npz", MEL, compressed=True)
    monkeypatch.setattr(array_rows.shutil, "disk_usage", lambda folder: type("Usage", (), {"free": 1000}))
    with pytest.raises(Problem, match=r"unpacks to .* GB, and .*unpacked has"):
        opened(path)


@pytest.mark.slow
@pytest.mark.parametrize("compressed", [False, True])
def test_more_than_20000_rows_are_not_loaded_whole(tmp_path, compressed):
    values = np.lib.format.open_memmap(tmp_path / "big.npy", "w+", np.float32, (25_000, 40, 100))  # 400 MB
    values[:, :, 0] = np.arange(25_000)[:, None] / 100
    path = npz(tmp_path / "x.npz", values, compressed=compressed)
    tracemalloc.start()
    try:
        items = opened(path).items
        assert len(items) == 25_000
        assert len({registry.fingerprint(item.spec) for item in items[::5]}) == 5000
        np.testing.assert_array_equal(registry.read(items[-1].spec).log_mel, values[-1])
        assert tracemalloc.get_traced_memory()[1] < 100e6
    finally:
        tracemalloc.stop()
