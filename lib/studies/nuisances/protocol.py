"""The protocol of notebook 10 (notebooks/nuisances.yaml), committed before its first run."""

from __future__ import annotations

import functools

import yaml
from pydantic import BaseModel, ConfigDict

from lib.models.latents import Schedule
from lib.store.runs import Run
from lib.store.series import NOTEBOOKS


class Protocol(BaseModel):
    """Its choices; unknown names are errors. What each means stands in the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    least_tracks: int
    bins: int
    most: int
    margin: float
    least_groups: int
    strengths: tuple[float, ...]
    corners: tuple[float, float]
    folds: int
    epochs: int
    batch_size: int
    learning_rate: float
    patience: int


@functools.cache
def protocol() -> Protocol:
    """As it was committed."""
    return Protocol(**yaml.safe_load((NOTEBOOKS / "nuisances.yaml").read_text(encoding="utf-8")))


def schedule(run: Run, n: int) -> Schedule:
    """How the corrected is trained on n tracks; a run with shorter training (a trial) shortens it as well."""
    choice, s = protocol(), run.settings
    batch = max(min(s.batch_size, choice.batch_size), min(choice.batch_size, n // 8))  # several steps an epoch
    return Schedule(min(choice.epochs, s.epochs), batch, choice.learning_rate, choice.patience, s.held_out)


def seeds(run: Run) -> list[int]:
    """Training seeds of the corrected."""
    return run.settings.seeds(run.settings.n_seeds_corrections)
