"""Remembered tables, compiled functions: what is kept must not change what comes out."""

import dataclasses
import gzip
import json
import pickle
import shutil

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lib.models import umap
from lib.models.latents import pca_latents
from lib.scores import table as scores
from lib.store import remembering, runs

MIXED = pd.DataFrame({"seed": [0, 1], "clusterer_seed": [0, "null 1"], "value": [0.1 + 0.2, float("nan")]})


@pytest.fixture
def counted(prepared_run, monkeypatch):
    """A run whose kernel remembers, and a remembered function that counts its calls."""
    monkeypatch.setenv(remembering.IN_RUN, "1")
    calls = []

    @remembering.remembered
    def table(run, *args, **options):
        calls.append((*args, run.settings.n_nulls))
        return MIXED

    return prepared_run[0], table, calls


def test_equal_arguments_are_computed_once_and_returned_to_the_last_digit(counted):
    run, table, calls = counted
    x = np.arange(6.0).reshape(3, 2)
    first, again = table(run, x, LATENTS, name="a"), table(run, x.copy("F"), LATENTS.assign_attrs(time=1.0), name="a")
    assert len(calls) == 1
    for found in (first, again):
        pd.testing.assert_frame_equal(found, MIXED, check_exact=True)
        assert [type(value) for value in found["clusterer_seed"]] == [int, str]


def test_what_is_kept_has_the_same_name_whether_its_parts_were_recalled_or_made(counted):
    """A run that was killed and goes on leaves the files of one that was not."""
    run, part, calls = counted

    @remembering.remembered
    def whole(run, x):
        return part(run, x).assign(value=float(run.settings.seed))

    kept = run.folder / "remembered"
    whole(run, 1)  # and its part
    names = sorted(path.name for path in kept.iterdir())
    next(path for path in kept.iterdir() if path.name.startswith("whole")).unlink()
    whole(run, 1)
    assert len(calls) == 1 and sorted(path.name for path in kept.iterdir()) == names
    assert all(set(json.loads(gzip.decompress(path.read_bytes()))["read"]) <= {"n_nulls", "seed"}
               for path in kept.iterdir())


LATENTS = xr.Dataset({"mu": (("seed", "track"), np.arange(4.0).reshape(2, 2))}, {"seed": [0, 1], "track": ["a", "b"]})
BASE = {"array": np.arange(3.0), "labels": pd.Series(["x", "y"], ["a", "b"]), "latents": LATENTS, "names": ("a", "b"),
        "told": {"true": np.zeros(2), "false": np.ones(2)}, "frame": pd.DataFrame({"a": [1, 2]}), "n": 1}
CHANGES = {
    "a value": {"array": np.array([0.0, 1.0, 2.0000001])},
    "a type": {"array": np.arange(3.0, dtype=np.float32)},
    "a shape": {"array": np.arange(3.0)[:, None]},
    "a label": {"labels": pd.Series(["x", "z"], ["a", "b"])},
    "whose label": {"labels": pd.Series(["x", "y"], ["b", "a"])},
    "a latent": {"latents": LATENTS.assign(mu=LATENTS.mu + 1e-9)},
    "a track": {"latents": LATENTS.assign_coords(track=["a", "c"])},
    "what the latents are called": {"latents": LATENTS.assign_attrs(setting="other")},
    "an order": {"names": ("b", "a")},
    "a name": {"told": {"wrong": np.zeros(2)}},
    "an order of names": {"told": {"false": np.ones(2), "true": np.zeros(2)}},
    "a column": {"frame": pd.DataFrame({"b": [1, 2]})},
    "true for one": {"n": True},
    "a number": {"n": 2},
}


@pytest.mark.parametrize("what", CHANGES)
def test_whatever_is_different_is_computed_anew(counted, what):
    run, table, calls = counted
    table(run, **BASE)
    table(run, **{**BASE, **CHANGES[what]})
    assert len(calls) == 2


def test_settings_code_and_damage_make_it_compute_anew(counted, monkeypatch):
    run, table, calls = counted
    table(run, 1)
    other = [dataclasses.replace(run, settings=run.settings.model_copy(update={name: 99}))
             for name in ("n_nulls", "epochs")]
    table(other[0], 1)
    assert len(calls) == 2
    table(other[1], 1)  # which it does not read
    assert len(calls) == 2
    for path in (run.folder / "remembered").iterdir():
        path.write_bytes(path.read_bytes()[:20])
    table(run, 1)
    assert len(calls) == 3
    table(run, 1)
    assert len(calls) == 3
    for wrong in (b"{}", gzip.compress(b"{}"), gzip.compress(b"[1]"), gzip.compress(b"null")):
        for path in (run.folder / "remembered").iterdir():
            path.write_bytes(wrong)
        pd.testing.assert_frame_equal(table(run, 1), MIXED)
    calls[:] = calls[:3]
    monkeypatch.setattr(remembering, "versions", lambda: {"numpy": "99"})
    table(run, 1)
    assert len(calls) == 4
    monkeypatch.setitem(remembering.LOADED, "lib/scores/table.py", "as it was")  # edited while the kernel ran
    table(run, 1)
    assert len(calls) == 5


def test_code_is_that_of_the_parts_that_are_named(tmp_path, monkeypatch):
    shutil.copytree(remembering.ROOT / "lib", tmp_path / "lib")
    monkeypatch.setattr(remembering, "ROOT", tmp_path)
    found = [remembering.sources("models"), remembering.sources(*remembering.PARTS)]
    assert set(found[0]) == {name for name in found[1] if name.startswith("lib/models/")}
    assert {"lib/store/artifacts.py", "lib/corpora/synthetic/notes.py", "lib/scores/table.py"} <= set(found[1])
    assert not [name for name in found[1] if "lib/report/" in name or "lib/runner/" in name or "/explorer/" in name]
    before = {part: remembering.code_of(part) for part in ("models", "scores", "features/audio.py")}
    for name in ("models/vae.py", "report/book.py", "features/sets.py"):
        with (tmp_path / "lib" / name).open("a") as file:
            file.write("# edited")
    assert [part for part in before if remembering.code_of(part) != before[part]] == ["models"]


def test_only_the_runners_kernels_remember(counted, monkeypatch):
    run, table, calls = counted
    monkeypatch.delenv(remembering.IN_RUN)
    table(run, 1)
    table(run, 1)
    assert len(calls) == 2 and not (run.folder / "remembered").exists()


def test_what_cannot_be_compared_is_refused(counted):
    run, table, _ = counted
    with pytest.raises(pickle.PicklingError):
        table(run, lambda: 3)


@pytest.mark.slow
@given(st.lists(st.one_of(st.integers(), st.floats(), st.text(), st.none()), min_size=1))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_any_column_comes_back(prepared_run, monkeypatch, values):
    monkeypatch.setenv(remembering.IN_RUN, "1")
    made = pd.DataFrame({"value": pd.Series(values, dtype=object)})
    table = remembering.remembered(lambda run, given: made)
    found = [table(prepared_run[0], repr(values)) for _ in range(2)]
    pd.testing.assert_frame_equal(*found)
    given = pd.DataFrame({"value": values})["value"].astype(object)
    assert [*map(repr, found[0]["value"].astype(object))] == [*map(repr, given)]


@pytest.mark.slow
def test_remembered_scores_are_the_scores(prepared_run, monkeypatch):
    run, x, genre = prepared_run
    latents = pca_latents(run, x, 3, [0, 1])
    plain = scores.score(run, latents, genre, probes=True)
    monkeypatch.setenv(remembering.IN_RUN, "1")
    for _ in range(2):
        pd.testing.assert_frame_equal(scores.score(run, latents, genre, probes=True), plain, check_exact=True)
    kept = sorted(path.name.partition("-")[0] for path in (run.folder / "remembered").iterdir())
    assert kept == ["clusters", "score"]
    other = genre.sample(frac=1, random_state=0).set_axis(genre.index)
    assert not scores.score(run, latents, other, probes=True).equals(plain)


@pytest.mark.slow
def test_umap_is_umap_and_what_it_compiles_is_kept():
    points = np.random.default_rng(0).standard_normal((60, 5))
    found = umap.umap(points, 2, [0, 1], n_epochs=20, init="pca")
    from umap import UMAP

    plain = UMAP(n_components=2, n_epochs=20, init="pca", random_state=1, n_jobs=1).fit_transform(points)
    np.testing.assert_array_equal(found[1], plain)
    assert found.shape == (2, 60, 2) and not np.array_equal(found[0], found[1])
    assert any("smooth_knn_dist" in path.name for path in runs.numba_folder().rglob("*.nbi"))


def test_numbers_are_shared_between_kernels_to_the_last_digit(tmp_path, monkeypatch):
    monkeypatch.setenv(remembering.IN_RUN, "1")
    monkeypatch.setenv("LATENT_GENRE_CACHE", str(tmp_path / "cache"))
    calls = []

    @remembering.shared
    def numbers(n, start=0):
        calls.append(n)
        return [(start + i) / 3 for i in range(n)]

    first = numbers(4)
    numbers.cache_clear()  # as in another kernel
    assert numbers(4) == first == [i / 3 for i in range(4)] and calls == [4]
    assert numbers(4, 1) != first and calls == [4, 4]
    for path in (tmp_path / "cache" / "numbers").iterdir():
        path.write_text("[0.1")
    numbers.cache_clear()
    assert numbers(4) == first and calls == [4, 4, 4]
