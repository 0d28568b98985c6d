"""Log-mel spectrograms in place of audio: an `.npz`, or a folder of `.npy`; no audio comes back from them.

Assumed where neither the file nor a setting says otherwise: power in dB, mel bands as librosa spaces them up to half of
22,050 Hz, frames 512 samples apart; or, of GTZAN's form (`logmel_db` [track, 128, 387]), 387 frames in 30 s.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lib.corpora import array_rows
from lib.corpora.array_rows import Array
from lib.corpora.folder import readable
from lib.corpora.items import Item, LogMel
from lib.store.errors import Problem, Unusable
from lib.store.settings import Settings

SAMPLE_RATE, HOP_LENGTH = 22050, 512  # librosa's defaults
GTZAN_SHAPE, GTZAN_SECONDS = (128, 387), 30.0
MIN_BANDS, MAX_BANDS = 20, 512  # 20 MFCCs need 20 bands; a spectrum with more is not in mel
SAMPLE_RATES, FRAME_RATES = (1_000, 768_000), (1.0, 1_000.0)  # Hz
LOUDEST = 400.0  # dB either way; beyond, the numbers are no dB
MAX_TEXT = 1024  # characters of a name or label
SPECTROGRAMS = ("log_mel", "logmel", "log_mels", "logmels", "logmel_db", "log_mel_db", "mel_db", "mel", "mels")
NAMES = ("file_stem", "track_id", "track_ids", "name", "names", "id", "ids", "file", "files", "filename", "filenames",
         "stem", "stems", "path", "paths", "track", "tracks")
LABELS = ("genre", "genres", "label", "labels", "y", "target", "targets", "class", "classes", "tag", "tags", "mood",
          "moods", "emotion", "emotions")
RATES = {"sample_rate": ("sample_rate", "sr"), "frame_rate": ("frames_per_second", "frame_rate", "fps"),
         "hop_length": ("hop_length", "hop")}
NEEDED = ("an .npz with spectrograms [track, bands, frames] as log_mel, names [track] as file_stem and labels [track] "
          "as genre; or a folder with an .npy [bands, frames] per track, in one folder per label; without labels of "
          "their own both need --labels TABLE")
NEEDED_GTZAN = "logmel_db [n, 128, 387] float16, file_stem [n] text and genre [n] text"


class Pack(NamedTuple):
    """Arrays that belong together: the members of an `.npz`, or the files of a folder."""

    source: Path
    arrays: dict[str, Array]
    refused: dict[str, str]

    def named(self, names: tuple[str, ...]) -> Array | None:
        """The first array with one of these names, in their order, whatever their case."""
        known = {name.lower(): name for name in [*self.refused, *self.arrays]}
        for name in names:
            if name in known and known[name] in self.refused:
                raise Problem(f"the array {known[name]} of {self.source} {self.refused[known[name]]}")
            if name in known:
                return self.arrays[known[name]]
        return None


# --- finding -----------------------------------------------------------------------------------------------------
def find(settings: Settings) -> tuple[list[Item], list[tuple[str, str]], str]:
    """One item per spectrogram, (file, reason) of those that cannot be used, and what was assumed, in a sentence.

    An item's label is "" where the source has none. Raises `Problem` when the source is not what it should be.
    """
    path = Path(settings.source).expanduser().absolute()
    if path.is_dir():
        inside = sorted(entry for entry in path.iterdir() if entry.suffix == ".npz" and not entry.name.startswith("."))
        if len(inside) != 1 or _npy_files(path)[0]:
            return _find_in_folder(path, settings)
        path = inside[0]
    return _find_rows(_pack_of(path), settings)


def find_gtzan(source: str) -> list[Item]:
    """One item per row of GTZAN's log-mels. Raises `Problem` when the file is not what it should be."""
    path = Path(source).expanduser().absolute()
    path = path / "gtzan_logmel.npz" if path.is_dir() else path
    if not path.is_file():
        raise Problem(f"there is no file {path}: --source must be the .npz with {NEEDED_GTZAN}")
    pack = _pack_of(path)
    for key in ("logmel_db", "file_stem", "genre"):
        if pack.named((key,)) is None:
            raise Problem(f"{path} has no array '{key}': it needs {NEEDED_GTZAN}")
    spectrograms, names, labels = (pack.arrays[key] for key in ("logmel_db", "file_stem", "genre"))
    n = spectrograms.shape[0] if spectrograms.shape else 0
    fits = n > 0 and spectrograms.shape == (n, *GTZAN_SHAPE) and spectrograms.dtype in (np.float16, np.float32)
    if not fits or names.shape != (n,) or labels.shape != (n,):
        what = ", ".join(f"{key} {list(pack.arrays[key].shape)} {pack.arrays[key].dtype}"
                         for key in ("logmel_db", "file_stem", "genre"))
        raise Problem(f"{path} holds {what}, but needs {NEEDED_GTZAN}")
    _check(spectrograms)
    about = _about(spectrograms, SAMPLE_RATE, GTZAN_SHAPE[1] / GTZAN_SECONDS, "db") | {"calibrated": True}
    return [Item(name, about | {"row": row}, label)
            for row, (name, label) in enumerate(zip(_texts(names, n), _texts(labels, n), strict=True))]


def _pack_of(path: Path) -> Pack:
    if not path.exists():
        raise Problem(f"there is no file {path}: --source must be {NEEDED}")
    if path.suffix == ".npy":
        raise Problem(f"{path} alone has no names: put names.npy beside it and give the folder, or --source must be "
                      f"{NEEDED}")
    try:
        return Pack(path, *array_rows.find(path))
    except Unusable as reason:
        raise Problem(f"{path} {reason}; --source must be {NEEDED}") from reason


def _find_rows(pack: Pack, settings: Settings) -> tuple[list[Item], list[tuple[str, str]], str]:
    """The rows of one array of spectrograms [track, bands, frames], with the names and labels beside it."""
    array = _spectrograms(pack)
    n, (bands, frames) = array.shape[0], _plane(array.shape[1:])
    _check_bands(bands, frames, pack.source)
    names, labels = pack.named(NAMES), pack.named(LABELS)
    if names is None and (labels is None or settings.lyrics or settings.labels):
        raise Problem(f"{pack.source} has no names of its {n} tracks, by which labels and lyrics find them (never by "
                      f"position): add an array file_stem [{n}] of text; it has {_listed(pack)}")
    found = [f"row {row}" for row in range(n)] if names is None else _texts(names, n)
    known = [""] * n if labels is None else _texts(labels, n)
    gtzan_form = array.member == "logmel_db.npy" and (bands, frames) == GTZAN_SHAPE
    rates = {kind: _number(pack, kind) for kind in RATES}
    about, said = _assumed(array, settings, rates, GTZAN_SHAPE[1] / GTZAN_SECONDS if gtzan_form else 0)
    _check(array)
    items = [Item(name, about | {"row": row}, label)
             for row, (name, label) in enumerate(zip(found, known, strict=True))]
    return items, [], said


def _spectrograms(pack: Pack) -> Array:
    """The one array of spectrograms of a pack. Raises `Problem` when there is none, or it is not clear which."""
    fits = {name: array for name, array in pack.arrays.items()
            if array.dtype.kind in "fiu" and array.shape and array.shape[0] and _plane(array.shape[1:])}
    array = pack.named(SPECTROGRAMS)
    if array is not None and array in fits.values():
        return array
    if array is not None or not fits:
        first = next((f"; {name} {why}" for name, why in pack.refused.items()), "")
        raise Problem(f"{pack.source} holds {_listed(pack)}{first}: --source must be {NEEDED}")
    if len(fits) > 1:
        raise Problem(f"{pack.source} holds several arrays of three axes ({', '.join(fits)}): call that to use log_mel")
    return next(iter(fits.values()))


def _listed(pack: Pack) -> str:
    return ", ".join(f"{name} {list(a.shape)} {a.dtype}" for name, a in pack.arrays.items()) or "no array"


def _plane(shape: tuple[int, ...]) -> tuple[int, int] | None:
    """Bands and frames of one spectrogram; axes of one (channels) are dropped. None where that is no plane."""
    sides = tuple(side for side in shape if side != 1)
    return sides if len(sides) == 2 and all(sides) else None


def _check_bands(bands: int, frames: int, where: Path) -> None:
    if why := _unfit(bands, frames):
        raise Problem(f"{where}: {why}")


def _unfit(bands: int, frames: int) -> str:
    """Why spectrograms of this size cannot be used; "" where they can."""
    if MIN_BANDS <= bands <= MAX_BANDS:
        return ""
    turned = " (are the two axes exchanged?)" if MIN_BANDS <= frames <= MAX_BANDS else ""
    linear = " (a linear spectrogram? it must be in mel bands)" if bands > MAX_BANDS and not turned else ""
    return (f"spectrograms of {bands} bands x {frames} frames, but from {MIN_BANDS} to {MAX_BANDS} mel bands are "
            f"needed{turned or linear}")


def _check(array: Array) -> None:
    try:
        array_rows.check(array)
    except Unusable as reason:
        raise Problem(f"the array {array.member.removesuffix('.npy')} of {array.path} {reason}") from reason


def _texts(array: Array, n: int) -> list[str]:
    """Names or labels [n] as text. Raises `Problem` when the array is something else."""
    name = array.member.removesuffix(".npy") or Path(array.path).stem
    width = array.dtype.itemsize // (4 if array.dtype.kind == "U" else 1)
    if array.shape not in ((n,), (n, 1)) or array.dtype.kind not in "USiub" or width > MAX_TEXT:
        raise Problem(f"the array {name} of {array.path} must hold a text or whole number for each of the {n} tracks: "
                      f"it has shape {list(array.shape)} of {array.dtype}")
    _check(array)
    values = array_rows.whole(array).reshape(n)
    texts = [value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value) for value in values.tolist()]
    return [readable(text).strip() for text in texts]


def _number(pack: Pack, kind: str) -> float:
    """A rate that the file gives, or 0."""
    array = pack.named(RATES[kind])
    if array is None or array.dtype.kind not in "fiu" or array.shape not in ((), (1,)):
        return 0.0
    return float(array_rows.whole(array).reshape(()))


def _assumed(array: Array, settings: Settings, rates: dict[str, float], frame_rate: float) -> tuple[dict, str]:
    """Where an array is and how it is read; and in a sentence what of that nobody said.

    A setting counts before what the file says (`rates`), and that before `frame_rate`, of a known form.
    """
    known = bool(settings.log_mel_sample_rate or rates["sample_rate"])
    sample_rate = settings.log_mel_sample_rate or rates["sample_rate"] or SAMPLE_RATE
    hop = sample_rate / rates["hop_length"] if rates["hop_length"] > 0 else 0
    frame_rate = settings.log_mel_frame_rate or rates["frame_rate"] or hop or frame_rate
    said = [f"power in {settings.log_mel_unit}" if settings.log_mel_unit == "dB" else f"unit {settings.log_mel_unit}",
            f"bands up to {sample_rate / 2:g} Hz{'' if known else ' (assumed)'}",
            f"{frame_rate or sample_rate / HOP_LENGTH:.4g} frames a second{'' if frame_rate else ' (assumed)'}"]
    frame_rate = frame_rate or sample_rate / HOP_LENGTH
    for name, value, (low, high) in (("sample", sample_rate, SAMPLE_RATES), ("frame", frame_rate, FRAME_RATES)):
        if not low <= value <= high:
            raise Problem(f"{array.path}: a {name} rate of {value:g} Hz; from {low:g} to {high:g} Hz makes sense")
    return _about(array, sample_rate, frame_rate, settings.log_mel_unit), ", ".join(said)


def _about(array: Array, sample_rate: float, frame_rate: float, unit: str) -> dict[str, Any]:
    return {"kind": "log_mel", "path": array.path, "member": array.member, "unit": unit, "sample_rate": sample_rate,
            "frame_rate": frame_rate}


# --- a folder of .npy --------------------------------------------------------------------------------------------
def _npy_files(root: Path) -> tuple[list[Path], list[tuple[str, str]]]:
    """All `.npy` files below a folder, hidden ones left out, sorted; and (folder, reason) of what cannot be read."""
    found, unreadable = [], []
    for where, folders, names in os.walk(root, onerror=unreadable.append):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "__MACOSX")
        found += [Path(where, name) for name in names if name.endswith(".npy") and not name.startswith(".")]
    return sorted(found), [(readable(os.path.relpath(error.filename, root)), f"cannot be read: {error.strerror}")
                           for error in unreadable]


def _find_in_folder(root: Path, settings: Settings) -> tuple[list[Item], list[tuple[str, str]], str]:
    """A spectrogram per file, labelled by the first folder below `root`; or one array of all, with its names."""
    arrays, refused = {}, {}
    paths, skipped = _npy_files(root)
    for path in paths:
        name = path.relative_to(root).as_posix().removesuffix(".npy")
        try:
            arrays[name] = array_rows.of_file(path)
        except Unusable as reason:
            refused[name] = str(reason)
    if not arrays and not refused:
        why = f" ({skipped[0][0]} {skipped[0][1]})" if skipped else ""
        raise Problem(f"there is no .npy in {root}{why}: --source must be {NEEDED}")
    pack = Pack(root, arrays, refused)
    planes = {name: _plane(array.shape) for name, array in arrays.items() if array.dtype.kind in "fiu"}
    if not any(planes.values()) and any(len(array.shape) > 2 for array in arrays.values()):
        return _find_rows(pack, settings)
    usual = Counter(plane[0] for plane in planes.values() if plane).most_common(1)
    if not usual:
        why = next(iter(refused.values()), "") or f"holds {_listed(pack)}"
        raise Problem(f"no .npy in {root} is a spectrogram [bands, frames]; the first {why}; --source must be {NEEDED}")
    bands = usual[0][0]
    _check_bands(bands, max(plane[1] for plane in planes.values() if plane and plane[0] == bands), root)
    skipped += [(readable(f"{name}.npy"), why) for name, why in refused.items()]
    items, said = [], ""
    for name, array in arrays.items():
        plane = planes.get(name)
        if plane and plane[0] == bands:
            about, said = _assumed(array, settings, dict.fromkeys(RATES, 0.0), 0)
            label = readable(name.split("/")[0]) if "/" in name else ""
            items.append(Item(readable(f"{name}.npy"), about | {"row": -1}, label))
        else:
            why = f"holds an array {list(array.shape)} of {array.dtype}, not [{bands}, frames] of numbers"
            skipped.append((readable(f"{name}.npy"), why))
    return items, skipped, said


# --- reading -----------------------------------------------------------------------------------------------------
def read(spec: dict[str, Any]) -> LogMel:
    """One track's log-mel power in dB [bands, frames]. Raises `Unusable` with the reason when it cannot be had."""
    values = _row(spec).astype(np.float32)
    plane = _plane(values.shape)
    if plane is None or _unfit(*plane):
        raise Unusable(_unfit(*plane) if plane else f"shape {values.shape} is no [bands, frames]")
    values = values.reshape(plane)
    if not np.isfinite(values).all():
        infinite = " (minus infinity where there is no power: add a floor before the logarithm)"
        raise Unusable("holds values that are not finite" + infinite * bool(np.isneginf(values).any()))
    if spec["unit"] == "power":
        if values.min() < 0:
            raise Unusable("holds negative values, which are no power: --set log_mel_unit=dB?")
        values = 10 * np.log10(np.maximum(values, 1e-10))
    elif spec["unit"] == "ln":
        values *= np.float32(10 / np.log(10))
    if (largest := float(np.abs(values).max())) > LOUDEST:
        raise Unusable(f"holds values up to {largest:g}, which are no dB: --set log_mel_unit=power?")
    return LogMel(values, spec["sample_rate"], spec["frame_rate"], spec.get("calibrated", False))


def fingerprint(spec: dict[str, Any]) -> str:
    """SHA-256 of a spectrogram's bytes, and of how they are read; of GTZAN's, where that is known, the bytes alone."""
    row = _row(spec)
    how = {name: spec[name] for name in ("unit", "sample_rate", "frame_rate")} | {"shape": row.shape,
                                                                                    "dtype": row.dtype.str}
    more = b"" if spec.get("calibrated") else json.dumps(how, sort_keys=True).encode()
    return hashlib.sha256(row.tobytes() + more).hexdigest()


def _row(spec: dict[str, Any]) -> np.ndarray:
    values = array_rows.mapped(spec["path"], spec["member"])
    if spec["row"] >= len(values):
        raise Unusable(f"{spec['path']} has only {len(values)} rows now: was it replaced?")
    return values if spec["row"] < 0 else values[spec["row"]]
