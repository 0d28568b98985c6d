"""The one place where labels are opened, for a stated purpose.

Features, latents and clusters are made without labels. They join here, for `evaluation`; for `conditioning` (a CVAE
is given them, and its latents are marked); for a `supervised_control`; or for a `corpus_check` in notebook 01.
"""

from __future__ import annotations

import time

import pandas as pd

from lib import artifacts
from lib.artifacts import Run

PURPOSES = ("evaluation", "conditioning", "supervised_control", "corpus_check")
LABEL_USE = ("none", "encoder", "decoder", "both", "prior", "auxiliary")


def seal(run: Run, labels: pd.Series) -> None:
    """Store the labels of a corpus, `labels` [track] indexed by track id, where only `open_labels` reads them."""
    table = labels.rename("label").rename_axis("track").sort_index().to_frame()
    artifacts.save(run, "labels", table)


def open_labels(run: Run, purpose: str) -> pd.Series:
    """The label of every track, indexed by track id and sorted by it; the opening is recorded with its purpose."""
    if purpose not in PURPOSES:
        raise ValueError(f"labels are opened for one of {PURPOSES}, not for {purpose!r}")
    labels = artifacts.load(run, "labels")["label"].astype(str)
    artifacts.record(run, "label_openings", {"purpose": purpose, "n": len(labels), "time": time.time()})
    return labels
