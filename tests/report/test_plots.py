"""Figures and findings: what reaches the page and the folder."""

import numpy as np
import pandas as pd
import pytest

from lib.report import claims, output, plots, showing, style
from lib.scores.intervals import interval
from lib.store import runs


@pytest.fixture
def shown(monkeypatch):
    """Call something and return the HTML that it displayed."""
    pages = []
    monkeypatch.setattr(output, "display", lambda bundle, raw: pages.append(bundle["text/html"]))

    def run_and_collect(call):
        pages.clear()
        call()
        return "".join(pages)

    return run_and_collect


def test_show_escapes_saves_and_records(prepared_run, shown):
    run, *_ = prepared_run
    figure = plots.scatter(np.random.default_rng(0).standard_normal((30, 2)), ["a<b>"] * 30)
    page = shown(lambda: showing.show(run, figure, "one", 'Caption with <b> & "quotes".'))
    assert 'id="fig-one"' in page and "&lt;b&gt;" in page and "<b>" not in page.replace("&lt;b&gt;", "")
    assert 'alt="Caption with' in page
    for file in ("column/one.pdf", "column/one.png", "page/one.pdf", "page/one.png"):
        assert (run.folder / "figures" / file).stat().st_size > 1000
    assert runs.load_records(run.folder)["04_vae"]["figures"][0]["name"] == "one"


@pytest.mark.parametrize(("label", "boxes"), [("$a_$ \\frac{", False), ("$$", False), ("\ua66e\U0001e945", True)])
def test_labels_are_drawn_as_they_are(prepared_run, shown, label, boxes):
    """A dollar sign starts no formula, and letters that no font here has are owned up to."""
    run, *_ = prepared_run
    figure, ax = style.new()
    ax.barh([label, "jazz"], [1, 100], label=label)
    ax.set(xscale="log", title=label)
    ax.legend()
    page = shown(lambda: showing.show(run, figure, "one", "Caption."))
    assert (showing.BOXES in page) == boxes and ax.get_xticklabels()[0].get_parse_math()
    heat = plots.heat(pd.DataFrame(1.0, [label, "jazz"], [label]), title=label, label=label)
    assert "<img" in shown(lambda: showing.show(run, heat, "two", "Caption."))


def test_the_same_figure_is_the_same_bytes(prepared_run, shown):
    run, *_ = prepared_run
    files = []
    for _ in range(2):
        figure = plots.curves({"x": pd.DataFrame({0: [1.0, 2], 1: [1.5, 2.5]}, index=[1, 2])}, "beta", "NMI")
        shown(lambda figure=figure: showing.show(run, figure, "again", "Twice."))
        files.append((run.folder / "figures" / "column" / "again.png").read_bytes())
    assert files[0] == files[1]


def test_table_keeps_numbers_as_numbers(prepared_run, shown):
    run, *_ = prepared_run
    data = pd.DataFrame(
        {
            "name": ["a_b", "<i>"],
            "nmi": [interval([0.1, 0.2, 0.3]), interval([0.5])],
            "ok": [True, False],
            "n": [999.0, np.nan],
        }
    )
    page = shown(lambda: showing.table(run, data.rename_axis(columns="metric"), "t", "Numbers."))
    assert page.count("<th>") == 4, "a heading over no column"
    assert "0.200 [-0.048, 0.448]" in page and "0.500 (n = 1)" in page and "&lt;i&gt;" in page and "–" in page
    back = pd.read_csv(run.folder / "tables" / "t.csv")
    assert back["nmi"].tolist() == pytest.approx([0.2, 0.5]) and back["nmi_n"].tolist() == [3, 1]
    assert "a\\_b" in (run.folder / "tables" / "t.tex").read_text()


@pytest.mark.parametrize("n", [1, 2, 14])
def test_dots_grow_with_their_rows(n):
    figure = plots.dots(
        [f"row {i}" for i in range(n)],
        [interval([0.1 * i, 0.1 * i + 0.05]) for i in range(n)],
        "x",
        nulls=[0.0] * n,
        marked=[False] * n,
    )
    assert figure.get_size_inches()[1] >= 0.9 + 0.2 * n


@pytest.mark.parametrize(
    "verdict, kind, text",
    [
        (True, "yes", "rises by 0.25"),
        (False, "no", "does not rise: 0.25"),
        (None, "open", "Not decided"),
        (np.bool_(True), "yes", "rises by 0.25"),
    ],
)
def test_findings_follow_their_verdict(prepared_run, shown, verdict, kind, text):
    run, *_ = prepared_run
    page = shown(
        lambda: claims.finding(
            run,
            "f",
            "It rises by {gap:.2f}.",
            no="It does not rise: {gap:.2f}.",
            verdict=verdict,
            rule="gap above zero",
            gap=np.float64(0.25),
        )
    )
    assert f"finding {kind}" in page and text in page
    recorded = runs.load_records(run.folder)["04_vae"]["findings"][0]
    assert recorded["numbers"] == {"gap": 0.25} and text in recorded["text"]
    again = shown(lambda: claims.recall(run, ["f", "missing"]))
    assert text in again and "Not in this run: missing" in again


def test_banner_says_synthetic(prepared_run, shown):
    run, *_ = prepared_run
    assert "Synthetic music" in shown(lambda: claims.banner(run))


def test_curves_without_a_single_value_are_an_empty_panel():
    """No beta with anything to show must not end a notebook, on a logarithmic axis either."""
    nothing = pd.DataFrame(np.nan, [1.0, 2.0, 4.0], [0, 1])
    for data in (nothing, nothing.iloc[:0]):
        figure = plots.curves({"a": data}, "beta", "NMI", log_x=True, lines={"null": 0.3})
        assert showing.png(figure)
    assert plots.curves({"a": nothing.fillna(1)}, "beta", "NMI", log_x=True).axes[0].get_xscale() == "log"
