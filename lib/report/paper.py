"""What a paper takes from a run: its `latex/`, with numbers, tables, figures, methods, and a document of them all."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from lib.report import latex, methods, numbers, redraw, references, showing, style
from lib.report.style import WIDTHS
from lib.store import files, runs
from lib.store.errors import Problem


def export(folder: Path) -> Path:
    """Write `folder/latex` anew and return its document `all.tex`, which shows every piece.

    Raises `Problem` when there is no run in the folder, or one that left neither figures nor tables.
    """
    records = runs.load_records(folder)
    figures = [one for record in records.values() for one in record.get("figures", [])]
    tables = [one for record in records.values() for one in record.get("tables", [])]
    blocks = methods.appendix(folder)
    if not figures and not tables:
        raise Problem(f"no figures and no tables in {folder} yet: run the notebooks first")
    target = folder / "latex"
    shutil.rmtree(target, ignore_errors=True)
    files.write_text(target / "numbers.tex", numbers.to_latex(numbers.numbers(folder)))
    files.write_text(target / "methods.tex", methods.to_latex(blocks))
    files.write_text(target / "references.bib", references.BIB.read_text(encoding="utf-8"))
    used = [*_copy_figures(folder, target, figures), *_copy_tables(folder, target, tables)]
    pieces = "\n".join(f"\\input{{{name}}}" + ("\n\\clearpage" if i % 8 == 7 else "") for i, name in enumerate(used))
    said = next((block.text for block in blocks if block.kind == "text" and block is not blocks[0]), "")
    title, about = latex.escape("Latent Genre: figures, tables and methods of one run"), latex.escape(said)
    skeleton = Path(__file__).with_name("document.tex").read_text(encoding="utf-8")
    document = latex.needs(about) + skeleton % (title, about, pieces)
    files.write_text(target / "all.tex", document)
    return target / "all.tex"


def pdfs(folder: Path) -> None:
    """Draw every figure that can be drawn again as PDF beside its PNG, where that is older."""
    for record in runs.load_records(folder).values():
        for one in record.get("figures", []):
            kept = folder / "figures" / f"{one['name']}.json"
            made = kept.with_suffix(".pdf")
            if kept.is_file() and not (made.is_file() and made.stat().st_mtime >= kept.stat().st_mtime):
                drawn = redraw.again(kept, None)
                style.name_label(drawn, one.get("label", "genre"))
                data = showing.pdf(drawn)
                files.write(made, lambda path, data=data: path.write_bytes(data))


def _copy_figures(folder: Path, target: Path, figures: list[dict[str, Any]]) -> list[str]:
    """Draw each figure as PDF at the width of a column and of a page, or copy its PNG where it cannot be drawn again
    (see `redraw`), and write it as a float, at the width that it was made for."""
    used = []
    for one in figures:
        png = folder / "figures" / f"{one['name']}.png"
        if not png.is_file():
            continue
        for kind, width in WIDTHS.items():
            drawn = redraw.again(png.with_suffix(".json"), width)
            if drawn:
                style.name_label(drawn, one.get("label", "genre"))
            copy = target / "figures" / kind / png.with_suffix(".pdf" if drawn else ".png").name
            data = showing.pdf(drawn) if drawn else png.read_bytes()
            files.write(copy, lambda path, data=data: path.write_bytes(data))
        name, made_for = f"figures/{one['name']}", one.get("width", "page")
        text = latex.figure(f"figures/{made_for}/{copy.name}", one["caption"], one["name"])
        files.write_text(target / f"{name}.tex", text)
        used.append(name)
    return used


def _copy_tables(folder: Path, target: Path, tables: list[dict[str, Any]]) -> list[str]:
    used = []
    for one in tables:
        source = folder / "tables" / f"{one['name']}.tex"
        if source.is_file():
            files.write(target / "tables" / source.name, lambda path, source=source: shutil.copyfile(source, path))
            used.append(f"tables/{one['name']}")
    return used
