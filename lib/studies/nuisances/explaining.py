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
from lib.studies.nuisances import corrected
from lib.studies.nuisances.corrected import Corrected
from lib.studies.nuisances.found import Nuisance, shown


def spectra(x: pd.DataFrame, tried: Sequence[Nuisance]) -> dict[str, object]:
    """Eigenvalues of the covariance of standardised x [track, D], in total and within the groups of each nuisance."""
    return {"total": theory.spectrum(x.to_numpy())} | {
        shown(one.name): theory.spectrum(x.to_numpy(), one.codes) for one in tried}


def beside(run: Run, latents: Mapping[Corrected, xr.Dataset], x: pd.DataFrame,
           tried: Sequence[Nuisance]) -> pd.DataFrame:
    """Per nuisance and beta: share of variance explained, eigenvalues within groups above beta/2 (at most the latent's
    dimensions), active dimensions of the CVAE with the nuisance in its decoder, and what leaves of the rate in nats: by
    theory (optimal linear models) and as measured, VAE minus CVAE."""
    values, rows, most = spectra(x, tried), [], run.settings.latent_dim
    for network in corrected.networks(run):
        beta, plain = float(network.split()[1]), latents[Corrected("", "nothing", network)]
        rate = {name: theory.predicted_kl(one[:most], beta).sum() for name, one in values.items()}
        for one in tried:
            given = latents[Corrected(one.name, "decoder", network)]
            rows.append({
                "nuisance": one.name, "beta": beta, "explained": one.explained,
                "above": min(most, theory.predicted_active(values[shown(one.name)], beta)),
                "active_dims": intervals.of_metric(information.active_dimensions(given.kl.values), "active_dims"),
                "leaves, theory": rate["total"] - rate[shown(one.name)],
                "leaves": intervals.interval((plain.kl - given.kl).sum("latent").values),
            })
    return pd.DataFrame(rows)
