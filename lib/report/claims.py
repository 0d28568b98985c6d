"""Claims: sentences of `notebooks/claims.yaml`, filled with this run's numbers and chosen by a rule on numbers.

The file has a part per notebook with its `claims`, and the captions of its `figures` and `tables`. A claim says:
`question`; `rule`, the name of the rule that decides it (`report/rules.py`, or a study's own); `where`, what the rule's
wording is about; and the sentences `yes`, `no` and, where there is more to say than that nothing is decided, `open`. A
claim without a rule is a description: it has `says`. `brief` is the same, short, for the overview. How values are set
(`Sentence`): `{n:track|tracks}` chooses a word, `{names:id}` gives ids their display names.
"""

from __future__ import annotations

import functools
import html
import re
import string
from typing import Any

import yaml

from lib.report import references
from lib.report.glossary import shown
from lib.report.output import put
from lib.report.rules import Ruling, in_words, is_there
from lib.store import artifacts, runs, sizes
from lib.store.labels import FEW
from lib.store.runs import Run
from lib.store.series import NOTEBOOKS

UNDECIDED = "Not decided on this run: {name} {why}"
UNCOVERED = "Its rule ({rule}) needs more seeds, tracks or data, or does not cover this case."
MISSING = "A number that it needs is not there."
SAMPLED = "Of more than {most} tracks, samples: {what}."
SEEDS = {"conv_vae": "n_seeds_conv", "clustering_without_labels": "n_seeds_best",
         "conditioning_on_nuisances": "n_seeds_corrections"}  # settings of notebooks with seeds of their own
FEW_LABELS = " No scores of {label} are there: {which} has fewer than {few} tracks."


@functools.cache
def registry() -> dict[str, dict[str, Any]]:
    """All entries of `claims.yaml` by kind ("claims", "figures", "tables") and name, each claim with its notebook."""
    found: dict[str, dict[str, Any]] = {"claims": {}, "figures": {}, "tables": {}}
    for notebook, kinds in yaml.safe_load((NOTEBOOKS / "claims.yaml").read_text(encoding="utf-8")).items():
        for kind, entries in kinds.items():
            for name, entry in entries.items():
                if name in found[kind]:
                    raise ValueError(f"claims.yaml: '{name}' stands twice under {kind}")
                found[kind][name] = entry | {"notebook": notebook} if isinstance(entry, dict) else entry
    return found


def label_of(run: Run) -> str:
    """What the labels of the run's corpus are called in sentences."""
    return str(artifacts.load_corpus(run).get("label", "genre")) if artifacts.has_corpus(run) else "genre"


def named(value: Any, label: str) -> Any:
    """A value with what labels are called where a text says `{label}`; what is no text stays."""
    return value.replace("{label}", label) if isinstance(value, str) else value


def caption(run: Run, kind: str, name: str, **values: Any) -> str:
    """The caption of a figure or table ("figures", "tables") of `claims.yaml`, filled with values of this run; a dash
    stands for a number that is not there."""
    words = {"label": label_of(run)} | {k: _or_dash(v) for k, v in values.items()}
    return references.text(fill(registry()[kind][name], **words))


class _Dash:
    """What stands for a number that is not there, whatever its format."""

    def __format__(self, spec: str) -> str:
        return "–"

    def __float__(self) -> float:
        return float("nan")


class Sentence(string.Formatter):
    """`str.format` with two more formats. `one|many` or `none|one|many` chooses by a number, which stands for `#`;
    `id` gives an id of the glossary, or a list of ids joined by commas, its display name."""

    def format_field(self, value: Any, spec: str) -> str:
        if spec == "id":
            return in_words(map(shown, str(value).split(", ")))
        if "|" in spec:
            forms, n = spec.split("|"), float(value)
            form = forms[1 if n == 1 else 0 if n == 0 else 2] if len(forms) == 3 else forms[n != 1]
            return form.replace("#", f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value))
        return super().format_field(value, spec)


fill = Sentence().format


def _or_dash(value: Any) -> Any:
    return value if is_there(value) else _Dash()


def claim(run: Run, name: str, ruling: Ruling | None = None, of: str = "", **numbers: Any) -> None:
    """Show and record the claim `name`: the sentence that its rule chose, filled with numbers by `str.format`.

    `ruling` is what the claim's rule returned: a verdict (None: not decided), the rule in words, and numbers that are
    added to `numbers`. A claim that is made of several things has `of`, which one. Raises `ValueError` when another
    rule decided than the one that the claim is registered with.
    """
    entry = registry()["claims"][name]
    ruling = ruling or {"verdict": True, "rule": "", "name": None}
    if ruling["name"] != entry.get("rule"):
        raise ValueError(f"claim '{name}' is decided by {entry.get('rule')}, not by {ruling['name']}")
    numbers = {key: value for key, value in ruling.items() if key not in ("verdict", "rule", "name")} | numbers
    label = label_of(run)
    numbers = {key: named(value, label) for key, value in numbers.items()}
    words = {"label": label} | numbers
    where = {key: fill(value, **words) for key, value in entry.get("where", {}).items()}
    rule = fill(ruling["rule"], **words | where)
    sentences = _sentences(entry)
    brief = _sentences(entry.get("brief", {}))[0 if ruling["verdict"] else 1] if ruling["verdict"] is not None else ""
    about = {"claim": name} | ({"brief": fill(brief, **words)} if brief and _printable(brief, words) else {})
    state(run, f"{name} {of}".strip(), sentences, ruling["verdict"], rule, words, numbers, **about)


def _sentences(entry: dict[str, str]) -> tuple[str, str, str]:
    return entry.get("yes", entry.get("says", "")), entry.get("no", ""), entry.get("open", "")


def _printable(sentence: str, words: dict[str, Any]) -> bool:
    """Is every number there that a sentence prints?"""
    printed = (re.split(r"[.\[]", field)[0] for _, field, _, _ in string.Formatter().parse(sentence) if field)
    return all(is_there(words.get(field)) for field in printed)


def state(run: Run, name: str, templates: tuple[str, ...], verdict: bool | None, rule: str, words: dict[str, Any],
          numbers: dict[str, Any], **about: str) -> None:
    """Show and record one sentence (yes, no, and perhaps one for not decided), filled with words, and its numbers.

    Where there is no verdict, or a number that the sentence would print is not there, the sentence is that nothing is
    decided, and why.
    """
    chosen = templates[{True: 0, False: 1, None: -1}[verdict]]
    missing = not _printable(chosen, words)
    if missing or (verdict is None and not (len(templates) > 2 and chosen)):
        missing = missing or not all(map(is_there, numbers.values()))
        why = (MISSING if missing else UNCOVERED.format(rule=rule)) + _too_few(run)
        text, verdict = UNDECIDED.format(name=asked(name), why=why), None
    else:
        text = references.text(fill(chosen, **words))
    said = [part for template in templates for part in string.Formatter().parse(template)]
    formats = {field: spec for _, field, spec, _ in reversed(said)  # how a paper prints them
               if field in numbers and "|" not in spec and spec != "id"}
    plain = {key: list(value) if isinstance(value, tuple) else value for key, value in numbers.items()}
    runs.record(run, "findings", about | {"name": name, "text": text, "verdict": verdict, "rule": rule,
                                          "numbers": plain, "formats": formats})
    why = f"Rule: {rule}." if rule and verdict is not None else ""
    _box(_kind(verdict, rule), text, html.escape(why), f"finding-{name}")


def asked(name: str) -> str:
    """The question of the claim that a finding is of; its name, as words, where the registry has none."""
    claims = registry()["claims"]
    entry = next((claims[one] for one in sorted(claims, key=len, reverse=True) if name.startswith(one)), {})
    return entry.get("question", f"{name.replace('_', ' ')}.")


def _kind(verdict: bool | None, rule: str) -> str:
    return "plain" if not rule and verdict else {True: "yes", False: "no", None: "open"}[verdict]


def _too_few(run: Run) -> str:
    """That fewer than two labels of the run's corpus have tracks enough, as a sentence; "" where that is not so."""
    scored = artifacts.load_corpus(run).get("n_labels_scored", 2) if artifacts.has_corpus(run) else 2
    which = f"every value of {label_of(run)}" + " but one" * scored
    return FEW_LABELS.format(which=which, label=label_of(run), few=FEW) if scored < 2 else ""


def _box(kind: str, text: str, below: str = "", name: str = "") -> None:
    """One claim on the page; `below` is HTML."""
    anchor, small = f' id="{html.escape(name)}"' if name else "", f'<span class="rule">{below}</span>' if below else ""
    put(f'<div class="finding {kind}"{anchor}><p>{html.escape(text)}</p>{small}</div>', text)


def banner(run: Run, needs_corpus: bool = True) -> None:
    """Say what this notebook runs on: corpus (synthetic or not), tracks, profile and seeds."""
    s = run.settings
    parts = [f"profile {s.profile}", f"first seed {s.seed}"]
    synthetic = s.corpus == "controlled"
    if needs_corpus:
        about = artifacts.load_corpus(run)
        synthetic = bool(about.get("synthetic"))
        parts = [str(about.get("title", s.corpus)), f"{about['n']} tracks", f"{about.get('n_labels', '?')} labels",
                 *parts, f"{getattr(s, SEEDS.get(run.notebook.partition('_')[2], 'n_seeds'))} training seeds"]
    notes = ["Synthetic music and lyrics."] * synthetic
    notes += ["A trial run, too small to conclude anything from."] * (s.profile == "smoke")
    if needs_corpus and artifacts.has(run, "sampling") and len(sampled := artifacts.load(run, "sampling")):
        errors = [f"{name} (of {row['tracks used']:.0f}, ± {row['error']:.2g})" for name, row in sampled.iterrows()]
        notes.append(SAMPLED.format(most=sizes.EXACT, what="; ".join(errors)))
    line, kind = " · ".join(parts), "banner synthetic" if synthetic else "banner"
    bold = "".join(f"<strong>{note}</strong> " for note in notes)
    put(f'<div class="{kind}">{bold}{html.escape(line)}</div>', " ".join([*notes, line]))


def recall(run: Run, names: list[str]) -> None:
    """Show claims that other notebooks of this run recorded, in brief, with a link there; missing ones are named."""
    for text, kind, link in _recorded(run, names).values():
        _box(kind, text, link)


def abstract(run: Run, names: list[str]) -> None:
    """Show claims that other notebooks of this run recorded, in brief, as one paragraph with links."""
    found = _recorded(run, names).values()
    said = " ".join(f"{html.escape(text)} {link and f'({link})'}" for text, _, link in found)
    put(f'<p class="abstract">{said}</p>', " ".join(text for text, *_ in found))


def _recorded(run: Run, names: list[str]) -> dict[str, tuple[str, str, str]]:
    """Of claims that other notebooks of this run recorded: the brief sentence, its kind, and a link (HTML)."""
    records, out = runs.load_records(run.folder), {}
    found = {f["name"]: (notebook, f) for notebook, record in records.items() for f in record["findings"]}
    for name in names:
        if name not in found:
            out[name] = f"Not in this run: {asked(name)}", "open", ""
            continue
        notebook, one = found[name]
        page = f"{notebook}.html#finding-{html.escape(name)}"
        link = f'<a href="{page}">Notebook {notebook.partition("_")[0]}</a>'
        out[name] = one.get("brief", one["text"]), _kind(one["verdict"], one["rule"]), link
    return out
