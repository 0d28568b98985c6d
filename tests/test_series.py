"""The notebooks as files: their form, and the whole series run once, small."""

import ast
import json
import os
import re
import subprocess
import sys

import nbformat
import numpy as np
import pandas as pd
import pytest

from lib.report import claims
from lib.scores.information import ACTIVE_NATS
from lib.store import artifacts, runs, series

NAMES = sorted(series.NEEDS)
FORMED = [*NAMES, *(name for notebooks in series.APPENDICES.values() for name in notebooks)]
PARAMETERS = ["profile", "corpus", "source", "lyrics", "labels", "out", "settings"]
WORDS = r"\b(six|seven|eight|nine|ten|eleven|twelve|twenty) (principal components|dimensions|seeds)\b"
TYPED = re.compile(rf"\d|{WORDS}", re.I)
CONSTANT = re.compile("|".join([  # numbers that no run changes
    r"\[@[\w@; ]+\]",  # references
    r"\bR2\b|R²|\b95 %|\bbeta[ -]1\b|beta/2|variance 1\b|\bMFCC 0\b",
    r"\b0 (by chance|is worse)|\bAMI 0\b|\b2 % of the tracks|\b2 x 2 x 2\b",
    rf"{re.escape(f'{ACTIVE_NATS:g}')} nats",  # what an active dimension is
]), re.I)


def code_cells(name):
    return [c for c in nbformat.read(series.NOTEBOOKS / f"{name}.ipynb", 4).cells if c.cell_type == "code"]


@pytest.mark.parametrize("name", FORMED)
def test_form(name):
    notebook = nbformat.read(series.NOTEBOOKS / f"{name}.ipynb", 4)
    nbformat.validate(notebook)
    cells = code_cells(name)
    assert all(not c.outputs and c.execution_count is None for c in cells), "committed with outputs"
    lines = [c.source.splitlines() for c in cells[1:]]
    assert max(map(len, lines)) <= 12, "a cell of more than 12 lines"
    assert np.median([len(each) for each in lines]) <= 4
    assert max(len(line) for c in cells for line in c.source.splitlines()) <= 100
    assert not any(re.search(r"^\s*(def|class) ", c.source, re.M) for c in cells), "a def or class in a cell"
    assert "parameters" in cells[0].metadata.tags
    found = [node.target.id for node in ast.parse(cells[0].source).body]
    assert found == PARAMETERS, "the parameters cell"
    opened = cells[1].source + cells[2].source
    assert re.search(rf'open_run\(\s*"{name.split("_", 1)[1]}", ', opened)
    first = notebook.cells[0].source
    assert first.startswith(f"# {name[:2]} · ") and "**" in first and "?" in first, "a title and a question"
    assert any("## Limits" in c.source or "## Caveats" in c.source for c in notebook.cells if c.cell_type == "markdown")


def sentences():
    """Every text of the registry of claims and captions, by where it stands, without its placeholders."""
    for kind, entries in claims.registry().items():
        for name, entry in entries.items():
            texts = entry if isinstance(entry, dict) else {"caption": entry}
            for key in sorted({"question", "yes", "no", "open", "says", "caption"} & set(texts)):
                yield pytest.param(re.sub(r"\{[^}]*\}", "", texts[key]), id=f"{kind} {name} {key}")
            for key, text in texts.get("brief", {}).items():
                yield pytest.param(re.sub(r"\{[^}]*\}", "", text), id=f"{kind} {name} brief {key}")
            for key, text in texts.get("where", {}).items():
                yield pytest.param(re.sub(r"\{[^}]*\}", "", text), id=f"{kind} {name} {key}")


PRIVATE = re.compile(
    r"\b(told|dealt|turned|hears?|heard|beside|riddle|resolved|placebos?|rungs?|views?|spends?|pays?)\b", re.I)


@pytest.mark.parametrize("text", sentences())
def test_no_word_is_private(text):
    assert not PRIVATE.search(text), "say it in the field's terms: given, permuted, encode, compared with, significant"


@pytest.mark.parametrize("name", FORMED)
def test_no_word_of_a_notebook_is_private(name):
    for cell in nbformat.read(series.NOTEBOOKS / f"{name}.ipynb", 4).cells:
        assert cell.cell_type == "code" or not PRIVATE.search(cell.source), cell.source


@pytest.mark.parametrize("text", sentences())
def test_no_conclusion_is_typed(text):
    """Numbers come from the run: a claim or caption has places for them."""
    assert not TYPED.search(CONSTANT.sub("", text)), f"a number is typed: {text}"


BY_FILE = {file: name for name, file in series.FILES.items()}
CALLS = {"claim": "claims", "show": "figures", "players": "figures", "table": "tables"}


def test_every_sentence_is_used_by_its_notebook():
    """Claims and captions of the registry are those that notebooks name, each in its own."""
    for kind, entries in claims.registry().items():
        used = {(BY_FILE.get(name, name), entry) for name in [*FORMED, "explore_cvae"]
                for argument in names_given(name, kind) for entry in entries if re.fullmatch(argument, entry)}
        assert {entry for _, entry in used} == set(entries), kind
        if kind == "claims":
            assert used == {(entry["notebook"], name) for name, entry in entries.items()}


def names_given(notebook, kind):
    """Patterns of the names that a notebook's cells give to `claim`, `show`, `table` and `players`."""
    for call in (n for c in code_cells(notebook) for n in ast.walk(ast.parse(c.source)) if isinstance(n, ast.Call)):
        if CALLS.get(ast.unparse(call.func)) == kind:
            given = call.args[1 if kind == "claims" else 2]
            for one in (given.body, given.orelse) if isinstance(given, ast.IfExp) else (given,):
                parts = one.values if isinstance(one, ast.JoinedStr) else [one]
                yield "".join(re.escape(p.value) if isinstance(p, ast.Constant) else ".+" for p in parts)


@pytest.mark.parametrize("text, typed", [
    ("Simulated, 120 tracks.", True), ("Ten principal components are as good.", True), ("up to 195 %", True),
    ("R2 from beta 1 to beta 4", True), ("AMI, which is 0 by chance", False), ("NMI with 95 % intervals", False),
])
def test_what_counts_as_typed(text, typed):
    assert bool(TYPED.search(CONSTANT.sub("", text))) == typed


@pytest.mark.parametrize("name", FORMED)
def test_no_result_is_typed_between_the_cells(name):
    """Headings have no number but their own, paragraphs no fraction and no percentage: those are results."""
    for cell in nbformat.read(series.NOTEBOOKS / f"{name}.ipynb", 4).cells:
        for line in cell.source.splitlines() if cell.cell_type == "markdown" else []:
            text = CONSTANT.sub("", re.sub(r"\$[^$]*\$|`[^`]*`|\]\([^)]*\)", "", line))
            if heading := re.match(r"#+ (\w\w · |\d+\. )?", text):
                assert not TYPED.search(text[heading.end():]), line
            assert not re.search(rf"\d\.\d|\d ?%|{WORDS}", text, re.I), line


def test_series_runs(smoke):
    folder, said, _ = smoke
    assert said.strip().splitlines()[-1] == str(folder / "html" / "index.html")
    record = json.loads((folder / "run.json").read_text())
    assert {n: record["notebooks"][n]["status"] for n in NAMES} == dict.fromkeys(NAMES, "done")
    for name in NAMES:
        page = (folder / "html" / f"{name}.html").read_text()
        assert "<figure" in page and "Traceback" not in page
        assert f"{name}.html" in (folder / "html" / "index.html").read_text()


def test_series_leaves_scores_findings_and_figures(smoke):
    folder, *_ = smoke
    scores = pd.read_csv(folder / "scores.csv")
    assert list(scores.columns) == artifacts.SCORE_COLUMNS
    assert {"raw", "pca", "ae", "vae", "beta_vae", "conv_vae", "cvae", "cvae_permuted", "lyrics"} <= set(
        scores["method"]
    )
    marked = scores.loc[scores["method"].isin(["cvae", "cvae_permuted"]), "label_use"]
    assert set(marked) <= {"encoder", "decoder", "both"}
    assert set(scores.loc[scores["method"].isin(["raw", "pca", "ae", "vae", "beta_vae", "conv_vae"]), "label_use"]) == {
        "none"
    }
    records = runs.load_records(folder)
    for name in NAMES:
        assert records[name]["figures"] and (records[name]["findings"] or name == "00_overview"), name
        for figure in records[name]["figures"]:
            assert (folder / "figures" / f"{figure['name']}.png").stat().st_size > 1000
    shown = [f["name"] for r in records.values() for f in r["figures"] + r["tables"]]
    assert len(shown) == len(set(shown)), "two figures or tables share a name"
    said = [(n, name) for n, r in records.items() for name in {f["name"] for f in r["findings"]}]
    assert len(said) == len({name for _, name in said}), "two notebooks name a finding the same: recall confuses them"
    conditioning = [n for n, r in records.items() if any(o["purpose"] == "conditioning" for o in r["label_openings"])]
    assert set(conditioning) <= {"01_data_preparation", "07_cvae", "09_cvae_latent_space"}
    controls = [n for n, r in records.items() if any(o["purpose"] == "supervised_control" for o in r["label_openings"])]
    assert set(controls) == {"02_lyrics_embeddings", "08_multimodal_fusion", "10_conditioning_on_nuisances"}


SHARES = re.compile(r"(?:NMI|accuracy|purity) [\d.]+ \[([-\d.]+), ([-\d.]+)\]")  # without a sign: no difference


def test_no_interval_that_a_run_prints_leaves_its_range(smoke):
    texts = [one["text"] for record in runs.load_records(smoke[0]).values() for one in record["findings"]]
    found = {match[0]: tuple(map(float, match.groups())) for text in texts for match in SHARES.finditer(text)}
    assert found and not {said for said, (low, high) in found.items() if low < 0 or high > 1}


def test_series_again_runs_nothing(smoke):
    folder, _, command = smoke
    before = (folder / "scores.csv").read_bytes()
    done = subprocess.run(command, capture_output=True, text=True, timeout=3600)
    assert done.returncode == 0 and "up to date" in done.stdout
    assert (folder / "scores.csv").read_bytes() == before


@pytest.mark.slow
def test_a_notebook_alone_says_which_to_run_first(tmp_path):
    """What JupyterLab's "Run all" shows on a fresh clone: one sentence, no traceback."""
    environment = os.environ | {"PYTHONPATH": str(series.ROOT)}
    code = (
        f"from lib.store import artifacts, runs\nrun = runs.open_run('07_cvae', 'smoke', out={str(tmp_path)!r})\n"
        "artifacts.load(run, 'features')"
    )
    done = subprocess.run(
        [sys.executable, "-m", "IPython", "-c", code], capture_output=True, text=True, env=environment
    )
    assert "run notebooks/01_data_preparation.ipynb first" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
