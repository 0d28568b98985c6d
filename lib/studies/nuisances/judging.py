"""The predictions about nuisances (notebooks/predictions.yaml), and what became of those that this corpus can judge."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import yaml

from lib.scores.intervals import Estimate
from lib.store.runs import Run
from lib.store.series import NOTEBOOKS
from lib.studies.nuisances import coincidence, gains, unseen
from lib.studies.nuisances.corrected import Clustered
from lib.studies.nuisances.found import Nuisance


def judged(run: Run, found: Clustered, tried: Sequence[Nuisance], y: np.ndarray, units: pd.Series,
           left_out: tuple[Nuisance | None, pd.DataFrame | None],
           ends: dict[tuple[float, str], Estimate]) -> pd.DataFrame:
    """Every prediction about a nuisance of this corpus, about its unseen groups, and about the planted low-pass: name,
    metric, predicted, change, held, replication."""
    written = yaml.safe_load((NOTEBOOKS / "predictions.yaml").read_text(encoding="utf-8"))
    parts = [gains.predicted(written["nuisances"], run, found, tried, y, units)]
    one, agreements = left_out
    if one is not None and agreements is not None:
        parts.append(unseen.predicted(written["unseen"], one, agreements))
    parts.append(coincidence.predicted(written["coincidence"], ends))
    return pd.concat([part for part in parts if len(part)], ignore_index=True)
