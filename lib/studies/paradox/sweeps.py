"""VAE and CVAE over beta, linear and not, beside what linear theory predicts from the features' covariance."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr

from lib.models import theory
from lib.store.runs import Run
from lib.studies.paradox import experiments
from lib.studies.paradox.pictures import Panels

COVARIANCE = {"VAE": "total", "CVAE": "within {label}"}  # whose eigenvalues theory takes
TITLES = {"VAE": "VAE, total covariance", "CVAE": "CVAE, covariance within {label}"}


def spectra(x: pd.DataFrame, y: np.ndarray) -> dict[str, np.ndarray]:
    """Eigenvalues of the covariance of x [track, D], in total and within labels y [track]."""
    return {"total": theory.spectrum(x.to_numpy()), "within {label}": theory.spectrum(x.to_numpy(), y)}


def measured(run: Run, x: pd.DataFrame, labels: pd.Series,
             cvaes: Mapping[float, xr.Dataset]) -> dict[str, dict[str, pd.DataFrame]]:
    """Quantities [beta, seed] of the four models (`theory.measured`) by model; `cvaes`: the MLP CVAE's latents by
    beta."""
    sweeps = {name: experiments.swept(run, x, labels, name) for name in ("linear VAE", "MLP VAE", "linear CVAE")}
    return {name: theory.measured(sweep) for name, sweep in (sweeps | {"MLP CVAE": cvaes}).items()}


def predicted(run: Run, eigenvalues: Mapping[str, np.ndarray], betas: list[float]) -> dict[str, pd.DataFrame]:
    """`theory.linear_theory` of VAE and CVAE."""
    return {kind: theory.linear_theory(eigenvalues[which], betas, run.settings.latent_dim)
            for kind, which in COVARIANCE.items()}


def panels(found: Mapping[str, dict[str, pd.DataFrame]], theories: Mapping[str, pd.DataFrame]) -> Panels:
    """A panel each for VAE and CVAE: the linear model, the MLP, and theory."""
    return {TITLES[kind]: ({name: found[name] for name in (f"linear {kind}", f"MLP {kind}")}, theories[kind])
            for kind in COVARIANCE}
