"""What labels are called, wherever a run says it: sentences, captions, tables, figures."""

import pandas as pd
import pytest

from lib.report import claims, rules, showing, style
from lib.store import artifacts, runs


@pytest.fixture
def told(prepared_run, monkeypatch):
    """A run whose labels are called "emotion"."""
    run, x, _ = prepared_run
    artifacts.save_corpus(run, list(x.index), {"label": "emotion", "n_labels": 3})
    entries = {"claims": {"named": {"rule": "at_least_one", "where": {"value": "{what} names {label}"},
                                    "yes": "{n} of {what} say {label}.", "no": "None."}},
               "figures": {"drawn": "NMI with {label} of {what}."}, "tables": {"listed": "Rows by {label}."}}
    monkeypatch.setattr(claims, "registry", lambda: entries)
    return run


def record(run, kind):
    return runs.load_records(run.folder)[run.notebook][kind][-1]


def test_before_anything_is_known_a_label_is_a_genre(tmp_path):
    assert claims.label_of(runs.open_run("04_vae", "smoke", out=str(tmp_path))) == "genre"


def test_sentences_and_their_values_say_what_the_label_is_called(told):
    assert claims.label_of(told) == "emotion"
    claims.claim(told, "named", rules.at_least_one(2), what="PCA without {label}")
    said = record(told, "findings")
    assert said["text"] == "2 of PCA without emotion say emotion."
    assert "PCA without emotion names emotion" in said["rule"] and said["numbers"]["what"] == "PCA without emotion"


def test_tables_say_it_in_cells_columns_and_files(told):
    data = pd.DataFrame({"{label} means": ["without {label}", 3, True], "n": [1, 2.5, None]})
    showing.table(told, data, "listed")
    folder = told.folder / "tables"
    for ending in ("csv", "html", "tex"):
        text = (folder / f"listed.{ending}").read_text()
        assert "emotion means" in text and "without emotion" in text and "{label}" not in text
    assert record(told, "tables")["caption"] == "Rows by emotion."


def test_figures_say_it_in_axes_ticks_legends_and_words(told):
    figure, ax = style.new()
    ax.barh([0, 1], [1, 2], label="within {label}")
    ax.set(yticks=[0, 1], yticklabels=["PCA without {label}", "VAE"], xlabel="NMI with {label}")
    ax.legend()
    style.say(ax, "{label}: 2")
    showing.show(told, figure, "drawn", what="two")
    said = record(told, "figures")
    assert said["caption"] == "NMI with emotion of two." and "emotion: 2" in said["alt"]
    texts = [text.get_text() for text in figure.findobj(lambda one: hasattr(one, "get_text"))]
    assert {"NMI with emotion", "PCA without emotion", "within emotion"} <= set(texts)
    assert not any("{label}" in text for text in texts)
