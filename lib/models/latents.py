"""Latents of every method in one form, trained once and stored by a hash of what made them."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
import xarray as xr
from sklearn.decomposition import PCA

from lib.models import training, umap
from lib.models.training import Schedule
from lib.models.vae import ModelConfig, StackedVAE
from lib.store import artifacts, engine, remembering
from lib.store.errors import Problem
from lib.store.labels import must_be_open
from lib.store.runs import Run
from lib.store.settings import from_json, to_json


def restore(latents: xr.Dataset) -> StackedVAE:
    """The trained stack behind stored latents, for decoding and for encoding under other labels."""
    values = {**from_json(latents.attrs["config"])}
    config = ModelConfig(**values | {"hidden": tuple(values["hidden"])})
    model, start = StackedVAE(config, latents.seed.values.tolist()), 0
    weights = torch.from_numpy(latents.weights.values)
    with torch.no_grad():
        for value in model.parameters():
            size = value[0].numel()
            value.copy_(weights[:, start : start + size].reshape(value.shape))
            start += size
    return model.eval()


@torch.no_grad()
def rebuild(latents: xr.Dataset, seed: int) -> np.ndarray:
    """What a stored model without labels makes of every track's mu: [track, D], standardised as it was trained."""
    one = latents.sel(seed=[seed])
    return restore(one).decode(torch.from_numpy(one.mu.values))[0].numpy()


# --- stored latents ----------------------------------------------------------------------------------------------
LARGE = ("z", "weights")  # what takes room, and is stored where something reads it


def schedule_of(run: Run) -> Schedule:
    """The schedule in a run's settings."""
    s = run.settings
    return Schedule(s.epochs, s.batch_size, s.learning_rate, s.patience, s.held_out)


def mlp_latents(
    run: Run, method: str, x: pd.DataFrame, config: ModelConfig, seeds: list[int], *args: Any, **options: Any
) -> xr.Dataset:
    """Latents of a setting for all seeds, with what `restore` needs: read from the store, or trained and stored.

    x [track, D] raw features; what else there is to say, as in `sweep`. Returns mu, z [seed, track, latent],
    kl [seed, latent] in nats, error [seed, track], train [seed, track], history [curve, seed, epoch] (NaN after a
    run has stopped); attributes name method, setting, features and label_use.
    """
    return sweep_latents(run, method, x, config, [config.beta], seeds, *args, kept=LARGE, **options)[config.beta]


def sweep_latents(
    run: Run,
    method: str,
    x: pd.DataFrame,
    config: ModelConfig,
    betas: list[float],
    seeds: list[int],
    features: str = "mfcc",
    labels: pd.Series | None = None,
    schedule: Schedule | None = None,
    weights: np.ndarray | None = None,
    n_train: int = 0,
    kept: tuple[str, ...] = ("z",),
) -> dict[float, xr.Dataset]:
    """`latents` of one architecture at several betas, trained as one stack: all seeds of all betas at once.

    `labels` [track] only for a model that reads them; `weights` [D] and `n_train` as in `fit`; `features` is what the
    columns of x are called in the score table. `kept` of what is `LARGE`: a sample `z`, and `weights` to decode with.
    """
    schedule = schedule or schedule_of(run)
    codes, about, made_of = _recipes(method, x, config, betas, seeds, features, labels, schedule, kept)
    names = {beta: _name({**one, **_special(weights, n_train)}) for beta, one in made_of.items()}
    with artifacts.making(run, names[betas[-1]]) as missing:  # the last one to be stored
        if missing or not all(artifacts.has(run, name) for name in names.values()):
            stack = {"x": x.to_numpy(), "config": config, "seeds": seeds * len(betas), "schedule": schedule, "y": codes,
                     "betas": [beta for beta in betas for _ in seeds], "weights": weights, "n_train": n_train}
            engine.call(_train, run, x.index, stack, {names[beta]: about[beta] for beta in betas}, about[betas[0]],
                        training.device().type, _without(kept), seen=[run.folder])
    return {beta: _load(run, names[beta]) for beta in betas}


def _without(kept: tuple[str, ...]) -> tuple[str, ...]:
    """What is not stored of latents of which these are kept."""
    return tuple(name for name in LARGE if name not in kept)


class Setting(NamedTuple):
    """One of many settings that are trained together: what its network is, reads, and leaves out."""

    config: ModelConfig  # `n_labels` may differ within a stack
    x: np.ndarray  # [track, D] raw features, or [seed, track, D]
    codes: np.ndarray | None = None  # [track] class numbers, if the network reads any
    aside: np.ndarray | None = None  # [seed, track]: tracks that are neither trained on nor held out


STACK = 2**28  # numbers of features in one stack; what exceeds it is trained after it


def stacked_latents(
    run: Run, settings: Mapping[Any, Setting], seeds: list[int], tracks: pd.Index, schedule: Schedule,
    kept: tuple[str, ...] = (),
) -> dict[Any, xr.Dataset]:
    """Latents by setting, without history: all settings of one architecture are trained as one stack; `kept` as in
    `sweep_latents`.

    For settings that are compared with one another only; what stands in the score table is `mlp_latents`.
    """
    alike: dict[ModelConfig, list[Any]] = {}
    for key, one in settings.items():
        alike.setdefault(dataclasses.replace(one.config, beta=1.0, n_labels=0), []).append(key)
    calls = {}
    for keys in alike.values():
        first = settings[keys[0]]
        most = max(1, STACK // (len(seeds) * len(tracks) * first.x.shape[-1]))
        for start in range(0, len(keys), most):
            some = {key: settings[key] for key in keys[start : start + most]}
            calls[keys[start]] = functools.partial(_one_stack, run, some, seeds, tracks, schedule, kept)
    found = {key: one for stack in engine.together(calls).values() for key, one in stack.items()}
    return {key: found[key] for key in settings}


def _one_stack(run: Run, settings: Mapping[Any, Setting], seeds, tracks, schedule, kept) -> dict[Any, xr.Dataset]:
    every, n = list(settings.values()), len(seeds)
    stack = [one._replace(config=one.config.asdict())._asdict() for one in every]
    made_of = {"seeds": seeds, "schedule": schedule._asdict(), "stack": stack, "kept": kept}
    names = [_name({**made_of, "place": i}) for i in range(len(every))]
    with artifacts.making(run, names[-1]) as missing:  # the last one to be stored
        if missing or not all(artifacts.has(run, name) for name in names):
            who = {"method": "stack of settings", "setting": f"{len(every)} settings"}
            config = dataclasses.replace(every[0].config, n_labels=max(one.config.n_labels for one in every))
            shape, codes, aside = (n, len(tracks)), None, None
            if config.reads_labels:
                codes = np.concatenate([np.broadcast_to(one.codes, shape) for one in every])
            if any(one.aside is not None for one in every):
                nowhere = np.zeros(shape, bool)
                aside = np.concatenate([nowhere if one.aside is None else one.aside for one in every])
            x = np.concatenate([np.broadcast_to(one.x, (*shape, one.x.shape[-1])) for one in every])
            stack = {"x": x, "config": config, "seeds": seeds * len(every), "schedule": schedule, "y": codes,
                     "betas": [one.config.beta for one in every for _ in seeds], "aside": aside}
            about = [{"config": to_json(one.config.asdict())} for one in every]
            engine.call(_train, run, tracks, stack, dict(zip(names, about, strict=True)), who, training.device().type,
                        ("history", "curve", *_without(kept)), seen=[run.folder])
    return dict(zip(settings, (_load(run, name) for name in names), strict=True))


def _train(run: Run, tracks: pd.Index, stack: dict, about: dict[str, dict], who: dict, device: str,
           without: tuple[str, ...] = ()) -> None:
    """Train a stack (the arguments of `training.fit`) and store each setting's part, by name what is said of it."""
    if training.device().type != device:  # of their names
        raise Problem(f"{platform.node()} would train on {training.device().type}, and this machine on {device}: start "
                      "the workers of the cluster so that all of them see a GPU, or none (CUDA_VISIBLE_DEVICES=)")
    _, fitted = training.fit(**stack, groups=_groups(run, tracks), progress=epoch_table(who, len(stack["seeds"])))
    n = fitted.sizes["seed"] // len(about)
    for i, (name, said) in enumerate(about.items()):
        _keep(run, name, fitted.isel(seed=slice(i * n, (i + 1) * n)).drop_vars(without), said, tracks)


def is_stored(
    run: Run,
    method: str,
    x: pd.DataFrame,
    config: ModelConfig,
    seeds: list[int],
    features: str = "mfcc",
    labels: pd.Series | None = None,
) -> bool:
    """Would `mlp_latents`, called with the same, read from the store and train nothing?"""
    _, _, made_of = _recipes(method, x, config, [config.beta], seeds, features, labels, schedule_of(run), LARGE)
    return artifacts.has(run, _name(made_of[config.beta]))


def _recipes(
    method, x, config, betas, seeds, features, labels, schedule, kept
) -> tuple[np.ndarray | None, dict, dict]:
    """Class numbers [track] (None without labels); by beta, what is said of the latents and what they are made of."""
    if config.reads_labels != (labels is not None):
        raise ValueError("labels are given to a model that reads them, and to no other")
    codes, about = None, {}
    if labels is not None:
        must_be_open(labels, "conditioning", "supervised_control")
        codes = pd.Categorical(labels.loc[x.index], categories=sorted(labels.unique())).codes
    for beta in betas:
        one = dataclasses.replace(config, beta=beta)
        about[beta] = {
            "method": method,
            "setting": one.setting,
            "features": features,
            "label_use": one.label_use,
            "config": to_json(one.asdict()),
        }
    stack = {"betas": betas, "seeds": seeds, "schedule": schedule._asdict(), "kept": kept}
    made_of = {beta: {**about[beta], **stack, "x": x.to_numpy(), "y": codes} for beta in betas}
    return codes, about, made_of


def _special(weights: np.ndarray | None, n_train: int) -> dict:
    """What is unusual about a setting; nothing, usually, so that its name stays."""
    return ({"weights": weights} if weights is not None else {}) | ({"n_train": n_train} if n_train else {})


def pca_latents(
    run: Run,
    x: pd.DataFrame,
    dim: int,
    seeds: list[int],
    features: str = "mfcc",
    weights: np.ndarray | None = None,
    n_train: int = 0,
) -> xr.Dataset:
    """PCA in the same form as `mlp_latents`, fitted on each seed's training rows; `mu` are the component scores."""
    about = {"method": "pca", "setting": f"dim={dim}", "features": features, "label_use": "none"}
    made_of = {**about, "held_out": run.settings.held_out, "x": x.to_numpy(), **_special(weights, n_train)}

    def make(groups: np.ndarray) -> xr.Dataset:
        def one(seed: int) -> dict[str, np.ndarray]:
            train, _ = training.split(len(x), seed, run.settings.held_out, groups, n_train)
            scaled = training.standardise(x.to_numpy(), train, weights)
            model = PCA(min(dim, *scaled[train].shape), svd_solver="full").fit(scaled[train])
            scores = model.transform(scaled)
            error, mu = ((model.inverse_transform(scores) - scaled) ** 2).sum(1), scores.astype(np.float32)
            return {"mu": mu, "z": mu, "kl": np.zeros_like(mu[0]), "error": error, "loadings": model.components_,
                    "train": training.rows_of(train, len(x))}

        return training.seed_by_seed(seeds, one).assign_coords(feature=[str(name) for name in x.columns])

    return stored(run, made_of, seeds, about, x.index, make)


def raw_latents(
    run: Run, x: pd.DataFrame, seeds: list[int], features: str = "mfcc", weights: np.ndarray | None = None
) -> xr.Dataset:
    """The features themselves, standardised on each seed's training rows, in the form of `mlp_latents`."""
    rows = [training.split(len(x), seed, run.settings.held_out, _groups(run, x.index)) for seed in seeds]
    mu = [training.standardise(x.to_numpy(), train, weights) for train, _ in rows]
    found = training.as_latents(seeds, mu=mu, z=mu).assign_coords(track=x.index.to_numpy())
    return found.assign_attrs(method="raw", setting=f"dim={x.shape[1]}", features=features, label_use="none")


def umap_latents(
    run: Run, x: pd.DataFrame, dim: int, seeds: list[int], features: str = "mfcc", weights: np.ndarray | None = None
) -> xr.Dataset:
    """UMAP (see `lib.models.umap`) of the standardised features, in the form of `mlp_latents`.

    Minimum distance 0, as its documentation advises before clustering. It embeds the tracks it is fitted on, so nothing
    is held out and there is no error. `clouds` are UMAP's of Gaussian clouds (`with_clouds`).
    """
    setting = f"dim={dim} neighbours={umap.NEIGHBOURS}"
    about = {"method": "umap", "setting": setting, "features": features, "label_use": "none"}
    made_of = {**about, "x": x.to_numpy(), **_special(weights, 0)}

    def make(groups: np.ndarray) -> xr.Dataset:
        points = training.standardise(x.to_numpy(), np.arange(len(x)), weights)
        options = {"min_dist": 0.0, "n_epochs": 200, "init": "pca"}
        mu = umap.umap(points, dim, seeds, **options)
        return with_clouds(training.as_latents(seeds, mu=mu, z=mu),
                           [umap.of_nothing(points, dim, seed, **options) for seed in seeds[: umap.CLOUDS]])

    return stored(run, made_of, seeds, about, x.index, make)


def with_clouds(latents: xr.Dataset, clouds: list[np.ndarray]) -> xr.Dataset:
    """The latents with `clouds` [cloud, track, latent]: what their first seeds make of clouds without clusters."""
    return latents.assign(clouds=(("cloud", "track", "latent"), np.stack(clouds)))


def stored(run: Run, made_of: dict, seeds: list[int], about: dict, tracks, make) -> xr.Dataset:
    """The stored latents made of exactly this, or those that `make` (called with the duplicate groups) gives now."""
    name = _name({**made_of, "seeds": seeds})
    with artifacts.making(run, name) as missing:
        if missing:
            _keep(run, name, make(_groups(run, tracks)), about, tracks)
    return _load(run, name)


def _name(made_of: dict) -> str:
    return "latents/" + remembering.content([remembering.code_of("models"), training.device().type, made_of])[:20]


def _keep(run: Run, name: str, data: xr.Dataset, about: dict, tracks) -> None:
    data = data.assign_coords(track=np.asarray(tracks, dtype=object)).assign_attrs(**about)
    if "z" in data and np.array_equal(data.z, data.mu):  # nothing is sampled: one of them is stored
        data = data.drop_vars("z").assign_attrs(z="mu")
    artifacts.save(run, name, data)


def _load(run: Run, name: str) -> xr.Dataset:
    data = artifacts.load(run, name)
    return data.assign(z=data.mu) if data.attrs.get("z") == "mu" else data


def _groups(run: Run, tracks) -> np.ndarray:
    return artifacts.load(run, "tracks").loc[list(tracks), "group"].to_numpy()


_watch: ContextVar[Callable[[int], None] | None] = ContextVar("what is called after each epoch", default=None)


@contextlib.contextmanager
def watched(watch: Callable[[int], None] | None) -> Iterator[None]:
    """Within it, training calls `watch` with the number of epochs that are done, and prints nothing."""
    before = _watch.set(watch)
    try:
        yield
    finally:
        _watch.reset(before)


def epoch_table(about: dict, n_runs: int, seed: int | None = None) -> Callable[[int, np.ndarray], None]:
    """A printed line every five seconds: epoch, losses and KL, means over the runs of a stack."""
    who = f"{about['method']} {about['setting']}" + (f" seed {seed}" if seed is not None else f", {n_runs} seeds")
    start, last = time.perf_counter(), [time.perf_counter()]

    def show(epoch: int, row: np.ndarray) -> None:
        if watch := _watch.get():
            return watch(epoch + 1)
        now = time.perf_counter()
        if now - last[0] > 5:
            last[0] = now
            train, held, error, kl = np.nanmean(row, -1)  # of the runs that have not stopped
            print(
                f"{who}: epoch {epoch + 1:3d}, train {train:9.2f}, held out {held:9.2f} "
                f"(error {error:.2f}, KL {kl:.2f} nats), {now - start:.0f} s",
                flush=True,
            )

    return show
