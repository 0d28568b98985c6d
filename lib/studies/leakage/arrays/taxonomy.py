"""The frame of all findings: Kapoor and Narayanan's classes of leakage (2022, arXiv 2207.07048), and what is no leak.

Each test names its class and whether it speaks against a study. Classes that arrays cannot show are questions to the
authors.
"""

from __future__ import annotations

from typing import NamedTuple

CLASSES = {
    "L1.1": "no test set",
    "L1.2": "preparation fitted on training and test rows together",
    "L1.3": "features selected on training and test rows together",
    "L1.4": "duplicates across training and test rows",
    "L2": "features that are not legitimate: the target, or a proxy of it",
    "L3.1": "temporal leakage",
    "L3.2": "training and test rows depend on each other",
    "L3.3": "test rows are not drawn from what the claim is about",
    "": "no leakage: the data or the report",
}


class Test(NamedTuple):
    """What a test looks for, in one phrase."""

    of: str  # class of leakage, "" if none
    accuses: bool  # does "found" speak against the study (and not only describe its data)?
    asks: str


TESTS = {
    "label beside features": Test("L2", True, "was an array computed from another array and the label?"),
    "label-derived": Test("L2", True, "is an array the label, or the label plus noise?"),
    "label as a column": Test("L2", True, "is the label among the columns?"),
    "equals the labels": Test("L2", True, "is a clustering the labels themselves?"),
    "shuffle within labels": Test("L2", False, "does a second modality contribute more than the label?"),
    "failed join": Test("", True, "are blocks of rows identical?"),
    "test among training rows": Test("L1.4", True, "are test rows among the training rows?"),
    "exact duplicates": Test("L1.4", True, "are rows identical?"),
    "near duplicates": Test("L1.4", False, "are rows closer than expected by chance?"),
    "neighbours in order": Test("L3.2", True, "do neighbouring rows belong together?"),
    "nothing agrees": Test("", True, "are labels and arrays of the same rows?"),
    "knows nothing": Test("", False, "is an array unrelated to all others?"),
    "unknown as a class": Test("L3.3", False, "is 'unknown' counted as a label?"),
    "row order": Test("", False, "in what order do rows come?"),
    "collapse": Test("", False, "how many dimensions of a VAE's mean are active?"),
    "scale of dimensions": Test("", False, "are dimensions of one array on scales far apart?"),
    "silhouette": Test("", False, "is the silhouette that of a cloud without clusters?"),
    "reported purity": Test("", True, "are reported purities purities?"),
    "baseline metrics": Test("", True, "are reported scores those of a single cluster?"),
    "silhouette of another array": Test("", True, "does the reported silhouette belong to these clusters?"),
    "rows not reproduced": Test("", False, "which reported rows are not reproducible here?"),
}
QUESTIONS = {
    "L1.1": "Were any rows held out, and is what is reported computed on them?",
    "L1.2": "Were scalers, PCA and encoders fitted on training rows alone?",
    "L1.3": "Were features, k, beta and other settings chosen without looking at labels of the rows reported?",
    "L3.1": "Are test recordings later than training ones where that matters?",
    "L3.2": "Do songs, artists or albums have rows on both sides of a split? (Shown here only where rows lie in "
            "order.)",
    "L3.3": "Are the tracks drawn from the population that the claim is about?",
}
