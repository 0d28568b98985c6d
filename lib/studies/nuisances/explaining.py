"""Linear theory of what leaves: given a nuisance, a decoder needs a code for the covariance within its groups alone.

That conditioning takes a nuisance out was the aim of Louizos et al. 2016 (VFAE, arXiv 1511.00830) and Moyer et al. 2018
(arXiv 1805.09458).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import xarray as xr

from lib.models import theory
from lib.scores import information, intervals
from lib.store.runs import Run
from lib.studies.nuisances import ladder
from lib.studies.nuisances.found import Nuisance, shown
from lib.studies.nuisances.ladder import Rung


def spectra(x: pd.DataFrame, tried: Sequence[Nuisance]) -> dict[str, object]:
    """Eigenvalues of the covariance of standardised x [track, D], in total and within the groups of each nuisance."""
    return {"total": theory.spectrum(x.to_numpy())} | {
        shown(one.name): theory.spectrum(x.to_numpy(), one.codes) for one in tried}


def beside(run: Run, latents: Mapping[Rung, xr.Dataset], x: pd.DataFrame, tried: Sequence[Nuisance]) -> pd.DataFrame:
    """Per nuisance and beta: share of variance explained, eigenvalues within groups above beta/2 (at most the latent's
    dimensions), active dimensions of the CVAE with the nuisance in its decoder, and what leaves of the rate in nats: by
    theory (optimal linear models) and as measured, VAE minus CVAE."""
    values, rows, most = spectra(x, tried), [], run.settings.latent_dim
    for network in ladder.networks(run):
        beta, plain = float(network.split()[1]), latents[Rung("", "nothing", network)]
        rate = {name: theory.predicted_kl(one[:most], beta).sum() for name, one in values.items()}
        for one in tried:
            told = latents[Rung(one.name, "decoder", network)]
            rows.append({
                "nuisance": one.name, "beta": beta, "explained": one.explained,
                "above": min(most, theory.predicted_active(values[shown(one.name)], beta)),
                "active_dims": intervals.of_metric(information.active_dimensions(told.kl.values), "active_dims"),
                "leaves, theory": rate["total"] - rate[shown(one.name)],
                "leaves": intervals.interval((plain.kl - told.kl).sum("latent").values),
            })
    return pd.DataFrame(rows)
