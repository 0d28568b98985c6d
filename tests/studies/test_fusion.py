"""Joining two views on known answers: what is there is found, what is not there is not; the made view is as stated."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats
from sklearn.metrics import normalized_mutual_info_score

from lib.models import multimodal, vae
from lib.models.vae import ModelConfig
from lib.scores import agreement, clustering, intervals
from lib.store import artifacts, runs
from lib.store.arithmetic import entropy, joint, mutual_information
from lib.store.labels import for_control
from lib.studies.fusion import gains, known_modality, methods
from tests.conftest import fill


def tracks(n):
    return pd.Index([f"t{i:04d}" for i in range(n)], name="track")


def two_views(n=240, k=3, apart=2.0, seed=0):
    """Two views that each know a part of the label, independent given it: labels [track] and two tables."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % k
    a, b = (apart * np.eye(k)[y] @ rng.standard_normal((k, d)) / np.sqrt(d) + rng.standard_normal((n, d)) / 2
            for d in (4, 6))
    genre = for_control(pd.Series([f"g{c}" for c in y], tracks(n)))
    return genre, pd.DataFrame(a, tracks(n)), pd.DataFrame(b, tracks(n))


# --- the view of known information -------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [2, 5, 10])
def test_mutual_information_of_known_channels(k):
    assert mutual_information(np.eye(k) / k) == pytest.approx(np.log(k))
    assert mutual_information(np.full((k, k), 1 / k**2)) == pytest.approx(0, abs=1e-12)


def test_mutual_information_of_the_binary_symmetric_channel():
    flip = 0.11
    wanted = np.log(2) + flip * np.log(flip) + (1 - flip) * np.log(1 - flip)
    channel = np.array([[1 - flip, flip], [flip, 1 - flip]])
    assert mutual_information(channel / 2) == pytest.approx(wanted)


@pytest.mark.parametrize("signal", [0.5, 1.5, 3.0])
def test_vector_information_against_quadrature(signal):
    """Two labels: what matters is the difference of two coordinates, a Gaussian of unit variance around -s and s, where
    s = signal / sqrt(2)."""
    s = signal / np.sqrt(2)

    def information(v):
        one, two = stats.norm.pdf(v, -s), stats.norm.pdf(v, s)
        return 0.5 * sum(p * np.log(2 * p / (one + two)) for p in (one, two) if p > 0)

    wanted = integrate.quad(information, -12, 12)[0]
    value, error = known_modality.vector_information(np.eye(2), np.array([0.5, 0.5]), signal, n=50_000)
    assert value == pytest.approx(wanted, abs=4 * error) and 0 < error < 0.005


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(known_modality.KINDS), st.floats(0, 1), st.lists(st.integers(3, 30), min_size=2, max_size=6))
def test_a_view_knows_what_was_asked_whatever_the_labels(kind, share, counts):
    labels = for_control(pd.Series(np.repeat([f"g{i}" for i in range(len(counts))], counts), tracks(sum(counts))))
    prior = np.array(counts) / sum(counts)
    full = entropy(prior)
    made = known_modality.make(kind, labels, share * full)
    np.testing.assert_allclose(made.channel.sum(0), 1)
    assert made.information == pytest.approx(share * full, abs=4 * made.error + 2e-3)
    assert made.information <= made.code + 4 * made.error + 1e-9 <= full + 4 * made.error + 1e-8
    if kind == "discrete":
        assert made.code == pytest.approx(share * full, abs=1e-4)
    view = known_modality.draw(made, labels, 12, 0)
    assert np.isfinite(view.to_numpy()).all() and view.index.equals(labels.index)


def test_drawn_views_hold_what_was_computed():
    """Plug-in estimates from many tracks: of the code by counting, of none by chance, of all by clustering."""
    labels = for_control(pd.Series(np.arange(6000) % 4, tracks(6000)).astype(str))
    y = labels.astype(int).to_numpy()
    for share in (0.0, 0.4, 1.0):
        made = known_modality.make("discrete", labels, share * np.log(4))
        view = known_modality.draw(made, labels, 8, 3)
        assert view.var(ddof=0).sum() == pytest.approx(1, rel=0.05)
        codes = clustering.cluster(view.to_numpy(), 4)
        assert mutual_information(joint(codes, y)) == pytest.approx(made.information, abs=0.03)
    again = known_modality.draw(made, labels, 8, 3)
    pd.testing.assert_frame_equal(view, again)
    assert not np.allclose(view, known_modality.draw(made, labels, 8, 4))


def test_a_view_is_independent_of_order_and_refuses_nonsense():
    labels, *_ = two_views()
    with pytest.raises(ValueError, match="noisy"):
        known_modality.make("leaky", labels, 1)
    with pytest.raises(ValueError, match="0 nats or more"):
        known_modality.make("discrete", labels, -1)
    noise = known_modality.noise(labels.index, 5, 0)
    assert noise.shape == (len(labels), 5) and noise.var().sum() == pytest.approx(1, rel=0.15)


# --- methods -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", methods.METHODS)
def test_order_of_tracks_and_missing_rows_change_nothing(name):
    labels, a, b = two_views()
    method = methods.METHODS[name]
    plain = method(a, b, 3, 0)
    mixed = method(a.sample(frac=1, random_state=0), b.sample(frac=1, random_state=1), 3, 0)
    pd.testing.assert_frame_equal(plain, mixed)
    holes = b.copy()
    holes.iloc[::7] = np.nan
    assert method(a, holes, 3, 0).index.equals(b.index[~holes[0].isna()])


@pytest.mark.parametrize("name", methods.METHODS)
def test_a_method_never_returns_nonsense_for_a_constant_view(name):
    _, a, b = two_views(60)
    points = methods.METHODS[name](a, 0 * b + 3.0, 3, 0)
    assert np.isfinite(points.to_numpy()).all() and len(points) == 60


@settings(max_examples=20, deadline=None)
@given(st.permutations([0, 1, 2]), st.integers(0, 5))
def test_consensus_does_not_care_how_clusters_are_numbered(numbers, seed):
    _, a, b = two_views(90)
    plain = methods.consensus(a, b, 3, seed).to_numpy()
    original = clustering.cluster
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clustering, "cluster", lambda *args, **more: np.array(numbers)[original(*args, **more)])
        renamed = methods.consensus(a, b, 3, seed).to_numpy()
    np.testing.assert_allclose(plain @ plain.T, renamed @ renamed.T)  # how often two tracks were together
    np.testing.assert_array_equal(original(plain, 3), original(renamed, 3))


def test_consensus_of_two_equal_partitions_is_that_partition():
    y = np.arange(90) % 3
    view = pd.DataFrame(np.eye(3)[y] + 1e-3 * np.random.default_rng(0).standard_normal((90, 3)), tracks(90))
    found = clustering.cluster(methods.consensus(view, 5 * view, 3).to_numpy(), 3)
    assert agreement.nmi(found, y) == pytest.approx(1)


def test_cca_finds_the_planted_direction_and_little_else():
    rng = np.random.default_rng(0)
    shared = rng.standard_normal(400)
    a = rng.standard_normal((400, 5)) * [1, 5, 9, 2, 3]
    b = rng.standard_normal((400, 7)) * 4
    a[:, 2] += 30 * shared
    b[:, 4] += 12 * shared
    points = methods.canonical(pd.DataFrame(a, tracks(400)), pd.DataFrame(b, tracks(400)), 3)
    np.testing.assert_allclose(points.std(ddof=0), 1)
    assert abs(np.corrcoef(points["a_0"], shared)[0, 1]) > 0.9 and abs(np.corrcoef(points["b_0"], shared)[0, 1]) > 0.9
    assert abs(np.corrcoef(points["a_1"], points["b_1"])[0, 1]) < 0.3


def test_cca_of_more_columns_than_tracks_does_not_correlate_noise_perfectly():
    rng = np.random.default_rng(1)
    a, b = (pd.DataFrame(rng.standard_normal((60, 80)), tracks(60)) for _ in range(2))
    points = methods.canonical(a, b, 5)
    assert abs(np.corrcoef(points["a_0"], points["b_0"])[0, 1]) < 0.8


def test_the_balanced_weight_serves_both_views():
    """Two clear partitions that have nothing to do with each other: at the balance neither is given up for the other
    where k allows both, and scaling a view changes nothing."""
    rng = np.random.default_rng(0)
    one, two = rng.integers(0, 2, 300), rng.integers(0, 2, 300)
    a = pd.DataFrame(np.eye(2)[one] + 0.05 * rng.standard_normal((300, 2)), tracks(300))
    b = pd.DataFrame(np.eye(2)[two] + 0.05 * rng.standard_normal((300, 2)), tracks(300))
    found = clustering.cluster(methods.balanced_blocks(a, b, 4).to_numpy(), 4)
    assert agreement.nmi(found, 2 * one + two) > 0.99
    assert methods.balanced_weight(a, b, 2) == methods.balanced_weight(a, 1000 * b + 7, 2)
    noisy = pd.DataFrame(rng.standard_normal((300, 30)), tracks(300))
    assert methods.balanced_weight(a, noisy, 4) > 0.5 > methods.balanced_weight(noisy, a, 4)


# --- the multimodal VAE ------------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.floats(-3, 3), st.floats(-3, 3), st.booleans()), min_size=1, max_size=4))
def test_product_of_gaussians(experts):
    """The density of the product, evaluated and normalised on a grid, has the mean and variance of `product`."""
    grid = np.linspace(-12, 12, 20_001)
    density = stats.norm.logpdf(grid)
    for mean, log_var, there in experts:
        density += there * stats.norm.logpdf(grid, mean, np.exp(0.5 * log_var))
    weight = np.exp(density - density.max())
    weight /= weight.sum()
    mean = (weight * grid).sum()
    values = torch.tensor(experts, dtype=torch.float64)
    mu, log_var = multimodal.product(values[:, :1], values[:, 1:2], values[:, 2])
    assert float(mu) == pytest.approx(mean, abs=1e-4)
    assert float(log_var.exp()) == pytest.approx((weight * (grid - mean) ** 2).sum(), rel=1e-3)


def test_a_missing_expert_is_ignored():
    model = multimodal.StackedMVAE(ModelConfig(5, 3, (8,)), [5, 4], [0, 1])
    a, b, other = torch.randn(2, 9, 5), torch.randn(2, 9, 4), 100 * torch.randn(2, 9, 4)
    present = torch.ones(2, 2, 9)
    present[1, :, ::2] = 0
    with torch.no_grad():
        plain, changed = model.encode([a, b], present)[0], model.encode([a, other], present)[0]
        torch.testing.assert_close(plain[:, ::2], changed[:, ::2])
        assert not torch.allclose(plain[:, 1::2], changed[:, 1::2])
        nothing = model.encode([a, b], 0 * present)
        assert float(nothing[0].abs().max()) == 0 and float(nothing[1].abs().max()) == 0  # the prior
        noise = torch.randn(3, 2, 9, 3)
        gone = torch.zeros(2, 2, 9)
        gone[0] = 1
        torch.testing.assert_close(model.loss([a, b], gone, noise), model.loss([a, other], gone, noise))


def test_a_stack_equals_single_runs_and_shares_no_gradient():
    xs, noise = [torch.randn(2, 9, 5), torch.randn(2, 9, 4)], torch.randn(3, 2, 9, 3)
    present = (torch.rand(2, 2, 9) > 0.3).float()
    both = multimodal.StackedMVAE(ModelConfig(5, 3, (8,)), [5, 4], [3, 8])
    assert not any(torch.equal(*value) for value in both.parameters())  # each run has weights of its own
    loss = both.loss(xs, present, noise)
    for i, seed in enumerate((3, 8)):
        one = multimodal.StackedMVAE(ModelConfig(5, 3, (8,)), [5, 4], [seed])
        part = slice(i, i + 1)
        alone = one.loss([x[part] for x in xs], present[:, part], noise[:, part])
        torch.testing.assert_close(alone, loss[part])
    loss[0].backward()
    assert all(value.grad[1].abs().sum() == 0 for value in both.parameters())


def test_the_loss_without_a_second_view_is_that_of_the_vae():
    """One view missing everywhere: what is left is twice the VAE's loss (all views together, and audio alone)."""
    model = multimodal.StackedMVAE(ModelConfig(5, 3, (8,), beta=2.0), [5, 4], [0])
    x, eps = torch.randn(1, 9, 5), torch.randn(1, 9, 3)
    present = torch.stack([torch.ones(1, 9), torch.zeros(1, 9)])
    mu, log_var = multimodal.product(*(v[:1] for v in model.experts([x, torch.zeros(1, 9, 4)])), present[:1])
    z = mu + eps * torch.exp(0.5 * log_var)
    kl = vae.kl_per_dimension(mu, log_var).sum(-1)
    wanted = ((model.views[0].decode(z) - x) ** 2).sum(-1) + 2.0 * kl
    found = model.loss([x, torch.zeros(1, 9, 4)], present, torch.stack([eps] * 3))
    torch.testing.assert_close(found, 2 * wanted.mean(-1))


@pytest.mark.slow
def test_multimodal_latents_join_by_id_and_keep_tracks_without_a_second_view():
    labels, a, b = two_views()
    few = b.iloc[::2]
    plain = multimodal.latents(a, {0: few, 1: few}, 3, steps=60)
    mixed = multimodal.latents(a, {s: few.sample(frac=1, random_state=s) for s in (0, 1)}, 3, steps=60)
    assert plain["poe"][0].index.equals(a.index) and plain["poe: second"][1].index.equals(few.index)
    for step in plain:
        pd.testing.assert_frame_equal(plain[step][0], mixed[step][0])
        assert not np.allclose(plain[step][0], plain[step][1])
    without = a.index.difference(few.index)
    pd.testing.assert_frame_equal(plain["poe"][0].loc[without], plain["poe: audio"][0].loc[without])
    whole = multimodal.latents(a, {0: b}, 3, steps=400)["poe"]
    assert gains.agreement(gains.cluster_all({"poe": whole}, 3), labels).loc[0, "poe"] > 0.5
    pd.testing.assert_frame_equal(whole[0], multimodal.latents(a, {0: b[::-1]}, 3, steps=400)["poe"][0])


# --- gains, and their controls -----------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=2, max_size=60))
def test_nmi_is_scikit_learns(pairs):
    a, b = np.array(pairs).T
    assert agreement.nmi(a, b) == pytest.approx(normalized_mutual_info_score(a, b), abs=1e-9)


@pytest.fixture(scope="module")
def measured():
    """What every method makes of audio beside a copy of it, noise, half of the information, and all of it."""
    labels, a, _ = two_views(300, 3)
    seeds = range(6)
    rng = np.random.default_rng(5)
    audio = {s: a + 0.05 * rng.standard_normal(a.shape) for s in seeds}  # as if trained anew for each seed
    views = {"itself": audio, "noise": {s: known_modality.noise(a.index, 8, s) for s in seeds}}
    for name, share in (("half", 0.5), ("all", 1.0)):
        made = known_modality.make("noisy", labels, share * np.log(3))
        views[name] = {s: known_modality.draw(made, labels, 8, s) for s in seeds}
    return {name: gains.measure(audio, view, labels, 3, a if name == "all" else None, 3).nmi
            for name, view in views.items()}


@pytest.mark.parametrize("view", ["itself", "noise", "all"])
def test_no_gain_where_there_is_none(measured, view):
    """A copy of audio, noise, and a view that knows everything leave nothing to gain over the better single view."""
    table = gains.gain_rows(measured[view], 24)
    assert (table["bound"] <= 0).all()
    if view == "all":
        assert "poe" in set(table["method"]) and measured["all"]["second"].min() == pytest.approx(1)
        assert all(v.mean > 0 for v in table["over_audio"])
    if view == "itself":
        same = table.set_index("method").loc[["concat", "blocks"], "over_better"]
        assert all(abs(v.mean) < 0.02 for v in same)


def test_a_gain_that_is_there_is_found(measured):
    table = gains.gain_rows(measured["half"], 24).set_index("method")
    assert table.loc["blocks", "bound"] > 0 and table.loc["blocks", "over_better"].mean > 0.05


def test_the_better_single_view_is_the_best_of_all_and_bounds_hold_for_each():
    agreed = pd.DataFrame({"audio": [0.3, 0.31, 0.3], "second": [0.1, 0.1, 0.12], "late: second": [0.5, 0.52, 0.5],
                           "late": [0.4, 0.41, 0.42], "blocks": [0.4, 0.41, 0.42]})
    table = gains.gain_rows(agreed).set_index("method")
    assert table.loc["late", "better"] == "late: second" and table.loc["late", "over_better"].mean < 0
    assert table.loc["blocks", "better"] == "audio" and table.loc["blocks", "bound"] > 0
    over = agreed["blocks"] - agreed["audio"]  # not over the second view, which is easier to beat
    assert table.loc["blocks", "bound"] == pytest.approx(intervals.lower_bound(over))
    assert table.loc["late", "over_audio"] == table.loc["blocks", "over_audio"]


@pytest.mark.slow
def test_simultaneous_lower_bounds_hold_together():
    """Families of 30 correlated gains that are all zero: some bound lies above zero in at most 5 % of them, while of
    bounds that are not simultaneous one does in most."""
    rng = np.random.default_rng(2)
    families = [rng.standard_normal((10, 30)) + 0.5 * rng.standard_normal((10, 1)) for _ in range(300)]
    wrong = {m: np.mean([any(intervals.lower_bound(c, m) > 0 for c in f.T) for f in families]) for m in (1, 30)}
    assert wrong[30] <= 0.075 and wrong[1] > 0.4


def test_lower_bound_on_known_values():
    values = np.random.default_rng(0).standard_normal(12) + 3
    assert intervals.lower_bound(values, 1, 0.975) == pytest.approx(intervals.interval(values).low)
    assert intervals.lower_bound(values, 50) < intervals.lower_bound(values) < values.mean()
    assert intervals.lower_bound([0.2, 0.2, np.nan, 0.2]) == pytest.approx(0.2)
    assert intervals.lower_bound([1.0]) == -np.inf


def test_gain_over_tracks_has_the_gain_in_its_middle():
    labels, a, b = two_views(300)
    fused = gains.measure({s: a for s in range(3)}, {s: b for s in range(3)}, labels, 3)
    groups = pd.Series(labels.index, labels.index)
    over = gains.gain_over_tracks(fused, labels, "blocks", groups)
    assert over.mean == pytest.approx(gains.over_singles(fused.nmi, "blocks").iloc[:, 0].mean())
    assert over.low < over.mean < over.high


def test_score_rows_are_the_series_score_table(tmp_path):
    run = runs.open_run("08_multimodal_fusion", "smoke", out=str(tmp_path / "run"))
    x, genre = fill(run)
    audio = {0: x, 1: x + 0.1}
    fused = gains.measure(audio, audio, genre, 3)
    rows = gains.score_rows(run, fused, genre, "lyrics", "mfcc+lyrics")
    assert list(rows.columns) == artifacts.SCORE_COLUMNS
    assert set(rows["method"]) == {f"fusion_{m}" for m in methods.METHODS}
    value = rows[(rows["method"] == "fusion_blocks") & (rows["metric"] == "nmi")].set_index("seed")["value"]
    np.testing.assert_allclose(value, fused.nmi["blocks"])
    brief = gains.score_rows(run, fused, genre, "lyrics", "mfcc+lyrics", "encoder", brief=True)
    assert set(brief["metric"]) == {"nmi"} and set(brief["label_use"]) == {"encoder"}
    artifacts.save_scores(run, pd.concat([rows, brief]))
