"""Breaks each test of the audit of arrays in turn, and prints which test of ours fails (`make mutants`; not in CI).

Every mutant changes one line of a copy of the repository and runs the tests that should notice. A mutant that none
notices is printed as survived, and the exit code is 1.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from lib.studies.leakage.arrays.taxonomy import TESTS  # noqa: E402

ARRAYS = "lib/studies/leakage/arrays"


class Mutant(NamedTuple):
    """One line of one module made wrong."""

    of: str  # the test of the audit that it breaks
    module: str
    line: str
    instead: str
    run: str  # pytest's -k


MUTANTS = [
    Mutant("label beside features", "conditioning", "if p >= ACCUSING:", "if True:", "encoder_that_was_given"),
    Mutant("label-derived", "label_made", 'numbers["between"] >= 0.1', 'numbers["between"] >= 10', "contains_a_label"),
    Mutant("label as a column", "agreeing", "READABLE = 0.95", "READABLE = 1.5", "label_as_a_column"),
    Mutant("equals the labels", "agreeing", "SAME, SAME_RAND = 0.98, 0.95", "SAME, SAME_RAND = 1.5, 1.5", "equals_the"),
    Mutant("shuffle within labels", "label_made", 'outcome.verdict == "proxy"', 'outcome.verdict == "never"',
           "plus_noise_is"),
    Mutant("failed join", "repeats", "BLOCK_OF_EQUAL = 5", "BLOCK_OF_EQUAL = 500", "failed_join"),
    Mutant("test among training rows", "repeats", "rest = parts > 0", "rest = parts > 2", "test_rows_among"),
    Mutant("exact duplicates", "repeats", "(counts > 1) & (counts", "(counts > 2) & (counts", "duplicates_with"),
    Mutant("near duplicates", "repeats", "len(near.pairs) > 0, EVIDENCE", "False, EVIDENCE", "duplicates_with"),
    Mutant("neighbours in order", "order", "if p >= LEVEL or ratio >= 1:", "if True:", "segments_are"),
    Mutant("nothing agrees", "agreeing", "SMALL = 0.1", "SMALL = -1.0", "labels_that_know"),
    Mutant("knows nothing", "agreeing", "and len(group) < len(names)", "and len(group) < 0", "array_that_knows"),
    Mutant("unknown as a class", "agreeing", "UNKNOWN.fullmatch", "UNKNOWN.match", "unknown_as_a"),
    Mutant("row order", "order", "if changes == least:", "if False:", "row_order_has"),
    Mutant("collapse", "latents", "active < x.shape[1] / 2", "active < 0", "collapse_counts"),
    Mutant("scale of dimensions", "latents", "DEAD = 0.01", "DEAD = 0.0", "dimensions_on_one_scale"),
    Mutant("silhouette", "latents", "share > 0.5", "share > 5", "explained_by_a_gaussian"),
    Mutant("reported purity", "result_tables", 'not in ("purity", "none")', "in ()", "result_tables and reported"),
    Mutant("baseline metrics", "result_tables", "equal > 0, PROOF", "equal > 99, PROOF", "result_tables and baseline"),
    Mutant("silhouette of another array", "result_tables", "SILHOUETTE_ERROR = 0.04", "SILHOUETTE_ERROR = 4",
           "result_tables and another"),
    Mutant("rows not reproduced", "result_tables", "missing > 0, OBSERVED", "missing < 0, OBSERVED",
           "result_tables and reproduced"),
]


def killed_by(mutant: Mutant) -> list[str]:
    """Names of the tests that fail on a copy of the repository with the mutant in it."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".git", ".venv", "build", "data", "__pycache__"))
        (copy / "data").symlink_to(ROOT / "data")
        module = copy / ARRAYS / f"{mutant.module}.py"
        text = module.read_text()
        if text.count(mutant.line) != 1:
            raise SystemExit(f"{mutant.of}: {mutant.line!r} is there {text.count(mutant.line)} times in {module.name}")
        module.write_text(text.replace(mutant.line, mutant.instead))
        done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-k", mutant.run,
                               "tests/studies/test_array_audit.py"], cwd=copy, capture_output=True, text=True,
                              env=os.environ | {"PYTHONPATH": str(copy)})
        return re.findall(r"FAILED \S+::(\w+)", done.stdout)


def main(names: list[str]) -> int:
    """Try the mutants of the tests named, or all; 1 if one survives or a test of the audit has none."""
    bad = sorted(set(TESTS) - {mutant.of for mutant in MUTANTS})
    for mutant in (m for m in MUTANTS if not names or m.of in names):
        failed = killed_by(mutant)
        print(f"{mutant.of:28s} {mutant.line!r} -> {mutant.instead!r}: {', '.join(failed) or 'SURVIVED'}", flush=True)
        bad += [] if failed else [mutant.of]
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
