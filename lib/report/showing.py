"""Figures and tables put into the page, with a caption, and into the run's folder."""

from __future__ import annotations

import base64
import html
import io
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile
import soxr
from matplotlib import colors, rcParams
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.collections import Collection
from matplotlib.figure import Figure
from PIL import Image

from lib.corpora.items import Sound
from lib.report import charts, claims, glossary, latex, redraw, style
from lib.report.digits import texts
from lib.report.output import put, table_html
from lib.report.style import COLUMN, INTERACTIVE, SCREEN
from lib.scores.intervals import Interval
from lib.store import files, runs, sizes
from lib.store.runs import Run

BOXES = "Boxes stand for letters that no font installed here has."
THINNED = " The picture shows all points; on the page, one in {step} can be pointed at."


# --- into the page and the folder --------------------------------------------------------------------------------
def show(run: Run, figure: Figure, name: str, caption: str | None = None, alt: str = "", **values: Any) -> None:
    """Put a figure into the page, with caption and alternative text, and save it as PNG in `figures`, with what it
    takes to draw it again at another width (see `redraw`).

    The alternative text is the caption, or `alt`, and what the figure's own functions say of it (`style.say`). Points
    drawn by `scatter` come with their data, from which the book makes a plot to point at. The caption is that of
    `claims.yaml`, filled with `values`, unless one is given.
    """
    caption = claims.caption(run, "figures", name, **values) if caption is None else caption
    folder, made_for = run.folder / "figures", "column" if figure.get_figwidth() <= 1.05 * COLUMN else "page"
    redraw.keep(figure, folder / f"{name}.json")
    label = claims.label_of(run)
    style.name_label(figure, label)
    style.prepare(figure)
    with warnings.catch_warnings(record=True) as said:
        warnings.filterwarnings("always", message="Glyph .* missing from font")
        picture = png(figure)
    files.write(folder / f"{name}.png", lambda path: path.write_bytes(picture))
    plots = _interactive(figure)
    _save_svg(figure, folder, name, label, bool(plots) or figure.get_figwidth() <= 1.02 * COLUMN)
    missing = [warning for warning in said if "missing from font" in str(warning.message)]
    for warning in said:
        if warning not in missing:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    caption = f"{caption} {BOXES}" if missing else caption
    step = max(_step(_of_interactive(ax)) for ax in figure.axes) if figure.axes else 1
    caption += THINNED.format(step=step) if step > 1 else ""
    alt = f"{alt or caption} {style.words(figure)}".strip()
    runs.record(run, "figures", {"name": name, "caption": caption, "alt": alt, "width": made_for, "label": label})
    light = with_palette(picture)
    source = f"data:image/png;base64,{base64.b64encode(light).decode()}"
    width = round(figure.get_figwidth() * SCREEN[made_for])
    image = f'<img src="{source}" alt="{html.escape(alt)}" width="{width}" data-width="{made_for}">'
    points = f'<script type="application/json" class="points">{plots}</script>' if plots else ""
    page = f'<figure id="fig-{name}">{image}{points}<figcaption>{html.escape(caption)}</figcaption></figure>'
    put(page, caption, light, markdown=False)


def _save_svg(figure: Figure, folder: Path, name: str, label: str, fits: bool) -> None:
    """Save a figure as SVG in `folder`, and a narrow drawing of it where it does not fit a phone as it is."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # pages have fonts of their own
        files.write_text(folder / f"{name}.svg", charts.svg(figure, name))
    (folder / f"{name}.pdf").unlink(missing_ok=True)  # of an earlier run
    target = folder / "narrow" / f"{name}.svg"
    small = None if fits else charts.narrow(folder / f"{name}.json", name, label)
    if small:
        files.write_text(target, small)
    else:
        target.unlink(missing_ok=True)


def png(figure: Figure, dpi: float | None = None) -> bytes:
    """A figure as a PNG file (default: the resolution of saved figures)."""
    style.settle(figure)
    picture, before = io.BytesIO(), figure.dpi
    figure.dpi = dpi or rcParams["savefig.dpi"]
    FigureCanvasAgg(figure).print_png(picture, metadata={"Software": None})  # `savefig` would draw twice
    figure.dpi = before
    return picture.getvalue()


def with_palette(picture: bytes) -> bytes:
    """A PNG file with 256 colours, which look the same, and a third of the size: notebooks hold each picture twice."""
    found = io.BytesIO()
    whole = Image.open(io.BytesIO(picture)).convert("RGB")
    whole.quantize(256, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(found, "PNG")
    return found.getvalue()


def pdf(figure: Figure) -> bytes:
    """A figure as a PDF file, the same each time."""
    style.prepare(figure)
    style.settle(figure)
    drawn = io.BytesIO()
    FigureCanvasPdf(figure).print_pdf(drawn, metadata={"CreationDate": None})
    return drawn.getvalue()


def _of_interactive(ax: Axes) -> list[Collection]:
    """Groups of points of a panel that `scatter` drew."""
    return [group for group in ax.collections if group.get_gid() == INTERACTIVE]


def _step(groups: list[Collection]) -> int:
    """Of how many points one can be pointed at, so that they are about `sizes.DRAWN` at most."""
    return max(1, -(-sum(len(group.get_offsets()) for group in groups) // sizes.DRAWN))


def _interactive(figure: Figure) -> str:
    """JSON of the panels whose points `scatter` drew: labels of the axes, and per group its name, colour and points, of
    many points every so manyth."""
    panels = []
    for ax in figure.axes:
        groups = _of_interactive(ax)
        if not groups and ax.axison:  # the others would be missing on the screen
            return ""
        if groups:
            step = _step(groups)
            panels.append({
                "title": ax.get_title(loc="left"), "x": ax.get_xlabel(), "y": ax.get_ylabel(),
                "groups": [{"name": str(group.get_label()), "colour": colors.to_hex(group.get_facecolor()[0]),
                            "points": [[float(f"{v:.4g}") for v in point]
                                       for point in group.get_offsets()[::step].tolist()],
                            "names": getattr(group, "names", [])[::step]} for group in groups],
            })
    return json.dumps(panels, separators=(",", ":")).replace("<", "\\u003c") if panels else ""


def table(run: Run, data: pd.DataFrame, name: str, caption: str | None = None, digits: int = 3, index: bool = False,
          **values: Any) -> None:
    """Put a table into the page, with `digits` decimals at most, and save it as CSV, LaTeX and HTML. Its caption is
    that of `claims.yaml`, filled with `values`, unless one is given. Ids are shown by the names of the glossary; the
    CSV keeps them."""
    caption = claims.caption(run, "tables", name, **values) if caption is None else caption
    folder, label = run.folder / "tables", claims.label_of(run)
    data = _named(data.reset_index() if index else data, label)
    files.write_text(folder / f"{name}.csv", _spread(data).to_csv(index=False))
    named = _named(glossary.shown_table(data), label)
    cells = [texts(list(column), digits) for _, column in named.items()]
    shown = pd.DataFrame(dict(enumerate(cells)), dtype=object).set_axis(list(named), axis=1)
    numeric = [all(map(_is_number, column)) for _, column in data.items()]
    files.write_text(folder / f"{name}.tex", latex.table(shown, caption, name, numeric))
    runs.record(run, "tables", {"name": name, "caption": caption, "ids": glossary.ids(data)})
    page = table_html(shown, name, caption)
    files.write_text(folder / f"{name}.html", page)
    put(page, _markdown(list(map(str, shown)), shown.astype(str).to_numpy().tolist(), caption))


def _named(data: pd.DataFrame, label: str) -> pd.DataFrame:
    """A table with what labels are called where its texts and columns say `{label}`."""
    return data.map(lambda value: claims.named(value, label)).rename(columns=lambda name: claims.named(name, label))


def _markdown(columns: list[str], rows: list[list[str]], caption: str) -> str:
    """A table as Markdown, its caption below."""
    lines = [columns, ["---"] * len(columns), *rows]
    cells = ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]
    return "\n".join([*cells, "", caption])


def players(run: Run, sounds: dict[str, Sound | None], name: str, caption: str | None = None, seconds: float = 8.0,
            **values: Any) -> None:
    """Put an audio player for each sound into the page (see `player`); its caption stands with those of figures."""
    caption = claims.caption(run, "figures", name, **values) if caption is None else caption
    rows = [player(title, sound, seconds) for title, sound in sounds.items() if sound is not None]
    below = f"<figcaption>{html.escape(caption)}</figcaption>"
    put(f'<figure class="players" id="fig-{name}">{"".join(rows)}{below}</figure>', caption)


def player(title: str, sound: Sound, seconds: float = 8.0) -> str:
    """HTML of an audio player: the middle `seconds` of a sound at full level, as MP3 of 22,050 Hz (8 kB a second)."""
    start = max(0, (len(sound.y) - int(seconds * sound.sr)) // 2)
    y = soxr.resample(sound.y[start : start + int(seconds * sound.sr)], sound.sr, 22050)
    y = 0.9 * y / max(np.abs(y).max(), 1e-9)
    mp3 = io.BytesIO()
    soundfile.write(mp3, y, 22050, format="MP3")
    data = base64.b64encode(mp3.getvalue()).decode()
    return (
        f'<div class="player"><span>{html.escape(title)}</span><audio controls preload="none" '
        f'aria-label="{html.escape(title)}" src="data:audio/mpeg;base64,{data}"></audio></div>'
    )


def _spread(data: pd.DataFrame) -> pd.DataFrame:
    """Intervals as columns of numbers: name, name_low, name_high, name_n."""
    columns = {}
    for name, values in data.items():
        columns[name] = [value.mean if isinstance(value, Interval) else value for value in values]
        if any(isinstance(value, Interval) for value in values):
            for part in ("low", "high", "n"):
                columns[f"{name}_{part}"] = [getattr(value, part, "") for value in values]
    return pd.DataFrame(columns, index=data.index)


def _is_number(value) -> bool:
    return isinstance(value, (int, float, np.number, Interval)) and not isinstance(value, (bool, np.bool_))

