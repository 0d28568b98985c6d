"""The book of a small real run, page by page, in a browser without a network."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from urllib.parse import unquote

import pytest
from playwright.sync_api import expect

from lib.report import book, compare
from lib.store import runs, series
from tests.browsing import Trouble, chromium, watched

AXE = (resources.files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
PHONE = {"width": 390, "height": 844}
SCREEN = {"width": 1280, "height": 900}
WIDTHS = (1280, 820, 390)
SMALLEST = 9  # pixels of letters in figures, on any screen
CHART, ALT = "svg.chart:not(.narrow)", "tag.getAttribute('aria-label')"
# What is wider than the page; tables that scroll on a wide screen; figures and tables wider than what they stand in
WIDE = """(width) => [...document.querySelectorAll("main *, footer *, header *")].filter((tag) => {
    const box = tag.getBoundingClientRect();
    const column = tag.closest(".output, main, footer, header").getBoundingClientRect();
    if (tag.closest("pre, .math, .on-paper, svg *")) return false;
    if (tag.matches("figure .scroll")) return width >= 1200 && tag.scrollWidth > tag.clientWidth + 1;
    if (tag.matches("figure, figure svg, figure img")) return box.right > column.right + 1;
    return box.right > innerWidth + 1 && !tag.closest(".scroll");
}).map((tag) => tag.outerHTML.slice(0, 160))"""
CUT = """(least) => [...document.querySelectorAll("svg.chart:not(.on-paper)")].flatMap((chart) => {
    const whole = chart.getBoundingClientRect(), scale = whole.width / chart.viewBox.baseVal.width;
    if (!whole.width || chart.closest(".picture")) return [];
    return [...chart.querySelectorAll("text")].filter((text) => {
        const box = text.getBoundingClientRect(), size = parseFloat(getComputedStyle(text).fontSize) * scale;
        return text.textContent.trim() && (size < least - 0.05 || box.left < whole.left - 2
            || box.right > whole.right + 2 || box.top < whole.top - 2 || box.bottom > whole.bottom + 2);
    }).map((text) => `${chart.parentElement.id}: ${text.textContent}`);
})"""
VAGUE = {"figure", "image", "picture", "plot", "chart", "graph", "table", "figure without a description"}


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def pages(smoke) -> list[Path]:
    folder, *_ = smoke
    found = sorted((folder / "html").glob("*.html"))
    assert len(found) >= 13  # eleven notebooks, the methods and the index
    return found


@pytest.fixture
def opened(browser, pages):
    """Open a page of the book: `opened(name, **settings of the browser's context)` -> (page, what went wrong)."""
    contexts = []

    def show(name: str, **settings):
        page, trouble = watched(browser, **({"viewport": SCREEN} | settings))
        contexts.append(page.context)
        page.goto(next(path for path in pages if path.stem == name).as_uri())
        return page, trouble

    yield show
    for context in contexts:
        context.close()


@dataclass
class Seen:
    """What one visit to a page found."""

    trouble: Trouble
    title: str
    headings: int
    texts: list[str]  # alternative texts of its pictures
    ids: set[str]
    links: list[str]
    numbers: list[tuple[str, str]]  # numbers of figures and tables, and where they lead
    wide: dict[int, list[str]]  # what is wider than its column, on a screen of that width
    cut: dict[int, list[str]]  # texts of figures that leave them, and letters that are too small
    serious: dict[str, list[str]]  # axe's serious and critical violations, light and dark


@pytest.fixture(scope="module")
def seen(browser, pages) -> dict[str, Seen]:
    """Every page, opened once and looked at in every way that needs no hand."""
    return {path.stem: visit(browser, path) for path in pages}


def visit(browser, path: Path) -> Seen:
    page, trouble = watched(browser, viewport=SCREEN, color_scheme="light")
    page.goto(path.as_uri())
    page.wait_for_load_state("networkidle")

    def all_of(selector: str, what: str) -> list:
        return page.locator(selector).evaluate_all(f"tags => tags.map(tag => {what})")

    found = Seen(
        trouble, page.title(), page.locator("main h1").count(), all_of("img", "tag.alt") + all_of(CHART, ALT),
        set(all_of("[id]", "tag.id")),
        all_of("a[href]", "tag.href"),
        [tuple(one) for one in all_of("figcaption .number-link", "[tag.textContent, tag.hash.slice(1)]")], {}, {}, {},
    )
    few = "document.querySelectorAll('details:not(section:nth-of-type(n + 6) > .code)')"  # all code is slow to check
    page.evaluate(f"{few}.forEach(block => {{ block.open = true; }})")
    page.evaluate(AXE)
    for scheme, rules in (("light", {}), ("dark", {"runOnly": ["color-contrast", "link-in-text-block"]})):
        page.emulate_media(color_scheme=scheme)  # what is of colours alone is another in the dark
        expect(page.locator("html")).to_have_attribute("data-theme", scheme)
        results = page.evaluate("rules => axe.run(document, rules)", {"resultTypes": ["violations"]} | rules)
        results = results["violations"]
        found.serious[scheme] = [
            f"{one['id']}: {one['nodes'][0]['html'][:200]} {one['nodes'][0]['failureSummary'][:300]}"
            for one in results if one["impact"] in ("serious", "critical")
        ]
    for width in WIDTHS:
        page.set_viewport_size(PHONE | {"width": width})
        page.evaluate("document.querySelectorAll('details').forEach(block => { block.open = !block.closest('td'); })")
        found.wide[width] = page.evaluate(WIDE, width)[:3]
        found.cut[width] = page.evaluate(CUT, SMALLEST)[:5]
    page.context.close()
    return found


def test_every_page_opens_without_a_request_to_the_network_or_an_error(seen):
    for name, page in seen.items():
        assert page.trouble == Trouble(), f"{name}: {page.trouble}"
        assert page.title.strip() and page.headings == 1, name


def test_every_picture_has_a_text_that_names_its_content(seen):
    for name, page in seen.items():
        for text in page.texts:
            assert len(text.split()) >= 5 and text.strip().lower() not in VAGUE, f"{name}: {text!r}"
            assert any(character.isdigit() for character in text), f"{name}: no number in {text!r}"
        assert len(page.texts) == len(set(page.texts)), f"{name}: two pictures with the same text"
    assert sum(len(page.texts) for page in seen.values()) > 40


def test_every_link_within_the_book_resolves(seen):
    links = [(name, link) for name, page in seen.items() for link in page.links]
    assert len(links) > 300
    for name, link in links:
        if link.startswith("file:"):
            path, _, anchor = link.partition("#")
            target = Path(unquote(path.removeprefix("file://").partition("?")[0]))
            assert target.is_file(), f"{name}: {link}"
            assert not anchor or unquote(anchor) in seen[target.stem].ids, f"{name}: {link}"
        else:
            assert link.startswith("https://"), f"{name}: {link}"


def test_figures_and_tables_are_numbered_through_and_link_to_themselves(seen):
    numbers = [number for page in seen.values() for number, _ in page.numbers]
    assert len(numbers) == len(set(numbers)) > 80
    for name, page in seen.items():
        assert all(unquote(target) in page.ids for _, target in page.numbers), name


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_wider_than_its_column(seen, width):
    assert not {name: page.wide[width] for name, page in seen.items() if page.wide[width]}


@pytest.mark.parametrize("width", WIDTHS)
def test_no_letter_of_a_figure_is_cut_or_too_small_to_read(seen, width):
    assert not {name: page.cut[width] for name, page in seen.items() if page.cut[width]}


def test_search_finds_a_word_of_each_page_from_any_page(opened, seen):
    page, trouble = opened("04_vae")
    box = page.locator("header input[type=search]")
    box.fill("silhouette")
    box.press("Enter")
    page.wait_for_url("**/search.html?q=silhouette")
    results = page.locator(".results li")
    assert results.count() > 5 and page.locator(".results mark").first.inner_text().lower() == "silhouette"
    for name, one in seen.items():
        if name not in ("index", "search"):
            page.locator("main input").fill(one.title.removesuffix(" – Latent Genre"))
            assert results.locator(f"a[href^='{name}.html']").count(), name
    page.locator("main input").fill("nosuchwordanywhere")
    expect(page.locator("main output")).to_have_text("no sections")
    page.locator("main input").fill("permuted")
    results.locator("a").first.click()
    assert "search.html" not in page.url and not trouble.console and not trouble.requests


def test_a_heading_sorts_its_table_by_click_and_by_keyboard(opened):
    page, trouble = opened("05_beta_vae")
    table = page.locator("#tab-beta_scores table")
    head = table.locator("th").first
    before = table.locator("tbody td:first-child").all_inner_texts()
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    head.locator("button").press("Enter")
    assert head.get_attribute("aria-sort") == "descending"
    assert [float(text) for text in table.locator("tbody td:first-child").all_inner_texts()] == sorted(
        map(float, before), reverse=True)
    assert not trouble.console


def test_long_tables_show_fifteen_rows_and_the_rest_when_asked(opened):
    page, _ = opened("glossary")
    table = page.locator("figure:has(button.rows)").first
    rows = table.locator("tbody tr:visible")
    assert rows.count() == 15
    table.locator("button.rows").press("Enter")
    assert rows.count() == table.locator("tbody tr").count() > 15


def test_a_finding_is_copied_with_its_source(browser, opened):
    page, trouble = opened("05_beta_vae", permissions=["clipboard-read", "clipboard-write"])
    box = page.locator(".finding:has(button.copy)").first
    box.locator("button.copy").click()
    expect(box.locator("button.copy")).to_have_text("copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert box.locator("p").nth(1).inner_text() in copied and "Latent Genre, “05" in copied and not trouble.console


def test_figures_follow_the_theme(opened):
    page, _ = opened("05_beta_vae", color_scheme="light")
    ink = "getComputedStyle(document.querySelector('svg.chart text')).fill"
    light = page.evaluate(ink)
    page.locator("#theme").click()
    assert page.evaluate(ink) != light


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_violation(seen, scheme):
    assert not {name: page.serious[scheme] for name, page in seen.items() if page.serious[scheme]}


@pytest.mark.parametrize("press", ["click", "keyboard"])
def test_code_opens_one_by_one_and_all_together(opened, press):
    page, trouble = opened("04_vae")
    act = (lambda spot: spot.click()) if press == "click" else (lambda spot: spot.press("Enter"))
    open_ones, all_of_them = page.locator("details.code[open]"), page.locator("details.code").count()
    assert open_ones.count() == 0 and all_of_them > 5
    act(page.locator("details.code > summary").nth(2))
    assert open_ones.count() == 1 and page.locator("details.code").nth(2).locator("pre").first.is_visible()
    act(page.locator("#code"))
    assert open_ones.count() == all_of_them and page.locator("#code").get_attribute("aria-pressed") == "true"
    page.reload()
    assert open_ones.count() == all_of_them, "forgotten on the next page"
    act(page.locator("#code"))
    assert open_ones.count() == 0 and not trouble.console


@pytest.mark.parametrize("press", ["click", "keyboard"])
@pytest.mark.parametrize("size", [SCREEN, PHONE], ids=["screen", "phone"])
def test_the_contents_lead_to_their_section_and_mark_it(opened, press, size):
    page, _ = opened("04_vae", viewport=size)
    contents = page.locator(".toc details").first
    if size is PHONE:
        assert contents.get_attribute("open") is None
        page.locator(".toc summary").first.click()
    link = page.locator(".toc a").nth(3)
    link.click() if press == "click" else link.press("Enter")
    expect(link).to_have_attribute("aria-current", "true")
    assert page.locator(".toc a[aria-current]").count() == 1
    target = page.locator(f"[id='{unquote(page.url.partition('#')[2])}']")
    assert 0 <= target.bounding_box()["y"] < size["height"] / 2


def test_the_first_key_leads_past_the_header_and_dark_stays_dark(opened):
    page, _ = opened("04_vae", color_scheme="light")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.locator("#theme").click()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


@pytest.fixture
def plot(opened):
    """A page at its first plot to point at: page, plot, the place of its first point, what went wrong."""
    page, trouble = opened("04_vae")
    svg = page.locator(".plots svg").first
    svg.scroll_into_view_if_needed()
    shape = svg.locator("path[fill-opacity]").first
    x, y = map(float, re.match(r"M([\d.]+) ([\d.]+)", shape.get_attribute("d")).groups())
    box = svg.bounding_box()
    return page, svg, (box["x"] + x, box["y"] + y), trouble


def test_a_point_says_which_track_it_is_by_pointer_and_by_keyboard(plot):
    page, svg, place, trouble = plot
    tip, genres = svg.locator(".tip"), page.locator(".legend button span").all_inner_texts()
    expect(tip).to_be_hidden()
    page.mouse.move(*place)
    expect(tip).to_be_visible()
    pointed = tip.text_content()
    assert any(genre in pointed for genre in genres) and re.search(r"t[0-9a-f]{6}", pointed), pointed
    page.mouse.move(2, 2)
    expect(tip).to_be_hidden()
    svg.focus()
    seen = []
    for key in ("ArrowRight", "ArrowRight", "ArrowUp"):
        page.keyboard.press(key)
        seen.append(tip.text_content())
        expect(page.locator("figure:has(.plots) output").first).to_have_text(seen[-1])
    assert len(set(seen)) > 1 and not trouble.console


@pytest.mark.parametrize("press", ["click", "keyboard"])
def test_a_legend_hides_and_shows_its_group(plot, press):
    page, svg, place, trouble = plot
    button = page.locator("figure:has(.plots) .legend button").first
    group, tip = svg.locator("path[fill-opacity]").first, svg.locator(".tip")
    act = button.click if press == "click" else lambda: button.press("Enter")
    act()
    expect(button).to_have_attribute("aria-pressed", "false")
    expect(group).to_be_hidden()
    page.mouse.move(*place)
    name = button.locator("span").text_content()
    assert not tip.is_visible() or name not in tip.text_content()
    act()
    expect(group).to_be_visible()
    assert not trouble.console


def test_a_plot_holds_every_track_and_the_picture_stays_for_print_and_readers(opened, smoke):
    page, _ = opened("04_vae")
    tracks = json.loads((smoke[0] / "store" / "corpus.json").read_text())["n"]
    assert page.locator(".plots svg").first.get_attribute("aria-label").startswith(f"Points: {tracks} points")
    image = page.locator("figure:has(.plots) > svg").first
    assert image.bounding_box()["width"] <= 1 and image.get_attribute("aria-label")
    page.emulate_media(media="print")
    assert image.bounding_box()["width"] > 200 and not page.locator(".plots").first.is_visible()


def test_the_index_has_an_answer_and_a_picture_of_every_notebook(opened, smoke):
    page, _ = opened("index")
    entries = page.locator(".pages > li")
    assert entries.locator(".answer").count() == entries.locator(".picture:has(> *)").count() == len(series.NEEDS)
    findings = {f["name"] for record in runs.load_records(smoke[0]).values() for f in record["findings"]}
    figures = {f["name"] for record in runs.load_records(smoke[0]).values() for f in record["figures"]}
    assert {name for names, _ in book.SHOWN.values() for name in names} <= findings, "a finding has another name now"
    assert {name for _, name in book.SHOWN.values()} <= figures, "a figure has another name now"
    page.locator("summary", has_text="List of figures").press("Enter")
    page.locator(".list[open] li a").nth(2).click()
    assert page.url.partition("#")[2].startswith("fig-")


def test_a_page_of_two_runs_is_as_good(browser, smoke, tmp_path):
    again = tmp_path / "again"
    shutil.copytree(smoke[0], again)
    path = compare.export([smoke[0], again], tmp_path / "two.html")
    page = visit(browser, path)
    assert not page.trouble.requests and not page.trouble.console
    assert not any(page.wide.values()) and not any(page.cut.values()) and page.serious == {"light": [], "dark": []}
    assert all(any(character.isdigit() for character in text) for text in page.texts) and len(page.texts) > 10


def test_print_hides_what_is_for_the_screen(opened):
    page, _ = opened("04_vae")
    page.emulate_media(media="print")
    assert not page.locator("header.bar").is_visible() and not page.locator(".toc").is_visible()
    assert page.locator("main svg.chart").first.is_visible()


def test_pages_read_well_without_scripts(opened):
    page, _ = opened("04_vae", java_script_enabled=False)
    assert page.locator("main svg.chart").first.is_visible() and page.locator(".toc a").first.is_visible()
