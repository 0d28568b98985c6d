"""What fresh probes, trained afterwards, read of label and nuisance from mu and from one sample of each latent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from lib.scores import probes
from lib.store.remembering import remembered
from lib.store.runs import Run
from lib.store.streams import stream
from lib.studies.nuisances import corrected
from lib.studies.nuisances.corrected import Corrected
from lib.studies.nuisances.found import Nuisance

CORRECTIONS = ("means", *corrected.CVAES)  # beside nothing removed; all with the network of beta 1
READERS = ("linear", "rbf")
MOST = 2  # nuisances, those that explain most, of which probes are trained


def readings(run: Run, latents: Mapping[Corrected, xr.Dataset], tried: Sequence[Nuisance],
             y: np.ndarray) -> pd.DataFrame:
    """Cross-validated accuracies, first seed, of the first `MOST` nuisances: a row per nuisance and correction, columns
    `label mu linear`, `nuisance z rbf`, ..., and `label null`, `nuisance null`: the linear reader of mu with permuted
    classes. y [track] are labels."""
    network, tried = corrected.networks(run)[0], tried[:MOST]
    plain = latents[Corrected("", "nothing", network)].isel(seed=0)
    label, rows = _read(run, plain, y, "label"), []
    for one in tried:
        rows.append(pd.concat([label, _read(run, plain, one.codes, "nuisance")], axis=1).assign(correction="nothing"))
        for correction in CORRECTIONS:
            latent = latents[Corrected(one.name, correction, network)].isel(seed=0)
            parts = [_read(run, latent, y, "label"), _read(run, latent, one.codes, "nuisance")]
            rows.append(pd.concat(parts, axis=1).assign(correction=correction))
    names = np.repeat([one.name for one in tried], 1 + len(CORRECTIONS))
    table = pd.concat(rows, ignore_index=True).assign(nuisance=names)
    return table[["nuisance", "correction", *(name for name in table if name not in ("nuisance", "correction"))]]


@remembered
def _read(run: Run, latents: xr.Dataset, codes: np.ndarray, what: str) -> pd.DataFrame:
    """One row: accuracies of every reader of codes [track], from mu and from a sample, and the null."""
    seed = run.settings.seed
    points = {source: latents[source].values.astype(float) for source in ("mu", "z")}
    found = {f"{what} {source} {reader}": probes.probe_accuracy(some, codes, reader, seed)
             for source, some in points.items() for reader in READERS}
    permuted = stream(seed, "permuted labels of a probe").permutation(codes)
    return pd.DataFrame([found | {f"{what} null": probes.probe_accuracy(points["mu"], permuted, "linear", seed)}])
