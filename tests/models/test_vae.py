"""The networks and their trainer, against theory and against plain implementations."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
import torch

from lib.features import blocks
from lib.models import theory, training, umap
from lib.models.latents import mlp_latents, pca_latents, rebuild, restore, sweep_latents, umap_latents
from lib.models.vae import ModelConfig, StackedVAE, kl_per_dimension
from lib.scores import agreement, clustering, information, probes

FAST = training.Schedule(epochs=4, batch_size=32, patience=4)


def gaussian(n=300, eigenvalues=(9, 5, 3, 0.2, 0.2, 0.2), seed=0):
    """Data whose standardised covariance is known: rows of a fixed rotation of independent Gaussians."""
    rng = np.random.default_rng(seed)
    rotation, _ = np.linalg.qr(rng.standard_normal((len(eigenvalues), len(eigenvalues))))
    return rng.standard_normal((n, len(eigenvalues))) * np.sqrt(eigenvalues) @ rotation.T


@pytest.mark.parametrize("enc, dec", [(False, False), (True, False), (False, True), (True, True)])
def test_stack_equals_single_runs(enc, dec):
    config = ModelConfig(6, latent_dim=3, hidden=(8, 5), y_encoder=enc, y_decoder=dec, n_labels=3)
    x, noise = torch.randn(2, 10, 6), torch.randn(2, 10, 3)
    y = torch.randint(0, 3, (2, 10))
    both = StackedVAE(config, [4, 7]).loss(x, y, noise)
    for i, seed in enumerate((4, 7)):
        one = StackedVAE(config, [seed]).loss(x[i : i + 1], y[i : i + 1], noise[i : i + 1])
        for a, b in zip(both, one, strict=True):
            torch.testing.assert_close(a[i : i + 1], b)


def test_runs_share_no_gradient():
    model = StackedVAE(ModelConfig(6, latent_dim=2, hidden=(4,)), [0, 1])
    model.loss(torch.randn(2, 5, 6), None, torch.randn(2, 5, 2))[0][0].backward()
    for value in model.parameters():
        assert value.grad[0].abs().sum() > 0 or value.grad[1].abs().sum() == 0
        assert value.grad[1].abs().sum() == 0


MODELS = {
    "VAE": {}, "autoencoder": {"stochastic": False}, "linear": {"hidden": ()},
    "y in the encoder": {"y_encoder": True}, "y in the decoder": {"y_decoder": True},
    "CVAE": {"y_encoder": True, "y_decoder": True}, "learned variance": {"learned_variance": True},
    "free bits": {"free_bits": 0.2}, "auxiliary": {"auxiliary": 2.0, "y_decoder": True},
    "prior per label": {"prior": "label"}, "mixture": {"prior": "mixture", "n_components": 3},
}


def test_same_as_nn_linear():
    """One layer of the stack computes what nn.Linear does with its weights."""
    model = StackedVAE(ModelConfig(5, latent_dim=2, hidden=(), stochastic=False), [3])
    linear = torch.nn.Linear(5, 2)
    with torch.no_grad():
        linear.weight.copy_(model.enc0_weight[0].T)
        linear.bias.copy_(model.enc0_bias[0, 0])
    x = torch.randn(1, 7, 5)
    torch.testing.assert_close(model.encode(x)[0], linear(x))


def test_kl_against_torch_distributions():
    mu, log_var = torch.randn(50), torch.randn(50)
    normal = torch.distributions.Normal
    wanted = torch.distributions.kl_divergence(normal(mu, (0.5 * log_var).exp()), normal(0.0, 1.0))
    torch.testing.assert_close(kl_per_dimension(mu, log_var), wanted)
    assert float(kl_per_dimension(torch.zeros(1), torch.zeros(1))) == 0


def test_switches_decide_who_reads_the_label():
    x, z = torch.randn(1, 4, 6), torch.randn(1, 4, 2)
    y, other = torch.zeros(1, 4, dtype=torch.long), torch.ones(1, 4, dtype=torch.long)
    for enc, dec in [(False, False), (True, False), (False, True), (True, True)]:
        model = StackedVAE(ModelConfig(6, 2, (5,), y_encoder=enc, y_decoder=dec, n_labels=2), [0])
        assert torch.equal(model.encode(x, y)[0], model.encode(x, other)[0]) != enc
        assert torch.equal(model.decode(z, y), model.decode(z, other)) != dec


def test_label_use_and_setting_names():
    assert ModelConfig(4).label_use == "none" and ModelConfig(4, beta=4).setting == "beta=4"
    both = ModelConfig(4, beta=4, y_encoder=True, y_decoder=True, n_labels=2)
    assert both.label_use == "both" and both.setting == "beta=4 enc=1 dec=1"
    assert ModelConfig(4, y_decoder=True, n_labels=2).label_use == "decoder"
    with pytest.raises(ValueError, match="n_labels"):
        StackedVAE(ModelConfig(4, y_encoder=True), [0])


@pytest.mark.slow
def test_linear_vae_meets_the_ppca_limit():
    """The optimal linear VAE spends 1/2 ln(2 lambda / beta) nats on each eigenvalue above beta/2, none below
    (Lucas et al. 2019)."""
    x, beta = gaussian(3000), 1.2
    config = ModelConfig(6, latent_dim=6, hidden=(), beta=beta)
    schedule = training.Schedule(epochs=150, batch_size=100, learning_rate=5e-3, patience=150)
    _, latents = training.fit(x, config, [0, 1], schedule)
    eigenvalues = theory.spectrum(x)
    wanted = theory.predicted_kl(eigenvalues, beta)
    found = np.sort(latents.kl.values, axis=1)[:, ::-1]
    assert theory.predicted_active(eigenvalues, beta) in (2, 3)
    np.testing.assert_allclose(found, np.tile(wanted, (2, 1)), atol=0.12)


@pytest.mark.slow
def test_linear_autoencoder_reaches_pca():
    x = gaussian(1500)
    schedule = training.Schedule(epochs=120, batch_size=100, learning_rate=5e-3, patience=120)
    _, latents = training.fit(x, ModelConfig(6, 3, (), stochastic=False), [0], schedule)
    rest = theory.spectrum(x)[3:].sum()
    assert float(latents.error.mean()) == pytest.approx(rest, rel=0.05, abs=0.05)


def test_high_beta_collapses_and_low_beta_does_not():
    schedule = training.Schedule(epochs=60, batch_size=64, learning_rate=3e-3, patience=60)
    model, latents = training.fit(gaussian(800), ModelConfig(6, 3, (16,)), [0, 1], schedule, betas=[0.1, 1000.0])
    active = information.active_dimensions(latents.kl.values)
    assert active[0] == 3 and active[1] == 0


def test_seeds_are_independent_and_repeatable():
    x = gaussian()
    config = ModelConfig(6, 2, (8,))
    first = training.fit(x, config, [5, 6], FAST)[1]
    again = training.fit(x, config, [5, 6], FAST)[1]
    np.testing.assert_array_equal(first.mu.values, again.mu.values)
    assert not np.allclose(first.mu.values[0], first.mu.values[1])
    alone = training.fit(x, config, [6], FAST)[1]
    np.testing.assert_allclose(first.mu.values[1], alone.mu.values[0], atol=2e-3)


def test_labels_are_read_only_by_conditional_models():
    x, y = gaussian(), np.arange(300) % 3
    plain = [training.fit(x, ModelConfig(6, 2, (8,)), [0], FAST, labels)[1] for labels in (y, y[::-1].copy(), None)]
    for other in plain[1:]:
        np.testing.assert_array_equal(plain[0].mu.values, other.mu.values)
    reads = ModelConfig(6, 2, (8,), y_decoder=True, n_labels=3)
    one, two = (training.fit(x, reads, [0], FAST, labels)[1] for labels in (y, y[::-1].copy()))
    assert not np.allclose(one.mu.values, two.mu.values)


def test_early_stopping_keeps_the_best_weights():
    _, latents = training.fit(
        gaussian(60),
        ModelConfig(6, 4, (64, 64), beta=0.01),
        [0],
        training.Schedule(epochs=200, patience=10, learning_rate=1e-2),
    )
    losses = latents.history.sel(curve="held_out_loss").values[0]
    assert len(losses) < 200 and len(losses) - 1 - np.nanargmin(losses) == 10
    held = ~latents.train.values[0]
    best_error = latents.history.sel(curve="held_out_error").values[0][np.nanargmin(losses)]
    assert float(latents.error.values[0][held].mean()) == pytest.approx(best_error, rel=0.15)


@pytest.mark.parametrize("more", [{}, {"y_encoder": True, "prior": "label", "learned_variance": True},
                                  {"prior": "mixture", "n_components": 3}, {"stochastic": False}])
def test_runs_that_stop_leave_the_stack_and_disturb_nobody(more):
    """Every run of a stack ends with the weights that it has when trained alone, whenever the others stop."""
    config = ModelConfig(6, 4, (32,), beta=0.01, n_labels=3 if "y_encoder" in more else 0, **more)
    y = np.arange(60) % 3 if config.reads_labels else None
    schedule = training.Schedule(epochs=120, patience=5, learning_rate=1e-2)
    _, together = training.fit(gaussian(60), config, [0, 1, 2, 3], schedule, y)
    lengths = np.isfinite(together.history.sel(curve="held_out_loss")).sum("epoch").values
    assert len(set(lengths.tolist())) > 1, "all runs stop at once: nothing is tested"
    for i in range(4):
        _, alone = training.fit(gaussian(60), config, [i], schedule, y)
        assert alone.sizes["epoch"] == lengths[i]
        np.testing.assert_allclose(together.weights.values[i], alone.weights.values[0], atol=1e-3)


def test_fifty_steps_are_those_of_a_plain_loop():
    """The trainer's weights after 50 steps are those of `nn.Linear`s, autograd and default Adam, run by run."""
    x, seeds = gaussian(250), [0, 1]
    schedule = training.Schedule(epochs=5, batch_size=20, held_out=0.2)  # 10 batches each
    _, latents = training.fit(x, ModelConfig(6, 2, (8,), beta=2.0), seeds, schedule)
    assert (latents.history.sel(curve="held_out_loss").argmin("epoch") == 4).all(), "an earlier epoch was kept"
    for i, seed in enumerate(seeds):
        start = StackedVAE(ModelConfig(6, 2, (8,)), [seed])
        layers = {name: torch.nn.Linear(*start.get_parameter(f"{name}_weight").shape[1:])
                  for name in ("enc0", "enc1", "dec0", "dec1")}
        for name, layer in layers.items():
            layer.weight.data = start.get_parameter(f"{name}_weight")[0].T.detach().clone()
            layer.bias.data = start.get_parameter(f"{name}_bias")[0, 0].detach().clone()
        train, held = training.split(250, seed, 0.2)
        data = torch.from_numpy(training.standardise(x, train))
        order, generator = np.random.default_rng([seed, 2]), torch.Generator().manual_seed(1_000_003 * (seed + 1))
        torch.randn(len(held), 2, generator=generator)
        optimiser = torch.optim.Adam([value for layer in layers.values() for value in layer.parameters()])
        for _ in range(5):
            rows, noise = torch.from_numpy(order.permutation(train)), torch.randn(len(train), 2, generator=generator)
            for batch, eps in zip(data[rows].split(20), noise.split(20), strict=True):
                mu, log_var = layers["enc1"](layers["enc0"](batch).relu()).chunk(2, 1)
                made = layers["dec1"](layers["dec0"](mu + eps * torch.exp(0.5 * log_var)).relu())
                kl = 0.5 * (mu**2 + log_var.exp() - 1 - log_var)
                optimiser.zero_grad()
                (((made - batch) ** 2).sum() / 20 + 2 * kl.sum() / 20).backward()
                optimiser.step()
        found = torch.cat([part.detach().flatten() for one in layers.values() for part in (one.weight.T, one.bias)])
        np.testing.assert_allclose(latents.weights.values[i], found, atol=1e-5)


@pytest.mark.parametrize("changes", MODELS.values(), ids=MODELS)
def test_runs_that_leave_take_their_part_of_adam_with_them(changes):
    """20 steps of three runs and 30 of the two that are left: as each alone, with default Adam, over 50 steps."""
    config = ModelConfig(**{"n_features": 6, "latent_dim": 2, "hidden": (5,), "n_labels": 4} | changes)
    torch.manual_seed(0)
    x, y, noise = torch.randn(50, 3, 9, 6), torch.randint(0, 4, (50, 3, 9)), torch.randn(50, 3, 9, 2)

    def steps(model, optimiser, numbers, runs):
        for t in numbers:
            optimiser.zero_grad()
            model.loss(x[t, runs], y[t, runs], noise[t, runs])[0].sum().backward()
            optimiser.step()

    model = StackedVAE(config, [0, 1, 2], [1.0, 2.0, 4.0])
    optimiser = torch.optim.Adam(model.parameters(), fused=True)
    steps(model, optimiser, range(20), [0, 1, 2])
    training._leave(model, optimiser, torch.tensor([True, False, True]))
    steps(model, optimiser, range(20, 50), [0, 2])
    for i, (seed, beta) in enumerate([(0, 1.0), (2, 4.0)]):
        alone = StackedVAE(config, [seed], [beta])
        steps(alone, torch.optim.Adam(alone.parameters()), range(50), [seed])
        for together, one in zip(model.parameters(), alone.parameters(), strict=True):
            torch.testing.assert_close(together[i], one[0], atol=1e-5, rtol=1e-5)


def test_split_keeps_groups_together_and_pairs_by_seed():
    groups = np.repeat(np.arange(40), 3)
    train, held = training.split(120, 3, 0.2, groups)
    assert set(groups[train]).isdisjoint(groups[held]) and len(train) + len(held) == 120
    np.testing.assert_array_equal(train, training.split(120, 3, 0.2, groups)[0])
    assert not np.array_equal(train, training.split(120, 4, 0.2, groups)[0])


def test_fewer_training_rows_are_nested_and_leave_the_held_out_rows_alone():
    groups = np.r_[np.repeat(np.arange(20), 2), np.arange(20, 100)]
    all_rows, held = training.split(120, 3, 0.2, groups)
    some = {n: training.split(120, 3, 0.2, groups, n) for n in (10, 40)}
    assert set(some[10][0]) < set(some[40][0]) < set(all_rows)
    for n, (train, out) in some.items():
        assert n - 1 <= len(train) <= n and np.array_equal(out, held)
        assert set(groups[train]).isdisjoint(groups[np.setdiff1d(np.arange(120), train)])


@pytest.mark.slow
def test_umap_is_given_the_neighbours_that_it_would_find():
    """Found all at once, in place of pair by pair in Python."""
    points = np.random.default_rng(0).normal(size=(80, 20)).astype(np.float32)
    umap.umap(points, 2, [0], n_epochs=1)  # compiles
    from umap import UMAP

    own, given = (UMAP(n_neighbors=10, n_epochs=1, random_state=0, n_jobs=1, precomputed_knn=found).fit(points).graph_
                  for found in ((None, None), umap._with_themselves(points, 10)))
    assert np.abs((own - given).toarray()).max() < 1e-3


@pytest.mark.slow
def test_umap_latents_find_blobs_and_are_stored(prepared_run):
    run, x, labels = prepared_run
    found = umap_latents(run, x, 2, [0, 1])
    assert found.mu.shape == (2, len(x), 2) and found.attrs["label_use"] == "none"
    clusters = clustering.cluster(found.mu.values[0], 3)
    assert agreement.external(labels.to_numpy(), clusters)["nmi"] > 0.8
    np.testing.assert_array_equal(found.mu, umap_latents(run, x, 2, [0, 1]).mu)


def test_weights_scale_the_columns_and_make_other_latents(prepared_run):
    run, x, _ = prepared_run
    weights = np.r_[np.ones(6), np.zeros(6)]
    halved, plain = (pca_latents(run, x, 12, [0], weights=w) for w in (weights, None))
    assert pca_latents(run, blocks.joined(x, x), 2, [0], "both").sizes["feature"] == 24
    assert (np.abs(halved.loadings.values[0, :6, 6:]) < 1e-6).all() and not np.allclose(halved.mu, plain.mu)


def test_standardise_uses_training_rows_only():
    x = np.array([[0.0, 5], [2, 5], [100, 5]])
    scaled = training.standardise(x, np.array([0, 1]))
    np.testing.assert_allclose(scaled, [[-1, 0], [1, 0], [99, 0]])


def test_stored_latents_are_found_again_and_restored(prepared_run):
    run, x, genre = prepared_run
    config = ModelConfig(x.shape[1], 3, (8,), y_encoder=True, y_decoder=True, n_labels=genre.nunique())
    first = mlp_latents(run, "cvae", x, config, [0, 1], labels=genre)
    stored = list((run.folder / "store" / "latents").glob("*.nc"))
    again = mlp_latents(run, "cvae", x, config, [0, 1], labels=genre)
    assert list((run.folder / "store" / "latents").glob("*.nc")) == stored and len(stored) == 1
    pd.testing.assert_frame_equal(first.mu.isel(seed=0).to_pandas(), again.mu.isel(seed=0).to_pandas())
    mlp_latents(run, "cvae", x, config, [0, 1], labels=genre.sample(frac=1, random_state=1).set_axis(genre.index))
    assert len(list((run.folder / "store" / "latents").glob("*.nc"))) == 2
    model = restore(again)
    data = torch.from_numpy(
        np.stack([training.standardise(x.to_numpy(), np.flatnonzero(t)) for t in again.train.values])
    )
    codes = torch.as_tensor(pd.Categorical(genre.loc[x.index]).codes.astype(int)).expand(2, -1)
    with torch.no_grad():
        torch.testing.assert_close(model.encode(data, codes)[0].numpy(), again.mu.values)
    with pytest.raises(ValueError, match="labels"):
        mlp_latents(run, "vae", x, ModelConfig(x.shape[1], 3, (8,)), [0, 1], labels=genre)


def test_rebuilt_tracks_have_the_stored_error(prepared_run):
    run, x, _ = prepared_run
    ae = mlp_latents(run, "ae", x, ModelConfig(x.shape[1], 3, (8,), stochastic=False), [0, 1])
    data = training.standardise(x.to_numpy(), np.flatnonzero(ae.train.values[1]))
    np.testing.assert_allclose(((rebuild(ae, 1) - data) ** 2).sum(1), ae.error.values[1], rtol=1e-4)


# --- remedies ---

REMEDIES = {
    "label prior": {"prior": "label", "n_labels": 3, "y_encoder": True},
    "mixture prior": {"prior": "mixture", "n_components": 3},
    "auxiliary": {"auxiliary": 5.0, "n_labels": 3},
    "free bits": {"free_bits": 0.5},
    "learned variance": {"learned_variance": True},
    "annealing": {"annealing": 2},
}


def labelled(n=400, k=3, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, k, n)
    return 1.5 * rng.standard_normal((k, 6))[y] + rng.standard_normal((n, 6)), y


@pytest.mark.parametrize("name", REMEDIES)
def test_remedies_train_store_and_restore(name, prepared_run):
    run, x, genre = prepared_run
    changes = {**REMEDIES[name]} | ({"n_labels": genre.nunique()} if "n_labels" in REMEDIES[name] else {})
    config = ModelConfig(x.shape[1], 3, (8,), beta=2, **changes)
    latents = mlp_latents(run, "vae", x, config, [0, 1], labels=genre if config.reads_labels else None)
    assert np.isfinite(latents.mu.values).all() and np.isfinite(latents.kl.values).all()
    assert latents.attrs["setting"] != ModelConfig(x.shape[1], 3, (8,), beta=2).setting
    assert sum(p[0].numel() for p in restore(latents).parameters()) == latents.sizes["weight"]


def test_label_use_of_remedies():
    assert ModelConfig(4, prior="label", n_labels=2).label_use == "prior"
    assert ModelConfig(4, auxiliary=1, n_labels=2, y_decoder=True).label_use == "auxiliary"
    assert ModelConfig(4, prior="mixture", n_components=3).label_use == "none"
    with pytest.raises(ValueError, match="only a mixture"):
        StackedVAE(ModelConfig(4, n_components=3), [0])


@pytest.mark.slow
def test_learned_variance_finds_the_noise():
    """Data with two strong directions and noise of variance v0: the decoder's variance must come to v0 (in pPCA, the
    mean of the discarded eigenvalues: Tipping and Bishop 1999, eq. 8)."""
    x = gaussian(3000, (9, 5, 0.5, 0.5, 0.5, 0.5))
    config = ModelConfig(6, 2, (), learned_variance=True)
    schedule = training.Schedule(epochs=150, batch_size=100, learning_rate=5e-3, patience=150)
    model, _ = training.fit(x, config, [0], schedule)
    rest = theory.spectrum(x)[2:].mean()
    assert float(model.decoder_log_var.detach().exp()) == pytest.approx(rest, rel=0.1)


@pytest.mark.slow
def test_free_bits_keep_every_dimension_alive():
    schedule = training.Schedule(epochs=150, batch_size=64, learning_rate=5e-3, patience=150)
    config = ModelConfig(6, 3, (16,), beta=50.0)
    dead = training.fit(gaussian(800), config, [0], schedule)[1].kl.values
    alive = training.fit(gaussian(800), ModelConfig(**config.asdict() | {"free_bits": 0.5}), [0], schedule)[1].kl.values
    assert dead.max() < 0.1 and alive.max() > 0.4 and alive.sum() > 0.8


def test_mixture_kl_of_one_component_is_the_gaussian_kl():
    model = StackedVAE(ModelConfig(6, 2, (), prior="mixture", n_components=1), [0])
    model.place_mixture(torch.zeros(1, 1, 2), torch.ones(1, 1, 2), torch.ones(1, 1))
    torch.manual_seed(0)
    mu, log_var = torch.randn(1, 1, 2).expand(1, 60_000, 2), torch.full((1, 60_000, 2), -0.5)
    z = mu + torch.randn(1, 60_000, 2) * torch.exp(0.5 * log_var)
    estimate = model._kl_to_mixture(z, mu, log_var).mean()
    torch.testing.assert_close(estimate, kl_per_dimension(mu, log_var).sum(-1).mean(), atol=0.02, rtol=0)


@pytest.mark.slow
def test_label_prior_and_auxiliary_bring_the_label_back():
    """A CVAE's latent has no use for the label; a prior per class or a classifier on z puts it there."""
    x, y = labelled()
    base = ModelConfig(6, 2, (32,), beta=2.0, n_labels=3, y_encoder=True, y_decoder=True).asdict()
    schedule = training.Schedule(epochs=80, batch_size=32, learning_rate=3e-3, patience=80)
    read = {}
    for name, change in {
        "cvae": {},
        "prior": {"prior": "label", "y_decoder": False},
        "auxiliary": {"auxiliary": 20.0},
    }.items():
        latents = training.fit(x, ModelConfig(**base | change), [0], schedule, y)[1]
        read[name] = probes.linear_probe(latents.z.values[0].astype(float), y, n_permutations=1).accuracy
    assert read["prior"] > read["cvae"] + 0.2 and read["auxiliary"] > read["cvae"] + 0.2


def test_annealing_rises_in_each_cycle():
    values = [training._warmth(e, 4, 100) for e in range(100)]
    assert values[0] == values[25] == values[75] == 0 and values[13] == values[24] == 1
    assert [training._warmth(e, 0, 100) for e in (0, 50)] == [1, 1]


def test_sweep_is_one_stack_and_its_parts_are_found_again(prepared_run):
    run, x, _ = prepared_run
    config = ModelConfig(x.shape[1], 3, (8,))
    swept = sweep_latents(run, "beta_vae", x, config, [0.5, 8.0], [0, 1], kept=("z", "weights"))
    assert [swept[b].attrs["setting"] for b in swept] == ["beta=0.5", "beta=8"]
    assert all(latents.seed.values.tolist() == [0, 1] for latents in swept.values())
    assert float(swept[8.0].kl.sum()) < float(swept[0.5].kl.sum())
    alone = mlp_latents(run, "beta_vae", x, ModelConfig(x.shape[1], 3, (8,), beta=8.0), [0, 1])
    np.testing.assert_allclose(alone.mu.values, swept[8.0].mu.values, atol=2e-2)
    assert restore(swept[8.0]).beta.tolist() == [8.0, 8.0]
    assert "weights" not in sweep_latents(run, "beta_vae", x, config, [0.5, 8.0], [0, 1])[8.0]


def test_a_sample_is_stored_where_there_is_one_and_it_was_asked_for(prepared_run):
    run, x, _ = prepared_run
    pca, again = (pca_latents(run, x, 3, [0, 1]) for _ in range(2))
    assert pca.z.equals(pca.mu) and again.identical(pca)  # nothing is sampled: mu is stored, and is z
    config = ModelConfig(x.shape[1], 3, (8,))
    sampled, bare = (sweep_latents(run, "vae", x, config, [1.0], [0, 1], kept=kept)[1.0] for kept in (("z",), ()))
    assert not sampled.z.equals(sampled.mu) and "z" not in bare and bare.mu.equals(sampled.mu)
    autoencoder = ModelConfig(x.shape[1], 3, (8,), stochastic=False)
    assert "z" not in sweep_latents(run, "ae", x, autoencoder, [1.0], [0], kept=())[1.0]  # nor mu in its place


def test_two_that_want_the_same_latents_train_them_once(prepared_run, monkeypatch):
    run, x, _ = prepared_run
    fits, fit = [], training.fit
    monkeypatch.setattr(training, "fit", lambda **given: fits.append(1) or fit(**given))
    config = ModelConfig(x.shape[1], latent_dim=2, hidden=(8,))
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(lambda _: mlp_latents(run, "vae", x, config, run.seeds), range(2))
    assert len(fits) == 1 and one.identical(other)
