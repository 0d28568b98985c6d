"""Findings: sentences rendered from this run's numbers, with verdicts from rules on numbers."""

from __future__ import annotations

import html
import string

from IPython.display import HTML, display

from lib.store import artifacts, runs
from lib.store.runs import Run

UNDECIDED = ("Not decided on this run: {name}. Its rule ({rule}) needs more seeds, tracks or data, "
             "or does not cover this case.")


def banner(run: Run, needs_corpus: bool = True) -> None:
    """Say what this notebook runs on: corpus (synthetic or not), tracks, profile and seeds."""
    s = run.settings
    parts = [f"profile {s.profile}", f"first seed {s.seed}"]
    synthetic = s.corpus == "controlled"
    if needs_corpus:
        about = artifacts.load_corpus(run)
        synthetic = bool(about.get("synthetic"))
        parts = [
            str(about.get("title", s.corpus)),
            f"{about['n']} tracks",
            f"{about.get('n_labels', '?')} labels",
            *parts,
            f"{s.n_seeds} training seeds",
        ]
    note = "<strong>Synthetic music.</strong> " if synthetic else ""
    if s.profile == "smoke":
        note += "<strong>A trial run, too small to conclude anything from.</strong> "
    kind = "banner synthetic" if synthetic else "banner"
    display(HTML(f'<div class="{kind}">{note}{html.escape(" · ".join(parts))}</div>'))


def finding(
    run: Run, name: str, yes: str, no: str = "", verdict: bool | None = True, rule: str = "", **numbers
) -> None:
    """Render, show and record one finding.

    `yes` or `no` is chosen by `verdict` (None: not decided) and filled with `numbers` by `str.format`; `rule` says what
    decided. A statement without a rule is a description: it has only `yes`.
    """
    verdict = None if verdict is None else bool(verdict)
    if verdict is None:
        text = UNDECIDED.format(name=name.replace("_", " "), rule=rule)
    else:
        text = (yes if verdict else no).format(**numbers)
    kind = "plain" if not rule else "open" if verdict is None else "yes" if verdict else "no"
    plain = {key: list(value) if isinstance(value, tuple) else value for key, value in numbers.items()}
    said = [part for template in (yes, no) for part in string.Formatter().parse(template)]
    formats = {field: spec for _, field, spec, _ in reversed(said) if field in numbers}  # how a paper prints them
    runs.record(run, "findings", {"name": name, "text": text, "verdict": verdict, "rule": rule, "numbers": plain,
                                       "formats": formats})
    why = f'<span class="rule">Rule: {html.escape(rule)}.</span>' if rule and verdict is not None else ""
    display(HTML(f'<div class="finding {kind}" id="finding-{html.escape(name)}"><p>{html.escape(text)}</p>{why}</div>'))


def recall(run: Run, names: list[str]) -> None:
    """Show findings that other notebooks of this run recorded, with a link there; missing ones are named."""
    found = {
        f["name"]: (notebook, f)
        for notebook, record in runs.load_records(run.folder).items()
        for f in record["findings"]
    }
    for name in names:
        if name not in found:
            display(HTML(f'<div class="finding open"><p>Not in this run: {html.escape(name)}.</p></div>'))
            continue
        notebook, one = found[name]
        kind = "plain" if not one["rule"] else {True: "yes", False: "no", None: "open"}[one["verdict"]]
        link = f'<a href="{notebook}.html#finding-{html.escape(name)}">{notebook}</a>'
        display(
            HTML(f'<div class="finding {kind}"><p>{html.escape(one["text"])}</p><span class="rule">{link}</span></div>')
        )
