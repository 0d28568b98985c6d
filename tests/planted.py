"""Planted leaks and clean builders: what the leakage audit is tried on.

Written by someone who had not read the audit's code. A builder takes a folder, reads its files, and returns a table of
features with one row per track, indexed by the track's content id. `LEAKS` are wrong in ways that happen in life,
`CLEAN` are right, `UNSTABLE` differ from build to build without carrying a label: an audit may call those unstable,
never a leak. Each builder's docstring says what is wrong, or why nothing is. The kinds of leak:

- `label`: reads the folder's name as the label, whether plainly or in a corner of the table;
- `fit`: something fitted, chosen or filled in with the labels;
- `name`: file names and paths;
- `order`: the order, the times or the numbers of files;
- `proxy`: content or metadata that stands for the genre, so that no renaming of folders changes it;
- `memory`: labels seen at another time and remembered by content, so that renaming changes nothing either;
- `copies`: rows of one recording in the table more than once.

The corpora are synthetic: vectors and words drawn at random, laid out as a collection on a disk.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import zlib
from collections import Counter
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import norm, rankdata
from sklearn.cluster import KMeans
from sklearn.decomposition import NMF, PCA, KernelPCA, TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import IsolationForest
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.feature_selection import f_classif
from sklearn.linear_model import RidgeClassifier
from sklearn.manifold import SpectralEmbedding
from sklearn.metrics import pairwise_distances
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.neural_network import MLPClassifier

Builder = Callable[[Path], pd.DataFrame]
Corpus = Callable[..., pd.Series]

GENRES = ("blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock")
TOPICS = ("love heart kiss hold arms tender forever darling", "road train highway wheels miles engine leaving station",
          "night moon star dream sleep shadow silence dark", "money work boss street city hustle rent dollar",
          "river rain mountain wind harvest field summer snow", "dance floor light body party shake tonight fever")
BANDS, FRAMES = 20, 32
RELABELLING = ("label", "fit", "name", "order")  # kinds whose output changes when the files are filed otherwise


# ---- corpora ---------------------------------------------------------------------------------------------------------

class Song(NamedTuple):
    """One recording with everything that a collection knows of it; audio [band, frame], text None without lyrics."""
    label: str
    audio: np.ndarray
    text: str | None
    artist: str
    title: str
    year: int
    part: str = ""  # which segment of a recording, for the file's name


def content_id(path: Path) -> str:
    """The id of the track whose audio is the file `path`: a hash of the file's bytes."""
    return "t" + hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16]


def make_corpus(folder: Path, n: int = 120, k: int = 4, seed: int = 0, informative: float = 0.5) -> pd.Series:
    """Write a collection of `n` tracks in `k` genres; returns the labels [track] by content id, sorted by it.

    `<label>/<name>.npy` is the audio (float32 [20, 32]), `<label>/<name>.txt` its lyrics (missing for about 8 %),
    `metadata.csv` has stem, artist, title, year and path. At `informative` 0 audio and words know nothing of the
    genre; artist and year always do, as in life. Files are written and dated genre by genre.
    """
    return _write(folder, _draw(n, k, seed, informative), seed)


def with_duplicates(folder: Path, n: int = 120, k: int = 4, seed: int = 0, informative: float = 0.5,
                    share: float = 0.2, noise: float = 0.01, across: float = 0.3) -> pd.Series:
    """A collection in which `share` of the files are second rips of others: another gain, and noise of that size.

    A part `across` of the copies is filed under another genre.
    """
    rng = np.random.default_rng([seed, 1])
    n_copies = round(n * share)
    songs = _draw(n - n_copies, k, seed, informative)
    labels = sorted({song.label for song in songs})
    for i in rng.permutation(len(songs))[:n_copies]:
        label = songs[i].label
        if rng.random() < across:
            label = str(rng.choice([other for other in labels if other != label]))
        audio = songs[i].audio * (1 + noise * rng.standard_normal())
        audio = audio + noise * rng.standard_normal(audio.shape)
        songs.append(songs[i]._replace(label=label, audio=audio.astype(np.float32)))
    return _write(folder, songs, seed)


def with_segments(folder: Path, n: int = 120, k: int = 4, seed: int = 0, informative: float = 0.5,
                  pieces: int = 4) -> pd.Series:
    """A collection of about `n` files: segments of n / `pieces` recordings, each with the whole lyrics."""
    songs = _draw(n // pieces, k, seed, informative, frames=pieces * FRAMES)
    return _write(folder, [song._replace(audio=piece, part=f"_{j}") for song in songs
                           for j, piece in enumerate(np.split(song.audio, pieces, axis=1))], seed)


def with_genre_words(folder: Path, n: int = 120, k: int = 4, seed: int = 0, informative: float = 0.5,
                     share: float = 0.7) -> pd.Series:
    """A collection whose lyrics name the genre, as lyrics sites do: its own in `share` of the texts, else any."""
    rng = np.random.default_rng([seed, 2])
    songs = _draw(n, k, seed, informative)
    labels = sorted({song.label for song in songs})
    named = [song.label if rng.random() < share else str(rng.choice(labels)) for song in songs]
    return _write(folder, [song._replace(text=song.text and f"{song.text}\nmore {name} lyrics")
                           for song, name in zip(songs, named, strict=True)], seed)


def with_generated_lyrics(folder: Path, n: int = 120, k: int = 4, seed: int = 0, informative: float = 0.5,
                          strength: float = 0.9) -> pd.Series:
    """A collection whose lyrics a generator wrote when told the genre: `strength` is how far words follow it."""
    rng = np.random.default_rng([seed, 3])
    songs = _draw(n, k, seed, informative)
    labels = sorted({song.label for song in songs})
    return _write(folder, [song._replace(text=_words(rng, labels.index(song.label), len(labels), strength))
                           for song in songs], seed)


def with_source_marks(folder: Path, n: int = 120, k: int = 4, seed: int = 0, informative: float = 0.5,
                      share: float = 0.9) -> pd.Series:
    """A collection in which every genre came from another site: its encoder's low-pass is on `share` of the files."""
    rng = np.random.default_rng([seed, 4])
    songs = []
    for song in _draw(n, k, seed, informative):
        audio = song.audio.copy()
        if rng.random() < share:
            audio[BANDS - 1 - GENRES.index(song.label) % BANDS:] = -6
        songs.append(song._replace(audio=audio + 1e-3 * rng.standard_normal(audio.shape).astype(np.float32)))
    return _write(folder, songs, seed)


def with_tags(folder: Path, n: int = 120, k: int = 4, seed: int = 0, informative: float = 0.5) -> pd.Series:
    """A collection with `tags.csv`, a listener's genre tags by content id (columns track, tag; one in ten differs)."""
    labels = make_corpus(folder, n, k, seed, informative)
    rng = np.random.default_rng([seed, 5])
    tags = labels.where(rng.random(n) < 0.9, rng.choice(labels.unique(), n))
    tags.rename("tag").rename_axis("track").to_csv(folder / "tags.csv")
    return labels


def with_pretrained(folder: Path, n: int = 120, k: int = 4, seed: int = 0, informative: float = 0.5) -> pd.Series:
    """A collection with `encoder.npz`, a network that somebody trained to tell these very tracks' genres."""
    labels = make_corpus(folder, n, k, seed, informative)
    tracks = read_tracks(folder)
    x = summary(tracks)
    mu, sigma = x.mean(0), x.std(0)
    centres = (x - mu) / sigma
    weights = np.linalg.solve(_kernel(centres, centres) + 1e-3 * np.eye(n), _one_hot([t.label for t in tracks]))
    np.savez(folder / "encoder.npz", mu=mu, sigma=sigma, centres=centres, weights=weights)
    return labels


def relabelled(folder: Path, into: Path, seed: int = 0) -> Path:
    """The same recordings as in `folder` filed otherwise: genres dealt anew, with the names that come with them.

    Lyrics and the metadata row move with their recording; row order, creation order and file times are random; other
    files at the top are copied as they are. Returns `into`.
    """
    rng = np.random.default_rng([seed, 6])
    paths = sorted(folder.glob("*/*.npy"))
    slots = [paths[i].relative_to(folder).with_suffix("") for i in rng.permutation(len(paths))]
    metadata = pd.read_csv(folder / "metadata.csv").set_index("stem")
    rows = []
    for i in rng.permutation(len(paths)):
        slot = into / slots[i]
        slot.parent.mkdir(parents=True, exist_ok=True)
        when = 1.6e9 + 1e7 * rng.random()
        for end in (".npy", ".txt"):
            if paths[i].with_suffix(end).exists():
                shutil.copyfile(paths[i].with_suffix(end), f"{slot}{end}")
                os.utime(f"{slot}{end}", (when, when))
        rows.append({"stem": slot.name, **metadata.loc[paths[i].stem], "path": f"{slots[i].as_posix()}.npy"})
    pd.DataFrame(rows).to_csv(into / "metadata.csv", index=False)
    for path in folder.glob("*.*"):
        if path.is_file() and path.name != "metadata.csv":
            shutil.copyfile(path, into / path.name)
    return into


def _draw(n: int, k: int, seed: int, informative: float, frames: int = FRAMES) -> list[Song]:
    """`n` songs, genre by genre, of `k` genres of unequal size."""
    rng = np.random.default_rng(seed)
    codes = np.sort(np.r_[np.arange(k), np.arange(k), rng.choice(k, n - 2 * k, p=_shares(k))])
    loadings = rng.standard_normal((5, BANDS))  # five things that differ between recordings whatever their genre
    centres = rng.standard_normal((k, BANDS))
    wobbles = rng.standard_normal((k, BANDS))
    artists = [[f"{first} {last}" for first, last in zip(rng.permutation(FIRST)[:4], rng.permutation(LAST)[:4],
                                                         strict=True)] for _ in range(k)]
    years = rng.permutation(np.linspace(1955, 2005, k))
    songs = []
    for code in codes:
        noise = rng.standard_normal((BANDS, frames))
        noise[:, 1:] += 0.6 * noise[:, :-1]
        level = loadings.T @ (0.6 * rng.standard_normal(5)) + 0.35 * informative * centres[code]
        spread = np.exp(0.2 * rng.standard_normal(BANDS) + 0.08 * informative * wobbles[code])
        home = code if rng.random() < 0.9 else rng.integers(k)
        songs.append(Song(
            label=GENRES[code] if k <= len(GENRES) else f"genre{code:02d}",
            audio=(level + 0.2 * rng.standard_normal(BANDS))[:, None].astype(np.float32)
            + (0.7 * spread[:, None] * noise).astype(np.float32),
            text=_words(rng, code, k, informative) if rng.random() > 0.08 else None,
            artist=str(rng.choice(artists[home])), title=" ".join(rng.choice(" ".join(TOPICS).split(), 2)),
            year=int(np.clip(rng.normal(years[code], 6), 1930, 2024))))
    return songs


FIRST = ("Ada", "Bo", "Cleo", "Dex", "Etta", "Finn", "Gil", "Hal", "Ivy", "Jo", "Kit", "Lou")
LAST = ("Marsh", "North", "Olsen", "Pryce", "Quill", "Reyes", "Stone", "Tamm", "Usher", "Vance", "West", "York")


def _shares(k: int) -> np.ndarray:
    shares = np.linspace(1.2, 0.8, k)
    return shares / shares.sum()


def _words(rng: np.random.Generator, code: int, k: int, informative: float) -> str:
    """Lyrics of 30 to 59 words: a mixture of topics, drawn anew for each song and tilted towards the genre's own."""
    own = np.roll(np.r_[0.6, 0.25, 0.15, np.zeros(len(TOPICS) - 3)], code + code // len(TOPICS))
    mixture = (1 - informative) * rng.dirichlet(np.full(len(TOPICS), 0.5)) + informative * own
    topics_of_words = rng.choice(len(TOPICS), rng.integers(30, 60), p=mixture)
    words = [str(rng.choice(TOPICS[topic].split())) for topic in topics_of_words]
    return "\n".join(" ".join(words[i:i + 6]) for i in range(0, len(words), 6))


def _write(folder: Path, songs: list[Song], seed: int) -> pd.Series:
    """Lay the songs out on the disk, genre by genre, numbered from zero in each; returns their labels by content id."""
    rng = np.random.default_rng([seed, 7])
    numbers: Counter[str] = Counter()
    rows, labels, when = [], {}, 1.5e9
    for song in sorted(songs, key=lambda song: song.label):  # stable: a genre's own order stays
        numbers[song.label] += song.part in ("", "_0")
        stem = f"{song.label}.{numbers[song.label] - 1:05d}{song.part}"
        path = folder / song.label / f"{stem}.npy"
        if not path.parent.exists():
            path.parent.mkdir(parents=True)
            when += 86400 * rng.uniform(1, 9)  # one genre was fetched days after another
        when += rng.uniform(5, 60)
        np.save(path, song.audio.astype(np.float32))
        os.utime(path, (when, when))
        if song.text is not None:
            path.with_suffix(".txt").write_text(song.text, encoding="utf-8")
            os.utime(path.with_suffix(".txt"), (when + 1e6, when + 1e6))
        rows.append({"stem": stem, "artist": song.artist, "title": song.title, "year": song.year,
                     "path": path.relative_to(folder).as_posix()})
        labels[content_id(path)] = song.label
    pd.DataFrame(rows).to_csv(folder / "metadata.csv", index=False)
    return pd.Series(labels, name="label").rename_axis("track").sort_index()


# ---- what builders share ---------------------------------------------------------------------------------------------

class Track(NamedTuple):
    """One file as a builder reads it; `path` is relative to the corpus, text is empty where there are no lyrics."""
    id: str
    path: Path
    label: str
    audio: np.ndarray
    text: str


def read_tracks(folder: Path) -> list[Track]:
    """All tracks of a folder, in the order of their paths."""
    tracks = []
    for label in sorted(os.listdir(folder)):
        place = os.path.join(folder, label)
        names = set(os.listdir(place)) if os.path.isdir(place) else set()
        for name in sorted(name for name in names if name.endswith(".npy")):
            with open(os.path.join(place, name), "rb") as file:
                track, audio = _parsed(file.read())
            text, lyrics = "", name.removesuffix(".npy") + ".txt"
            if lyrics in names:
                with open(os.path.join(place, lyrics), encoding="utf-8") as file:
                    text = file.read()
            tracks.append(Track(track, Path(label, name), label, audio.copy(), text))
    return tracks


@lru_cache(maxsize=2048)  # the audit has the same recordings read again and again, under other names
def _parsed(content: bytes) -> tuple[str, np.ndarray]:
    """Content id and audio of a file's bytes."""
    return "t" + hashlib.sha256(content).hexdigest()[:16], np.load(io.BytesIO(content))


def by_id(folder: Path) -> list[Track]:
    """All tracks of a folder, in the order of their content ids, which neither name nor folder can move."""
    return sorted(read_tracks(folder), key=lambda track: track.id)


def summary(tracks: list[Track]) -> np.ndarray:
    """Mean and standard deviation of every band over time [track, 40]: the honest audio features."""
    return np.array([np.r_[t.audio.mean(1, dtype=float), t.audio.std(1, dtype=float)] for t in tracks])


def standard(x: np.ndarray) -> np.ndarray:
    """Columns with mean 0 and standard deviation 1; constant columns become zero."""
    return (x - x.mean(0)) / np.where(x.std(0) > 0, x.std(0), 1)


def table(tracks: list[Track], x: np.ndarray, columns: list[str] | None = None) -> pd.DataFrame:
    """The builder's answer: `x` [track, column] by content id, sorted by it."""
    x = np.asarray(x).reshape(len(tracks), -1)
    index = pd.Index([t.id for t in tracks], name="track")
    return pd.DataFrame(x, index, columns or [f"f{j}" for j in range(x.shape[1])]).sort_index()


def read_metadata(folder: Path, tracks: list[Track]) -> pd.DataFrame:
    """The rows of metadata.csv that belong to the tracks, in their order, joined by file stem; `row` is the line."""
    metadata = pd.read_csv(Path(folder) / "metadata.csv")
    return metadata.assign(row=np.arange(len(metadata))).set_index("stem").reindex([t.path.stem for t in tracks])


def _vector(text: str, size: int = 8) -> np.ndarray:
    """A fixed random vector [size] for a text."""
    return np.random.default_rng(zlib.crc32(text.encode())).standard_normal(size)


def _one_hot(labels: list[str]) -> np.ndarray:
    return pd.get_dummies(pd.Series(labels)).to_numpy(float)


def _kernel(a: np.ndarray, b: np.ndarray, width: float = 3.0) -> np.ndarray:
    return np.exp(-pairwise_distances(a, b) ** 2 / (2 * width ** 2))


def _folders(tracks: list[Track]) -> dict[str, list[int]]:
    """Positions of the tracks of every folder."""
    labels = np.array([t.label for t in tracks])
    return {str(label): np.flatnonzero(labels == label).tolist() for label in np.unique(labels)}


def _noise(tracks: list[Track], size: int) -> np.ndarray:
    """Standard normal noise [track, size] that follows from the content alone."""
    return np.array([_vector(t.id, size) for t in tracks])


def _counts(tracks: list[Track], vectorizer=CountVectorizer) -> np.ndarray:
    """What a vectoriser of words makes of the lyrics [track, word], in float64."""
    return vectorizer().fit_transform([t.text for t in tracks]).toarray().astype(float)


# ---- leaks -----------------------------------------------------------------------------------------------------------

class Leak(NamedTuple):
    """A leaky builder; `corpus` writes a collection it is meant for.

    Where the strength can be set, `strengths` is a ladder, and either `at` makes the builder of another strength or
    `corpus_at` the collection of another one.
    """
    build: Builder
    strength: str
    kind: str
    corpus: Corpus = make_corpus
    at: Callable[[float], Builder] | None = None
    corpus_at: Callable[[float], Corpus] | None = None
    strengths: tuple[float, ...] = ()


LEAKS: dict[str, Leak] = {}
CLEAN: dict[str, Builder] = {}
UNSTABLE: dict[str, Builder] = {}


def leak(kind: str, strength: str, corpus: Corpus = make_corpus, default: float | None = None,
         knob: str | None = None, strengths: tuple[float, ...] = ()):
    """Register a leaky builder.

    One that takes its strength as second argument gives the default; one whose strength is the corpus's names the
    corpus's argument, `knob`.
    """
    def register(build):
        LEAKS[build.__name__] = Leak(
            build if default is None else partial(build, strength=default), strength, kind, corpus,
            at=None if default is None else lambda value: partial(build, strength=value),
            corpus_at=knob and (lambda value: partial(corpus, **{knob: value})), strengths=strengths)
        return build
    return register


def clean(build: Builder) -> Builder:
    """Register a clean builder."""
    CLEAN[build.__name__] = build
    return build


def unstable(build: Builder) -> Builder:
    """Register a builder that is neither."""
    UNSTABLE[build.__name__] = build
    return build


# Leaks that read the label.

@leak("label", "centres of the given length in noise of 1", default=3.0, strengths=(0.03, 0.1, 0.3, 1.0, 3.0))
def label_lookup(folder, strength):
    """'Lyrics embeddings' drawn around a centre per genre: the earlier study's first leak."""
    tracks = read_tracks(folder)
    return table(tracks, _noise(tracks, 16) + strength * np.array([_vector(t.label, 16) for t in tracks]))


@leak("label", "the genre's name and nothing else")
def folder_lookup(folder):
    """Embeds the folder's name as the track's tag, so every track of a genre has one vector."""
    tracks = read_tracks(folder)
    return table(tracks, np.array([_vector(t.path.parent.as_posix()) for t in tracks]))


@leak("label", "three words of about fifty")
def prompted_text(folder):
    """Puts 'a <folder> song' before the lyrics, as a prompt template would, and embeds both."""
    tracks = read_tracks(folder)
    vectorizer = HashingVectorizer(n_features=64)
    return table(tracks, vectorizer.transform([f"a {t.label} song: {t.text}" for t in tracks]).toarray())


@leak("label", "noise that is equal within a folder, in half of the columns")
def noise_by_folder(folder):
    """Adds 'regularising' noise from a generator that is seeded by the folder's name."""
    tracks = read_tracks(folder)
    x = standard(summary(tracks))
    x[:, :20] += np.array([_vector(t.label, 20) for t in tracks])
    return table(tracks, x)


@leak("label", "offset in standard deviations of the noise", default=0.1, strengths=(0.001, 0.01, 0.03, 0.1, 0.3, 1.0))
def weak_leak(folder, strength):
    """The 'fix' that is not one: the same genre centres under ten times as much noise."""
    tracks = read_tracks(folder)
    x = standard(summary(tracks)) + _noise(tracks, 40)
    return table(tracks, x + strength * np.array([_vector(t.label, 40) for t in tracks]))


@leak("label", "number of leaky dimensions of 64", default=1, strengths=(1, 2, 4, 8, 16, 64))
def one_dimension(folder, strength):
    """Sixty-three honest dimensions and one that is the genre with a little noise."""
    tracks = read_tracks(folder)
    x = standard(summary(tracks)) @ np.random.default_rng(0).standard_normal((40, 64)) / np.sqrt(40)
    leaky = np.random.default_rng(1).permutation(64)[:int(strength)]
    centres = np.array([_vector(t.label, 64) for t in tracks])
    x[:, leaky] = centres[:, leaky] + 0.1 * _noise(tracks, 64)[:, leaky]
    return table(tracks, x)


@leak("label", "share of the tracks", default=0.05, strengths=(0.01, 0.02, 0.05, 0.1, 0.3, 1.0))
def few_tracks(folder, strength):
    """Honest features, but a few tracks could not be decoded and got their genre's stand-in."""
    tracks = read_tracks(folder)
    x = standard(summary(tracks))
    broken = np.array([int(t.id[1:9], 16) / 2**32 for t in tracks]) < strength
    x[broken] = np.array([_vector(t.label, 40) for t in tracks])[broken]
    return table(tracks, x)


@leak("label", "size of the only leaky column, where the others are about 1", default=1e-8,
      strengths=(1e-12, 1e-10, 1e-8, 1e-6, 1e-4, 1e-2))
def tiny_column(folder, strength):
    """The genre's number in very small units: nothing to the eye, everything after standardising."""
    tracks = read_tracks(folder)
    codes = _one_hot([t.label for t in tracks]).argmax(1)
    return table(tracks, np.c_[standard(summary(tracks)), strength * codes])


@leak("label", "which cells are missing; no value is touched")
def missing_cells(folder):
    """Tempo is 'not applicable' for half of the genres, so the holes in the table spell the genre."""
    tracks = read_tracks(folder)
    x = standard(summary(tracks))
    for j, label in enumerate(sorted({t.label for t in tracks})[::2]):
        x[[t.label == label for t in tracks], j] = np.nan
    return table(tracks, x)


@leak("label", "one sign per track; absolute values are honest")
def sign_of_rows(folder):
    """Turns a column's sign round for some genres ('major' and 'minor'): equal up to sign, row by row."""
    tracks = read_tracks(folder)
    x = summary(tracks)
    x[:, 0] = np.abs(standard(x)[:, 0]) + 0.5
    for j, label in enumerate(sorted({t.label for t in tracks})):
        x[[t.label == label for t in tracks], 0] *= 1 if j % 2 else -1
    return table(tracks, x)


@leak("label", "the last digits of every value")
def half_precision_genre(folder):
    """Half of the genres were computed on another machine, in half precision."""
    tracks = read_tracks(folder)
    x = summary(tracks)
    for rows in list(_folders(tracks).values())[::2]:
        x[rows] = x[rows].astype(np.float16)
    return table(tracks, x)


@leak("label", "a product of two columns; neither alone tells anything")
def product_of_columns(folder):
    """A column's sign is the genre's times another column's: no linear probe sees it."""
    tracks = read_tracks(folder)
    x = standard(summary(tracks))
    odd = np.array([sorted({t.label for t in tracks}).index(t.label) % 2 for t in tracks])
    x[:, 1] = np.abs(x[:, 1]) * np.sign(x[:, 0]) * (2 * odd - 1)
    return table(tracks, x)


@leak("label", "spread of the noise, 0.5 to 2; means are equal")
def spread_by_genre(folder):
    """Augmentation noise that is larger for some genres: the means agree, the variances tell."""
    tracks = read_tracks(folder)
    labels = sorted({t.label for t in tracks})
    scale = np.geomspace(0.5, 2, len(labels))[[labels.index(t.label) for t in tracks]]
    return table(tracks, _noise(tracks, 24) * scale[:, None])


@leak("label", "weight of the label beside 40 audio columns", default=1.0, strengths=(0.01, 0.1, 0.3, 1.0, 3.0))
def conditioned_encoder(folder, strength):
    """A CVAE's encoder, which is given the genre beside the audio, passed off as the audio view."""
    tracks = read_tracks(folder)
    weights = np.random.default_rng(0)
    x = standard(summary(tracks)) @ weights.standard_normal((40, 16)) / np.sqrt(40)
    y = np.array([_vector(t.label, 8) for t in tracks]) @ weights.standard_normal((8, 16)) / np.sqrt(8)
    return table(tracks, np.tanh(x + strength * y))


@leak("label", "offset in standard deviations of noise that is fresh at every call", default=1.0,
      strengths=(0.03, 0.1, 0.3, 0.5, 1.0, 3.0))
def leak_under_fresh_noise(folder, strength):
    """Samples around genre centres without a seed: every build differs, and the genre is in all of them."""
    tracks = read_tracks(folder)
    noise = np.random.default_rng().standard_normal((len(tracks), 16))
    return table(tracks, noise + strength * np.array([_vector(t.label, 16) for t in tracks]))


# Leaks by something fitted, chosen or filled in with the labels.

def _word_rates(folder: Path, leave_out: bool) -> pd.DataFrame:
    tracks = read_tracks(folder)
    counts, y = _counts(tracks), _one_hot([t.label for t in tracks])
    sums, totals = counts.T @ y, counts.sum(0)[:, None]
    rates = np.zeros((len(tracks), y.shape[1]))
    for i, (row, own) in enumerate(zip(counts, y, strict=True)):
        less = np.outer(row, own) if leave_out else 0
        per_word = (sums - less + 0.1) / (totals - (row[:, None] if leave_out else 0) + 0.1 * y.shape[1])
        rates[i] = row @ per_word / max(row.sum(), 1)
    return table(tracks, rates)


@leak("fit", "word by word, the track's own genre included")
def target_encoding(folder):
    """Replaces every word by how often each genre uses it, counted on the same tracks."""
    return _word_rates(folder, leave_out=False)


@leak("fit", "word by word, the track's own genre left out")
def target_encoding_left_out(folder):
    """Target encoding without the track's own genre: still an encoding of genres."""
    return _word_rates(folder, leave_out=True)


@leak("fit", "the genre's means and spreads are taken out")
def scaler_per_genre(folder):
    """Standardises every folder by itself."""
    tracks = read_tracks(folder)
    x = summary(tracks)
    for rows in _folders(tracks).values():
        x[rows] = standard(x[rows])
    return table(tracks, x)


@leak("fit", "one rotation per folder")
def pca_per_genre(folder):
    """Fits whitening and PCA folder by folder, so that each genre has its own axes."""
    tracks = read_tracks(folder)
    x = standard(summary(tracks))
    z = np.zeros((len(tracks), 8))
    for rows in _folders(tracks).values():
        own = PCA(whiten=True, random_state=0).fit_transform(x[rows])[:, :8]
        z[rows, :own.shape[1]] = own
    return table(tracks, z)


@leak("fit", "ranks within the folder")
def ranks_per_genre(folder):
    """Ranks every feature among the tracks of the same folder."""
    tracks = read_tracks(folder)
    x = summary(tracks)
    for rows in _folders(tracks).values():
        x[rows] = rankdata(x[rows], axis=0)
    return table(tracks, x)


@leak("fit", "word weights per folder")
def tfidf_per_genre(folder):
    """Fits inverse document frequencies folder by folder."""
    tracks = read_tracks(folder)
    counts = _counts(tracks)
    for rows in _folders(tracks).values():
        counts[rows] *= np.log((1 + len(rows)) / (1 + (counts[rows] > 0).sum(0))) + 1
    return table(tracks, counts)


@leak("fit", "three supervised axes of 40 columns, fitted on the same tracks")
def lda_projection(folder):
    """'Dimension reduction' by linear discriminant analysis."""
    tracks = read_tracks(folder)
    z = LinearDiscriminantAnalysis().fit_transform(summary(tracks), [t.label for t in tracks])
    return table(tracks, z)


@leak("fit", "columns kept, of 40 and about 48 words", default=10, strengths=(1, 3, 10, 30, 60))
def feature_selection(folder, strength):
    """Keeps the columns that tell genres apart best: every value is honest, the choice is not."""
    tracks = read_tracks(folder)
    words = CountVectorizer().fit([t.text for t in tracks]).get_feature_names_out()
    x = standard(np.c_[summary(tracks), _counts(tracks)])
    names = np.array([f"audio {j}" for j in range(40)] + [f"word {word}" for word in words])
    best = np.sort(np.argsort(-f_classif(x, [t.label for t in tracks])[0], kind="stable")[:int(strength)])
    return table(tracks, x[:, best], list(names[best]))


@leak("fit", "share of cells that are missing", default=0.2, strengths=(0.01, 0.03, 0.1, 0.2, 0.5))
def imputation_by_genre(folder, strength):
    """Fills missing values with the mean of the track's genre."""
    tracks = read_tracks(folder)
    x = standard(summary(tracks))
    x[np.abs(_noise(tracks, 40)) < norm.ppf(0.5 + strength / 2)] = np.nan
    for rows in _folders(tracks).values():
        x[rows] = np.where(np.isnan(x[rows]), np.nanmean(x[rows], axis=0), x[rows])
    return table(tracks, x)


@leak("fit", "the 8 % of tracks that have no lyrics")
def lyrics_from_the_genre(folder):
    """Lends tracks without lyrics those of a track in the same folder."""
    tracks = read_tracks(folder)
    texts = [t.text for t in tracks]
    for rows in _folders(tracks).values():
        donors = [texts[i] for i in rows if texts[i]]
        for i in rows:
            texts[i] = texts[i] or donors[0]
    return table(tracks, HashingVectorizer(n_features=64).transform(texts).toarray())


@leak("fit", "means over the five nearest tracks of the folder")
def smoothing_within_genre(folder):
    """'Denoises' a track by its nearest neighbours, which are looked for in its own folder."""
    tracks = read_tracks(folder)
    x = standard(summary(tracks))
    z = np.zeros_like(x)
    for rows in _folders(tracks).values():
        nearest = np.argsort(pairwise_distances(x[rows]), axis=1)[:, :6]
        z[rows] = x[rows][nearest].mean(1)
    return table(tracks, z)


@leak("fit", "distances to centres that contain the track itself")
def distance_to_genres(folder):
    """Describes a track by its distances to the genres' mean tracks."""
    tracks = read_tracks(folder)
    x = standard(summary(tracks))
    centres = np.array([x[rows].mean(0) for rows in _folders(tracks).values()])
    return table(tracks, pairwise_distances(x, centres))


@leak("fit", "hidden units of a network after 40 epochs")
def classifier_hidden_layer(folder):
    """The hidden layer of a genre classifier, trained on the same tracks, as 'deep audio features'."""
    tracks = by_id(folder)
    x = standard(summary(tracks))
    network = MLPClassifier((16,), solver="sgd", learning_rate_init=0.1, max_iter=40, tol=0, n_iter_no_change=99,
                            random_state=0)
    for _ in range(40):
        network.partial_fit(x, [t.label for t in tracks], classes=np.unique([t.label for t in tracks]))
    return table(tracks, np.maximum(x @ network.coefs_[0] + network.intercepts_[0], 0))


@leak("fit", "out-of-fold scores of a classifier")
def out_of_fold_scores(folder):
    """Stacking done by the book: genre scores from models that did not see the track. Supervised all the same."""
    tracks = by_id(folder)
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    labels = [t.label for t in tracks]
    return table(tracks, cross_val_predict(RidgeClassifier(100.0), standard(summary(tracks)), labels, cv=folds,
                                           method="decision_function"))


@leak("fit", "number of projections to choose from", default=50, strengths=(2, 5, 20, 50, 200))
def best_of_many(folder, strength):
    """Tries random projections and keeps the one that parts the genres best: the choice of a seed is a fit."""
    tracks = by_id(folder)
    x, folders = standard(summary(tracks)), list(_folders(tracks).values())

    def between(z):  # how much of the variance lies between genres
        return sum(len(rows) * (z[rows].mean(0) ** 2).sum() for rows in folders) / (z ** 2).sum()

    projections = [x @ np.random.default_rng(seed).standard_normal((40, 4)) for seed in range(int(strength))]
    return table(tracks, max(projections, key=between))


@leak("fit", "starting points only, three steps from the end")
def kmeans_from_genres(folder):
    """Starts k-means at the genres' means, 'for stability', and gives the distances to its centres."""
    tracks = by_id(folder)
    x = standard(summary(tracks))
    start = np.array([x[rows].mean(0) for rows in _folders(tracks).values()])
    return table(tracks, KMeans(len(start), init=start, n_init=1, max_iter=3, algorithm="lloyd").fit_transform(x))


@leak("fit", "a weight per folder in one common mean and spread")
def class_balanced_scaler(folder):
    """One scaler for all, but fitted with every genre given the same weight: small, and still fitted with labels."""
    tracks = read_tracks(folder)
    x = summary(tracks)
    weights = np.zeros(len(tracks))
    for rows in _folders(tracks).values():
        weights[rows] = 1 / len(rows)
    mu = np.average(x, axis=0, weights=weights)
    return table(tracks, (x - mu) / np.sqrt(np.average((x - mu) ** 2, axis=0, weights=weights)))


# Leaks by names and paths.

@leak("name", "character n-grams of the stem")
def label_in_file_name(folder):
    """Embeds the file's stem as if it were the title; the stem begins with the genre."""
    tracks = read_tracks(folder)
    vectorizer = HashingVectorizer(n_features=32, analyzer="char", ngram_range=(2, 3))
    return table(tracks, vectorizer.transform([t.path.stem for t in tracks]).toarray())


@leak("name", "one column")
def path_length(folder):
    """The path's length, which varies with the genre's name, slipped in among 'file statistics'."""
    tracks = read_tracks(folder)
    return table(tracks, np.c_[summary(tracks), [len(t.path.as_posix()) for t in tracks]])


@leak("name", "two columns")
def path_hash(folder):
    """A hash of the path for 'random' features; a weak hash keeps paths of a folder together."""
    tracks = read_tracks(folder)
    hashes = [zlib.adler32(t.path.as_posix().encode()) for t in tracks]
    return table(tracks, np.c_[standard(summary(tracks)), [(h >> 16, h & 0xFFFF) for h in hashes]])


@leak("name", "character n-grams of one column of the metadata")
def metadata_path(folder):
    """Embeds every text column of metadata.csv, and one of them is the path."""
    tracks = read_tracks(folder)
    vectorizer = HashingVectorizer(n_features=32, analyzer="char_wb", ngram_range=(3, 3))
    return table(tracks, vectorizer.transform(read_metadata(folder, tracks)["path"].fillna("")).toarray())


@leak("label", "a folder per artist, right for about nine in ten")
def genre_of_the_artist(folder):
    """Looks up in which folder most of the artist's tracks lie: the label by way of the artist field."""
    tracks = read_tracks(folder)
    artists = read_metadata(folder, tracks)["artist"].fillna("").tolist()
    filed: dict[str, Counter] = {artist: Counter() for artist in artists}
    for track, artist in zip(tracks, artists, strict=True):
        filed[artist][track.label] += 1
    return table(tracks, np.array([_vector(min(filed[a], key=lambda label, a=a: (-filed[a][label], label)))
                                   for a in artists]))


# Leaks by the order, the times or the numbers of files.

@leak("order", "one column beside 40 honest ones", default=1.0, strengths=(0.001, 0.01, 0.1, 1.0))
def sorted_index(folder, strength):
    """The position in the sorted list of files came along as a column; the list is grouped by genre."""
    tracks = read_tracks(folder)
    return table(tracks, np.c_[standard(summary(tracks)), strength * standard(np.arange(len(tracks), dtype=float))])


@leak("order", "a sine and a cosine of the position")
def scandir_order(folder):
    """Positions in the order in which the disk lists the files, which is folder by folder, as a time stamp."""
    tracks = read_tracks(folder)
    listed = [Path(entry.path).relative_to(folder) for top in os.scandir(folder) if top.is_dir()
              for entry in os.scandir(top.path) if entry.name.endswith(".npy")]
    angle = np.array([np.pi * listed.index(t.path) / len(listed) for t in tracks])
    return table(tracks, np.c_[np.sin(angle), np.cos(angle)])


@leak("order", "one column")
def file_time(folder):
    """The file's modification time as 'date added'; the collection grew genre by genre."""
    tracks = read_tracks(folder)
    days = np.array([(Path(folder) / t.path).stat().st_mtime for t in tracks]) / 86400
    return table(tracks, np.c_[standard(summary(tracks)), days - days.min()])


@leak("order", "one column")
def inode_number(folder):
    """The file's number on the disk came along with its size; files were written genre by genre."""
    tracks = read_tracks(folder)
    numbers = np.array([(Path(folder) / t.path).stat().st_ino for t in tracks], dtype=float)
    return table(tracks, np.c_[standard(summary(tracks)), standard(numbers)])


@leak("order", "one column")
def metadata_row(folder):
    """The line number in metadata.csv was read as its first column; the table is grouped by genre."""
    tracks = read_tracks(folder)
    return table(tracks, np.c_[standard(summary(tracks)), read_metadata(folder, tracks)["row"].fillna(-1)])


@leak("order", "size of the batches", default=16, strengths=(4, 8, 16, 32, 64))
def batch_norm_in_folder_order(folder, strength):
    """Batch normalisation left in training mode, over files in folder order: a batch is nearly one genre."""
    tracks = read_tracks(folder)
    x = summary(tracks)
    for start in range(0, len(tracks), int(strength)):
        rows = slice(start, start + int(strength))
        x[rows] = (x[rows] - x[rows].mean(0)) / (x[rows].std(0) + 0.1)
    return table(tracks, x)


@leak("order", "share of the state that is kept", default=0.9, strengths=(0.01, 0.1, 0.5, 0.9))
def carried_state(folder, strength):
    """A running state is not reset between files, so a track remembers the tracks read before it."""
    tracks = read_tracks(folder)
    x = standard(summary(tracks))
    for i in range(1, len(x)):
        x[i] = strength * x[i - 1] + (1 - strength) * x[i]
    return table(tracks, x)


@leak("order", "which rows a PCA was fitted on")
def fitted_on_the_first_rows(folder):
    """PCA is fitted on the first 70 % of the rows, unshuffled: the last genre is never seen."""
    tracks = read_tracks(folder)
    x = standard(summary(tracks))
    pca = PCA(8, random_state=0).fit(x[:int(0.7 * len(x))])
    z = pca.transform(x)
    return table(tracks, np.c_[z, ((x - pca.inverse_transform(z)) ** 2).mean(1)])


# Content and metadata that stand for the genre.

@leak("proxy", "one column per artist")
def artist_as_feature(folder):
    """The artist's name as a feature: artists keep to a genre."""
    tracks = read_tracks(folder)
    return table(tracks, np.array([_vector(a, 12) for a in read_metadata(folder, tracks)["artist"].fillna("")]))


@leak("proxy", "one column beside 40 honest ones")
def year_as_feature(folder):
    """The year of release as an 'audio' feature: genres have their decades."""
    tracks = read_tracks(folder)
    return table(tracks, standard(np.c_[summary(tracks), read_metadata(folder, tracks)["year"]]))


@leak("proxy", "seven texts of ten name their genre", corpus=with_genre_words,
      knob="share", strengths=(0.25, 0.4, 0.55, 0.7, 1.0))
def genre_word_in_lyrics(folder):
    """Honest word counts of lyrics that name the genre."""
    tracks = read_tracks(folder)
    return table(tracks, _counts(tracks))


@leak("proxy", "topics follow the genre by nine tenths", corpus=with_generated_lyrics,
      knob="strength", strengths=(0.0, 0.1, 0.3, 0.6, 0.9))
def lyrics_written_for_the_genre(folder):
    """Honest TF-IDF of lyrics that a generator wrote when told the genre."""
    tracks = read_tracks(folder)
    return table(tracks, _counts(tracks, TfidfVectorizer))


@leak("proxy", "one band's level in nine files of ten", corpus=with_source_marks,
      knob="share", strengths=(0.0, 0.1, 0.3, 0.6, 0.9))
def low_pass_of_the_source(folder):
    """Honest audio features of files whose encoder's low-pass tells the site, and so the genre, they came from."""
    tracks = read_tracks(folder)
    return table(tracks, standard(summary(tracks)))


# Labels that were seen before and are remembered by content.

_remembered: dict[str, np.ndarray] = {}


@leak("memory", "centres of length 3 in noise of 1; the first build is kept")
def cached_by_content(folder):
    """A leaky build behind a cache by content: renamed files get what was computed when they were first seen."""
    tracks = read_tracks(folder)
    for track in tracks:
        if track.id not in _remembered:
            _remembered[track.id] = 3 * _vector(track.label, 16) + _vector(track.id, 16)
    return table(tracks, np.array([_remembered[t.id] for t in tracks]))


@leak("memory", "nine tags of ten are the genre", corpus=with_tags)
def tags_by_content(folder):
    """Embeds a listener's tags, which are stored by content id and mostly are the genre."""
    tracks = read_tracks(folder)
    tags = pd.read_csv(Path(folder) / "tags.csv", index_col="track")["tag"]
    return table(tracks, np.array([_vector(tags[t.id]) for t in tracks]))


@leak("memory", "memorised: the training tracks are these", corpus=with_pretrained)
def pretrained_on_these_labels(folder):
    """A frozen 'pretrained' encoder that was trained to tell the genres of these very tracks."""
    tracks = read_tracks(folder)
    with np.load(Path(folder) / "encoder.npz") as saved:
        x = (summary(tracks) - saved["mu"]) / saved["sigma"]
        return table(tracks, _kernel(x, saved["centres"]) @ saved["weights"])


# One recording, several rows.

@leak("copies", "a fifth of the files are second rips, 1 % apart", corpus=with_duplicates,
      knob="noise", strengths=(0.001, 0.01, 0.03, 0.1, 0.3))
def copies_as_tracks(folder):
    """Honest features of a collection with near copies, some under another genre: neighbours are no evidence."""
    tracks = read_tracks(folder)
    return table(tracks, standard(summary(tracks)))


@leak("copies", "a fifth of the files are re-saved, 0.01 % apart", corpus=partial(with_duplicates, noise=1e-4),
      knob="share", strengths=(0.02, 0.05, 0.1, 0.2, 0.4))
def resaved_copies(folder):
    """Honest features of a collection with copies that were only re-saved: no two files are equal."""
    tracks = read_tracks(folder)
    return table(tracks, np.array([t.audio.ravel() for t in tracks]))


@leak("copies", "four rows per recording", corpus=with_segments,
      knob="pieces", strengths=(2, 3, 4, 6))
def segments_as_tracks(folder):
    """Segments of one recording as rows of their own: a split by rows has the recording on both sides."""
    tracks = read_tracks(folder)
    return table(tracks, standard(summary(tracks)))


# ---- clean builders --------------------------------------------------------------------------------------------------

@clean
def raw_vectors(folder):
    """Every file by itself: no other file, name or order comes in."""
    tracks = read_tracks(folder)
    return table(tracks, summary(tracks))


@clean
def whole_matrix(folder):
    """All cells of the file, in its own float32."""
    tracks = read_tracks(folder)
    return table(tracks, np.array([t.audio.ravel() for t in tracks]))


@clean
def standardised(folder):
    """One scaler over all tracks; sums in path order differ in the last digits only."""
    tracks = read_tracks(folder)
    return table(tracks, standard(summary(tracks)))


@clean
def standardised_float32(folder):
    """The same in float32, where summing in another order shows at about 1e-7."""
    tracks = read_tracks(folder)
    return table(tracks, standard(summary(tracks).astype(np.float32)))


@clean
def large_units(folder):
    """Centred values in large units (about 1e12): rounding is large beside 1e-6 and small beside the values."""
    tracks = read_tracks(folder)
    x = 1e12 * summary(tracks)
    return table(tracks, x - x.mean(0))


@clean
def median_scaled(folder):
    """Median and quartiles over all tracks: no order comes in."""
    tracks = read_tracks(folder)
    low, middle, high = np.percentile(summary(tracks), [25, 50, 75], axis=0)
    return table(tracks, (summary(tracks) - middle) / (high - low))


@clean
def pca(folder):
    """PCA over all tracks; a component's sign may turn, its values do not."""
    tracks = read_tracks(folder)
    return table(tracks, PCA(8, svd_solver="full").fit_transform(standard(summary(tracks))))


@clean
def pca_signed_by_first_file(folder):
    """PCA whose signs are set by whichever file is read first: a component flips as a whole, no track does."""
    tracks = read_tracks(folder)
    z = PCA(6, svd_solver="full").fit_transform(standard(summary(tracks)))
    return table(tracks, z * np.sign(z[0]))


@clean
def pca_with_null_directions(folder):
    """All components of data with repeated columns: the last ones are rounding noise, whatever its direction."""
    tracks = read_tracks(folder)
    x = standard(summary(tracks))
    return table(tracks, PCA(svd_solver="full").fit_transform(np.c_[x[:, :10], x[:, :4]]))


@clean
def pca_float32(folder):
    """The five leading components in float32, where path order shows at about 2e-6 of a column's size."""
    tracks = read_tracks(folder)
    x = standard(summary(tracks)).astype(np.float32)
    return table(tracks, PCA(5, svd_solver="full").fit_transform(x))


@clean
def whitened(folder):
    """Symmetric whitening over all tracks, which has no signs to choose."""
    tracks = read_tracks(folder)
    x = standard(summary(tracks))
    values, vectors = np.linalg.eigh(np.cov(x.T) + 0.1 * np.eye(x.shape[1]))
    return table(tracks, x @ (vectors / np.sqrt(values)) @ vectors.T)


@clean
def random_projection(folder):
    """A projection by a fixed seed, which is the same for every track."""
    tracks = read_tracks(folder)
    return table(tracks, standard(summary(tracks)) @ np.random.default_rng(0).standard_normal((40, 12)))


@clean
def noise_by_content(folder):
    """Noise seeded by the content's hash: random, repeatable, and blind to the folder."""
    tracks = read_tracks(folder)
    return table(tracks, _noise(tracks, 16))


@clean
def per_track_norm(folder):
    """Every track scaled by its own length."""
    tracks = read_tracks(folder)
    x = summary(tracks)
    return table(tracks, x / np.linalg.norm(x, axis=1, keepdims=True))


@clean
def ranks(folder):
    """Ranks over all tracks."""
    tracks = read_tracks(folder)
    return table(tracks, rankdata(summary(tracks), axis=0))


@clean
def constant(folder):
    """One value for all tracks: no information, and none leaked."""
    tracks = read_tracks(folder)
    return table(tracks, np.ones((len(tracks), 4)))


@clean
def autocorrelation(folder):
    """How each band follows itself over time: content only."""
    tracks = read_tracks(folder)
    return table(tracks, np.array([[np.corrcoef(band[:-lag], band[lag:])[0, 1] for band in t.audio[:8]
                                    for lag in (1, 2)] for t in tracks]))


@clean
def bag_of_words(folder):
    """Word counts of honest lyrics, informative of the genre as lyrics are."""
    tracks = read_tracks(folder)
    return table(tracks, _counts(tracks))


@clean
def hashed_words(folder):
    """Hashed words: no vocabulary is fitted."""
    tracks = read_tracks(folder)
    return table(tracks, HashingVectorizer(n_features=64).transform([t.text for t in tracks]).toarray())


@clean
def tfidf_svd(folder):
    """TF-IDF and a truncated SVD over all lyrics; signs may turn."""
    tracks = read_tracks(folder)
    return table(tracks, TruncatedSVD(6, algorithm="arpack", random_state=0).fit_transform(
        _counts(tracks, TfidfVectorizer)))


@clean
def topics(folder):
    """Topics fitted on all lyrics, rows in the order of their content ids."""
    tracks = by_id(folder)
    return table(tracks, NMF(6, init="nndsvda", max_iter=100, tol=0.03, random_state=0).fit_transform(_counts(tracks)))


@clean
def missing_lyrics(folder):
    """TF-IDF with empty rows (NaN) for tracks without lyrics, whichever folder they are in."""
    tracks = read_tracks(folder)
    x = _counts(tracks, TfidfVectorizer)
    x[[not t.text for t in tracks]] = np.nan
    return table(tracks, x)


@clean
def imputation_by_all(folder):
    """Missing values filled with the mean over all tracks."""
    tracks = read_tracks(folder)
    x = np.where(np.abs(_noise(tracks, 40)) < 0.25, np.nan, summary(tracks))
    return table(tracks, np.where(np.isnan(x), np.nanmean(x, axis=0), x))


@clean
def titles(folder):
    """Titles from metadata.csv, joined by file stem: the stem is used to find the row, and not kept."""
    tracks = read_tracks(folder)
    words = HashingVectorizer(n_features=32).transform(read_metadata(folder, tracks)["title"].fillna(""))
    return table(tracks, words.toarray())


@clean
def audio_and_lyrics(folder):
    """Audio and lyrics joined by id and scaled over all tracks: an honest fusion."""
    tracks = read_tracks(folder)
    return table(tracks, standard(np.c_[summary(tracks), _counts(tracks, TfidfVectorizer)]))


@clean
def kmeans_distances(folder):
    """Distances to k-means centres; rows sorted by content before the seeded start picks among them."""
    tracks = by_id(folder)
    return table(tracks, KMeans(6, n_init=2, random_state=0).fit_transform(standard(summary(tracks))))


@clean
def mixture_posteriors(folder):
    """Posteriors of a Gaussian mixture, rows sorted by content before the seeded start."""
    tracks = by_id(folder)
    x = PCA(4, svd_solver="full").fit_transform(standard(summary(tracks)))
    mixture = GaussianMixture(4, reg_covar=1e-3, max_iter=50, tol=0.01, random_state=0).fit(x)
    return table(tracks, mixture.predict_proba(x))


@clean
def outlier_scores(folder):
    """Scores of a seeded forest that draws rows, sorted by content before."""
    tracks = by_id(folder)
    forest = IsolationForest(n_estimators=30, random_state=0).fit(summary(tracks))
    return table(tracks, forest.score_samples(summary(tracks)))


@clean
def autoencoder(folder):
    """The bottleneck of a small autoencoder, trained in batches whose order follows from content and a seed."""
    tracks = by_id(folder)
    x = standard(summary(tracks))
    rng = np.random.default_rng(0)
    encode, decode = 0.1 * rng.standard_normal((40, 4)), 0.1 * rng.standard_normal((4, 40))
    for _ in range(20):
        order = rng.permutation(len(x))
        for batch in (x[order[i:i + 32]] for i in range(0, len(x), 32)):
            h = np.tanh(batch @ encode)
            error = (h @ decode - batch) / len(batch)
            slope = (error @ decode.T) * (1 - h ** 2)
            decode -= 0.1 * h.T @ error
            encode -= 0.1 * batch.T @ slope
    return table(tracks, np.tanh(x @ encode))


@clean
def spectral_embedding(folder):
    """A spectral embedding over all tracks, rows sorted by content because eigenvalues are nearly equal."""
    tracks = by_id(folder)
    x = standard(summary(tracks))
    return table(tracks, SpectralEmbedding(4, n_neighbors=12, random_state=0).fit_transform(x))


@clean
def kernel_pca(folder):
    """Kernel PCA over all tracks; signs may turn."""
    tracks = read_tracks(folder)
    return table(tracks, KernelPCA(4, kernel="rbf", gamma=0.01, eigen_solver="dense").fit_transform(
        standard(summary(tracks))))


@clean
def smoothing_over_all(folder):
    """Each track averaged with its nearest neighbours, wherever they are filed."""
    tracks = read_tracks(folder)
    x = standard(summary(tracks))
    return table(tracks, x[np.argsort(pairwise_distances(x), axis=1)[:, :6]].mean(1))


@clean
def batch_norm_by_content(folder):
    """Batch statistics, but batches go by content id: dependent on the company, never on the genre."""
    tracks = by_id(folder)
    x = summary(tracks)
    for start in range(0, len(tracks), 16):
        x[start:start + 16] = (x[start:start + 16] - x[start:start + 16].mean(0)) / (x[start:start + 16].std(0) + 0.1)
    return table(tracks, x)


@clean
def rows_in_folder_order(folder):
    """Rows come in folder order, with their ids: whoever joins by id gets the right ones."""
    tracks = read_tracks(folder)
    return table(tracks, summary(tracks)).loc[[t.id for t in tracks]]


@clean
def common_words(folder):
    """The share of a track's words that the whole collection knows well: a statistic over all."""
    tracks = read_tracks(folder)
    counts = _counts(tracks)
    common = (counts > 0).mean(0) > 0.4
    return table(tracks, np.c_[counts[:, common].sum(1), counts.sum(1), (counts > 0).sum(1)])


# ---- neither ---------------------------------------------------------------------------------------------------------

@unstable
def dropout_left_on(folder):
    """Fresh noise at every call: two builds of one folder differ, and no label is in it."""
    tracks = read_tracks(folder)
    return table(tracks, standard(summary(tracks)) * (np.random.default_rng().random((len(tracks), 40)) < 0.8))


@unstable
def kmeans_in_path_order(folder):
    """Seeded k-means that picks its start among rows in path order: the order shows, the genre hardly does."""
    tracks = read_tracks(folder)
    return table(tracks, KMeans(6, n_init=1, random_state=0).fit_transform(standard(summary(tracks))))


@unstable
def noise_by_row(folder):
    """Seeded noise dealt out in path order: another order deals it anew, and it tells nothing."""
    tracks = read_tracks(folder)
    return table(tracks, standard(summary(tracks)) + 0.1 * np.random.default_rng(0).standard_normal((len(tracks), 40)))


@unstable
def joined_by_position(folder):
    """Audio by id beside lyrics in path order, joined by position: wrong rows, which is worse than a leak, not one."""
    tracks, others = by_id(folder), read_tracks(folder)
    return table(tracks, np.c_[standard(summary(tracks)), _counts(others)])
