"""Does a builder of features see labels? Tests that can be put to any builder, and one report.

A builder is a function of a corpus (`permuted_corpus`) that returns a table [track, dim] by track id. The tests:

1. `relabelling`: file the same recordings otherwise (labels, names, order) and build again. Rows must not change.
2. `ceiling`: the table must not tell more of the label than its raw content does.
3. `within_shuffle`: does a second modality (the texts) act on more than the label?
4. `dose_curve`: does genre in the table grow with the information put into the texts, from none at none?
5. `copies`: recordings that are in the corpus more than once.

Tests 1 and 5 prove. Tests 2 to 4 say "acts as a proxy for the label, needs provenance": honest lyrics may be
informative. A builder that remembers labels by content, or keeps a cache by content, passes test 1; test 2 is there for
it.
Each statistical test is made at `LEVEL / N_TESTS`, so that a clean builder meets an alarm in at most 1 % of audits.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from lib.corpora.items import Item
from lib.store.streams import stream
from lib.studies.leakage import ceiling, copies, permuted_corpus, rebuilding, relabelling, shuffles
from lib.studies.leakage.ceiling import Reading
from lib.studies.leakage.outcomes import TESTS, AuditReport, Builder, Result, not_run
from lib.studies.leakage.permuted_corpus import Corpus


# --- all of it ----------------------------------------------------------------------------------------------------
def audit(builder: Builder, corpus: Corpus, name: str = "", content: Mapping[str, pd.DataFrame] | None = None,
          ceiling_reading: Reading | None = None, doses: Mapping[float, Corpus] | None = None,
          tests: Sequence[str] = TESTS, seed: int = 0) -> AuditReport:
    """Put the tests (those named in `tests`) to a builder and a corpus, a folder or items.

    `content` is what the builder could have read (default `raw_content`), and `ceiling_reading` how well labels are
    read from it, where that is known already. `doses` maps information in nats to a corpus whose texts have it.
    """
    built = builder(corpus)
    labels = permuted_corpus.labels_of(corpus)
    if content is None and {"modality ceiling", "copies"} & set(tests):
        content = ceiling.raw_content(corpus)

    def limit() -> Result:
        if not content and ceiling_reading is None:
            return not_run("modality ceiling", "the raw content is not known")
        known = content if ceiling_reading is None else ceiling_reading
        return ceiling.ceiling(rebuilding.joinable(built), known, labels, seed)

    made = {
        "relabelling": lambda: relabelling.relabelling(builder, corpus, seed),
        "words and fields": lambda: relabelling.words_and_fields(builder, corpus, seed, built=built),
        "modality ceiling": limit,
        "shuffle within labels": lambda: shuffles.text_within_shuffle(builder, corpus, seed, built=built),
        "dose curve": lambda: shuffles.text_dose_curve(builder, doses, seed) if doses else not_run(
            "dose curve", "no corpora whose texts carry known information"),
        "copies": lambda: copies.copies(corpus, built, content),
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
        rng = stream(seed, "simulated leaks", repeat)
        noise = pd.DataFrame(rng.standard_normal((n, d)), labels.index)
        centres = pd.DataFrame(rng.standard_normal((k, d)), np.unique(labels))
        reading = ceiling.read({"content": noise}, labels, repeat)
        for strength in strengths:

            def build(items, fresh=False, noise=noise, shift=strength * centres, rng=rng):
                index = [item.spec["track"] for item in items]
                kept = rng.standard_normal(noise.shape) if fresh else noise.loc[index].to_numpy()
                return pd.DataFrame(kept + shift.loc[[item.label for item in items]].to_numpy(), index)

            fresh = functools.partial(build, fresh=True)
            called[strength, tests[0]] += relabelling.relabelling(build, items, repeat).leaks
            called[strength, tests[1]] += relabelling.relabelling(fresh, items, repeat).leaks
            called[strength, tests[2]] += ceiling.ceiling(build(items), reading, labels, repeat).verdict == "proxy"
    rows = [(*key, count, repeats, count / repeats, *stats.binomtest(count, repeats).proportion_ci(0.95))
            for key, count in called.items()]
    return pd.DataFrame(rows, columns=["strength", "test", "called", "repeats", "rate", "low", "high"])
