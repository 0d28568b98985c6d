"""From a finished run to a paper, to print, and to a page beside another run, whatever names its music has."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import zipfile
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st

import run_notebooks
from lib.report import (
    claims,
    compare,
    exports,
    latex,
    methods,
    numbers,
    output,
    paper,
    pdf,
    plots,
    showing,
)
from lib.scores.intervals import interval
from lib.store import artifacts, runs
from lib.store.errors import Problem
from tests.conftest import fill

HOSTILE = ["<script>alert(1)</script>", "\\input{/etc/passwd}", "50 % & $x_1$ # {~^} [a]", "Ж, 音楽 und Übergröße",
           "a|b\"c'd`e--f---g", "\\end{tabular}", "line\nbreak\x00", "*", "-0.5", "Łódź – naïve … ½"]
TEX = shutil.which("pdflatex") or shutil.which("tectonic")


def say(run, name, sentences, verdict=True, rule="", **numbers):
    """A claim whose sentences stand in no registry."""
    claims.state(run, name, sentences, verdict, rule, numbers, numbers)


def make(folder: Path, seed: int = 0, profile: str = "smoke", extra: str = "") -> runs.Run:
    """A run with hostile names in findings, figures, tables and scores, without a notebook."""
    run = runs.open_run("04_vae", profile, out=str(folder))
    fill(run)
    rng = np.random.default_rng(seed)
    corpus, about = run.settings.corpus, (1.0, "none", 10, "method")
    rows = [(corpus, "mfcc", method, *about, setting, "none", s, "kmeans", "0", metric, rng.uniform(0.1, 0.5))
            for method, setting in (("vae", "beta=1"), ("beta_vae", "beta=0.25"), ("folder", HOSTILE[2] + extra))
            for s in range(3) for metric in ("nmi", "silhouette")]
    artifacts.save_scores(run, pd.DataFrame(rows, columns=artifacts.SCORE_COLUMNS))
    span = interval(rng.uniform(-0.4, 0.4, 5))
    say(run, "vae_active", ("Keeps {active:.1f} of {dims}.", ""), active=interval([2.0, 3, 4]), dims=10)
    say(run, "vae_gain" + extra, ("Gains {gap:+.3f}.", "Loses {gap:+.3f}."), bool(span.mean > 0), "above zero",
        gap=span, p=0.0123456)
    for i, text in enumerate(HOSTILE):
        say(run, f"label {text}", ("{label} has {n}.", ""), label=text, n=i)
    data = pd.DataFrame({"name": HOSTILE, "value": [interval([i, i + 1]) for i in range(len(HOSTILE))],
                         HOSTILE[2]: np.arange(len(HOSTILE)) / 7})
    for i in range(2):
        showing.table(run, data, f"table_{i}", f"Names: {HOSTILE[i]}, {HOSTILE[2]}.")
        points = pd.Series([HOSTILE[j % 5] for j in range(40)], [f"track {HOSTILE[0]} {j}" for j in range(40)])
        figure = plots.scatter(rng.standard_normal((40, 2)), points, title=HOSTILE[0])
        showing.show(run, figure, f"points_{i}", f"Points: {HOSTILE[i]}.")
    record = {"settings": json.loads(run.settings.model_dump_json()), "started": 1e9, "seconds": 9.0, "jobs": 2,
              "versions": {"python": "3.11", "torch": "2"}, "seeds": {"headline": [0, 1, 2]},
              "notebooks": {"04_vae": {"status": "done", "current": True, "seconds": 3.0}}}
    (run.folder / "run.json").write_text(json.dumps(record))
    return run


@pytest.fixture(scope="module", autouse=True)
def quiet():
    """Nothing is displayed here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(output, "display", lambda bundle, raw: None)
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    return make(tmp_path_factory.mktemp("runs") / "first & <run>").folder


@pytest.fixture(scope="module")
def other(made) -> Path:
    return make(made.parent / "second", seed=1, profile="default", extra=" too").folder


# --- LaTeX of any text --------------------------------------------------------------------------------------------


@given(st.text())
def test_escaped_text_holds_no_command_but_those_of_the_table(text):
    made = latex.escape(text)
    known = "|".join(map(re.escape, sorted({*latex.SPECIAL.values(), *(f"${'' if n[0] == '^' else chr(92)}{n}$" for n in
                                            latex.SYMBOLS.values()), "\\LGother", "{}"}, key=len, reverse=True)))
    left = re.sub(r"\\LGother\{[^{}]\}", "", made)
    left = re.sub(known, "", left)
    assert not re.search(r"[\\{}$&#%_~^\x00-\x1f]", left), (text, made)


def test_escaped_text_reads_as_before():
    assert latex.escape("NMI 0.3 at beta = 4") == "NMI 0.3 at beta = 4"
    assert latex.escape("a_b & 5 %") == r"a\_b \& 5 \%"
    assert latex.escape("β ≤ 2 – x²") == r"$\beta$ $\leq$ 2 -- x$^2$"
    assert latex.escape("--") == "-{}-"
    assert latex.needs(latex.escape("音")) and not latex.needs(latex.escape("é"))


@given(st.lists(st.text(), min_size=1, max_size=3))
def test_macro_names_are_letters(parts):
    assert re.fullmatch(r"LG[A-Za-z]*", latex.macro(*parts))


def test_columns_of_long_texts_are_broken_where_a_line_has_no_room():
    data = pd.DataFrame({"name": ["pca"], "rule": ["some words " * 20], "why": ["and others " * 10], "n": [1]})
    made = latex.column_format(data, [False, False, False, True])
    shares = [float(share) for share in re.findall(r"p\{([\d.]+)", made)]
    assert re.fullmatch(r"lp\{[\d.]+\\linewidth\}p\{[\d.]+\\linewidth\}r", made)
    assert sum(shares) * latex.ACROSS + len("pca") + 1 + 2 * 4 <= latex.ACROSS + 1 and shares[0] > shares[1]
    assert latex.column_format(data[["name", "n"]], [False, True]) == "lr"


def test_macro_names_are_readable_and_stable():
    assert latex.macro("cvae", "silhouette") == "LGCvaeSilhouette"
    assert latex.macro("cvae", "beta=0.25 enc=1 dec=0", "nmi") == "LGCvaeBetaZeroPointTwoFiveEncOneDecZeroNmi"


# --- numbers ------------------------------------------------------------------------------------------------------


def test_every_number_of_a_finding_has_a_macro_that_prints_it_as_the_finding_does(made):
    found = {one.macro: one.printed for one in numbers.numbers(made)}
    assert found["LGVaeActiveDims"] == "10" and found["LGVaeActiveActive"] == "3.0 [0.5, 5.5]"
    assert found["LGVaeActiveActiveLow"] == "0.5" and found["LGVaeGainP"] == "0.0123"
    assert re.fullmatch(r"\$[+-]0\.\d{3}\$ \[\$[+-]0\.\d{3}\$, \$[+-]0\.\d{3}\$\]", found["LGVaeGainGap"])
    table = artifacts.scores_of(made)
    mean = table[(table["method"] == "vae") & (table["metric"] == "nmi")]["value"].mean()
    assert found["LGVaeMfccBetaOneNmiMean"] == f"{mean:.3f}"


def test_no_macro_is_defined_twice_and_hostile_names_get_one_too(made):
    found = numbers.numbers(made)
    names = [one.macro for one in found]
    assert len(names) == len(set(names)) and all(re.fullmatch("[A-Za-z]+", name) for name in names)
    assert sum(one.origin.startswith("04_vae, finding label") for one in found) == len(HOSTILE)
    lines = numbers.to_latex(found).splitlines()
    assert all(line.startswith(("%", "\\newcommand{\\LG")) for line in lines)


def test_numbers_of_a_run_are_the_same_twice(made):
    assert numbers.to_latex(numbers.numbers(made)) == numbers.to_latex(numbers.numbers(made))


# --- the paper ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_papers_folder_has_everything_at_both_widths(made):
    folder = paper.export(made).parent
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert {"all.tex", "numbers.tex", "methods.tex", "references.bib", "tables/table_0.tex", "figures/points_0.tex",
            "figures/column/points_0.pdf", "figures/page/points_0.pdf"} <= names
    table = (folder / "tables" / "table_0.tex").read_text()
    assert "\\toprule" in table and "\\label{tab:table_0}" in table and "\\input{/etc" not in table


@pytest.mark.skipif(TEX is None, reason="no TeX here (Debian: apt-get install texlive-latex-recommended)")
def test_a_document_of_two_tables_two_figures_and_ten_numbers_compiles(made):
    folder = paper.export(made).parent
    found = [one for one in numbers.numbers(made) if "label" not in one.origin][:10]
    said = "\n\n".join(f"{latex.escape(one.origin)}: \\{one.macro}." for one in found)
    inputs = "\n".join(f"\\input{{{name}}}" for name in ("tables/table_0", "tables/table_1", "figures/points_0",
                                                          "figures/points_1"))
    document = ("\\documentclass[twocolumn]{article}\n\\usepackage{booktabs,graphicx}\n\\input{numbers}\n"
                f"{latex.needs(said)}\\begin{{document}}\n{said}\n{inputs}\n\\end{{document}}\n")
    (folder / "small.tex").write_text(document)
    assert len(found) == 10
    compile_tex(folder, "small")


@pytest.mark.skipif(TEX is None, reason="no TeX here (Debian: apt-get install texlive-latex-recommended)")
def test_the_document_of_everything_compiles(made):
    compile_tex(paper.export(made).parent, "all")


def compile_tex(folder: Path, name: str) -> None:
    options = ["-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape"] if "pdflatex" in TEX else []
    done = subprocess.run([TEX, *options, f"{name}.tex"], cwd=folder, capture_output=True, timeout=3600)
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]
    assert (folder / f"{name}.pdf").stat().st_size > 10_000


def test_the_methods_tell_what_the_run_knows_and_leave_the_rest_to_the_author(made):
    blocks = methods.appendix(made)
    text = " ".join([block.text for block in blocks] + [cell for block in blocks for row in block.rows for cell in row])
    assert "synthetic" in text and "0, 1, 2" in text and "too small to conclude" in text and "150 are analysed" in text
    checklist = next(block for block in blocks if block.name == "reforms")
    assert len(checklist.rows) == 32 and {row[2] for row in checklist.rows} > {methods.AUTHOR}
    assert BeautifulSoup(methods.to_html(blocks), "html.parser").find_all("table")


# --- print, and what is asked for on the command line --------------------------------------------------------------


@pytest.mark.slow
def test_without_a_browser_no_pdf_is_a_clear_sentence(made, monkeypatch):
    monkeypatch.setattr(pdf.shutil, "which", lambda name: None)
    with pytest.raises(Problem, match="apt-get install chromium"):
        exports.export(made, "pdf", print)
    said = []
    found = exports.export(made, "all", said.append)
    assert len(found) == 3 and "without the book in print" in said[0]


@pytest.mark.browser
def test_pages_are_printed_where_there_is_a_browser(made):
    if not any(map(shutil.which, pdf.BROWSERS)):
        pytest.skip("no Chromium here: apt-get install chromium")
    exports.export(made, "html", print)
    assert pdf.export(made).read_bytes()[:4] == b"%PDF"


def test_the_book_is_handed_over_with_what_its_pages_link_to(made, tmp_path):
    archive, = (path for path in exports.export(made, "zip", print) if path.suffix == ".zip")
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(tmp_path)
    html = tmp_path / made.name / "html"
    links = [(page, link["href"].partition("#")[0]) for page in html.glob("*.html")
             for link in BeautifulSoup(page.read_text(), "html.parser").find_all("a", href=True)]
    assert any(link.startswith("../") for _, link in links)
    for page, link in links:
        assert not link or link.startswith("https:") or (html / unquote(link)).is_file(), (page.name, link)
    assert not (tmp_path / made.name / "store").exists()


@pytest.mark.parametrize("kind", exports.KINDS)
def test_nothing_to_export_is_a_problem_and_makes_no_folder(kind, tmp_path, capsys):
    assert run_notebooks.main(["--export", kind, "--out", str(tmp_path / "none")]) == 2
    assert "there is no run in" in capsys.readouterr().err and not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_command_line_exports_and_compares_without_running(made, other, tmp_path, capsys):
    before = (made / "run.json").read_bytes()
    assert run_notebooks.main(["--export", "latex", "--out", str(made)]) == 0
    assert run_notebooks.main(["--compare", str(made), str(other), "--out", str(tmp_path)]) == 0
    latex_path, page = capsys.readouterr().out.strip().splitlines()
    assert latex_path.endswith("all.tex") and Path(page).parent == tmp_path and Path(page).is_file()
    assert (made / "run.json").read_bytes() == before


# --- two runs -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def beside(made, other, tmp_path_factory) -> BeautifulSoup:
    path = compare.export([made, other], tmp_path_factory.mktemp("page") / "x.html")
    return BeautifulSoup(path.read_text(), "html.parser")


def test_shared_scores_stand_side_by_side_with_their_intervals(beside, made, other):
    table = beside.find(id="tab-scores")
    head = [cell.get_text() for cell in table.select("thead th")]
    assert head[4:6] == [f"NMI, {made.name}", f"NMI, {other.name}"]
    row = next(row for row in table.select("tbody tr") if row.td.get_text() == "VAE")
    for folder, cell in zip((made, other), row.find_all("td")[4:6], strict=True):
        scores = artifacts.scores_of(folder)
        values = scores[(scores["method"] == "vae") & (scores["metric"] == "nmi")]["value"]
        assert cell.get_text(" ").split()[0] == f"{values.mean():.3f}" and "[" in cell.get_text()
    assert "second has one other." in table.figcaption.get_text()


def test_findings_that_differ_come_first_and_settings_that_differ_are_listed(beside):
    assert {"n_tracks", "epochs"} <= {cell.get_text() for cell in beside.select("#tab-settings td:first-child")}
    assert claims.asked("vae_active") in beside.find(id="tab-findings").get_text()
    text = beside.get_text()
    assert f"Only in second: {claims.asked('vae_gain too')}" in text and "not complete" not in text
    assert not beside.main.find("script") and all(image["alt"] for image in beside.find_all("img"))


def said(gap=(0.2, 0.1, 0.3, 5), best="vae", verdict=True) -> dict:
    return {"rule": "a rule", "verdict": verdict, "numbers": {"gap": list(gap), "best": best, "n": 3}}


def test_a_disagreement_is_named_by_what_makes_it_one():
    assert compare.disagreement(said(), said((0.25, 0.15, 0.35, 5))) == ""
    assert compare.disagreement(said(), said((0.5, 0.4, 0.6, 5))) == "size"
    assert compare.disagreement(said(), said((-0.2, -0.3, -0.1, 5))) == "sign"
    assert compare.disagreement(said(), said((-0.2, -0.3, -0.1, 5), best="pca")) == "choice"  # of something else
    assert compare.disagreement(said(), said((-0.2, -0.3, -0.1, 5), verdict=False)) == "verdict"
    assert compare.disagreement(said(best="p = 0.09"), said(best="p = 0.11")) == ""
    plain = [{**said(best=best), "rule": "", "verdict": True} for best in ("key", "tempo")]
    assert compare.disagreement(*plain) == ""


def test_a_run_is_not_compared_with_itself_with_nothing_or_with_what_shares_nothing(made, tmp_path):
    with pytest.raises(Problem, match="given twice"):
        compare.export([made, made.parent / "second" / ".." / made.name])
    with pytest.raises(Problem, match="there is no run"):
        compare.export([made, tmp_path])
    audit = tmp_path / "audit"
    audit.mkdir()
    shutil.copy(made / "run.json", audit)
    with pytest.raises(Problem, match="share no setting"):
        compare.export([made, audit])


@pytest.mark.parametrize("value, spec", [(-0.0183, ".2%"), ([-0.0183, -0.136, 0.0994, 3], ".2%"), (0.5, "+.0%"),
                                         ([0.5, -0.1, 0.2, 3], "+.0%"), (-2.5e-7, ".1e")])
def test_no_number_leaves_a_percent_sign_that_would_end_the_line(value, spec):
    for one in numbers._macros("LGx", value, spec, "somewhere"):
        assert not re.search(r"(?<!\\)%", one.printed), one
        assert one.printed.count("$") % 2 == 0


def test_a_run_that_is_not_complete_is_not_compared_in_silence(made, other, tmp_path):
    torn = tmp_path / "torn"
    shutil.copytree(other, torn)
    record = json.loads((torn / "run.json").read_text())
    record.setdefault("notebooks", {}).update({"05_x": {"status": "failed"}, "09_y": {"status": "not run"}})
    (torn / "run.json").write_text(json.dumps(record))
    assert "not complete: 05_x failed, 09_y not run" in compare.export([made, torn], tmp_path / "c.html").read_text()
