"""Every id that a page shows has a name, a unit and a line in the glossary."""

import re

import pandas as pd
import pytest
from bs4 import BeautifulSoup

from lib.corpora.synthetic import composition
from lib.features.audio import DESCRIPTORS
from lib.report import glossary
from lib.store import artifacts, runs
from lib.store.labels import LABEL_USE, PURPOSES
from lib.store.settings import Settings

ID = re.compile(r"\b[a-z0-9]+_[a-z0-9_]+\b")  # what no reader should meet


def test_every_term_has_a_name_of_words_and_a_line():
    for kind, terms in glossary.registry().items():
        for name, one in terms.items():
            assert one.name and one.says.endswith((".", ".)", "?")), (kind, name)
            assert kind == "settings" or not ID.search(one.name), (kind, name)


def test_what_code_lists_is_in_the_glossary_with_the_same_unit():
    terms = glossary.registry()
    assert {name: one.unit for name, one in terms["descriptors"].items()} == {n: u for n, (u, _) in DESCRIPTORS.items()}
    assert set(terms["factors"]) == set(composition.items(Settings(n_tracks=20))[0].factors)
    assert set(terms["uses of labels"]) == set(LABEL_USE)
    assert set(PURPOSES) <= set(terms["purposes of readings of labels"])
    assert set(terms["settings"]) == {n for n, about in Settings.model_fields.items() if about.description}


def test_ids_are_shown_by_name_alone_and_joined_and_other_words_as_they_are():
    data = pd.DataFrame({"method": ["beta_vae", "my method"], "features": ["mfcc+lyrics", "mfcc_delta + modulation"],
                         "p_holm": ["vae", "0.1"], "lead": [1, 2]}, index=pd.Index(["vae", "x"], name="metric"))
    shown = glossary.shown_table(data)
    assert shown["method"].tolist() == ["beta-VAE", "my method"]
    assert shown["features"].tolist() == ["MFCC + lyrics", "MFCC and deltas + modulation spectrum"]
    assert shown["p, Holm"].tolist() == ["vae", "0.1"], "only columns of ids hold ids"
    assert glossary.shown("VAE - ae: nmi") == "VAE − autoencoder: NMI" and glossary.shown(3) == 3
    assert glossary.shown("beta=4 enc=0 dec=1") == "beta 4, label in decoder" and glossary.shown("my=1") == "my=1"


def test_terms_are_explained_where_a_page_names_them_first_and_nowhere_else():
    page = BeautifulSoup("<h2>NMI</h2><p>A <code>NMI</code>, <a href='#'>NMI</a>, the NMI &lt; 1 of k-means, NMI.</p>"
                         "<table><tr><td>VAE and beta-VAE</td><td>NMI</td></tr></table>", "html.parser")
    before = page.get_text()
    glossary.explain(page, linked=True)
    assert [tag.get_text() for tag in page.find_all("abbr")] == ["NMI", "VAE", "beta-VAE"]
    assert page.select_one("p a.term")["href"] == "glossary.html#Metrics" and not page.table.a, "tables hold no links"
    assert page.get_text() == before and page.p.abbr["title"].startswith("Normalised mutual information")


@pytest.mark.slow
def test_every_metric_method_descriptor_and_factor_of_a_run_is_in_the_glossary(smoke):
    """The executed smoke run: its score table, and the ids that its tables show."""
    folder = smoke[0]
    scores, unknown = artifacts.scores_of(folder), set()
    shown = {"metric": scores["metric"], "method": scores["method"], "features": scores["features"],
             "clusterer": scores["clusterer"], "label_use": scores["label_use"]}
    tables = [one["ids"] for record in runs.load_records(folder).values() for one in record.get("tables", [])]
    assert tables
    for held in [*({name: set(values)} for name, values in shown.items()), *tables]:
        for column, cells in held.items():
            kinds = glossary.ID_COLUMNS.get(column, glossary.HEADINGS)
            parts = {part for cell in cells for part in glossary.parts(cell, kinds)}
            wanted = parts if column in shown else filter(ID.search, parts)  # tables also hold words of their own
            unknown |= {(column, part) for part in wanted
                        if not glossary.term(part, kinds) and not glossary.JOINS.fullmatch(part)}
    assert not unknown


def said(page: BeautifulSoup) -> list[str]:
    """What a page shows of results: captions, findings, cells of tables, texts of figures; not code, nor what is typed
    or downloaded, such as names of settings and files, nor names of processors and of other projects."""
    for tag in page.select("code, pre, script, footer, .made, a[href^='https:'], #tab-methods_settings, "
                           "#tab-glossary-settings td:first-child, [id^=tab-glossary] td:last-child"):
        tag.decompose()
    return [tag.get_text(" ") for tag in page.select("td, th, p, li, figcaption, h1, h2, h3, svg text")] + [
        image.get("alt", "") for image in page("img")]


NAMES = re.compile(r"\b[\w./-]+\.(ipynb|yaml|csv|json|py|html|wav)\b|\w+=\S+|\bnotebooks/\S+")  # of files and options


def raw(text: str) -> set[str]:
    """Ids in a text that readers should not meet: words with an underscore, and ids whose display name differs."""
    text = NAMES.sub("", text)
    kinds = ("metrics", "methods", "columns", "factors", "descriptors", "features", "constants of protocols")
    words = {word for kind in kinds
             for word, one in glossary.registry()[kind].items() if one.name != word and not word.isalpha()}
    return {found for found in re.findall(r"\b\w+\b", text) if ID.fullmatch(found) or found in words}


@pytest.mark.parametrize("text, ids", [
    ("NMI of nmi_null, palette_from", {"nmi_null", "palette_from"}), ("store/skipped.csv and 95 % of k-means", set()),
    ("beta=4 is an option", set()), ("n_clusters", {"n_clusters"}),
])
def test_what_counts_as_raw(text, ids):
    assert raw(text) == ids


@pytest.mark.slow
def test_no_page_of_a_run_shows_an_id(smoke):
    """Every page of the executed smoke run's book."""
    found = {}
    for path in sorted((smoke[0] / "html").glob("*.html")):
        page = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
        found[path.stem] = {one for text in said(page) for one in raw(text)}
    assert not {name: ids for name, ids in found.items() if ids}
