"""Texts to vectors by a sentence-transformer that is on this machine already; nothing is ever downloaded.

Needs the extra packages of `pip install -e .[sentence]`. Weights are read from `.safetensors` files only, and only
modules of sentence-transformers itself are put together: a model is a file from a stranger too.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import json
import os
from pathlib import Path

import numpy as np

from lib.store import files, runs
from lib.store.errors import Problem
from lib.store.series import ROOT

MODULES = {"Transformer", "Pooling", "Normalize", "Dense", "StaticEmbedding"}  # what a model may be put together from
NOT_INSTALLED = (
    "sentence-transformers is not installed: run .venv/bin/pip install -e '.[sentence]', or leave "
    "lyrics_embedder at tfidf"
)
PIECE = 700  # characters of a piece of text: models read a few hundred tokens, and ignore what follows


def encode(texts: list[str], model: str) -> np.ndarray:
    """A vector per text, float [n, dim]: the mean over its pieces of whole lines, each of unit length.

    `model` is a folder, or an installed package that holds one. Vectors are kept by content, model and text, in the
    cache. Raises `Problem` when the model or the packages that it needs are not there, or it cannot be trusted.
    """
    folder = find(model)
    store = runs.cache_folder() / "sentences" / _fingerprint(folder)
    places = [store / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.npy" for text in texts]
    found = {text: vector for text, place in zip(texts, places, strict=True) if (vector := _stored(place)) is not None}
    missing = [text for text in dict.fromkeys(texts) if text not in found]
    if missing:
        pieces = [pieces_of(text) for text in missing]
        vectors = _model(str(folder)).encode(
            [piece for some in pieces for piece in some],
            batch_size=16,
            normalize_embeddings=True,
            show_progress_bar=False,
        )
        ends = np.cumsum([len(some) for some in pieces])[:-1]
        found |= {text: part.mean(axis=0) for text, part in zip(missing, np.split(vectors, ends), strict=True)}
        for text, place in zip(texts, places, strict=True):
            if text in missing:
                files.write(place, lambda path, text=text: np.save(path, found[text].astype(np.float32)))
    return np.stack([found[text] for text in texts]).astype(float)


def check(model: str) -> None:
    """Raise `Problem` when a model, or the packages that it needs, is not there: before minutes are spent."""
    find(model)
    if importlib.util.find_spec("sentence_transformers") is None:
        raise Problem(NOT_INSTALLED)


def _stored(place: Path) -> np.ndarray | None:
    try:
        vector = np.load(place, allow_pickle=False)
        return vector if vector.ndim == 1 and np.isfinite(vector).all() else None
    except (OSError, ValueError, EOFError):
        return None


def pieces_of(text: str) -> list[str]:
    """Whole lines gathered to about `PIECE` characters; a longer line is cut."""
    pieces = [""]
    for line in text.splitlines() or [""]:
        for part in [line[i : i + PIECE] for i in range(0, len(line), PIECE)]:
            if pieces[-1] and len(pieces[-1]) + len(part) > PIECE:
                pieces.append("")
            pieces[-1] += f"{part}\n"
    return pieces


def find(model: str) -> Path:
    """The folder of a model: the path itself, or the first such folder of an installed package."""
    place = ROOT / Path(model).expanduser()  # relative paths are relative to the project, wherever a kernel was started
    if (place / "modules.json").is_file():
        return _checked(place)
    if place.exists() or os.sep in model or model.startswith((".", "~")):
        raise Problem(
            f"no sentence-transformer in {place}: lyrics_embedder=sentence:FOLDER needs the folder that holds "
            "its modules.json (download the model where there is a network, and copy the folder)"
        )
    spec = importlib.util.find_spec(model) if model.isidentifier() else None
    for root in spec.submodule_search_locations or [] if spec else []:
        for path in sorted(Path(root).rglob("modules.json")):
            return _checked(path.parent)
    what = f"'{model}' is no folder and no package here"
    what = f"the package '{model}' holds no sentence-transformer" if spec else what
    raise Problem(
        f"{what}: nothing is downloaded, so give lyrics_embedder=sentence:FOLDER with the folder of a model, or "
        "install a package that ships one"
    )


def _checked(folder: Path) -> Path:
    """Raises `Problem` when the model would run code of its own, or unpickle anything."""
    try:
        parts = json.loads((folder / "modules.json").read_text())
        kinds = [(str(part["type"]), str(part["path"])) for part in parts]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Problem(f"{folder}/modules.json cannot be read: is this a sentence-transformer?") from error
    for kind, path in kinds:
        if kind.split(".")[0] != "sentence_transformers" or kind.split(".")[-1] not in MODULES:
            raise Problem(
                f"the model in {folder} has a part '{kind}', which is not one of {', '.join(sorted(MODULES))}: "
                "it would run code of its own"
            )
        if ".." in Path(path).parts or Path(path).is_absolute():
            raise Problem(f"the model in {folder} names a file outside of its folder ('{path}')")
        weighs = kind.split(".")[-1] in ("Transformer", "Dense", "StaticEmbedding")
        if weighs and not list((folder / path).glob("*.safetensors")):
            raise Problem(
                f"the model in {folder} has no .safetensors weights; others may hold code, and are not read: "
                "save it again with safe_serialization=True"
            )
    return folder


@functools.lru_cache(maxsize=2)
def _fingerprint(folder: Path) -> str:
    """Hash of the model's files, and of how texts are cut."""
    found = hashlib.sha256(f"{PIECE}".encode())
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix in (".json", ".txt", ".safetensors")):
        found.update(path.relative_to(folder).as_posix().encode())
        with open(path, "rb") as file:
            found.update(hashlib.file_digest(file, "sha256").digest())
    return found.hexdigest()[:16]


@functools.lru_cache(maxsize=1)
def _model(folder: str):
    try:
        os.environ["HF_HUB_OFFLINE"] = "1"  # read once, when the packages are imported
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise Problem(NOT_INSTALLED) from error
    try:
        return SentenceTransformer(
            folder, device="cpu", local_files_only=True, trust_remote_code=False, model_kwargs={"use_safetensors": True}
        )
    except Exception as error:  # whatever a damaged model makes of it
        raise Problem(
            f"the sentence-transformer in {folder} cannot be loaded ({type(error).__name__}: "
            f"{str(error).splitlines()[0][:200] if str(error) else 'no reason given'})"
        ) from error
