"""What the explorer shows in the browser: two widgets, drawn by scatter.js and charts.js with what svg.js has."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import pandas as pd
import traitlets
from matplotlib import colors, image

from lib.report import style
from lib.store import artifacts
from lib.studies.explorer import models
from lib.studies.explorer.columns import PALETTE
from lib.studies.explorer.models import LABEL, Material


def _code(name: str) -> str:
    return "\n".join(Path(__file__).with_name(part).read_text() for part in ("svg.js", name))


class Scatter(anywidget.AnyWidget):
    """Linked pictures of the tracks, one for each model: points are picked with the mouse, by name, or with arrow keys
    and Enter. Colours and highlights are the browser's; `colour` comes back when the focus leaves the widget."""

    _esm = _code("scatter.js")
    palette = traitlets.Dict(PALETTE).tag(sync=True)
    tracks = traitlets.Dict({"names": [], "columns": []}).tag(sync=True)  # see `columns.described`
    panels = traitlets.List().tag(sync=True)  # see `panel`
    colour = traitlets.Unicode(LABEL).tag(sync=True)  # id of a column, or "cluster:0" of the first model
    picked = traitlets.Int(0).tag(sync=True)


def panel(title: str, axes: list[str], frames: list[dict[str, Any]], at: int = 0) -> dict[str, Any]:
    """One picture: its frames (see `frame`), of which number `at` is shown first."""
    return {"title": title, "x": axes[0], "y": axes[1], "frames": frames, "at": at}


def frame(points: np.ndarray, clusters: pd.Series, **more: Any) -> dict[str, Any]:
    """What a picture shows of a model: points [track, 2], clusters [track]."""
    return {"points": np.round(points.astype(float), 4).tolist(), "clusters": clusters.tolist(), **more}


class Charts(anywidget.AnyWidget):
    """A track's spectrogram and spectra."""

    _esm = _code("charts.js")
    track = traitlets.Dict().tag(sync=True)


def spectrogram(material: Material, track: str, title: str) -> dict[str, Any]:
    """A track's log-mel spectrogram, a pixel a value."""
    log_mel = artifacts.load(material.run, "features", ["log_mel"], track=track).log_mel
    low, high = np.percentile(log_mel, [2, 99.8])
    picture = io.BytesIO()
    image.imsave(picture, log_mel.values, vmin=low, vmax=high, cmap="magma", origin="lower", format="png")
    return {"png": picture.getvalue(), "seconds": float(log_mel.frame[-1]), "bands": len(log_mel), "low": round(low),
            "high": round(high), "about": f"Log-mel spectrogram of {title}"}


def spectrum(decoded: pd.DataFrame, own: str, other: str, reads_label: bool, about: str) -> dict[str, Any]:
    """A track's average spectrum and its decodings (see `models.decode`), and how the two decodings differ."""
    spectra = decoded.apply(models.mean_spectrum).round(2)
    blue, orange = map(colors.to_hex, style.PALETTE[:2])
    drawn = [_line("the track itself", spectra["track"], "currentColor", wide=True),
             _line(f"decoded as {own}" if reads_label else "decoded", spectra["own"], blue)]
    if reads_label:
        drawn.append(_line(f"decoded as {other}", spectra["other"], orange, dashed=True))
    difference = _line(f"{other} minus {own}", (spectra["other"] - spectra["own"]).round(2), orange)
    return {"hz": spectra.index.tolist(), "lines": drawn, "about": about,
            "difference": difference if reads_label and other != own else None}


def _line(name: str, values: pd.Series, colour: str, **look: bool) -> dict[str, Any]:
    return {"name": name, "values": values.tolist(), "colour": colour, **look}
