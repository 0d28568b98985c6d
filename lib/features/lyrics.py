"""Lyrics to vectors, from the texts alone, without labels; which text is whose: `lib.corpora.lyrics_matching`."""

from __future__ import annotations

import numpy as np
import pandas as pd
import scipy.sparse
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.preprocessing import normalize

from lib.corpora import languages
from lib.features import sentence_embeddings
from lib.store.errors import Problem


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
    sentence-transformer (`sentence_embeddings.encode`), their common mean taken off.
    """
    if embedder == "tfidf":
        words = TfidfVectorizer(analyzer=languages.words, min_df=2, max_df=0.7, sublinear_tf=True, max_features=50_000)
        return words.fit_transform(texts)
    model = embedder.removeprefix("sentence:")
    values = sentence_embeddings.encode(texts, model) if len(texts) > 1 else np.zeros((0, 0))
    return values - values.mean(axis=0) if len(values) else values


def bag_of_words(texts: pd.Series) -> pd.DataFrame:
    """The raw content that an embedding is made from: counts [track, word] of the words that several texts share; no
    columns where none is shared by some and not by most."""
    counts = CountVectorizer(analyzer=languages.words, min_df=2, max_df=0.7, max_features=1000)
    try:
        values = counts.fit_transform(texts.fillna("").astype(str))
    except ValueError:
        return pd.DataFrame(index=texts.index)
    return pd.DataFrame(values.toarray(), index=texts.index, columns=counts.get_feature_names_out())
