"""Figures of the unsupervised models: each takes data and returns the figure, as in `lib/report/plots.py`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib.report.glossary import shown
from lib.report.plots import beside_null, curves, dots, panels, scatter
from lib.report.redraw import redrawable
from lib.report.style import COLUMN, GREY, MARKERS, PAGE, PALETTE, legend_below, listed, new, say
from lib.scores.information import ACTIVE_NATS
from lib.scores.intervals import NOT_NEGATIVE


def active_and_rate(active: pd.DataFrame, rate: pd.DataFrame, theory: pd.DataFrame) -> Figure:
    """Active dimensions and rate over beta [beta, seed], with what linear theory says."""
    return panels({"active dimensions": ({"MLP, measured": active}, {"linear theory, upper bound": theory["above"]}),
                   "rate KL, nats": ({"MLP, measured": rate}, {"linear theory": theory["kl"]})}, "beta")


def silhouette_and_nmi(silhouette: pd.DataFrame, null: pd.DataFrame, nmi: pd.DataFrame,
                       nmi_null: pd.DataFrame) -> Figure:
    """Silhouette and NMI over beta [beta, seed], each with its null."""
    return panels({"silhouette (null: Gaussian)": ({"VAE": silhouette, "null": null}, {}),
                   "NMI (null: permuted labels)": ({"VAE": nmi, "null": nmi_null}, {})}, "beta")


@redrawable
def rate_distortion(rate: pd.Series, error: pd.Series) -> Figure:
    """Squared error of held-out tracks against rate in nats, a point per beta, which is written beside it."""
    figure, ax = new()
    ax.plot(rate, error, marker="o", color=PALETTE[0])
    _name_points(ax, rate.index, zip(rate, error, strict=True))
    ax.set(xlabel="rate, nats", ylabel="squared error, held out")
    say(ax, f"error {listed([f'beta {beta:g}' for beta in error.index], error)}")
    return figure


def alignment(data: dict[str, dict[str, pd.DataFrame]]) -> Figure:
    """DCI over beta: a panel per metric, in it name -> table [beta, seed]."""
    return panels({metric: (lines, {}) for metric, lines in data.items()}, "beta", ylabel="score")


@redrawable
def tradeoff(measured: pd.DataFrame, linear: pd.DataFrame, nmi_null: float, known: str, *read: Any) -> Figure:
    """Disentanglement against NMI (left; `measured_tradeoff`, `linear_optimum`), information about labels against
    the rate (right; what `Decodable` holds), with the bound for samples."""
    figure, axes = new(PAGE, 3.4, 1, 2)
    _disentanglement_and_nmi(axes[0], measured, linear, nmi_null, known)
    _information_and_rate(axes[1], *read)
    return figure


def _disentanglement_and_nmi(ax: Axes, measured: pd.DataFrame, linear: pd.DataFrame, null: float, known: str) -> None:
    ax.hlines(measured["nmi"], measured["low"], measured["high"], color=PALETTE[0], alpha=0.3)
    kinds = (("VAE, trained", measured, PALETTE[0], "o-"), ("optimal linear VAE", linear, GREY, "s--"))
    for name, part, colour, mark in kinds:
        ax.plot(part["excess"], part["nmi"], mark, color=colour, label=name)
        _name_points(ax, part["beta"], part[["excess", "nmi"]].itertuples(index=False), colour)
        say(ax, f"{name}, NMI: {listed([f'beta {beta:g}' for beta in part['beta']], part['nmi'])}")
    ax.axvline(0, color=GREY, lw=0.8)
    ax.axhline(null, color=GREY, ls=":", lw=1.1, label="permuted labels")
    ax.set(xlabel=f"excess disentanglement of {known}", ylabel="NMI with {label}")
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2))


def _information_and_rate(ax: Axes, rate: pd.Series, mu: pd.Series, z: pd.Series, entropy: float) -> None:
    for i, (name, values) in enumerate({"mu": mu, "z": z}.items()):
        ax.plot(rate, values.clip(lower=0), marker=MARKERS[i], color=PALETTE[i], label=f"read from {name}")
        say(ax, f"read from {name}: {listed([f'beta {beta:g}' for beta in values.index], values)}")
    rates = np.linspace(0, rate.max(), 50)
    bound = "bound for z: rate, entropy of {label}"
    ax.plot(rates, np.minimum(rates, entropy), color=GREY, ls="--", lw=1.1, label=bound)
    ax.set(xlabel="rate KL, nats", ylabel="information about {label}, nats")
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2))


def _name_points(ax: Axes, names, places, colour: str | None = None) -> None:
    """Write names beside points, but none within 14 pixels of an earlier one."""
    ax.autoscale_view()
    named = np.empty((0, 2))
    for name, place in zip(names, places, strict=True):
        at = ax.transData.transform(tuple(place))
        if np.isfinite(at).all() and (np.abs(named - at).max(axis=1) > 14).all():
            ax.annotate(f"{name:g}", tuple(place), textcoords="offset points", xytext=(4, 3), fontsize=6.5,
                        color=colour)
            named = np.vstack([named, at])


def kl_per_dimension(latents: xr.Dataset, name: str, theory: pd.Series | None = None) -> Figure:
    """KL of each dimension in falling order: mean over seeds and 95 % band, with the level from which one is active,
    and that of the optimal linear VAE, where it is given."""
    kl = pd.DataFrame(np.sort(latents.kl.values, axis=1)[:, ::-1].T, range(1, latents.sizes["latent"] + 1))
    lines = {"optimal linear VAE": theory} if theory is not None else {}
    lines["active above"] = pd.Series(ACTIVE_NATS, kl.index)
    return curves({name: kl}, "latent dimension, by KL", "KL, nats", lines=lines, within=NOT_NEGATIVE)


@redrawable
def shares_in_order(r2: np.ndarray, ylabel: str) -> Figure:
    """R2 [latent] of each dimension as bars, the largest first."""
    figure, ax = new()
    ax.bar(range(1, len(r2) + 1), np.clip(np.sort(r2)[::-1], 0, 1), color=PALETTE[0])
    ax.set(xlabel="latent dimension, in order", ylabel=ylabel, ylim=(0, 1))
    say(ax, f"from {np.max(r2):.3g} down to {np.min(r2):.3g}")
    return figure


def contrastive_losses(networks: xr.Dataset) -> Figure:
    """The three terms of the contrastive VAE's loss over epochs, a line per seed."""
    names = {"error": "squared error", "kl": "KL, nats", "contrast": "NT-Xent"}
    return loss_terms({title: networks.history.sel(curve=curve).values for curve, title in names.items()})


@redrawable
def loss_terms(values: dict[str, np.ndarray]) -> Figure:
    """Terms of a loss over epochs, title -> [seed, epoch], a line per seed."""
    figure, axes = new(PAGE, 2.2, 1, len(values))
    for ax, (title, runs) in zip(axes, values.items(), strict=True):
        ax.plot(np.arange(1, runs.shape[1] + 1), runs.T, color=PALETTE[0])
        ax.set(xlabel="epoch", title=title)
        say(ax, f"from {np.nanmean(runs[:, 0]):.3g} to {np.nanmean(runs[:, -1]):.3g}, means over seeds")
    return figure


def leading_dimensions(latents: xr.Dataset, labels: pd.Series, axes: str) -> Figure:
    """The two dimensions with the highest KL (the first two where there is no KL) of the first seed's mu, by label."""
    one = latents.isel(seed=0)
    leading = one.kl.argsort().values[::-1][:2] if "kl" in one and one.kl.any() else [0, 1]
    mu = one.mu.to_pandas()
    return scatter(mu.to_numpy()[:, leading], labels.loc[mu.index], axes=axes)


# --- baselines -------------------------------------------------------------------------------------------------------
@redrawable
def mel_profiles(profiles: pd.DataFrame) -> Figure:
    """Changes of the mean spectrum, dB [component, band in Hz]."""
    figure, ax = new(COLUMN * 1.35, 2.5)
    for i, (name, profile) in enumerate(profiles.iterrows()):
        ax.plot(profile.index, profile, color=PALETTE[i], ls=("-", "--", "-.", ":")[i], label=name)
        say(ax, f"{name} from {profile.min():.3g} dB at {profile.idxmin():.0f} Hz to {profile.max():.3g} dB at "
                f"{profile.idxmax():.0f} Hz")
    ax.axhline(0, color=GREY, lw=0.8)
    ax.set(xscale="log", xlabel="frequency, Hz", ylabel="change of the mean spectrum, dB")
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def kl_beside_theory(found: dict[float, tuple[pd.DataFrame, pd.Series]]) -> Figure:
    """KL of each dimension of trained linear VAEs [rank, seed] beside theory: a panel per beta."""
    return panels({f"beta {beta:g}": ({"linear VAE, trained": kl}, {"theory": theory})
                   for beta, (kl, theory) in found.items()}, "dimension, by KL", log_x=False, ylabel="KL, nats")


# --- when does a VAE pay? --------------------------------------------------------------------------------------------
def errors(rows: pd.DataFrame) -> Figure:
    """Squared errors of held-out and training tracks, a row each per method of a `summary`."""
    names = [f"{shown(method)}, {part}" for part in ("held out", "training") for method in rows["method"]]
    return dots(names, [*rows["error_held_out"], *rows["error_train"]], "summed squared error per track")


@redrawable
def spectra(found: dict[str, pd.DataFrame]) -> Figure:
    """Mean spectra of tracks, dB, and their reconstructions [track or model, band in Hz]: a panel per track."""
    figure, axes = new(PAGE, 2.5, 1, len(found), sharey=True)
    for ax, (title, lines) in zip(axes, found.items(), strict=True):
        ax.plot(lines.columns, lines.iloc[0], color="black", lw=1.6, label=lines.index[0])
        for i, (name, line) in enumerate(lines.iloc[1:].iterrows()):
            ax.plot(line.index, line, color=PALETTE[i], ls=("--", "-.", ":")[i], label=name)
        ax.set(title=title, xscale="log", xlabel="frequency, Hz")
        away = (lines.iloc[1:] - lines.iloc[0]).pow(2).mean(axis=1).pow(0.5)
        say(ax, f"dB (RMS) from the track: {listed(away.index, away)}")
        ax.set_ylabel("mean log-mel level, dB" if ax.get_subplotspec().is_first_col() else "")
    legend_below(figure)
    return figure


def sweep(found: pd.DataFrame, over: str, error: str, chance: float) -> Figure:
    """Error (left, which tracks' says `error`) and NMI (right) of PCA, AE and VAE [condition, model, seed]."""
    each = {what: {model: found[what].xs(model, level="model").unstack("seed") for model in ("PCA", "AE", "VAE")}
            for what in ("error", "nmi")}
    return panels({error: (each["error"], {}), "NMI with {label}": (each["nmi"], {"permuted labels": chance})}, over)


def feature_gains(paid: pd.DataFrame) -> Figure:
    """Differences in NMI beside zero: two rows per feature set."""
    differences = ("VAE - PCA", "VAE - raw")
    names = [f"{name}: {difference}" for name in paid["features"] for difference in differences]
    values = [row[difference] for row in paid.to_dict("records") for difference in differences]
    return dots(names, values, "difference in NMI", nulls=[0] * len(names), null_name="no difference")


# --- the final comparison --------------------------------------------------------------------------------------------
def best_settings(rows: pd.DataFrame) -> Figure:
    """NMI of settings (of `comparison.ranked`), hollow where labels were given."""
    names = rows["method"] + " · " + rows["setting"] + " · " + rows["features"] + " · " + rows["clusterer"]
    return beside_null(rows, list(names))


@redrawable
def silhouette_against_nmi(free: pd.DataFrame, given: pd.DataFrame) -> Figure:
    """A point per setting that has a silhouette, hollow where labels were given."""
    figure, ax = new()
    for name, group, face in (("no labels", free, PALETTE[0]), ("given labels", given, "white")):
        group = group[group["clusterer"] == "kmeans"]
        means = group.dropna(subset="silhouette")[["silhouette", "nmi"]].map(lambda value: value.mean)
        ax.plot(means["silhouette"], means["nmi"], "o", color=PALETTE[0], mfc=face, label=name)
        say(ax, f"{name}: {len(means)} settings, rank correlation {means.corr('spearman').iloc[0, 1]:.2f}")
    ax.set(xlabel="silhouette", ylabel="NMI with {label}")
    ax.legend()
    return figure
