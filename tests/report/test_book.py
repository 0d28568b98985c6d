"""The HTML book: links, no network, formulas, descriptions of pictures, and notebooks that are missing or failed."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest
from bs4 import BeautifulSoup

from lib.report import additions, book, cells, pdf
from lib.store.settings import load
from tests.toys import notebook

PNG = base64.b64encode(
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89"
    b"\x00\x00\x00\nIDATx\x9cc\x00\x01\x00\x00\x05\x00\x01\r\n-\xb4\x00\x00\x00\x00IEND\xaeB`\x82"
).decode()
NAMES = ["01_data", "02_vae", "03_failed", "04_missing", "05_old"]
# What a document can load: only `a` may lead out of the book, and only when clicked.
LOADS = ["src", "srcset", "data", "poster", "background", "xlink:href"]


def html_output(text: str):
    return nbformat.v4.new_output("display_data", data={"text/html": text, "text/plain": "object"})


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Iterator[Path]:
    """A run with two good notebooks, a failed, a missing and an outdated one, and its book."""
    out = tmp_path_factory.mktemp("run") / "a run, ü"
    sources, executed = out / "sources", out / "notebooks"
    first = ("## Same name\n\nInline $I(z;y) \\le \\beta$ and\n\n$$\\sum_{i=1}^n \\frac{\\mu_i}{2}$$\n\n"
             "[vae](02_vae.ipynb#Is-it-%3C-PCA?), [no such place](02_vae.ipynb#nowhere), [up](#Same-name), "
             "[lost](#lost), [missing](04_missing.ipynb), [file](../README.md), [paper](https://example.org/)")
    loads = "## Same name\n\n![far](https://example.org/far.png) | a | b |\n\n| a | b |\n|---|---|\n| 1 | 2 |"
    notebook(executed, "01_data", first, loads, "x = 1 < 2", "print('<b>&')",
             title="01 · Rhythm & <i>blues</i> \\< soul", question="Which tracks are *there*, & why?")
    broken = "## Broken formula $\\frac{$ here"
    notebook(executed, "02_vae", "y = 2", broken, "## Is it \\< PCA?", title="02 · VAE",
             question="Is it?\n\nNeeds: notebook 01.")
    notebook(executed, "03_failed.failed", "1/0", title="03 · Fails")
    notebook(executed, "05_old", "1", title="05 · Old")
    notebook(sources, "04_missing", title="04 · Not there yet", question="Is it needed?")
    made = nbformat.read(executed / "01_data.ipynb", as_version=4)
    made.cells[4].outputs = [
        html_output(f'<figure id="fig-a"><img src="data:image/png;base64,{PNG}" alt="A scatter of 3 &lt; 4 tracks">'
                    "<figcaption>Tracks &amp; genres</figcaption></figure>"),
        html_output('<figure class="table" id="tab-a"><figcaption>Scores</figcaption>'
                    '<table border="1" class="dataframe"><tr><td>1</td></tr></table></figure>'),
        html_output('<div class="finding yes" id="finding-a_b"><p>VAE beats PCA.</p></div>'
                    '<div class="finding no" id="finding-expected"><p>It does not.</p></div>'
                    '<div class="finding open" id="finding-c of d"><p>Not decided.</p></div>'
                    '<div class="finding plain"><p>There are 3.</p></div>'),
        html_output('<script src="https://example.org/x.js"></script><img src="//e.org/y.png" srcset="//e.org/z">'
                    '<picture><source srcset="https://example.org/w.png"></picture>'
                    '<a href="02_vae.ipynb">next</a><iframe src="http://example.org"></iframe>'),
        nbformat.v4.new_output("display_data", data={"image/png": PNG, "text/plain": "figure"},
                               metadata={"image/png": {"alt": 'a "quoted" <picture>'}}),
    ]
    made.cells[5].outputs = [
        nbformat.v4.new_output("stream", text="analysed 100 of 1000\n"),
        nbformat.v4.new_output("stream", name="stderr", text="/home/somebody/lib/x.py:1: UserWarning: collapsed\n"),
        nbformat.v4.new_output("execute_result", data={"text/plain": "Text(0.5, 1.0, 'title')"}, execution_count=1),
    ]
    nbformat.write(made, executed / "01_data.ipynb")
    failed = nbformat.read(executed / "03_failed.failed.ipynb", as_version=4)
    trace = ["\x1b[31mZeroDivisionError\x1b[0m: <division>"]
    failed.cells[2].outputs = [
        nbformat.v4.new_output("error", ename="ZeroDivisionError", evalue="<division>", traceback=trace)
    ]
    nbformat.write(failed, executed / "03_failed.failed.ipynb")

    done = {"status": "done", "current": True, "seconds": 75.0, "label_openings": [{"purpose": "corpus_check"}]}
    entries = {
        "01_data": done, "02_vae": done, "03_failed": {"status": "failed", "error": "ZeroDivisionError: <division>"},
        "04_missing": {"status": "not run", "error": "needs 03_failed"}, "05_old": done | {"current": False},
    }
    settings = json.loads(load("smoke").model_dump_json())
    record = {"settings": settings, "started": 1e9, "seconds": 100.0, "notebooks": entries,
              "versions": {"numpy": "9.8.7"},
              "origin": {"commit": "0123456789ab", "processor": "A CPU", "cores": "2"},
              "seeds": {"headline": [4, 5, 6]}}
    (out / "run.json").write_text(json.dumps(record))
    (out / "records").mkdir()
    (out / "records" / "01_data.json").write_text(json.dumps(
        {"findings": [{"name": "loud", "text": "Loud <rock> is loud."}]}))
    (out / "html").mkdir()
    (out / "html" / "99_gone.html").write_text("of an earlier run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(additions, "registry", lambda: {"claims": {"expected": {"expected": True}}})
        assert book.export(out, NAMES, sources) == book.index_path(out)
        yield out


@pytest.fixture(scope="module")
def pages(folder) -> dict[str, BeautifulSoup]:
    return {p.name: BeautifulSoup(p.read_text(), "html.parser") for p in (folder / "html").iterdir()}


def test_there_is_a_page_per_executed_notebook_and_an_index(pages):
    notebooks = ["01_data.html", "02_vae.html", "03_failed.html", "05_old.html"]
    own = ["glossary.html", "index.html", "methods.html", "references.html", "search.html"]
    assert sorted(pages) == [*notebooks, *own]


def test_every_link_leads_somewhere_and_every_page_is_reached_from_the_index(pages):
    for name, page in pages.items():
        for link in page.find_all("a", href=True):
            path, _, anchor = link["href"].partition("#")
            if path.startswith(("https://", "../notebooks/")):
                continue
            target = path or name
            assert target in pages, f"{name}: {link}"
            assert not anchor or pages[target].find(id=unquote(anchor)), f"{name}: {link}"
    reached, waiting = set(), ["index.html"]
    while waiting:
        name = waiting.pop()
        reached.add(name)
        links = {link["href"].partition("#")[0] for link in pages[name].select("main a, .bar a")}
        waiting += links & set(pages) - reached
    assert reached == set(pages)


def test_pages_follow_one_another(pages):
    order = ["01_data.html", "02_vae.html", "03_failed.html", "05_old.html", "methods.html", "glossary.html",
             "references.html"]
    for i, name in enumerate(order):
        before = {link["href"] for link in pages[name].find_all("a", rel="prev")}
        after = {link["href"] for link in pages[name].find_all("a", rel="next")}
        assert before == ({order[i - 1]} if i else set()) and after == (set(order[i + 1:i + 2]))


def test_nothing_is_loaded_from_a_network(pages, folder):
    for name, page in pages.items():
        for attribute in LOADS:
            assert not [tag for tag in page.find_all(attrs={attribute: True}) if not tag[attribute].startswith("data:")]
        assert not page.find_all(["link", "iframe", "object", "embed", "base"])
        text = (folder / "html" / name).read_text()
        assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest", text)
        assert {form["action"] for form in page.find_all("form")} == {"search.html"}
        assert len(page.find_all("script", type=False)) == 1
        policy = page.find("meta", attrs={"http-equiv": "Content-Security-Policy"})["content"]
        assert policy.startswith("default-src 'none'") and "http" not in policy


def test_the_policy_lets_the_pages_own_script_run(pages):
    page = pages["01_data.html"]
    digest = base64.b64encode(hashlib.sha256(page.script.string.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in page.find("meta", attrs={"http-equiv": "Content-Security-Policy"})["content"]


def test_pictures_keep_their_description_and_captions_are_numbered(pages):
    page = pages["01_data.html"]
    assert [img["alt"] for img in page.find_all("img")] == ["A scatter of 3 < 4 tracks", 'a "quoted" <picture>']
    captions = [caption.get_text() for caption in page.find_all("figcaption")]
    assert captions == ["Figure 1.1. Tracks & genres", "Table 1.1. Scores"]


def test_a_finding_says_its_verdict_in_words_and_can_be_cited(pages):
    page = pages["01_data.html"]
    found = {box.p.b.get_text(): box for box in page.find_all(class_="finding")}
    assert list(found) == ["Rule met", "Rule not met", "Not decided", "Description"]
    assert [row.dt.get_text() for row in page.select(".key div")] == list(found), "the key says the same"
    assert "not as expected" in found["Rule not met"].get_text() and "expected" not in found["Rule met"].p.get_text()
    box = found["Rule met"]
    assert page.find(id=unquote(box.find("a", string="link")["href"][1:])) is box
    cited = box.find("button", class_="copy")["data-copy"]
    assert cited.startswith("VAE beats PCA. (Latent Genre, “01 · Rhythm & blues < soul”") and "profile smoke" in cited
    assert "“a b”" in cited and "2001" in cited
    assert not pages["02_vae.html"].find(class_="key"), "no finding, no key"


def test_formulas_become_mathml_and_a_broken_one_stays_readable(pages):
    page = pages["01_data.html"]
    inline, block = page.main.find_all("math")
    assert inline["display"] == "inline" and block["display"] == "block"
    assert "β" in inline.get_text() and block.find("mfrac") and "$" not in page.main.get_text()
    assert "\\frac{" in pages["02_vae.html"].h2.get_text()


def test_special_characters_in_titles_and_outputs_are_text(pages, folder):
    page = pages["01_data.html"]
    assert page.title.get_text() == "01 · Rhythm & blues < soul – Latent Genre"
    assert "<title>01 · Rhythm &amp; blues &lt; soul" in (folder / "html" / "01_data.html").read_text()
    assert not page.find("pre", class_="output")
    index = pages["index.html"]
    assert "Rhythm & blues < soul" in index.main.get_text() and "Loud <rock> is loud." in index.main.get_text()
    assert not index.find("rock") and not page.find("division")


def test_headings_have_ids_of_their_own_and_the_contents_list_them(pages):
    for page in pages.values():
        ids = [tag["id"] for tag in page.find_all(id=True)]
        assert len(ids) == len(set(ids))
    assert [a["href"] for a in pages["01_data.html"].select(".toc a")] == ["#Same-name", "#Same-name-2"]


def test_links_to_notebooks_lead_to_pages_and_dead_links_become_text(pages):
    links = {link.get_text(): link["href"] for link in pages["01_data.html"].select(".text p a")}
    assert links == {
        "vae": "02_vae.html#Is-it-%3C-PCA%3F", "no such place": "02_vae.html", "up": "#Same-name",
        "paper": "https://example.org/",
    }
    assert "lost, missing, file" in pages["01_data.html"].main.get_text()


def test_wide_tables_scroll_and_code_is_folded(pages):
    page = pages["01_data.html"]
    assert all("scroll" in table.parent["class"] for table in page.main.find_all("table"))
    blocks = page.main.find_all("details", class_="code")
    assert blocks and not any(block.has_attr("open") for block in blocks)
    assert all("highlight" in block.div["class"] for block in blocks)


def test_progress_warnings_and_bare_values_stay_in_the_notebook(pages):
    text = pages["01_data.html"].get_text()
    assert not any(said in text for said in ("analysed 100", "UserWarning", "somebody", "Text(0.5"))
    assert "print('<b>&')" in text, "the code is there all the same"


def test_columns_of_numbers_are_set_flush_right():
    rows = [["method", "NMI", "note", "n"], ["PCA", "0.29 [0.2, 0.3]", "2 of 3", "–"], ["VAE", "-0.1%", "none", "1e-3"]]
    head, *body = ("</{0}><{0}>".format("td" if i else "th").join(row) for i, row in enumerate(rows))
    lines = f"<tr><th>{head}</th></tr>" + "".join(f"<tr><td>{row}</td></tr>" for row in body)
    soup = BeautifulSoup(f"<table>{lines}</table>", "html.parser")
    cells.align(soup.table)
    assert [cell.get_text() for cell in soup.find_all(class_="number")] == ["NMI", "n", *rows[1][1::2], *rows[2][1::2]]


def test_long_tables_and_long_cells_are_folded_and_files_are_linked(tmp_path):
    rows = "".join(f"<tr>{'<td>1</td>' * 6}<td>{'a long word ' * 9}</td></tr>" for _ in range(16))
    table = f"<table><thead><tr>{'<th>n</th>' * 7}</tr></thead><tbody>{rows}</tbody></table>"
    body = BeautifulSoup(f'<figure class="table" id="tab-t"><figcaption>T.</figcaption>{table}</figure>', "html.parser")
    cells.tidy(body)
    additions.tables(body)
    assert "long" in body.table["class"] and body.find("button", class_="rows").get_text() == "Show all 16 rows"
    assert len(body.select("td.prose > details > summary")) == 16
    (tmp_path / "tables").mkdir()
    for end in ("csv", "tex"):
        (tmp_path / "tables" / f"t.{end}").write_text("")
    additions.downloads(body, tmp_path)
    assert [link["href"] for link in body.select(".downloads a")] == ["../tables/t.csv", "../tables/t.tex"]


def test_code_of_cells_that_show_nothing_goes_into_the_next_fold():
    fold = '<details class="code"><summary>Code</summary>{}</details>'
    one, two, three, four = (fold.format(f"<!--{i}-->") for i in range(4))
    body = BeautifulSoup(f'<section class="cell">{one}</section><section class="cell">{two}<p>a</p></section>'
                         f'<section class="cell">{three}</section><div>a</div><section class="cell">{four}</section>',
                         "html.parser")
    additions.join_code(body)
    folds = [[str(code) for code in fold.contents[1:]] for fold in body.find_all("details")]
    assert folds == [["0", "1", "2"], ["3"]]


def test_sections_whose_code_showed_nothing_are_dropped():
    text, shows, silent = '<div class="text"><{0}>{1}</{0}><p>Words.</p></div>', "<p>seen</p>", ""
    cell = '<section class="cell"><details class="code"><summary>Code</summary></details>{}</section>'
    body = BeautifulSoup("".join([
        text.format("h2", "A"), cell.format(shows), text.format("h2", "B"), cell.format(silent), cell.format(silent),
        text.format("h2", "C"), text.format("h3", "D"), cell.format(silent), text.format("h3", "E"), cell.format(shows),
        text.format("h2", "F")]), "html.parser")
    additions.drop_empty(body)
    assert [tag.get_text() for tag in body.find_all(["h2", "h3"])] == ["A", "C", "E", "F"]


def test_the_search_page_knows_every_section(pages):
    found = json.loads(pages["search.html"].find(id="sections").string)
    assert {one["at"] for one in found} >= {"01_data.html", "01_data.html#Same-name-2", "02_vae.html#Is-it-%3C-PCA%3F"}
    assert any("VAE beats PCA." in one["text"] for one in found)
    assert not any("copy with source" in one["text"] or "print(" in one["text"] for one in found)


def test_the_index_says_what_made_the_run(pages):
    text = pages["index.html"].main.get_text()
    assert "commit 0123456789ab on A CPU with 2 cores" in text and "commit 0123456789ab" in str(pages["01_data.html"])


def test_what_a_notebook_needs_stands_at_the_foot(pages):
    page = pages["02_vae.html"]
    assert "Needs: notebook 01." in page.footer.get_text() and "Needs" not in page.main.get_text()


def test_all_pages_are_bound_as_one_with_links_that_stay_within(folder):
    page = BeautifulSoup(pdf.bound(folder / "html" / "index.html"), "html.parser")
    names = [article["id"] for article in page.find_all("article")]
    assert names == ["03_failed", "05_old", "02_vae", "01_data", "methods", "glossary", "references"], "by question"
    ids = [tag["id"] for tag in page.find_all(id=True)]
    assert len(ids) == len(set(ids))
    links = [link["href"] for link in page.main.find_all("a", href=True)]
    assert "#02_vae--Is-it-%3C-PCA%3F" in links
    for link in links:
        assert not link.startswith("#") or unquote(link[1:]) in ids, link


def test_failed_missing_and_outdated_notebooks_say_so(pages):
    index = {item.b.get_text(): item for item in pages["index.html"].select(".pages > li")}
    assert list(index) == ["03 · Fails", "04 · Not there yet", "05 · Old", "02 · VAE", "01 · Rhythm & blues < soul",
                           "Methods and checklist", "Glossary", "References"], "by question"
    assert [head.get_text() for head in pages["index.html"].select("h2.question")][-1] == "Appendix"
    assert "Which tracks are there, & why?" in index["01 · Rhythm & blues < soul"].get_text()
    assert "Failed: ZeroDivisionError: <division>" in index["03 · Fails"].get_text()
    assert "Not run: needs 03_failed" in index["04 · Not there yet"].get_text()
    assert "Is it needed?" in index["04 · Not there yet"].get_text() and not index["04 · Not there yet"].a
    assert "Out of date" in index["05 · Old"].get_text()
    assert index["02 · VAE"].find(class_="state") is None and pages["02_vae.html"].find(class_="warning") is None
    assert "Failed" in pages["03_failed.html"].find(class_="warning").get_text()
    assert "ZeroDivisionError: <division>" in pages["03_failed.html"].find("pre", class_="error").get_text()


def test_the_foot_tells_settings_versions_seeds_times_and_openings(pages):
    text = pages["01_data.html"].footer.get_text(" ")
    assert "numpy 9.8.7" in re.sub(r"\s+", " ", text) and "4, 5, 6" in text and "profile smoke" in text
    assert "1 min 15 s" in text and "corpus check" in text and "n_tracks" in text
    assert "Synthetic music" in pages["index.html"].get_text()


def test_titles_and_pages_do_not_name_this_machine(folder):
    for path in (folder / "html").iterdir():
        assert str(folder) not in html.unescape(path.read_text())


def test_a_book_is_old_when_a_notebook_is_newer(folder, tmp_path):
    assert not book.is_old(folder)
    index = book.index_path(folder)
    newest = index.stat().st_mtime
    os.utime(index, (1, 1))
    assert book.is_old(folder)
    os.utime(index, (newest, newest))
    assert book.is_old(tmp_path)


def test_pages_rendered_while_notebooks_run_are_those_of_the_end(folder, tmp_path):
    """What was rendered early is used again, but not after its notebook has changed; a broken one does not stop it."""
    run = tmp_path / "run"
    shutil.copytree(folder, run)
    broken = run / "notebooks" / "04_missing.ipynb"
    broken.write_text("{")
    book.prepare(run)
    broken.unlink()
    before = book._rendered.cache_info().hits
    book.export(run, NAMES, run / "sources")
    assert book._rendered.cache_info().hits == before + 4  # the pages that are there
    for path in (folder / "html").iterdir():
        assert path.read_bytes() == (run / "html" / path.name).read_bytes()
    path = notebook(run / "notebooks", "02_vae", "## Quite another heading", title="02 · VAE")
    os.utime(path, ns=(time.time_ns() + 10**9,) * 2)
    book.export(run, NAMES, run / "sources")
    assert "Quite another heading" in (run / "html" / "02_vae.html").read_text()
