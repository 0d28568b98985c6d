"""Figures and tables put into the page, with a caption, and into the run's folder."""

from __future__ import annotations

import base64
import html
import io
import json
import warnings
from typing import Any

import numpy as np
import pandas as pd
import soundfile
import soxr
from matplotlib import colors
from matplotlib import pyplot as plt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.figure import Figure

from lib.corpora.items import Sound
from lib.report import alt_text, claims, latex, plots, widths
from lib.report.output import put
from lib.report.style import COLUMN, INTERACTIVE, SCREEN, WIDTHS
from lib.scores.intervals import Interval
from lib.store import files, runs
from lib.store.runs import Run

BOXES = "Boxes stand for letters that no font installed here has."


# --- into the page and the folder --------------------------------------------------------------------------------
def show(run: Run, figure: Figure, name: str, caption: str | None = None, alt: str = "", **values: Any) -> None:
    """Put a figure into the page, with caption and alternative text, and save it (see `_save`).

    The alternative text is the caption and what the figure's own numbers say (`alt_text`), or `alt` and these. Points
    drawn by `scatter` come with their data, from which the book makes a plot to point at. The caption is that of
    `claims.yaml`, filled with `values`, unless one is given.
    """
    caption = claims.caption(run, "figures", name, **values) if caption is None else caption
    made_for = "column" if figure.get_size_inches()[0] <= 1.05 * COLUMN else "page"
    _plain_dollars(figure)
    with warnings.catch_warnings(record=True) as said:
        warnings.filterwarnings("always", message="Glyph .* missing from font")
        _lay_out(figure, made_for)  # tick labels exist only then
    if any("missing from font" in str(warning.message) for warning in said):
        caption = f"{caption} {BOXES}"
    alt, plots = f"{alt or caption} {alt_text.describe(figure)}".strip(), _interactive(figure)
    pictures = _save(run, figure, name, made_for)
    sources = {kind: f"data:image/png;base64,{base64.b64encode(picture).decode()}"
               for kind, picture in pictures.items()}
    runs.record(run, "figures", {"name": name, "caption": caption, "alt": alt, "width": made_for})
    width = round(WIDTHS[made_for] * SCREEN[made_for])
    image = f'<img src="{sources[made_for]}" alt="{html.escape(alt)}" width="{width}">'
    if made_for == "page":  # on a phone its letters would be too small
        image = f'<picture><source media="(max-width: 36rem)" srcset="{sources["column"]}">{image}</picture>'
    points = f'<script type="application/json" class="points">{plots}</script>' if plots else ""
    page = f'<figure id="fig-{name}">{image}{points}<figcaption>{html.escape(caption)}</figcaption></figure>'
    put(page, caption, pictures[made_for], markdown=False)


def _plain_dollars(figure: Figure) -> None:
    """A dollar sign in a label is no formula, which might be a broken one; those of logarithmic axes stay."""
    for ax in figure.axes:
        for axis in (ax.xaxis, ax.yaxis):
            axis.get_ticklabels()  # makes them
    for text in figure.findobj(plots.mpl.text.Text):
        if "$" in text.get_text().replace("\\$", "") and "\\mathdefault" not in text.get_text():
            text.set_parse_math(False)


def _save(run: Run, figure: Figure, name: str, made_for: str) -> dict[str, bytes]:
    """Save `figures/column/NAME` and `figures/page/NAME` as PDF and PNG, and close the figure; returns both PNGs.

    The width that the figure was made for, and is laid out for, comes first: the other one may move its panels.
    """
    found = {}
    for kind in sorted(WIDTHS, key=lambda kind: kind != made_for):
        if kind != made_for:
            _lay_out(figure, kind)
        found[kind], folder = png(figure), run.folder / "figures" / kind
        files.write(folder / f"{name}.png", lambda path, data=found[kind]: path.write_bytes(data))
        files.write(
            folder / f"{name}.pdf",
            lambda path: FigureCanvasPdf(figure).print_pdf(path, metadata={"CreationDate": None}),
        )
    plt.close(figure)
    return found


def _lay_out(figure: Figure, kind: str) -> None:
    """Give a figure the width of a column or a page, and place everything for good: once for all its files."""
    figure.set_layout_engine("constrained")
    widths.fit(figure, WIDTHS[kind])
    figure.get_layout_engine().execute(figure)
    figure.set_layout_engine("none")


def png(figure: Figure, dpi: float | None = None) -> bytes:
    """A figure as a PNG file (default: the resolution of saved figures)."""
    picture, before = io.BytesIO(), figure.dpi
    figure.dpi = dpi or plots.mpl.rcParams["savefig.dpi"]
    FigureCanvasAgg(figure).print_png(picture, metadata={"Software": None})  # `savefig` would draw twice
    figure.dpi = before
    return picture.getvalue()


def _interactive(figure: Figure) -> str:
    """JSON of the panels whose points `scatter` drew: labels of the axes, and per group its name, colour and points."""
    panels = []
    for ax in figure.axes:
        groups = [group for group in ax.collections if group.get_gid() == INTERACTIVE]
        if groups:
            panels.append({
                "title": ax.get_title(loc="left"), "x": ax.get_xlabel(), "y": ax.get_ylabel(),
                "groups": [{"name": str(group.get_label()), "colour": colors.to_hex(group.get_facecolor()[0]),
                            "points": [[float(f"{v:.4g}") for v in point] for point in group.get_offsets().tolist()],
                            "names": getattr(group, "names", [])} for group in groups],
            })
    return json.dumps(panels, separators=(",", ":")).replace("<", "\\u003c") if panels else ""


def table(run: Run, data: pd.DataFrame, name: str, caption: str | None = None, digits: int = 3, index: bool = False,
          **values: Any) -> None:
    """Put a table into the page and save it as CSV, LaTeX (booktabs) and HTML. Its caption is that of `claims.yaml`,
    filled with `values`, unless one is given."""
    caption = claims.caption(run, "tables", name, **values) if caption is None else caption
    shown = data.map(lambda value: _cell(value, digits)).rename_axis(columns=None)
    folder = run.folder / "tables"
    files.write_text(folder / f"{name}.csv", _spread(data).to_csv(index=index))
    flat = shown.reset_index() if index else shown
    numeric = [all(_is_number(value) for value in data[column]) if column in data else False for column in flat]
    rows = flat.astype(str).to_numpy().tolist()
    files.write_text(folder / f"{name}.tex", latex.table([str(c) for c in flat], rows, caption, name, numeric))
    runs.record(run, "tables", {"name": name, "caption": caption})
    body = shown.to_html(index=index, border=0, classes="dataframe", escape=True)
    page = f'<figure class="table" id="tab-{name}"><figcaption>{html.escape(caption)}</figcaption>{body}</figure>'
    files.write_text(folder / f"{name}.html", page)
    put(page, _markdown([str(c) for c in flat], rows, caption))


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


def _cell(value, digits: int) -> str:
    if isinstance(value, Interval) and value.n == 0:
        return "–"
    if isinstance(value, Interval):
        return format(value, f".{digits}f")
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, (float, np.floating)):
        if np.isnan(value):
            return "–"
        return f"{value:.0f}" if float(value).is_integer() and abs(value) >= 10 else f"{value:.{digits}f}"
    return str(value)
