"""Alignment of codes with factors, on codes whose answer is known (as disentanglement_lib tests its metrics)."""

import warnings

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.linear_model import LassoLarsIC

from lib.models import theory, training
from lib.models.vae import ModelConfig
from lib.scores import disentanglement

RNG = np.random.default_rng(0)
FACTORS = RNG.standard_normal((1000, 4))


def scores(codes, factors=FACTORS):
    return disentanglement.dci(*disentanglement.importances(codes, factors)), disentanglement.mig(codes, factors)


def test_a_perfect_code_scores_high_whatever_its_order_sign_and_scale():
    found, gap = scores(FACTORS[:, [2, 0, 3, 1]] * [-1, 5, 0.01, 2])
    assert min(found) > 0.95 and gap > 0.75  # ten against twenty bins of a factor: its entropy is met up to the bins
    levels = RNG.integers(0, 5, (2000, 3))
    assert disentanglement.mig(levels.astype(float), levels) == pytest.approx(1, abs=0.01)


def test_zeros_and_noise_score_nothing():
    assert scores(np.zeros((1000, 4))) == ((0, 0, 0), 0)
    found, gap = scores(RNG.standard_normal((1000, 4)))
    assert found.informativeness < 0.02 and gap < 0.05


def test_duplicated_factors_have_no_gap():
    assert disentanglement.mig(np.hstack([FACTORS, FACTORS]), FACTORS) == pytest.approx(0)


def test_a_turned_code_knows_as_much_but_is_not_aligned():
    aligned, gap = scores(FACTORS)
    turned, turned_gap = scores(disentanglement.rotated(FACTORS, 1))
    assert turned.informativeness == pytest.approx(aligned.informativeness, abs=0.02)
    assert turned.disentanglement < 0.5 and turned.completeness < 0.5 and turned_gap < 0.3 * gap


def test_one_dimension_for_two_factors_is_complete_but_not_disentangled():
    first = FACTORS[:, 0]
    both = np.c_[first, first + 0.01 * RNG.standard_normal(1000)]
    found = disentanglement.dci(*disentanglement.importances(np.c_[first, RNG.standard_normal(1000)], both))
    assert found.completeness > 0.9 and found.disentanglement < 0.1


@pytest.mark.parametrize("copies", [False, True])
def test_importances_are_those_of_a_lasso_chosen_by_bic(copies):
    rng = np.random.default_rng(1)
    codes = rng.standard_normal((300, 6)) @ rng.standard_normal((6, 6)) + 5
    codes[:, 2] = 1  # a dead dimension
    if copies:
        codes[:, 4] = -codes[:, 3]
    factors = codes[:, [0, 1, 3]] + rng.standard_normal((300, 3)) * [0.1, 1, 30]
    factors = np.c_[factors, np.arange(300) % 2, np.ones(300), rng.standard_normal(300)]
    weights, told = disentanglement.importances(codes, factors)
    x = (codes - codes.mean(0)) / np.where(np.arange(6) == 2, 1, codes.std(0))
    y = stats.norm.ppf((stats.rankdata(factors, axis=0) - 0.5) / 300)
    for j in [0, 1, 2, 3, 5]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            plain = LassoLarsIC("bic").fit(x, y[:, j])
        np.testing.assert_allclose(weights[:, j], abs(plain.coef_), atol=1e-9)
        assert told[j] == pytest.approx(max(0, plain.score(x, y[:, j])), abs=1e-9)
    assert not weights[:, 4].any() and told[4] == 0, "a constant factor is told by nothing"


def test_importances_need_more_rows_than_dimensions():
    with pytest.raises(ValueError, match="5 rows"):
        disentanglement.importances(FACTORS[:5], FACTORS[:5])


def test_dci_by_hand():
    found = disentanglement.dci(np.array([[1.0, 0], [1, 1]]), np.array([0.5, 0.3]))
    # rows: [1, 0] is sharp, weight 1/3; [1, 1] is even, weight 2/3. Columns: [1, 1] even, 2/3; [0, 1] sharp, 1/3
    assert tuple(found) == pytest.approx((1 / 3, 1 / 3, 0.4))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 5), st.integers(1, 4))
def test_scores_stay_between_zero_and_one_and_ignore_units(seed, n_codes, n_factors):
    rng = np.random.default_rng(seed)
    factors = rng.standard_normal((60, n_factors))
    codes = rng.standard_normal((60, n_codes)) + factors[:, :1] * rng.integers(0, 3)
    found, gap = scores(codes, factors)
    assert all(0 <= value <= 1 for value in (*found, gap))
    other, other_gap = scores(codes * 3 - 7, np.exp(factors))
    assert other == pytest.approx(found, abs=1e-6) and other_gap == pytest.approx(gap)


def test_alignment_has_its_null_and_leaves_out_dead_dimensions():
    codes = np.concatenate([FACTORS, 1e-3 * RNG.standard_normal((1000, 2))], axis=1)
    tracks = [f"t{i:04d}" for i in range(1000)]
    latents = xr.Dataset(
        {"mu": (("seed", "track", "latent"), codes[None]), "kl": (("seed", "latent"), [[2.0, 2, 2, 2, 0.01, 0]])},
        coords={"seed": [7], "track": tracks},
    )
    table = disentanglement.alignment(latents, pd.DataFrame(FACTORS, tracks), [7],
                                      known=True).set_index("metric")["value"]
    assert table["dci_disentanglement"] > 0.95 > 0.5 > table["dci_disentanglement_null"]
    assert table["mig"] > 3 * table["mig_null"]
    latents["kl"] = latents.kl * 0.01  # collapsed: there is nothing to tell apart
    collapsed = disentanglement.alignment(latents, pd.DataFrame(FACTORS, tracks), [7],
                                          known=True).set_index("metric")["value"]
    assert list(collapsed.index) == list(table.index) and collapsed.isna().all()


@pytest.mark.slow
def test_optimal_codes_are_what_a_linear_vae_learns():
    rng = np.random.default_rng(3)
    x = rng.standard_normal((600, 3)) @ (rng.standard_normal((3, 8)) * [[3], [2], [1]])
    x = x + 0.3 * rng.standard_normal((600, 8))
    codes, kl = theory.optimal_codes(x, 0.5, 4)
    assert kl.tolist() == pytest.approx(theory.predicted_kl(theory.spectrum(x), 0.5)[:4].tolist())
    schedule = training.Schedule(epochs=150, learning_rate=1e-2, patience=150, held_out=0.05)
    _, latents = training.fit(x, ModelConfig(8, 4, hidden=(), beta=0.5), [0], schedule)
    learned, spent = latents.mu.values[0], np.sort(latents.kl.values[0])[::-1]
    assert spent.sum() == pytest.approx(kl.sum(), rel=0.1)
    guess = np.linalg.lstsq(codes[:, kl > 0], learned, rcond=None)
    assert 1 - ((codes[:, kl > 0] @ guess[0] - learned) ** 2).sum() / learned.var(0).sum() / 600 > 0.97
