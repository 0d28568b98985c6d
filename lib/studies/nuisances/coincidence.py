"""What happens as nuisance and label go together: a low-pass is planted in the features, following the label more and
more."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import scipy.fft
import xarray as xr

from lib.features import audio
from lib.models.latents import Setting, stacked_latents
from lib.report.rules import judge
from lib.scores.intervals import Estimate
from lib.store.labels import must_be_open
from lib.store.runs import Run
from lib.store.streams import stream
from lib.studies.nuisances import corrected, protocol
from lib.studies.nuisances.corrected import Clustered

CORRECTIONS = ("nothing", "decoder")
FLOOR = -40.0  # dB, of what is left above a corner
BANDS = 128  # mel bands of the MFCCs
Name = tuple[float, str]  # strength and correction
# what the clusters are compared with, and the columns of the predictions
LABEL, NUISANCE = "label", "nuisance"


def low_pass(corner: float) -> np.ndarray:
    """What a low-pass of this corner, Hz, adds to the mean of each MFCC: a filter adds its response, dB, to every frame
    of a log-mel spectrogram, and leaves standard deviations over time as they are.

    Butterworth of fourth order, not below `FLOOR`.
    """
    frequency = audio.librosa.mel_frequencies(n_mels=BANDS + 2, fmax=audio.SAMPLE_RATE / 2)[1:-1]
    response = np.maximum(FLOOR, -10 * np.log10(1 + (frequency / corner) ** 8))
    return scipy.fft.dct(response, type=2, norm="ortho")[: audio.N_MFCC]


def levels(labels: pd.Series, strength: float, seed: int) -> pd.Series:
    """The planted nuisance [track]: one level for each label; a share `strength` of the tracks has the level of its
    label, the others any. Larger shares hold the smaller ones."""
    must_be_open(labels, "supervised_control")
    rng, codes = stream(seed, "tracks of a coincidence"), np.unique(labels, return_inverse=True)[1]
    n = codes.max() + 1
    own, free = rng.permutation(n)[codes], rng.integers(0, n, len(codes))
    level = np.where(rng.random(len(codes)) < strength, own, free)
    return pd.Series([f"level {value:03d}" for value in level], labels.index)


def planted(x: pd.DataFrame, level: pd.Series, n_levels: int) -> np.ndarray:
    """MFCC statistics x [track, 40] as if each track had gone through the low-pass of its level [track]."""
    shift = np.stack([low_pass(corner) for corner in np.geomspace(*protocol.protocol().corners, n_levels)])
    out = x.to_numpy(float).copy()
    out[:, : audio.N_MFCC] += shift[level.str.split().str[1].astype(int)]
    return out


def trained(run: Run, x: pd.DataFrame, labels: pd.Series) -> tuple[dict[Name, xr.Dataset], dict[float, pd.Series]]:
    """Latents of beta 1 by strength and correction, trained as one stack per architecture; levels [track] by
    strength."""
    labels, network, wanted, corners = labels.loc[x.index], corrected.networks(run)[0], {}, {}
    n = labels.nunique()
    for strength in protocol.protocol().strengths:
        corners[strength] = levels(labels, strength, run.settings.seed)
        codes = corners[strength].str.split().str[1].astype(int).to_numpy()
        values = planted(x, corners[strength], n)
        wanted[strength, "nothing"] = Setting(corrected.config(run, x.shape[1], network), values)
        wanted[strength, "decoder"] = Setting(corrected.config(run, x.shape[1], network, n, "decoder"), values, codes)
    return stacked_latents(run, wanted, protocol.seeds(run), x.index, protocol.schedule(run, len(x))), corners


def curves(found: Clustered, y: np.ndarray, corners: dict[float, pd.Series]) -> dict[str, dict[str, pd.DataFrame]]:
    """NMI [strength, seed] of each correction's clusters with the label y [track] and with the nuisance: what ->
    correction -> table."""
    of = {strength: {LABEL: y, NUISANCE: np.unique(corner, return_inverse=True)[1]}
          for strength, corner in corners.items()}
    return {what: {correction: pd.DataFrame({s: found.nmi((s, correction), of[s][what]) for s in corners}).T
                   .rename_axis("strength") for correction in CORRECTIONS} for what in (LABEL, NUISANCE)}


def ends(found: Clustered, y: np.ndarray, corners: dict[float, pd.Series],
         units: pd.Series) -> dict[tuple[float, str], Estimate]:
    """At no coincidence and at full: what conditioning changes of NMI with label and nuisance, over seeds and units."""
    out = {}
    for strength in (min(corners), max(corners)):
        codes = {LABEL: y, NUISANCE: np.unique(corners[strength], return_inverse=True)[1]}
        for what, own in codes.items():
            out[strength, what] = found.gain((strength, "decoder"), (strength, "nothing"), own, units)
    return out


def predicted(entries: Sequence[dict], changes: dict[tuple[float, str], Estimate]) -> pd.DataFrame:
    """The predictions about the ends beside what became of them."""
    rows = []
    for entry in entries:
        change = changes[float(entry["strength"]), entry["of"]].interval
        said = f"strength {entry['strength']:g}, {entry['of']}"
        rows.append((said, "nmi", entry["nmi"], change, judge(entry["nmi"], change), False))
    return pd.DataFrame(rows, columns=["name", "metric", "predicted", "change", "held", "replication"])
