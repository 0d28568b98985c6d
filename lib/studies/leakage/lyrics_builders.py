"""The lyrics embeddings that notebook 02 audits: the corpus's own text, and the earlier study's two generators."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from lib.corpora import languages
from lib.corpora.items import Item
from lib.features.lyrics import bag_of_words, embed
from lib.features.preparation import stored_items
from lib.scores import nulls
from lib.store import artifacts
from lib.store.errors import Problem
from lib.store.labels import for_control
from lib.store.runs import Run
from lib.studies.leakage import audit, generators, shuffles
from lib.studies.leakage.outcomes import AuditReport, Builder

LEAKY = FIRST, SECOND = "first generator (label)", "second generator (folder)"


def texts(run: Run) -> pd.Series:
    """The text of every track [track], empty where there is none."""
    if artifacts.has(run, "lyrics"):
        return artifacts.load(run, "lyrics")["text"].fillna("")
    return pd.Series("", index=artifacts.load(run, "tracks").index)


def kind(run: Run) -> str:
    """What kind of text the corpus has."""
    if not artifacts.has(run, "lyrics"):
        return "none given"
    return "synthetic text" if artifacts.load_corpus(run)["synthetic"] else "real text"


def tongues(words: pd.Series, seed: int, most: int = 500) -> pd.DataFrame:
    """`languages.summary` of at most `most` of the texts [track], drawn at random."""
    return languages.summary(words.sample(min(most, len(words)), random_state=seed))


def embedded(run: Run, words: pd.Series, n_labels: int) -> tuple[pd.DataFrame, str]:
    """The embedding [track, dim] of the texts; without columns where there are not more than two texts per label, or
    no embedder: the second value says why."""
    if (words.str.strip() != "").sum() > 2 * n_labels:
        try:
            return embed(words, *_how(run)), ""
        except Problem as problem:
            return pd.DataFrame(index=words.index), str(problem)
    return pd.DataFrame(index=words.index), ""


def builders(run: Run) -> dict[str, Builder]:
    """Builders of embeddings [track, dim] from items, whose `spec` holds the track, by name."""
    size = run.settings.lyrics_dim, run.settings.seed

    def read(items: list[Item], part: Callable[[Item], str]) -> pd.Series:
        return for_control(pd.Series({item.spec["track"]: part(item) for item in items}))

    return {FIRST: lambda items: generators.leaky_label_embeddings(read(items, lambda item: item.label), *size),
            SECOND: lambda items: generators.leaky_folder_embeddings(read(items, lambda item: item.name), *size),
            "text": lambda items: embed(read(items, lambda item: item.lyrics), *_how(run))}


def leaky(run: Run, labels: pd.Series) -> dict[str, pd.DataFrame]:
    """The embeddings [track, dim] of the two generators, made from `labels` [track]."""
    items, made = stored_items(run, labels), builders(run)
    return {name: made[name](items) for name in LEAKY}


def audits(run: Run, names: list[str], labels: pd.Series, words: pd.Series) -> dict[str, AuditReport]:
    """The audit of each named builder, filed under `labels` [track]; where there are more than a few texts [track],
    they are what it could read."""
    shared = bag_of_words(words)
    content = {"words": shared} if len(words) > 20 and shared.shape[1] else None
    items, made = stored_items(run, labels), builders(run)
    return {name: audit.audit(made[name], items, name, content=content, seed=run.settings.seed) for name in names}


def language_agreement(embedding: pd.DataFrame, words: pd.Series, seed: int) -> dict[str, float]:
    """NMI of clusters of an embedding [track, dim] with the texts' languages, and with languages permuted."""
    tongue = languages.of_texts(words[embedding.dropna().index])["language"]
    found = {"language": tongue, "chance": nulls.permuted_labels(tongue, 0)}
    return {name: shuffles.agreement(embedding, of, seed) for name, of in found.items()}


def _how(run: Run) -> tuple[int, int, str]:
    return run.settings.lyrics_dim, run.settings.seed, run.settings.lyrics_embedder
