"""How far without labels: the contrastive VAE on crops, embedded by UMAP, by a protocol fixed in advance."""

from __future__ import annotations

import pandas as pd
import xarray as xr

from lib.models import contrastive
from lib.models.contrastive import Protocol
from lib.models.latents import umap_latents
from lib.scores import agreement, clustering, intervals
from lib.scores import table as scores
from lib.scores.intervals import Interval
from lib.store import labels, runs
from lib.store.runs import Run

SHOWN = ("nmi", "nmi_null", "ami", "ari", "accuracy", "purity", "silhouette")


def tuned_here(run: Run) -> bool:
    """Was the protocol settled by the labels of this run's corpus? See its history."""
    return run.settings.corpus == "controlled"


def claim_of(run: Run) -> str:
    """The claim about the row: what it reaches where it was settled is in-sample."""
    return "label_free_row_tuned" if tuned_here(run) else "label_free_row"


def stored(run: Run, rows: pd.DataFrame) -> pd.DataFrame:
    """Score rows with the role that they have on this corpus."""
    return rows.assign(role=scores.TUNED) if tuned_here(run) else rows


def kept(choice: Protocol) -> str:
    """Is this the protocol as it was committed?"""
    return "as committed" if choice == contrastive.protocol() else "with fewer epochs than committed, for a trial run"


def settings(choice: Protocol) -> pd.DataFrame:
    """Every choice of the protocol: setting, value."""
    return pd.DataFrame(choice.model_dump().items(), columns=["setting", "value"]).astype(str)


def latents(run: Run, log_mel: xr.DataArray, mfcc_delta: pd.DataFrame, seeds: list[int],
            choice: Protocol) -> dict[str, xr.Dataset]:
    """`single` networks, the `best` row that joins some of them, and `umap` of MFCC statistics without a network."""
    best = contrastive.best_latents(run, log_mel, seeds, choice)
    networks = contrastive.contrastive_latents(run, log_mel, contrastive.numbers(seeds, choice), choice)
    umap = umap_latents(run, mfcc_delta, choice.umap_dim, seeds, "mfcc_delta")
    return {"single": networks.sel(seed=seeds), "best": best, "umap": umap}


def score(run: Run, found: dict[str, xr.Dataset], genre: pd.Series) -> dict[str, pd.DataFrame]:
    """The score tables of `latents`: single networks with probes, the reference without nulls."""
    return {"single": scores.score(run, found["single"], genre, probes=True),
            "best": scores.score(run, found["best"], genre),
            "umap": scores.score(run, found["umap"], genre, nulls=False)}


def mteb(found: dict[str, xr.Dataset], genre: pd.Series) -> dict[str, Interval]:
    """V-measure by the protocol of MTEB's clustering tasks, over seeds, of the row and of a single network."""
    y = genre.loc[found["best"].track.values].to_numpy()
    rows = agreement.counted(y)

    def value(name: str, seed: int) -> float:
        points = found[name].mu.sel(seed=seed).values.astype(float)
        return float(clustering.mteb(points[rows], y[rows], seed=seed).mean())

    return {name: intervals.of_metric([value(name, seed) for seed in found["best"].seed.values.tolist()], "v_measure")
            for name in ("best", "single")}


def openings(run: Run) -> pd.DataFrame:
    """Openings of the labels in this run's folder so far, by notebook and purpose."""
    return labels.ledger(runs.load_records(run.folder))


def own_openings(run: Run) -> int:
    """How often this notebook opened them for evaluation."""
    ledger = openings(run)
    return int(ledger.loc[(ledger["notebook"] == run.notebook) & (ledger["purpose"] == "evaluation"), "openings"].sum())
