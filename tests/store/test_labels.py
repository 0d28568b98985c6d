"""The label gate: openings are recorded, purposes are held, and nobody goes past it."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest

from lib.features import preparation
from lib.models.latents import is_stored, mlp_latents, raw_latents
from lib.models.vae import ModelConfig
from lib.scores import table as scores
from lib.store import artifacts, labels, runs
from lib.studies.fusion import known_modality
from lib.studies.leakage import generators
from lib.studies.paradox import experiments


def test_every_opening_is_recorded_with_its_purpose(prepared_run):
    run, _, genre = prepared_run
    for purpose in labels.PURPOSES:
        opened = labels.open_labels(run, purpose)
        assert opened.purpose == purpose
        pd.testing.assert_series_equal(opened, genre.sort_index(), check_names=False)
    record = runs.load_records(run.folder)["04_vae"]
    assert [o["purpose"] for o in record["label_openings"]] == list(labels.PURPOSES)
    assert {o["n"] for o in record["label_openings"]} == {150}
    with pytest.raises(ValueError, match="curiosity"):
        labels.open_labels(run, "curiosity")


def told_what_they_are_for(run, x):
    """What learns from labels or is built with them: name -> (the purposes it takes, what it does with labels)."""
    control, either = ("supervised_control",), ("conditioning", "supervised_control")
    reads = ModelConfig(x.shape[1], 2, (4,), y_encoder=True, n_labels=3)
    made = known_modality.make("discrete", labels.for_control(pd.Series(["a", "b"])), 0.1)._replace(
        labels=np.array([f"genre {i}" for i in range(3)]), channel=np.eye(3))
    cvae = mlp_latents(run, "cvae", x, reads, [0], labels=labels.open_labels(run, "conditioning"))
    return {
        "a leaky generator": (control, lambda y: generators.leaky_label_embeddings(y, 4)),
        "the other one": (control, lambda y: generators.leaky_folder_embeddings(y, 4)),
        "dosed texts": (control, lambda y: generators.dosed_texts(y, 0.5)),
        "items to audit": (control, lambda y: preparation.stored_items(run, y)),
        "a known view": (control, lambda y: known_modality.make("discrete", y, 0.1)),
        "a draw of it": (control, lambda y: known_modality.draw(made, y, 4, 0)),
        "a CVAE": (either, lambda y: mlp_latents(run, "cvae", x, reads, [0], labels=y)),
        "is a CVAE stored?": (either, lambda y: is_stored(run, "cvae", x, reads, [0], labels=y)),
        "a CVAE's input": (either, lambda y: experiments.encode_under(cvae, x, y)),
        "PCA without genre": (either, lambda y: experiments.without_means(run, x, y)),
        "a matched Gaussian": (either, lambda y: experiments.matched_gaussian(x, y, 0)),
    }


@pytest.mark.slow
def test_labels_are_used_for_what_they_were_opened_for_and_nothing_else(prepared_run):
    run, x, _ = prepared_run
    for name, (purposes, use) in told_what_they_are_for(run, x).items():
        for purpose in labels.PURPOSES:
            opened = labels.open_labels(run, purpose)
            if purpose in purposes:
                use(opened)
            else:
                with pytest.raises(ValueError, match=f"opened for '{purpose}': here they must"):
                    pytest.fail(f"{name} takes labels open for {purpose}: {use(opened)}")
        with pytest.raises(ValueError, match="do not say what they were opened for"):
            pytest.fail(f"{name} takes labels of unknown origin: {use(pd.Series(opened.to_numpy(), opened.index))}")
    for purpose in labels.PURPOSES:  # scores take any
        assert scores.score(run, raw_latents(run, x, [0]), labels.open_labels(run, purpose), nulls=False).size


@pytest.mark.parametrize("purpose", labels.PURPOSES)
def test_a_purpose_survives_what_keeps_labels_and_nothing_gains_one(prepared_run, purpose):
    opened = labels.open_labels(prepared_run[0], purpose)
    some = opened.index[5:50]
    for kept in (opened.loc[some], opened[some], opened.sample(frac=1), opened.sort_index(), opened.astype(object),
                 opened.set_axis(opened.index[::-1]), opened.reindex(some), opened[opened == "genre 1"], opened.copy(),
                 opened.rename("y"), opened.drop(some), pickle.loads(pickle.dumps(opened)), copy.deepcopy(opened)):
        labels.must_be_open(kept, purpose)
    for lost in (pd.concat([opened, opened]), opened.to_frame("label")["label"], pd.Series(opened), opened.to_numpy(),
                 pd.DataFrame({"label": opened}).groupby("label")["label"].first(), list(opened)):
        with pytest.raises(ValueError, match="do not say"):
            labels.must_be_open(lost, *labels.PURPOSES)
    if purpose != "supervised_control":
        with pytest.raises(ValueError, match=f"opened for '{purpose}'"):
            labels.for_control(opened)


def test_only_the_gate_reads_and_writes_labels(prepared_run):
    run, *_ = prepared_run
    for name in ("labels", "./labels", "latents/../labels"):
        with pytest.raises(ValueError, match="by lib.store.labels alone"):
            artifacts.load(run, name)
        with pytest.raises(ValueError, match="by lib.store.labels alone"):
            artifacts.save(run, name, pd.DataFrame({"label": ["a"]}))
    with pytest.raises(ValueError, match="and nothing else"):
        artifacts.load(run, "tracks", sealed=True)
