"""Training that diverges is said in one sentence, with the epoch and what to do about it."""

from __future__ import annotations

import numpy as np
import pytest

from lib.models import contrastive, convolutional, multimodal, training
from lib.models.vae import ModelConfig
from lib.store.errors import Problem
from tests.models.test_vae import MODELS

RNG = np.random.default_rng(0)
X = RNG.standard_normal((90, 20)) @ RNG.standard_normal((20, 20))
IMAGES = RNG.normal(-40, 10, (24, 2, 16, 8)).astype(np.float32)


def fitted(options: dict, schedule: training.Schedule, betas: list[float] | None = None):
    config = ModelConfig(20, 4, **{"hidden": (16,), "n_labels": 3} | options)
    return training.fit(X, config, [0, 1], schedule, np.arange(90) % 3, betas=betas)


@pytest.mark.parametrize("rate", [100.0, 1e9, 1e30])  # an exploded loss, one that overflows, NaN
@pytest.mark.parametrize("model", MODELS)
def test_a_learning_rate_far_too_large_is_a_problem_with_epoch_and_remedy(model, rate):
    with pytest.raises(Problem, match=r"diverged in epoch 1 \(.*choose a smaller learning_rate \(.* 0.001 by default"):
        fitted(MODELS[model], training.Schedule(epochs=6, learning_rate=rate))


@pytest.mark.parametrize("model", MODELS)
def test_a_rate_a_hundred_times_too_large_is_poor_but_no_divergence(model):
    _, latents = fitted(MODELS[model], training.Schedule(epochs=6, learning_rate=0.1))
    assert np.isfinite(latents.mu.values).all()


def test_a_beta_beyond_all_numbers_is_named():
    fitted({}, training.Schedule(epochs=3), [1.0, 1e6])
    with pytest.raises(Problem, match="or a beta below 1e[+]39"):
        fitted({}, training.Schedule(epochs=3), [1.0, 1e39])


@pytest.mark.parametrize(("losses", "error", "said"), [
    ([1.0, np.nan], 1.0, "no finite number"), ([1.0, np.inf], 1.0, "no finite number"),
    ([1.0, -np.inf], 1.0, "no finite number"), ([3e9, 3e9], 3e9, "the squared error is 3e[+]09"),
])
def test_what_counts_as_divergence(losses, error, said):
    with pytest.raises(Problem, match=rf"^training has diverged in epoch 4 \(a model\): .*{said}; do that$"):
        training.stop_astray(3, np.array(losses), np.array(error), 40.0, "a model", "do that")
    training.stop_astray(3, np.array([1e5, -3.0]), np.array(1e5), 40.0, "a model", "do that")


def test_the_convolutional_model_says_so_too():
    schedule = training.Schedule(epochs=2, batch_size=8, learning_rate=4e-3)
    convolutional.fit(IMAGES, 0, schedule, 3, 0.1)
    for rate in (10.0, 1e30):
        with pytest.raises(Problem, match=r"diverged in epoch \d \(convolutional VAE, seed 0\)"):
            convolutional.fit(IMAGES, 0, schedule._replace(learning_rate=rate), 3, 0.1)


def test_the_contrastive_model_says_so_too():
    crops, rows = RNG.standard_normal((3, 30, 12)).astype(np.float32), np.arange(24)
    choice = contrastive.protocol(most_epochs=3)
    contrastive.fit(crops, 0, rows, choice)
    with pytest.raises(Problem, match=r"diverged in epoch \d \(contrastive VAE 0\).*best_row.yaml"):
        contrastive.fit(crops, 0, rows, choice.model_copy(update={"learning_rate": 1e30}))


def test_the_multimodal_model_says_so_too(monkeypatch):
    views = [RNG.standard_normal((2, 40, 6)).astype(np.float32)] * 2
    config = ModelConfig(6, 2, (8,))
    multimodal.fit(views, config, [0, 1], steps=4)
    monkeypatch.setattr(multimodal, "LEARNING_RATE", 1e30)
    with pytest.raises(Problem, match=r"diverged in epoch \d \(multimodal VAE\)"):
        multimodal.fit(views, config, [0, 1], steps=4)
