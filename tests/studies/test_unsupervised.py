"""What the notebooks on models without labels ask: planned comparisons, counted conditions, rules of their own."""

import re
import types

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from lib.scores import intervals, jackknife
from lib.scores.intervals import Interval
from lib.scores.verdict import VERDICTS
from lib.store import artifacts
from lib.studies.paradox import overview
from lib.studies.unsupervised import baselines, best_row, clusterers_compared, comparison, rules, when_it_pays

UP, FLAT, DOWN = (Interval(mean, mean - 1, mean + 1, 3) for mean in (2, 0.5, -2))


def rows(method: str, value: float, beta: float = 1.0, role: str = "method", use: str = "none") -> pd.DataFrame:
    """One setting whose NMI is near `value`, three seeds; its other scores do not matter."""
    about = {"corpus": "toy", "features": "mfcc", "method": method, "beta": beta, "label_in": "none", "dim": 2,
             "role": role, "setting": f"{role} {beta:g}", "label_use": use, "clusterer": "kmeans", "clusterer_seed": 0}
    parts = [{"seed": seed, "metric": metric, "value": number, **about} for seed in range(3)
             for metric, number in {**dict.fromkeys(comparison.METRICS, 9.0), "nmi": value + 0.01 * seed}.items()]
    return pd.DataFrame(parts)[artifacts.SCORE_COLUMNS]


@pytest.fixture
def table() -> pd.DataFrame:
    parts = [rows(name, value) for name, value in (("raw", 0.1), ("ae", 0.2), ("conv_vae", 0.3), ("pca", 0.4),
                                                   ("vae", 0.5))]
    others = [rows("beta_vae", 0.6, 4), rows("beta_vae", 0.9, 16), rows("fusion_cca", 1, role="control"),
              rows("cvae", 0.7, use="both")]
    return pd.concat(parts + others, ignore_index=True)


@pytest.fixture
def kept() -> pd.DataFrame:
    """NMI of the headline methods with 12 units left out, as it is stored."""
    rng, parts = np.random.default_rng(0), []
    for method, value in (("raw", 0.1), ("ae", 0.2), ("conv_vae", 0.3), ("pca", 0.4), ("vae", 0.5), ("beta_vae", 0.6)):
        latents = xr.Dataset(attrs={"method": method, "features": "mfcc", "setting": "x"})
        values = jackknife.long({seed: np.full(13, value) + 1e-3 * rng.standard_normal() for seed in range(3)})
        parts.append(jackknife.stored(latents, "nmi", values))
    return pd.concat(parts, ignore_index=True)


def test_probe_and_error_stand_beside_nmi(table, kept):
    more = [rows(method, 0.0).assign(metric=metric, value=value, clusterer="none") for method, value in
            (("vae", 0.5), ("pca", 0.4)) for metric in ("probe_mu", "error_held_out")]
    family = comparison.planned(kept, pd.concat([table, *more]), beta=4).set_index("comparison")
    for metric in ("probe_mu", "error_held_out"):
        assert family.loc["vae - pca", metric].mean == pytest.approx(0.1)


def test_a_ranking_has_every_clusterer_and_names_it(table):
    other = [rows(method, value).assign(clusterer=name) for method, value, name in
             (("raw", 0.95, "spectral"), ("pca", 0.2, "spectral"), ("vae", 0.6, "mixture"))]
    found = comparison.ranked(comparison.methods(pd.concat([table, *other])), beta=4)
    named = list(zip(found["method"], found["clusterer"], strict=True))
    assert named[0] == ("raw", "spectral") and ("vae", "mixture") in named and ("raw", "kmeans") in named
    assert ("pca", "spectral") in named  # worse than k-means: none is chosen by its score
    assert not found.loc[found["clusterer"] != "kmeans", "headline"].any()
    assert overview.best(pd.concat([table, *other]), 1)["clusterer"].tolist() == ["spectral"]


def test_only_what_was_planned_is_compared(table, kept):
    family = comparison.planned(kept, table, beta=4).set_index("comparison")
    assert (family["verdict"] == intervals.SIGNIFICANT).all()
    assert family["error_held_out"].map(lambda span: span.n).eq(0).all()  # the toy has none: a dash, no verdict
    assert len(family) == 9 and family.loc["beta_vae - pca", "difference"].mean == pytest.approx(0.2, abs=0.01)


def test_methods_are_ranked_and_headline_settings_marked(table, kept):
    scored = comparison.methods(table)
    found = comparison.ranked(scored, beta=4)
    assert "fusion_cca" not in set(found["method"]) and found["rank_by"].is_monotonic_decreasing
    said = comparison.with_outcomes(found, comparison.planned(kept, scored, beta=4))
    said = said.set_index(["method", "setting"])["planned differences"]
    both = r"from PCA \+0\.[12]\d\d, significant; from VAE \+0\.[01]\d\d, significant"
    assert re.fullmatch(both, said["beta_vae", "method 4"])
    assert said["beta_vae", "method 16"] == said["cvae", "method 1"] == "not planned"


def test_conditions_are_counted_once():
    gaps = {"AE - PCA": [UP, UP], "VAE - AE": [DOWN, FLAT], "VAE - PCA": [UP, FLAT]}
    by_set = pd.DataFrame({"features": ["mfcc", "other"], "VAE - PCA": [UP, DOWN], "VAE - raw": [FLAT, UP]})
    counts = when_it_pays.counts(pd.DataFrame({"dimensions": [2, 10], **gaps}),
                                 pd.DataFrame({"tracks": [50, 100], **gaps}), by_set)
    assert counts.loc["VAE - PCA"].tolist() == [2, 1, 1]  # all tracks, and MFCCs, are the first sweep's
    assert counts.loc["AE - PCA"].tolist() == [3, 0, 0]
    assert rules.pays(counts.loc["AE - PCA"])["verdict"] and not rules.pays(counts.loc["VAE - PCA"])["verdict"]
    assert when_it_pays.where_better(by_set) == "mfcc" and when_it_pays.where_better(by_set[1:]) == "none"


def test_clusterers_are_compared_with_k_means_on_the_features():
    parts = [rows(method, value).assign(metric="ami", clusterer=name) for method, name, value in
             (("raw", "kmeans", 0.1), ("raw", "spectral", 0.0), ("umap", "kmeans", 0.3), ("umap", "spectral", 0.2))]
    scored = pd.concat(parts)
    gains = clusterers_compared.gains(scored, ("kmeans", "spectral"))
    assert len(gains) == 3 and clusterers_compared.surest(gains, scored)["clusterer"] == "kmeans"


def test_own_rules_turn():
    agreeing = pd.DataFrame([(1, 0, 2, 2, 5.0, 5.2, 30.0, 0.99)], columns=baselines.THEORY)
    assert rules.is_pca(agreeing)["verdict"] and not rules.is_pca(agreeing.assign(KL=6.0))["verdict"]
    assert rules.turns(UP, DOWN)["verdict"] and not rules.turns(UP, FLAT)["verdict"]
    some = pd.DataFrame({"method": ["umap", "vae", "pca"], "setting": ["dim=10 neighbours=15", "beta=1", "dim=10"],
                         "verdict": VERDICTS})
    none = some.iloc[1:]
    assert rules.any_clusters(some)["verdict"] and not rules.any_clusters(none)["verdict"]
    assert rules.any_clusters(some)["names"] == "UMAP, 10 dimensions, 15 neighbours"
    assert rules.any_clusters(some)["n"] == 1 and rules.any_clusters(none)["all"] == 2


def test_kl_is_ranked_beside_theory():
    latents = xr.Dataset({"kl": (("seed", "latent"), np.array([[0.1, 2.0], [3.0, 0.0]]))})
    x = pd.DataFrame(np.random.default_rng(0).normal(size=(50, 3)))
    spent, theory = baselines.kl_by_rank(latents, x, beta=1)
    assert spent.to_numpy().tolist() == [[2, 3], [0.1, 0]] and theory.is_monotonic_decreasing


def test_what_was_chosen_by_a_corpus_is_never_ranked_there_as_unsupervised():
    """The best row's protocol was settled by the built-in corpus's genres."""
    about = {"features": "crops", "setting": "s", "beta": 1.0, "clusterer": "kmeans", "metric": "nmi"}
    rows = pd.DataFrame([about | {"method": method, "label_use": use, "role": "method", "seed": seed, "value": value}
                         for method, use, value in (("contrastive_vae", "none", 0.9), ("vae", "none", 0.3),
                                                    ("cvae", "both", 0.5)) for seed in range(3)])
    run = types.SimpleNamespace(settings=types.SimpleNamespace(corpus="controlled"))
    own = rows["method"] == "contrastive_vae"
    here = pd.concat([best_row.stored(run, rows[own]), rows[~own]])
    tracks = here.assign(metric="n_tracks", value=100.0)
    free, tuned, given = comparison.in_three(comparison.ranked(pd.concat([here, tracks]), 4.0))
    assert [list(part["method"]) for part in (free, tuned, given)] == [["vae"], ["contrastive_vae"], ["cvae"]]
    assert list(overview.best(here, 8)["method"]) == ["vae"]
    run.settings.corpus = "gtzan"
    assert set(best_row.stored(run, rows)["role"]) == {"method"} and best_row.claim_of(run) == "label_free_row"
