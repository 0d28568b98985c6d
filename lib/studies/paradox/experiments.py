"""The CVAE paradox, cause by cause: its experiments. tests/contrary.py holds the data on which each verdict is *no*."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch
import xarray as xr
import yaml

from lib.models import training
from lib.models.latents import mlp_latents, pca_latents, restore, schedule_of, sweep_latents
from lib.models.vae import ModelConfig, StackedVAE
from lib.report.rules import Ruling, above_zero
from lib.scores import clustering, how_many, information, intervals, jackknife, probes, properties
from lib.scores import table as scores
from lib.store import sizes
from lib.store.labels import must_be_open
from lib.store.remembering import remembered
from lib.store.runs import Run
from lib.store.series import NOTEBOOKS
from lib.store.streams import stream
from lib.studies.paradox import rules


# --- the models under study ----------------------------------------------------------------------------------------
def config(run: Run, n_features: int, labels: pd.Series | None = None, **changes: Any) -> ModelConfig:
    """The settings' model; with labels [track], the earlier study's CVAE, which reads them on both sides."""
    values = {"n_features": n_features, "latent_dim": run.settings.latent_dim, "hidden": run.settings.hidden}
    if labels is not None:
        given = {"n_labels": labels.nunique(), "label_dim": run.settings.label_dim}
        values |= given | {"y_encoder": True, "y_decoder": True}
    return ModelConfig(**values | changes)


def matched_gaussian(x: pd.DataFrame, labels: pd.Series, seed: int) -> pd.DataFrame:
    """Features [track, D] of the same means per label and the same covariance within labels, otherwise Gaussian."""
    must_be_open(labels, "conditioning", "supervised_control")
    groups, values = labels.loc[x.index].to_numpy(), x.to_numpy(float)
    inside = properties.remove_means(values, groups)
    draw = stream(seed, "matched Gaussian features").multivariate_normal
    drawn = draw(np.zeros(x.shape[1]), np.cov(inside.T), size=len(x), method="eigh")
    return pd.DataFrame(values - inside + drawn, x.index, x.columns)


def without_means(run: Run, x: pd.DataFrame, labels: pd.Series) -> xr.Dataset:
    """The control without a network: two principal components of the features minus their means per label."""
    must_be_open(labels, "conditioning", "supervised_control")
    inside = properties.remove_means(x.to_numpy(float), labels.loc[x.index].to_numpy())
    found = pca_latents(run, pd.DataFrame(inside, x.index, x.columns), 2, run.seeds, "mfcc minus genre means")
    return found.assign_attrs(method="pca_within", label_use="features")


@torch.no_grad()
def decode_under(latents: xr.Dataset, x: pd.DataFrame, labels: pd.Series, seed: int = 0,
                 block: np.ndarray | None = None) -> pd.DataFrame:
    """Held-out reconstruction error per run with the decoder given the right label, a wrong one, and a random one.

    latents of a conditional model, x [track, D] its raw features, labels [track]. Decoded is mu averaged over all
    labels at encoding: an encoder that was given one label corrects for what the decoder will add under it, so that
    even a meaningless label would be missed. Returns columns right, wrong, random (mean summed squared error), index
    seed; with the `block` of units of each track (`jackknife.blocks`), replicates.
    """
    model, data, y, names = _reload(latents, x, labels)
    rng = stream(seed, "labels given to a decoder")
    wrong = (y + rng.integers(1, len(names), len(y))) % len(names)
    codes = {"right": y, "wrong": wrong, "random": rng.integers(0, len(names), len(y))}
    mu = _averaged(model, data, len(names))
    held = torch.from_numpy(~latents.train.values)
    out = {}
    for name, code in codes.items():
        error = (model.decode(mu, _codes(code, model)) - data).square().sum(-1)
        error = error.masked_fill(~held, float("nan")).numpy().astype(float)
        by_seed = dict(zip(latents.seed.values.tolist(), error, strict=True))
        out[name] = jackknife.of_tracks(by_seed, np.zeros(len(y), int) if block is None else block)
    found = pd.DataFrame(out)
    return intervals.whole(found) if block is None else found


@torch.no_grad()
def encode_under(latents: xr.Dataset, x: pd.DataFrame, labels: pd.Series, seed: int = 0) -> dict[str, np.ndarray]:
    """mu [seed, track, latent] with the encoder given the true label, one fixed label, a wrong one, or all (averaged).

    A probe on mu under the true label partly reads the label that the encoder was given; under the others it cannot.
    """
    model, data, y, names = _reload(latents, x, labels)
    rng = stream(seed, "labels given to an encoder")
    wrong = (y + rng.integers(1, len(names), len(y))) % len(names)
    codes = {"true": y, "fixed": np.zeros_like(y), "wrong": wrong}
    out = {name: model.encode(data, _codes(code, model))[0].numpy() for name, code in codes.items()}
    return out | {"averaged": _averaged(model, data, len(names)).numpy()}


@torch.no_grad()
def swap(latents: xr.Dataset, x: pd.DataFrame, labels: pd.Series) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What the decoder makes of tracks of one genre under another's label, means over runs and tracks.

    Returns cost [true genre, given genre], the rise of squared error against the right label; and profile [given genre,
    D], the mean decoding of all tracks under that label minus the mean over labels, in standardised units.
    """
    model, data, y, names = _reload(latents, x, labels)
    errors, profile = [], 0.0
    for rows in np.split(np.arange(len(y)), range(sizes.AT_ONCE, len(y), sizes.AT_ONCE)):
        mu, _ = model.encode(data[:, rows], _codes(y[rows], model))
        decoded = torch.stack([model.decode(mu, _codes(np.full_like(y[rows], c), model)) for c in range(len(names))])
        errors.append((decoded - data[:, rows]).square().sum(-1).mean(1).numpy())
        profile += decoded.mean((1, 2)).numpy() * (len(rows) / len(y))
    error = np.concatenate(errors, axis=1)  # [label given, track]
    cost = pd.DataFrame({name: error[i] - error[y, np.arange(len(y))] for i, name in enumerate(names)})
    cost = cost.groupby(np.array(names)[y]).mean().rename_axis(index="true {label}", columns="{label} given to decoder")
    return cost, pd.DataFrame(profile - profile.mean(0), index=names, columns=x.columns)


def _reload(latents: xr.Dataset, x: pd.DataFrame, labels: pd.Series):
    """The trained stack, its standardised input [R, N, D], the class numbers and names of the tracks."""
    must_be_open(labels, "conditioning", "supervised_control")
    names = sorted(labels.unique())
    y = pd.Categorical(labels.loc[x.index], categories=names).codes.astype(int)
    scaled = [training.standardise(x.to_numpy(), np.flatnonzero(train)) for train in latents.train.values]
    return restore(latents), torch.from_numpy(np.stack(scaled)), y, names


def _averaged(model: StackedVAE, data: torch.Tensor, n_labels: int) -> torch.Tensor:
    """mu [R, N, L], averaged over the labels that the encoder may be given."""
    every = [model.encode(data, _codes(np.full(data.shape[1], c), model))[0] for c in range(n_labels)]
    return torch.stack(every).mean(0)


def _codes(y: np.ndarray, model: StackedVAE) -> torch.Tensor:
    return torch.as_tensor(y).expand(model.n_runs, -1)


def choices_of_k(run: Run, models: Mapping[str, xr.Dataset],
                 k_max: int) -> tuple[dict[str, pd.DataFrame], dict[str, dict[str, int]]]:
    """Of each model's first seed: the criteria's curves over k, and the k that each criterion chooses."""
    curves = {name: _criteria(run, one.mu.values[0].astype(float), k_max) for name, one in models.items()}
    return curves, {name: how_many.choose_k(table) for name, table in curves.items()}


@remembered
def _criteria(run: Run, points: np.ndarray, k_max: int) -> pd.DataFrame:
    return how_many.criteria(points, k_max, run.settings.seed)


def stability(run: Run, models: Mapping[str, xr.Dataset], groups: np.ndarray, k: int) -> pd.DataFrame:
    """Agreement (ARI) of each model's k-means clusters between up to four training seeds, and between subsamples of
    tracks (whole groups of duplicates [track], first seed), each beside Gaussian clouds; and the first seed's
    silhouette with an interval for other tracks like these."""
    parts, rows = intervals.subsamples(groups, 4, 0.7, run.settings.seed), []
    for name, latents in models.items():
        points = list(latents.mu.values[:4].astype(float))
        ids = clustering.cluster(points[0], k, seed=run.settings.seed)
        seeds = how_many.seed_stability(points, k, n_nulls=3)
        tracks = how_many.subsample_stability(points[0], k, parts, n_nulls=3)
        over = intervals.over_tracks(lambda some, p=points[0], c=ids: clustering.silhouette(p[some], c[some]),
                                     groups, 50, intervals.RANGES["silhouette"])
        rows.append((name, *seeds[:2], *tracks[:2], over))
    names = ["latent", "seeds", "seeds, null", "tracks", "tracks, null", "silhouette over tracks"]
    return pd.DataFrame(rows, columns=names)


def accuracies(points: np.ndarray, y: np.ndarray, seeds: list[int], reader: str = "knn") -> pd.Series:
    """Accuracy [seed] of one reader of labels y [track] from points [seed, track, latent]."""
    found = [probes.probe_accuracy(p.astype(float), y, reader, s) for s, p in zip(seeds, points, strict=True)]
    return pd.Series(found, pd.Index(seeds, name="seed"))


def over_seeds(read: pd.DataFrame) -> pd.DataFrame:
    """The table of `readers` with intervals over seeds: a row per latent."""
    table = read.drop(columns="seed")
    within = {name: intervals.SHARE if name in probes.READERS else intervals.ANY for name in table.columns[1:]}
    return table.groupby("read from", sort=False).agg(
        {name: functools.partial(intervals.interval, within=limits) for name, limits in within.items()}).reset_index()


@remembered
def readers(run: Run, sources: Mapping[str, np.ndarray], y: np.ndarray, seeds: list[int]) -> pd.DataFrame:
    """What probes read of labels y [track] from several latents (name -> [seed, track, latent]): a row per latent and
    seed, with each probe's accuracy, and what an online code saves in nats."""
    tables = []
    for name, points in sources.items():
        columns = {reader: accuracies(points, y, seeds, reader).to_numpy() for reader in probes.READERS}
        saved = [probes.online_code(p.astype(float), y, s) for s, p in zip(seeds, points, strict=True)]
        columns["online code, nats"] = saved
        tables.append(pd.DataFrame({"read from": name, "seed": seeds} | columns))
    return pd.concat(tables, ignore_index=True)


@remembered
def near(run: Run, mu: Mapping[str, np.ndarray], labels: pd.Series, seeds: list[int]) -> pd.DataFrame:
    """Accuracy of nearest neighbours as readers of labels [track], of mu under the true and the averaged label, as
    replicates [(block, seed)]: for `repeats_label`."""
    block, y = jackknife.blocks(run, labels.index), labels.to_numpy()
    right = {name: {seed: probes.right(points.astype(float), y, "knn", seed)
                    for seed, points in zip(seeds, mu[name], strict=True)} for name in ("true", "averaged")}
    return pd.DataFrame({name: jackknife.of_tracks(one, block) for name, one in right.items()})


def close_genres(cost: pd.DataFrame) -> dict[str, Any]:
    """The nearest (a, b) and the farthest (c, d) pair of genres by the mean cost of swapping them (`swap`), and both
    costs."""
    both = (cost.to_numpy() + cost.to_numpy().T) / 2
    pairs = [(float(both[i, j]), cost.index[i], cost.index[j]) for i, j in itertools.combinations(range(len(cost)), 2)]
    (near, a, b), (far, c, d) = (end(pairs, key=lambda pair: pair[0]) for end in (min, max))
    return {"a": a, "b": b, "near": near, "c": c, "d": d, "far": far}


# --- 5: why two dimensions? ------------------------------------------------------------------------------------------
def swept(run: Run, x: pd.DataFrame, labels: pd.Series, name: str) -> dict[float, xr.Dataset]:
    """One of four models over the settings' betas (beta -> latents): "linear" or "MLP", "VAE" or "CVAE".

    Trained on at most three seeds; the MLP VAE is that of notebooks 04 and 05. Linear models learn five times as fast:
    they must arrive.
    """
    headline = {1.0: "vae", run.settings.beta: "beta_vae"}
    betas = sorted({*run.settings.betas, *headline})
    if name == "MLP VAE":
        plain, some = config(run, x.shape[1]), run.settings.seeds(run.settings.n_seeds_sweep)
        found = sweep_latents(run, "beta_vae", x, plain, [b for b in betas if b not in headline], some)
        found |= {b: mlp_latents(run, method, x, dataclasses.replace(plain, beta=b), run.seeds)
                  for b, method in headline.items()}
        return dict(sorted(found.items()))
    given = labels if name.endswith("CVAE") else None
    shape, schedule = {}, schedule_of(run)
    if name.startswith("linear"):
        shape, schedule = {"hidden": ()}, schedule._replace(learning_rate=5 * schedule.learning_rate)
    method = {"linear VAE": "linear_vae", "linear CVAE": "linear_cvae", "MLP CVAE": "cvae_sweep"}[name]
    model = config(run, x.shape[1], given, **shape)
    seeds = run.settings.seeds(min(3, run.settings.n_seeds_sweep))
    return sweep_latents(run, method, x, model, betas, seeds, labels=given, schedule=schedule, kept=())


def of_setting(stored: pd.DataFrame, method: str, setting: str) -> pd.DataFrame:
    """The rows of one method and setting on MFCC statistics in the score table."""
    return stored[(stored["method"] == method) & (stored["setting"] == setting) & (stored["features"] == "mfcc")]


# --- 8: the designed experiment --------------------------------------------------------------------------------
def design(table: pd.DataFrame, metric: str, beta: float) -> pd.DataFrame:
    """One metric of the 2 x 2 x 2 design [seed, (beta, enc, dec)] from rows of the score table."""
    cells = {}
    for b, enc, dec in itertools.product((1.0, beta), (0, 1), (0, 1)):
        method = "cvae" if enc or dec else "vae" if b == 1 else "beta_vae"
        setting = f"beta={b:g}" + (f" enc={enc} dec={dec}" if enc or dec else "")
        cells[b, enc, dec] = scores.of_seed(of_setting(table, method, setting), metric)
    return pd.DataFrame(cells).rename_axis(columns=["beta", "enc", "dec"])


def against_earlier(design: pd.DataFrame) -> pd.DataFrame:
    """Rows of the score table with columns beta, enc and dec, beside the design as measured before on GTZAN.

    A row per cell and metric: the earlier value (or range), the interval here, whether they meet, rounding of the
    earlier value included, and as shares of the metric's range over the earlier cells `miss`, how far they are apart,
    and `reach`, half the interval's width.
    """
    known, rows = yaml.safe_load((NOTEBOOKS / "gtzan_design.yaml").read_text()), []
    columns = zip(*(cell[3:] for cell in known["cells"]), strict=True)
    ranges = {metric: np.ptp(np.hstack(values)) for metric, values in zip(known["metrics"], columns, strict=True)}
    for beta, enc, dec, *values in known["cells"]:
        cell = design[(design["beta"] == beta) & (design["enc"] == enc) & (design["dec"] == dec)]
        for metric, digits, value in zip(known["metrics"], known["digits"], values, strict=True):
            ends, half = value if isinstance(value, list) else [value], 0.5 * 10.0**-digits
            here = intervals.of_metric(scores.of_seed(cell, metric), metric)
            miss = max(0.0, here.low - max(ends) - half, min(ends) - half - here.high) / ranges[metric]
            said = " to ".join(f"{end:.{digits}f}" for end in ends)
            about = {"beta": beta, "enc": enc, "dec": dec, "metric": metric, "earlier": said}
            reach = (here.high - here.low) / 2 / ranges[metric]
            rows.append(about | {"here": here, "meets": miss == 0, "miss": miss, "reach": reach})
    return pd.DataFrame(rows)


def factorial_effects(values: pd.DataFrame) -> pd.DataFrame:
    """Main effects and interactions of a full two-level design, seed by seed.

    values [seed, cell] or replicates [(block, seed), cell], columns a MultiIndex of factor levels (two each). An
    effect is the mean over cells where the product of the factors' signs (high +, low -) is positive, minus the mean
    where it is negative (Box, Hunter and Hunter 2005, chapter 5).
    Returns columns effect ("beta", "beta x dec", ...) and change (an `Interval`).
    """
    names = list(values.columns.names)
    codes = [np.unique(values.columns.get_level_values(name), return_inverse=True)[1] for name in names]
    if len(values.columns) != 2 ** len(names) or any(code.max() != 1 for code in codes):
        raise ValueError("a full design with two levels of each factor is needed")
    rows = []
    for size in range(1, len(names) + 1):
        for factors in itertools.combinations(range(len(names)), size):
            sign = np.prod([2 * codes[f] - 1 for f in factors], axis=0)
            change = pd.Series((values.to_numpy() * sign).sum(1) / (len(sign) / 2), values.index)
            rows.append({"effect": " x ".join(names[f] for f in factors), "change": intervals.over(change)})
    return pd.DataFrame(rows)


def simple_effects(values: pd.DataFrame) -> dict[str, pd.Series]:
    """What one factor does at a level of the others, by seed, from `design`: beta without and with the label on both
    sides; the label in the decoder, none in the encoder, at each beta."""
    (low, high), cell = sorted(set(values.columns.get_level_values("beta"))), values
    return {"beta, no label": cell[high, 0, 0] - cell[low, 0, 0],
            "beta, label on both sides": cell[high, 1, 1] - cell[low, 1, 1],
            f"label in the decoder, beta {low:g}": cell[low, 0, 1] - cell[low, 0, 0],
            f"label in the decoder, beta {high:g}": cell[high, 0, 1] - cell[high, 0, 0]}


def controls(run: Run, x: pd.DataFrame, given: pd.Series, genre: pd.Series, stored: pd.DataFrame,
             method: str = "cvae") -> dict[str, Ruling]:
    """Every verdict about the label and about beta, of the CVAE of notebook 07 (`cvae`) or of its control
    (`cvae_permuted`, with `given` the shuffled labels): question -> ruling, by the same rules.

    `genre` [track] is what readers look for; `stored` are rows of the score table.
    """
    beta, value = run.settings.beta, scores.of_seed
    low, high = (of_setting(stored, method, f"beta={b:g} enc=1 dec=1") for b in (1.0, beta))
    first, plain = of_setting(stored, "vae", "beta=1"), of_setting(stored, "beta_vae", f"beta={beta:g}")
    latents = mlp_latents(run, method, x, config(run, x.shape[1], given, beta=beta), run.seeds, labels=given)
    mu, y = encode_under(latents, x, given, run.settings.seed), genre.loc[x.index].to_numpy()
    neighbours = near(run, mu, genre.loc[x.index], run.seeds)
    cells, effects = {(1.0, 0): first, (beta, 0): plain, (1.0, 1): low, (beta, 1): high}, []
    for metric in ("silhouette", "nmi"):
        table = pd.DataFrame({cell: value(rows, metric) for cell, rows in cells.items()})
        effects.append(factorial_effects(table.rename_axis(columns=["beta", "label"])).set_index("effect")["change"])
    chance = float(value(plain, "probe_mu_null").mean())
    return {
        "label: a sample carries no information about {label}": rules.silent(value(high, "information_z"),
                                                                 information.label_entropy(y)),
        "label: {label} is less linearly decodable from mu": rules.lost(value(high, "probe_mu"),
                                                                     value(plain, "probe_mu"), chance),
        "label: clusters agree less with {label}": rules.lost(value(high, "ami"), value(plain, "ami")),
        "label: mu repeats the label that its encoder is given": rules.repeats_label(neighbours["true"],
                                                                                     neighbours["averaged"]),
        "label: the decoder uses the label": rules.uses_label(decode_under(latents, x, given, run.settings.seed)),
        "label: it is a separate cause": rules.two_causes(*effects, "label"),
        "beta: it raises the silhouette": above_zero(intervals.paired(value(high, "silhouette"),
                                                                      value(low, "silhouette"))),
        "beta: it lowers active dimensions": rules.lost(value(high, "active_dims"), value(low, "active_dims")),
        "beta: it lowers the rate": rules.lost(value(high, "kl"), value(low, "kl")),
    }
