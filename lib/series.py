"""The notebooks of the series and what each needs from the others."""

from __future__ import annotations

from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"

# notebook -> the notebooks whose artifacts it reads. Latents are shared by content, whoever trains them first.
NEEDS: dict[str, tuple[str, ...]] = {
    "01_data_preparation": (),
    "02_lyrics_embeddings": ("01_data_preparation",),
    "03_baselines": ("01_data_preparation",),
    "04_vae": ("03_baselines",),
    "05_beta_vae": ("01_data_preparation",),
    "06_conv_vae": ("01_data_preparation",),
    "07_cvae": ("01_data_preparation",),
    "08_multimodal_fusion": ("02_lyrics_embeddings", "07_cvae"),
    "09_cvae_latent_space": ("04_vae", "05_beta_vae", "07_cvae"),
    "10_final_comparison": (
        "02_lyrics_embeddings", "03_baselines", "04_vae", "05_beta_vae", "06_conv_vae", "07_cvae",
        "08_multimodal_fusion", "09_cvae_latent_space",
    ),
    "00_overview": ("10_final_comparison",),
}

# notebooks of a corpus that is not music: with it, they alone run
APPENDICES: dict[str, dict[str, tuple[str, ...]]] = {"latents": {"A1_audit_your_run": ()}}

# notebooks that put rows into the score table
SCORERS = tuple(name for name in NEEDS if name not in ("00_overview", "01_data_preparation", "10_final_comparison"))

# artifact (or its folder) -> the notebook that writes it; used to say which notebook to run first
WRITERS: dict[str, str] = {
    "labels": "01_data_preparation",
    "features": "01_data_preparation",
    "descriptors": "01_data_preparation",
    "factors": "01_data_preparation",
    "lyrics": "01_data_preparation",
    "lyrics_embeddings": "02_lyrics_embeddings",
}


def needs_of(corpus: str) -> dict[str, tuple[str, ...]]:
    """The notebooks that are run on a corpus, and what each needs."""
    return APPENDICES.get(corpus, NEEDS)


def order() -> list[str]:
    """Notebook names in an order in which each comes after what it needs."""
    return list(TopologicalSorter(NEEDS).static_order())


def dependants(names: set[str]) -> set[str]:
    """`names` and every notebook that reads, directly or through others, what they write."""
    found = set(names)
    for name in order():
        if found & set(NEEDS[name]):
            found.add(name)
    return found


def ancestors(name: str) -> set[str]:
    """Every notebook that `name` reads from, directly or through others."""
    found = set(NEEDS.get(name, ()))
    return found.union(*(ancestors(other) for other in found))
