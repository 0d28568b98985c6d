"""The cells of an executed notebook as HTML that fits the book: formulas, numbers, headings, links."""

from __future__ import annotations

import html
import re
from typing import Any
from urllib.parse import quote, unquote

from bs4 import BeautifulSoup, Tag
from latex2mathml import converter
from nbconvert import HTMLExporter, TemplateExporter
from nbconvert.filters import Highlight2HTML
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbconvert.filters.widgetsdatatypefilter import WidgetsDataTypeFilter

NUMBER = re.compile(r"[<>≤≥≈]?\s*[-+−]?\d[\d.,]*([eE][-+]?\d+)?\s*(%|\[|±|$)")
INTERVAL = re.compile(r"^(\S+) (\[[^\[\]]*\])$")
EXTERNAL = re.compile(r"^\s*(https?:|//|ftp:)", re.IGNORECASE)
CODE = re.compile(r'(?<=<details class="code"><summary>Code</summary>\n).*?(?=</details>)', re.DOTALL)
ASIDE = "code-of-this-page-c0de"  # a mark that no notebook has
LONG = 40  # characters of a formula that may be wider than a phone, or of a text in a table that needs room


class Renderer(IPythonRenderer):
    """Markdown with mathematics as MathML, which browsers show by themselves."""

    def inline_math(self, body: str) -> str:
        formula = _mathml(body, "inline")
        return f'<span class="math" tabindex="0">{formula}</span>' if len(body) > LONG else formula

    def block_math(self, body: str) -> str:
        return f'<div class="math" tabindex="0">{_mathml(body, "block")}</div>'

    def latex_environment(self, name: str, body: str) -> str:
        return self.block_math(f"\\begin{{{name}}}{body}\\end{{{name}}}")


def _mathml(latex: str, display: str) -> str:
    """MathML of a formula; the formula itself, as code, where it cannot be read."""
    try:
        return converter.convert(latex.strip(), display=display)
    except Exception:  # the converter raises many kinds, IndexError among them
        return f"<code>{html.escape(latex)}</code>"


def markdown(source: str) -> str:
    """Markdown as HTML, formulas as MathML."""
    return MarkdownWithMath(renderer=Renderer(escape=False, exclude_anchor_links=True)).render(source)


class Exporter(HTMLExporter):
    """nbconvert with our markdown, and without its own pass over the page: `tidy` does that."""

    def from_notebook_node(self, nb, resources=None, **options):
        views = WidgetsDataTypeFilter(notebook_metadata=self._nb_metadata, parent=self, resources=resources or {})
        self.register_filter("filter_data_type", views)
        self.register_filter("highlight_code", Highlight2HTML(pygments_lexer="ipython3", parent=self))
        return TemplateExporter.from_notebook_node(self, nb, resources, **options)

    def default_filters(self):
        yield from super().default_filters()
        yield "markdown2html", markdown


def set_code_aside(page: str) -> tuple[str, list[str]]:
    """A page without its highlighted code, and that code: most tags of a page are there, and none needs tidying."""
    code: list[str] = []

    def aside(found: re.Match) -> str:
        code.append(found[0].replace("<pre>", '<pre tabindex="0">', 1))
        return f"<!--{ASIDE} {len(code) - 1}-->"

    return CODE.sub(aside, page), code


def put_code_back(page: str, code: list[str]) -> str:
    """The opposite of `set_code_aside`."""
    return re.sub(f"<!--{ASIDE} ([0-9]+)-->", lambda found: code[int(found[1])], page)


def tidy(body: BeautifulSoup, prefix: str = "") -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    """Make the body of a page fit the book, in place; returns its headings, and its numbered figures and tables.

    What would be fetched from a network is removed; wide tables scroll; figures are numbered, beginning with `prefix`;
    headings get unique ids; whatever scrolls can be reached by keyboard.
    """
    for tag in body.find_all(["script", "link", "iframe", "object", "embed", "base"]):
        if tag.name != "script" or tag.get("src") or tag.get("type") != "application/json":
            tag.decompose()
    for tag in body.find_all(src=EXTERNAL):
        tag.replace_with(f"[{tag.get('alt') or 'a picture on the network, not shown'}]")
    for tag in body.find_all("img", alt=False):
        tag["alt"] = "a picture without a description"
    for tag in body.find_all(srcset=re.compile("^(?!data:)")):
        del tag["srcset"]
    for table in body.find_all("table"):
        table.attrs.pop("border", None)
        align(table)
        _set_cells(body, table)
        if "scroll" not in table.parent.get("class", []):
            box = body.new_tag("div", attrs={"class": "scroll", "tabindex": "0", "role": "region"})
            box["aria-label"] = table.parent.figcaption.get_text() if table.parent.find("figcaption") else "Table"
            table.wrap(box)
    numbered = _number_figures(body, prefix)
    return _number_headings(body), numbered


def _set_cells(body: BeautifulSoup, table: Tag) -> None:
    """Set `0.290 [0.283, 0.298]` as a value over its interval, in half the width; long texts get room."""
    for cell in table.find_all("td"):
        text = cell.get_text().strip()
        found = INTERVAL.match(text)
        if len(text) > LONG:
            cell["class"] = [*cell.get("class", []), "prose"]
        elif found:
            span = body.new_tag("span", attrs={"class": "interval"})
            span.string = found[2]
            cell.clear()
            cell.extend([found[1] + " ", span])


def align(table: Tag) -> None:
    """Mark the cells of columns that hold numbers, so that they are set flush right, as their headings are."""
    rows = [row.find_all(["td", "th"], recursive=False) for row in table.find_all("tr")]
    body = [row for row in rows if any(cell.name == "td" for cell in row)]
    for column in range(max(map(len, rows), default=0)):
        cells = [row[column] for row in body if column < len(row)]
        texts = [text for text in (cell.get_text().strip() for cell in cells) if text not in ("", "–", "nan")]
        if texts and all(NUMBER.match(text) for text in texts):
            for cell in (row[column] for row in rows if column < len(row)):
                cell["class"] = [*cell.get("class", []), "number"]


def point(link: Tag, page: str, anchors: dict[str, set[str]], numbers: dict[tuple[str, str], str]) -> None:
    """Make a link on `page` lead to a page of the book, and to one of its `anchors`; or make it text.

    A link without a text, `[](#fig-NAME)`, gets the number of its figure or table: `numbers[page, anchor]`.
    """
    address = link["href"]
    if EXTERNAL.match(address):
        link["rel"] = "noopener"
        return
    path, _, anchor = address.partition("#")
    name = re.sub(r"\.(ipynb|html)$", "", path.removeprefix("./")) or page
    if name in anchors:
        known = unquote(anchor) in anchors[name]
        if not link.get_text().strip() and not link.find("img"):
            link.string = numbers.get((name, unquote(anchor)), unquote(anchor) or name)
        link["href"] = (f"{name}.html" if path else "") + (f"#{quote(unquote(anchor))}" if known else "")
    if name not in anchors or not link["href"]:
        link.unwrap()


def flatten_links(soup: BeautifulSoup) -> None:
    for link in soup.find_all("a"):
        link.unwrap()


def _number_figures(body: BeautifulSoup, prefix: str) -> list[dict[str, str]]:
    """Count figures and tables that have a caption, each kind on its own; the number is a link to the figure itself."""
    counts, found = {"Figure": 0, "Table": 0}, []
    for figure in body.find_all("figure"):
        if figure.figcaption is None:
            continue
        kind = "Table" if "table" in figure.get("class", []) else "Figure"
        counts[kind] += 1
        one = {"kind": kind, "number": f"{kind} {prefix}{counts[kind]}", "id": figure.get("id", ""),
               "caption": figure.figcaption.get_text()}
        number = body.new_tag("b")
        number.string = f"{one['number']}."
        figure.figcaption.insert(0, number, " ")
        if one["id"]:
            number.wrap(body.new_tag("a", attrs={"href": f"#{quote(one['id'])}", "class": "number-link"}))
            found.append(one)
    return found


def _number_headings(body: BeautifulSoup) -> list[dict[str, Any]]:
    """Give every heading an id of its own, and a link to it; returns those of the contents."""
    taken: set[str] = {tag["id"] for tag in body.find_all(id=True) if tag.name not in ("h1", "h2", "h3", "h4")}
    contents = []
    for heading in body.find_all(["h1", "h2", "h3", "h4"]):
        text = heading.get_text().strip()
        slug = base = re.sub(r"\s+", "-", text) or "section"  # as in Jupyter, so that links work in both
        number = 1
        while slug in taken:
            number += 1
            slug = f"{base}-{number}"
        taken.add(slug)
        heading["id"] = slug
        if heading.name in ("h2", "h3"):
            contents.append({"id": quote(slug), "level": int(heading.name[1]), "text": text})
            anchor = body.new_tag("a", attrs={"class": "anchor", "href": f"#{quote(slug)}"})
            anchor["aria-label"] = f"Link to: {text}"
            anchor.string = "#"
            heading.append(anchor)
    return contents
