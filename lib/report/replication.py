"""Claims over corpora: which of the general ones hold, are reversed or stay undecided on each of several runs.

A claim is general where `claims.yaml` gives it a `general` part: what it `says` of any corpus, the `effect` among its
numbers that decides, and the `sign` that the effect must have. Within a corpus the p-values of all general claims are
corrected together (Holm 1979).
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import pandas as pd

from lib.report import glossary
from lib.report.claims import registry
from lib.report.output import table_html
from lib.scores.intervals import LEAST_UNITS, Interval, holm, p_of_zero
from lib.store.series import FILES

HOLDS, REVERSED, UNDECIDED, ABSENT = "holds", "reversed", "not decided", "–"
FAMILY = 0.05  # Holm's level within a corpus


class Verdict(NamedTuple):
    """What a corpus says of a claim."""

    state: str
    effect: Interval | None
    p: float  # corrected; NaN where there is no interval


def general() -> dict[str, dict[str, Any]]:
    """The general claims by name: `says`, `effect`, `sign` (+1 or -1) and `notebook`, in the order of the series."""
    return {name: entry["general"] | {"notebook": entry["notebook"]}
            for name, entry in registry()["claims"].items() if "general" in entry}


def verdicts(findings: Mapping[str, dict[str, Any]]) -> dict[str, Verdict]:
    """What the findings of one run (name -> its record) say of each general claim that they speak of."""
    effects = {name: Interval(*findings[name]["numbers"][about["effect"]]) for name, about in general().items()
               if isinstance(findings.get(name, {}).get("numbers", {}).get(about["effect"]), list)}
    known = {name: p for name, span in effects.items() if (p := p_of_zero(span)) == p}
    corrected = dict(zip(known, holm(list(known.values())), strict=True))
    out = {}
    for name, span in effects.items():
        p = corrected.get(name, float("nan"))
        side = HOLDS if span.mean * general()[name]["sign"] > 0 else REVERSED
        out[name] = Verdict(side if p <= FAMILY else UNDECIDED, span, p)
    return out


def counted(states: Mapping[str, str], collections: Mapping[str, str]) -> str:
    """On how many collections a claim holds, of those that decide it; the undecided and the split are named.

    `states` and `collections` are by run. A collection of several runs holds where one of them does and none is
    reversed.
    """
    by: dict[str, set[str]] = {}
    for run, state in states.items():
        by.setdefault(collections[run], set()).add(state)
    split = [name for name, found in by.items() if {HOLDS, REVERSED} <= found]
    decided = [name for name, found in by.items() if found & {HOLDS, REVERSED}]
    holding = [name for name in decided if REVERSED not in by[name]]
    silent = [name for name, found in by.items() if name not in decided and found != {ABSENT}]
    notes = [f"split on {', '.join(split)}"] * bool(split) + [f"not decided on {', '.join(silent)}"] * bool(silent)
    return "; ".join([f"{len(holding)} of {len(decided)}", *notes])


def table(runs: Iterable[tuple[str, Mapping[str, dict[str, Any]]]], collections: Mapping[str, str]) -> pd.DataFrame:
    """A row per general claim that any run speaks of: claim, a column for each run (state and effect), holds on."""
    found = {name: verdicts(findings) for name, findings in runs}
    rows = []
    for name, about in general().items():
        said = {run: one.get(name, Verdict(ABSENT, None, float("nan"))) for run, one in found.items()}
        if all(one.state == ABSENT for one in said.values()):
            continue
        page = glossary.shown(FILES.get(about["notebook"], about["notebook"]), ("notebooks",))
        rows.append({"claim": about["says"], "page": page} | {run: _cell(one) for run, one in said.items()}
                    | {"holds on": counted({run: one.state for run, one in said.items()}, collections)})
    return pd.DataFrame(rows)


def _cell(one: Verdict) -> str:
    return one.state if one.effect is None else f"{one.state}: {one.effect:+.3f}"


def section(runs: list[tuple[str, str, Mapping[str, dict[str, Any]]]], collections: Mapping[str, str]) -> list[str]:
    """The claims over corpora as HTML, from (name, corpus, findings) of each run; empty where no run has any."""
    collections = {name: collections.get(name, corpus) for name, corpus, _ in runs}
    claims = table([(name, findings) for name, _, findings in runs], collections)
    if claims.empty:
        return []
    tried = {name: len(verdicts(findings)) for name, _, findings in runs}
    said = (f"Each effect, with an interval over training seeds and over units (artists, singers, songs, else "
            f"recordings; networks and clusters stay as they are in it), not decided under {LEAST_UNITS} units. A "
            f"claim holds or is reversed on a run where its p, corrected by Holm over the claims tried there "
            f"({', '.join(f'{name}: {n}' for name, n in tried.items())}), is at most "
            f"{FAMILY:g}. The last column counts collections among those that decide.")
    groups: dict[str, list[str]] = {}
    for name, collection in collections.items():
        groups.setdefault(collection, []).append(name)
    which = "; ".join(f"{collection} ({', '.join(names)})" for collection, names in groups.items())
    return ["<h2>Claims over corpora</h2>", f"<p>Collections: {html.escape(which)}.</p>",
            table_html(claims, "claims", said)]
