"""The letters of figures: DejaVu Sans cut down to the scripts of European languages and symbols.

A PDF embeds the letters that it uses. To pick them from the whole font takes most of the time of writing a figure, from
the smaller one a tenth of it; other scripts still come from the whole font (see `figures`).
"""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
from fontTools import subset
from matplotlib.font_manager import fontManager

from lib.store import files, runs
from lib.store.errors import Problem

NAME = "Latent Genre Sans"  # its licence asks for another name
FACES = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSans-BoldOblique")
LETTERS = (*range(0x20, 0x250), *range(0x370, 0x400), *range(0x2010, 0x20C0), *range(0x2190, 0x2270),
           *range(0x25A0, 0x25D0), 0xFFFD)


def add() -> list[str]:
    """Make the smaller faces known to Matplotlib; returns the family's name, or nothing where they cannot be kept."""
    folder = runs.cache_folder() / f"fonts-{mpl.__version__}"
    for face in FACES:
        try:
            if not (folder / f"{face}.ttf").is_file():
                files.write(folder / f"{face}.ttf", lambda path, face=face: _cut(face, path))
        except Problem:
            return []
        fontManager.addfont(folder / f"{face}.ttf")
    return [NAME]


def _cut(face: str, path: Path) -> None:
    options = subset.Options(layout_features=["*"], layout_scripts=["DFLT", "latn", "grek"], name_IDs=["*"],
                             drop_tables=["FFTM", "MATH"], notdef_outline=True, glyph_names=True)
    font = subset.load_font(Path(mpl.get_data_path()) / "fonts" / "ttf" / f"{face}.ttf", options)
    cutter = subset.Subsetter(options)
    cutter.populate(unicodes=LETTERS)
    cutter.subset(font)
    for record in font["name"].names:
        if record.nameID in (1, 16):  # the family
            record.string = NAME
    subset.save_font(font, path, options)
