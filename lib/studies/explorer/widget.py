"""The interactive explorer of notebooks/explore_cvae: what belongs together on its page (what it computes: `models`,
`views`; what is drawn in the browser: `browser`)."""

from __future__ import annotations

import asyncio
import html
import threading
from pathlib import Path
from typing import Any, NamedTuple

import ipywidgets as widgets
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lib.corpora.items import Sound
from lib.features import preparation
from lib.report import showing, style
from lib.store import runs
from lib.store.errors import Problem
from lib.store.runs import Run
from lib.studies.explorer import browser, columns, models, pictures, views
from lib.studies.explorer.controls import ROWS, WIDE, ModelLists, name_of, one_of, score_table, status
from lib.studies.explorer.models import LABEL, SMALL, Choice, Material, Trained
from lib.studies.explorer.views import N_NEIGHBOURS, OVER_BETAS, VIEWS

STYLE = """<style>
.explorer .said { line-height: 1.4; min-height: 2.8em; }
.explorer .problem { border-left: 4px solid #d55e00; padding-left: 8px; }
.explorer table { border-collapse: collapse; line-height: 1.4; width: 100%; }
.explorer caption { text-align: left; padding: 4px 0; }
.explorer .scroll { overflow-x: auto; }
.explorer :is(.widget-dropdown, .widget-text) { max-width: calc(100% - 4px); }
.explorer select { min-width: 0; }
.explorer p { line-height: 1.4; margin: 4px 0; }
.explorer th, .explorer td { padding: 1px 4px; text-align: right; border-top: 1px solid #8886; vertical-align: top; }
.explorer th:first-child { text-align: left; }
.explorer tbody th { font-weight: normal; }
.explorer tr.now > * { font-weight: bold; }
.explorer .range { display: inline-block; white-space: nowrap; }
.explorer .player span { display: block; line-height: 1.4; }
.explorer audio { max-width: 100%; }
.explorer .widget-html-content { max-width: 100%; }
</style>"""
NEW = "a small synthetic corpus (prepared when chosen)"
REST = 0.15  # seconds without another change before the explorer answers


class Chosen(NamedTuple):
    """All that the controls say."""

    folder: Path  # of the run
    models: tuple[Choice, ...]  # that are shown, the first one on the left
    view: str
    track: str
    other: str  # decode as


class Explorer:
    """Controls, pictures, sound and scores of one or two models of one run. `box` is what a cell shows."""

    def __init__(self, run: Run):
        self.tracks = one_of("Tracks")
        self.path = widgets.Text(description="Another run's folder", placeholder="path, then Enter", style=WIDE,
                                 continuous_update=False)
        self.first, self.second = ModelLists("encoder and decoder (CVAE)"), ModelLists("nowhere (VAE)")
        self.both = widgets.Checkbox(description="Compare with a second model", indent=False)
        self.view, self.other = one_of("View", VIEWS), one_of("Decode as")
        self.scatter, self.charts = browser.Scatter(), browser.Charts()
        self.said, self.scores, self.sound, self.rendered = (widgets.HTML() for _ in range(4))
        self.near = [widgets.Button(layout=widgets.Layout(width="auto")) for _ in range(N_NEIGHBOURS)]
        self.box = self._arranged()
        self._lock, self._updating, self._changes, self._known = threading.Lock(), 0, 0, []
        self._open(run)
        self.update()
        for control in (self.tracks, *self.first.all, self.both, *self.second.all, self.view, self.other):
            control.observe(lambda _: self._soon(), "value")
        self.path.observe(lambda change: self._go(change.new), "value")
        self.scatter.observe(lambda _: self._soon(), "picked")
        for button in self.near:
            button.on_click(lambda button: self.pick(button.track))

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """The widget, and for pages that cannot run it the still picture."""
        return pictures.bundle(self.box._repr_mimebundle_(**kwargs), self.still(), self.about())

    def pick(self, track: str) -> None:
        """Look at a track."""
        self.scatter.picked = self.material.x.index.get_loc(track)

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
        """The model on the left."""
        return self._trained[self.now.models[0]]

    def points(self, choice: Choice) -> tuple[np.ndarray, list[str]]:
        """The view of a model (see `project`)."""
        key = choice, self.now.view
        if key not in self._points:
            self._say("The first UMAP takes long" if self.now.view == "UMAP" else "Computing the view", "busy")
            self._points[key] = views.project(self._trained[choice].latents, self.now.view)
        return self._points[key]

    def about(self) -> str:
        """What is shown, and its numbers, in words."""
        about = self.material.about
        music = "Synthetic music and lyrics. " if about["synthetic"] else ""
        if self.material.run.settings.profile == "smoke":
            music += "A trial run, too small to conclude anything from. "
        return " ".join([f"{music}{about['title']}, {about['n']} tracks.", *map(self._about_model, self.now.models)])

    def _about_model(self, choice: Choice) -> str:
        found, trained = self.tried[choice], self._trained[choice]
        source = "read from the store" if trained.from_store else "trained now"
        return (
            f"{name_of(choice, self.material)} ({source}): "
            f"{found.active} of {trained.latents.sizes['latent']} dimensions are active. Silhouette "
            f"{found.silhouette:.2f}, and {found.silhouette_null.mean():.2f} for clouds without clusters; NMI with the "
            f"labels {found.nmi:.2f}, and {found.nmi_null.mean():.2f} with permuted ones."
        )

    def about_track(self) -> str:
        """The track that is shown, and its decoding, in words."""
        return f"{self._title()}. {pictures.say_decoding(*self._decoded())}"

    def still(self) -> Figure:
        """The view as a picture, coloured as chosen and by cluster, for pages that cannot run widgets."""
        figure, axes = style.new(style.PAGE, 2.8, 1, 2)
        choice, colour = self.now.models[0], self.scatter.colour
        other = LABEL if colour.startswith("cluster") else "cluster"
        for ax, name in zip(axes, (colour, other), strict=True):
            pictures.draw_view(*self.points(choice), self._values(name), ax)
            ax.plot(*self.points(choice)[0][self.material.x.index.get_loc(self.now.track)], "o", ms=9, mfc="none",
                    mec="black")
        return figure

    def still_track(self) -> Figure:
        """The track as a picture: log-mel and decoding."""
        figure, axes = style.new(style.PAGE, 2.4, 1, 2)
        pictures.draw_log_mel(self.material, self.now.track, axes[0])
        pictures.draw_decoding(*self._decoded(), axes[1])
        return figure

    # --- showing it

    def _chosen(self) -> Chosen:
        self._offer(self.first.condition.value)
        track = self.material.x.index[self.scatter.picked]
        self.second.box.layout.display = "" if self.both.value else "none"
        models = (self.first.choice, self.second.choice)[: 1 + self.both.value]
        return Chosen(self.tracks.value, models, self.view.value, track, self.other.value)

    def _show(self, chosen: Chosen) -> None:
        """Bring the page from what it shows to what is chosen."""
        before = self.now
        if chosen.folder != self.material.run.folder:
            try:
                self._open(models.prepare(chosen.folder, models.LONGER, lambda text: self._say(text, "busy")))
            except Problem:
                self.tracks.value = self.material.run.folder
                raise
            return
        for model in chosen.models:
            self._train(model)  # before anything changes: it may not be possible
        self.now = chosen
        if before is None or (chosen.models, chosen.view) != (before.models, before.view):
            self.scatter.panels = self._over_betas() if chosen.view == OVER_BETAS else [
                self._panel(model) for model in chosen.models]
        if before is None or (chosen.models[0], chosen.track) != (before.models[0], before.track):
            self._show_track()
        decode = before is None or (chosen.models[0], *chosen[3:]) != (before.models[0], *before[3:])
        if decode:
            self._show_decoded()
        self._score(chosen.models)
        if decode:
            self._play_decoded()

    def _train(self, model: Choice) -> None:
        if model in self._trained:
            return
        epochs, what = self.material.run.settings.epochs, name_of(model, self.material)
        self._say(f"Training: {what}", "busy")
        self._trained[model] = models.train(self.material, model, lambda epoch: self._say(
            f"Training, epoch {epoch} of at most {epochs}: {what}", "busy", epoch / epochs))

    def _score(self, choices: tuple[Choice, ...]) -> None:
        for choice in choices:
            self._score_one(choice)
        latest = list(self.tried.items())
        self.scores.value = score_table(latest[::-1], choices, self.material)

    def _score_one(self, choice: Choice, share: float | None = None) -> None:
        if choice not in self.tried:
            self._say(f"Clustering clouds without clusters, beta {choice.beta:g}", "busy", share)
            self.tried[choice] = models.score(self._trained[choice], self.material.label)

    def _open(self, run: Run) -> None:
        """Take a run's tracks; its settings say which betas and seeds there are."""
        self._say(f"Reading {run.folder.name}", "busy")
        material = models.read(run)
        self.material, self.now, self._trained, self._points, self.tried = material, None, {}, {}, {}
        self._known = list(dict.fromkeys([*self._known, *runs.find_runs(run.folder.parent)]))
        small = run.folder.parent / SMALL
        with self.scatter.hold_sync():
            self.scatter.picked, self.scatter.colour = 0, LABEL
            self.scatter.panels, self.scatter.tracks = [], columns.described(material)
        self.tracks.options = models.listed(self._known) | ({} if small in self._known else {NEW: small})
        self.tracks.value = run.folder
        self.first.offer(material)
        self.second.offer(material)
        self._offer(LABEL)

    def _go(self, path: str) -> None:
        """Open the run in a folder that the reader named."""
        if not path.strip():
            return
        with self._lock:
            self._updating = threading.get_ident()  # what the lists say meanwhile is no choice of the reader's
            try:
                self._open(models.reopen(path))
            except Problem as problem:
                return self._say(str(problem), "problem")
            finally:
                self._updating = 0
        self.path.value = ""
        self.update()

    def _offer(self, condition: str) -> None:
        """Let the groups of a condition be chosen to decode as: first, one that the first track has not."""
        groups = self.material.conditions[condition]
        kinds = tuple(sorted(groups.unique()))
        if tuple(self.other.options) != kinds:
            self.other.options = kinds
            self.other.value = next(kind for kind in kinds if kind != groups.iloc[0])

    def _panel(self, choice: Choice) -> dict[str, Any]:
        points, axes = self.points(choice)
        shown = browser.frame(points, self._trained[choice].clusters)
        return browser.panel(name_of(choice, self.material), axes, [shown])

    def _over_betas(self) -> list[dict[str, Any]]:
        """Each model at all betas, in one plane: a frame for each beta, with its scores."""
        sweeps = [self._sweep(choice) for choice in self.now.models]
        placed, axes = views.together([one.latents.mu.values[0] for sweep in sweeps for one in sweep.values()])
        places, panels = iter(placed), []
        for choice, sweep in zip(self.now.models, sweeps, strict=True):
            frames = [browser.frame(next(places), one.clusters, beta=beta, **self._curves(choice._replace(beta=beta)))
                      for beta, one in sweep.items()]
            self._points[choice, OVER_BETAS] = np.array(frames[list(sweep).index(choice.beta)]["points"]), axes
            name = name_of(choice, self.material).replace(f"beta {choice.beta:g}, ", "")
            panels.append(browser.panel(name, axes, frames, list(sweep).index(choice.beta)))
        return panels

    def _sweep(self, choice: Choice) -> dict[float, Trained]:
        betas = self.first.beta.options
        if missing := [beta for _, beta in betas if choice._replace(beta=beta) not in self._trained]:
            epochs = self.material.run.settings.epochs
            self._say(f"Training at {len(missing)} betas", "busy")
            found = models.sweep(self.material, choice, missing, lambda epoch: self._say(
                f"Training at {len(missing)} betas, epoch {epoch} of at most {epochs}", "busy", epoch / epochs))
            self._trained |= {choice._replace(beta=beta): one for beta, one in found.items()}
        for i, (_, beta) in enumerate(betas):
            self._score_one(choice._replace(beta=beta), i / len(betas))
        return {beta: self._trained[choice._replace(beta=beta)] for _, beta in betas}

    def _curves(self, choice: Choice) -> dict[str, float]:
        found = self.tried[choice]
        return {"silhouette": found.silhouette, "silhouette_null": found.silhouette_null.mean(), "nmi": found.nmi,
                "active": found.active}

    def _title(self) -> str:
        track = self.now.track
        return f"{self.material.names[track]}: {self.material.label[track]}, cluster {self.trained.clusters[track]}"

    def _show_track(self) -> None:
        names, label = self.material.names, self.material.label
        self.sound.value = _sound(self.material, self.now.track, self._title())
        near = views.neighbours(self.trained.latents, self.now.track)
        for button, (other, distance) in zip(self.near, near.items(), strict=True):
            button.description, button.track = f"{names[other]} · {label[other]} · {distance:.2f} away", other

    def _show_decoded(self) -> None:
        decoded = self._decoded()
        self.charts.track = {
            "spectrogram": browser.spectrogram(self.material, self.now.track, self._title()),
            "spectrum": browser.spectrum(*decoded, pictures.say_decoding(*decoded)),
        }

    def _play_decoded(self) -> None:
        """The track filtered to the average spectra that are decoded: its notes and rhythm, their timbre."""
        decoded, own, other, reads_label = self._decoded()
        sound = _listen(self.material, self.now.track)[0]
        if sound is None:
            self.rendered.value = ""
            return
        spectra = decoded.apply(models.mean_spectrum)
        names = {"own": f"decoded as {own}", "other": f"decoded as {other}"} if reads_label else {"own": "decoded"}
        self.rendered.value = "<p>The track filtered to the average spectrum that is decoded:</p>" + "".join(
            showing.player(name, models.filtered(sound, spectra[which] - spectra["track"]), models.SECONDS)
            for which, name in names.items())

    def _values(self, name: str) -> pd.Series:
        if name.startswith("cluster"):
            return self.trained.clusters.map("{:02d}".format).rename("cluster")
        return columns.values(self.material, name)

    def _decoded(self) -> tuple[pd.DataFrame, str, str, bool]:
        """What `draw_decoding` and `say_decoding` take."""
        trained, track, other = self.trained, self.now.track, self.now.other
        own = other if trained.given is None else trained.given[track]
        return models.decode(trained, self.material.x, track, other), own, other, trained.config.y_decoder

    def _say(self, text: str, kind: str = "", share: float | None = None) -> None:
        self.said.value = status(text, kind, share)

    def _soon(self) -> None:
        """Update once the controls rest: an arrow key held on a list must not train every model on its way."""
        self._changes += 1
        mine = self._changes
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # not in a notebook
            self.update()
        else:
            if not self._updating:
                self._say("One moment", "busy")
            loop.call_later(REST, lambda: self.update() if mine == self._changes else None)

    def _arranged(self) -> widgets.Box:
        rows = widgets.Layout(**ROWS)
        column = widgets.Layout(flex="1 1 300px", align_items="stretch", overflow="visible", min_width="0")
        near = [widgets.HTML("<p>Nearest tracks in the latent space:</p>"), *self.near]
        left = [*near, self.sound, self.other, self.rendered]
        box = widgets.VBox([
            widgets.HTML(STYLE),
            widgets.HBox([self.tracks, self.path, self.view], layout=rows),
            self.first.box,
            self.both,
            self.second.box,
            self.said,
            self.scatter,
            widgets.HBox([widgets.VBox(left, layout=column), widgets.VBox([self.charts], layout=column)], layout=rows),
            self.scores,
        ])
        return box.add_class("explorer")


def _listen(material: Material, track: str) -> tuple[Sound | None, str]:
    """A track's sound, or why there is none."""
    try:
        sound = preparation.listen(material.run, track) if material.about["has_audio"] else None
        return sound, "This corpus is spectrograms only: there is no audio."
    except Problem as problem:
        return None, str(problem)


def _sound(material: Material, track: str, title: str) -> str:
    """An audio player, or why there is none, as HTML."""
    sound, why = _listen(material, track)
    return f"<p>{html.escape(f'{title}. {why}')}</p>" if sound is None else showing.player(title, sound, models.SECONDS)
