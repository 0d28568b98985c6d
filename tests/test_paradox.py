"""The paradox's tools: each must be able to say no."""

import numpy as np
import pandas as pd
import pytest

from lib import information, paradox, statistics, training
from lib.models import ModelConfig


@pytest.fixture
def conditional(prepared_run):
    """Latents of a small CVAE (label on both sides), its features and labels."""
    run, x, genre = prepared_run
    config = ModelConfig(x.shape[1], 2, (16,), beta=2, y_encoder=True, y_decoder=True, n_labels=genre.nunique())
    return training.latents(run, "cvae", x, config, [0, 1], labels=genre), x, genre


def test_encoding_under_the_true_label_is_mu(conditional):
    latents, x, genre = conditional
    told = paradox.encode_under(latents, x, genre)
    np.testing.assert_allclose(told["true"], latents.mu.values, atol=1e-5)
    assert all(value.shape == latents.mu.shape for value in told.values())
    assert not np.allclose(told["wrong"], told["true"])


def test_swap_costs_nothing_under_the_right_label(conditional):
    latents, x, genre = conditional
    cost, profile = paradox.swap(latents, x, genre)
    assert np.diag(cost) == pytest.approx(0) and (cost.to_numpy()[~np.eye(3, dtype=bool)] > 0).all()
    assert profile.shape == (3, x.shape[1]) and profile.mean().abs().max() < 1e-5


def test_a_decoder_without_the_label_is_not_said_to_use_it(prepared_run):
    run, x, genre = prepared_run
    config = ModelConfig(x.shape[1], 2, (16,), y_encoder=True, n_labels=genre.nunique())
    latents = training.latents(run, "cvae", x, config, [0, 1], labels=genre)
    errors = paradox.decode_under(latents, x, genre)
    assert not statistics.paired(errors["wrong"], errors["right"]).low > 0
    cost, profile = paradox.swap(latents, x, genre)
    assert np.abs(cost.to_numpy()).max() == 0 and np.abs(profile.to_numpy()).max() < 1e-6


def test_judge_by_intervals():
    up, none = statistics.interval([1.0, 1.1, 0.9]), statistics.interval([1.0, -1.0, 0.1])
    assert paradox.judge("up", up) and not paradox.judge("down", up) and not paradox.judge("same", up)
    assert paradox.judge("same", none) and not paradox.judge("up", none)
    assert paradox.judge("not up", none) and not paradox.judge("not up", up)
    assert paradox.judge("up", statistics.interval([1.0])) is None
    with pytest.raises(ValueError, match="sideways"):
        paradox.judge("sideways", up)


# --- information ---


@pytest.mark.parametrize("reader", information.READERS)
def test_readers_read_blobs_and_not_noise(reader):
    rng = np.random.default_rng(0)
    y = np.arange(200) % 4
    assert information.probe_accuracy(5 * np.eye(4)[y] + rng.standard_normal((200, 4)), y, reader) > 0.9
    assert information.probe_accuracy(rng.standard_normal((200, 4)), y, reader) < 0.4


def test_only_a_curved_reader_reads_a_ring():
    rng = np.random.default_rng(1)
    y = np.arange(300) % 2
    angle = rng.uniform(0, 2 * np.pi, 300)
    ring = (1 + 2 * y)[:, None] * np.c_[np.cos(angle), np.sin(angle)] + 0.1 * rng.standard_normal((300, 2))
    assert information.probe_accuracy(ring, y, "rbf") > 0.95 and information.probe_accuracy(ring, y, "linear") < 0.7


def test_online_code_between_nothing_and_the_entropy():
    rng = np.random.default_rng(2)
    y = np.arange(800) % 4
    assert information.online_code(8 * np.eye(4)[y], y) == pytest.approx(np.log(4), abs=0.25)
    assert information.online_code(rng.standard_normal((800, 4)), y) < 0.02
    assert information.entropy(y) == pytest.approx(np.log(4)) and information.entropy(np.zeros(5)) == 0


def test_bound_of_samples():
    """I(z; y) <= KL holds for samples: a latent that is the prior carries nothing, whatever mu says."""
    rng = np.random.default_rng(3)
    y = np.arange(600) % 3
    mu = 0.01 * (y - 1)[:, None] * np.ones((600, 2))
    z = mu + rng.standard_normal((600, 2))
    assert information.probe_accuracy(mu, y, "knn") > 0.99
    assert information.linear_probe(z, y, n_permutations=1).information < 0.02


def test_association_with_inert_factors_alone_stays_silent():
    n, rng = 200, np.random.default_rng(4)
    index = [f"t{i:03d}" for i in range(n)]
    genre = pd.Series((np.arange(n) % 4).astype(str), index)
    hits = 0
    for i in range(40):
        values = pd.DataFrame(rng.standard_normal((n, 4)), index)
        clusters = pd.Series(rng.integers(0, 5, n), index)
        hits += (paradox.association(clusters, values, genre, 99, seed=i)["p"] <= 0.05).any()
    assert hits <= 6  # 5 % expected per run; 40 runs give 7 or more with a chance below 0.4 %


def test_factorial_effects_by_hand():
    cells = pd.MultiIndex.from_product([[1, 4], [False, True]], names=["beta", "dec"])
    # beta adds 2, dec takes 1, together they take 3 more
    values = pd.DataFrame([[0.0, -1, 2, -2], [0.1, -0.9, 2.1, -1.9]], columns=cells)
    found = paradox.factorial_effects(values).set_index("effect")["change"]
    assert [found[e].mean for e in ("beta", "dec", "beta x dec")] == pytest.approx([0.5, -2.5, -1.5])
    with pytest.raises(ValueError, match="two levels"):
        paradox.factorial_effects(values.iloc[:, :3])


def test_predictions_are_complete_and_change_what_they_say():
    base = ModelConfig(40, beta=4, y_encoder=True, y_decoder=True, n_labels=10)
    for kind in ("guesses", "remedies"):
        names = [entry["name"] for entry in paradox.predictions(kind)]
        assert len(names) == len(set(names))
        for entry in paradox.predictions(kind):
            assert entry["nmi"] in ("up", "down", "same", "not up")
            new = paradox.changed(base, entry["change"])
            assert new != base and all(
                getattr(new, k) in (v, tuple(v) if isinstance(v, list) else v) for k, v in entry["change"].items()
            )
    free = paradox.changed(base, {"prior": "mixture", "y_encoder": False, "y_decoder": False})
    assert free.label_use == "none" and free.n_components == 10


def test_a_failed_prediction_is_shown_as_failed():
    def table(nmi):
        return pd.DataFrame(
            [
                {"seed": s, "clusterer": c, "metric": m, "value": v + 0.001 * s}
                for s in range(5)
                for c, m, v in (
                    ("kmeans", "nmi", nmi),
                    ("kmeans", "silhouette", 0.3),
                    ("none", "active_dims", 2),
                    ("none", "kl", 1),
                )
            ]
        )

    names = [entry["name"] for entry in paradox.predictions("remedies")]
    up = paradox.judged("remedies", dict.fromkeys(names, table(0.5)), table(0.1)).set_index(["name", "metric"])["held"]
    assert up["auxiliary classifier", "nmi"] and not up["smaller beta", "nmi"] and not up["smaller beta", "kl"]
    flat = paradox.judged("remedies", dict.fromkeys(names, table(0.1)), table(0.1)).set_index(["name", "metric"])[
        "held"
    ]
    assert not flat["auxiliary classifier", "nmi"] and flat["smaller beta", "nmi"]
