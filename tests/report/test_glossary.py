"""Every id that a page shows has a name, a unit and a line in the glossary."""

import re

import nbformat
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
    assert set(PURPOSES) <= set(terms["purposes"])
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
    glossary.explain(page)
    assert [tag.get_text() for tag in page.find_all("abbr")] == ["NMI", "VAE", "beta-VAE"]
    assert page.p.a["href"].startswith("glossary.html#") and not page.table.a, "tables hold no links"
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


@pytest.mark.slow
def test_no_table_of_a_run_shows_an_id(smoke):
    for path in sorted((smoke[0] / "notebooks").glob("[!.]*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            for output in cell.get("outputs", []):
                page = BeautifulSoup(output.get("data", {}).get("text/html", ""), "html.parser")
                for head in page.select("figure.table th"):
                    assert not ID.search(head.get_text()), (path.name, head)
