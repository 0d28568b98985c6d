"""The interactive explorer of notebooks/explore_cvae: what it computes (plain functions), and the widget that shows it.

Everything below `Explorer` is in the browser; everything above it runs without one.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import dataclasses
import html
import io
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import anywidget
import ipywidgets as widgets
import numpy as np
import pandas as pd
import scipy.fft
import torch
import traitlets
import xarray as xr
from matplotlib.figure import Figure
from sklearn.decomposition import PCA
from sklearn.metrics import normalized_mutual_info_score

from lib import (
    artifacts,
    clustering,
    features,
    figures,
    information,
    labels,
    parameters,
    preparation,
    projection,
    training,
)
from lib import validity as nulls
from lib.artifacts import Run
from lib.errors import Problem
from lib.features import librosa
from lib.models import ModelConfig
from lib.series import ROOT

NOTEBOOK = "explore_cvae"
MODELS: dict[str, dict] = {  # name -> what it changes in the series' network
    "MLP": {},
    "linear": {"hidden": ()},
    "MLP with prior p(z | label)": {"prior": "label"},
    "MLP with a label classifier on z": {"auxiliary": 10.0},
    "MLP with a mixture prior (VaDE)": {"prior": "mixture"},
}
SHUFFLED = "encoder and decoder, shuffled"
CONDITIONING: dict[str, tuple[bool, bool]] = {  # where the label goes -> (encoder, decoder)
    "nowhere (VAE)": (False, False),
    "encoder": (True, False),
    "decoder": (False, True),
    "encoder and decoder (CVAE)": (True, True),
    SHUFFLED: (True, True),
}
VIEWS = ("leading KL dimensions", "PCA", "UMAP")
SMALL = "controlled-small"  # folder of the small synthetic corpus, and what sets it apart from profile "smoke"
LONGER = {"n_tracks": 200, "epochs": 200, "betas": (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)}
N_NULLS, N_NEIGHBOURS, HEARD = 5, 5, 15.0  # draws of each null, tracks, seconds
MANY_LEVELS = 20  # a text column with more values than this is not coloured by


class Material(NamedTuple):
    """What the explorer reads of a run before any model is chosen; everything is sorted by track id."""

    run: Run
    about: dict  # title, n, synthetic, has_audio, ...
    x: pd.DataFrame  # [track, D] features, raw units
    label: pd.Series  # [track], opened for evaluation
    known: pd.DataFrame  # [track, name]: factors and descriptors
    names: pd.Series  # [track]: what a person calls the track, unique


class Choice(NamedTuple):
    """A model as the controls name it."""

    model: str
    beta: float
    conditioning: str
    seed: int


class Trained(NamedTuple):
    """A chosen model's latents, and where they come from."""

    latents: xr.Dataset  # of one seed; see `training.latents`
    config: ModelConfig
    told: pd.Series | None  # the labels [track] that it was given: the true or the shuffled ones
    clusters: pd.Series  # k-means clusters [track] of mu, those of the series' first clustering seed
    from_store: bool


class Scores(NamedTuple):
    """One latent's numbers, each with its null."""

    silhouette: float
    silhouette_null: np.ndarray  # Gaussian clouds of the same covariance [draws]
    nmi: float
    nmi_null: np.ndarray  # permuted labels [draws]
    active: int  # dimensions with more than 0.1 nats
    kl: float  # nats


# --- a run -------------------------------------------------------------------------------------------------------


def open_run(
    profile: str = "default", corpus: str = "controlled", source: str = "", lyrics: str = "", out: str = "",
    settings: dict | None = None, say: Callable[[str], None] = print,
) -> Run:
    """The run to begin with, its tracks prepared: the one that these parameters name, with the settings it has.

    Where there is none yet, a small synthetic one is prepared beside it; with profile "smoke", the named one itself.
    Raises `Problem` for another corpus that was not prepared.
    """
    checked = parameters.load(profile, corpus, source, lyrics, settings)
    folder = ROOT / Path(out).expanduser() if out else artifacts.default_folder(checked)
    if folder in artifacts.find_runs(folder.parent):
        return artifacts.reopen_run(NOTEBOOK, folder)
    if corpus != "controlled":
        options = "".join(f" --{name} {value}" for name, value in (("source", source), ("lyrics", lyrics)) if value)
        raise Problem(f"no tracks in {folder} yet: run_notebooks.py --only 01 --corpus {corpus}{options} prepares them")
    if profile == "smoke":
        return prepare(folder, settings or {}, say)
    say(f"No tracks in {folder.name} yet ('make report' prepares them): a small synthetic corpus must do.")
    return prepare(folder.parent / SMALL, LONGER, say)


def prepare(folder: Path, settings: dict, say: Callable[[str], None]) -> Run:
    """The run in `folder`; where there is none, a synthetic one is prepared there (profile "smoke" and `settings`).

    Progress goes to `say`.
    """
    if folder in artifacts.find_runs(folder.parent):
        return artifacts.reopen_run(NOTEBOOK, folder)
    run = artifacts.open_run(NOTEBOOK, "smoke", out=str(folder), settings=settings)
    say(f"Preparing {run.settings.n_tracks} synthetic tracks of {run.settings.seconds:g} s in {folder.name} ...")
    preparation.prepare(run, say)
    return run


def read(run: Run) -> Material:
    """All of a run that needs no model. Raises `Problem` where notebook 01 has not prepared it."""
    x = artifacts.load(run, "features", ["mfcc"]).mfcc.to_pandas()
    tables = [artifacts.load(run, name) for name in ("factors", "descriptors") if artifacts.has(run, name)]
    known = pd.concat([table.loc[x.index] for table in tables], axis=1)
    varied = [name for name in known if 1 < known[name].nunique() and (
        pd.api.types.is_numeric_dtype(known[name]) or known[name].nunique() <= MANY_LEVELS)]
    names = artifacts.load(run, "sources")["name"].loc[x.index]
    label = labels.open_labels(run, "evaluation").loc[x.index]
    return Material(run, artifacts.load_corpus(run), x, label, known[varied], names)


# --- a model -----------------------------------------------------------------------------------------------------


def config_of(material: Material, choice: Choice) -> ModelConfig:
    """The series' network with what the choice changes in it. Raises `Problem` where the parts do not go together."""
    s, (encoder, decoder), change = material.run.settings, CONDITIONING[choice.conditioning], MODELS[choice.model]
    n_labels = material.label.nunique()
    config = ModelConfig(
        material.x.shape[1], s.latent_dim, s.hidden, choice.beta, y_encoder=encoder, y_decoder=decoder,
        label_dim=s.label_dim,
    )
    config = dataclasses.replace(config, **change, n_components=n_labels if change.get("prior") == "mixture" else 0)
    if config.prior == "mixture" and config.reads_labels:
        raise Problem(f"the mixture prior is for models without labels: let the label go to '{list(CONDITIONING)[0]}'")
    return dataclasses.replace(config, n_labels=n_labels) if config.reads_labels else config


def train(material: Material, choice: Choice) -> Trained:
    """The chosen model: read from the store where the series (or an earlier choice) left it, else trained now, alone.

    Labels are opened, for conditioning, only when the model reads them.
    """
    run, config, told = material.run, config_of(material, choice), None
    if config.reads_labels:
        told = labels.open_labels(run, "conditioning").loc[material.x.index]
    shuffled = choice.conditioning == SHUFFLED
    if shuffled:  # dealt out as in notebook 07
        told = pd.Series(told.sample(frac=1, random_state=run.settings.seed).to_numpy(), told.index)
    method = "vae" if choice.beta == 1 else "beta_vae"
    if config.reads_labels:
        method = "cvae_placebo" if shuffled else "cvae"
    ask = dict(run=run, method=method, x=material.x, config=config, labels=told)
    stacks = [run.seeds, [choice.seed]] if choice.seed in run.seeds else [[choice.seed]]
    stored = [seeds for seeds in stacks if training.is_stored(**ask, seeds=seeds)]
    latents = training.latents(**ask, seeds=(stored or stacks[-1:])[0]).sel(seed=[choice.seed])
    k = min(run.settings.n_clusters or material.label.nunique(), len(material.x) - 1)
    found = clustering.cluster(latents.mu.values[0].astype(float), k, seed=1000 * choice.seed)
    return Trained(latents, config, told, pd.Series(found, material.x.index), bool(stored))


def project(latents: xr.Dataset, view: str) -> tuple[np.ndarray, list[str]]:
    """Two coordinates [track, 2] of one seed's mu, and what each is."""
    mu, seed = latents.mu.values[0].astype(float), int(latents.seed.values[0])
    mu = np.pad(mu, ((0, 0), (0, max(0, 2 - mu.shape[1]))))  # a latent of one dimension is a line
    if view == "leading KL dimensions":
        kl = np.pad(latents.kl.values[0], (0, mu.shape[1] - latents.sizes["latent"]))
        best = np.argsort(-kl, kind="stable")[:2]
        return mu[:, best], [f"latent {i}: {kl[i]:.2f} nats" for i in best]
    if view == "PCA":
        fitted = PCA(2, random_state=seed).fit(mu)
        share = fitted.explained_variance_ratio_
        return fitted.transform(mu), [f"component {i + 1}: {share[i]:.0%} of the variance" for i in range(2)]
    if view == "UMAP":
        return projection.umap(mu, 2, [seed])[0], ["UMAP 1", "UMAP 2"]
    raise ValueError(f"a view is one of {VIEWS}, not {view!r}")


def score(trained: Trained, label: pd.Series, n_nulls: int = N_NULLS) -> Scores:
    """Separation and agreement of a model's clusters, beside clouds without clusters and permuted labels."""
    latents, found = trained.latents, trained.clusters.to_numpy()
    points, seed = latents.mu.values[0].astype(float), int(latents.seed.values[0])
    y, rng = label.loc[trained.clusters.index].to_numpy(), np.random.default_rng([seed, 3])
    return Scores(
        clustering.silhouette(points, found, seed),
        nulls.silhouette_null(points, len(np.unique(found)), n_nulls=n_nulls, seed=seed),
        normalized_mutual_info_score(y, found),
        np.array([normalized_mutual_info_score(rng.permutation(y), found) for _ in range(20)]),
        int(information.active_dimensions(latents.kl.values[0])),
        float(latents.kl.sum()),
    )


# --- a track -----------------------------------------------------------------------------------------------------


def neighbours(latents: xr.Dataset, track: str, n: int = N_NEIGHBOURS) -> pd.Series:
    """The `n` nearest other tracks in one seed's mu: distance [track], nearest first."""
    mu = latents.mu[0].to_pandas()
    return (mu - mu.loc[track]).pow(2).sum(axis=1).pow(0.5).drop(track).nsmallest(n)


@torch.no_grad()
def decode(trained: Trained, x: pd.DataFrame, track: str, told: str) -> pd.DataFrame:
    """One track's features as they are and as the model decodes its mu, in raw units: columns track, own, other.

    The encoder reads what it was trained with; the decoder is given the track's own label, then `told`. Without a label
    in the decoder the two are the same.
    """
    model, row = training.restore(trained.latents), x.index.get_loc(track)
    train = x.to_numpy()[trained.latents.train.values[0]]
    mean, std = train.mean(0), train.std(0)
    mu, out = torch.from_numpy(trained.latents.mu.values[:, [row]]), {"track": x.loc[track].to_numpy()}
    kinds = [told, told] if trained.told is None else sorted(trained.told.unique())
    own = told if trained.told is None else trained.told[track]
    for name, label in (("own", own), ("other", told)):
        decoded = model.decode(mu, torch.tensor([[kinds.index(label)]]))[0, 0].numpy()
        out[name] = decoded * np.where(std > 1e-8, std, 1.0) + mean
    return pd.DataFrame(out, index=x.columns)


def mean_spectrum(mfcc: pd.Series) -> pd.Series:
    """The average spectrum [band] in dB over Hz that the 20 mean MFCCs describe: 128 mel bands, smooth."""
    mean = mfcc[features.MFCC_STATS[: features.N_MFCC]].to_numpy(float)
    bands = librosa.mel_frequencies(n_mels=130, fmax=features.SAMPLE_RATE / 2)[1:-1]
    return pd.Series(scipy.fft.idct(mean, n=128, type=2, norm="ortho"), bands)


# --- pictures ----------------------------------------------------------------------------------------------------


def draw_view(points: np.ndarray, axes: list[str], values: pd.Series, ax=None) -> Figure:
    """A 2-D view coloured by `values` [track]: by kind where they are text, else shaded."""
    if pd.api.types.is_numeric_dtype(values):
        figure = figures.shaded(points, values, str(values.name), ax)
    else:
        figure = figures.scatter(points, values.fillna("unknown"), ax)
    ax = ax or figure.axes[0]
    for drawn in ax.collections:  # as large as there is room for
        drawn.set_sizes([np.clip(15_000 / len(points), 6, 40)])
    ax.set(xlabel=axes[0], ylabel=axes[1], title=f"by {values.name}")
    return figure


def draw_log_mel(material: Material, track: str, ax=None) -> Figure:
    """A track's log-mel spectrogram."""
    image = artifacts.load(material.run, "features", ["log_mel"], track=track).log_mel
    figure, ax = (ax.figure, ax) if ax is not None else figures.new(figures.COLUMN, 1.9)
    low, high = np.percentile(image, [2, 99.8])
    seconds = float(image.frame[-1])
    mesh = ax.imshow(image, origin="lower", aspect="auto", extent=(0, seconds, 0, len(image)), vmin=low, vmax=high,
                     cmap="magma", interpolation="nearest")
    figure.colorbar(mesh, ax=ax, label="dB")
    ax.set(xlabel="time, s", ylabel="mel band", title="log-mel spectrogram")
    return figure


def draw_decoding(decoded: pd.DataFrame, own: str, other: str, reads_label: bool, ax=None) -> Figure:
    """A track's average spectrum beside its decodings (see `decode`)."""
    figure, ax = (ax.figure, ax) if ax is not None else figures.new(figures.COLUMN, 2.3)
    ax.plot(mean_spectrum(decoded["track"]), color=figures.GREY, lw=3, alpha=0.5, label="the track itself")
    name = f"decoded as {own}" if reads_label else "decoded"
    ax.plot(mean_spectrum(decoded["own"]), color=figures.PALETTE[0], label=name)
    if reads_label:
        ax.plot(mean_spectrum(decoded["other"]), color=figures.PALETTE[1], ls="--", label=f"decoded as {other}")
    ax.set_xscale("log")
    ax.set(xlabel="frequency, Hz", ylabel="mean level, dB", title="average spectrum")
    ax.legend()
    return figure


def say_decoding(decoded: pd.DataFrame, own: str, other: str, reads_label: bool) -> str:
    """`draw_decoding` in words."""
    spectra = decoded.apply(mean_spectrum)
    away = spectra.sub(spectra["track"], axis=0).pow(2).mean().pow(0.5)
    if not reads_label:
        return f"This decoder reads no label; its average spectrum is {away['own']:.1f} dB from the track's (RMS)."
    return (f"Decoded as {own}, which the model was told, the average spectrum is {away['own']:.1f} dB from the "
            f"track's (RMS); decoded as {other}, {away['other']:.1f} dB.")


# --- the widget --------------------------------------------------------------------------------------------------


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
        self.conditioning, self.seed = _list("Label goes to", CONDITIONING), _list("Seed")
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
        for control in (self.tracks, self.model, self.beta, self.conditioning, self.seed, self.view, self.colour,
                        self.told):
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
            self._points[key] = project(self.trained.latents, self.now.view)
        return self._points[key]

    def about(self) -> str:
        """What is shown, and its numbers, in words."""
        about, c, found, latents = self.material.about, self.now.model, self.tried[self.now.model], self.trained.latents
        music = "Synthetic music. " if about["synthetic"] else ""
        if self.material.run.settings.profile == "smoke":
            music += "A trial run, too small to conclude anything from. "
        source = "read from the store" if self.trained.from_store else "trained now"
        return (
            f"{music}{about['title']}, {about['n']} tracks. {c.model}, beta {c.beta:g}, label to {c.conditioning}, "
            f"seed {c.seed} ({source}): {found.active} of {latents.sizes['latent']} dimensions are active. Silhouette "
            f"{found.silhouette:.2f}, and {found.silhouette_null.mean():.2f} for clouds without clusters; NMI with the "
            f"labels {found.nmi:.2f}, and {found.nmi_null.mean():.2f} with permuted ones."
        )

    def about_track(self) -> str:
        """The track that is shown, and its decoding, in words."""
        name, label = self.material.names[self.now.track], self.material.label[self.now.track]
        return f"{name} ({label}). {say_decoding(*self._decoded())}"

    def still(self) -> Figure:
        """The view as a picture, coloured as chosen and by cluster, for pages that cannot run widgets."""
        figure, axes = figures.new(figures.PAGE, 2.8, 1, 2)
        other = "label" if self.now.colour == "cluster" else "cluster"
        for ax, name in zip(axes, (self.now.colour, other), strict=True):
            draw_view(*self.points, self._values(name), ax)
            ax.plot(*self.points[0][self.material.x.index.get_loc(self.now.track)], "o", ms=9, mfc="none", mec="black")
        return figure

    def still_track(self) -> Figure:
        """The track as a picture: log-mel and decoding."""
        figure, axes = figures.new(figures.PAGE, 2.4, 1, 2)
        draw_log_mel(self.material, self.now.track, axes[0])
        draw_decoding(*self._decoded(), axes[1])
        return figure

    # --- showing it

    def _chosen(self) -> Chosen:
        model = Choice(self.model.value, self.beta.value, self.conditioning.value, self.seed.value)
        track = self.material.x.index[self.picker.picked]
        return Chosen(self.tracks.value, model, self.view.value, self.colour.value, track, self.told.value)

    def _show(self, chosen: Chosen) -> None:
        """Bring the page from what it shows to what is chosen."""
        before = self.now
        if chosen.folder != self.material.run.folder:
            try:
                self._open(prepare(chosen.folder, LONGER, self._say))
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
            said = say_decoding(*decoded)
            self.decoding.value = _picture(draw_decoding(*decoded), said) + f"<p>{html.escape(said)}</p>"
        if before is None or chosen.model != before.model:
            self._say("Drawing clouds without clusters ...")
            self.tried[chosen.model] = self.tried.pop(chosen.model, None) or score(self.trained, self.material.label)
            self.scores.value = _score_table(self.tried)

    def _train(self, model: Choice) -> None:
        if model not in self._trained:
            self._say(f"Training at beta {model.beta:g}, label to {model.conditioning} ...")
            with contextlib.redirect_stdout(_Lines(self._say)):
                self._trained[model] = train(self.material, model)

    def _open(self, run: Run) -> None:
        """Take a run's tracks; its settings say which betas and seeds there are."""
        self._say(f"Reading {run.folder.name} ...")
        material, s = read(run), run.settings
        self.material, self.now, self._trained, self._points, self.tried = material, None, {}, {}, {}
        folders = {folder.name: folder for folder in artifacts.find_runs(run.folder.parent)}
        small = {} if SMALL in folders else {NEW: run.folder.parent / SMALL}
        betas = {f"{beta:g}": beta for beta in sorted({*s.betas, 1.0, s.beta})}
        kinds = sorted(material.label.unique())
        self.picker.picked = 0
        self.name.options = list(material.names)
        for control, options, value in (
            (self.tracks, folders | small, run.folder), (self.beta, betas, s.beta),
            (self.seed, run.seeds, run.seeds[0]), (self.colour, ["label", "cluster", *material.known], "label"),
            (self.told, kinds, next(kind for kind in kinds if kind != material.label.iloc[0])),
        ):
            control.options, control.value = options, value

    def _show_view(self) -> None:
        points, axes = self.points
        names, label = self.material.names, self.material.label
        figure, ax = figures.new(5.6, 4.2)
        draw_view(points, axes, self._values(self.now.colour), ax)
        picture = _png(figure)
        places = figure.transFigure.inverted().transform(ax.transData.transform(points))  # as they were laid out
        with self.picker.hold_sync():
            self.picker.titles = [f"{names[t]} · {label[t]} · cluster {c}" for t, c in self.trained.clusters.items()]
            self.picker.alt = f"Scatter plot of {len(points)} tracks: {self.now.view} by {self.now.colour}."
            self.picker.places = np.c_[places[:, 0], 1 - places[:, 1]].astype(np.float32).tobytes()
            self.picker.png = picture

    def _show_track(self) -> None:
        track, names, label = self.now.track, self.material.names, self.material.label
        title = f"{names[track]}: {label[track]}, cluster {self.trained.clusters[track]}"
        self.name.value = names[track]
        self.heard.value = _sound(self.material, track, title)
        self.log_mel.value = _picture(draw_log_mel(self.material, track), f"Log-mel spectrogram of {title}")
        near = neighbours(self.trained.latents, track)
        for button, (other, distance) in zip(self.near, near.items(), strict=True):
            button.description, button.track = f"{names[other]} · {label[other]} · {distance:.2f} away", other

    def _values(self, name: str) -> pd.Series:
        if name == "cluster":
            return self.trained.clusters.map("{:02d}".format).rename(name)
        return self.material.label.rename(name) if name == "label" else self.material.known[name]

    def _decoded(self) -> tuple[pd.DataFrame, str, str, bool]:
        """What `draw_decoding` and `say_decoding` take."""
        trained, track, told = self.trained, self.now.track, self.now.told
        own = told if trained.told is None else trained.told[track]
        return decode(trained, self.material.x, track, told), own, told, trained.config.y_decoder

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
            widgets.HBox([self.tracks, self.model, self.beta, self.conditioning, self.seed, self.view, self.colour],
                         layout=rows),
            self.said,
            widgets.HBox(columns, layout=rows),
            self.scores,
        ])
        return box.add_class("explorer")


class _Lines(io.TextIOBase):
    """Printed lines, handed to `say`."""

    def __init__(self, say: Callable[[str], None]):
        self.say = say

    def write(self, text: str) -> int:
        if text.strip():
            self.say(text.strip())
        return len(text)


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
    return f"<p>{html.escape(f'{title}. {why}')}</p>" if sound is None else figures.player(title, sound, HEARD)


def _score_table(tried: dict[Choice, Scores]) -> str:
    """What was tried, latest first, as HTML."""
    names = ["silhouette", "its null", "NMI", "permuted labels", "active", "KL, nats"]
    rows = []
    for choice, found in list(tried.items())[:-SHOWN - 1:-1]:
        numbers = [f"{found.silhouette:.3f}", _range(found.silhouette_null), f"{found.nmi:.3f}", _range(found.nmi_null),
                   found.active, f"{found.kl:.2f}"]
        cells = "".join(f"<td>{number}</td>" for number in numbers)
        what = f"{choice.model}, beta {choice.beta:g}, label to {choice.conditioning}, seed {choice.seed}"
        rows.append(f'<tr class="{"" if rows else "now"}"><th scope="row">{html.escape(what)}</th>{cells}</tr>')
    heads = "".join(f'<th scope="col">{name}</th>' for name in ["model", *names])
    return (f"<table><caption>Tried so far: k-means on mu. Nulls are means and ranges of draws.</caption>"
            f"<thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>")


def _range(draws: np.ndarray) -> str:
    return f"{draws.mean():.3f} ({draws.min():.3f}–{draws.max():.3f})"
