"""Tables and numbers of notebooks 02 and A1: data in, what a reader sees out."""

from __future__ import annotations

import pandas as pd

from lib.corpora.languages import UNKNOWN
from lib.scores import table as scores
from lib.studies.leakage.arrays.report import ArrayReport, Finding

SHOWN = ("n_tracks", "nmi", "nmi_null", "ami", "purity", "silhouette", "silhouette_null")


# --- lyrics embeddings ---------------------------------------------------------------------------------------------
def lengths(words: pd.Series) -> dict[str, float]:
    """The fewest, the most and the median number of words of some texts, spaces between them."""
    counts = words.str.split().str.len()
    return {"least": int(counts.min()), "most": int(counts.max()), "middle": float(counts.median())}


def spoken(tongues: pd.DataFrame) -> list[str]:
    """The languages of a table of `languages.summary` that were told, commonest first."""
    return [name for name in tongues["language"].unique() if name != UNKNOWN]


def most_spoken(tongues: pd.DataFrame) -> dict[str, str | float]:
    """Languages and scripts of a table of `languages.summary`, and the share of the commonest pair."""
    first = tongues.iloc[0]
    scripts = ", ".join(tongues["script"].unique())
    return {"languages": ", ".join(spoken(tongues)) or "none for sure", "scripts": scripts,
            "share": float(first["share"]), "first": f"{first['language']} in {first['script']}"}


def of_embeddings(all_scores: pd.DataFrame) -> pd.DataFrame:
    """A row per embedding and use of labels: mean and 95 % interval over seeds of `SHOWN`."""
    found = scores.summary(all_scores, SHOWN, by=("setting", "label_use"))
    return found.assign(n_tracks=[int(value.mean) for value in found["n_tracks"]])


def called(power: pd.DataFrame, share: float = 0.8) -> dict[str, str | int]:
    """From which strength each test calls a leak in more than `share` of the simulations of `audit.power`, and its
    false alarms among the clean ones."""
    seen = power[(power["rate"] > share) & (power["strength"] > 0)].groupby("test")["strength"].min()
    clean = power[power["strength"] == 0]
    return {"seen": "from a leak of " + ", ".join(f"{value:g} SD ({test})" for test, value in seen.items())
            if len(seen) else "for none of the leaks tried",
            "alarms": int(clean["called"].sum()), "n": int(clean["repeats"].sum())}


# --- bare arrays ---------------------------------------------------------------------------------------------------
def looks(report: ArrayReport, test: str, *verdicts: str) -> list[Finding]:
    """The findings of one test, with some verdicts or all."""
    return [one for one in report.findings if one.test == test and (not verdicts or one.verdict in verdicts)]


def without_means(report: ArrayReport) -> pd.DataFrame:
    """What is left of each array without its labels' means."""
    rows = [(one.subject, one.verdict == "found", *(one.numbers[name] for name in (
        "nmi", "dimensions_within", "dimensions_noise", "r2_from_others"))) for one in looks(report, "label-derived")]
    return pd.DataFrame(rows, columns=["array", "label-derived", "NMI", "dimensions left", "if noise",
                                       "R2 from others"])


def duplicates(report: ArrayReport) -> pd.DataFrame:
    """Pairs of equal and of close rows, a row per array and kind."""
    rows = [(one.subject, one.test, one.numbers["pairs"], one.numbers["across_labels"])
            for one in report.findings if one.test.endswith("duplicates")]
    return pd.DataFrame(rows, columns=["array", "kind", "pairs", "under two labels"])
