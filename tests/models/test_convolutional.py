"""The convolutional VAE, the contrastive VAE and the best label-free row: known answers on small made-up clips."""

import math

import numpy as np
import pytest
import torch
import xarray as xr

from lib.models import contrastive, convolutional, training
from lib.scores import agreement, clustering, probes
from lib.store import labels, runs, series

SMALL = contrastive.protocol().model_copy(
    update={"crop_seconds": 3.0, "n_crops": 3, "latent_dim": 4, "width": 16, "epochs": 3, "members": 2, "umap_dim": 2}
)


def clips(n=60, bands=64, frames=120, kinds=3, seed=0):
    """log_mel [n, bands, frames] of `kinds` spectra and rhythms, and the kind of each clip."""
    rng = np.random.default_rng(seed)
    kind = np.arange(n) % kinds
    spectrum = 8 * np.sin(np.linspace(0, 3, bands)[None] * (1 + np.arange(kinds)[:, None]))
    beat = 5 * np.sin(np.arange(frames)[None] * (0.4 + 0.5 * np.arange(kinds)[:, None]))
    x = spectrum[kind][:, :, None] + beat[kind][:, None] + 3 * rng.standard_normal((n, 1, 1))
    return (x + rng.standard_normal((n, bands, frames))).astype(np.float32), kind


@pytest.fixture
def clip_run(prepared_run):
    """(run, log_mel) with a log-mel for every track of the small run."""
    run, x, _ = prepared_run
    values, _ = clips(len(x))
    frame = np.arange(values.shape[2]) / 12.9
    return run, xr.DataArray(values, dims=("track", "band", "frame"), coords={"track": x.index, "frame": frame})


# --- the convolutional VAE ---


@pytest.mark.parametrize("shape", [(2, 64, 26), (2, 64, 7), (2, 30, 2)])
def test_shapes_and_a_start_at_pca(shape):
    rng = np.random.default_rng(0)
    size = math.prod(shape)
    components = np.linalg.qr(rng.standard_normal((size, 3)))[0].T
    model = convolutional.ConvVAE(shape, components, np.array([3.0, 2.0, 1.0]), channels=4)
    x = torch.from_numpy(rng.standard_normal((5, *shape)).astype(np.float32))
    mu, log_var = model.encode(x)
    assert mu.shape == log_var.shape == (5, 3) and model.decode(mu).shape == x.shape
    projected = x.flatten(1).numpy() @ components.T @ components  # what PCA keeps of x
    np.testing.assert_allclose(model.decode(mu).detach().flatten(1), projected, atol=1e-4)
    np.testing.assert_allclose(mu.detach(), x.flatten(1).numpy() @ components.T / [3, 2, 1], atol=1e-4)


def test_images_are_means_and_deviations_of_blocks():
    x = np.zeros((1, 2, 40), np.float32)
    x[0, 1, 16:32:2] = 2.0
    made = convolutional.images(x)
    assert made.shape == (1, 2, 2, 2)
    np.testing.assert_allclose(made[0, 0], [[0, 0], [0, 1]])
    np.testing.assert_allclose(made[0, 1], [[0, 0], [0, 1]])
    assert convolutional.images(x[:, :, :5]).shape == (1, 2, 2, 2)


@pytest.mark.slow
def test_convolutions_learn_what_pca_cannot():
    """A band that is loud in one of many places: a curve in image space, which few components do not span."""
    rng = np.random.default_rng(0)
    place = rng.uniform(4, 60, 400)
    raw = np.exp(-0.5 * ((np.arange(64)[None] - place[:, None]) / 3) ** 2)[:, None, :, None]
    raw = np.broadcast_to(raw, (400, 2, 64, 8)) + 0.01 * rng.standard_normal((400, 2, 64, 8))
    found = convolutional.fit(raw.astype(np.float32), 0, training.Schedule(12, 32, 4e-3), 2, 0.1)
    made = convolutional._describe(found, 0)
    held = ~made["train"]
    assert found.history[-1, 1] < found.history[0, 1]
    assert made["error"][held].mean() < 0.9 * made["pca_error"][held].mean()


@pytest.mark.slow
def test_conv_latents_are_deterministic_and_stored(clip_run):
    run, log_mel = clip_run
    first = convolutional.conv_latents(run, log_mel, [0, 1], latent_dim=3)
    assert first.mu.shape == (2, log_mel.sizes["track"], 3) and first.attrs["label_use"] == "none"
    assert first.error.mean() < first.variance.mean() and first.examples.shape[:4] == (2, 2, 3, 64)
    stored = list((run.folder / "store" / "latents").glob("*.nc"))
    assert len(stored) == 1
    stored[0].unlink()
    again = convolutional.conv_latents(run, log_mel, [0, 1], latent_dim=3)
    xr.testing.assert_equal(first.drop_attrs(), again.drop_attrs())


def test_r2_of_each_column():
    rng = np.random.default_rng(0)
    points = rng.standard_normal((200, 3))
    r2 = probes.r2_of_each(points, np.stack([points[:, 0] * 5 + 1, rng.standard_normal(200)], axis=1))
    assert r2[0] > 0.99 and r2[1] < 0.1


# --- the contrastive term ---


def test_nt_xent_known_answers():
    same = torch.ones(8, 5)
    assert float(contrastive.nt_xent(same, same, 0.5)) == pytest.approx(math.log(15), abs=1e-5)  # nothing told apart
    axes = torch.eye(8)
    right = float(contrastive.nt_xent(axes, axes, 0.5))  # partner at cosine 1, the 14 others at 0
    assert right == pytest.approx(-2 + math.log(math.exp(2) + 14), abs=1e-5)
    wrong = float(contrastive.nt_xent(axes, axes.roll(1, 0), 0.5))
    assert wrong == pytest.approx(right + 2, abs=1e-5)
    assert float(contrastive.nt_xent(axes, axes, 0.05)) < 1e-5
    assert float(contrastive.nt_xent(3 * axes, axes, 0.5)) == pytest.approx(right, abs=1e-5)  # length plays no part


# --- crops ---


def test_crop_statistics_shapes_and_what_level_does():
    x, _ = clips(6)
    blocks = contrastive.crop_statistics(x, 12.9, 3.0, 4)
    assert [block.shape for block in blocks] == [(4, 6, 20), (4, 6, 20), (4, 6, 20), (4, 6, 160), (4, 6, 45)]
    louder = contrastive.crop_statistics(x + 6, 12.9, 3.0, 4)
    assert np.abs(louder[0] - blocks[0]).max() > 10
    for before, after in zip(blocks[1:], louder[1:], strict=True):  # all but the mean ignore the level
        np.testing.assert_allclose(before, after, atol=0.02)
    assert contrastive.crop_statistics(x[:, :, :9], 12.9, 3.0, 2)[3].shape == (2, 6, 160)


def test_modulation_finds_the_beat():
    time = np.arange(129) / 12.9
    x = np.zeros((2, 64, 129), np.float32) + 5 * np.sin(2 * np.pi * np.array([1.0, 4.0])[:, None, None] * time)
    power = contrastive._modulation(x, 12.9).reshape(2, 16, -1)[:, 0]
    edges = contrastive.MODULATION_EDGES
    assert [int(np.searchsorted(edges, f) - 1) for f in (1.0, 4.0)] == power.argmax(1).tolist()


def test_balanced_blocks_have_equal_shares():
    rng = np.random.default_rng(0)
    parts = [rng.standard_normal((3, 50, 4)) * 100, rng.standard_normal((3, 50, 20)) + 7]
    out = contrastive.balanced(parts, np.arange(50))
    shares = [out[..., :4].var((0, 1)).sum(), out[..., 4:].var((0, 1)).sum()]
    assert shares == pytest.approx([12, 12], rel=1e-3)
    joined = contrastive.side_by_side([parts[0][0], parts[1][0]])
    assert [joined[:, :4].var(0).sum(), joined[:, 4:].var(0).sum()] == pytest.approx([1, 1])


# --- the network and the row ---


@pytest.mark.slow
def test_training_lowers_every_term_and_repeats_itself():
    x, _ = clips(80)
    rows = np.arange(80)
    data = contrastive.balanced(contrastive.crop_statistics(x, 12.9, 3.0, 3), rows)
    choice = SMALL.model_copy(update={"epochs": 40, "learning_rate": 3e-3, "batch_size": 40})
    _, history = contrastive.fit(data, 0, rows, choice)
    assert history[-1, 0] < 0.9 * history[0, 0] and history[-1, 2] < 0.95 * history[0, 2]
    _, same = contrastive.fit(data, 0, rows, choice)
    np.testing.assert_array_equal(history, same)
    assert not np.allclose(history, contrastive.fit(data, 1, rows, choice)[1])


@pytest.mark.slow
def test_best_row_joins_its_own_networks_and_is_stored(clip_run):
    run, log_mel = clip_run
    assert contrastive.numbers([0, 1], SMALL) == [0, 1000, 1, 1001]
    best = contrastive.best_latents(run, log_mel, [0, 1], SMALL)
    assert best.mu.shape == (2, log_mel.sizes["track"], 2) and np.isfinite(best.mu).all()
    assert best.attrs["label_use"] == "none" and len(list((run.folder / "store" / "latents").glob("*.nc"))) == 2
    networks = contrastive.contrastive_latents(run, log_mel, contrastive.numbers([0, 1], SMALL), SMALL)
    assert networks.seed.values.tolist() == [0, 1000, 1, 1001] and (networks.kl >= 0).all()
    kind = clips(log_mel.sizes["track"])[1]
    found = clustering.cluster(best.mu.isel(seed=0).values.astype(float), 3)
    assert agreement.external(kind, found)["nmi"] > 0.8  # three kinds of clip, plainly different


@pytest.mark.slow
def test_nothing_of_it_opens_labels(clip_run, monkeypatch):
    run, log_mel = clip_run
    monkeypatch.setattr(labels, "open_labels", lambda *_: pytest.fail("labels were opened"))
    convolutional.conv_latents(run, log_mel, [0], latent_dim=2)
    contrastive.best_latents(run, log_mel, [0], SMALL)
    assert not runs.load_records(run.folder)[run.notebook]["label_openings"]


def test_the_protocol_is_complete_and_refuses_unknown_names(tmp_path):
    text = contrastive.PROTOCOL.read_text()
    assert "history" in text and contrastive.PROTOCOL.parent == series.NOTEBOOKS
    (tmp_path / "p.yaml").write_text(text + "\nsecret: 1\n")
    with pytest.raises(ValueError, match="secret"):
        contrastive.protocol(tmp_path / "p.yaml")


# --- MTEB's protocol ---


def test_mteb_known_answers():
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(4), 50)
    points = np.eye(4)[y] * 20 + rng.standard_normal((200, 4)) * 0.01
    apart = clustering.mteb(points, y)
    assert apart.shape == (10,) and apart.max() == pytest.approx(1) and apart.mean() > 0.7  # one start may merge two
    assert clustering.mteb(rng.standard_normal((200, 4)), y).mean() < 0.15
    np.testing.assert_array_equal(apart, clustering.mteb(points, y))
