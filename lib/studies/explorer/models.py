"""What the explorer computes: models, projections, scores, neighbours, decodings."""

from __future__ import annotations

import dataclasses
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
import xarray as xr

from lib.corpora.items import Sound
from lib.features import audio, preparation, sets
from lib.features.audio import librosa
from lib.models.latents import is_stored, mlp_latents, restore, sweep_latents, watched
from lib.models.vae import ModelConfig
from lib.scores import agreement, clustering, grouping, information, nulls
from lib.store import artifacts, labels, parameters, runs
from lib.store.errors import Problem
from lib.store.runs import Run
from lib.store.series import ROOT
from lib.store.settings import load
from lib.store.streams import stream

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
SMALL = "controlled-small"  # folder of the small synthetic corpus, and what sets it apart from profile "smoke"
LONGER = {"n_tracks": 200, "epochs": 200, "betas": (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)}
N_NULLS, SECONDS = 5, 15.0  # draws of each null; length of what is played
LABEL = "label"
MANY_LEVELS = 24  # a text column with more values than this is not coloured by


class Material(NamedTuple):
    """What the explorer reads of a run before any model is chosen; everything is sorted by track id."""

    run: Run
    about: dict  # title, n, synthetic, has_audio, ...
    x: pd.DataFrame  # [track, D] features, raw units
    label: pd.Series  # [track], opened for evaluation
    known: pd.DataFrame  # [track, name]: factors, columns of a table of labels, and descriptors
    names: pd.Series  # [track]: what a person calls the track, unique
    conditions: dict[str, pd.Series]  # what a model can be given: the label, and groups [track] of all that is known


class Choice(NamedTuple):
    """A model as the controls name it."""

    model: str
    beta: float
    conditioning: str
    seed: int
    condition: str = LABEL  # what a conditional model is given: the label, or another property of the tracks


class Trained(NamedTuple):
    """A chosen model's latents, and where they come from."""

    latents: xr.Dataset  # of one seed; see `models.latents.mlp_latents`
    config: ModelConfig
    given: pd.Series | None  # the labels [track] that it was given: the true or the shuffled ones
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
def reopen(path: str) -> Run:
    """The run in any folder: its path, relative to the project or from ~. Raises `Problem` in one sentence."""
    folder = ROOT / os.path.expanduser(path.strip())
    if not folder.is_dir():
        raise Problem(f"there is no folder {folder}: give the path of a run's folder")
    try:
        return runs.reopen_run(NOTEBOOK, folder)
    except (OSError, ValueError, KeyError) as error:
        raise Problem(f"the run in {folder} cannot be opened ({type(error).__name__}: {error})") from error


def listed(folders: Iterable[Path]) -> dict[str, Path]:
    """Runs by what they are ("synthetic, 1000 tracks, default"); where two are alike, with their folder."""
    found = {folder: _called(folder) for folder in folders}
    often = Counter(found.values())
    return {name if often[name] == 1 else f"{name} ({folder.parent.name}/{folder.name})": folder
            for folder, name in found.items()}


def _called(folder: Path) -> str:
    try:
        about, settings = (json.loads((folder / name).read_text()) for name in ("store/corpus.json", "settings.json"))
        music = "synthetic" if about["synthetic"] else about["title"]
        return f"{music}, {about['n']} tracks, {settings['profile']}"
    except (OSError, ValueError, KeyError):
        return folder.name


def open_run(
    profile: str = "default", corpus: str = "controlled", source: str = "", lyrics: str = "", labels: str = "",
    out: str = "", settings: dict | None = None, say: Callable[[str], None] = print,
) -> Run:
    """The run to begin with, its tracks prepared: the one that these parameters name, with the settings it has.

    Where there is none yet, a small synthetic one is prepared beside it; with profile "smoke", the named one itself.
    Raises `Problem` for another corpus that was not prepared.
    """
    given = parameters.checked(
        profile=profile, corpus=corpus, source=source, lyrics=lyrics, labels=labels, out=out, settings=settings
    )
    out, settings = given.pop("out"), given["settings"]
    checked = load(**given)
    folder = ROOT / os.path.expanduser(out) if out else runs.default_folder(checked)
    if folder in runs.find_runs(folder.parent):
        return runs.reopen_run(NOTEBOOK, folder)
    if corpus != "controlled":
        given = {"source": source, "lyrics": lyrics, "labels": labels}
        options = "".join(f" --{name} {value}" for name, value in given.items() if value)
        raise Problem(f"no tracks in {folder} yet: run_notebooks.py --only 01 --corpus {corpus}{options} prepares them")
    if profile == "smoke":
        return prepare(folder, settings, say)
    say(f"No tracks in {folder.name} yet ('make report' prepares them): a small synthetic corpus must do.")
    return prepare(folder.parent / SMALL, LONGER, say)


def prepare(folder: Path, settings: dict, say: Callable[[str], None]) -> Run:
    """The run in `folder`; where there is none, a synthetic one is prepared there (profile "smoke" and `settings`).

    Progress goes to `say`.
    """
    if folder in runs.find_runs(folder.parent):
        return runs.reopen_run(NOTEBOOK, folder)
    run = runs.open_run(NOTEBOOK, "smoke", out=str(folder), settings=settings)
    say(f"Preparing {run.settings.n_tracks} synthetic tracks of {run.settings.seconds:g} s in {folder.name} ...")
    preparation.prepare(run, say)
    return run


def read(run: Run) -> Material:
    """All of a run that needs no model. Raises `Problem` where notebook 01 has not prepared it."""
    x = artifacts.load(run, "features", ["mfcc"]).mfcc.to_pandas()
    known = preparation.known(run).loc[x.index]
    varied = [name for name in known if 1 < known[name].nunique() and (
        pd.api.types.is_numeric_dtype(known[name]) or known[name].nunique() <= MANY_LEVELS)]
    names = artifacts.load(run, "sources")["name"].loc[x.index]
    label = labels.open_labels(run, "evaluation").loc[x.index]
    groups = {name: grouping.groups(column) for name, column in known.items()}
    conditions = {LABEL: label} | {name: one for name, one in groups.items() if one.nunique() > 1 and name != LABEL}
    return Material(run, artifacts.load_corpus(run), x, label, known[varied], names, conditions)


# --- a model -----------------------------------------------------------------------------------------------------
def config_of(material: Material, choice: Choice) -> ModelConfig:
    """The series' network with what the choice changes in it. Raises `Problem` where the parts do not go together."""
    s, (encoder, decoder), change = material.run.settings, CONDITIONING[choice.conditioning], MODELS[choice.model]
    n_labels = material.conditions[choice.condition].nunique()
    config = ModelConfig(
        material.x.shape[1], s.latent_dim, s.hidden, choice.beta, y_encoder=encoder, y_decoder=decoder,
        label_dim=s.label_dim,
    )
    config = dataclasses.replace(config, **change, n_components=n_labels if change.get("prior") == "mixture" else 0)
    if config.prior == "mixture" and config.reads_labels:
        raise Problem(f"the mixture prior is for models without labels: let the label go to '{list(CONDITIONING)[0]}'")
    return dataclasses.replace(config, n_labels=n_labels) if config.reads_labels else config


def sweep(material: Material, choice: Choice, betas: list[float],
          watch: Callable[[int], None] | None = None) -> dict[float, Trained]:
    """The chosen model at several betas: those that are stored, the others trained now, all at once (see `train`)."""
    asked = {beta: _asked(material, choice._replace(beta=beta)) for beta in betas}
    found = {beta: train(material, choice._replace(beta=beta)) for beta, ask in asked.items()
             if _stacks(material.run, choice, ask)[0]}
    if missing := [beta for beta in betas if beta not in found]:
        ask = asked[missing[0]] | {"method": "explored"}
        with watched(watch):
            latents = sweep_latents(**ask, betas=missing, seeds=[choice.seed])
        found |= {beta: _trained(material, choice, latents[beta], dataclasses.replace(ask["config"], beta=beta),
                                 ask["labels"], False) for beta in missing}
    return {beta: found[beta] for beta in betas}


def train(material: Material, choice: Choice, watch: Callable[[int], None] | None = None) -> Trained:
    """The chosen model: read from the store where the series (or an earlier choice) left it, else trained now, alone.

    `watch` is called with the number of epochs that are done. Labels are opened, for conditioning, only when the model
    reads them; another condition is no label.
    """
    ask = _asked(material, choice)
    stored, seeds = _stacks(material.run, choice, ask)
    with watched(watch):
        latents = mlp_latents(**ask, seeds=seeds).sel(seed=[choice.seed])
    return _trained(material, choice, latents, ask["config"], ask["labels"], stored)


def _asked(material: Material, choice: Choice) -> dict[str, Any]:
    """What `mlp_latents` is asked for, but the seeds."""
    run, config, given = material.run, config_of(material, choice), None
    if config.reads_labels and choice.condition != LABEL:
        given = labels.for_control(material.conditions[choice.condition])
    elif config.reads_labels:
        given = labels.open_labels(run, "conditioning").loc[material.x.index]
    shuffled = choice.conditioning == SHUFFLED
    if shuffled:  # permuted as in notebook 07
        given = nulls.permuted_labels(given, run.settings.seed)
    method = "vae" if choice.beta == 1 else "beta_vae"
    if config.reads_labels:
        method = "cvae_permuted" if shuffled else "cvae"
    return dict(run=run, method=method, x=material.x, config=config, labels=given)


def _stacks(run: Run, choice: Choice, ask: dict[str, Any]) -> tuple[bool, list[int]]:
    """Is the model stored? And the seeds that it was, or would be, trained with."""
    stacks = [run.seeds, [choice.seed]] if choice.seed in run.seeds else [[choice.seed]]
    stored = [seeds for seeds in stacks if is_stored(**ask, seeds=seeds)]
    return bool(stored), (stored or stacks[-1:])[0]


def _trained(material: Material, choice: Choice, latents: xr.Dataset, config: ModelConfig, given: pd.Series | None,
             stored: bool) -> Trained:
    k = min(material.run.settings.n_clusters or material.label.nunique(), len(material.x) - 1)
    found = clustering.cluster(latents.mu.values[0].astype(float), k, seed=1000 * choice.seed)
    return Trained(latents, config, given, pd.Series(found, material.x.index), stored)


def score(trained: Trained, label: pd.Series, n_nulls: int = N_NULLS) -> Scores:
    """Separation and agreement of a model's clusters, beside clouds without clusters and permuted labels."""
    latents, found = trained.latents, trained.clusters.to_numpy()
    points, seed = latents.mu.values[0].astype(float), int(latents.seed.values[0])
    y = np.unique(label.loc[trained.clusters.index], return_inverse=True)[1]
    rows = agreement.counted(y)
    return Scores(
        clustering.silhouette(points, found, seed),
        nulls.silhouette_null(points, len(np.unique(found)), n_nulls=n_nulls, seed=seed),
        agreement.nmi(y[rows], found[rows]),
        agreement.nmi_null(y, found, stream(seed, "permuted labels of the explorer")),
        int(information.active_dimensions(latents.kl.values[0])),
        float(latents.kl.sum()),
    )


# --- a track -----------------------------------------------------------------------------------------------------
@torch.no_grad()
def decode(trained: Trained, x: pd.DataFrame, track: str, other: str) -> pd.DataFrame:
    """One track's features as they are and as the model decodes its mu, in raw units: columns track, own, other.

    The encoder reads what it was trained with; the decoder is given the track's own label, then `other`. Without a
    label in the decoder the two are the same.
    """
    model, row = restore(trained.latents), x.index.get_loc(track)
    train = x.to_numpy()[trained.latents.train.values[0]]
    mean, std = train.mean(0), train.std(0)
    mu, out = torch.from_numpy(trained.latents.mu.values[:, [row]]), {"track": x.loc[track].to_numpy()}
    kinds = [other, other] if trained.given is None else sorted(trained.given.unique())
    own = other if trained.given is None else trained.given[track]
    for name, label in (("own", own), ("other", other)):
        decoded = model.decode(mu, torch.tensor([[kinds.index(label)]]))[0, 0].numpy()
        out[name] = decoded * np.where(std > 1e-8, std, 1.0) + mean
    return pd.DataFrame(out, index=x.columns)


def filtered(sound: Sound, gain: pd.Series) -> Sound:
    """The middle of a sound with the level of its spectrum changed by `gain` [dB over Hz, at most 40 either way]."""
    start = max(0, (len(sound.y) - int(SECONDS * sound.sr)) // 2)
    y = sound.y[start : start + int(SECONDS * sound.sr)]
    hz = librosa.fft_frequencies(sr=sound.sr, n_fft=audio.N_FFT)
    level = 10 ** (np.interp(hz, gain.index, gain.clip(-40, 40)) / 20)
    return Sound(librosa.istft(librosa.stft(y, n_fft=audio.N_FFT) * level[:, None], length=len(y)), sound.sr)


def mean_spectrum(mfcc: pd.Series) -> pd.Series:
    """The average spectrum [band] in dB over Hz that the 20 mean MFCCs describe: 128 mel bands, smooth."""
    mean = mfcc[audio.MFCC_STATS[: audio.N_MFCC]].to_numpy(float)
    bands = librosa.mel_frequencies(n_mels=130, fmax=audio.SAMPLE_RATE / 2)[1:-1]
    return pd.Series(sets.mel_profile(mean, 128), bands)
