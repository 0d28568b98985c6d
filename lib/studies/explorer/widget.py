"""The interactive explorer of notebooks/explore_cvae: the widget (what it computes: `models`, `views`).

Everything below `Explorer` is in the browser; everything above it runs without one.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import html
import io
import threading
import types
from pathlib import Path
from typing import NamedTuple

import anywidget
import ipywidgets as widgets
import numpy as np
import pandas as pd
import traitlets
from matplotlib.figure import Figure

from lib.features import preparation
from lib.report import claims, showing, style
from lib.report.glossary import shown
from lib.store import runs
from lib.store.errors import Problem
from lib.store.runs import Run
from lib.studies.explorer import models, pictures, views
from lib.studies.explorer.models import CONDITIONING, LABEL, MODELS, SMALL, Choice, Material, Trained
from lib.studies.explorer.views import N_NEIGHBOURS, VIEWS


class Picker(anywidget.AnyWidget):
    """A picture whose points can be picked: with the mouse, or with arrow keys and Enter."""

    _esm = Path(__file__).with_name("explorer.js")
    png = traitlets.Bytes().tag(sync=True)
    width = traitlets.Int(560).tag(sync=True)  # CSS pixels
    alt = traitlets.Unicode().tag(sync=True)
    places = traitlets.Bytes().tag(sync=True)  # float32 [N, 2]: shares of the picture's width and height, from top left
    titles = traitlets.List(traitlets.Unicode()).tag(sync=True)  # [N]
    picked = traitlets.Int(-1).tag(sync=True)


STYLE = """<style>
.explorer .said { line-height: 1.4; min-height: 2.8em; }
.explorer .problem { border-left: 4px solid #d55e00; padding-left: 8px; }
.explorer table { border-collapse: collapse; line-height: 1.4; }
.explorer caption { text-align: left; padding: 4px 0; }
.explorer p { line-height: 1.4; margin: 4px 0; }
.explorer th, .explorer td { white-space: nowrap; padding: 1px 6px; text-align: right; border-top: 1px solid #8886; }
.explorer th:first-child { text-align: left; }
.explorer tbody th { font-weight: normal; white-space: normal; }
.explorer tr.now > * { font-weight: bold; }
.explorer .player span { display: block; line-height: 1.4; }
.explorer img { max-width: 100%; background: white; }
</style>"""
NEW = "a small synthetic corpus (prepared when chosen)"
WIDE = {"description_width": "initial"}
WIDTHS = ("580px", "350px")  # of the two columns
PIXELS = 160  # of a picture, per inch; 100 of the page
REST = 0.2  # seconds without another change before the explorer answers
SHOWN = 8  # rows of the table of what was tried


class Chosen(NamedTuple):
    """All that the controls say."""

    folder: Path  # of the run
    model: Choice
    view: str
    colour: str
    track: str  # id
    told: str  # label to decode as


class Explorer:
    """Controls, picture and what they tell. `box` is the widget; `still` draws the same where there is no browser.

    `update` compares what is chosen with what is shown, and shows the difference. It may be called from any thread, at
    any time: JupyterLab hands over the changes of controls on another thread than the cells.
    """

    def __init__(self, run: Run):
        self.tracks, self.model, self.beta = _list("Tracks"), _list("Model", MODELS), _list("Beta")
        self.condition, self.conditioning = _list("Condition on"), _list("Condition goes to", CONDITIONING)
        self.seed = _list("Seed")
        self.view, self.colour, self.told = _list("View", VIEWS), _list("Colour by"), _list("Decode as")
        self.name = widgets.Combobox(description="Track", ensure_option=True, continuous_update=False, style=WIDE)
        self.picker = Picker()
        self.said, self.scores, self.heard, self.log_mel, self.decoding = (widgets.HTML() for _ in range(5))
        self.near = [widgets.Button(layout=widgets.Layout(width="auto")) for _ in range(N_NEIGHBOURS)]
        self.box = self._arranged()
        self._lock, self._updating, self._changes = threading.Lock(), 0, 0
        self.conditioning.value = "encoder and decoder (CVAE)"
        self._open(run)
        self.update()
        for control in (self.tracks, self.model, self.beta, self.condition, self.conditioning, self.seed, self.view,
                        self.colour, self.told):
            control.observe(lambda _: self._soon(), "value")
        self.picker.observe(lambda _: self._soon(), "picked")
        self.name.observe(lambda change: self._find(change.new), "value")
        for button in self.near:
            button.on_click(lambda button: self.pick(button.track))

    def pick(self, track: str) -> None:
        """Look at a track."""
        self.picker.picked = self.material.x.index.get_loc(track)

    def update(self) -> None:
        """Show what is chosen. A mistake, or a failure, is said in the place of the sentence about it."""
        if self._updating == threading.get_ident():  # a change of our own: the loop below sees it
            return
        with self._lock:
            self._updating = threading.get_ident()
            try:
                while self.now != (chosen := self._chosen()):
                    self._show(chosen)
                self._say(self.about())
            except Problem as problem:
                self._say(str(problem), "problem")
            except Exception as error:
                self._say(f"This did not work: {type(error).__name__}: {error}", "problem")
                raise
            finally:
                self._updating = 0

    # --- what is shown

    @property
    def trained(self) -> Trained:
        """The model that is shown."""
        return self._trained[self.now.model]

    @property
    def points(self) -> tuple[np.ndarray, list[str]]:
        """The view of it (see `project`)."""
        key = self.now.model, self.now.view
        if key not in self._points:
            self._say("Computing the view ..." + (" The first UMAP takes long." if self.now.view == "UMAP" else ""))
            self._points[key] = views.project(self.trained.latents, self.now.view)
        return self._points[key]

    def about(self) -> str:
        """What is shown, and its numbers, in words."""
        about, c, found, latents = self.material.about, self.now.model, self.tried[self.now.model], self.trained.latents
        music = "Synthetic music. " if about["synthetic"] else ""
        if self.material.run.settings.profile == "smoke":
            music += "A trial run, too small to conclude anything from. "
        source = "read from the store" if self.trained.from_store else "trained now"
        return (
            f"{music}{about['title']}, {about['n']} tracks. {c.model}, beta {c.beta:g}, "
            f"{shown(c.condition)} to {c.conditioning}, "
            f"seed {c.seed} ({source}): {found.active} of {latents.sizes['latent']} dimensions are active. Silhouette "
            f"{found.silhouette:.2f}, and {found.silhouette_null.mean():.2f} for clouds without clusters; NMI with the "
            f"labels {found.nmi:.2f}, and {found.nmi_null.mean():.2f} with permuted ones."
        )

    def about_track(self) -> str:
        """The track that is shown, and its decoding, in words."""
        name, label = self.material.names[self.now.track], self.material.label[self.now.track]
        return f"{name} ({label}). {pictures.say_decoding(*self._decoded())}"

    def still(self) -> Figure:
        """The view as a picture, coloured as chosen and by cluster, for pages that cannot run widgets."""
        figure, axes = style.new(style.PAGE, 2.8, 1, 2)
        other = "label" if self.now.colour == "cluster" else "cluster"
        for ax, name in zip(axes, (self.now.colour, other), strict=True):
            pictures.draw_view(*self.points, self._values(name), ax)
            ax.plot(*self.points[0][self.material.x.index.get_loc(self.now.track)], "o", ms=9, mfc="none", mec="black")
        return figure

    def still_track(self) -> Figure:
        """The track as a picture: log-mel and decoding."""
        figure, axes = style.new(style.PAGE, 2.4, 1, 2)
        pictures.draw_log_mel(self.material, self.now.track, axes[0])
        pictures.draw_decoding(*self._decoded(), axes[1])
        return figure

    # --- showing it

    def _chosen(self) -> Chosen:
        self._offer(self.condition.value)
        model = Choice(self.model.value, self.beta.value, self.conditioning.value, self.seed.value,
                       self.condition.value)
        track = self.material.x.index[self.picker.picked]
        return Chosen(self.tracks.value, model, self.view.value, self.colour.value, track, self.told.value)

    def _show(self, chosen: Chosen) -> None:
        """Bring the page from what it shows to what is chosen."""
        before = self.now
        if chosen.folder != self.material.run.folder:
            try:
                self._open(models.prepare(chosen.folder, models.LONGER, self._say))
            except Problem:
                self.tracks.value = self.material.run.folder
                raise
            return
        self._train(chosen.model)  # before anything changes: it may not be possible
        self.now = chosen
        if before is None or (chosen.model, chosen.view, chosen.colour) != (before.model, before.view, before.colour):
            self._show_view()
        if before is None or (chosen.model, chosen.track) != (before.model, before.track):
            self._show_track()
        if before is None or (chosen.model, chosen.track, chosen.told) != (before.model, before.track, before.told):
            decoded = self._decoded()
            said = pictures.say_decoding(*decoded)
            self.decoding.value = _picture(pictures.draw_decoding(*decoded), said) + f"<p>{html.escape(said)}</p>"
        if before is None or chosen.model != before.model:
            self._say("Drawing clouds without clusters ...")
            self.tried[chosen.model] = self.tried.pop(chosen.model, None) or models.score(self.trained,
                                                                                          self.material.label)
            self.scores.value = _score_table(self.tried)

    def _train(self, model: Choice) -> None:
        if model not in self._trained:
            self._say(f"Training at beta {model.beta:g}, {shown(model.condition)} to {model.conditioning} ...")
            lines = types.SimpleNamespace(write=lambda text: text.strip() and self._say(text.strip()), flush=bool)
            with contextlib.redirect_stdout(lines):
                self._trained[model] = models.train(self.material, model)

    def _open(self, run: Run) -> None:
        """Take a run's tracks; its settings say which betas and seeds there are."""
        self._say(f"Reading {run.folder.name} ...")
        material, s = models.read(run), run.settings
        self.material, self.now, self._trained, self._points, self.tried = material, None, {}, {}, {}
        folders = {folder.name: folder for folder in runs.find_runs(run.folder.parent)}
        small = {} if SMALL in folders else {NEW: run.folder.parent / SMALL}
        betas = {f"{beta:g}": beta for beta in sorted({*s.betas, 1.0, s.beta})}
        called = {LABEL: claims.label_of(run)}
        colours = [(called.get(name, name), name) for name in (LABEL, "cluster", *material.known)]
        conditions = {called.get(name) or shown(name): name for name in material.conditions}
        self.picker.picked = 0
        self.name.options = list(material.names)
        for control, options, value in (
            (self.tracks, folders | small, run.folder), (self.beta, betas, s.beta),
            (self.seed, run.seeds, run.seeds[0]), (self.colour, colours, LABEL),
            (self.condition, conditions, LABEL),
        ):
            control.options, control.value = options, value
        self._offer(LABEL)

    def _offer(self, condition: str) -> None:
        """Let the groups of a condition be chosen to decode as: first, one that the first track has not."""
        groups = self.material.conditions[condition]
        kinds = tuple(sorted(groups.unique()))
        if tuple(self.told.options) != kinds:
            self.told.options = kinds
            self.told.value = next(kind for kind in kinds if kind != groups.iloc[0])

    def _show_view(self) -> None:
        points, axes = self.points
        names, label = self.material.names, self.material.label
        figure, ax = style.new(5.6, 4.2)
        values = self._values(self.now.colour)
        pictures.draw_view(points, axes, values, ax)
        picture = _png(figure)
        places = figure.transFigure.inverted().transform(ax.transData.transform(points))  # as they were laid out
        with self.picker.hold_sync():
            self.picker.titles = [f"{names[t]} · {label[t]} · cluster {c}" for t, c in self.trained.clusters.items()]
            self.picker.alt = f"Scatter plot of {len(points)} tracks: {self.now.view} by {values.name}."
            self.picker.places = np.c_[places[:, 0], 1 - places[:, 1]].astype(np.float32).tobytes()
            self.picker.png = picture

    def _show_track(self) -> None:
        track, names, label = self.now.track, self.material.names, self.material.label
        title = f"{names[track]}: {label[track]}, cluster {self.trained.clusters[track]}"
        self.name.value = names[track]
        self.heard.value = _sound(self.material, track, title)
        self.log_mel.value = _picture(pictures.draw_log_mel(self.material, track), f"Log-mel spectrogram of {title}")
        near = views.neighbours(self.trained.latents, track)
        for button, (other, distance) in zip(self.near, near.items(), strict=True):
            button.description, button.track = f"{names[other]} · {label[other]} · {distance:.2f} away", other

    def _values(self, name: str) -> pd.Series:
        if name == "cluster":
            return self.trained.clusters.map("{:02d}".format).rename(name)
        named = self.material.label.rename(claims.label_of(self.material.run))
        return named if name == LABEL else self.material.known[name]

    def _decoded(self) -> tuple[pd.DataFrame, str, str, bool]:
        """What `draw_decoding` and `say_decoding` take."""
        trained, track, told = self.trained, self.now.track, self.now.told
        own = told if trained.told is None else trained.told[track]
        return models.decode(trained, self.material.x, track, told), own, told, trained.config.y_decoder

    def _say(self, text: str, kind: str = "") -> None:
        self.said.value = f'<div class="said {kind}" role="status">{html.escape(text)}</div>'

    def _find(self, name: str) -> None:
        for track in self.material.names.index[self.material.names == name]:
            self.pick(track)

    def _soon(self) -> None:
        """Update once the controls rest: an arrow key held on a list must not train every model on its way."""
        self._changes += 1
        mine = self._changes
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # not in a notebook
            self.update()
        else:
            loop.call_later(REST, lambda: self.update() if mine == self._changes else None)

    def _arranged(self) -> widgets.Box:
        rows = widgets.Layout(flex_flow="row wrap", align_items="flex-start", overflow="visible")
        left = [self.picker, widgets.HTML("<p>Nearest tracks in the latent space:</p>"), *self.near]
        right = [self.name, self.told, self.heard, self.log_mel, self.decoding]
        columns = [
            widgets.VBox(part, layout=widgets.Layout(width=width, align_items="flex-start", overflow="visible"))
            for part, width in zip((left, right), WIDTHS, strict=True)
        ]
        box = widgets.VBox([
            widgets.HTML(STYLE),
            widgets.HBox([self.tracks, self.model, self.beta, self.condition, self.conditioning, self.seed, self.view,
                          self.colour], layout=rows),
            self.said,
            widgets.HBox(columns, layout=rows),
            self.scores,
        ])
        return box.add_class("explorer")


def _list(name: str, options=()) -> widgets.Dropdown:
    return widgets.Dropdown(description=name, options=list(options), style=WIDE, layout=widgets.Layout(width="auto"))


def _png(figure: Figure) -> bytes:
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=PIXELS)
    return picture.getvalue()


def _picture(figure: Figure, alt: str) -> str:
    """A figure as HTML."""
    data, width = base64.b64encode(_png(figure)).decode(), round(100 * figure.get_size_inches()[0])
    return f'<img src="data:image/png;base64,{data}" alt="{html.escape(alt)}" width="{width}">'


def _sound(material: Material, track: str, title: str) -> str:
    """An audio player, or why there is none."""
    try:
        sound = preparation.listen(material.run, track) if material.about["has_audio"] else None
        why = "This corpus is spectrograms only: there is no audio."
    except Problem as problem:
        sound, why = None, str(problem)
    return f"<p>{html.escape(f'{title}. {why}')}</p>" if sound is None else showing.player(title, sound, models.HEARD)


def _score_table(tried: dict[Choice, models.Scores]) -> str:
    """What was tried, latest first, as HTML."""
    names = ["silhouette", "its null", "NMI", "permuted labels", "active", "KL, nats"]
    rows = []
    for choice, found in list(tried.items())[:-SHOWN - 1:-1]:
        numbers = [f"{found.silhouette:.3f}", _range(found.silhouette_null), f"{found.nmi:.3f}", _range(found.nmi_null),
                   found.active, f"{found.kl:.2f}"]
        cells = "".join(f"<td>{number}</td>" for number in numbers)
        what = (f"{choice.model}, beta {choice.beta:g}, {shown(choice.condition)} to {choice.conditioning}, "
                f"seed {choice.seed}")
        rows.append(f'<tr class="{"" if rows else "now"}"><th scope="row">{html.escape(what)}</th>{cells}</tr>')
    heads = "".join(f'<th scope="col">{name}</th>' for name in ["model", *names])
    return (f"<table><caption>Tried so far: k-means on mu. Nulls are means and ranges of draws.</caption>"
            f"<thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>")


def _range(draws: np.ndarray) -> str:
    return f"{draws.mean():.3f} ({draws.min():.3f}–{draws.max():.3f})"
