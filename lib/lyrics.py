"""Lyrics to vectors: embedding real text, made-up text of known information, and the earlier study's leaky generators.

Embeddings are made from the texts alone, without labels; which text is whose is settled in `lib.lyrics_files`.
"""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd
import scipy.sparse
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.preprocessing import normalize

from lib import languages, sentences
from lib.corpora import controlled_lyrics
from lib.errors import Problem

# --- real text ---------------------------------------------------------------------------------------------------


def embed(texts: pd.Series, dim: int, seed: int = 0, embedder: str = "tfidf") -> pd.DataFrame:
    """Texts [track] as vectors [track, at most `dim`] of unit length, by what `encode` makes of them; no label is seen.

    A track without text gets a row of NaN: its modality is missing, not zero. So does one that shares no word with any
    other. Raises `Problem` when there are too few texts.
    """
    written = texts.fillna("").astype(str).sort_index()
    written = written[written.str.strip() != ""]
    try:
        values = encode(written.tolist(), embedder)
        kept = min(dim, values.shape[0] - 1, values.shape[1] - 1)
        # "arpack" is exact: the result depends on the texts alone, up to rounding
        reduced = TruncatedSVD(kept, algorithm="arpack", random_state=seed).fit_transform(values)
    except ValueError as error:
        raise Problem(f"{len(written)} texts of lyrics are too few, or too unlike each other, to embed") from error
    vectors = pd.DataFrame(normalize(reduced), index=written.index)
    return vectors.where(vectors.abs().sum(axis=1) > 1e-9).reindex(texts.index)


def encode(texts: list[str], embedder: str) -> scipy.sparse.csr_matrix | np.ndarray:
    """Texts as they enter the reduction, [n, features]: the setting `lyrics_embedder`.

    `tfidf`: weights of the words (`languages.words`) that several texts share. `sentence:MODEL`: vectors of a
    sentence-transformer (`sentences.encode`), their common mean taken off.
    """
    if embedder == "tfidf":
        words = TfidfVectorizer(analyzer=languages.words, min_df=2, max_df=0.7, sublinear_tf=True, max_features=50_000)
        return words.fit_transform(texts)
    values = sentences.encode(texts, embedder.removeprefix("sentence:")) if len(texts) > 1 else np.zeros((0, 0))
    return values - values.mean(axis=0) if len(values) else values


def bag_of_words(texts: pd.Series) -> pd.DataFrame:
    """The raw content that an embedding is made from: counts [track, word] of the words that several texts share."""
    counts = CountVectorizer(analyzer=languages.words, min_df=2, max_df=0.7, max_features=1000)
    values = counts.fit_transform(texts.fillna("").astype(str))
    return pd.DataFrame(values.toarray(), index=texts.index, columns=counts.get_feature_names_out())


# --- made-up text of known information ---------------------------------------------------------------------------


def dosed_texts(labels: pd.Series, information: float, seed: int = 0) -> tuple[pd.Series, float]:
    """Synthetic texts [track] whose topic tells about `labels` [track] a set amount, and that amount in nats.

    The topic grammar of the controlled corpus (`lib.corpora.controlled_lyrics`), asked for `information` nats with ten
    labels that are equally common. With others the amount differs, so it is computed from how common they are. It
    bounds what anything made from the texts can know, but for chance.
    """
    kinds, codes = np.unique(labels.to_numpy(), return_inverse=True)
    given = controlled_lyrics.topic_given_genre(information)[:, np.arange(len(kinds)) % len(controlled_lyrics.TOPICS)]
    rng = np.random.default_rng([seed, 61])
    topics = list(controlled_lyrics.TOPICS)
    drawn = [topics[rng.choice(len(topics), p=given[:, code])] for code in codes]
    texts = pd.Series([controlled_lyrics.write(rng, topic) for topic in drawn], labels.index)
    return texts, controlled_lyrics.lyrics_information(given * np.bincount(codes) / len(codes))


# --- the earlier study's embeddings, for the leakage audit -------------------------------------------------------


def leaky_label_embeddings(labels: pd.Series, dim: int, seed: int = 0, noise: float = 0.1) -> pd.DataFrame:
    """LEAKY, the earlier study's first version: a vector per genre, taken from its name, plus a little noise.

    What is wrong: it reads `labels` [track], the answer that clusters are later scored against. Any score of anything
    that contains these vectors measures the label, not lyrics; there are no lyrics in them.
    """
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
