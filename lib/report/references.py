"""The literature: `notebooks/references.bib`, cited as `[@Key]` or `[@One; @Two]`, or `@Key` as part of a sentence."""

from __future__ import annotations

import functools
import html
import re
from typing import Any

from bs4 import BeautifulSoup

from lib.store.series import NOTEBOOKS

BIB = NOTEBOOKS / "references.bib"
ENTRY = re.compile(r"^@(\w+)\{(\w+),\n(.*?)^\}", re.MULTILINE | re.DOTALL)
FIELD = re.compile(r"^\s*(\w+) = \{(.*)\},$", re.MULTILINE)
GROUP = re.compile(r"\[(@\w+(?:; @\w+)*)\]")
KEY = re.compile(r"(?<![\w.@])@([A-Z]\w*)")
LETTERS = {r"{\"o}": "ö", r"{\"a}": "ä", r"{\"i}": "ï", r"\_": "_", "--": "–"}
UNTOUCHED = ("a", "code", "pre", "math", "script", "style", "svg")


@functools.cache
def registry() -> dict[str, dict[str, str]]:
    """Every entry of the file, its fields by name, by key, in the order of its authors."""
    found = {key: dict(FIELD.findall(body)) for _, key, body in ENTRY.findall(BIB.read_text(encoding="utf-8"))}
    return {key: {name: _plain(value) if name != "url" else value for name, value in found[key].items()}
            for key in sorted(found, key=lambda key: (_plain(found[key]["author"]), key))}


def _plain(value: str) -> str:
    for letter, said in LETTERS.items():
        value = value.replace(letter, said)
    return value.replace("{", "").replace("}", "")


def keys(text: str) -> list[str]:
    """The keys that a text cites."""
    return KEY.findall(text)


def short(key: str) -> tuple[str, str]:
    """Authors and year of a reference: ("Higgins et al.", "2017"). Raises `KeyError` for one that is not there."""
    entry = registry()[key]
    names = [name.split(",")[0] for name in entry["author"].split(" and ")]
    pair = len(names) == 2 and names[1] != "others"
    who = names[0] if len(names) == 1 else f"{names[0]} and {names[1]}" if pair else f"{names[0]} et al."
    return who, entry.get("year", "n.d.")


def text(said: str) -> str:
    """A text with authors and years in place of its keys: "(Higgins et al., 2017)", "Higgins et al. (2017)"."""
    def group(found: re.Match) -> str:
        return f"({'; '.join(', '.join(short(key)) for key in keys(found[1]))})"

    return KEY.sub(lambda found: "{} ({})".format(*short(found[1])), GROUP.sub(group, said))


def cite(body: BeautifulSoup) -> None:
    """Put authors and years in place of keys, and links to the page of references around them, wherever they stand."""
    forms = {form: key for key in registry() for form in (", ".join(short(key)), "{} ({})".format(*short(key)))}
    named = re.compile("|".join(map(re.escape, sorted(forms, key=len, reverse=True))))
    for node in body.find_all(string=lambda one: one and ("@" in one or named.search(one))):
        if node.find_parent(UNTOUCHED) or node.parent is None:
            continue
        said, at, pieces = text(node), 0, []
        for found in named.finditer(said):
            link = body.new_tag("a", href=f"references.html#{forms[found[0]]}", attrs={"class": "reference"})
            link.string = found[0]
            pieces += [said[at:found.start()], link]
            at = found.end()
        node.replace_with(*pieces, said[at:])


def to_html() -> str:
    """The references as the body of a page of the book."""
    rows = [f'<li id="{key}">{_entry(one)}</li>' for key, one in registry().items()]
    return "\n".join(["<h1>References</h1>", '<ul class="references">', *rows, "</ul>"])


def _entry(one: dict[str, Any]) -> str:
    place = one.get("journal") or one.get("booktitle") or one.get("publisher") or ""
    place += f" {one['volume']}" if "volume" in one else ""
    place += f"({one['number']})" if "number" in one else ""
    authors = one["author"].replace(" and others", " et al.").replace(" and ", "; ")
    said = [f"{html.escape(authors)} ({one.get('year', 'n.d.')}).", f"<cite>{html.escape(one['title'])}</cite>.",
            f"{html.escape(place)}." if place else "", f"{html.escape(one['note'])}." if "note" in one else ""]
    link = f"https://arxiv.org/abs/{one['eprint']}" if "eprint" in one else one.get("url", "")
    name = f"arXiv {one['eprint']}" if "eprint" in one else link
    return " ".join([*filter(None, said), f'<a href="{link}">{name}</a>' if link else ""]).strip()
