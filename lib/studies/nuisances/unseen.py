"""Groups that no model was trained on: a share of a nuisance's groups is left out of everything that is fitted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lib.models.latents import Setting, stacked_latents
from lib.report.rules import judge
from lib.scores import agreement, clustering, intervals
from lib.store.runs import Run
from lib.store.streams import stream
from lib.studies.nuisances import corrected, protocol
from lib.studies.nuisances.corrected import Corrected
from lib.studies.nuisances.found import POOLED, Nuisance, shown

# Does a correction need the new group's unlabelled tracks? (On both sides, a CVAE needs a code that a new group lacks.)
CORRECTIONS = {"nothing": False, "means": True, "linear": False, "decoder": False}


def chosen(tried: Sequence[Nuisance]) -> Nuisance | None:
    """The nuisance that explains most, of those with a group for each fold or more."""
    return next((one for one in tried if one.groups[one.groups != POOLED].nunique() >= protocol.protocol().folds), None)


def left_out(one: Nuisance, folds: int, seed: int) -> np.ndarray:
    """Which tracks are left out of each fold [fold, track]: whole groups, each in one fold; pooled groups never."""
    names = np.array(sorted(set(one.groups) - {POOLED}))
    fold = stream(seed, "groups left out").permutation(np.arange(len(names)) % folds)
    return np.stack([one.groups.isin(names[fold == i]).to_numpy() for i in range(folds)])


def agreements(run: Run, x: pd.DataFrame, one: Nuisance, y: np.ndarray, k: int) -> pd.DataFrame:
    """NMI of clusters of the tracks that were left out with their labels y [track]: [fold, correction], network of beta
    1; each fold has a training seed of its own."""
    folds, network = protocol.protocol().folds, corrected.networks(run)[0]
    aside = left_out(one, folds, run.settings.seed)
    plain, wanted = corrected.config(run, x.shape[1], network), {}
    for correction in CORRECTIONS:
        if correction in corrected.CVAES:
            given = corrected.config(run, x.shape[1], network, one.groups.nunique(), correction)
            wanted[correction] = Setting(given, x.to_numpy(), one.codes, aside)
        else:
            values = x.to_numpy() if correction == "nothing" else corrected.removed(run, x, one, correction, aside)
            wanted[correction] = Setting(plain, values, None, aside)
    names = {Corrected(one.name, correction, network): setting for correction, setting in wanted.items()}
    latents = stacked_latents(run, names, run.settings.seeds(folds), x.index, protocol.schedule(run, len(x)))
    found = {name.correction: [_nmi(run, part.mu.values[i][out].astype(float), y[out], k, i)
                               for i, out in enumerate(aside)]
             for name, part in latents.items()}
    return pd.DataFrame(found).rename_axis("fold")


def _nmi(run: Run, points: np.ndarray, y: np.ndarray, k: int, fold: int) -> float:
    """Mean over clustering seeds."""
    y, k = np.unique(y, return_inverse=True)[1], min(k, len(points) - 1)
    ids = [clustering.cluster(points, k, seed=1000 * fold + draw) for draw in range(run.settings.n_cluster_seeds)]
    return float(np.mean([agreement.nmi(y, each) for each in ids]))


def table(found: pd.DataFrame) -> pd.DataFrame:
    """Of `agreements`, each correction: NMI, gain over no correction (paired over folds), does it use new tracks."""
    return pd.DataFrame([{"correction": correction, "nmi": intervals.of_metric(found[correction], "nmi"),
                          "gain": (intervals.paired(found[correction], found["nothing"])
                                   if correction != "nothing" else ""),
                          "uses new tracks": CORRECTIONS[correction]} for correction in found])


def predicted(entries: Sequence[dict], one: Nuisance, found: pd.DataFrame) -> pd.DataFrame:
    """The predictions about this nuisance's unseen groups beside what became of them."""
    rows = []
    for entry in (each for each in entries if each["nuisance"] == one.name):
        change = intervals.paired(found[entry["correction"]], found["nothing"])
        held = judge(entry["nmi"], change)
        said = f"{shown(one.name)}, unseen, {shown(entry['correction'])}"
        rows.append((said, "nmi", entry["nmi"], change, held, False))
    return pd.DataFrame(rows, columns=["name", "metric", "predicted", "change", "held", "replication"])
