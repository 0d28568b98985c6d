"""Clusters, validity, information, statistics and fusion on known answers."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from lib.features import blocks
from lib.models import theory
from lib.models.latents import mlp_latents, umap_latents
from lib.models.vae import ModelConfig
from lib.scores import (
    agreement,
    clustering,
    how_many,
    information,
    intervals,
    nulls,
    probes,
    properties,
)
from lib.scores import (
    table as scores,
)
from lib.studies.paradox import experiments

RNG = np.random.default_rng(0)


def blobs(k=4, each=60, spread=0.15, dim=3, seed=0):
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((k, dim)) * 3
    y = np.repeat(np.arange(k), each)
    return centres[y] + spread * rng.standard_normal((k * each, dim)), y


# --- external scores ---


def test_external_identity_constant_and_permuted():
    y = np.repeat(np.arange(5), 40)
    renamed = (y + 2) % 5
    assert all(value == pytest.approx(1) for value in agreement.external(y, renamed).values())
    constant = agreement.external(y, np.zeros_like(y))
    assert constant["nmi"] == constant["ami"] == constant["ari"] == 0
    assert constant["accuracy"] == constant["purity"] == pytest.approx(0.2) and constant["inverse_purity"] == 1
    chance = [agreement.external(y, RNG.permutation(y)) for _ in range(40)]
    assert abs(np.mean([c["ami"] for c in chance])) < 0.01 and abs(np.mean([c["ari"] for c in chance])) < 0.01


def test_purity_is_per_cluster_and_inverse_purity_per_label():
    labels = np.repeat(["a"] * 6 + ["b"] * 4, 5)
    clusters = np.repeat([0, 0, 0, 1, 1, 2] + [2, 2, 3, 3], 5)  # by hand: 3+2+2+2 of 10; per label 3+2 of 10
    found = agreement.external(labels, clusters)
    assert found["purity"] == pytest.approx(0.9) and found["inverse_purity"] == pytest.approx(0.5)
    swapped = agreement.external(clusters, labels)
    assert swapped["purity"] == pytest.approx(0.5) and swapped["inverse_purity"] == pytest.approx(0.9)


def test_chance_nmi_of_the_series():
    """k = 10, n = 999: permuted labels give about 0.018 (findings of the earlier study)."""
    y = np.arange(999) % 10
    values = [agreement.external(RNG.permutation(y), y)["nmi"] for _ in range(30)]
    assert np.mean(values) == pytest.approx(0.018, abs=0.004)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(-1, 4)), min_size=2, max_size=40), st.randoms())
def test_external_scores_do_not_depend_on_order_or_names(pairs, random):
    labels, clusters = np.array(pairs * agreement.FEW).T  # enough of each label to count
    found = agreement.external(labels, clusters)
    order = list(range(len(labels)))
    random.shuffle(order)
    other = agreement.external(np.array([f"label {v}" for v in labels])[order], (clusters * 7 + 3)[order])
    assert found == pytest.approx(other, nan_ok=True)
    if len(set(labels)) == 1:
        assert np.isnan(list(found.values())).all()
        return
    assert found["nmi"] == pytest.approx(metrics.normalized_mutual_info_score(labels, clusters), abs=1e-9)
    assert all(-1 <= v <= 1 + 1e-9 for v in found.values())
    assert found["accuracy"] <= min(found["purity"], found["inverse_purity"]) + 1e-9


# --- clusterers and internal scores ---


@pytest.mark.parametrize("k", [3, 4])
@pytest.mark.parametrize("method", clustering.CLUSTERERS)
def test_clusterers_find_separate_blobs(method, k):
    points, y = blobs(k)
    found = clustering.cluster(points, k, method)
    kept = found >= 0
    assert kept.mean() > 0.7 and agreement.external(y[kept], found[kept])["ari"] > 0.9


def test_an_unknown_clusterer_is_refused():
    with pytest.raises(ValueError, match="unknown clusterer"):
        clustering.cluster(np.zeros((5, 2)), 2, "kmedoids")


def test_internal_undefined_is_nan_not_an_error():
    points = RNG.standard_normal((20, 2))
    for clusters in (np.zeros(20, int), -np.ones(20, int), np.arange(20)):
        found = clustering.internal(points, clusters)
        assert np.isnan(found["silhouette"])
    assert clustering.internal(points, -np.ones(20, int))["noise"] == 1


def test_degenerate_points_do_not_break_the_rules():
    same = np.ones((30, 2))
    for method in ("mixture", "spectral", "dbscan", "hdbscan"):
        assert len(clustering.cluster(same, 3, method)) == 30


def test_mixture_takes_the_form_of_covariance_that_made_the_points():
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((3, 4)) * 6
    y = np.repeat(np.arange(3), 200)
    shear = np.linalg.cholesky(0.9 * np.ones((4, 4)) + 0.1 * np.eye(4))
    round_, tied = centres[y] + rng.standard_normal((600, 4)), centres[y] + rng.standard_normal((600, 4)) @ shear.T
    assert clustering.mixture(round_, 3).covariance_type == "spherical"
    assert clustering.mixture(tied, 3).covariance_type == "tied"


# --- nulls ---


def test_isotropic_plane_has_the_published_silhouette():
    """k-means, k = 10, on 999 points of a 2-D isotropic Gaussian: 0.32 to 0.33."""
    null = nulls.silhouette_null(np.zeros((999, 2)), 10, "isotropic", 6)
    assert null.mean() == pytest.approx(0.325, abs=0.012)


@pytest.mark.parametrize("kind", ["gaussian", "copula"])
def test_nulls_match_what_they_claim(kind):
    points = RNG.standard_normal((4000, 3)) @ np.diag([3.0, 1, 0.3]) + [[5, 0, 0]]
    points[:, 1] = np.exp(points[:, 1])
    cloud = nulls.draw_null(points, kind, np.random.default_rng(1))
    if kind == "gaussian":
        np.testing.assert_allclose(np.cov(cloud.T), np.cov(points.T), atol=0.8)
    else:
        np.testing.assert_allclose(np.sort(cloud, axis=0), np.sort(points, axis=0))


def test_excess_calls_blobs_but_not_a_gaussian():
    for points, k, wanted in ((blobs(5)[0], 5, True), (RNG.standard_normal((300, 3)), 5, False)):
        value = clustering.silhouette(points, clustering.cluster(points, k))
        found = nulls.excess(value, nulls.silhouette_null(points, k, "gaussian", 12))
        assert (found.z > 5) == wanted and found.excess == pytest.approx(found.value - found.null_mean)


def test_ari_of_identical_and_unrelated_latents():
    points = blobs(4)[0]
    assert how_many.mean_ari([points, points], 4) == pytest.approx(1) and np.isnan(how_many.mean_ari([points], 4))
    noise = [np.random.default_rng(i).standard_normal((240, 3)) for i in range(2)]
    assert abs(how_many.mean_ari(noise, 4)) < 0.1


# --- information ---


def test_active_dimensions_count_nats_not_variance():
    assert information.active_dimensions(np.array([2.0, 0.11, 0.09, 0.0])) == 2
    np.testing.assert_array_equal(information.active_dimensions(np.zeros((3, 5))), [0, 0, 0])


def test_probe_reads_blobs_and_not_noise():
    points, y = blobs(4)
    seen = probes.linear_probe(points, y, n_permutations=3)
    assert seen.accuracy > 0.97 and seen.information == pytest.approx(np.log(4), abs=0.15)
    assert seen.null_accuracy < 0.4
    blind = probes.linear_probe(RNG.standard_normal((240, 3)), y, n_permutations=3)
    assert abs(blind.accuracy - 0.25) < 0.1 and blind.information < 0.05


def test_probe_leaves_out_tiny_classes_and_survives_a_single_one():
    points, y = blobs(3)
    y = np.r_[y[:-2], [7, 7]]
    assert probes.linear_probe(points, y, n_permutations=1).accuracy > 0.9
    assert np.isnan(probes.linear_probe(points, np.zeros(len(points)), n_permutations=1).accuracy)


def test_r2_within_ignores_what_the_label_says():
    y = np.repeat(np.arange(4), 80)
    noise = RNG.standard_normal(320)
    x = np.column_stack([y + 0.01 * RNG.standard_normal(320), noise])
    told = {"noise": noise[:, None], "label": (y + 0.1 * RNG.standard_normal(320))[:, None], "only": y[:, None]}
    found = properties.r2_within(x, told, y)
    assert found["noise"] > 0.9 and found["label"] < 0.1 and np.isnan(found["only"])


def test_spectrum_and_theory():
    x = RNG.standard_normal((5000, 4)) @ RNG.standard_normal((4, 4))
    assert theory.spectrum(x).sum() == pytest.approx(4, rel=1e-3)
    y = np.repeat([0, 1], 2500)
    assert theory.spectrum(x + 3 * y[:, None], y).sum() < theory.spectrum(x + 3 * y[:, None]).sum()
    assert theory.predicted_active(np.array([3.0, 2.1, 1.9]), 4.0) == 2
    np.testing.assert_allclose(theory.predicted_kl(np.array([np.e**2, 0.5]), 2.0), [1, 0])


# --- statistics ---


@given(st.lists(st.floats(0, 1), min_size=2, max_size=6))
def test_no_interval_of_a_share_leaves_its_range_and_none_grows(values):
    plain, bounded = intervals.interval(values), intervals.interval(values, within=intervals.SHARE)
    assert 0 <= bounded.low <= bounded.mean <= bounded.high <= 1 and bounded.mean == plain.mean
    assert bounded.low >= plain.low and bounded.high <= plain.high


def test_intervals_of_the_score_table_stay_in_the_ranges_of_their_metrics():
    setting = {"method": "m", "setting": "s", "label_use": "none", "clusterer": "kmeans"}
    rows = [setting | {"seed": seed, "metric": metric, "value": value}
            for metric in ("nmi", "silhouette", "active_dims") for seed, value in enumerate((0.02, 0.9))]
    found = scores.summary(pd.DataFrame(rows), ("nmi", "silhouette", "active_dims")).iloc[0]
    for metric in ("nmi", "silhouette", "active_dims"):
        low, high = intervals.RANGES[metric]
        assert low <= found[metric].low < found[metric].high <= high


def test_interval_against_textbook():
    found = intervals.interval([1, 2, 3, 4, 5])  # mean 3, s = 1.5811, t(4) = 2.7764
    assert (found.mean, found.low, found.high) == pytest.approx((3, 1.0368, 4.9632), abs=1e-3)
    assert intervals.interval([2.0]).n == 1 and not intervals.interval([2.0]).excludes_zero
    assert f"{intervals.interval([1, 2, 3]):.1f}" == "2.0 [-0.5, 4.5]"


def test_interval_covers_as_stated():
    rng = np.random.default_rng(2)
    hits = [i.low <= 0 <= i.high for i in (intervals.interval(rng.standard_normal(10)) for _ in range(2000))]
    assert np.mean(hits) == pytest.approx(0.95, abs=0.015)


def test_holm_by_hand():
    np.testing.assert_allclose(intervals.holm(np.array([0.01, 0.04, 0.03])), [0.03, 0.06, 0.06])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_is_between_p_and_bonferroni(p):
    adjusted = intervals.holm(np.array(p))
    assert (adjusted >= np.array(p) - 1e-12).all() and (adjusted <= np.minimum(np.array(p) * len(p), 1) + 1e-12).all()


def test_compare_says_when_seeds_are_too_few():
    def family(n):
        a, b = pd.Series(np.arange(n) + 10.0), pd.Series(np.arange(n) * 1.01)
        return intervals.compare({"x": (a, b), "y": (a, a + np.resize([1, -1], n))})
    assert set(family(4)["verdict"]) == {"too few seeds"}
    assert family(10).set_index("comparison")["verdict"].to_dict() == {"x": "significant", "y": "not significant"}


def test_by_seed_nests_clustering_seeds():
    rows = pd.DataFrame({"seed": [0, 0, 1], "metric": "nmi", "value": [1.0, 3.0, 5.0], "method": "m"})
    pd.testing.assert_series_equal(intervals.by_seed(rows, "nmi", method="m"), pd.Series([2.0, 5.0], [0, 1]),
                                   check_names=False)


# --- fusion ---


def views(n=50):
    index = [f"t{i:03d}" for i in range(n)]
    return (pd.DataFrame(RNG.standard_normal((n, 3)), index), pd.DataFrame(100 * RNG.standard_normal((n, 8)), index))


def test_join_is_by_id_and_leaves_out_missing_rows():
    a, b = views()
    b.iloc[3] = np.nan
    joined = blocks.concatenate(a.sample(frac=1, random_state=0), b.sample(frac=1, random_state=1))
    assert joined.shape == (49, 11) and "t003" not in joined.index
    np.testing.assert_array_equal(joined.filter(like="a_"), a.drop("t003"))
    np.testing.assert_array_equal(joined.filter(like="b_"), b.drop("t003"))


@settings(max_examples=20, deadline=None)
@given(st.floats(0, 1))
def test_weighted_blocks_split_the_variance_as_asked(weight):
    a, b = views()
    joined = blocks.weighted_blocks(a, b, weight)
    share = joined.filter(like="b_").var(ddof=0).sum()
    assert share == pytest.approx(weight) and joined.var(ddof=0).sum() == pytest.approx(1)


def test_shuffles_keep_rows_and_genre():
    _, b = views()
    genre = pd.Series(np.arange(50) % 5, b.index)
    dealt, inside = nulls.permuted(b, 0), nulls.permuted(b, 0, genre)
    for other in (dealt, inside):
        np.testing.assert_allclose(np.sort(other.to_numpy(), axis=0), np.sort(b.to_numpy(), axis=0))
        assert (other.to_numpy() == b.to_numpy()).all(1).mean() < 0.5
    for name in range(5):
        rows = genre == name
        np.testing.assert_allclose(np.sort(inside[rows].to_numpy(), axis=0), np.sort(b[rows].to_numpy(), axis=0))


# --- the paradox's tools, and a whole table ---


@pytest.mark.slow
def test_score_rows_are_tidy_and_carry_their_nulls(prepared_run):
    run, x, genre = prepared_run
    latents = mlp_latents(run, "vae", x, ModelConfig(x.shape[1], 3, (8,)), [0, 1])
    table = scores.score(run, latents, genre, ("kmeans", "hdbscan"), probes=True)
    assert not table.duplicated(["seed", "clusterer", "clusterer_seed", "metric"]).any()
    wanted = {"nmi_null", "silhouette_null", "probe_mu", "probe_z_null", "active_dims", "error_held_out"}
    assert wanted <= set(table["metric"])
    summary = scores.summary(table, ["nmi", "silhouette", "silhouette_null", "kl"])
    assert summary["seeds"].tolist() == [2] and summary["nmi"].iloc[0].n == 2
    even = table[table["clusterer_seed"] != "null 4"]  # two draws of each seed
    for rows in (even, even[(even["metric"] != "silhouette_null") | (even["seed"] == 0)]):  # one null in every table
        null = scores.summary(rows, ["silhouette_null"])["silhouette_null"].iloc[0]
        assert null.mean == pytest.approx(scores.verdicts(rows)["gaussian null"].iloc[0])
    shuffled = genre.sample(frac=1, random_state=3)
    again = scores.score(run, latents, shuffled, ("kmeans", "hdbscan"), probes=True)
    pd.testing.assert_frame_equal(table, again)  # labels join by id, not by position


@pytest.mark.slow
def test_what_a_sweep_compares_is_what_the_table_has(prepared_run):
    run, x, genre = prepared_run
    latents = mlp_latents(run, "vae", x, ModelConfig(x.shape[1], 3, (8,)), [0, 1])
    found, table = scores.brief(run, latents, genre).set_index("seed"), scores.score(run, latents, genre, nulls=False)
    assert found["nmi"].to_dict() == pytest.approx(intervals.by_seed(table, "nmi").to_dict())
    assert found["error"].to_dict() == pytest.approx(intervals.by_seed(table, "error_held_out").to_dict())


def test_gains_pair_by_seed_within_each_condition():
    keys = [(n, model, seed) for n in (10, 20) for model in ("PCA", "AE", "VAE") for seed in (0, 1, 2)]
    lead = {"PCA": 0.0, "AE": 0.1, "VAE": -0.2}
    values = pd.Series([seed + lead[model] * n for n, model, seed in keys],
                       pd.MultiIndex.from_tuples(keys, names=["tracks", "model", "seed"]))
    table = scores.gains(values).set_index("tracks")  # seeds differ by 1, their pairs not at all
    assert table.loc[10, "AE - PCA"][:3] == pytest.approx((1, 1, 1))
    assert table.loc[20, "VAE - AE"][:3] == pytest.approx((-6, -6, -6))
    only = scores.gains(values.drop(("AE"), level=1), {"both": ("VAE", "PCA")})
    assert [value.mean for value in only["both"]] == pytest.approx([-2, -4])


def test_decoding_under_a_wrong_label_costs_what_the_label_carries(prepared_run):
    run, x, genre = prepared_run
    config = ModelConfig(x.shape[1], 2, (16,), beta=4, y_encoder=True, y_decoder=True, n_labels=genre.nunique())
    latents = mlp_latents(run, "cvae", x, config, [0, 1], labels=genre)
    errors = experiments.decode_under(latents, x, genre)
    assert (errors["wrong"] > errors["right"]).all() and (errors["wrong"] >= errors["random"]).all()


@pytest.mark.parametrize("attrs, expected", [
    ({"method": "raw"}, (None, "none", "method")),
    ({"method": "conv_vae", "beta": 0.1}, (0.1, "none", "method")),
    ({"method": "ae", "config": '{"beta": 1.0, "stochastic": false}'}, (None, "none", "method")),
    ({"method": "cvae", "config": '{"beta": 4.0, "y_encoder": true, "y_decoder": true}'}, (4.0, "both", "method")),
    ({"method": "cvae_permuted", "config": '{"beta": 1.0, "y_decoder": true}'}, (1.0, "decoder", "control")),
    ({"method": "cvae_trial", "config": '{"beta": 4.0, "learned_variance": true}'}, (None, "none", "trial")),
])
def test_the_table_says_beta_where_labels_enter_and_the_role(attrs, expected):
    attrs = {"features": "mfcc", "setting": "", "label_use": "none"} | attrs
    row = scores.described(xr.Dataset({"mu": (("track", "latent"), np.zeros((3, 2)))}, attrs=attrs))
    assert (None if np.isnan(row["beta"]) else row["beta"], row["label_in"], row["role"]) == expected
    assert row["dim"] == 2


# --- labels with few tracks ---


@pytest.mark.parametrize("sizes, scored", [([4] * 5, 0), ([31, 1], 0), ([10, 10], 20), ([5, 5, 4, 1], 10), ([20], 0)])
def test_labels_of_few_tracks_are_left_out_of_label_scores(sizes, scored):
    y = RNG.permutation(np.repeat(np.arange(len(sizes)), sizes))
    clusters = RNG.integers(0, 3, len(y))
    rows = agreement.counted(y)
    assert rows.sum() == scored
    found, null = agreement.external(y, clusters), agreement.nmi_null(y, clusters, RNG, 3)
    assert set(found) == set(agreement.METRICS)
    if not scored:
        assert np.isnan([*found.values(), *null, agreement.nmi(y[rows], clusters[rows])]).all()
    else:
        assert found == agreement.external(y[rows], clusters[rows])
        assert found["nmi"] == pytest.approx(agreement.nmi(y[rows], clusters[rows]))
        assert np.isfinite(null).all()


def test_clusters_are_as_many_as_labels_that_count(prepared_run):
    run = prepared_run[0]
    sizes = {(10, 9, 2): 2, (10, 9, 5): 3, (4, 4, 4): 3, (31, 1): 2}
    for counts, k in sizes.items():
        assert scores.n_clusters(run, pd.Series(np.repeat(np.arange(len(counts)), counts))) == k


@pytest.mark.slow
def test_the_null_of_umap_is_drawn_before_it(prepared_run):
    """UMAP makes clusters of a Gaussian cloud: beside what it makes of another such cloud there are none."""
    run, x, labels = prepared_run
    cloud = pd.DataFrame(np.random.default_rng(0).standard_normal(x.shape), x.index, x.columns)
    found = umap_latents(run, cloud, 2, [0, 1, 2])
    assert found.clouds.shape == (3, len(x), 2)
    rows = scores.score(run, found, labels)
    after = scores.score(run, found.drop_vars("clouds"), labels)
    excess, before = (scores.silhouette_excess(table).excess for table in (rows, after))
    assert abs(excess) < 0.05 and before > abs(excess)
    assert set(rows["metric"]) & set(scores.NULL_METRICS.values()) == {"silhouette_null"}
    assert scores.verdicts(rows)["gaussian null"].notna().all()  # and the other nulls are not missed
