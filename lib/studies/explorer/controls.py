"""The lists with which the explorer's reader names models, and what is said of these as HTML."""

from __future__ import annotations

import html

import ipywidgets as widgets
import numpy as np

from lib.report import claims
from lib.report.glossary import shown
from lib.studies.explorer.models import CONDITIONING, LABEL, MODELS, Choice, Material, Scores

WIDE = {"description_width": "initial"}
SHOWN = 8  # rows of the table of what was tried
ROWS = {"flex_flow": "row wrap", "align_items": "flex-start", "overflow": "visible"}


def one_of(name: str, options=()) -> widgets.Dropdown:
    """A list to choose from."""
    return widgets.Dropdown(description=name, options=list(options), style=WIDE, layout=widgets.Layout(width="auto"))


class ModelLists:
    """Five lists that name a model of a run."""

    def __init__(self, conditioning: str):
        self.model, self.beta = one_of("Model", MODELS), one_of("Beta")
        self.condition = one_of("Condition on")
        self.conditioning, self.seed = one_of("Condition goes to", CONDITIONING), one_of("Seed")
        self.conditioning.value = conditioning
        self.all = (self.model, self.beta, self.condition, self.conditioning, self.seed)
        self.box = widgets.HBox(self.all, layout=widgets.Layout(**ROWS)).add_class("model")

    @property
    def choice(self) -> Choice:
        """What the lists say."""
        return Choice(self.model.value, self.beta.value, self.conditioning.value, self.seed.value, self.condition.value)

    def offer(self, material: Material) -> None:
        """Let the betas, conditions and seeds of a run be chosen."""
        s, seeds = material.run.settings, material.run.seeds
        betas = [(f"{beta:g}", beta) for beta in sorted({*s.betas, 1.0, s.beta})]
        conditions = {called(material, name): name for name in material.conditions}
        for control, options, value in ((self.beta, betas, s.beta), (self.condition, conditions, LABEL),
                                        (self.seed, seeds, seeds[0])):
            control.options, control.value = options, value


def called(material: Material, condition: str) -> str:
    """What a model is conditioned on, in words."""
    return claims.label_of(material.run) if condition == LABEL else shown(condition)


def name_of(choice: Choice, material: Material) -> str:
    """A model in words."""
    given = called(material, choice.condition)
    where = f"{given} to {choice.conditioning}" if any(CONDITIONING[choice.conditioning]) else "no condition"
    return f"{choice.model}, beta {choice.beta:g}, {where}, seed {choice.seed}"


def status(text: str, kind: str = "", share: float | None = None) -> str:
    """HTML of a sentence: the state of things (`kind` ""), a "problem", or what is being done ("busy"), with a bar that
    is filled by a `share` where that is known."""
    filled = "" if share is None else f' value="{share:.3f}"'
    bar = f'<progress aria-label="Progress"{filled}></progress> ' if kind == "busy" else ""
    return f'<div class="said {kind}" role="status">{bar}{html.escape(text)}</div>'


def score_table(tried: list[tuple[Choice, Scores]], now: tuple[Choice, ...], material: Material) -> str:
    """What was tried, latest first, as HTML."""
    names = ["silhouette", "of clouds", "NMI", "of permuted labels", "active", "KL, nats"]
    rows = []
    for choice, found in tried[:SHOWN]:
        numbers = [f"{found.silhouette:.3f}", _range(found.silhouette_null), f"{found.nmi:.3f}", _range(found.nmi_null),
                   found.active, f"{found.kl:.2f}"]
        cells = "".join(f"<td>{number}</td>" for number in numbers)
        what = html.escape(name_of(choice, material))
        rows.append(f'<tr class="{"now" if choice in now else ""}"><th scope="row">{what}</th>{cells}</tr>')
    heads = "".join(f'<th scope="col">{name}</th>' for name in ["model", *names])
    caption = "Tried so far: k-means on mu. Nulls are means and ranges of draws."
    return (f'<div class="scroll" tabindex="0" role="region" aria-label="Tried so far"><table><caption>{caption}'
            f"</caption><thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>")


def _range(draws: np.ndarray) -> str:
    return f'{draws.mean():.3f} <span class="range">({draws.min():.3f}–{draws.max():.3f})</span>'
