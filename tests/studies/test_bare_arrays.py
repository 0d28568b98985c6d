"""The audit of arrays: every finding where it must be and not where it must not; the appendix notebook; the ledger."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import run_notebooks
from lib.scores import agreement, clustering
from lib.store import labels, runs, series
from lib.store.errors import Problem
from lib.studies.leakage import array_files, array_labels, array_report, bare_arrays

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
    report = bare_arrays.audit(array_files.load(folder_of(tmp_path / "run", text=plain_text, white=whitened_text)))
    found = {name for name in report.found() if not name.startswith("silhouette")}
    assert found <= {"shuffle within labels text", "shuffle within labels white"}, report.table().to_string()
    assert set(report.not_run) == {"relabelling", "words and fields", "modality ceiling", "dose curve"}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_honest_arrays_are_not_called_label_derived(tmp_path, seed):
    data = array_files.load(folder_of(tmp_path / "run", seed=seed, text=plain_text, white=whitened_text,
                                 noise=lambda rng, y, x: rng.standard_normal((len(y), 12))))
    made = array_labels.label_derived(data, bare_arrays.describe(data), bare_arrays.relations(data))
    assert {f.subject for f in made if f.verdict == "found"} == set()


# --- rows ---------------------------------------------------------------------------------------------------------


def test_row_order():
    y = np.repeat(np.arange(4).astype(str), 25)
    one = bare_arrays.row_order(y)
    assert one.verdict == "found" and one.numbers["changes"] == one.numbers["least"] == 3
    assert bare_arrays.row_order(np.random.default_rng(0).permutation(y)).verdict == "clear"
    assert one.numbers["expected"] == pytest.approx(75, abs=1)


def test_duplicates_with_their_labels():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((200, 6)), np.array(["a", "b"] * 100)
    exact, near = bare_arrays.duplicates("x", x, y)
    assert exact.verdict == near.verdict == "clear"
    x[10], x[21] = x[0], x[1]
    x[50], x[51] = x[52] + 0.001, x[53] + 0.001
    exact, near = bare_arrays.duplicates("x", x, y)
    assert (exact.numbers["pairs"], exact.numbers["across_labels"]) == (2, 0)
    assert near.numbers["pairs"] == 2
    y[0] = "b"
    assert bare_arrays.duplicates("x", x, y)[0].numbers["rows_across"] == [(0, 10)]
    assert bare_arrays.duplicates("codes", rng.integers(0, 2, (200, 6)).astype(float), y) == []


# --- the label ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
def test_a_vector_per_label_plus_noise_is_called(tmp_path, scale):
    path = folder_of(tmp_path / "run", lyrics=noise_on_label(16, scale))
    report = bare_arrays.audit(array_files.load(path), n_nulls=3)
    found = report.found("label-derived")
    assert set(found) == {"lyrics"} and found["lyrics"].kind == array_report.EVIDENCE
    assert found["lyrics"].numbers["r2_from_others"] < 0.05
    assert "lyrics" in report.found("shuffle within labels")


@pytest.mark.slow
@pytest.mark.parametrize("width", [1, 2, 3])
def test_few_columns_are_not_decided_and_not_called_clear(tmp_path, width):
    """Label plus noise, and a real measurement that goes with the label: up to three columns cannot tell."""
    data = array_files.load(folder_of(tmp_path / "run", lyrics=noise_on_label(width, 1.5), wide=noise_on_label(8, 1.5),
                                 none=lambda rng, y, x: rng.standard_normal((len(y), width))))
    made = {f.subject: f for f in array_labels.label_derived(data, bare_arrays.describe(data),
                                                             bare_arrays.relations(data))}
    assert made["lyrics"].verdict == "not decided" and f"{width} columns are too few" in made["lyrics"].sentence
    assert made["wide"].verdict == "found" and made["none"].verdict == made["Z_vae"].verdict == "clear"
    report = bare_arrays.audit(data, n_nulls=3).to_json()
    assert [f["subject"] for f in report["not_decided"]] == ["lyrics"]
    assert "lyrics" not in {f["subject"] for f in report["findings"] + report["clear"] if f["test"] == "label-derived"}


def test_the_label_itself_is_proof(tmp_path):
    data = array_files.load(folder_of(tmp_path / "run", lookup=lambda rng, y, x: rng.standard_normal((5, 8))[y]))
    made = array_labels.label_derived(data, bare_arrays.describe(data), bare_arrays.relations(data))
    assert [(f.subject, f.kind) for f in made if f.verdict == "found"] == [("lookup", array_report.PROOF)]


@pytest.mark.slow
def test_what_contains_a_label_derived_array_is_called_too(tmp_path):
    rng = np.random.default_rng(5)
    path = folder_of(tmp_path / "run", lyrics=noise_on_label(16, 1.0))
    lyrics, latent = np.load(path / "lyrics.npy"), np.load(path / "Z_vae.npy")
    fused = np.c_[3 * latent, 0.1 * lyrics]
    np.save(path / "fused.npy", fused)
    np.save(path / "turned.npy", fused @ np.linalg.qr(rng.standard_normal((22, 22)))[0])
    found = bare_arrays.audit(array_files.load(path), n_nulls=3).found("label-derived")
    assert set(found) == {"lyrics", "fused", "turned"}
    assert found["fused"].numbers["columns_of"] == {"Z_vae": 6, "lyrics": 16}


def test_label_noise_alone_in_a_folder_cannot_be_told(tmp_path):
    path = folder_of(tmp_path / "run", X=None, Z_vae=None, Z_pca=None, lyrics=noise_on_label(16, 1.0))
    assert bare_arrays.audit(array_files.load(path), n_nulls=3).found("label-derived") == {}


@pytest.mark.slow
def test_an_encoder_that_was_given_the_label_is_called(tmp_path):
    def conditioned(rng, y, x):
        return np.tanh(0.4 * (x @ rng.standard_normal((20, 6)) / 2 + 2 * rng.standard_normal((5, 6))[y]))

    def unconditioned(rng, y, x):
        return np.tanh(0.4 * (x @ rng.standard_normal((20, 6)) / 2))

    path = folder_of(tmp_path / "run", Z_cvae=conditioned, Z_other=unconditioned)
    report = bare_arrays.audit(array_files.load(path), n_nulls=3)
    assert set(report.found("label beside features")) == {"Z_cvae"}


# --- latents ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("variances", "active"), [((0.9,) * 8, 8), ((0.9, 0.8) + (0.01,) * 6, 2), ((0.005,) * 8, 0)])
def test_collapse_counts_active_dimensions(variances, active):
    x = np.random.default_rng(0).standard_normal((2000, len(variances)))
    x = x / x.std(0) * np.sqrt(variances)
    one = bare_arrays.collapse("Z", x)
    assert one.numbers["active"] == active and one.verdict == ("found" if active < 4 else "clear")
    assert one.numbers["kl"] == pytest.approx(-0.5 * np.log(1 - np.array(variances)).sum(), rel=0.02)
    assert one.kind == array_report.ASSUMING and "assumes" in one.sentence


@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_collapse_is_not_told_where_its_assumption_fails(scale):
    x = np.random.default_rng(0).standard_normal((500, 6))
    one = bare_arrays.collapse("Z", scale * x / x.std(0))
    assert one.verdict == "clear" and one.numbers["active"] is None


def test_silhouettes_of_clusters_are_not_explained_by_a_gaussian():
    rng = np.random.default_rng(0)
    corners = 12 * np.array([[0, 0], [1, 0], [0, 1], [1, 1]])
    clusters = corners[np.arange(300) % 4] + rng.standard_normal((300, 2))
    assert bare_arrays.silhouette_explained("Z", clusters, 4).verdict == "clear"
    cloud = bare_arrays.silhouette_explained("Z", rng.standard_normal((300, 2)), 10)
    assert cloud.verdict == "found" and cloud.numbers["explained"] == pytest.approx(1, abs=0.1)


# --- tables -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("printed", "verdict"), [("inverse_purity", "found"), ("purity", "clear")])
def test_purity_in_result_tables(tmp_path, printed, verdict):
    path = folder_of(tmp_path / "run")
    codes = clustering.cluster(np.load(path / "X.npy").astype(np.float32), 9, seed=42, n_init=10)
    scores = agreement.external(np.load(path / "y.npy"), codes)
    row = {"Method": "k-means", "n_clusters": 9, "NMI": scores["nmi"], "ARI": scores["ari"], "Purity": scores[printed]}
    other = {"Method": "elsewhere", "n_clusters": 9, "NMI": 0.123456, "ARI": 0.05, "Purity": 0.3}
    pd.DataFrame([row, other]).to_csv(path / "results.csv", index=False)
    one = next(f for f in bare_arrays.reported_purity(array_files.load(path)))
    assert one.verdict == verdict and one.numbers["reproduced"] == 1


# --- files from strangers -----------------------------------------------------------------------------------------


def test_odd_files_cost_themselves_and_not_the_audit(tmp_path):
    path = folder_of(tmp_path / "run", short=np.zeros((7, 3)), gaps=lambda rng, y, x: np.where(x > 2, np.nan, x),
                     deep=np.zeros((300, 2, 2)), words=np.array(["a"] * 300))
    np.save(path / "pickled.npy", np.array([{"a": 1}] * 300, dtype=object), allow_pickle=True)
    (path / "broken.npy").write_bytes(b"\x93NUMPY\x01\x00")
    (path / "empty.npy").write_bytes(b"")
    (path / "broken.csv").write_bytes(b"\xff\xfe\x00\x01")
    data = array_files.load(path)
    assert set(data.points) == {"X", "Z_vae", "Z_pca"}
    odd = ("short", "gaps", "deep", "words", "pickled", "broken", "empty")
    assert {f for f, _ in data.skipped} >= {f"{name}.npy" for name in odd}
    assert all(reason for _, reason in data.skipped)


@pytest.mark.parametrize("y", [None, np.arange(300), np.zeros(300), np.linspace(0, 1, 300), np.zeros((300, 2), int),
                               np.zeros(3, int), np.array([None] * 300)])
def test_labels_that_are_none_are_said(tmp_path, y):
    path = folder_of(tmp_path / "run", y=None)
    if y is not None:
        np.save(path / "y.npy", y, allow_pickle=True)
    with pytest.raises(Problem, match=r"y\.npy"):
        array_files.load(path)


def test_no_folder_and_no_arrays(tmp_path):
    with pytest.raises(Problem, match="no folder"):
        array_files.load(tmp_path / "nowhere")
    np.save(tmp_path / "y.npy", np.arange(40) % 2)
    with pytest.raises(Problem, match="no array"):
        array_files.load(tmp_path)


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
    report = bare_arrays.audit(array_files.load(path), n_nulls=3)
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
    (tmp_path / "arrays").mkdir()
    np.save(tmp_path / "arrays" / "y.npy", np.arange(40) % 2)
    arguments = [one.format(labelled=tmp_path / "arrays") for one in arguments]
    assert run_notebooks.main([*arguments, "--out", str(tmp_path / "out")]) == 2
    assert says in capsys.readouterr().err
