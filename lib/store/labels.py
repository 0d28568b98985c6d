"""The one place where labels are opened, for a stated purpose.

Features, latents and clusters are made without labels. They join here, for `evaluation`; for `conditioning` (a CVAE
is given them, and its latents are marked); for a `supervised_control`; or for a `corpus_check` in notebook 01. They
know for what, and whatever learns from them or is built with them asks (`must_be_open`); scores take any.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pandas as pd

from lib.store import array_folder, artifacts, runs
from lib.store.array_folder import ArrayFolder
from lib.store.runs import Run

PURPOSES = ("evaluation", "conditioning", "supervised_control", "corpus_check")
MEANING = {
    "evaluation": "clusters and latents are compared with them; nothing learns from them",
    "conditioning": "a model is given them as an input; its latents are marked and not ranked",
    "supervised_control": "a control is built or fitted with them, to show what can be reached",
    "corpus_check": "the corpus itself is described",
}
FEW = 5  # tracks that a label needs to count in scores: fewer cannot be in every fold
LABEL_USE = ("none", "encoder", "decoder", "both", "prior", "auxiliary", "features", "through nuisance")


class Labels(pd.Series):
    """Labels [track] that know what they were opened for.

    What pandas makes of them (`loc`, `sample`, `set_axis`) knows it too. What does not (`concat`, a new Series, an
    array) is refused wherever a purpose is asked for.
    """

    purpose: str | None = None
    _metadata = [*pd.Series._metadata, "purpose"]

    @property
    def _constructor(self) -> type[Labels]:
        return Labels


def must_be_open(labels: pd.Series, *purposes: str) -> None:
    """Whoever learns from labels, or builds with them, says here what they must have been opened for."""
    purpose = getattr(labels, "purpose", None) if isinstance(labels, Labels) else None
    if purpose not in purposes:
        found = f"were opened for {purpose!r}" if purpose else "do not say what they were opened for"
        raise ValueError(f"these labels {found}: here they must be open for {' or '.join(purposes)} (`open_labels`)")


def for_control(labels: pd.Series) -> Labels:
    """Labels [track] that lie in no store (made up, or those of an audit's items), to build a control with."""
    if isinstance(labels, Labels):
        must_be_open(labels, "supervised_control")
    return _opened(labels, "supervised_control")


def _opened(labels: pd.Series, purpose: str) -> Labels:
    labels = Labels(labels)
    labels.purpose = purpose
    return labels


def seal(run: Run, labels: pd.Series) -> None:
    """Store the labels of a corpus, `labels` [track] indexed by track id, where only `open_labels` reads them."""
    table = labels.rename("label").rename_axis("track").sort_index().to_frame()
    artifacts.save(run, artifacts.SEALED, table, sealed=True)


def open_labels(run: Run, purpose: str) -> Labels:
    """The label of every track, indexed by track id and sorted by it; the opening is recorded with its purpose."""
    if purpose not in PURPOSES:
        raise ValueError(f"labels are opened for one of {PURPOSES}, not for {purpose!r}")
    labels = artifacts.load(run, artifacts.SEALED, sealed=True)["label"].astype(str)
    runs.record(run, "label_openings", {"purpose": purpose, "n": len(labels), "time": time.time()})
    return _opened(labels, purpose)


def read_array(folder: ArrayFolder) -> tuple[str, np.ndarray]:
    """Name and values [n], as text, of the labels that lie beside somebody else's arrays (`choose_labels`).

    Raises `Problem` when there are none, or they are no labels.
    """
    return array_folder.choose_labels(folder)


def open_array(run: Run, folder: ArrayFolder, purpose: str) -> tuple[str, np.ndarray]:
    """`read_array`, recorded as every opening is."""
    if purpose not in PURPOSES:
        raise ValueError(f"labels are opened for one of {PURPOSES}, not for {purpose!r}")
    name, labels = read_array(folder)
    runs.record(run, "label_openings", {"purpose": purpose, "n": len(labels), "time": time.time()})
    return name, labels


def ledger(records: dict[str, dict[str, Any]]) -> pd.DataFrame:
    """Which notebook opened the labels for what, from the records of a run (`artifacts.load_records`).

    A row per notebook and purpose: notebook, purpose, what that means, openings, tracks; a notebook that opened none
    has a row that says so.
    """
    rows = []
    for notebook, record in sorted(records.items()):
        openings = pd.DataFrame(record.get("label_openings", []), columns=["purpose", "n"])
        for purpose, group in openings.groupby("purpose", sort=True):
            rows.append((notebook, purpose, MEANING.get(purpose, ""), len(group), int(group["n"].max())))
        if openings.empty:
            rows.append((notebook, "none", "labels were not opened", 0, 0))
    return pd.DataFrame(rows, columns=["notebook", "purpose", "meaning", "openings", "tracks"])
