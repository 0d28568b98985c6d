"""Figures of the unsupervised models: each takes data and returns the figure, as in `lib/report/plots.py`."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib.report.plots import curves, dots, heat, panels, scatter
from lib.report.style import COLUMN, GREY, MARKERS, PAGE, PALETTE, new
from lib.scores.information import ACTIVE_NATS
from lib.studies.unsupervised.beta_sweep import Decodable


def active_and_rate(active: pd.DataFrame, rate: pd.DataFrame, theory: pd.DataFrame) -> Figure:
    """Active dimensions and rate over beta [beta, seed], with what linear theory says."""
    return panels({"active dimensions": ({"MLP, measured": active}, {"linear theory, upper bound": theory["above"]}),
                   "rate KL, nats": ({"MLP, measured": rate}, {"linear theory": theory["kl"]})}, "beta")


def silhouette_and_nmi(silhouette: pd.DataFrame, null: pd.DataFrame, nmi: pd.DataFrame,
                       nmi_null: pd.DataFrame) -> Figure:
    """Silhouette and NMI over beta [beta, seed], each with its null."""
    return panels({"silhouette": ({"measured": silhouette, "Gaussian null": null}, {}),
                   "NMI with genre": ({"VAE": nmi, "permuted labels": nmi_null}, {})}, "beta")


def rate_distortion(rate: pd.Series, error: pd.Series) -> Figure:
    """Squared error of held-out tracks against rate in nats, a point per beta, which is written beside it."""
    figure, ax = new()
    ax.plot(rate, error, marker="o", color=PALETTE[0])
    _name_points(ax, rate.index, zip(rate, error, strict=True))
    ax.set(xlabel="rate, nats", ylabel="squared error, held out")
    return figure


def alignment(data: dict[str, dict[str, pd.DataFrame]]) -> Figure:
    """DCI over beta: a panel per metric, in it name -> table [beta, seed]."""
    figure, axes = new(PAGE, 2.6, 1, len(data), sharey=True)
    for ax, (metric, lines) in zip(axes, data.items(), strict=True):
        curves(lines, "beta", metric, ax, log_x=True)
    return figure


def tradeoff(measured: pd.DataFrame, linear: pd.DataFrame, nmi_null: float, read: Decodable, known: str) -> Figure:
    """Disentanglement against NMI (left; `measured_tradeoff`, `linear_optimum`), information about labels against
    the rate (right), with the bound for samples."""
    figure, axes = new(PAGE, 3.0, 1, 2)
    _disentanglement_and_nmi(axes[0], measured, linear, nmi_null, known)
    _information_and_rate(axes[1], read)
    return figure


def _disentanglement_and_nmi(ax: Axes, measured: pd.DataFrame, linear: pd.DataFrame, null: float, known: str) -> None:
    ax.hlines(measured["nmi"], measured["low"], measured["high"], color=PALETTE[0], alpha=0.3)
    kinds = (("VAE, trained", measured, PALETTE[0], "o-"), ("optimal linear VAE", linear, GREY, "s--"))
    for name, part, colour, mark in kinds:
        ax.plot(part["excess"], part["nmi"], mark, color=colour, label=name)
        _name_points(ax, part["beta"], part[["excess", "nmi"]].itertuples(index=False), colour)
    ax.axvline(0, color=GREY, lw=0.8)
    ax.axhline(null, color=GREY, ls=":", lw=1.1, label="permuted labels")
    ax.set(xlabel=f"disentanglement of {known}, above the same code turned", ylabel="NMI with genre")
    ax.legend(loc="lower right", bbox_to_anchor=(1, 0.08))


def _information_and_rate(ax: Axes, read: Decodable) -> None:
    for i, name in enumerate(("mu", "z")):
        ax.plot(read.rate, getattr(read, name).clip(lower=0), marker=MARKERS[i], color=PALETTE[i],
                label=f"read from {name}")
    rates = np.linspace(0, read.rate.max(), 50)
    ax.plot(rates, np.minimum(rates, read.entropy), color=GREY, ls="--", lw=1.1,
            label="bound for z: rate, entropy of genre")
    ax.set(xlabel="rate KL, nats", ylabel="information about genre, nats")
    ax.legend()


def _name_points(ax: Axes, names, places, colour: str | None = None) -> None:
    for name, place in zip(names, places, strict=True):
        ax.annotate(f"{name:g}", tuple(place), textcoords="offset points", xytext=(4, 3), fontsize=6, color=colour)


def kl_per_dimension(latents: xr.Dataset, name: str, theory: pd.Series | None = None) -> Figure:
    """KL of each dimension in falling order: mean over seeds and 95 % band, with the level from which one is active,
    and that of the optimal linear VAE, where it is given."""
    kl = pd.DataFrame(np.sort(latents.kl.values, axis=1)[:, ::-1].T, range(1, latents.sizes["latent"] + 1))
    lines = {"optimal linear VAE": theory} if theory is not None else {}
    lines["active above"] = pd.Series(ACTIVE_NATS, kl.index)
    return curves({name: kl}, "latent dimension, by KL", "KL, nats", lines=lines)


def shares_in_order(r2: np.ndarray, ylabel: str) -> Figure:
    """R2 [latent] of each dimension as bars, the largest first."""
    figure, ax = new()
    ax.bar(range(1, len(r2) + 1), np.clip(np.sort(r2)[::-1], 0, 1), color=PALETTE[0])
    ax.set(xlabel="latent dimension, in order", ylabel=ylabel, ylim=(0, 1))
    return figure


def contrastive_losses(networks: xr.Dataset) -> Figure:
    """The three terms of the contrastive VAE's loss over epochs, a line per seed."""
    names = {"error": "squared error", "kl": "KL, nats", "contrast": "NT-Xent"}
    figure, axes = new(PAGE, 2.2, 1, len(names))
    for ax, (curve, title) in zip(axes, names.items(), strict=True):
        values = networks.history.sel(curve=curve).values.T
        ax.plot(np.arange(1, len(values) + 1), values, color=PALETTE[0])
        ax.set(xlabel="epoch", title=title)
    return figure


def leading_dimensions(latents: xr.Dataset, labels: pd.Series, axes: str) -> Figure:
    """The two dimensions with the highest KL (the first two where there is no KL) of the first seed's mu, by label."""
    one = latents.isel(seed=0)
    leading = one.kl.argsort().values[::-1][:2] if "kl" in one and one.kl.any() else [0, 1]
    mu = one.mu.to_pandas()
    return scatter(mu.to_numpy()[:, leading], labels.loc[mu.index], axes=axes)


# --- baselines -------------------------------------------------------------------------------------------------------
def eigenvalues(values: np.ndarray, kept: int) -> Figure:
    """Eigenvalues [D], largest first, and a line behind the components that are kept."""
    figure, ax = new()
    ax.plot(range(1, len(values) + 1), values, marker="o", color=PALETTE[0])
    ax.axvline(kept + 0.5, color=GREY, ls="--", lw=1)
    ax.set(xlabel="component", ylabel="eigenvalue", yscale="log")
    return figure


def loadings(table: pd.DataFrame) -> Figure:
    """Loadings [component, feature] of principal components."""
    figure = heat(table.T, None, "PCA loadings on MFCC statistics", "loading", diverging=True, annotate=False)
    figure.set_figheight(4.6)  # lower than `heat` makes it: rows are named, and nothing is written into them
    return figure


def mel_profiles(profiles: pd.DataFrame) -> Figure:
    """Changes of the mean spectrum, dB [component, band in Hz]."""
    figure, ax = new(COLUMN * 1.35, 2.5)
    for i, (name, profile) in enumerate(profiles.iterrows()):
        ax.plot(profile.index, profile, color=PALETTE[i], ls=("-", "--", "-.", ":")[i], label=name)
    ax.axhline(0, color=GREY, lw=0.8)
    ax.set(xscale="log", xlabel="frequency, Hz", ylabel="change of the mean spectrum, dB")
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def kl_beside_theory(found: dict[float, tuple[pd.DataFrame, pd.Series]]) -> Figure:
    """KL of each dimension of trained linear VAEs [rank, seed] beside theory: a panel per beta."""
    figure, axes = new(PAGE, 2.4, 1, len(found), sharey=True)
    for ax, (beta, (spent, theory)) in zip(axes, found.items(), strict=True):
        curves({"linear VAE, trained": spent}, "dimension, by KL", "KL, nats", ax, lines={"theory": theory},
               title=f"beta {beta:g}")
    return figure


def nmi_beside_chance(rows: pd.DataFrame, names: pd.Series, xlabel: str = "NMI", **options) -> Figure:
    """NMI of each row of a `summary` beside that of permuted labels; options as in `plots.dots`."""
    nulls = [value.mean for value in rows["nmi_null"]]
    return dots(list(names), rows["nmi"], xlabel, nulls=nulls, null_name="permuted labels", **options)


# --- when does a VAE pay? --------------------------------------------------------------------------------------------
def errors(rows: pd.DataFrame) -> Figure:
    """Squared errors of held-out and training tracks, a row each per method of a `summary`."""
    names = [f"{method}, {part}" for part in ("held out", "training") for method in rows["method"]]
    return dots(names, [*rows["error_held_out"], *rows["error_train"]], "summed squared error per track")


def spectra(found: dict[str, pd.DataFrame]) -> Figure:
    """Mean spectra of tracks, dB, and their reconstructions [track or model, band in Hz]: a panel per track."""
    figure, axes = new(PAGE, 2.5, 1, len(found), sharey=True)
    for ax, (title, lines) in zip(axes, found.items(), strict=True):
        ax.plot(lines.columns, lines.iloc[0], color="black", lw=1.6, label=lines.index[0])
        for i, (name, line) in enumerate(lines.iloc[1:].iterrows()):
            ax.plot(line.index, line, color=PALETTE[i], ls=("--", "-.", ":")[i], label=name)
        ax.set(title=title, xscale="log", xlabel="frequency, Hz")
    axes[0].set_ylabel("mean log-mel level, dB")
    axes[0].legend()
    return figure


def sweep(found: pd.DataFrame, over: str, error: str, chance: float) -> Figure:
    """Error (left, which tracks' says `error`) and NMI (right) of PCA, AE and VAE [condition, model, seed]."""
    each = {what: {model: found[what].xs(model, level="model").unstack("seed") for model in ("PCA", "AE", "VAE")}
            for what in ("error", "nmi")}
    return panels({error: (each["error"], {}), "NMI with genre": (each["nmi"], {"permuted labels": chance})}, over)


def feature_gains(paid: pd.DataFrame) -> Figure:
    """Differences in NMI beside zero: two rows per feature set."""
    differences = ("VAE - PCA", "VAE - raw")
    names = [f"{name}: {difference}" for name in paid["features"] for difference in differences]
    values = [row[difference] for row in paid.to_dict("records") for difference in differences]
    return dots(names, values, "difference in NMI", nulls=[0] * len(names), null_name="no difference")


# --- the final comparison --------------------------------------------------------------------------------------------
def best_settings(rows: pd.DataFrame) -> Figure:
    """NMI of settings (of `comparison.ranked`), hollow where labels were given."""
    names = rows["method"] + " · " + rows["setting"] + " · " + rows["features"]
    return nmi_beside_chance(rows, names, "NMI with genre", marked=list(rows["label_use"] != "none"))


def silhouette_against_nmi(free: pd.DataFrame, told: pd.DataFrame) -> Figure:
    """A point per setting that has a silhouette, hollow where labels were given."""
    figure, ax = new()
    for name, group, face in (("no labels", free, PALETTE[0]), ("saw labels", told, "white")):
        means = group.dropna(subset="silhouette")[["silhouette", "nmi"]].map(lambda value: value.mean)
        ax.plot(means["silhouette"], means["nmi"], "o", color=PALETTE[0], mfc=face, label=name)
    ax.set(xlabel="silhouette", ylabel="NMI with genre")
    ax.legend()
    return figure
