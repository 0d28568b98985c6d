"""The methods appendix: what a run did, from its own settings and records, and what it knows of the REFORMS checklist.

REFORMS: Kapoor et al. 2024, Science Advances 10(18), eadk3452 (arXiv 2308.07832). Items are named briefly here; the
checklist itself has their wording.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from lib.report import latex
from lib.store import artifacts, labels, runs
from lib.store.errors import Problem
from lib.store.runs import Run, read_record
from lib.store.settings import Settings


class Block(NamedTuple):
    """A piece of the appendix: a heading, a paragraph, or a table with its caption."""

    kind: str  # heading, text or table
    text: str  # of a table: its caption
    name: str = ""  # of a table: what a link to it is called
    head: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()


AUTHOR = "For the author to say."


def appendix(folder: Path) -> list[Block]:
    """The methods of the run in `folder`, as far as its files tell them.

    Raises `Problem` when there is no run in the folder.
    """
    record, records = read_record(folder), runs.load_records(folder)
    if not record.get("settings"):
        raise Problem(f"there is no run in {folder}: give the folder of a run (it holds run.json)")
    s = Settings(**record["settings"])
    try:
        about = artifacts.load_corpus(Run("methods", s, folder))
    except Problem:
        about = {}  # notebook 01 has not run, or somebody's arrays were audited
    blocks = [
        Block("text", "Made from this run's settings and records; nothing here was typed in for this run."),
        *_corpus(s, about), *_preprocessing(s, about), *_models(s), *_scores(s), *_computing(record),
        *_labels(records), *_limits(s, about), *_checklist(s, about, record, records),
        *_settings(s, record["settings"]),
    ]
    return [block for block in blocks if block.kind != "table" or block.rows]


def _corpus(s: Settings, about: dict[str, Any]) -> list[Block]:
    kind = "It is synthetic: no recorded music is in it." if about.get("synthetic") else "It is not synthetic."
    said = [f"{about.get('title', s.corpus)}: {about.get('description', '')} {kind if about else ''}"]
    if about:
        said.append(f"{about.get('n_found', about['n'])} tracks were found, {about.get('n_skipped', 0)} could not be "
                    f"used (listed with the reason in notebook 01), {about['n']} are analysed, with "
                    f"{about.get('n_labels', 'an unknown number of')} labels. Exact duplicates: "
                    f"duplicates={s.duplicates} "
                    f"({'all copies are kept' if s.duplicates == 'keep' else 'one copy of each is kept'}). A track's "
                    "id is a hash of its content and every table is sorted by it.")
    return [Block("heading", "Corpus"), *(Block("text", " ".join(text.split())) for text in said)]


def _preprocessing(s: Settings, about: dict[str, Any]) -> list[Block]:
    from lib.features.audio import (  # slow to import, and most calls of the runner need no appendix
        HOP_LENGTH,
        MFCC_STATS,
        N_FFT,
        N_MELS,
        N_MFCC,
        SAMPLE_RATE,
    )

    audio = (f"Audio is resampled to {SAMPLE_RATE} Hz; of clips longer than {s.max_seconds:g} s the middle is used, "
             f"clips shorter than {s.min_seconds:g} s are left out. One short-time Fourier transform ({N_FFT} "
             f"samples, hop {HOP_LENGTH}) per clip gives its features.")
    given = "The corpus is log-mel spectrograms, not audio: descriptors that need audio are absent."
    said = (f"{audio if about.get('has_audio', True) else given} Used are mean and standard deviation over time of "
            f"{N_MFCC} MFCCs ({len(MFCC_STATS)} numbers), and a log-mel spectrogram of {N_MELS} bands. Features "
            "are standardised with mean and standard deviation of the training tracks alone.")
    return [Block("heading", "Preprocessing"), Block("text", said)]


def _models(s: Settings) -> list[Block]:
    said = (f"All networks but the convolutional one share hidden layers of {' and '.join(map(str, s.hidden))} units "
            f"and {s.latent_dim} latent dimensions. Loss per track: summed squared error plus beta times KL; beta "
            f"{s.beta:g} is that of the beta-VAE and of the earlier study's CVAE, and the sweep runs over "
            f"{', '.join(f'{beta:g}' for beta in s.betas)}. Adam, learning rate {s.learning_rate:g}, batches of "
            f"{s.batch_size}, at most {s.epochs} epochs ({s.conv_epochs} for the ConvVAE), stopped after "
            f"{s.patience} epochs without a better loss on the {s.held_out:.0%} of tracks that are held out. "
            "Scalers, PCA and networks are fitted on the other tracks.")
    return [Block("heading", "Models and training"), Block("text", said)]


def _scores(s: Settings) -> list[Block]:
    from lib.scores import information  # slow to import, as above

    k = f"k = {s.n_clusters}" if s.n_clusters else "as many clusters as labels"
    said = (f"Clusters: k-means with {k}, on the mean mu of each track, {s.n_cluster_seeds} clustering seeds nested "
            f"in each training seed. {s.n_seeds} training seeds for headline settings ({s.n_seeds_sweep} for sweeps, "
            f"{s.n_seeds_conv} for the ConvVAE, {s.n_seeds_best} for the best label-free row), from seed {s.seed}. "
            "Intervals are 95 % t-intervals over training "
            "seeds: they cover training noise on this corpus, not another sample of music. Silhouettes stand beside "
            f"{s.n_nulls} draws of a Gaussian cloud of the same covariance; agreement with labels beside permuted "
            f"labels; probes have {s.n_permutations} permutations where a p-value is given. A dimension is active "
            f"above {information.ACTIVE_NATS:g} nats of KL. Families of comparisons are fixed in advance: Wilcoxon's "
            "signed-rank test over seeds with Holm's correction.")
    return [Block("heading", "Scores, seeds and tests"), Block("text", said)]


def _computing(record: dict[str, Any]) -> list[Block]:
    versions = [(name, value) for name, value in record.get("versions", {}).items()]
    times = [(name, entry["status"], f"{entry['seconds']:.1f}") for name, entry in sorted(record["notebooks"].items())
             if "seconds" in entry]
    seeds = [(name, ", ".join(map(str, value)) if isinstance(value, list) else str(value))
             for name, value in record.get("seeds", {}).items()]
    return [Block("heading", "Seeds, versions and times"),
            Block("table", "Seeds.", "seeds", ("what", "seeds"), seeds),
            Block("table", "Versions of Python and of the packages that results depend on.", "versions",
                  ("package", "version"), versions),
            Block("table", f"Time of each notebook, {record.get('jobs', 1)} at once.", "times",
                  ("notebook", "status", "seconds"), times)]


def _labels(records: dict[str, dict[str, Any]]) -> list[Block]:
    rows = labels.ledger(records).astype(str).to_numpy().tolist()
    return [Block("heading", "Use of labels"),
            Block("text", "Labels pass through one gate in the code, which records every opening with its purpose."),
            Block("table", "Which notebook opened the labels, for what.", "label_openings",
                  ("notebook", "purpose", "meaning", "openings", "tracks"), rows)]


def _limits(s: Settings, about: dict[str, Any]) -> list[Block]:
    said = ["One corpus supports no claim beyond it.", "Intervals cover training noise only."]
    if about.get("synthetic"):
        said.append("The music, its factors and its lyrics are synthetic: results on lyrics say how fusion behaves "
                    f"at a known dependence on genre ({s.lyrics_information:g} nats aimed for), not how real lyrics "
                    "would.")
    if s.profile == "smoke":
        said.append("This is a trial run (profile smoke), too small to conclude anything from.")
    if s.corpus in ("gtzan", "gtzan_logmel"):
        said.append("GTZAN has exact and near duplicates, mislabelled and distorted clips, and artists that cross "
                    "any random split (Sturm 2013, arXiv 1306.1461).")
    return [Block("heading", "Limits"), Block("text", " ".join(said))]


def _checklist(s: Settings, about: dict[str, Any], record: dict[str, Any],
               records: dict[str, dict[str, Any]]) -> list[Block]:
    """Every item of REFORMS, with what the run knows; the rest is left to the author, and says so."""
    n, kinds = about.get("n", "?"), about.get("n_labels", "?")
    told = sorted({name for name, one in records.items() for o in one.get("label_openings", [])
                   if o["purpose"] in ("conditioning", "supervised_control")})
    versions = record.get("versions", {})
    known = {
        "1a": f"{about.get('title', s.corpus)}, {n} tracks; no claim beyond it.",
        "2a": about.get("description", ""),
        "2b": "Notebooks and lib/ of this project; the commit is for the author to give.",
        "2c": f"Python {versions.get('python', '?')}, torch {versions.get('torch', '?')}, see the versions; "
              f"{record.get('seconds', 0):.0f} s in all. The machine is for the author to name.",
        "2d": "README.md of the project.",
        "2e": "One command, run_notebooks.py, with the settings below.",
        "3a": about.get("description", ""),
        "3d": f"Genre label, {kinds} kinds; counts per label in notebook 01.",
        "3e": f"{n} tracks; {s.held_out:.0%} of them held out from every fit.",
        "3f": f"{about.get('n_skipped', '?')} of {about.get('n_found', '?')} tracks could not be used.",
        "4a": f"Unusable files, listed in notebook 01; duplicates={s.duplicates}.",
        "4b": "Unreadable, silent, too short or damaged files are left out, each with its reason.",
        "4c": "See Preprocessing.",
        "5a": "See Models and training; every setting is in the table below.",
        "5c": f"{s.n_seeds} seeds, each with its own held-out {s.held_out:.0%}; clusters are compared with labels "
              "that no unsupervised method saw.",
        "5d": "No model is selected by its score: every setting is reported.",
        "5e": "No search: settings are the earlier study's, fixed in advance; the sweep over beta is reported whole.",
        "5f": "k-means on the features themselves, PCA, an autoencoder, permuted labels, and clouds without clusters.",
        "6a": "Scalers and models are fitted on training tracks; labels join after clustering. Notebooks given "
              f"labels on purpose, and marked: {', '.join(told) or 'none'}.",
        "6b": "Exact duplicates are found by content and kept in one group; artists are unknown to the run.",
        "6c": "Features see neither labels, file names nor order; notebook 02 audits every builder.",
        "7a": "NMI, AMI, ARI, accuracy, purity, inverse purity, silhouette beside its nulls; probes; nats.",
        "7b": "95 % intervals over training seeds.",
        "7c": "Wilcoxon signed-rank over paired seeds, Holm's correction; 'too few seeds' where p cannot be small.",
        "8b": "See Limits.",
    }
    rows = [(item, what, known.get(item) or AUTHOR) for item, what in REFORMS.items()]
    return [Block("heading", "REFORMS checklist"),
            Block("text", "Items by number and subject, with what the run knows (Kapoor et al. 2024, REFORMS, Science "
                  "Advances 10(18), eadk3452). The wording of the items is in that paper."),
            Block("table", "The REFORMS checklist, as far as the run can fill it in.", "reforms",
                  ("item", "subject", "this run"), rows)]


REFORMS = {
    "1a": "population of the claim", "1b": "why this population", "1c": "why machine learning",
    "2a": "data set", "2b": "code", "2c": "computing infrastructure", "2d": "README", "2e": "reproduction script",
    "3a": "data sources and annotation", "3b": "sampling frame", "3c": "why this data set", "3d": "outcome variable",
    "3e": "sample size", "3f": "missing data", "3g": "representativeness",
    "4a": "excluded data", "4b": "impossible or corrupt samples", "4c": "transformations",
    "5a": "models", "5b": "why these models", "5c": "evaluation method", "5d": "model selection", "5e": "settings",
    "5f": "baselines",
    "6a": "training and test apart", "6b": "dependence between training and test", "6c": "legitimate features",
    "7a": "metrics", "7b": "uncertainty", "7c": "tests",
    "8a": "external validity", "8b": "where it does not hold",
}


def _settings(s: Settings, recorded: dict[str, Any]) -> list[Block]:
    rows = []
    for name, about in Settings.model_fields.items():
        if name not in recorded:
            continue  # younger than the run
        value = getattr(s, name)
        if name in ("source", "lyrics"):
            value = Path(value).name if value else "none"  # where it lies is nobody's business
        shown = ", ".join(f"{v:g}" for v in value) if isinstance(value, tuple) else str(value)
        rows.append((name, shown, about.description or ""))
    return [Block("heading", "All settings"),
            Block("table", "Every setting of the run.", "settings", ("setting", "value", "meaning"), rows)]


# --- as pages ----------------------------------------------------------------------------------------------------
def to_html(blocks: Sequence[Block]) -> str:
    """The appendix as the body of a page of the book."""
    out = ["<h1>Methods and checklist</h1>"]
    for block in blocks:
        text = html.escape(block.text)
        if block.kind == "heading":
            out.append(f"<h2>{text}</h2>")
        elif block.kind == "text":
            out.append(f"<p>{text}</p>")
        else:
            rows = pd.DataFrame(block.rows, columns=block.head).to_html(index=False, border=0)
            out.append(f'<figure class="table" id="tab-methods_{block.name}"><figcaption>{text}</figcaption>'
                       f"{rows}</figure>")
    return "\n".join(out)


def to_latex(blocks: Sequence[Block]) -> str:
    """The appendix as a section; its long tables break over pages (needs booktabs and longtable)."""
    out = [r"\section{Methods}", r"\label{sec:methods}"]
    for block in blocks:
        text = latex.escape(block.text)
        if block.kind == "heading":
            out.append(f"\\subsection{{{text}}}")
        elif block.kind == "text":
            out.append(text + "\n")
        else:
            widths = "".join(f"p{{{share:.2f}\\linewidth}}" for share in _shares(block))
            label = f"tab:methods-{block.name.replace('_', '-')}"
            rows = latex.rows(pd.DataFrame(block.rows, columns=block.head), widths, environment="longtable",
                              caption=text, label=label)
            out += [r"\begingroup\small\raggedright", rows.strip(), r"\endgroup"]
    body = "\n".join(out) + "\n"
    return latex.needs(body) + body


def _shares(block: Block) -> list[float]:
    """Widths of a table's columns, as shares of a line, by the longest text in each."""
    longest = [max(8, *(min(60, len(row[i])) for row in (block.head, *block.rows))) for i in range(len(block.head))]
    return [0.9 * length / sum(longest) for length in longest]
