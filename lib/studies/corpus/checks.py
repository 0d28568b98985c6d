"""What a corpus is: copies, words, arrays, what the features carry of it, and how hard it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from lib.corpora import label_matching, lyrics_matching
from lib.features import audio
from lib.models import theory
from lib.models.latents import mlp_latents
from lib.models.vae import ModelConfig
from lib.report.glossary import shown
from lib.report.rules import in_words
from lib.scores import difficulty, information, properties, sampling
from lib.scores.table import n_clusters
from lib.store import artifacts
from lib.store.labels import FEW
from lib.store.runs import Run

BETA, TRACKS, SECONDS = 4.0, 1000, 30  # of the models and the corpus that the windows of difficulty were set for


def copies(run: Run, n: int) -> dict[str, int | str]:
    """Groups of exact duplicates among `n` tracks, those `across` labels, and what the other setting would leave."""
    found = artifacts.load(run, "duplicates")
    agree = found.groupby("group")["labels_agree"].first().astype(bool)
    across = int((~agree).sum())
    dropped = int((found.groupby("group").size() - 1).sum()) + across
    keep = run.settings.duplicates == "keep"
    policy = f"all copies are kept (one of each would leave {n - dropped} of {n} tracks)" if dropped else ""
    policy = policy if keep else "one copy of each is kept"
    return {"groups": len(agree), "across": across, "n": n, "policy": policy or f"n = {n} tracks"}


def sampled(run: Run, labels: pd.Series) -> pd.DataFrame:
    """What is computed of a sample on this corpus, and the error of that (`scores.sampling`) on MFCC statistics; kept
    for the banner of every notebook. No rows where everything is computed of all tracks."""
    x = artifacts.load(run, "features", ["mfcc"]).mfcc.to_pandas()
    found = sampling.errors(x.to_numpy(float), labels.loc[x.index].to_numpy(), n_clusters(run, labels))
    names = [f"{shown(metric)}, {shown(of, ('clusterers', 'columns'))}"
             for metric, of in found[["metric", "of"]].itertuples(index=False)]
    found = found.drop(columns=["metric", "of"]).assign(measure=names).set_index("measure")
    if len(found):
        artifacts.save(run, "sampling", found)
    return found


def copies_listed(run: Run) -> pd.DataFrame:
    """A row per group of exact duplicates: the files, and whether they have the same label."""
    found = artifacts.load(run, "duplicates").groupby("group", sort=False)
    rows = [(" = ".join(sorted(group["file"])), bool(group["labels_agree"].iloc[0])) for _, group in found]
    return pd.DataFrame(sorted(rows), columns=["files", "same label"])


def whence(run: Run) -> str:
    """Where labels without a table come from, in words."""
    if run.settings.corpus == "controlled":
        return "the {label} by whose rules each track was composed"
    if run.settings.corpus in ("log_mel", "gtzan_logmel"):
        return "the {label} that the spectrograms' file or folder gives each track"
    return "the name of each track's folder"


def accounts(files: pd.DataFrame, from_files: bool) -> dict[str, int | str]:
    """The sums of the table `files` (group, what, files) that a sentence says."""
    of = files.groupby("group")["files"].sum()
    noted = files.loc[files["what"] == "with a note", "files"].sum()
    left = of.get("left out", 0)
    return {"things": "files" if from_files else "tracks", "used": int(of.get("used", 0)), "noted": int(noted),
            "listed": int(of.get("listed", 0)), "ignored": int(of.get("ignored", 0)),
            "left_out": f"; {left} excluded by settings" if left else ""}


def alike(labels: pd.Series) -> str:
    """Labels that differ only in case or blanks, named: "Rock, rock; R&B, r & b"; "" when there are none."""
    groups: dict[str, list[str]] = {}
    for label in sorted(labels.unique()):
        groups.setdefault("".join(label.casefold().split()), []).append(label)
    return "; ".join(", ".join(group) for group in groups.values() if len(group) > 1)


def words_found(run: Run, report: pd.DataFrame, named: int = 5) -> dict[str, int | str]:
    """Tracks `n` that have words by the `report` of a lyrics file, and entries that belong to no track, some named."""
    strangers = report.loc[report["status"] == "unmatched", "entry"]
    which = f" ({', '.join(strangers.head(named))}{', ...' if len(strangers) > named else ''})"
    n = len(artifacts.load(run, "lyrics")["text"].dropna()) if artifacts.has(run, "lyrics") else 0
    return {"n": n, "strangers": len(strangers),
            "which": which if len(strangers) else ""}


def few_tracks(labels: pd.Series, named: int = 5) -> dict[str, int | str]:
    """The labels [track] with too few tracks for scores: how many of how many (`all`), their `tracks`, some names."""
    sizes = labels.value_counts()
    small = sizes[sizes < FEW]
    return {"n": len(small), "all": len(sizes), "tracks": int(small.sum()), "few": FEW,
            "names": ", ".join(map(str, small.index[:named])) + ", ..." * (len(small) > named)}


def labels_found(run: Run) -> dict[str, Any] | None:
    """What became of the rows of a table of labels (`rows`: status, entries, ...; `n` lines), how many of `all` files
    are `used`, and how many are `left` without a label; None where folders are the labels."""
    if not artifacts.has(run, "labels_report"):
        return None
    report = artifacts.load(run, "labels_report").fillna("")
    used, left = (int((report["status"] == status).sum()) for status in ("used", "unlabelled"))
    return {"rows": label_matching.summary(report), "n": len(report), "used": used, "left": left, "all": used + left}


def named(same: pd.Series, columns: pd.DataFrame) -> dict[str, Any]:
    """What a sentence says of the columns that are the label in other words (`properties.in_other_words`), of all."""
    return {"n": len(same), "all": columns.shape[1], "names": ", ".join(same.index), "limit": properties.SAME}


def added(report: pd.DataFrame) -> dict[str, int]:
    """From how many texts of a lyrics file something was taken off that a site had added, and how many pieces."""
    pieces = report["added"].astype(int)
    return {"texts": int((pieces > 0).sum()), "pieces": int(pieces.sum())}


def shared(report: pd.DataFrame, named: int = 3) -> tuple[float, dict[str, int | float | str]]:
    """The share of tracks with words whose words other tracks have too; how many, and those of the commonest text."""
    own = report[report["status"].isin(["matched", "shared"])]
    alike = own["alike"].astype(int)
    first = own[alike == alike.max()]["file"]
    more = ", ..." if alike.max() > named else ""
    which = f" (one text {alike.max()}: {', '.join(first.head(named))}{more})" if alike.max() > 1 else ""
    n = int((alike > 1).sum())
    return n / len(own), {"n": n, "all": len(own), "most": lyrics_matching.MOST_SHARED, "which": which}


def one_of_each(labels: pd.Series, most: int = 12) -> dict[str, str]:
    """The first track of each label of `labels` [track], in the order of labels: label -> track."""
    first = labels.groupby(labels).apply(lambda group: group.index[0]).head(most)
    return {str(label): track for label, track in first.items()}


def arrays(data: xr.Dataset) -> pd.DataFrame:
    """A row per array: array, size, dims."""
    rows = [(name, " x ".join(map(str, array.shape)), ", ".join(array.dims)) for name, array in data.data_vars.items()]
    return pd.DataFrame(rows, columns=["array", "size", "dims"])


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
    return difficulty.difficulty(x.to_numpy(), labels.loc[x.index].to_numpy(), *active)


def sizes(run: Run, n: int) -> dict[str, float]:
    """What the windows of difficulty were set for (`tracks` of `length` s) and this run has (`n` of `seconds`)."""
    return {"tracks": TRACKS, "length": SECONDS, "n": n, "seconds": run.settings.seconds, "seeds": len(run.seeds)}


def encoded(run: Run, x: pd.DataFrame, labels: pd.Series) -> pd.Series:
    """Share of each numeric factor's variance [factor] that x [track, D] explains within labels, in rising order."""
    factors, y = artifacts.load(run, "factors").select_dtypes("number").loc[x.index], labels.loc[x.index].to_numpy()
    shares = properties.r2_within(x.to_numpy(), {name: factors[[name]].to_numpy() for name in factors}, y)
    return pd.Series(shares).dropna().sort_values()


def best_encoded(shares: pd.Series) -> dict[str, float | str]:
    """How many of the `encoded` factors the features encode, and which, the best first."""
    best = shares[shares >= properties.ENCODED].index[::-1]
    return {"n": len(shares), "k": len(best), "floor": properties.ENCODED,
            "names": in_words(map(shown, best)) if len(best) else ""}
