"""The house stands: imports of `lib` point one way, nothing is long, and what is named as text exists."""

import ast
import importlib
import re
import tokenize
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
LIB = ROOT / "lib"
MODULES = sorted(LIB.rglob("*.py"))
ALLOWED = {
    "store": set(),
    "scores": {"store"},
    "corpora": {"store"},
    "features": {"store", "corpora"},
    "models": {"store", "scores"},
    "report": {"store", "scores", "corpora", "features"},
    "studies": {"store", "scores", "corpora", "features", "models", "report"},
    "runner": {"store", "corpora", "features", "report"},
}
LINES, FUNCTION_LINES = 400, 50


def imported(source: str) -> set[str]:
    """Dotted names in `lib` that this code imports, wherever in it: modules, and what is taken from them."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            if node.level:
                raise ValueError("relative import: write the whole name")
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name.split(".")[0] == "lib"}


def against_the_plan(path: Path, source: str) -> list[str]:
    """The imports of a file of `lib` that its place does not allow."""
    package, *inner = path.relative_to(LIB).parts
    wrong = []
    for name in sorted(imported(source)):
        parts = name.split(".")
        other = parts[1] if len(parts) > 1 else ""
        if other != package:
            wrong += [] if other in ALLOWED[package] else [name]
        elif package == "studies" and len(parts) > 2 and parts[2] != inner[0]:
            wrong.append(name)  # studies know nothing of each other
    return wrong


def test_the_citation_is_of_this_code():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert cited["cff-version"] == "1.2.0" and {"message", "title", "authors"} <= set(cited)
    assert (cited["version"], cited["license"]) == (project["version"], project["license"])
    assert (ROOT / "LICENSE").read_text().startswith("MIT License")


def test_every_package_is_in_the_plan():
    assert {path.name for path in LIB.iterdir() if path.is_dir() and path.name != "__pycache__"} == set(ALLOWED)
    assert [path.name for path in LIB.glob("*.py")] == ["__init__.py"]


@pytest.mark.parametrize("path", MODULES[1:], ids=lambda path: str(path.relative_to(LIB)))
def test_imports_point_one_way(path):
    assert against_the_plan(path, path.read_text()) == []


@pytest.mark.parametrize("path, line", [
    ("store/runs.py", "from lib.scores import clustering"),
    ("scores/nulls.py", "    from lib.models.vae import StackedVAE"),
    ("models/vae.py", "import lib.features.audio"),
    ("studies/paradox/rules.py", "from lib.studies.fusion import methods"),
    ("runner/schedule.py", "from lib.studies.leakage import audit"),
    ("report/book.py", "from lib import runner"),
])
def test_an_import_that_points_up_is_found(path, line):
    code = f"def late():\n{line}\n" if line.startswith(" ") else f"{line}\n"
    assert against_the_plan(LIB / path, code)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(LIB)))
def test_no_module_and_no_function_is_long(path):
    source = path.read_text()
    assert len(source.splitlines()) <= LINES
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, kinds)]
    assert [one.name for one in functions if one.end_lineno - one.lineno >= FUNCTION_LINES] == []


def named_as_text() -> list[str]:
    """Texts in the code of `lib` that name one of its modules, or a function of it ("lib.a.b:c")."""
    found = set()
    for path in MODULES:
        with path.open("rb") as file:
            texts = [token.string for token in tokenize.tokenize(file.readline) if token.type == tokenize.STRING]
        for text in texts:
            found |= set(re.findall(r"\blib(?:\.[a-z_]+)+(?::\w+)?", text))
    return sorted(found)


@pytest.mark.parametrize("name", named_as_text())
def test_what_is_named_as_text_exists(name):
    module, _, function = name.partition(":")
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError:  # a function of a module, as docstrings write it
        module, _, function = module.rpartition(".")
        found = importlib.import_module(module)
    assert not function or hasattr(found, function)
