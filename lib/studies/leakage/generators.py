"""Generators of embeddings for controls: the earlier study's two leaky ones, and texts of known information."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd
from sklearn.preprocessing import normalize

from lib.corpora.synthetic import lyrics
from lib.scores.information import beyond_chance
from lib.store.labels import must_be_open
from lib.store.streams import stream


# --- made-up text of known information ---------------------------------------------------------------------------
def dosed_texts(labels: pd.Series, information: float, seed: int = 0) -> tuple[pd.Series, float]:
    """Synthetic texts [track] whose topic tells about `labels` [track] a set amount, and the nats of this draw.

    The topic grammar of the controlled corpus (`lib.corpora.synthetic.lyrics`), asked for `information` nats with ten
    labels that are equally common. With others, and in a finite draw, the amount differs: so it is that of the topics
    drawn, corrected for chance (`information.beyond_chance`). Nothing made from them can know more, but for chance.
    """
    must_be_open(labels, "supervised_control")
    kinds, codes = np.unique(labels.to_numpy(), return_inverse=True)
    given = lyrics.topic_given_genre(information)[:, np.arange(len(kinds)) % len(lyrics.TOPICS)]
    rng = stream(seed, "topics of dosed texts")
    topics = list(lyrics.TOPICS)
    drawn = np.array([rng.choice(len(topics), p=given[:, code]) for code in codes])
    texts = pd.Series([lyrics.write(rng, topics[topic]) for topic in drawn], labels.index)
    return texts, max(0.0, beyond_chance(drawn, codes, seed)[0])


# --- the earlier study's embeddings, for the leakage audit -------------------------------------------------------
def leaky_label_embeddings(labels: pd.Series, dim: int, seed: int = 0, noise: float = 0.1) -> pd.DataFrame:
    """LEAKY, the earlier study's first version: a vector per genre, taken from its name, plus a little noise.

    What is wrong: it reads `labels` [track], the answer that clusters are later scored against. Any score of anything
    that contains these vectors measures the label, not lyrics; there are no lyrics in them.
    """
    must_be_open(labels, "supervised_control")
    rng = np.random.default_rng(seed)
    centres = np.stack([_keyword_vector(str(label), dim) for label in labels])
    return pd.DataFrame(normalize(centres + noise * rng.standard_normal(centres.shape)), index=labels.index)


def leaky_folder_embeddings(sources: pd.Series, dim: int, seed: int = 0, noise: float = 0.3) -> pd.DataFrame:
    """LEAKY, the earlier study's second version, meant as the fix of the first: it never mentions a label.

    What is wrong: `sources` [track] holds file names such as "blues/track.wav". It walks through the folders one by one
    and adds noise, this time more of it, to one vector per folder. A folder is a genre, so that vector is the label
    under another name. With 100 tracks in each of ten genres, 32 dimensions and this noise, k-means on the vectors
    alone agrees with genre as much as the study's published ones do (NMI 0.85), far above any audio feature.
    """
    must_be_open(sources, "supervised_control")
    rng = np.random.default_rng(seed)
    folders = sources.str.split("/").str[0]
    parts = []
    for folder in sorted(folders.unique()):
        tracks = folders.index[folders == folder]
        vector = _keyword_vector(folder, dim)
        parts.append(pd.DataFrame(vector + noise * rng.standard_normal((len(tracks), dim)), index=tracks))
    vectors = pd.concat(parts).loc[sources.index]
    return pd.DataFrame(normalize(vectors), index=vectors.index)


def _keyword_vector(word: str, dim: int) -> np.ndarray:
    """A fixed random direction [dim] of unit length for a word."""
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(word.encode()).digest()[:8]))
    vector = rng.standard_normal(dim)
    return vector / np.linalg.norm(vector)
