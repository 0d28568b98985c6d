"""Lyrics: reading and matching them, embedding real text, and the earlier study's two leaky embeddings.

Real text is matched to tracks by file stem or by artist and title, never by position, and embedded without labels.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.preprocessing import normalize

from lib.corpora import controlled_lyrics
from lib.corpora.folder import SUFFIXES
from lib.corpora.items import Item
from lib.errors import Problem

MAX_BYTES = 200 * 10**6  # of a lyrics file
MAX_CHARACTERS = 100_000  # of one text; the rest of a longer one is cut
COLUMNS = {  # our name -> what such columns are called
    "track_id": ("track_id", "track id", "trackid", "id", "file", "filename", "file_stem", "stem", "track"),
    "artist": ("artist", "artist_name", "performer"),
    "title": ("title", "song", "track_title", "track_name"),
    "text": ("lyrics", "text", "lyric"),
}


# --- reading and matching ----------------------------------------------------------------------------------------


def read(path: Path) -> pd.DataFrame:
    """The entries of a lyrics file: track_id, artist, title, text, all as text ("" where missing).

    CSV (comma, semicolon or tab) with a header line, or JSON: a list of objects, or a mapping from id to text or to an
    object. `attrs["encoding"]` names the encoding that was used. Raises `Problem` when the file is none of these.
    """
    path = path.expanduser()
    if not path.is_file():
        raise Problem(f"there is no lyrics file {path}: check --lyrics")
    try:
        if path.stat().st_size > MAX_BYTES:
            raise Problem(f"the lyrics file {path} is larger than {MAX_BYTES // 10**6} MB: is it the right file?")
        content, encoding = _decode(path.read_bytes())
    except OSError as error:
        raise Problem(f"cannot read the lyrics file {path}: {error.strerror}") from error
    content = content.replace("\0", "")
    try:
        entries = _json(content) if path.suffix.lower() == ".json" else _csv(content)
    except (ValueError, RecursionError, csv.Error) as error:
        raise Problem(f"the lyrics file {path} cannot be understood: {error}") from error
    table = pd.DataFrame(entries, columns=list(COLUMNS), dtype=object).fillna("")
    table["text"] = table["text"].str.strip().str.slice(0, MAX_CHARACTERS)
    table.attrs["encoding"] = encoding
    return table


def _decode(content: bytes) -> tuple[str, str]:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", "replace"), "utf-16"
    try:
        return content.decode("utf-8-sig"), "utf-8"
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace"), "cp1252 (it is not UTF-8)"


def _csv(content: str) -> list[dict[str, str]]:
    header = content.split("\n", 1)[0]
    separator = max(",;\t", key=header.count)
    lines = csv.DictReader(io.StringIO(content, newline=""), delimiter=separator)
    limit = csv.field_size_limit(MAX_BYTES)
    try:
        rows = list(lines)
    finally:
        csv.field_size_limit(limit)
    names = _columns(lines.fieldnames or [])
    return [{ours: row[theirs] or "" for ours, theirs in names.items()} for row in rows]


def _json(content: str) -> list[dict[str, str]]:
    # Objects become lists of pairs, so that a mapping that names a track twice does not lose one silently
    data = json.loads(content, object_pairs_hook=_Pairs)
    if isinstance(data, _Pairs):
        pairs = [(key, value if isinstance(value, _Pairs) else _Pairs([("text", value)])) for key, value in data]
        rows = [dict(value) | {"track_id": key} for key, value in pairs]
    elif isinstance(data, list) and all(isinstance(row, _Pairs) for row in data):
        rows = [dict(row) for row in data]
    else:
        raise ValueError("expected a list of objects, or a mapping from track to lyrics")
    names = _columns(dict.fromkeys(key for row in rows for key in row))
    return [{ours: _as_text(row.get(theirs)) for ours, theirs in names.items()} for row in rows]


class _Pairs(list):
    """A JSON object, as the list of its (key, value) pairs."""


def _as_text(value: object) -> str:
    if isinstance(value, (str, int, float)) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return "\n".join(value)
    return ""


def _columns(found: Iterable[str]) -> dict[str, str]:
    """Our column names -> the file's. Raises `ValueError` when texts, or anything to match them by, are missing."""
    by_name = {str(name).strip().lower(): name for name in found}
    matching = {ours: [by_name[name] for name in known if name in by_name] for ours, known in COLUMNS.items()}
    names = {ours: candidates[0] for ours, candidates in matching.items() if candidates}
    if "text" not in names or not ("track_id" in names or {"artist", "title"} <= set(names)):
        raise ValueError(
            f"it has the columns {', '.join(map(str, found)) or 'none'}; "
            "needed are lyrics, and track_id or artist and title"
        )
    return names


def match(items: list[Item], table: pd.DataFrame) -> tuple[dict[str, str], pd.DataFrame]:
    """Give each track its text: by file stem first, then by "artist - title" as the stem; never by position.

    Returns the texts by item name, and a report with one row per entry (entry, file, outcome). An entry is used only if
    its key is unique in the table and among the files. Raises `Problem` when no entry matches any track.
    """
    stems: dict[str, list[str]] = defaultdict(list)
    songs: dict[str, list[str]] = defaultdict(list)
    for item in items:
        stem = _stem(item.name.rsplit("/", 1)[-1])
        stems[stem].append(item.name)
        songs[_song(stem)].append(item.name)
    ids = [_stem(key) for key in table["track_id"]]
    keys = [_song(f"{a} - {t}") if a and t else "" for a, t in zip(table["artist"], table["title"], strict=True)]
    id_counts, key_counts = Counter(ids), Counter(keys)
    texts: dict[str, str] = {}
    rows = []
    for track_id, key, row in zip(ids, keys, table.itertuples(), strict=True):
        files, n, how = stems.get(track_id, []), id_counts[track_id], "file stem"
        if not (track_id and files):
            files, n, how = songs.get(key, []) if key else [], key_counts[key], "artist and title"
        if not files:
            outcome = "no such track"
        elif n > 1:
            outcome = f"not used: {n} entries have this {how}"
        elif len(files) > 1:
            outcome = f"not used: {len(files)} files have this {how}"
        elif files[0] in texts:
            outcome = "not used: its track has a text already"
        else:
            texts[files[0]] = row.text
            outcome = f"matched by {how}" if row.text else f"matched by {how}, but the text is empty"
        rows.append((track_id or f"{row.artist} - {row.title}", files[0] if len(files) == 1 else "", outcome))
    report = pd.DataFrame(rows, columns=["entry", "file", "outcome"])
    report.attrs["encoding"] = table.attrs.get("encoding", "")
    if not texts:
        seen = next((f"'{row[0]}'" for row in rows), "nothing")
        raise Problem(
            f"the lyrics file matches none of the {len(items)} tracks: its entries are named like {seen}, the files "
            f"like '{_stem(items[0].name.rsplit('/', 1)[-1])}'; its ids must be file names without suffix"
        )
    return texts, report


def _stem(name: str) -> str:
    """A file name without its audio suffix, in composed Unicode; leading zeros and case are kept."""
    name = unicodedata.normalize("NFC", name.strip())
    return name[: -len(Path(name).suffix)] if Path(name).suffix.lower() in SUFFIXES else name


def _song(name: str) -> str:
    """A key that forgives case, accents and punctuation."""
    plain = unicodedata.normalize("NFKD", name.casefold())
    return " ".join(re.findall(r"\w+", "".join(c for c in plain if not unicodedata.combining(c))))


# --- real text ---------------------------------------------------------------------------------------------------


def embed(texts: pd.Series, dim: int, seed: int = 0) -> pd.DataFrame:
    """TF-IDF reduced to at most `dim` dimensions by truncated SVD, rows of unit length; no label is seen.

    `texts` [track] is indexed by track id; a track without text gets a row of NaN: its modality is missing, not zero.
    Words of a single text are left out. Raises `Problem` when too few texts share words.
    """
    written = texts.fillna("").astype(str).sort_index()
    written = written[written.str.strip() != ""]
    try:
        words = TfidfVectorizer(min_df=2, max_df=0.7, sublinear_tf=True, strip_accents="unicode")
        weights = words.fit_transform(written)
        kept = min(dim, weights.shape[0] - 1, weights.shape[1] - 1)
        # "arpack" is exact: the result depends on the texts alone, up to rounding
        reduced = TruncatedSVD(kept, algorithm="arpack", random_state=seed).fit_transform(weights)
    except ValueError as error:
        raise Problem(f"{len(written)} texts of lyrics are too few, or too unlike each other, to embed") from error
    vectors = pd.DataFrame(normalize(reduced), index=written.index)
    return vectors.where(vectors.abs().sum(axis=1) > 0).reindex(texts.index)


def bag_of_words(texts: pd.Series) -> pd.DataFrame:
    """The raw content that an embedding is made from: counts [track, word] of the words that several texts share."""
    counts = CountVectorizer(min_df=2, max_df=0.7, strip_accents="unicode", max_features=1000)
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
