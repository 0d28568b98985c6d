"""README says what the runs that it names found (see `tests/readme.py`), and points at what is there."""

import re

import pandas as pd
import pytest
import yaml

from lib.report import replication
from lib.store.series import ROOT
from tests import readme

ABOUT, TEXT = yaml.safe_load(readme.NUMBERS.read_text()), readme.README.read_text()


@pytest.mark.parametrize("entry", ABOUT["numbers"])
def test_numbers_are_those_of_a_named_run(entry):
    assert len(re.findall(readme.pattern(entry), TEXT)) == 1
    if "run" in entry:
        assert ABOUT["runs"][entry["run"]]["commit"][:7] in TEXT
    else:  # what it is of is here
        assert readme.printed(ROOT, entry) == entry["printed"]


def test_the_table_of_claims_is_that_of_the_runs():
    claims = pd.read_csv(readme.CLAIMS)
    assert readme.BLOCK.search(TEXT)[0] == readme.markdown(claims, readme.titles(ABOUT))
    assert set(claims["claim"]) <= {about["says"] for about in replication.general().values()}
    assert set(claims["run"]) == set(ABOUT["runs"])


def test_figures_are_there():
    for path in re.findall(r"!\[[^]]+\]\(([^)]+)\)", TEXT):
        assert (ROOT / path).is_file(), path
