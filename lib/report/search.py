"""What the book's search knows: the text of every section of every page."""

from __future__ import annotations

import json
from urllib.parse import quote

from bs4 import BeautifulSoup, Comment, NavigableString

PAGE = ('<h1>Search</h1><p><input type="search" name="q" aria-label="Words to search for" autofocus> '
        '<output></output></p><ol class="results"></ol>'
        '<script type="application/json" id="sections">{}</script>')
STARTS = ("h1", "h2", "h3")
UNSAID = ("script", "style", "button", "math", "svg")


def sections(body: BeautifulSoup, name: str, title: str) -> list[dict[str, str]]:
    """The sections of a page: where each is, its heading, its page's title and its text."""
    found = [{"at": f"{name}.html", "page": title, "heading": title, "text": []}]
    for text in body.find_all(string=True):
        if isinstance(text, Comment) or text.find_parent(UNSAID) or text.find_parent(class_=["cite", "anchor"]):
            continue
        heading = text.find_parent(STARTS)
        at = f"{name}.html#{quote(heading['id'])}" if heading is not None and heading.name != "h1" else ""
        if at and found[-1]["at"] != at:
            found.append({"at": at, "page": title, "heading": "", "text": []})
        if at:
            found[-1]["heading"] += text
        elif heading is None:
            found[-1]["text"].append(text)
    return [one | {"heading": one["heading"].strip(), "text": _plain(one["text"])} for one in found]


def _plain(texts: list[NavigableString]) -> str:
    return " ".join(" ".join(texts).split())


def page(found: list[dict[str, str]]) -> str:
    """The body of the search page."""
    return PAGE.format(json.dumps(found, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c"))
