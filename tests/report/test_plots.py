"""Figures and findings: what reaches the page and the folder."""

import json
import re
import warnings

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen

from lib.report import charts, claims, digits, plots, redraw, showing, style
from lib.scores.intervals import interval
from lib.store import artifacts, runs, sizes


def test_the_banner_names_what_is_of_a_sample_and_its_error(prepared_run, shown):
    run, *_ = prepared_run
    assert "samples" not in shown(lambda: claims.banner(run))
    made = pd.DataFrame({"tracks used": [3000], "value": [0.2], "error": [0.00333]}, pd.Index(["silhouette, k-means"]))
    artifacts.save(run, "sampling", made.rename_axis("measure"))
    assert "silhouette, k-means (of 3000, ± 0.0033)" in shown(lambda: claims.banner(run))


def test_show_escapes_saves_and_records(prepared_run, shown):
    run, *_ = prepared_run
    figure = plots.scatter(np.random.default_rng(0).standard_normal((30, 2)), ["a<b>"] * 30)
    page = shown(lambda: showing.show(run, figure, "one", 'Caption with <b> & "quotes".'))
    assert 'id="fig-one"' in page and "&lt;b&gt;" in page and "<b>" not in page.replace("&lt;b&gt;", "")
    assert 'alt="Caption with' in page
    for file in ("one.png", "one.json"):
        assert (run.folder / "figures" / file).stat().st_size > 1000
    assert runs.load_records(run.folder)["04_vae"]["figures"][0]["name"] == "one"


def test_of_many_points_some_can_be_pointed_at_and_the_caption_says_so(prepared_run, shown, monkeypatch):
    run, *_ = prepared_run
    labels = pd.Series(["a", "b"] * 50, [f"t{i}" for i in range(100)])
    figure = plots.scatter(np.random.default_rng(0).standard_normal((100, 2)), labels)
    assert "pointed at" not in shown(lambda: showing.show(run, figure, "one", "Caption."))
    monkeypatch.setattr(sizes, "DRAWN", 30)
    page = shown(lambda: showing.show(run, figure, "one", "Caption."))
    assert "one in 4 can be pointed at" in page
    kept = json.loads(page.split('class="points">')[1].split("</script>")[0])[0]["groups"]
    assert [len(group["points"]) for group in kept] == [len(group["names"]) for group in kept] == [13, 13]
    assert kept[0]["names"][:2] == ["t0", "t8"]


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


@pytest.mark.parametrize("word", ["বাংলা", "தமிழ்", "አማርኛ", "ᓄᓇᕗᑦ"])
def test_any_installed_font_of_the_noto_family_is_found(prepared_run, shown, tmp_path, monkeypatch, word):
    """A font installed after Matplotlib last looked, made here: squares for the letters of one word."""
    run, *_ = prepared_run
    pen = TTGlyphPen(None)
    for draw, point in ((pen.moveTo, (0, 0)), (pen.lineTo, (0, 500)), (pen.lineTo, (500, 0))):
        draw(point)
    pen.closePath()
    square, letters = pen.glyph(), {ord(char): f"u{ord(char):x}" for char in word}
    font = FontBuilder(1000)
    font.setupGlyphOrder([".notdef", *letters.values()])
    font.setupCharacterMap(letters)
    font.setupGlyf(dict.fromkeys([".notdef", *letters.values()], square))
    font.setupHorizontalMetrics(dict.fromkeys([".notdef", *letters.values()], (600, 0)))
    font.setupHorizontalHeader(ascent=800, descent=-200)
    font.setupNameTable({"familyName": f"Noto Sans {ord(word[0]):x}", "styleName": "Regular"})
    font.setupOS2()
    font.setupPost()
    font.save(tmp_path / "new.ttf")

    def page() -> str:
        figure, ax = style.new()
        ax.barh([word, "jazz"], [1, 2])
        return shown(lambda: showing.show(run, figure, "one", "Caption."))

    def boxes(found: list[str]) -> bool:
        monkeypatch.setattr(mpl.font_manager, "findSystemFonts", lambda: found)
        for cached in (style._installed, style._font_with):
            cached.cache_clear()
        figure, ax = style.new()
        ax.barh([word, "jazz"], [1, 2])
        return showing.BOXES in shown(lambda: showing.show(run, figure, "one", "Caption."))

    before = mpl.font_manager.fontManager.ttflist
    monkeypatch.setattr(mpl.font_manager.fontManager, "ttflist", [one for one in before if "DejaVu" in one.name])
    dejavu = style._letters(mpl.font_manager.findfont("DejaVu Sans"))
    assert boxes([]) == any(ord(char) not in dejavu for char in word)
    assert not boxes([str(tmp_path / "new.ttf")])
    style._installed.cache_clear()
    style._font_with.cache_clear()


def test_the_same_figure_is_the_same_bytes(prepared_run, shown):
    run, *_ = prepared_run
    files = []
    for _ in range(2):
        figure = plots.curves({"x": pd.DataFrame({0: [1.0, 2], 1: [1.5, 2.5]}, index=[1, 2])}, "beta", "NMI")
        shown(lambda figure=figure: showing.show(run, figure, "again", "Twice."))
        files.append((run.folder / "figures" / "again.png").read_bytes())
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
    assert "0.20 [-0.05, 0.45]" in page and "0.50 (n = 1)" in page and "&lt;i&gt;" in page and "–" in page
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
    ],
)
def test_findings_follow_their_verdict(prepared_run, shown, verdict, kind, text):
    run, *_ = prepared_run
    sentences, numbers = ("It rises by {gap:.2f}.", "It does not rise: {gap:.2f}."), {"gap": np.float64(0.25)}
    page = shown(lambda: claims.state(run, "f", sentences, verdict, "gap above zero", numbers, numbers))
    assert f"finding {kind}" in page and text in page
    recorded = runs.load_records(run.folder)["04_vae"]["findings"][0]
    assert recorded["numbers"] == {"gap": 0.25} and text in recorded["text"]
    again = shown(lambda: claims.recall(run, ["f", "missing"]))
    assert text in again and "Not in this run: missing" in again


def told() -> dict:
    """A figure of each plot function that needs data alone, and what it says."""
    x = np.arange(5.0)
    pairs = {"A": [interval([1, 2]), interval([3, 4])], "B": [interval([5, 6]), interval([7, 8])]}
    return {
        "points": (plots.scatter(np.c_[x, x], ["a", "a", "b", "b", "b"]), "5 points from 0 to 4 across"),
        "shaded": (plots.shaded(np.c_[x, x], x, "tempo"), "coloured by tempo from 0.08 to 3.92"),
        "dots": (plots.dots(["vae", "pca"], pairs["A"], "nmi", nulls=[0.1, 0.2]),
                 "NMI: VAE 1.5, PCA 3.5; null: VAE 0.1"),
        "curve": (plots.curves({"vae": pd.DataFrame({0: x, 1: x})}, "beta", "nmi", lines={"chance": 0.5}),
                  "NMI against beta: VAE from 0 at 0 to 4 at 4; line chance at 0.5"),
        "heat": (plots.heat(pd.DataFrame([[1.0, 2], [3, 9]], index=["p", "q"], columns=["r", "kl"])),
                 "highest 9 (q, KL)"),
        "null": (plots.null_strip({"vae": (0.5, np.array([0.1, 0.3]))}, "silhouette"),
                 "VAE 0.5; mean of the null draws: VAE 0.2"),
        "two": (plots.rows_of_several(["u", "v"], pairs, "NMI"), "B: u 5.5, v 7.5"),
        "mels": (plots.log_mels({"jazz": np.ones((4, 6))}, 30.0), "jazz: spectrogram, mean 1 dB"),
        "causes": (plots.causes({("a", "b"): interval([1.0, 2])}), "from a to b +1.50"),
        "losses": (plots.losses({"train loss": np.array([[3.0, 2.0, np.nan]])}),
                   "train loss from 3 at the first epoch to 2"),
    }


def test_a_figure_is_told_by_its_numbers():
    for name, (figure, text) in told().items():
        assert text in style.words(figure), (name, style.words(figure))


def test_a_figure_without_a_word_tells_how_far_its_data_reach():
    figure, (left, right) = style.new(rows=1, columns=2)
    left.plot([1, 2], [3, 4])
    left.set(xlabel="beta", ylabel="KL")
    assert style.words(figure) == "KL against beta: from 1 to 2 across and 3 to 4 up."


@pytest.mark.slow
def test_a_figure_is_drawn_again_as_it_was_and_at_another_width(tmp_path):
    for name, (figure, text) in told().items():
        redraw.keep(figure, tmp_path / name)
        assert showing.png(redraw.again(tmp_path / name, None)) == showing.png(figure), name
        for width in style.WIDTHS.values():
            narrow = redraw.again(tmp_path / name, width)
            assert narrow.get_figwidth() == width and text in style.words(narrow)
    assert showing.pdf(narrow) == showing.pdf(redraw.again(tmp_path / name, width))


def test_what_was_drawn_on_later_or_by_hand_is_not_drawn_again(tmp_path):
    later, by_hand = told()["curve"][0], style.new()[0]
    later.axes[0].axhline(0.3)
    unknown = told()["dots"][0]
    unknown.made_by[0][2] = (object(),)
    for figure in (later, by_hand, unknown):
        (tmp_path / "figure").write_text("of an earlier run")
        redraw.keep(figure, tmp_path / "figure")
        assert redraw.again(tmp_path / "figure", style.PAGE) is None
    for module, name in (("lib.store.files", "write_text"), ("os", "system")):
        (tmp_path / "evil").write_text(json.dumps([module, name, {"tuple": ["/tmp/x"]}, {"dict": []}]))
        with pytest.raises(ValueError, match="draws figures"):
            redraw.again(tmp_path / "evil", 3.0)


def panels(rows: int, columns: int):
    figure, axes = style.new(style.PAGE, 2.5, rows, columns, sharex=True, sharey=True, squeeze=False)
    for i, ax in enumerate(axes.flat):
        plots.dots([f"row {j}" for j in range(4)], [interval([0.1 * i + j, j + 0.2]) for j in range(4)], "NMI", ax)
    return figure


@pytest.mark.parametrize("shape", [(1, 2), (1, 3), (2, 2), (2, 3)])
@pytest.mark.parametrize("width", [style.COLUMN, style.PAGE])
def test_a_figure_fits_its_width_without_losing_or_covering_anything(shape, width):
    with style.as_wide_as(width):
        figure = panels(*shape)
    style.settle(figure)
    assert figure.get_size_inches()[0] == pytest.approx(width) and figure.get_size_inches()[1] <= style.TALLEST
    boxes = [ax.get_tightbbox() for ax in figure.axes]  # with their labels
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    whole = figure.get_window_extent()
    assert all(box.x0 >= whole.x0 - 1 and box.x1 <= whole.x1 + 1 and box.y0 >= whole.y0 - 1 for box in boxes)


@pytest.mark.parametrize("width", [None, *style.WIDTHS.values()])
def test_long_names_leave_room_for_what_is_drawn(width):
    """The comparison's rows are called by method, setting and features: they once left no room for the panel."""
    names = [f"contrastive_vae · members=3 umap={i} · mfcc_delta + modulation + descriptors" for i in range(22)]
    with warnings.catch_warnings(), style.as_wide_as(width):
        warnings.simplefilter("error")
        figure = plots.dots(names, [interval([0.1, 0.2])] * 22, "NMI", nulls=[0.0] * 22, marked=[True] * 22)
        style.settle(figure)
    assert figure.axes[0].get_position().width > 0.3


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


@pytest.mark.slow
@pytest.mark.parametrize("width", [None, *style.WIDTHS.values()])
def test_nothing_of_a_figure_is_cut_at_any_width(tmp_path, width):
    for name, (figure, _) in told().items():
        redraw.keep(figure, tmp_path / name)
        again = redraw.again(tmp_path / name, width)
        style.settle(again)
        assert style.overhang(again).max() < 0.03, name


def test_what_would_be_cut_gets_room_and_long_names_are_broken():
    figure, axes = style.new(style.PAGE, 2.5, 1, 2)
    axes[0].set(xlabel="a name that is longer than its panel is wide, since it goes on and on and on",
                title="and so is this title of one panel of two, which says much")
    axes[1].set(ylabel="as high as this name is, no panel of two inches and a half will ever be")
    axes[1].text(1, 0.5, "beyond the edge of the figure")
    style.settle(figure)
    assert style.overhang(figure).max() < 0.03 and "\n" in axes[0].get_xlabel()
    low = plots.heat(pd.DataFrame(np.ones((4, 60))), label="the mean of something, in its standard deviations")
    style.settle(low)
    assert style.overhang(low).max() < 0.03 and "\n" in low.axes[1].get_ylabel()
    assert [ax.get_title(loc="left")[0] for ax in axes] == ["a", "b"]


def test_short_names_far_apart_stand_at_the_ends_of_their_lines():
    def drawn(*ends):
        return plots.curves({f"line {i}": pd.DataFrame({0: [0.0, end], 1: [0.0, end]}) for i, end in enumerate(ends)},
                            "beta", "NMI")

    apart, near = drawn(0, 1), drawn(1, 1.001)
    assert [text.get_text() for text in apart.axes[0].texts] == ["line 0", "line 1"] and not apart.legends
    assert not near.axes[0].texts and len(near.legends) == 1


def test_figures_of_pages_take_its_colours_and_have_ids_of_their_own():
    data = pd.DataFrame([[1.0, 2], [3, 9]], index=["p", "q"], columns=["r", "s"])
    drawing = charts.svg(plots.heat(data), "one")
    assert drawing == charts.svg(plots.heat(data), "one")
    tag = charts.inline(drawing, "x-", 'a "b"', "column")
    assert "var(--ink)" in tag and "#000000" not in tag and 'aria-label="a &quot;b&quot;"' in tag
    assert "fill: #ffffff" in tag, "white letters on dark cells stay white"
    ids = re.findall(r' id="([^"]+)"', tag)
    assert ids and all(one.startswith("x-") for one in ids) and len(ids) == len(set(ids))
    assert set(re.findall(r"(?:href=\"#|url\(#)([^\")]+)", tag)) <= set(ids)


@pytest.mark.parametrize("cells, said", [
    ([interval([10.0, 10.0])], ["10"]), ([6.0, 12.0], ["6", "12"]), ([1600.46, 0.0123], ["1600", "0.012"]),
    ([interval([0.301, 0.303]), interval([0.2, 0.4])], ["0.30 [0.29, 0.31]", "0.30 [-0.97, 1.57]"]),
    ([0.00001, 0.25], ["< 0.001", "0.250"]), ([np.nan, True, "a"], ["–", "yes", "a"]),
    ([interval([100.0, 140.0])], ["120 [-134, 374]"]), ([256, 8], ["256", "8"]), ([1.5, 250.0], ["1.5", "250.0"]),
    ([0.25, 1.0, 32.0], ["0.25", "1.00", "32.00"]), ([0.25, 3.14159, 32.0], ["0.25", "3.14", "32.00"]),
])
def test_numbers_have_the_digits_they_deserve(cells, said):
    assert digits.texts(cells) == said
