"""The notebooks as files: their form, and the whole series run once, small."""

import ast
import json
import os
import re
import subprocess
import sys

import nbformat
import pandas as pd
import pytest

from lib.store import artifacts, runs, series

NAMES = sorted(series.NEEDS)
FORMED = [*NAMES, *(name for notebooks in series.APPENDICES.values() for name in notebooks)]
PARAMETERS = ["profile", "corpus", "source", "lyrics", "out", "settings"]


def code_cells(name):
    return [c for c in nbformat.read(series.NOTEBOOKS / f"{name}.ipynb", 4).cells if c.cell_type == "code"]


@pytest.mark.parametrize("name", FORMED)
def test_form(name):
    notebook = nbformat.read(series.NOTEBOOKS / f"{name}.ipynb", 4)
    nbformat.validate(notebook)
    cells = code_cells(name)
    assert all(not c.outputs and c.execution_count is None for c in cells), "committed with outputs"
    assert max(c.source.count("\n") + 1 for c in cells) <= 20, "a cell of more than 20 lines"
    assert not any(re.search(r"^\s*(def|class) ", c.source, re.M) for c in cells), "a def or class in a cell"
    assert "parameters" in cells[0].metadata.tags
    found = [node.target.id for node in ast.parse(cells[0].source).body]
    assert found == PARAMETERS, "the parameters cell"
    assert f'open_run("{name}", ' in cells[1].source
    first = notebook.cells[0].source
    assert first.startswith(f"# {name[:2]} · ") and "**" in first and "?" in first, "a title and a question"
    assert any("## Limits" in c.source or "## Caveats" in c.source for c in notebook.cells if c.cell_type == "markdown")


@pytest.mark.parametrize("name", FORMED)
def test_no_conclusion_is_typed(name):
    """Numbers come from the run: none stands in the template of a finding."""
    for cell in code_cells(name):
        for call in ast.walk(ast.parse(cell.source)):
            if isinstance(call, ast.Call) and ast.unparse(call.func) == "claims.finding":
                templates = call.args[2:] + [k.value for k in call.keywords if k.arg in ("yes", "no")]
                typed = " ".join(ast.unparse(t) for t in templates)
                assert not re.search(r"\d\.\d", re.sub(r"\{[^}]*\}", "", typed)), (
                    f"a number typed into a finding: {typed}"
                )


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
    assert {"raw", "pca", "ae", "vae", "beta_vae", "conv_vae", "cvae", "cvae_placebo", "lyrics"} <= set(
        scores["method"]
    )
    marked = scores.loc[scores["method"].isin(["cvae", "cvae_placebo"]), "label_use"]
    assert set(marked) <= {"encoder", "decoder", "both"}
    assert set(scores.loc[scores["method"].isin(["raw", "pca", "ae", "vae", "beta_vae", "conv_vae"]), "label_use"]) == {
        "none"
    }
    records = runs.load_records(folder)
    for name in NAMES:
        assert records[name]["figures"] and (records[name]["findings"] or name == "00_overview"), name
        for figure in records[name]["figures"]:
            for width in ("column", "page"):
                assert (folder / "figures" / width / f"{figure['name']}.pdf").stat().st_size > 1000
    shown = [f["name"] for r in records.values() for f in r["figures"] + r["tables"]]
    assert len(shown) == len(set(shown)), "two figures or tables share a name"
    said = [(n, name) for n, r in records.items() for name in {f["name"] for f in r["findings"]}]
    assert len(said) == len({name for _, name in said}), "two notebooks name a finding the same: recall confuses them"
    conditioning = [n for n, r in records.items() if any(o["purpose"] == "conditioning" for o in r["label_openings"])]
    assert set(conditioning) <= {"01_data_preparation", "07_cvae", "09_cvae_latent_space"}
    controls = [n for n, r in records.items() if any(o["purpose"] == "supervised_control" for o in r["label_openings"])]
    assert set(controls) == {"02_lyrics_embeddings", "08_multimodal_fusion"}


def test_series_again_runs_nothing(smoke):
    folder, _, command = smoke
    before = (folder / "scores.csv").read_bytes()
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and "up to date" in done.stdout
    assert (folder / "scores.csv").read_bytes() == before


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
