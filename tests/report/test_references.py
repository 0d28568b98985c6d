"""What is cited exists, what exists is cited, and both read as English."""

import re

import nbformat
import pytest
from bs4 import BeautifulSoup

from lib.report import glossary, methods, references
from lib.store import series


def cited() -> set[str]:
    """Every key in notebooks, claims, glossary and methods."""
    texts = [path.read_text(encoding="utf-8") for path in sorted(series.NOTEBOOKS.glob("*.yaml"))]
    texts.append((references.BIB.parents[1] / "lib/report/methods.md").read_text(encoding="utf-8"))
    for path in series.NOTEBOOKS.glob("*.ipynb"):
        texts += [cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "markdown"]
    return {key for text in texts for key in references.keys(text)}


def test_every_key_exists_and_every_entry_is_used():
    assert cited() == set(references.registry())


def test_every_entry_says_who_what_when_and_where():
    for key, one in references.registry().items():
        assert {"author", "title"} <= set(one) and ("year" in one or "url" in one), key
        assert {"journal", "booktitle", "publisher", "eprint", "url"} & set(one), key
        assert not re.search(r"[{}\\]", "".join(one.values())), f"{key}: LaTeX is left"
    shorts = [references.short(key) for key in references.registry()]
    assert len(set(shorts)) == len(shorts), "two references read the same"
    assert len(references.registry()) == references.BIB.read_text(encoding="utf-8").count("\n@")


@pytest.mark.parametrize("said, read", [
    ("of SigClust [@Liu2008]", "of SigClust (Liu et al., 2008)"), ("by @Lucas2019:", "by Lucas et al. (2019):"),
    ("[@Louizos2016; @Moyer2018]", "(Louizos et al., 2016; Moyer et al., 2018)"), ("me@home.org", "me@home.org"),
    ("@Kapoor2023 and [@Kapoor2024]", "Kapoor and Narayanan (2023) and (Kapoor et al., 2024)"),
])
def test_keys_become_authors_and_years(said, read):
    assert references.text(said) == read


def test_an_unknown_key_is_an_error():
    with pytest.raises(KeyError):
        references.text("[@Nobody1900]")


def test_pages_link_to_the_page_of_references():
    body = BeautifulSoup("<p>As in [@Chen2020], (Liu et al., 2008). <code>@Chen2020</code></p>", "html.parser")
    references.cite(body)
    assert body.get_text() == "As in (Chen et al., 2020), (Liu et al., 2008). @Chen2020"
    assert [link["href"] for link in body("a")] == ["references.html#Chen2020", "references.html#Liu2008"]
    page = BeautifulSoup(references.to_html(), "html.parser")
    assert {tag["id"] for tag in page("li")} == set(references.registry())


def test_nothing_of_a_key_is_left_in_terms():
    terms = [one for kind in glossary.registry().values() for one in kind.values()]
    assert not [one for one in terms if references.keys(one.says)] and methods.references is references
