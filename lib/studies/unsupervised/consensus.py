"""Consensus clustering of what the best row embeds, by a protocol that is older than its meetings with real corpora."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
import yaml

from lib.models import consensus, contrastive
from lib.models.consensus import PROTOCOL, Protocol
from lib.scores import agreement
from lib.scores import table as scores
from lib.scores.intervals import Interval
from lib.store import artifacts
from lib.store.remembering import remembered
from lib.store.runs import Run

SHOWN = ("nmi", "nmi_null", "ami", "ari", "accuracy", "purity", "part_nmi", "part_nmi_null")
RESULTS = PROTOCOL.with_name("consensus_results.csv")
INTERVALS = ("nmi", "old", "gain", "gain_over_tracks")  # in the results, with `_low` and `_high` beside them


def settings(choice: Protocol) -> pd.DataFrame:
    """Every constant of the protocol: setting, value."""
    return pd.DataFrame(choice.model_dump().items(), columns=["setting", "value"]).astype(str)


def points(run: Run, log_mel: xr.DataArray, seeds: list[int], choice: contrastive.Protocol) -> xr.Dataset:
    """What the best row embeds, as `x` [seed, track, column]: the features of the consensus."""
    found = contrastive.joined(run, log_mel, seeds, choice)
    return xr.Dataset({"x": (("seed", "track", "column"), found)}, {"seed": seeds, "track": log_mel.track.to_numpy()})


@remembered
def score(run: Run, points: xr.Dataset, labels: pd.Series, constants: dict, null_seeds: int = 1) -> pd.DataFrame:
    """Rows of the score table for `points`.

    k is the number of labels. `nmi_null` permutes the labels; `part_nmi_null`, of the first
    `null_seeds` alone since it takes as long as the row, draws a Gaussian before UMAP.
    """
    choice, rows = Protocol(**constants), []
    y = np.unique(labels.loc[points.track.values].to_numpy(), return_inverse=True)[1]
    k = min(scores.n_clusters(run, labels), len(y) - 1)
    for i, seed in enumerate(points.seed.values.tolist()):
        x = points.x.sel(seed=seed).values
        found, agreed = consensus.consensus(x, k, seed, choice)
        null = agreement.nmi_null(y, found, np.random.default_rng([seed, 0]), 1)[0]
        values = {"n_tracks": float(len(y)), **agreement.external(y, found), "nmi_null": null, "part_nmi": agreed}
        if i < null_seeds:
            values["part_nmi_null"] = consensus.of_nothing(x, k, seed, choice)[1]
        rows += [(seed, "consensus", "", name, value) for name, value in values.items()]
    table = pd.DataFrame(rows, columns=["seed", "clusterer", "clusterer_seed", "metric", "value"])
    setting = f"umap={choice.n_umaps} heads={choice.n_heads}"
    about = {"features": "log_mel_crops", "method": "consensus", "beta": np.nan, "label_in": "none",
             "dim": points.sizes["column"], "role": "method", "setting": setting, "label_use": "none"}
    return table.assign(corpus=run.settings.corpus, **about)[artifacts.SCORE_COLUMNS]


def about_protocol(path: Path = PROTOCOL) -> dict[str, str]:
    """What a protocol's file says in words: `parts`, `k`, `reported`, `predicted`, `date`, `history`; and the `hash`
    of the whole file, which the results bear."""
    words = {name: text for name, text in yaml.safe_load(path.read_text()).items() if name != "constants"}
    return words | {"hash": digest(path)}


def digest(path: Path = PROTOCOL) -> str:
    """The first digits of the SHA-256 of a protocol's file, whatever its line ends."""
    return hashlib.sha256(path.read_bytes().replace(b"\r\n", b"\n")).hexdigest()[:16]


def meetings(path: Path = RESULTS) -> pd.DataFrame:
    """The meetings with real corpora so far, one a row, as they are shown: `INTERVALS` over seeds, the last one over
    seeds and groups of tracks."""
    rows, shown = [], []
    if path.is_file():  # there is none before the first meeting
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
    for row in rows:
        spans = {name: Interval(*(float(row[name + end]) for end in ("", "_low", "_high")), int(row["seeds"]))
                 for name in INTERVALS}
        plain = {name: int(row[name]) for name in ("tracks", "clusters", "seeds")}
        nulls = {name: float(row[name]) for name in ("nmi_null", "nmi_gaussian", "part_nmi", "part_nmi_null")}
        shown.append({"corpus": row["corpus"], "seen": row["seen"], **plain, **spans, **nulls})
    names = {"old": "NMI, UMAP and k-means", "gain_over_tracks": "gain, over seeds and groups"}
    columns = ["corpus", "seen", "tracks", "clusters", "seeds", *INTERVALS]
    return pd.DataFrame(shown or None, columns=None if shown else columns).rename(columns=names)
