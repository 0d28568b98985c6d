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
from lib.studies.nuisances import ladder, protocol
from lib.studies.nuisances.found import POOLED, Nuisance, shown
from lib.studies.nuisances.ladder import Rung

# rung -> does it need the new group's unlabelled tracks? (On both sides, a CVAE needs a code that a new group lacks.)
RUNGS = {"nothing": False, "means": True, "linear": False, "decoder": False}


def chosen(tried: Sequence[Nuisance]) -> Nuisance | None:
    """The nuisance that explains most, of those with a group for each fold or more."""
    return next((one for one in tried if one.groups[one.groups != POOLED].nunique() >= protocol.protocol().folds), None)


def left_out(one: Nuisance, folds: int, seed: int) -> np.ndarray:
    """Which tracks are left out of each fold [fold, track]: whole groups, each in one fold; pooled groups never."""
    names = np.array(sorted(set(one.groups) - {POOLED}))
    fold = stream(seed, "groups left out").permutation(np.arange(len(names)) % folds)
    return np.stack([one.groups.isin(names[fold == i]).to_numpy() for i in range(folds)])


def agreements(run: Run, x: pd.DataFrame, one: Nuisance, y: np.ndarray, k: int) -> pd.DataFrame:
    """NMI of clusters of the tracks that were left out with their labels y [track]: [fold, rung], network of beta 1;
    each fold has a training seed of its own."""
    folds, network = protocol.protocol().folds, ladder.networks(run)[0]
    aside = left_out(one, folds, run.settings.seed)
    plain, wanted = ladder.config(run, x.shape[1], network), {}
    for rung in RUNGS:
        if rung in ladder.CVAES:
            told = ladder.config(run, x.shape[1], network, one.groups.nunique(), rung)
            wanted[rung] = Setting(told, x.to_numpy(), one.codes, aside)
        else:
            values = x.to_numpy() if rung == "nothing" else ladder.removed(run, x, one, rung, aside)
            wanted[rung] = Setting(plain, values, None, aside)
    names = {Rung(one.name, rung, network): setting for rung, setting in wanted.items()}
    latents = stacked_latents(run, names, run.settings.seeds(folds), x.index, protocol.schedule(run, len(x)))
    found = {name.rung: [_nmi(run, part.mu.values[i][out].astype(float), y[out], k, i) for i, out in enumerate(aside)]
             for name, part in latents.items()}
    return pd.DataFrame(found).rename_axis("fold")


def _nmi(run: Run, points: np.ndarray, y: np.ndarray, k: int, fold: int) -> float:
    """Mean over clustering seeds."""
    y, k = np.unique(y, return_inverse=True)[1], min(k, len(points) - 1)
    ids = [clustering.cluster(points, k, seed=1000 * fold + draw) for draw in range(run.settings.n_cluster_seeds)]
    return float(np.mean([agreement.nmi(y, each) for each in ids]))


def table(found: pd.DataFrame) -> pd.DataFrame:
    """Of `agreements`, each rung: NMI, gain over no correction (paired over folds), does it use new tracks."""
    return pd.DataFrame([{"rung": rung, "nmi": intervals.of_metric(found[rung], "nmi"),
                          "gain": intervals.paired(found[rung], found["nothing"]) if rung != "nothing" else "",
                          "uses new tracks": RUNGS[rung]} for rung in found])


def predicted(entries: Sequence[dict], one: Nuisance, found: pd.DataFrame) -> pd.DataFrame:
    """The predictions about this nuisance's unseen groups beside what became of them."""
    rows = []
    for entry in (each for each in entries if each["nuisance"] == one.name):
        change = intervals.paired(found[entry["rung"]], found["nothing"])
        held = judge(entry["nmi"], change)
        rows.append((f"{shown(one.name)}, unseen, {shown(entry['rung'])}", "nmi", entry["nmi"], change, held, False))
    return pd.DataFrame(rows, columns=["name", "metric", "predicted", "change", "held", "replication"])
