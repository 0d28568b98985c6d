"""The words of the series: display name, unit and one line for each id, from `notebooks/glossary.yaml`."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import pandas as pd
import yaml
from bs4 import BeautifulSoup

from lib.report import references
from lib.report.output import table_html
from lib.store.series import NOTEBOOKS
from lib.store.settings import Settings

# Columns of tables whose cells are ids, with the kinds that they may be of
ID_COLUMNS = {
    "method": ("methods",), "better": ("methods",), "worse": ("methods",), "features": ("features",),
    "metric": ("metrics",), "score": ("metrics", "columns"), "clusterer": ("clusterers",),
    "label_use": ("uses of labels",), "setting": ("constants of protocols", "methods", "changes of the CVAE"),
    "effect": ("columns",), "dims": ("columns",), "view": ("second modalities",), "notebook": ("notebooks",),
    "builder": ("methods",), "name": ("changes of the CVAE",),
    "difference in NMI": ("methods",), "most between clusters": ("factors",),
    "purpose": ("purposes of readings of labels",), "descriptor": ("descriptors",), "factor": ("factors",),
    "property": ("descriptors", "factors"), "moves with": ("descriptors", "factors"),
    "comparison": ("methods", "metrics"), "array": ("features",),
    "nuisance": ("factors", "descriptors", "nuisances"), "correction": ("ways of removing a nuisance",),
}
HEADINGS = ("metrics", "columns", "descriptors", "factors", "methods", "features", "clusterers",  # first kind first
            "second modalities")
IN_TEXT = ("terms", "metrics", "methods", "features", "clusterers")  # explained where a page first names them
TEXTS = ("p", "li", "th", "td", "figcaption")
JOINS = re.compile(r"( ?\+ ?| · | - |: | x |, |; )")
BETWEEN = {"+": " + ", " - ": " − ", " x ": " × "}  # how some of what joins ids is shown
UNTOUCHED = ("a", "abbr", "code", "pre", "math", "button", "script", "style", "svg")


class Term(NamedTuple):
    name: str  # as it is shown
    unit: str
    says: str  # one line


@functools.cache
def registry() -> dict[str, dict[str, Term]]:
    """All terms, by kind and id."""
    found = yaml.safe_load((NOTEBOOKS / "glossary.yaml").read_text(encoding="utf-8"))
    del found["forms"]
    terms = {kind: {name: Term(str(term[0]), str(term[1]), references.text(term[2])) for name, term in entries.items()}
             for kind, entries in found.items()}
    settings = {name: Term(name, "", f"{about.description[0].upper()}{about.description[1:]}.")
                for name, about in Settings.model_fields.items() if about.description}
    return terms | {"notebooks": _notebooks(), "settings": settings}


def _notebooks() -> dict[str, Term]:
    """Titles of the notebooks by file name, each with its question."""
    found = {}
    for path in sorted(NOTEBOOKS.glob("[0-9A]*.ipynb")):
        first = "".join(json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"])
        title, _, rest = first.removeprefix("# ").partition("\n")
        found[path.stem] = Term(title, "", " ".join(rest.split("**")[1].split()))
    return found


@functools.cache
def forms() -> list[tuple[re.Pattern, str]]:
    """How settings of models are shown, pattern by pattern."""
    found = yaml.safe_load((NOTEBOOKS / "glossary.yaml").read_text(encoding="utf-8"))["forms"]
    return [(re.compile(rf"(?<!\S){pattern}(?!\S)"), shown) for pattern, shown in found.items()]


def setting(name: str) -> str:
    """A setting of the score table in words: "beta=4 enc=1 dec=1", "dim=10 neighbours=15"; anything else as it is."""
    marked = name
    for pattern, said in forms():
        marked = pattern.sub(lambda found, said=said: "\0" + found.expand(said).replace(" ", "\1") + "\0", marked)
    if marked == name:
        return name
    return ", ".join(filter(None, (part.strip() for part in marked.split("\0")))).replace("\1", " ")


def term(name: Any, kinds: Iterable[str] = HEADINGS) -> Term | None:
    """The term with this id, of the first kind that has it."""
    return next((registry()[kind][name] for kind in kinds if name in registry()[kind]), None)


def parts(name: str, kinds: Iterable[str] = HEADINGS) -> list[str]:
    """An id, or the ids that a name joins, and between them what joins them: `mfcc+lyrics`, `vae - pca: nmi`."""
    return [name] if term(name, kinds) else JOINS.split(name)


def shown(name: Any, kinds: Iterable[str] = HEADINGS) -> Any:
    """The display name of an id, or of ids that are joined; anything else as it is."""
    if not isinstance(name, str):
        return name
    return "".join(one.name if (one := term(part, kinds)) else BETWEEN.get(part) or setting(part)
                   for part in parts(name, kinds))


def shown_table(data: pd.DataFrame) -> pd.DataFrame:
    """A table with display names for its columns, and for the cells of those that hold ids (`ID_COLUMNS`)."""
    cells = {name: [shown(cell, ID_COLUMNS[name]) for cell in column] if name in ID_COLUMNS and column.dtype == object
             else column for name, column in data.items()}
    return pd.DataFrame(cells, index=data.index).rename(columns=shown).rename_axis(index=shown)


def ids(data: pd.DataFrame) -> dict[str, list[str]]:
    """What a table shows that the glossary has to know: its columns, and the texts in those that hold ids."""
    held = {name: sorted({cell for cell in data[name] if isinstance(cell, str)}) for name in ID_COLUMNS if name in data}
    return {"columns": [str(name) for name in data]} | {name: cells for name, cells in held.items() if cells}


def called(one: Term, label: str) -> Term:
    """A term as a page has it, whose labels are called `label`."""
    return Term(*(part.replace("{label}", label) for part in one))


def explain(body: BeautifulSoup, label: str = "genre", linked: bool = False) -> None:
    """Say what a term means where a page names it first: `<abbr title>`, in place; `linked`: outside of tables, with
    a link to the glossary. `label`: what labels are called."""
    found = [(kind, called(term, label)) for kind in IN_TEXT for term in registry()[kind].values()]
    terms = {term.name: (kind, term) for kind, term in reversed(found) if kind == "terms" or _is_a_term(term.name)}
    names = "|".join(map(re.escape, sorted(terms, key=len, reverse=True)))
    pattern, said = re.compile(rf"(?<![\w-])({names})(?![\w-]|s\b)"), set()
    for text in [text for tag in body.find_all(TEXTS) for text in tag.find_all(string=pattern)]:
        if text.find_parent(UNTOUCHED) or text.parent is None:
            continue
        parts = pattern.split(text)
        new = [name for name in dict.fromkeys(parts[1::2]) if name not in said]
        if not new:
            continue
        said |= set(new)
        pieces, in_table = [], text.find_parent("table") is not None
        for part in parts:
            known = part in new
            pieces.append(_abbr(body, *terms[part], linked=linked and not in_table) if known else part)
            new = [name for name in new if not known or name != part]
        text.replace_with(*pieces)


def _is_a_term(name: str) -> bool:
    """Is a name no ordinary word that a text may use otherwise?"""
    return not name.islower() or " " in name and "alone" not in name or name in ("silhouette", "purity")


def _abbr(body: BeautifulSoup, kind: str, one: Term, linked: bool) -> Any:
    tag = body.new_tag("abbr", title=f"{one.says} Unit: {one.unit}." if one.unit else one.says)
    tag.string = one.name
    if not linked:
        return tag
    link = body.new_tag("a", href=f"glossary.html#{_heading(kind).replace(' ', '-')}", attrs={"class": "term"})
    link.append(tag)
    return link


def _heading(kind: str) -> str:
    return kind[0].upper() + kind[1:]


def to_html(label: str = "genre") -> str:
    """The glossary as the body of a page of the book, whose labels are called `label`."""
    out = ["<h1>Glossary</h1>"]
    for kind, terms in registry().items():
        if kind == "notebooks":
            continue
        named = {name: called(one, label) for name, one in terms.items()}
        rows = pd.DataFrame([(one.name, one.unit, one.says, name) for name, one in named.items()],
                            columns=["name", "unit", "meaning", "id in scores.csv"])
        name = _heading(kind)
        out += [f"<h2>{name}</h2>", table_html(rows, f"glossary-{kind.replace(' ', '-')}", f"{name}.")]
    return "\n".join(out)
