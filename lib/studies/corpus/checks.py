"""What a corpus is: copies, words, arrays, what the features carry of it, and how hard it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from lib.corpora import label_matching
from lib.features import audio
from lib.models import theory
from lib.models.latents import mlp_latents
from lib.models.vae import ModelConfig
from lib.scores import agreement, difficulty, information, properties
from lib.store import artifacts
from lib.store.runs import Run

SAME = 0.9  # NMI above which a column is the label in other words
BETA, TRACKS, SECONDS = 4.0, 1000, 30  # of the models and the corpus that the windows of difficulty were set for


def copies(run: Run, n: int) -> dict[str, int | str]:
    """Groups of exact duplicates among `n` tracks, those `across` labels, and what the other setting would leave."""
    found = artifacts.load(run, "duplicates")
    agree = found.groupby("group")["labels_agree"].first().astype(bool)
    across = int((~agree).sum())
    dropped = int((found.groupby("group").size() - 1).sum()) + across
    keep = run.settings.duplicates == "keep"
    return {"groups": len(agree), "across": across, "setting": run.settings.duplicates, "n": n,
            "other": f"drop would leave {n - dropped}" if keep else "copies dropped"}


def words_found(run: Run, report: pd.DataFrame, named: int = 5) -> dict[str, int | str]:
    """Tracks `n` that have words by the `report` of a lyrics file, and entries that belong to no track, some named."""
    strangers = report.loc[report["status"] == "unmatched", "entry"]
    which = f" ({', '.join(strangers.head(named))}{', ...' if len(strangers) > named else ''})"
    return {"n": len(artifacts.load(run, "lyrics")["text"].dropna()), "strangers": len(strangers),
            "which": which if len(strangers) else ""}


def labels_found(run: Run) -> dict[str, Any] | None:
    """What became of the rows of a table of labels (`rows`: status, entries, ...; `n` lines), how many of `all` files
    are `used`, and how many are `left` without a label; None where folders are the labels."""
    if not artifacts.has(run, "labels_report"):
        return None
    report = artifacts.load(run, "labels_report").fillna("")
    used, left = (int((report["status"] == status).sum()) for status in ("used", "unlabelled"))
    return {"rows": label_matching.summary(report), "n": len(report), "used": used, "left": left, "all": used + left}


def in_other_words(columns: pd.DataFrame, labels: pd.Series) -> pd.Series:
    """NMI [column] with the labels [track] of those columns [track, column] that all but determine them: above
    `SAME`."""
    found = {name: agreement.nmi(labels.loc[column.index].to_numpy(), column.fillna("").astype(str).to_numpy())
             for name, column in columns.items()}
    return pd.Series(found, dtype=float).loc[lambda nmi: nmi > SAME].sort_values(ascending=False)


def named(same: pd.Series, columns: pd.DataFrame) -> dict[str, Any]:
    """What a sentence says of the columns that are the label in other words, out of all."""
    return {"n": len(same), "all": columns.shape[1], "names": ", ".join(same.index), "limit": SAME}


def one_of_each(labels: pd.Series, most: int = 12) -> dict[str, str]:
    """The first track of each label of `labels` [track], in the order of labels: label -> track."""
    first = labels.groupby(labels).apply(lambda group: group.index[0]).head(most)
    return {str(label): track for label, track in first.items()}


def arrays(data: xr.Dataset) -> pd.DataFrame:
    """A row per array: array, shape, dims."""
    rows = [(name, " x ".join(map(str, array.shape)), ", ".join(array.dims)) for name, array in data.data_vars.items()]
    return pd.DataFrame(rows, columns=["array", "shape", "dims"])


def described(descriptors: pd.DataFrame) -> pd.DataFrame:
    """A row per column of `descriptors` [track, name]: descriptor, unit, meaning, mean and std over tracks."""
    rows = [(name, *audio.DESCRIPTORS[name][:2], column.mean(), column.std()) for name, column in descriptors.items()]
    return pd.DataFrame(rows, columns=["descriptor", "unit", "meaning", "mean", "std"])


def spectra(x: pd.DataFrame, labels: pd.Series) -> dict[str, np.ndarray]:
    """Eigenvalues of the standardised x [track, D], total and within labels, in falling order."""
    within = theory.spectrum(x.to_numpy(), labels.loc[x.index].to_numpy())
    return {"total": theory.spectrum(x.to_numpy()), "within labels": within}


def hardness(run: Run, x: pd.DataFrame, labels: pd.Series, given: pd.Series) -> pd.DataFrame:
    """The corpus beside the windows of GTZAN (`difficulty`), with a VAE of x [track, D] and a CVAE that is `given`
    labels: quantity, value, low, high, met."""
    s = run.settings
    shape = {"n_features": x.shape[1], "latent_dim": s.latent_dim, "hidden": s.hidden, "beta": BETA}
    reads = {"n_labels": given.nunique(), "y_encoder": True, "y_decoder": True}
    vae = mlp_latents(run, "beta_vae", x, ModelConfig(**shape), run.seeds)
    cvae = mlp_latents(run, "cvae", x, ModelConfig(**shape | reads), run.seeds, labels=given)
    active = [information.active_dimensions(model.kl.values) for model in (vae, cvae)]
    found = difficulty.difficulty(x.to_numpy(), labels.loc[x.index].to_numpy(), *active)
    return found.rename(columns={"inside": "met"})


def sizes(run: Run, n: int) -> dict[str, float]:
    """What the windows of difficulty were set for (`tracks` of `length` s) and this run has (`n` of `seconds`)."""
    return {"tracks": TRACKS, "length": SECONDS, "n": n, "seconds": run.settings.seconds, "seeds": len(run.seeds)}


def heard(run: Run, x: pd.DataFrame, labels: pd.Series) -> pd.Series:
    """Share of each numeric factor's variance [factor] that x [track, D] explains within labels, in rising order."""
    factors, y = artifacts.load(run, "factors").select_dtypes("number").loc[x.index], labels.loc[x.index].to_numpy()
    shares = properties.r2_within(x.to_numpy(), {name: factors[[name]].to_numpy() for name in factors}, y)
    return pd.Series(shares).dropna().sort_values()


def carried(shares: pd.Series) -> dict[str, float | str]:
    """How many of the `heard` factors the features carry, and which, the best first."""
    best = shares[shares >= properties.CARRIED].index[::-1]
    return {"n": len(shares), "k": len(best), "floor": properties.CARRIED, "names": ", ".join(best)}
