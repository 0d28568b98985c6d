"""Does a builder of features see labels? Five tests that can be put to any builder, and one report.

A builder is a function of a corpus that returns a table [track, dim] indexed by track id. A corpus is a folder
(`<label>/<name>.<audio>` with `<name>.txt` beside it, tables about the tracks at the top) or a list of items
(`lib.corpora.items.Item`). The tests:

1. `relabelling`: file the same recordings otherwise (labels, names, order) and build again. Rows must not change.
2. `ceiling`: the table must not tell more of the label than its raw content does.
3. `within_shuffle`: does a second modality (the texts) act on more than the label?
4. `dose_curve`: does genre in the table grow with the information put into the texts, from none at none?
5. `copies`: recordings that are in the corpus more than once.

Tests 1 and 5 prove. Tests 2 to 4 say "acts as a genre proxy, needs provenance": honest lyrics may be informative. A
builder that remembers labels by content, or keeps a cache by content, passes test 1; test 2 is there for it.
Each statistical test is made at `LEVEL / N_TESTS`, so that a clean builder meets an alarm in at most 1 % of audits.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer
from sklearn.metrics import normalized_mutual_info_score
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from lib import clustering, fusion, refiling
from lib.corpora.items import Item
from lib.refiling import Corpus, Filing

Builder = Callable[[Any], pd.DataFrame]

LEVEL = 0.01  # chance of any statistical alarm on a clean builder
N_TESTS = 6  # statistical tests of an audit: association, words and fields, ceiling, shuffle, dose, near copies
EACH = LEVEL / N_TESTS
TOLERANCE = 1e-6  # of a value, relative to its distance from its column's median and to the column's spread
N_REFILED = 10  # builds of refiled corpora where a builder is not exactly repeatable
TESTS = ("relabelling", "words and fields", "modality ceiling", "within-genre shuffle", "dose curve", "copies")


class Outcome(NamedTuple):
    """What one test found. `verdict` is leak, copies, proxy, unstable, clear or "not run"."""

    test: str
    verdict: str
    value: float  # the test's number: a change, a difference, a p-value; `sentence` says which
    limit: float  # what it was held against
    sentence: str

    @property
    def leaks(self) -> bool:
        """Was a leak proved?"""
        return self.verdict == "leak"


class AuditReport(NamedTuple):
    """All outcomes for one builder, in the order of the tests; those that could not run say why."""

    builder: str
    outcomes: list[Outcome]

    @property
    def verdict(self) -> str:
        """The gravest verdict of all tests: leak, copies, proxy, unstable or clear."""
        found = {outcome.verdict for outcome in self.outcomes}
        return next((v for v in ("leak", "copies", "proxy", "unstable") if v in found), "clear")

    def __getitem__(self, test: str | int):
        if isinstance(test, str):
            return next(outcome for outcome in self.outcomes if outcome.test == test)
        return tuple.__getitem__(self, test)

    def table(self) -> pd.DataFrame:
        """A row per test: builder, test, verdict, value, limit, what was found."""
        rows = [(self.builder, o.test, o.verdict, o.value, o.limit, o.sentence) for o in self.outcomes]
        return pd.DataFrame(rows, columns=["builder", "test", "verdict", "value", "limit", "found"])


def not_run(test: str, why: str) -> Outcome:
    """The outcome of a test that could not be made."""
    return Outcome(test, "not run", float("nan"), float("nan"), f"not run: {why}")


def _build(builder: Builder, corpus: Corpus, filing: Filing) -> pd.DataFrame:
    with refiling.refiled(corpus, filing) as place:
        return builder(place)


# --- test 1: relabelling ------------------------------------------------------------------------------------------


def relabelling(builder: Builder, corpus: Corpus, seed: int = 0, permutations: int = 2, up_to: str = "sign",
                level: float = EACH) -> Outcome:
    """File the recordings otherwise and build again: a track's row must not change.

    Recordings are dealt to slots, so that labels, folders, file names, dates and places in lists change at once, and
    what belongs to the recording follows it. Rows are joined by id; columns may turn their sign, or with
    `up_to="rotation"` the whole table may rotate. Two builds of one folder are compared first. Where the builder is
    repeatable and changes only when labels change, that is proof. One that also changes when recordings are dealt
    within their label depends on names or order, or on chance: `N_REFILED` builds are then searched for anything that
    goes with the label of the slot (`association`); if nothing is found the builder is called unstable, not leaky.
    """
    test = "relabelling"
    where = refiling.slots(corpus)
    labels = where["label"].to_numpy()
    rng = np.random.default_rng([seed, 29])
    before, again = builder(corpus), builder(corpus)
    noise = change(before, again, up_to)
    orders = [refiling.deal(labels, rng) for _ in range(permutations)]
    try:
        after = [_build(builder, corpus, Filing(order)) for order in orders]
        moved = max(change(before, table, up_to) for table in after)
        if noise <= TOLERANCE and moved <= TOLERANCE:
            return Outcome(test, "clear", moved, TOLERANCE, f"largest change of a row under permuted labels "
                           f"{moved:.2g}, allowed {TOLERANCE:g}: sees no label")
        inside = change(before, _build(builder, corpus, Filing(refiling.deal(labels, rng, within=True))), up_to)
        if noise <= TOLERANCE and inside <= TOLERANCE:
            return Outcome(test, "leak", moved, TOLERANCE, f"rows change by up to {moved:.2g} under permuted labels, "
                           f"and by {inside:.2g} when recordings move within their label: leaks")
        orders += [refiling.deal(labels, rng) for _ in range(N_REFILED - permutations)]
        after += [_build(builder, corpus, Filing(order)) for order in orders[permutations:]]
    except Exception as error:  # whatever a builder raises that it did not raise under the first filing
        return Outcome(test, "leak", float("inf"), TOLERANCE, "the builder fails when the same recordings are filed "
                       f"otherwise ({type(error).__name__}): leaks")
    p = association(after, where["track"].to_numpy(), labels, orders, seed)
    kind = "two builds of one folder differ" if noise > TOLERANCE else "rows depend on file names or order"
    if p < level:
        return Outcome(test, "leak", p, level, f"{kind}, and what changes goes with the label (p {_size(p)}): leaks")
    return Outcome(test, "unstable", p, level,
                   f"{kind}; nothing in it goes with the label (p = {p:.2g}): not repeatable")


def _size(p: float) -> str:
    """A p-value in words: too small for a number, or `= p`."""
    return f"= {p:.2g}" if p > 0 else "below 1e-300"


def change(a: pd.DataFrame, b: pd.DataFrame, up_to: str = "sign") -> float:
    """Largest relative change of a value between two builds, rows joined by id; infinite where they cannot be joined.

    A value's change is divided by its distance from its column's median plus the column's spread (the median distance;
    if that is zero, the standard deviation). Rounding is taken off first: 100 units in the last place of the table's
    own number format, at the size of its largest value. `up_to`: "sign" of each column, or "rotation" of the table.
    """
    a, b = _joinable(a), _joinable(b)
    if not a.index.equals(b.index) or set(a.columns) != set(b.columns) or a.shape != b.shape:
        return float("inf")
    x, y = a.to_numpy(), b[a.columns].to_numpy()
    if (np.isnan(x) != np.isnan(y)).any() or not x.size:
        return float("inf") if x.size else 0.0
    x, y = np.nan_to_num(x), np.nan_to_num(y)
    if up_to == "rotation":
        left, _, right = np.linalg.svd(y.T @ x)
        y = y @ (left @ right)
    else:
        y = y * np.where((x * y).sum(0) < 0, -1.0, 1.0)
    middle = np.median(x, axis=0)
    away = np.maximum(np.abs(x - middle), np.abs(y - middle))
    spread = np.median(np.abs(x - middle), axis=0)
    spread = np.where(spread > 0, spread, x.std(axis=0))
    rounding = 100 * a.attrs["eps"] * max(np.abs(x).max(), np.abs(y).max())
    beyond = np.maximum(np.abs(x - y) - rounding, 0)
    return float((beyond / np.maximum(away + spread, 1e-300)).max())


def _joinable(table: pd.DataFrame) -> pd.DataFrame:
    """As numbers (texts by their hash), sorted by id; rows of one id (copies of a recording) become their mean."""
    kinds = [dtype for dtype in table.dtypes if isinstance(dtype, np.dtype) and dtype.kind == "f"]
    eps = max((float(np.finfo(kind).eps) for kind in kinds), default=float(np.finfo(float).eps))
    numbers = table.copy()
    for column in numbers.columns[[not pd.api.types.is_numeric_dtype(dtype) for dtype in table.dtypes]]:
        numbers[column] = [int.from_bytes(hashlib.sha256(str(v).encode()).digest()[:6]) for v in table[column]]
    numbers = numbers.astype(float)
    numbers = numbers.groupby(level=0).mean() if not numbers.index.is_unique else numbers.sort_index()
    numbers.attrs["eps"] = eps
    return numbers


def association(tables: Sequence[pd.DataFrame], tracks: np.ndarray, labels: np.ndarray, orders: Sequence[np.ndarray],
                seed: int = 0, draws: int = 200) -> float:
    """p-value that what changes between builds of refiled corpora has nothing to do with the label of a track's slot.

    `tables` are builds; in build b the recording `tracks[orders[b][i]]` lay in slot i, of label `labels[i]`. Each
    track's mean over builds, which content may explain, is taken off. Variance between labels of the rest and of its
    square is compared, column by column and in all, with the same after dealing labels to slots anew; since slots were
    dealt to recordings by chance, that null is exact for whatever goes with a slot but not with its label. Two-sided,
    tails from gamma distributions with the draws' mean and variance, Bonferroni over all that is looked at.
    """
    tables = [_joinable(table) for table in tables]
    columns = [c for c in tables[0].columns if all(c in table for table in tables)]
    ids = [t for t in dict.fromkeys(tracks) if all(t in table.index for table in tables)]
    cube = np.stack([table.loc[ids, columns].to_numpy() for table in tables])  # [build, track, column]
    cube = np.nan_to_num(cube)
    cube *= np.where((cube * cube[:1]).sum(1, keepdims=True) < 0, -1, 1)
    rest = cube - cube.mean(0)
    size = np.sqrt((rest**2).mean((0, 1)))
    rest = rest[..., size > 1e-12 * np.maximum(np.abs(cube).max((0, 1)), 1e-300)]
    if not rest.size:
        return 1.0
    rest = rest / np.sqrt((rest**2).mean((0, 1)))
    looked = np.concatenate([rest, rest**2 - (rest**2).mean(0)], axis=2)
    place = {track: i for i, track in enumerate(ids)}
    by_slot = np.zeros((len(labels), len(tables), looked.shape[2]))  # a row that is missing counts as none
    there = np.zeros((len(labels), len(tables)))
    for b, order in enumerate(orders):
        rows = np.array([place.get(tracks[moved], -1) for moved in order])
        by_slot[rows >= 0, b], there[rows >= 0, b] = looked[b, rows[rows >= 0]], 1
    marks = np.eye(len(np.unique(labels)))[np.unique(labels, return_inverse=True)[1]]
    rng = np.random.default_rng([seed, 31])
    found = _between(by_slot, there, marks)
    null = np.stack([_between(by_slot, there, rng.permutation(marks)) for _ in range(draws)])
    p = _two_sided(found, null)
    omnibus = _two_sided(found.sum(1), null.sum(2))
    return float(min(1.0, 2 * min(p.size * p.min(), omnibus.size * omnibus.min())))


def _between(values: np.ndarray, there: np.ndarray, marks: np.ndarray) -> np.ndarray:
    """Sums of squares between labels [2, column] of values [slot, build, column]: of all builds together, and build by
    build; marks [slot, label] are 1 for a slot's label."""
    n, builds, columns = values.shape
    sums = (marks.T @ values.reshape(n, -1)).reshape(-1, builds, columns)
    counts = (marks.T @ there)[..., None]
    pooled = (sums.sum(1) ** 2 / np.maximum(counts.sum(1), 1)).sum(0)
    return np.stack([pooled, (sums**2 / np.maximum(counts, 1)).sum((0, 1))])


def _two_sided(found: np.ndarray, null: np.ndarray) -> np.ndarray:
    """p of `found` against draws `null` [draw, ...]: twice the smaller tail of a gamma of their mean and variance."""
    mean, variance = null.mean(0), np.maximum(null.var(0, ddof=1), 1e-300)
    shape, scale = mean**2 / variance, variance / np.maximum(mean, 1e-300)
    tails = np.minimum(stats.gamma.sf(found, shape, scale=scale), stats.gamma.cdf(found, shape, scale=scale))
    return np.minimum(1, 2 * tails)


# --- test 1, what is told by words and fields ---------------------------------------------------------------------


def words_and_fields(builder: Builder, corpus: Corpus, seed: int = 0, level: float = EACH,
                     built: pd.DataFrame | None = None) -> Outcome:
    """Does the builder read a label's name in the texts, or a field (artist, year, tag) that goes with the label?

    Part of relabelling, for what follows a recording when it is filed otherwise: labels' names in the texts are
    exchanged with the new label's, and each field is dealt to other tracks. A changed table shows that the builder
    reads them. It is a leak only where they go with the label, by a permutation test; titles, say, do not.
    """
    test = "words and fields"
    where = refiling.slots(corpus)
    labels = where["label"].to_numpy()
    rng = np.random.default_rng([seed, 37])
    before = builder(corpus) if built is None else built
    tracks = refiling.recordings(corpus) if isinstance(corpus, (str, Path)) else []
    paths = sorted(Path(corpus).iterdir()) if tracks else []
    tables = {path.name: keyed for path in paths if (keyed := refiling.keyed_table(path, tracks))}
    values = {f"{name}:{column}": _by_slot(keyed, column, len(labels))
              for name, keyed in tables.items() for column in keyed.fields}
    names = list(values)
    as_is = np.arange(len(labels))
    if change(before, _build(builder, corpus, Filing(as_is))) > TOLERANCE:
        return not_run(test, "a copy of the same folder builds otherwise, so that nothing can be told from a change")
    told: dict[str, float] = {}
    own = names_of_labels(where["text"], labels)
    swapped = Filing(refiling.deal(labels, rng), swap_words=True)
    if own.any() and change(before, _build(builder, corpus, swapped)) > TOLERANCE:
        told["labels' names in the texts"] = _names_p(own, labels, rng)
    dealt = {name: rng.permutation(len(labels)) for name in names}
    if names and change(before, _build(builder, corpus, Filing(as_is, fields=dealt))) > TOLERANCE:
        for name in names:
            if change(before, _build(builder, corpus, Filing(as_is, fields={name: dealt[name]}))) > TOLERANCE:
                told[name.split(":", 1)[1]] = _field_p(values[name], labels, rng)
    if not told:
        return Outcome(test, "clear", 1.0, level, "reads no label's name in texts and no field that follows a track")
    p = min(1.0, min(told.values()) * len(told))
    what = ", ".join(f"{name} (p = {value:.2g})" for name, value in told.items())
    if p < level:
        return Outcome(test, "leak", p, level, f"reads what goes with the label: {what}")
    return Outcome(test, "clear", p, level, f"reads {what}, which does not go with the label")


def names_of_labels(texts: pd.Series, labels: np.ndarray) -> np.ndarray:
    """Which label's name stands in which text: booleans [text, label], labels sorted."""
    kinds = np.unique(labels)
    patterns = [re.compile(refiling.word_pattern(str(kind)), re.IGNORECASE) for kind in kinds]
    return np.array([[bool(pattern.search(text)) for pattern in patterns] for text in texts.fillna("")])


def _names_p(own: np.ndarray, labels: np.ndarray, rng: np.random.Generator, draws: int = 3999) -> float:
    codes = np.unique(labels, return_inverse=True)[1]
    rows = np.arange(len(codes))
    found = own[rows, codes].sum()
    null = np.array([own[rows, rng.permutation(codes)].sum() for _ in range(draws)])
    return float((1 + (null >= found).sum()) / (1 + draws))


def _field_p(values: np.ndarray, labels: np.ndarray, rng: np.random.Generator, draws: int = 3999) -> float:
    """Permutation p of a field [n] and labels: variance between labels of numbers, shared cells of anything else."""
    codes = np.unique(labels, return_inverse=True)[1]
    marks = np.eye(codes.max() + 1)[codes]
    numbers = pd.to_numeric(pd.Series(values), errors="coerce")
    if numbers.notna().mean() > 0.9 and numbers.nunique() > 2:
        ranks = stats.rankdata(numbers.fillna(numbers.median()))[:, None]
        table = ranks - ranks.mean()
        weights = np.ones(1)
    else:
        kinds = np.unique(values, return_inverse=True)[1]
        table = np.eye(kinds.max() + 1)[kinds]
        weights = 1 / table.sum(0)

    def score(marks: np.ndarray) -> float:
        return float((((marks.T @ table) ** 2 / marks.sum(0)[:, None]) * weights).sum())

    found = score(marks)
    null = np.array([score(marks[rng.permutation(len(marks))]) for _ in range(draws)])
    return float((1 + (null >= found * (1 - 1e-12)).sum()) / (1 + draws))


def _by_slot(keyed: refiling.Keyed, column: str, n: int) -> np.ndarray:
    values = np.full(n, "", object)
    values[keyed.slot] = keyed.table[column].to_numpy(object)
    return values.astype(str)


# --- test 2: the modality ceiling ---------------------------------------------------------------------------------


class Reading(NamedTuple):
    """How well labels are read from what there is: the best of several probes of several tables."""

    accuracy: float
    right: pd.Series  # bool [track]: read rightly when held out
    by: str


def read(tables: Mapping[str, pd.DataFrame], labels: pd.Series, seed: int = 0) -> Reading:
    """The best cross-validated reading of labels from any of the tables [track, dim], over tracks that all have.

    Columns are standardised; each table is read by linear and radial support vector machines and by five nearest
    neighbours, 5 folds. Labels of fewer than five tracks are left out.
    """
    tracks = labels.index[labels.groupby(labels).transform("size") >= 5]
    for table in tables.values():
        tracks = tracks.intersection(table.dropna().index.unique())
    y = labels.loc[tracks].to_numpy()
    counts = np.unique(y, return_counts=True)[1]
    if len(counts) < 2 or counts.min() < 5:
        return Reading(float("nan"), pd.Series(dtype=bool), "nothing")
    probes = {"linear": SVC(kernel="linear", C=0.1), "radial": SVC(C=3), "neighbours": KNeighborsClassifier(5)}
    splits = list(StratifiedKFold(5, shuffle=True, random_state=seed).split(y, y))
    best = Reading(-1.0, pd.Series(dtype=bool), "")
    for name, table in tables.items():
        x = StandardScaler().fit_transform(table[~table.index.duplicated()].loc[tracks].to_numpy(float))
        for probe, model in probes.items():
            right = np.zeros(len(y), bool)
            for train, test in splits:
                right[test] = model.fit(x[train], y[train]).predict(x[test]) == y[test]
            if right.mean() > best.accuracy:
                best = Reading(float(right.mean()), pd.Series(right, tracks), f"{name}, {probe}")
    return best


def ceiling(embedding: pd.DataFrame, content: pd.DataFrame | Mapping[str, pd.DataFrame] | Reading, labels: pd.Series,
            seed: int = 0, level: float = EACH, margin: float = 0.05, most: float = 0.85) -> Outcome:
    """Can labels be read better from a table than from the raw content (say, bag of words) that it was made from?

    Both as `read` does. McNemar's exact test on the tracks that only one of them reads rightly, and a difference of at
    least `margin`, since a good summary is honestly a little easier to read than raw content. Where the table is read
    at `most` of the way from always guessing the commonest label to no mistake, the content itself needs provenance
    (files may carry a mark of the site they came from): genres are not that far apart to the ear.
    """
    test = "modality ceiling"
    if not isinstance(content, Reading):
        content = read(content if isinstance(content, Mapping) else {"content": content}, labels, seed)
    got = read({"table": embedding}, labels, seed)
    tracks = got.right.index.intersection(content.right.index)
    if len(tracks) < 20:
        return not_run(test, "fewer than 20 tracks have the table, raw content and a label that five tracks share")
    mine, theirs = got.right.loc[tracks], content.right.loc[tracks]
    more, fewer = int((mine & ~theirs).sum()), int((theirs & ~mine).sum())
    p = float(stats.binom.sf(more - 1, more + fewer, 0.5)) if more + fewer else 1.0
    difference = float(mine.mean() - theirs.mean())
    said = f"label read at {mine.mean():.2f} from the table, at {theirs.mean():.2f} from raw content (p = {p:.2g}): "
    if p < level and difference >= margin:
        said += "knows more than its content, a genre proxy, needs provenance"
        return Outcome(test, "proxy", difference, margin, said)
    commonest = float(labels.loc[tracks].value_counts(normalize=True).max())
    share = (float(mine.mean()) - commonest) / (1 - commonest)
    if share >= most:
        said += "the content gives the label away, a genre proxy, needs provenance"
        return Outcome(test, "proxy", share, most, said)
    return Outcome(test, "clear", difference, margin, said + "knows no more than its content")


def raw_content(corpus: Corpus) -> dict[str, pd.DataFrame]:
    """What a builder could have read, as tables [track, dim]: statistics of each `.npy`, words of the texts, and both.

    Of an array the mean and standard deviation along its longer axis, and for a plain signal its log power in 32 bands.
    Other kinds of audio are left to the caller.
    """
    where = refiling.slots(corpus)
    index = pd.Index(where["track"])
    found = {}
    if isinstance(corpus, (str, Path)):
        paths = [r.files.get(".npy") for r in refiling.recordings(corpus)]
        if all(paths):
            rows = [_statistics(np.load(path, allow_pickle=False)) for path in paths]
            width = min(map(len, rows))
            found["audio"] = pd.DataFrame([row[:width] for row in rows], index)
    if where["text"].str.split().str.len().gt(0).sum() >= 2:
        counts = CountVectorizer(max_features=1000).fit_transform(where["text"])
        weighted = TfidfTransformer(sublinear_tf=True).fit_transform(counts)
        found["words"] = pd.DataFrame(np.sqrt(counts.toarray()), index)
        found["weighted words"] = pd.DataFrame(weighted.toarray(), index)
    if "audio" in found and "words" in found:
        both = [(t - t.mean()) / t.std().replace(0, 1) / np.sqrt(t.shape[1]) for t in (found["audio"], found["words"])]
        found["audio and words"] = pd.concat(both, axis=1, ignore_index=True)
    return {name: table[~table.index.duplicated()] for name, table in found.items()}


def _statistics(values: np.ndarray) -> np.ndarray:
    values = np.nan_to_num(values.astype(float))
    if values.ndim == 1 and len(values) > 256:
        power = np.abs(np.fft.rfft(values)) ** 2
        bands = np.array([band.mean() for band in np.array_split(power, 32)])
        return np.r_[values.mean(), values.std(), np.log(bands + 1e-12)]
    if values.ndim < 2:
        return np.atleast_1d(values)
    axis = int(np.argmax(values.shape))
    return np.r_[values.mean(axis).ravel(), values.std(axis).ravel()]


# --- test 3: shuffling within labels ------------------------------------------------------------------------------


def agreement(table: pd.DataFrame, labels: pd.Series, seed: int = 0) -> float:
    """NMI of labels [track] and k-means clusters of a table [track, dim], as many as labels; no rows with gaps."""
    table = table.dropna()
    y = labels.loc[table.index].to_numpy()
    k = labels.nunique()
    if len(table) <= k:
        return float("nan")
    return float(normalized_mutual_info_score(y, clustering.cluster(table.to_numpy(float), k, seed=seed, n_init=3)))


def within_shuffle(score: Callable[[str, int], float], n_over: int = 9, n_inside: int = 4, level: float = EACH,
                   least: float = 0.5) -> Outcome:
    """Does a second modality act on more than the label?

    `score(how, i)` is the agreement with labels where the second modality is left as it is ("as is"), dealt over all
    tracks ("over all") or among tracks of one label ("inside"), draw i. Its gain is what it scores above the draws over
    all; where that is resolved (t-test of one value against `n_over` draws) and at least the share `least` of it is
    left when tracks of one label exchange it, the modality acts as a label.
    """
    test = "within-genre shuffle"
    value = score("as is", 0)
    over = np.array([score("over all", i) for i in range(n_over)])
    spread = max(float(over.std(ddof=1)), 1e-6) * np.sqrt(1 + 1 / n_over)
    gain = float(value - over.mean())
    p = float(stats.t.sf(gain / spread, n_over - 1))
    if not p < level:
        return Outcome(test, "clear", gain, level,
                       f"adds nothing resolved to the agreement with the label (NMI {gain:+.3f}, p = {p:.2g})")
    kept = (np.mean([score("inside", i) for i in range(n_inside)]) - over.mean()) / gain
    said = (f"adds NMI {gain:.3f} (p = {p:.2g}), of which {100 * kept:.0f} % is left when tracks of one label exchange "
            "it: ")
    if kept >= least:
        return Outcome(test, "proxy", float(kept), least, said + "acts as a genre proxy, needs provenance")
    return Outcome(test, "clear", float(kept), least, said + "it says more than the genre")


def view_within_shuffle(first: pd.DataFrame | None, second: pd.DataFrame, labels: pd.Series, seed: int = 0,
                        level: float = EACH) -> Outcome:
    """`within_shuffle` for two views of the same tracks, fused in equal blocks; `first` None: second alone."""

    def score(how: str, i: int) -> float:
        within = labels if how == "inside" else None
        dealt = second if how == "as is" else fusion.shuffled(second, 1000 * seed + i, within)
        return agreement(dealt if first is None else fusion.weighted_blocks(first, dealt), labels, seed)

    return within_shuffle(score, level=level)


def text_within_shuffle(builder: Builder, corpus: Corpus, seed: int = 0, level: float = EACH,
                        built: pd.DataFrame | None = None) -> Outcome:
    """`within_shuffle` for a builder that reads texts: they are dealt to other tracks, and the table is built again."""
    where = refiling.slots(corpus)
    labels = where["label"].to_numpy()
    series = pd.Series(labels, where["track"])
    series = series[~series.index.duplicated()]
    as_is = np.arange(len(labels))
    before = builder(corpus) if built is None else built
    if not where["text"].str.strip().any():
        return not_run("within-genre shuffle", "there are no texts")

    def dealt(how: str, i: int) -> pd.DataFrame:
        rng = np.random.default_rng([seed, 41, i, how == "inside"])
        return _build(builder, corpus, Filing(as_is, texts=refiling.deal(labels, rng, within=how == "inside")))

    first = dealt("over all", 0)
    if change(before, first) <= TOLERANCE:
        return Outcome("within-genre shuffle", "clear", 0.0, level, "does not read the texts")

    def score(how: str, i: int) -> float:
        table = before if how == "as is" else first if (how, i) == ("over all", 0) else dealt(how, i)
        return agreement(_one_row(table), series, seed)

    return within_shuffle(score, n_over=7, n_inside=3, level=level)


def _one_row(table: pd.DataFrame) -> pd.DataFrame:
    """The first row of each id, as numbers."""
    return _joinable(table)


# --- test 4: the dose curve ---------------------------------------------------------------------------------------


def information_excess(table: pd.DataFrame, labels: pd.Series, dose: float,
                       seed: int = 0) -> tuple[float, float, float]:
    """Information in nats that k-means clusters of a table have about labels, corrected for chance; the standard error
    that it would have at `dose` nats; and the p-value that it does not exceed `dose`, the nats known to be there.

    Clusters cannot know more than the view they were found in (data processing inequality). The correction is the mean
    over 50 permutations. The error is that of a table of counts mixed with independence until it knows `dose` (few
    misses would make its own look too certain), and at least the permutations' own.
    """
    table = table.dropna()
    y = np.unique(labels.loc[table.index].to_numpy(), return_inverse=True)[1]
    found = clustering.cluster(table.to_numpy(float), y.max() + 1, seed=seed, n_init=3)
    rng = np.random.default_rng([seed, 43])
    null = np.array([_mutual_information(_joint(rng.permutation(y), found), len(y))[0] for _ in range(50)])
    joint = _joint(y, found)
    plain, error = _mutual_information(joint, len(y))
    value = plain - float(null.mean())
    if value > dose:
        independent = joint.sum(1, keepdims=True) * joint.sum(0)
        low, high = 0.0, 1.0
        for _ in range(40):
            middle = (low + high) / 2
            known, error = _mutual_information(middle * joint + (1 - middle) * independent, len(y))
            low, high = (middle, high) if known < dose else (low, middle)
    error = max(error, float(null.std(ddof=1)), 1e-9)
    return value, error, float(stats.t.sf((value - dose) / error, 49))


def _joint(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Joint frequencies [A, B] of two codings [n]."""
    joint = np.zeros((a.max() + 1, b.max() + 1))
    np.add.at(joint, (a, b), 1 / len(a))
    return joint


def _mutual_information(joint: np.ndarray, n: int) -> tuple[float, float]:
    """Mutual information in nats of joint frequencies, and the standard error of an estimate from n rows (delta)."""
    independent = joint.sum(1, keepdims=True) * joint.sum(0)
    ratio = np.log(np.maximum(joint, 1e-300) / np.maximum(independent, 1e-300))
    value = float((joint * ratio)[joint > 0].sum())
    square = float((joint * ratio**2)[joint > 0].sum())
    return value, float(np.sqrt(max(square - value**2, 0) / n))


def dose_curve(views: Mapping[float, pd.DataFrame], labels: Mapping[float, pd.Series] | pd.Series,
               first: pd.DataFrame | None = None, seed: int = 0, level: float = EACH) -> tuple[Outcome, pd.DataFrame]:
    """Genre in a view against the information that is known to be in it; and the curve, a row per dose.

    `views` maps a dose, I(content; genre) in nats as stated by whoever made the content, to the view [track, dim] built
    from it. At no dose may the view's clusters know more than the dose (`information_excess`); at 0 that means nothing.
    With a `first` view [track, dim], the curve has what fusion with it scores, and gains over it alone.
    """
    rows = []
    for dose in sorted(views):
        y = labels if isinstance(labels, pd.Series) else labels[dose]
        known, error, p = information_excess(views[dose], y, dose, seed)
        row = {"dose": dose, "information": known, "error": error, "p": p, "nmi_alone": agreement(views[dose], y, seed)}
        if first is not None:
            fused = fusion.weighted_blocks(first, views[dose])
            base = agreement(first.loc[fused.index], y, seed)
            row |= {"nmi_first": base, "nmi_fused": agreement(fused, y, seed), "gain": agreement(fused, y, seed) - base}
        rows.append(row)
    table = pd.DataFrame(rows)
    worst = table.loc[table["p"].idxmin()]
    p = min(1.0, float(worst["p"]) * len(table))
    beyond = float(worst["information"] - worst["dose"])
    said = (f"with {worst['dose']:.2g} nats put in its clusters know {worst['information']:.2f} of the label "
            f"(p = {p:.2g} over {len(table)} doses): ")
    if p < level:
        said += "more than it can honestly know, a genre proxy, needs provenance"
        return Outcome("dose curve", "proxy", beyond, 0.0, said), table
    return Outcome("dose curve", "clear", beyond, 0.0, said + "no more than that"), table


def text_dose_curve(builder: Builder, doses: Mapping[float, Corpus], seed: int = 0, level: float = EACH) -> Outcome:
    """`dose_curve` for a builder and corpora whose texts carry known information about the labels.

    Where the builder reads more than the texts, what it knows without them comes from elsewhere: so its agreement is
    only held against its own with the texts dealt over all tracks, at dose 0.
    """
    views, labels = {}, {}
    for dose, corpus in doses.items():
        where = refiling.slots(corpus)
        series = pd.Series(where["label"].to_numpy(), where["track"])
        views[dose], labels[dose] = _one_row(builder(corpus)), series[~series.index.duplicated()]
    some = next(iter(doses))
    if _reads_only_texts(builder, doses[some], views[some], seed):
        return dose_curve(views, labels, seed=seed, level=level)[0]
    if 0 not in doses:
        return not_run("dose curve", "it reads more than texts, and there is no corpus whose texts know nothing")
    found = text_within_shuffle(builder, doses[0], seed, level, views[0])
    verdict = "proxy" if found.verdict == "proxy" else "clear"
    return Outcome("dose curve", verdict, found.value, found.limit, f"with texts that know nothing: {found.sentence}")


def _reads_only_texts(builder: Builder, corpus: Corpus, built: pd.DataFrame, seed: int) -> bool:
    """Do rows move from track to track exactly as the texts do?"""
    where = refiling.slots(corpus)
    order = np.random.default_rng([seed, 47]).permutation(len(where))
    after = _one_row(_build(builder, corpus, Filing(np.arange(len(where)), texts=order)))
    tracks = where["track"].to_numpy()
    if len(set(tracks)) < len(tracks) or not set(tracks) <= set(built.index):
        return False
    moved = pd.DataFrame(built.loc[tracks[order]].to_numpy(), tracks, built.columns)
    return change(moved, after) <= TOLERANCE


# --- test 5: copies -----------------------------------------------------------------------------------------------


class NearCopies(NamedTuple):
    """Pairs of rows nearer to each other than a cloud of that density and dimension has them."""

    pairs: np.ndarray  # [pair, 2] row numbers, smaller first
    p: float  # corrected over all rows
    dimension: float  # intrinsic dimension that the p-values assume


def near_copies(points: np.ndarray, level: float = EACH, k: int = 10, identical: bool = True) -> NearCopies:
    """Rows of points [N, D] that are nearer to their nearest neighbour than chance allows.

    Columns are standardised. In a cloud of locally even density and dimension m, (d1 / dk)^m is the smallest of k - 1
    uniform numbers, d1 and dk being the distances to the first and the k-th neighbour; so the test needs no scale and
    no overall density (after Facco et al. 2017, "Two-NN"). m comes from d_k / d_2k, in the middle over all rows or at
    the row itself, whichever is smaller. A pair is called at `level` divided by N; so is a table in which more rows
    than chance allows (binomial) lie below 0.001, as when all are segments of few recordings. Without `identical`,
    rows that are equal up to rounding are left out (they are counted elsewhere).
    """
    n = len(points)
    k = min(k, (n - 1) // 3)
    nothing = NearCopies(np.zeros((0, 2), int), 1.0, float("nan"))
    spread = points.std(0)
    x = ((points - points.mean(0)) / np.where(spread > 0, spread, 1))[:, spread > 0]
    if k < 3 or not x.shape[1]:
        return nothing
    distance, neighbour = NearestNeighbors(n_neighbors=2 * k).fit(x).kneighbors()
    usable = (distance[:, 0] > 1e-6 * distance[:, k - 1]) | identical
    usable &= (0 < distance[:, k - 1]) & (distance[:, k - 1] < distance[:, 2 * k - 1])
    if usable.sum() < 3 * k:
        return nothing
    slope = np.log(0.5) / np.log(distance[usable, k - 1] / distance[usable, 2 * k - 1])
    overall = float(np.median(slope))
    ratio = (distance[usable, 0] / distance[usable, k - 1]) ** np.minimum(overall, slope)
    p = -np.expm1((k - 1) * np.log1p(-np.clip(ratio, 0, 1 - 1e-12)))
    rows = np.flatnonzero(usable)
    many = stats.binom.sf((p < 1e-3).sum() - 1, len(p), 0.005)  # five times what it should be: p is not exact
    limit = level / 2 / n
    called = rows[(p < 1e-3) if many < level / 2 else (p < limit)]
    pairs = {tuple(sorted((int(i), int(neighbour[i, 0])))) for i in called}
    return NearCopies(np.array(sorted(pairs), int).reshape(-1, 2), float(min(1.0, 2 * min(p.min() * n, many))), overall)


def copies(corpus: Corpus, table: pd.DataFrame | None = None, content: Mapping[str, pd.DataFrame] | None = None,
           level: float = EACH) -> Outcome:
    """Recordings that are in the corpus, or in a builder's table, more than once.

    Proof: the same audio file twice; the same text of ten words or more at two tracks; rows of the table that are no
    track of the corpus, or several rows of one. At `level`: near copies (`near_copies`) among the audio as summed up in
    `content["audio"]`; not among the rows of the table, which may be alike by right.
    """
    test = "copies"
    where = refiling.slots(corpus)
    said, count = [], 0
    same = where[where["track"].duplicated(keep=False)]
    if len(same):
        crossing = int((same.groupby("track")["label"].nunique() > 1).sum())
        said.append(f"{same['track'].nunique()} recordings are there more than once, {crossing} under different labels")
    texts = where[where["text"].str.split().str.len() >= 10]
    texts = texts[texts["text"].duplicated(keep=False) & ~texts["track"].isin(same["track"])]
    if len(texts):
        said.append(f"{len(texts)} tracks share their text with another")
    count += len(same) + len(texts)
    audio = (content or {}).get("audio")
    if table is not None:
        strangers = int((~table.index.isin(where["track"])).sum())
        several = int(table.index.duplicated().sum()) - int(where["track"].duplicated().sum())
        if strangers or several > 0:
            said.append(f"{strangers} rows of the table are no track of the corpus, {max(several, 0)} repeat one")
            count += strangers + max(several, 0)
    if audio is not None and audio.shape[1] > 1:
        near = near_copies(audio.to_numpy(float), level)
        if len(near.pairs):
            said.append(f"{len(near.pairs)} pairs of recordings are nearer than chance allows (p = {near.p:.2g})")
            count += len(near.pairs)
    if said:
        return Outcome(test, "copies", float(count), 0.0, "; ".join(said))
    return Outcome(test, "clear", 0.0, 0.0, "no recording twice, none nearly so")


# --- all of it ----------------------------------------------------------------------------------------------------


def audit(builder: Builder, corpus: Corpus, name: str = "", content: Mapping[str, pd.DataFrame] | None = None,
          ceiling_reading: Reading | None = None, doses: Mapping[float, Corpus] | None = None, up_to: str = "sign",
          tests: Sequence[str] = TESTS, seed: int = 0) -> AuditReport:
    """Put the tests (those named in `tests`) to a builder and a corpus, a folder or items.

    `content` is what the builder could have read (default `raw_content`), and `ceiling_reading` how well labels are
    read from it, where that is known already. `doses` maps information in nats to a corpus whose texts have it.
    """
    built = builder(corpus)
    where = refiling.slots(corpus)
    labels = pd.Series(where["label"].to_numpy(), where["track"])
    labels = labels[~labels.index.duplicated()]
    if content is None and {"modality ceiling", "copies"} & set(tests):
        content = raw_content(corpus)

    def limit() -> Outcome:
        if not content and ceiling_reading is None:
            return not_run("modality ceiling", "the raw content is not known")
        return ceiling(_one_row(built), ceiling_reading or content, labels, seed)

    made = {
        "relabelling": lambda: relabelling(builder, corpus, seed, up_to=up_to),
        "words and fields": lambda: words_and_fields(builder, corpus, seed, built=built),
        "modality ceiling": limit,
        "within-genre shuffle": lambda: text_within_shuffle(builder, corpus, seed, built=built),
        "dose curve": lambda: text_dose_curve(builder, doses, seed) if doses else not_run(
            "dose curve", "no corpora whose texts carry known information"),
        "copies": lambda: copies(corpus, built, content),
    }
    name = name or getattr(builder, "__name__", "builder")
    return AuditReport(name, [make() for test, make in made.items() if test in tests])


# --- power --------------------------------------------------------------------------------------------------------


def power(strengths: Sequence[float], repeats: int = 20, seed: int = 0, n: int = 100, k: int = 4,
          d: int = 8) -> pd.DataFrame:
    """How often a leak of each strength is called, with 95 % intervals (Clopper-Pearson); 0 gives false alarms.

    Simulated: `n` tracks of `k` labels, noise of variance 1 in `d` dimensions, and around it a centre per label whose
    coordinates have standard deviation `strength`. Put to relabelling with noise that is the same in every build, to
    relabelling with fresh noise, and, as an array whose builder is not at hand, to the ceiling (raw content: the
    noise). A row per strength and test: strength, test, called, repeats, rate, low, high.
    """
    tests = ("relabelling", "relabelling, fresh noise", "modality ceiling")
    called = {(strength, test): 0 for strength in strengths for test in tests}
    labels = pd.Series(sorted(f"label {i % k}" for i in range(n)), [f"t{i:04d}" for i in range(n)])
    items = [Item(f"{label}/{track}", {"track": track}, label) for track, label in labels.items()]
    for repeat in range(repeats):
        rng = np.random.default_rng([seed, 67, repeat])
        noise = pd.DataFrame(rng.standard_normal((n, d)), labels.index)
        centres = pd.DataFrame(rng.standard_normal((k, d)), np.unique(labels))
        reading = read({"content": noise}, labels, repeat)
        for strength in strengths:

            def build(items, fresh=False, noise=noise, shift=strength * centres, rng=rng):
                index = [item.spec["track"] for item in items]
                kept = rng.standard_normal(noise.shape) if fresh else noise.loc[index].to_numpy()
                return pd.DataFrame(kept + shift.loc[[item.label for item in items]].to_numpy(), index)

            fresh = functools.partial(build, fresh=True)
            called[strength, tests[0]] += relabelling(build, items, repeat).leaks
            called[strength, tests[1]] += relabelling(fresh, items, repeat).leaks
            called[strength, tests[2]] += ceiling(build(items), reading, labels, repeat).verdict == "proxy"
    rows = [(*key, count, repeats, count / repeats, *stats.binomtest(count, repeats).proportion_ci(0.95))
            for key, count in called.items()]
    return pd.DataFrame(rows, columns=["strength", "test", "called", "repeats", "rate", "low", "high"])
