"""The notebooks of the series and what each needs from the others."""

from __future__ import annotations

from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from pathlib import Path

from lib.store.errors import Problem

ROOT = Path(__file__).resolve().parents[2]
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
# Of the notebooks that could start, these start first: what the longest, 09, waits for, then what can run beside it.
FIRST = (
    "03_baselines", "07_cvae", "04_vae", "05_beta_vae", "09_cvae_latent_space", "06_conv_vae", "02_lyrics_embeddings",
)
# What the notebooks import, imported once for all of them
PRELOADED = (
    "numpy", "pandas", "scipy.stats", "sklearn.linear_model", "xarray", "torch", "matplotlib.pyplot", "seaborn",
    "lib.features.extraction", "lib.studies.paradox.experiments", "lib.report.plots", "lib.models.multimodal",
    "lib.corpora.languages",
)


@dataclass(frozen=True)
class Series:
    """The notebooks that are run: their folder, what each needs, and which go first when several could."""

    folder: Path = NOTEBOOKS
    needs: dict[str, tuple[str, ...]] = field(default_factory=lambda: NEEDS)
    first: tuple[str, ...] = FIRST
    preloaded: tuple[str, ...] = field(default_factory=lambda: PRELOADED)

    def path(self, name: str) -> Path:
        return self.folder / f"{name}.ipynb"

    def order(self) -> list[str]:
        """Names in an order in which each comes after what it needs."""
        return list(TopologicalSorter(self.needs).static_order())

    def dependants(self, names: set[str]) -> set[str]:
        """`names` and every notebook that reads, directly or through others, what they write."""
        found = set(names)
        for name in self.order():
            if found & set(self.needs[name]):
                found.add(name)
        return found

    def find(self, text: str) -> str:
        """The notebook meant by a number, a name or the beginning of a name. Raises `Problem` if there is none."""
        wanted = Path(text).stem if text.endswith(".ipynb") else text
        wanted = wanted.zfill(2) if wanted.isdigit() else wanted
        matches = [name for name in self.needs if name.startswith(wanted)] if wanted else []
        for corpus, notebooks in APPENDICES.items():
            if not matches and wanted and any(name.startswith(wanted) for name in notebooks):
                raise Problem(f"--only {text}: that notebook is for somebody else's arrays; "
                              f"add --corpus {corpus} --source DIR")
        if len(matches) != 1 and wanted not in self.needs:
            others = [f"{name} (--corpus {corpus})" for corpus, notebooks in APPENDICES.items() for name in notebooks]
            raise Problem(f"--only {text}: {'several notebooks match' if matches else 'no such notebook'}; "
                          f"choose from {', '.join(sorted({*self.needs, *others}))}")
        return wanted if wanted in self.needs else matches[0]


def needs_of(corpus: str) -> dict[str, tuple[str, ...]]:
    """The notebooks that are run on a corpus, and what each needs."""
    return APPENDICES.get(corpus, NEEDS)


def ancestors(name: str) -> set[str]:
    """Every notebook that `name` reads from, directly or through others."""
    found = set(NEEDS.get(name, ()))
    return found.union(*(ancestors(other) for other in found))
