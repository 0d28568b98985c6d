"""Two views of the same tracks made into one: by concatenation, plain or with weighted blocks."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr


def join(a: pd.DataFrame, b: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows that both views have (by track id, sorted); rows with missing values count as not there."""
    tracks = a.dropna().index.intersection(b.dropna().index).sort_values()
    return a.loc[tracks], b.loc[tracks]


def concatenate(a: pd.DataFrame, b: pd.DataFrame) -> pd.DataFrame:
    """Columns of both views side by side, as they are: the view with more variance rules."""
    a, b = join(a, b)
    return pd.concat([a.add_prefix("a_"), b.add_prefix("b_")], axis=1)


def weighted_blocks(a: pd.DataFrame, b: pd.DataFrame, weight: float = 0.5) -> pd.DataFrame:
    """Each view centred and scaled to total variance one, then weighted sqrt(1 - weight) and sqrt(weight).

    So squared distances are a weighted mean of the views' own; at 0.5 neither view rules by its units or its width.
    """
    if not 0 <= weight <= 1:
        raise ValueError("weight is the share of the second view, 0 to 1")
    a, b = join(a, b)
    return pd.concat(
        [np.sqrt(1 - weight) * _unit(a).add_prefix("a_"), np.sqrt(weight) * _unit(b).add_prefix("b_")], axis=1
    )


def _unit(view: pd.DataFrame) -> pd.DataFrame:
    centred = view - view.mean()
    total = float((centred**2).to_numpy().sum() / max(len(view), 1))
    return centred / np.sqrt(total) if total > 0 else centred


def shuffled(view: pd.DataFrame, seed: int, within: pd.Series | None = None) -> pd.DataFrame:
    """The view with its rows dealt anew over all tracks, or only among tracks of one label (`within` [track]).

    The control of every fusion score: what survives a shuffle within genre acts only as a label.
    """
    rng = np.random.default_rng([seed, 11])
    order = np.arange(len(view))
    groups = (
        [order] if within is None else [np.flatnonzero(within.loc[view.index].to_numpy() == v) for v in within.unique()]
    )
    for rows in groups:
        order[rows] = rng.permutation(rows)
    return pd.DataFrame(view.to_numpy()[order], index=view.index, columns=view.columns)


def fuse(
    latents: xr.Dataset, view: pd.DataFrame, how: str, setting: str, weight: float = 0.5, label_use: str = "none"
) -> xr.Dataset:
    """Each seed's mu joined with a second view [track, dim]: `how` is concat or weighted. In the form of latents.

    Only tracks that have both views are in the result. `label_use` says whether either view was given labels.
    """
    join_views = {"concat": concatenate, "weighted": lambda a, b: weighted_blocks(a, b, weight)}[how]
    fused = [join_views(latents.mu.sel(seed=seed).to_pandas(), view) for seed in latents.seed.values]
    return xr.Dataset(
        {"mu": (("seed", "track", "latent"), np.stack([f.to_numpy(float) for f in fused]))},
        coords={"seed": latents.seed.values, "track": fused[0].index.to_numpy()},
        attrs={
            "method": f"fusion_{how}",
            "setting": setting,
            "label_use": label_use,
            "features": f"{latents.attrs['features']}+lyrics",
        },
    )


def alone(view: pd.DataFrame, seeds: list[int], method: str, setting: str, label_use: str = "none") -> xr.Dataset:
    """A view by itself in the form of latents: the same points for every seed (only clustering seeds differ)."""
    view = view.dropna().sort_index()
    return xr.Dataset(
        {"mu": (("seed", "track", "latent"), np.stack([view.to_numpy(float)] * len(seeds)))},
        coords={"seed": seeds, "track": view.index.to_numpy()},
        attrs={"method": method, "setting": setting, "label_use": label_use, "features": "lyrics"},
    )


def ladder(
    audio: xr.Dataset, view: pd.DataFrame, name: str, labels: pd.Series, made_from_labels: bool = False, seed: int = 0
) -> dict[str, xr.Dataset]:
    """A second view alone, joined with audio in both ways, and its two shuffled controls (joined in weighted blocks).

    `labels` [track] only serve the shuffle within genre; that control, and any view made from labels, is marked.
    """
    seeds, use = audio.seed.values.tolist(), "encoder" if made_from_labels else "none"
    dealt, dealt_inside = shuffled(view, seed), shuffled(view, seed, labels.loc[view.index])
    return {
        "lyrics alone": alone(view, seeds, "lyrics", f"control: {name} alone", use),
        "side by side": fuse(audio, view, "concat", name, label_use=use),
        "weighted": fuse(audio, view, "weighted", name, label_use=use),
        "shuffled over all": fuse(audio, dealt, "weighted", f"control: {name} shuffled", label_use=use),
        "shuffled within genre": fuse(
            audio, dealt_inside, "weighted", f"control: {name} shuffled within genre", label_use="encoder"
        ),
    }
