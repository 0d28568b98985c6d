"""The audit of arrays: every finding where it must be and not where it must not; the appendix notebook; the ledger."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import run_notebooks
from lib.scores import agreement, clustering
from lib.store import array_files, array_folder, labels, runs, series
from lib.store.errors import Problem, Unusable
from lib.studies.leakage import __main__ as command
from lib.studies.leakage.arrays import (
    agreeing,
    conditioning,
    label_made,
    latents,
    order,
    reading,
    relations,
    repeats,
    result_tables,
    rows,
)
from lib.studies.leakage.arrays import audit as whole
from lib.studies.leakage.arrays.report import ASSUMING, EVIDENCE, PROOF
from lib.studies.leakage.arrays.taxonomy import CLASSES
from tests import mutants, public_runs, simulated_arrays

SEED_RUN = series.ROOT.parent / "shared" / "data" / "seed_run"


def folder_of(path, n=300, k=5, seed=0, ordered=False, **more):
    """Write a made-up run: features of known structure, two honest latents of them, labels, and `more` arrays, which
    may be functions of (rng, y, features)."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, k, n)
    y = np.sort(y) if ordered else y
    mixing = rng.standard_normal((6, 20))
    hidden = rng.standard_normal((n, 6)) + 0.9 * rng.standard_normal((k, 6))[y]
    x = hidden @ mixing + 0.3 * rng.standard_normal((n, 20))
    x = ((x - x.mean(0)) / x.std(0)).astype(np.float32)
    u, s, _ = np.linalg.svd(x, full_matrices=False)
    made = {"y": y, "X": x, "Z_vae": np.tanh(1.2 * u[:, :6] * np.sqrt(n)), "Z_pca": u[:, :4] * s[:4]}
    made |= {name: value(rng, y, x) if callable(value) else value for name, value in more.items()}
    path.mkdir(parents=True, exist_ok=True)
    for name, value in made.items():
        if value is not None:
            np.save(path / f"{name}.npy", value)
    return path


def noise_on_label(width, scale):
    return lambda rng, y, x: scale * rng.standard_normal((y.max() + 1, width))[y] + rng.standard_normal((len(y), width))


def whitened_text(rng, y, x):
    """An honest second modality: topics that go with the label, words that vary within it, white over all tracks."""
    topics = 1.5 * rng.standard_normal((y.max() + 1, 8))[y] + rng.standard_normal((len(y), 8))
    words = topics @ rng.standard_normal((8, 24)) + 0.7 * rng.standard_normal((len(y), 24))
    u, *_ = np.linalg.svd(words - words.mean(0), full_matrices=False)
    return u[:, :16]


def plain_text(rng, y, x):
    topics = 1.5 * rng.standard_normal((y.max() + 1, 8))[y] + rng.standard_normal((len(y), 8))
    return topics @ rng.standard_normal((8, 24)) + 0.7 * rng.standard_normal((len(y), 24))


# --- an honest folder ---------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_nothing_is_found_in_an_honest_folder(tmp_path):
    report = whole.audit(reading.load(folder_of(tmp_path / "run", text=plain_text, white=whitened_text)))
    found = {name for name in report.found() if not name.startswith(("silhouette", "collapse"))}  # under an assumption
    assert found <= {"shuffle within labels text", "shuffle within labels white"}, report.table().to_string()
    assert set(report.not_run) == {"relabelling", "words and fields", "modality ceiling", "dose curve"}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_honest_arrays_are_not_called_label_derived(tmp_path, seed):
    data = reading.load(folder_of(tmp_path / "run", seed=seed, text=plain_text, white=whitened_text,
                                 noise=lambda rng, y, x: rng.standard_normal((len(y), 12))))
    made = label_made.label_derived(data, whole.describe(data), relations.within_labels(data.points, data.labels))
    assert {f.subject for f in made if f.verdict == "found"} == set()


# --- rows ---------------------------------------------------------------------------------------------------------


def test_row_order_has_degrees():
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(4), 25)
    sorted_ = order.row_order(simulated_arrays.folder(y, {"x": rng.standard_normal((100, 3))}))
    assert sorted_.verdict == "found" and sorted_.numbers["changes"] == sorted_.numbers["least"] == 3
    assert sorted_.numbers["degree"] == "sorted" and sorted_.numbers["expected"] == pytest.approx(75, abs=1)
    no_order = rng.permutation(np.repeat(np.arange(4), 25))
    assert order.row_order(simulated_arrays.folder(no_order, {"x": rng.standard_normal((100, 3))})).verdict == "clear"
    runs_ = np.repeat(rng.integers(0, 4, 60), 3)
    in_runs = order.row_order(simulated_arrays.folder(runs_, {"x": rng.standard_normal((180, 3))}))
    assert in_runs.numbers["degree"] == "in runs" and "are ordered" not in in_runs.sentence
    by_artist = np.repeat(np.arange(20), 9)
    goes_with = (by_artist % 4 + (rng.random(180) < 0.1)) % 5
    arrays = {"x": rng.standard_normal((180, 3)), "artist": by_artist}
    assert order.row_order(simulated_arrays.folder(goes_with, arrays)).numbers["by"] == "artist"


def test_duplicates_with_their_labels():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((200, 6)), np.array(["a", "b"] * 100)
    block, exact, near = repeats.duplicates("x", x, y)
    assert block.verdict == exact.verdict == near.verdict == "clear"
    x[10], x[21] = x[0], x[1]
    x[50], x[51] = x[52] + 0.001, x[53] + 0.001
    _, exact, near = repeats.duplicates("x", x, y)
    assert (exact.numbers["pairs"], exact.numbers["across_labels"]) == (2, 0)
    assert near.verdict == "found" and near.numbers["pairs"] == 2
    y[0] = "b"
    assert repeats.duplicates("x", x, y)[1].numbers["rows_across"] == [(0, 10)]
    assert repeats.duplicates("codes", rng.integers(0, 2, (200, 6)).astype(float), y) == []


@pytest.mark.parametrize("by_label", [False, True])
def test_a_failed_join_and_whether_the_label_fills_it(by_label):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((200, 6)), np.repeat(["a", "b", "c", "d"], 50)
    fill = rng.standard_normal((4, 6))
    for i in range(4):
        x[50 * i : 50 * i + 10] = fill[i if by_label else 0]
    one = repeats.duplicates("x", x, y)[0]
    assert one.verdict == "found" and one.numbers["rows"] == 40 and one.numbers["function_of_label"] is by_label


def test_rows_of_zeros_of_a_layer_are_no_copies():
    layer = np.maximum(np.random.default_rng(0).standard_normal((400, 4)) - 0.5, 0)
    assert (layer.sum(1) == 0).sum() > 5
    block, exact, _ = repeats.duplicates("layer", layer, np.arange(400) % 2)
    assert block.verdict == exact.verdict == "clear"


def test_blocks_of_identical_rows_are_seen_where_most_rows_are_in_them():
    x = np.repeat(np.random.default_rng(0).standard_normal((30, 4)), 20, 0)
    assert repeats.duplicates("x", x, np.arange(600) % 2)[0].numbers["groups"] == 30


@pytest.mark.slow
def test_segments_are_neighbours_in_order_and_their_scores_too_good():
    segments = simulated_arrays.guilty("neighbours in order", 3, 500, 5, segments=5, noise=0.3)
    one = order.neighbours_in_order("features", segments.points["features"], segments.labels)
    assert one.verdict == "found" and one.kind == EVIDENCE and one.numbers["ratio"] < 0.7
    assert 4 <= one.numbers["group"] <= 7 and one.numbers["accuracy"] > one.numbers["accuracy_held_together"] + 0.05
    mixed = np.random.default_rng(0).permutation(500)
    innocent = order.neighbours_in_order("features", segments.points["features"][mixed], segments.labels[mixed])
    assert innocent.verdict == "clear"
    sorted_ = simulated_arrays.innocent("sorted files", 5)
    name, x = next(iter(sorted_.points.items()))
    assert order.neighbours_in_order(name, x, sorted_.labels).verdict == "clear"


def test_test_rows_among_training_rows():
    rng = np.random.default_rng(0)
    x, parts = rng.standard_normal((100, 4)), np.repeat([0, 2], 50)
    assert repeats.test_among_training("x", x, parts).verdict == "clear"
    x[60], x[70] = x[3], x[4]
    one = repeats.test_among_training("x", x, parts)
    assert one.verdict == "found" and one.kind == PROOF and one.numbers["rows"] == 2
    assert repeats.test_among_training("codes", np.round(x), parts) is None


# --- labels and arrays ---------------------------------------------------------------------------------------------


def agreement_of(arrays):
    less = reading.sample(arrays)
    known, related = agreeing.label_agreement(less), relations.within_labels(less.points, less.labels)
    return agreeing.nothing_agrees(known, related)[0], agreeing.strangers(known, related)


@pytest.mark.slow
def test_labels_that_know_nothing_of_the_arrays():
    shuffled, _ = agreement_of(simulated_arrays.guilty("nothing agrees", 0, 1000, 5, shift=0))
    assert shuffled.verdict == "found" and "while arrays predict each other" in shuffled.sentence
    slipped, _ = agreement_of(simulated_arrays.guilty("nothing agrees, slipped", 0, 500, 5, shift=3))
    assert slipped.verdict == "found" and abs(slipped.numbers["shift"]) == 3 and slipped.kind == PROOF
    rng = np.random.default_rng(0)
    y, x = simulated_arrays.features(rng, 1000, 5)
    made = {name: z[rng.permutation(1000)] for name, z in simulated_arrays.encoders(x, rng, ("tanh",) * 3).items()}
    strange, _ = agreement_of(simulated_arrays.folder(y, made))
    assert strange.verdict == "found" and "no array predicts another" in strange.sentence
    honest, _ = agreement_of(simulated_arrays.innocent("layers", 3))
    assert honest.verdict == "clear"


@pytest.mark.slow
def test_an_array_that_knows_nothing_is_named_and_too_few_rows_decide_nothing():
    _, alone = agreement_of(simulated_arrays.guilty("knows nothing", 0, 1000, 5))
    assert [one.subject for one in alone] == ["words"] and not alone[0].accuses
    rng = np.random.default_rng(0)
    few, _ = agreement_of(simulated_arrays.folder(np.arange(24) % 3, {"x": rng.standard_normal((24, 4))}))
    assert few.verdict == "not decided"


def test_a_clustering_that_equals_the_labels():
    rng = np.random.default_rng(0)
    y, x = rng.integers(0, 4, 300), rng.standard_normal((300, 5))
    nearly = (y + 1) % 4
    nearly[:3] = (nearly[:3] + 1) % 4
    groups = {"clusters": (y + 2) % 4, "kmeans": nearly, "labels_as_text": y, "honest": rng.integers(0, 4, 300)}
    arrays = simulated_arrays.folder(y, {"x": x} | groups)
    found = {one.subject: one for one in agreeing.equals_labels(arrays)}
    assert found["clusters"].verdict == found["kmeans"].verdict == "found" and found["honest"].verdict == "clear"
    assert found["clusters"].kind == PROOF and found["kmeans"].kind == EVIDENCE
    assert found["labels_as_text"].kind == ASSUMING and not found["labels_as_text"].accuses  # labels saved twice


@pytest.mark.parametrize("shape", ["blobs", "rings"])
def test_a_clustering_that_an_array_gives_without_labels_is_not_accused(shape):
    rng = np.random.default_rng(0)
    y, turn = rng.integers(0, 4, 300), rng.uniform(0, 2 * np.pi, 300)
    x = 20 * np.eye(4)[y] if shape == "blobs" else 9 * (y[:, None] + 1) * np.c_[np.cos(turn), np.sin(turn)]
    honest = simulated_arrays.folder(y, {"x": x + rng.standard_normal(x.shape), "clusters": y})
    assert agreeing.equals_labels(honest)[0].verdict == "not decided"


@pytest.mark.parametrize("how", ["number", "one-hot"])
def test_the_label_as_a_column(how):
    rng = np.random.default_rng(0)
    y, x = simulated_arrays.features(rng, 300, 5, apart=2.0)
    label = y[:, None] if how == "number" else 3 * np.eye(5)[y]
    arrays = simulated_arrays.folder(y, {"x": x, "input": np.c_[x[:, :7], label]})
    found = {one.subject: one.verdict for one in agreeing.label_as_column(arrays)}
    assert found == {"x": "clear", "input": "found"}


def test_unknown_as_a_class():
    y = np.array(["-1"] * 30 + ["rock"] * 50 + ["jazz"] * 40)
    one = agreeing.unknown_class(y)
    assert one.verdict == "found" and one.numbers["share_unknown"] == 0.25 and not one.accuses
    assert agreeing.unknown_class(np.repeat(["rock", "jazz", "folk"], [60, 20, 20])).verdict == "found"  # most rows
    assert agreeing.unknown_class(np.array(["rock", "jazz", "nanotech"] * 20)).verdict == "clear"
    assert agreeing.unknown_class(np.repeat(["rock", "jazz"], [55, 45])).verdict == "clear"  # of two, one has half


# --- the label ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
def test_a_vector_per_label_plus_noise_is_called(tmp_path, scale):
    path = folder_of(tmp_path / "run", lyrics=noise_on_label(16, scale))
    report = whole.audit(reading.load(path), n_nulls=3)
    found = report.found("label-derived")
    assert set(found) == {"lyrics"} and found["lyrics"].kind == EVIDENCE
    assert found["lyrics"].numbers["r2_from_others"] < 0.05
    assert "lyrics" in report.found("shuffle within labels")


@pytest.mark.slow
@pytest.mark.parametrize("width", [1, 2, 3])
def test_few_columns_are_not_decided_and_not_called_clear(tmp_path, width):
    """Label plus noise, and a real measurement that goes with the label: up to three columns cannot tell."""
    data = reading.load(folder_of(tmp_path / "run", lyrics=noise_on_label(width, 1.5), wide=noise_on_label(8, 1.5),
                                 none=lambda rng, y, x: rng.standard_normal((len(y), width))))
    made = {f.subject: f for f in label_made.label_derived(data, whole.describe(data),
                                                             relations.within_labels(data.points, data.labels))}
    assert made["lyrics"].verdict == "not decided" and f"{width} columns are too few" in made["lyrics"].sentence
    assert made["wide"].verdict == "found" and made["none"].verdict == made["Z_vae"].verdict == "clear"
    report = whole.audit(data, n_nulls=3).to_json()
    assert [f["subject"] for f in report["not_decided"]] == ["lyrics"]
    assert "lyrics" not in {f["subject"] for f in report["findings"] + report["clear"] if f["test"] == "label-derived"}


def test_the_label_itself_is_proof(tmp_path):
    data = reading.load(folder_of(tmp_path / "run", lookup=lambda rng, y, x: rng.standard_normal((5, 8))[y]))
    made = label_made.label_derived(data, whole.describe(data), relations.within_labels(data.points, data.labels))
    assert [(f.subject, f.kind) for f in made if f.verdict == "found"] == [("lookup", PROOF)]


@pytest.mark.slow
def test_what_contains_a_label_derived_array_is_called_too(tmp_path):
    rng = np.random.default_rng(5)
    path = folder_of(tmp_path / "run", lyrics=noise_on_label(16, 1.0))
    lyrics, latent = np.load(path / "lyrics.npy"), np.load(path / "Z_vae.npy")
    fused = np.c_[3 * latent, 0.1 * lyrics]
    np.save(path / "fused.npy", fused)
    np.save(path / "turned.npy", fused @ np.linalg.qr(rng.standard_normal((22, 22)))[0])
    found = whole.audit(reading.load(path), n_nulls=3).found("label-derived")
    assert set(found) == {"lyrics", "fused", "turned"}
    assert found["fused"].numbers["columns_of"] == {"Z_vae": 6, "lyrics": 16}


def test_label_noise_alone_in_a_folder_cannot_be_told(tmp_path):
    path = folder_of(tmp_path / "run", X=None, Z_vae=None, Z_pca=None, lyrics=noise_on_label(16, 1.0))
    assert whole.audit(reading.load(path), n_nulls=3).found("label-derived") == {}


@pytest.mark.slow
def test_an_encoder_that_was_given_the_label_is_called(tmp_path):
    def conditioned(rng, y, x):
        return np.tanh(0.4 * (x @ rng.standard_normal((20, 6)) / 2 + 2 * rng.standard_normal((5, 6))[y]))

    def unconditioned(rng, y, x):
        return np.tanh(0.4 * (x @ rng.standard_normal((20, 6)) / 2))

    path = folder_of(tmp_path / "run", Z_cvae=conditioned, Z_other=unconditioned)
    report = whole.audit(reading.load(path), n_nulls=3)
    assert set(report.found("label beside features")) == {"Z_cvae"}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_layer_of_features_was_given_no_label(seed):
    """Classes far apart, folds of a ReLU layer, siblings without their source: innocent explanations all."""
    rng = np.random.default_rng(seed)
    y = np.repeat(np.arange(4), 100)
    x = rng.standard_normal((400, 6)) + 2 * rng.standard_normal((4, 6))[y]
    made = {"X": x} | {f"layer_{i}": np.maximum(x / x.std(0) @ rng.standard_normal((6, 8)), 0) for i in range(2)}
    found = conditioning.label_beside_features(made, y, relations.within_labels(made, y))
    assert not [one.sentence for one in found if one.verdict == "found"]


@pytest.mark.slow
def test_equal_rows_of_two_labels_acquit():
    arrays = simulated_arrays.guilty("label beside features", 2, 400, 5, weight=1.0)
    y, points = arrays.labels, dict(arrays.points)
    related = relations.within_labels(points, y)
    told = {one.subject: one for one in conditioning.label_beside_features(points, y, related)}["latent_given"]
    assert told.verdict == "found" and told.kind == EVIDENCE and told.numbers["p"] < 0.01
    i, j = next((i, j) for i in range(400) for j in range(i) if y[i] != y[j])
    points["latent_given"][i] = points["latent_given"][j]
    told = {one.subject: one for one in conditioning.label_beside_features(points, y, related)}["latent_given"]
    assert told.verdict == "clear" and "was not given" in told.sentence


@given(st.integers(0, 10**6), st.integers(20, 60), st.integers(1, 5))
def test_rows_equal_up_to_rounding_are_found_and_others_are_not(seed, n, d):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, d))
    i, j = rng.choice(n, 2, replace=False)
    x[i] = x[j] * (1 + 1e-9)
    assert {tuple(sorted((int(i), int(j))))} <= set(rows.pairs_of(rows.groups_of_equal(x)))
    assert sum(len(group) for group in rows.groups_of_equal(x)) <= 3  # a chance neighbour in one dimension at the most


# --- latents ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("variances", "active"), [((0.9,) * 8, 8), ((0.9, 0.8) + (0.01,) * 6, 2), ((0.005,) * 8, 0)])
def test_collapse_counts_active_dimensions(variances, active):
    x = np.random.default_rng(0).standard_normal((2000, len(variances)))
    x = x / x.std(0) * np.sqrt(variances)
    one = latents.collapse("Z", x)
    assert one.numbers["active"] == active and one.verdict == ("found" if active < 4 else "clear")
    assert one.numbers["kl"] == pytest.approx(-0.5 * np.log(1 - np.array(variances)).sum(), rel=0.02)
    assert one.kind == ASSUMING and "assumes" in one.sentence


@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_collapse_is_not_told_where_its_assumption_fails(scale):
    x = np.random.default_rng(0).standard_normal((500, 6))
    one = latents.collapse("Z", scale * x / x.std(0))
    assert one.verdict == "clear" and one.numbers["active"] is None


def test_silhouettes_of_clusters_are_not_explained_by_a_gaussian():
    rng = np.random.default_rng(0)
    corners = 12 * np.array([[0, 0], [1, 0], [0, 1], [1, 1]])
    clusters = corners[np.arange(300) % 4] + rng.standard_normal((300, 2))
    assert latents.silhouette_explained("Z", clusters, 4).verdict == "clear"
    cloud = latents.silhouette_explained("Z", rng.standard_normal((300, 2)), 10)
    assert cloud.verdict == "found" and cloud.numbers["explained"] == pytest.approx(1, abs=0.1)


def test_dimensions_on_one_scale_and_far_apart():
    x = np.random.default_rng(0).standard_normal((300, 10))
    assert latents.scales("even", x).verdict == "clear"
    dead = x * np.where(np.arange(10) < 5, 1e-5, 1e-7)
    one = latents.scales("dead", dead)
    assert one.verdict == "found" and one.numbers["dead"] == 5 and one.kind == ASSUMING and not one.accuses
    assert "exploded" in latents.scales("huge", 1e13 * x).sentence
    left, size, _ = np.linalg.svd(x * 0.5 ** np.arange(10), full_matrices=False)
    assert latents.scales("components", left * size).verdict == "clear"
    blown = dead / dead.std(0)
    assert latents.stretched_copy("blown", {"dead": dead, "blown": blown}).numbers["dead"] == 5
    assert latents.stretched_copy("even", {"even": x / x.std(0), "x": x}) is None


# --- tables -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("printed", "verdict"), [("inverse_purity", "found"), ("purity", "clear")])
def test_purity_in_result_tables(tmp_path, printed, verdict):
    path = folder_of(tmp_path / "run")
    codes = clustering.cluster(np.load(path / "X.npy").astype(np.float32), 9, seed=42, n_init=10)
    scores = agreement.external(np.load(path / "y.npy"), codes)
    row = {"Method": "k-means", "n_clusters": 9, "NMI": scores["nmi"], "ARI": scores["ari"], "Purity": scores[printed]}
    other = {"Method": "elsewhere", "n_clusters": 9, "NMI": 0.123456, "ARI": 0.05, "Purity": 0.3}
    pd.DataFrame([row, other]).to_csv(path / "results.csv", index=False)
    one = next(f for f in result_tables.audit_tables(reading.load(path), 0.5))
    assert one.verdict == verdict and one.numbers["reproduced"] == 1


# --- files from strangers -----------------------------------------------------------------------------------------


def test_odd_files_cost_themselves_and_not_the_audit(tmp_path):
    path = folder_of(tmp_path / "run", short=np.zeros((7, 3)), gaps=lambda rng, y, x: np.where(x > 2, np.nan, x),
                     huge=np.full((300, 3), 1e300), square=np.eye(300), names=np.arange(300).astype(str))
    np.save(path / "pickled.npy", np.array([{"a": 1}] * 300, dtype=object), allow_pickle=True)
    (path / "broken.npy").write_bytes(b"\x93NUMPY\x01\x00")
    (path / "empty.npy").write_bytes(b"")
    (path / "pointer.npy").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    (path / "liar.npy").write_bytes(_header("{'descr': '<f8', 'fortran_order': False, 'shape': (9999999999, 9), }"))
    (path / "strange.npy").write_bytes(_header("{'descr': '<f8', \xff"))
    (path / "broken.npz").write_bytes(b"PK\x03\x04nothing")
    (path / "broken.pt").write_bytes(b"\x80\x02nothing")
    (path / "broken.parquet").write_bytes(b"PAR1")
    (path / "notes.md").write_text("words")
    data = reading.load(path)
    assert set(data.points) == {"X", "Z_vae", "Z_pca"}
    said = dict(data.skipped)
    for name in ("short.npy", "gaps.npy", "huge.npy", "square.npy", "names.npy", "pickled.npy", "broken.npy",
                 "empty.npy", "pointer.npy", "liar.npy", "strange.npy", "broken.npz", "broken.pt", "broken.parquet"):
        assert said[name], name
    assert "git lfs pull" in said["pointer.npy"] and "allow_pickle" not in str(said) and "claims" in said["liar.npy"]
    assert any("(.md)" in name for name in said)


def _header(text: str) -> bytes:
    content = text.encode("latin1").ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(content).to_bytes(2, "little") + content


@pytest.mark.parametrize("y", [None, np.arange(300), np.zeros(300), np.linspace(0, 1, 300), np.zeros((300, 2), int),
                               np.zeros(3, int), np.array([None] * 300)])
def test_labels_that_are_none_are_said(tmp_path, y):
    path = folder_of(tmp_path / "run", y=None)
    if y is not None:
        np.save(path / "y.npy", y, allow_pickle=True)
    with pytest.raises(Problem, match=r"y\.npy"):
        reading.load(path)


def test_no_folder_and_no_arrays(tmp_path):
    with pytest.raises(Problem, match="no folder"):
        reading.load(tmp_path / "nowhere")
    np.save(tmp_path / "y.npy", np.arange(40) % 2)
    with pytest.raises(Problem, match="no array"):
        reading.load(tmp_path)


def convention(path, how):
    """A folder kept in one of the usual ways; nothing in it is prepared for the audit."""
    rng = np.random.default_rng(0)
    y, x = simulated_arrays.features(rng, 120, 3)
    names = np.array(["rock", "jazz", "folk"])[y]
    z = np.tanh(x[:, :6])
    path.mkdir()
    if how == "labels.npy as text":
        np.save(path / "features.npy", x), np.save(path / "labels.npy", names)
    elif how == "y_true.npy as bytes":
        np.save(path / "latents.npy", z.astype(np.float16)), np.save(path / "y_true.npy", names.astype("S"))
    elif how == "hard_genres.npy one-hot":
        np.save(path / "mu.npy", np.asfortranarray(z)), np.save(path / "hard_genres.npy", np.eye(3)[y])
    elif how == "one .npz":
        np.savez(path / "all.npz", latents=z, labels=y, pred=rng.integers(0, 3, 120))
    elif how == "column of a CSV":
        np.save(path / "z.npy", z)
        pd.DataFrame({"track_id": np.arange(120), "genre": names}).to_csv(path / "metadata.csv", index=False)
    elif how == "features and label in one CSV":
        table = pd.DataFrame(x, columns=[f"mfcc{i}" for i in range(x.shape[1])]).assign(label=names)
        table.to_csv(path / "features.csv", index=False)
    elif how == "splits":
        for name, part in (("train", slice(0, 80)), ("test", slice(80, 120))):
            np.save(path / f"x_{name}.npy", x[part]), np.save(path / f"y_{name}.npy", y[part])
    elif how == "three dimensions":
        np.save(path / "mel.npy", x[:, :20].reshape(120, 4, 5)), np.save(path / "targets.npy", y.astype(float))
    elif how == "parquet":
        pd.DataFrame(z, columns=list("abcdef")).assign(genre=names).to_parquet(path / "latents.parquet")
    elif how == "tensors":
        torch.save({"mu": torch.tensor(z)}, path / "latents.pt"), torch.save(torch.tensor(y), path / "labels.pt")
    return names


CONVENTIONS = ("labels.npy as text", "y_true.npy as bytes", "hard_genres.npy one-hot", "one .npz", "column of a CSV",
               "features and label in one CSV", "splits", "three dimensions", "parquet", "tensors")


@pytest.mark.parametrize("how", CONVENTIONS)
def test_folders_with_the_usual_conventions_are_read_as_they_are(tmp_path, how):
    names = convention(tmp_path / "run", how)
    data = reading.load(tmp_path / "run")
    assert len(data.points) == 1 and len(data.labels) == 120
    assert len(set(zip(data.labels, names, strict=True))) == 3  # the same labels by whatever name
    assert (data.parts is not None) == (how == "splits")


def test_odd_shapes_and_values_are_read_or_refused_with_what_mends_them():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((40, 6))
    kind, turned = reading.sort(x.T, 40)
    assert np.array_equal(turned, x) and "turned" in kind
    for value, says in ((np.ones((40, 3)), "constant"), (np.where(np.arange(40)[:, None] == 5, np.nan, x), "1 of 40"),
                        (x + 1j, "complex128"), (np.arange(40) * 10**15, "names or numbers of rows")):
        with pytest.raises(Unusable, match=says):
            reading.sort(value, 40)
    with pytest.raises(Unusable, match="no label in 1 of 40 rows"):
        array_folder.as_labels(np.r_[np.nan, np.arange(39) % 3])


def test_an_array_under_two_names_is_said_to_be_one(tmp_path):
    data = reading.load(folder_of(tmp_path, X_copy=lambda rng, y, x: x))
    assert data.kinds["X_copy"].endswith("the same as X")


def test_a_parquet_file_without_its_reader_says_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "z.parquet").write_bytes(b"PAR1 and more")

    def missing(*_args, **_options):
        raise ImportError("pyarrow")

    monkeypatch.setattr(pd, "read_parquet", missing)
    with pytest.raises(Unusable, match="pip install pyarrow"):
        array_files.read(tmp_path / "z.parquet")


def test_several_label_files_are_named(tmp_path):
    path = folder_of(tmp_path / "run", y=None, genre=np.arange(300) % 5, target=np.arange(300) % 3)
    with pytest.raises(Problem, match=r"genre.*target.*y\.npy"):
        reading.load(path)


def test_blocks_of_neighbours_are_sampled():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 20_000)
    less = reading.sample(simulated_arrays.folder(y, {"row": np.c_[np.arange(20_000.0), rng.random(20_000)]}))
    steps = np.diff(less.points["row"][:, 0])
    assert len(less.labels) == reading.MANY and (steps == 1).mean() > 0.95


# --- printed ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("test", ["reported purity", "baseline metrics", "silhouette of another array",
                                  "rows not reproduced"])
def test_faults_of_result_tables_are_found_and_honest_tables_are_not(test):
    faulty = simulated_arrays.guilty(test, 1, 231, 4)
    assert any(one.test == test and one.verdict == "found" for one in result_tables.audit_tables(faulty, 0.5))
    honest = simulated_arrays.guilty("none", 1, 231, 4)
    assert not [one for one in result_tables.audit_tables(honest, 0.5) if one.verdict == "found"]


def test_columns_of_result_tables_are_known_by_many_names():
    table = pd.DataFrame(columns=["Method", "normalized_mutual_info", "adjusted_rand_index", "cluster_purity",
                                  "Silhouette_Score", "nmi_lang"])
    assert set(result_tables.columns(table)) == {"nmi", "ari", "purity", "silhouette"}
    assert result_tables.columns(table)["nmi"] == "normalized_mutual_info"


# --- the command line ---------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_command_line_says_what_is_proved(tmp_path, capsys):
    path = folder_of(tmp_path / "run", lookup=lambda rng, y, x: rng.standard_normal((5, 8))[y])
    assert command.main([str(path), "--json", str(tmp_path / "audit.json")]) == 1
    said = capsys.readouterr().out
    found = json.loads((tmp_path / "audit.json").read_text())
    assert said.startswith(found["verdict"]) and found["schema"] == 2 and found["proved"]
    assert {one["leakage"] for one in found["findings"]} <= set(CLASSES)
    (path / "lookup.npy").unlink()
    assert command.main([str(path)]) == 0 and "no proof that they are clean" in capsys.readouterr().out
    assert command.main([str(tmp_path / "nowhere")]) == 2


# --- other studies ------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("run", sorted({truth.run for truth in public_runs.TRUTHS}))
def test_public_runs_are_judged_as_they_are(run):
    if not (public_runs.RUNS / run).is_dir():
        pytest.skip("the public runs are not here (../shared/data/public_runs)")
    found = whole.audit(reading.load(public_runs.RUNS / run), n_nulls=2)
    missed = [truth.what for truth in public_runs.TRUTHS
              if truth.run == run and truth.test and not public_runs.says(found, truth)]
    assert not missed and not public_runs.wrong(run, found)


# --- the earlier study's arrays -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    """`run_notebooks.py --only A1` on the earlier study's arrays: the folder and its audit.json."""
    if not (SEED_RUN / "y.npy").is_file():
        pytest.skip("the earlier study's arrays are not here (../shared/data/seed_run)")
    out = tmp_path_factory.mktemp("a1") / "run"
    command = [sys.executable, str(series.ROOT / "run_notebooks.py"), "--profile", "smoke", "--corpus", "latents",
               "--source", str(SEED_RUN), "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return out, json.loads((out / "audit.json").read_text())


def test_every_finding_on_the_earlier_study_has_its_number(audited):
    _, audit = audited
    found = {(f["test"], f["subject"]): f["numbers"] for f in audit["findings"]}
    assert found["row order", "y"]["changes"] == 9
    lyrics = found["label-derived", "lyrics_embeddings"]
    assert 0.83 < lyrics["nmi"] < 0.88 and lyrics["best_other_nmi"] < 0.35 and lyrics["r2_from_others"] < 0.01
    assert found["label-derived", "multimodal_features"]["columns_of"] == {"Z_cvae": 10, "lyrics_embeddings": 32}
    assert {s for t, s in found if t == "label-derived"} == {"lyrics_embeddings", "multimodal_features"}
    assert {s for t, s in found if t == "label beside features"} == {"Z_cvae"}
    copies = found["exact duplicates", "X"]
    assert (copies["pairs"], copies["across_labels"], copies["rows_across"]) == (14, 1, [[631, 975]])
    cvae, conv = found["collapse", "Z_cvae"], found["collapse", "Z_conv"]
    assert cvae["active"] == 2 and 1.0 < cvae["kl"] < 1.2 and 2.1 < cvae["participation_ratio"] < 2.3
    assert conv["active"] == 0 and 0.04 < conv["std_least"] and conv["std_most"] < 0.11
    assert {s for t, s in found if t == "collapse"} == {"Z_cvae", "Z_conv", "Z_betavae"}
    silhouette = found["silhouette", "Z_cvae"]
    assert 0.75 < silhouette["explained"] < 0.95 and 0.28 < silhouette["silhouette"] < 0.31
    purity = found["reported purity", "hard_task_comparison"]
    assert purity["transposed"] == purity["reproduced"] >= 5 and purity["right"] == 0
    assert found["shuffle within labels", "lyrics_embeddings"]["value"] > 0.8
    assert all("assum" in f["sentence"] for f in audit["findings"] if f["test"] == "collapse")


def test_the_appendix_is_a_page_of_the_book_and_opens_labels_once(audited):
    out, audit = audited
    page = (out / "html" / "A1_audit_your_run.html").read_text()
    assert "lyrics_embeddings" in page and "14 pairs of identical rows" in page
    assert "A1_audit_your_run.html" in (out / "html" / "index.html").read_text()
    ledger = labels.ledger(runs.load_records(out))
    assert ledger[["notebook", "purpose", "openings"]].values.tolist() == [["A1_audit_your_run", "evaluation", 1]]
    assert set(audit["not_run"]) >= {"relabelling", "dose curve"}


# --- plumbing -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_reports_are_plain_json(tmp_path):
    path = folder_of(tmp_path / "run", n=60, k=2, constant=np.ones((60, 3)))
    report = whole.audit(reading.load(path), n_nulls=3)
    assert json.loads(json.dumps(report.to_json(), allow_nan=False))["rows"] == 60
    run = runs.open_run("A1_audit_your_run", "smoke", "latents", str(tmp_path / "run"), out=str(tmp_path / "out"))
    assert runs.save_report(run, "audit", report.to_json()) == Path(tmp_path / "out" / "audit.json")


def test_ledger_lists_every_notebook():
    records = {"03_a": {"label_openings": [{"purpose": "evaluation", "n": 9, "time": 0}] * 2},
               "01_b": {"label_openings": []}}
    table = labels.ledger(records)
    assert table["notebook"].tolist() == ["01_b", "03_a"] and table["purpose"].tolist() == ["none", "evaluation"]
    assert table["openings"].tolist() == [0, 2] and table.loc[1, "meaning"]


@pytest.mark.parametrize(("arguments", "says"), [
    (["--only", "A1"], "--corpus latents"), (["--only", "A1", "--corpus", "latents"], "--source"),
    (["--corpus", "latents", "--source", "lib"], "put y.npy there"),
    (["--only", "04", "--corpus", "latents", "--source", "{labelled}"], "A1_audit_your_run")])
def test_the_appendix_and_its_corpus_need_each_other(tmp_path, capsys, arguments, says):
    (tmp_path / "labelled").mkdir()
    np.save(tmp_path / "labelled" / "y.npy", np.arange(40) % 2)
    arguments = [one.format(labelled=tmp_path / "labelled") for one in arguments]
    assert run_notebooks.main([*arguments, "--out", str(tmp_path / "out")]) == 2
    assert says in capsys.readouterr().err


def test_every_test_of_the_audit_has_a_mutant_that_fits():
    """`make mutants` takes minutes, and is not run in CI: what it would change is there, once."""
    for mutant in mutants.MUTANTS:
        text = (series.ROOT / mutants.ARRAYS / f"{mutant.module}.py").read_text()
        assert text.count(mutant.line) == 1 and mutant.line != mutant.instead, mutant.of
    assert {mutant.of for mutant in mutants.MUTANTS} >= set(mutants.TESTS)
