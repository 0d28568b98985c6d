"""The book of a small real run, page by page, in a browser without a network."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from urllib.parse import unquote

import pytest
from playwright.sync_api import expect

from tests.browsing import chromium, watched

AXE = (resources.files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
PHONE = {"width": 390, "height": 844}
SCREEN = {"width": 1280, "height": 900}
VAGUE = {"figure", "image", "picture", "plot", "chart", "graph", "table", "figure without a description"}


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def pages(smoke) -> list[Path]:
    folder, *_ = smoke
    found = sorted((folder / "html").glob("*.html"))
    assert len(found) >= 12  # eleven notebooks and the index
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


@pytest.fixture
def every(opened, pages):
    """Open every page in turn: name, page, what went wrong."""
    def walk(**settings):
        for path in pages:
            page, trouble = opened(path.stem, **settings)
            yield path.stem, page, trouble
            page.context.close()

    return walk


def test_every_page_opens_without_a_request_to_the_network_or_an_error(every):
    for name, page, trouble in every():
        page.wait_for_load_state("networkidle")
        assert not trouble.requests and not trouble.console, f"{name}: {trouble}"
        assert page.title().strip() and page.locator("main h1").count() == 1, name


def test_every_picture_has_a_text_that_names_its_content(every):
    for name, page, _ in every():
        texts = page.locator("img").evaluate_all("images => images.map(image => image.alt)")
        for text in texts:
            assert len(text.split()) >= 5 and text.strip().lower() not in VAGUE, f"{name}: {text!r}"
            assert any(character.isdigit() for character in text), f"{name}: no number in {text!r}"
        assert len(texts) == len(set(texts)) or name == "index", f"{name}: two pictures with the same text"


def test_every_link_within_the_book_resolves(every, pages):
    ids, links = {}, []
    for name, page, _ in every():
        ids[name] = set(page.locator("[id]").evaluate_all("tags => tags.map(tag => tag.id)"))
        links += [(name, link) for link in page.locator("a[href]").evaluate_all("tags => tags.map(tag => tag.href)")]
    assert links
    for name, link in links:
        if link.startswith("file:"):
            path, _, anchor = link.partition("#")
            target = Path(unquote(path.removeprefix("file://")))
            assert target.is_file(), f"{name}: {link}"
            assert not anchor or unquote(anchor) in ids[target.stem], f"{name}: {link}"
        else:
            assert link.startswith("https://"), f"{name}: {link}"


@pytest.mark.parametrize("width", [390, 768])
def test_no_page_scrolls_sideways(every, width):
    for name, page, _ in every(viewport=PHONE | {"width": width}):
        page.evaluate("document.querySelectorAll('details').forEach(block => { block.open = true; })")
        wide = page.evaluate("""() => [...document.querySelectorAll("main *, footer *, header *")]
            .filter(tag => tag.getBoundingClientRect().right > innerWidth + 1 && !tag.closest(".scroll, pre, .math"))
            .map(tag => tag.outerHTML.slice(0, 120))""")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{name}: {wide[:3]}"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_violation(every, scheme):
    for name, page, _ in every(color_scheme=scheme):
        assert page.evaluate("document.documentElement.dataset.theme") == scheme
        page.evaluate("document.querySelectorAll('details').forEach(block => { block.open = true; })")
        page.evaluate(AXE)
        found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
        serious = {one["id"]: one["nodes"][0]["html"][:200] + one["nodes"][0]["failureSummary"][:300]
                   for one in found if one["impact"] in ("serious", "critical")}
        assert not serious, f"{name}, {scheme}: {serious}"


@pytest.mark.parametrize("press", ["click", "keyboard"])
def test_code_opens_one_by_one_and_all_together(opened, press):
    page, trouble = opened("04_vae")
    act = (lambda spot: spot.click()) if press == "click" else (lambda spot: spot.press("Enter"))
    open_ones, all_of_them = page.locator("details.code[open]"), page.locator("details.code").count()
    assert open_ones.count() == 0 and all_of_them > 5
    act(page.locator("details.code > summary").nth(2))
    assert open_ones.count() == 1 and page.locator("details.code").nth(2).locator("pre").is_visible()
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
    contents = page.locator(".toc details")
    if size is PHONE:
        assert contents.get_attribute("open") is None
        page.locator(".toc summary").click()
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


def test_print_hides_what_is_for_the_screen(opened):
    page, _ = opened("04_vae")
    page.emulate_media(media="print")
    assert not page.locator("header.bar").is_visible() and not page.locator(".toc").is_visible()
    assert page.locator("main img").first.is_visible()


def test_pages_read_well_without_scripts(opened):
    page, _ = opened("04_vae", java_script_enabled=False)
    assert page.locator("main img").first.is_visible() and page.locator(".toc a").first.is_visible()
