"""The notebooks of the series and what each needs from the others."""

from __future__ import annotations

from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from pathlib import Path

from lib.store.errors import Problem

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = ROOT / "notebooks"
# name -> file without its ending: a notebook's number stands in its file's name alone
FILES = {path.stem.split("_", 1)[1]: path.stem for path in sorted(NOTEBOOKS.glob("[0-9A]*_*.ipynb"))}
# notebook -> the notebooks whose artifacts it reads. Latents are shared by content, whoever trains them first.
_NEEDS = {
    "data_preparation": "",
    "lyrics_embeddings": "data_preparation",
    "baselines": "data_preparation",
    "vae": "baselines",
    "beta_vae": "data_preparation",
    "conv_vae": "data_preparation",
    "cvae": "data_preparation",
    "conditioning_on_nuisances": "data_preparation",
    "clustering_without_labels": "data_preparation",
    "multimodal_fusion": "lyrics_embeddings cvae",
    "cvae_latent_space": "vae beta_vae cvae",
    "final_comparison": "lyrics_embeddings baselines vae beta_vae conv_vae cvae multimodal_fusion cvae_latent_space "
                        "clustering_without_labels",
    "overview": "final_comparison conditioning_on_nuisances",
}
NEEDS = {FILES[name]: tuple(FILES[need] for need in needs.split()) for name, needs in _NEEDS.items()}
# notebooks of a corpus that is not music: with it, they alone run
APPENDICES: dict[str, dict[str, tuple[str, ...]]] = {"latents": {FILES["audit_your_run"]: ()}}
PREPARATION = FILES["data_preparation"]
# notebooks that put rows into the score table
_SCORE_NOTHING = ("overview", "data_preparation", "final_comparison", "conditioning_on_nuisances")
SCORERS = tuple(name for name in NEEDS if name not in {FILES[other] for other in _SCORE_NOTHING})
# artifact (or its folder) -> the notebook that writes it; used to say which notebook to run first
WRITERS = dict.fromkeys(("labels", "features", "descriptors", "factors", "lyrics"), PREPARATION)
WRITERS["lyrics_embeddings"] = FILES["lyrics_embeddings"]
# Of the notebooks that could start, these start first: what the longest waits for, then what can run beside it.
FIRST = tuple(FILES[name] for name in ("baselines", "cvae", "vae", "beta_vae", "cvae_latent_space",
                                       "conditioning_on_nuisances", "clustering_without_labels", "lyrics_embeddings",
                                       "multimodal_fusion", "conv_vae"))
# What the notebooks import, imported once for all of them
PRELOADED = (
    "numpy", "pandas", "scipy.stats", "sklearn.linear_model", "xarray", "torch", "matplotlib.pyplot", "seaborn",
    "lib.features.extraction", "lib.studies.paradox.experiments", "lib.report.plots", "lib.models.multimodal",
    "lib.corpora.languages",
    "torch._dynamo",  # which the first optimiser of a process imports: over a second
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
