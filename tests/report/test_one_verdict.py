"""One family of comparisons, one place where it is judged: no two pages give two verdicts on one comparison."""

import re

import nbformat
import pytest

from lib.report import claims
from lib.store.series import NOTEBOOKS
from lib.studies.unsupervised import comparison
from tests.test_house import LIB

PAIRS = {frozenset((name, other)) for name in (*comparison.PLANNED, "vae") for other in ("pca", "vae") if name != other}
JUDGED = re.compile(r'rules\.\w+\(\s*intervals\.paired\(\s*nmi\["(\w+)"\], nmi\["(\w+)"\]')


def code(name: str) -> str:
    """All code of a notebook."""
    cells = nbformat.read(NOTEBOOKS / f"{name}.ipynb", 4).cells
    return "\n".join(cell.source for cell in cells if cell.cell_type == "code")


def verdicts(entries: dict[str, dict]) -> dict[frozenset, set[str]]:
    """The notebooks that give a verdict on each pair of methods which a claim says that it `compares`."""
    found: dict[frozenset, set[str]] = {}
    for entry in entries.values():
        if "compares" in entry and "rule" in entry:
            found.setdefault(frozenset(entry["compares"].split(" - ")), set()).add(entry["notebook"])
    return found


def test_claims_about_planned_pairs_only_describe():
    entries = claims.registry()["claims"]
    said = {frozenset(entry["compares"].split(" - ")) for entry in entries.values() if "compares" in entry}
    assert said and said <= PAIRS and verdicts(entries) == {}
    assert entries["planned"]["rule"] == "significant" and entries["planned"]["notebook"] == "final_comparison"
    assert [name for name, entry in entries.items() if entry.get("rule") == "significant"] == ["planned"]


def test_a_verdict_of_its_own_would_be_seen():
    entries = claims.registry()["claims"]
    spoiled = entries | {"ae_gain": entries["ae_gain"] | {"rule": "changes"}}
    assert verdicts(spoiled) == {frozenset(("ae", "pca")): {"baselines"}}
    assert JUDGED.findall('claim(run, "x", rules.changes(intervals.paired(nmi["ae"], nmi["pca"])))') == [("ae", "pca")]


@pytest.mark.parametrize("name", sorted(path.stem for path in NOTEBOOKS.glob("[01]*.ipynb")))
def test_no_page_but_the_comparison_judges_a_planned_pair(name):
    text = code(name)
    assert "intervals.compare(" not in text
    assert not {frozenset(pair) for pair in JUDGED.findall(text)} & PAIRS


def test_families_are_judged_in_one_place():
    where = [str(path.relative_to(LIB)) for path in LIB.rglob("*.py") if "intervals.compare(" in path.read_text()]
    assert where == ["studies/unsupervised/comparison.py"]
