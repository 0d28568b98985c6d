"""The explorer: its numbers on known answers, and the whole of it in JupyterLab, driven in a browser."""

import os
import re
import shutil
import subprocess
import sys
from importlib.resources import files

import nbformat
import numpy as np
import pandas as pd
import pytest

from lib.features import audio, extraction, preparation
from lib.models.latents import mlp_latents
from lib.models.vae import ModelConfig
from lib.scores import clustering
from lib.scores import table as scores
from lib.store import artifacts, labels, runs, series
from lib.store.errors import Problem
from lib.studies.explorer import columns, models, pictures, views, widget
from tests.browsing import chromium, watched
from tests.jupyterlab import copied, run_all, serving
from tests.spectrograms import pack

SMALL = {"n_tracks": 60, "seconds": 4.0, "epochs": 40, "betas": [1.0, 4.0], "n_seeds": 2}
VAE, CVAE = "nowhere (VAE)", "encoder and decoder (CVAE)"


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The folder of a small prepared run of the controlled corpus, and what was said meanwhile."""
    extraction.warm()
    folder, said = tmp_path_factory.mktemp("explorer") / "controlled-small", []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LATENT_GENRE_CACHE", str(tmp_path_factory.mktemp("cache")))
        models.open_run("smoke", out=str(folder), settings=SMALL, say=said.append)
    return folder, said


@pytest.fixture
def material(small):
    return models.read(runs.reopen_run(models.NOTEBOOK, small[0]))


@pytest.fixture(scope="module")
def notebook(small, tmp_path_factory):
    return copied(tmp_path_factory.mktemp("lab"), small[0])


@pytest.fixture(scope="module")
def lab(notebook):
    with serving(notebook) as address:
        yield address


COUNTED = """window.asked = 0; const send = WebSocket.prototype.send; WebSocket.prototype.send = function (data) {
  if ((typeof data === "string" ? data : new TextDecoder().decode(data)).includes("comm_msg")) window.asked += 1;
  return send.call(this, data); };"""
RIGHT = "tags => tags.map(tag => tag.getBoundingClientRect().right)"
MESSAGES = "window.asked"  # of widgets to the kernel


# --- a run ---


def test_a_small_corpus_is_prepared_once_and_progress_is_said(small, tmp_path):
    folder, said = small
    assert any("Preparing 60 synthetic tracks" in line for line in said) and any("of 60" in line for line in said)
    again = []
    run = models.open_run("smoke", out=str(folder), settings=SMALL, say=again.append)
    assert run.settings.epochs == SMALL["epochs"] and not again
    # Other parameters do not lock anybody out: the run that is there has its own settings
    assert models.open_run("default", out=str(folder), say=again.append).settings == run.settings and not again
    with pytest.raises(Problem, match="run_notebooks.py --only 01 --corpus folder --source my_music prepares them"):
        models.open_run(corpus="folder", source="my_music", out=str(tmp_path / "none"))


def test_where_nothing_is_prepared_a_small_corpus_stands_beside(small, monkeypatch):
    asked = []
    monkeypatch.setattr(models, "prepare", lambda folder, settings, say: asked.append(folder))
    models.open_run(out=str(small[0].parent / "controlled-default"), say=asked.append)
    assert "make report" in asked[0] and asked[1] == small[0].parent / models.SMALL


def test_everything_known_of_the_tracks_is_there(material):
    assert {"bandwidth_hz", "lead", "tempo", "spectral_centroid"} <= set(material.known)
    assert material.known.index.equals(material.x.index) and material.label.nunique() == 10
    assert material.names.is_unique and all(material.known.nunique() > 1)


def test_columns_of_a_table_of_labels_are_there_to_colour_by(material):
    tracks, n = material.x.index, len(material.x)
    columns = pd.DataFrame({
        "tempo": np.linspace(60, 180, n), "sex": np.array(["f", "m", None])[np.arange(n) % 3], "cluster": "x",
        "singer": [f"singer {i // 2}" for i in range(n)], "label": [f"{i % 4:02d}" for i in range(n)], "city": "Graz",
    }, index=tracks)
    artifacts.save(material.run, "columns", columns)
    try:
        view = widget.Explorer(material.run)
        known = view.material.known
        assert {"tempo", "tempo (table)", "sex", "label (table)"} <= set(known) and known.columns.is_unique
        assert not {"singer", "city", "cluster (table)"} & set(known)  # too many to tell apart, or all the same
        np.testing.assert_allclose(known["tempo (table)"], columns["tempo"])
        for name in ("sex", "tempo (table)", "label (table)"):
            view.scatter.colour = name
            assert view.still().axes[0].get_title(loc="left") == f"by {name}"
    finally:
        artifacts.remove(material.run, "columns")


# --- a model ---


def openings(run):
    return [entry["purpose"] for entry in runs.load_records(run.folder)[models.NOTEBOOK]["label_openings"]]


def test_labels_are_opened_for_conditioning_only_where_a_model_reads_them(material):
    assert openings(material.run) == ["evaluation"]
    plain = models.train(material, models.Choice("MLP", 1.0, VAE, 0))
    assert openings(material.run) == ["evaluation"] and plain.given is None and plain.config.label_use == "none"
    told = models.train(material, models.Choice("MLP", 1.0, CVAE, 0))
    assert openings(material.run) == ["evaluation", "conditioning"] and told.given.equals(material.label)
    assert told.config.label_use == "both"
    permuted = models.train(material, models.Choice("MLP", 1.0, models.SHUFFLED, 0))
    assert sorted(permuted.given) == sorted(material.label) and (permuted.given != material.label).mean() > 0.5


def test_a_model_is_trained_once_and_the_series_is_read(material):
    run, choice = material.run, models.Choice("linear", 4.0, "decoder", 1)
    first, second = models.train(material, choice), models.train(material, choice)
    assert (first.from_store, second.from_store) == (False, True)
    np.testing.assert_array_equal(first.latents.mu, second.latents.mu)
    # The series' own latents, as notebook 07 makes them, and the series' own numbers
    s = run.settings
    config = ModelConfig(40, s.latent_dim, s.hidden, 4.0, y_encoder=True, n_labels=10, label_dim=s.label_dim)
    of_series = mlp_latents(run, "cvae", material.x, config, run.seeds, labels=labels.open_labels(run, "conditioning"))
    mine = models.train(material, models.Choice("MLP", 4.0, "encoder", 1))
    assert mine.from_store
    np.testing.assert_array_equal(mine.latents.mu[0], of_series.mu.sel(seed=1))
    table = scores.score(run, of_series, material.label, nulls=False)
    table = table[(table["seed"] == 1) & table["clusterer_seed"].isin(["", 0])].set_index("metric")["value"]
    found = models.score(mine, material.label)
    assert [found.silhouette, found.nmi, found.active, found.kl] == pytest.approx(
        [table["silhouette"], table["nmi"], table["active_dims"], table["kl"]])


def test_any_column_is_a_condition_and_opens_no_label(material):
    before = openings(material.run)
    choice = models.Choice("MLP", 1.0, "decoder", 0, "bandwidth_hz")
    told = models.train(material, choice)
    groups = material.conditions["bandwidth_hz"]
    assert openings(material.run) == before and (told.given == groups).all() and not told.given.equals(material.label)
    assert told.config.n_labels == groups.nunique() > 1 and groups.value_counts().min() >= 2
    assert models.config_of(material, choice._replace(condition=models.LABEL)).n_labels == 10
    track = material.x.index[0]
    other = next(kind for kind in sorted(groups.unique()) if kind != groups[track])
    decoded = models.decode(told, material.x, track, other)
    assert (decoded["own"] != decoded["other"]).any()
    assert {"lead", "tempo"} & set(material.conditions) and models.LABEL in material.conditions


def test_a_mixture_prior_goes_without_labels(material):
    with pytest.raises(Problem, match="without labels: let the label go to 'nowhere"):
        models.train(material, models.Choice("MLP with a mixture prior (VaDE)", 1.0, CVAE, 0))
    free = models.config_of(material, models.Choice("MLP with a mixture prior (VaDE)", 1.0, VAE, 0))
    assert free.n_components == 10 and free.n_labels == 0
    classified = models.config_of(material, models.Choice("MLP with a label classifier on z", 1.0, VAE, 0))
    assert classified.label_use == "auxiliary" and classified.n_labels == 10


def test_clusters_that_are_the_labels_score_and_permuted_ones_do_not(prepared_run):
    run, x, genre = prepared_run
    material = models.Material(run, {}, x, genre, pd.DataFrame(index=x.index), pd.Series(x.index, x.index),
                               {models.LABEL: genre})
    trained = models.train(material, models.Choice("MLP", 0.5, VAE, 0))
    found = models.score(trained, genre)
    assert found.nmi > 0.8 > 0.2 > found.nmi_null.max() and found.silhouette > found.silhouette_null.max()
    shuffled = pd.Series(genre.sample(frac=1, random_state=0).to_numpy(), genre.index)
    assert models.score(trained, shuffled).nmi < 0.1
    noise = trained._replace(latents=trained.latents.assign(mu=trained.latents.mu.copy(
        data=np.random.default_rng(0).standard_normal(trained.latents.mu.shape))))
    noise = noise._replace(clusters=pd.Series(
        clustering.cluster(noise.latents.mu.values[0].astype(float), 3), x.index))
    assert models.score(noise, genre).silhouette < found.silhouette_null.max() + 0.05


def test_views(material):
    latents = models.train(material, models.Choice("MLP", 1.0, VAE, 0)).latents
    points, axes = views.project(latents, "leading KL dimensions")
    first, second = np.argsort(latents.kl.values[0])[:-3:-1]
    np.testing.assert_allclose(points, latents.mu.values[0][:, [first, second]])
    assert axes[0] == f"latent {first}: {latents.kl.values[0, first]:.2f} nats"
    points, axes = views.project(latents, "PCA")
    assert points[:, 0].var() >= points[:, 1].var() and abs(np.corrcoef(points.T)[0, 1]) < 1e-6 and "%" in axes[0]
    assert views.project(latents.isel(latent=[0]), "leading KL dimensions")[0].shape == (60, 2)
    points, axes = views.project(latents, "UMAP")
    assert points.shape == (60, 2) and np.isfinite(points).all() and axes == ["UMAP 1", "UMAP 2"]
    with pytest.raises(ValueError, match="sideways"):
        views.project(latents, "sideways")


# --- a track ---


def test_decoding_under_another_label(material):
    trained, track = models.train(material, models.Choice("MLP", 1.0, CVAE, 0)), material.x.index[3]
    own = material.label[track]
    other = next(label for label in material.label if label != own)
    found = models.decode(trained, material.x, track, other)
    np.testing.assert_array_equal(found["track"], material.x.loc[track])
    assert np.abs(found["own"] - found["other"]).max() > 0.01
    same = models.decode(trained, material.x, track, own)
    np.testing.assert_array_equal(same["own"], same["other"])
    assert f"Decoded as {own}" in pictures.say_decoding(found, own, other, True)
    deaf = models.train(material, models.Choice("MLP", 1.0, "encoder", 0))
    found = models.decode(deaf, material.x, track, other)
    np.testing.assert_array_equal(found["own"], found["other"])
    assert "reads no label" in pictures.say_decoding(found, own, other, False)


def test_mean_spectrum_of_mean_mfccs():
    mfcc = pd.Series(0.0, audio.MFCC_STATS)
    mfcc["mean_00"] = -30 * np.sqrt(128)  # -30 dB in every band
    found = models.mean_spectrum(mfcc)
    np.testing.assert_allclose(found, -30)
    assert len(found) == 128 and found.index.is_monotonic_increasing and found.index[-1] < audio.SAMPLE_RATE / 2
    mfcc["mean_01"] = 8.0  # a slope that falls with frequency
    assert models.mean_spectrum(mfcc).is_monotonic_decreasing


def test_mean_spectrum_is_that_of_the_track(material):
    """The 20 mean MFCCs smooth the time average of a track's log-mel."""
    y, sr, *_ = preparation.listen(material.run, material.x.index[0])
    power = audio.librosa.feature.melspectrogram(y=y, sr=sr, n_mels=128)
    real = audio.librosa.power_to_db(power).mean(axis=1)
    assert np.corrcoef(real, models.mean_spectrum(material.x.iloc[0]))[0, 1] > 0.95


def test_neighbours_are_the_nearest_others(material):
    latents = models.train(material, models.Choice("MLP", 1.0, VAE, 0)).latents
    track = material.x.index[5]
    found, mu = views.neighbours(latents, track, 3), latents.mu.values[0]
    distance = np.sort(np.linalg.norm(mu - mu[5], axis=1))
    np.testing.assert_allclose(found, distance[1:4], rtol=1e-5)
    assert track not in found.index


def test_betas_in_one_plane_keep_their_points(material):
    """The same latent, rotated, is put back in its place; one that shrinks, shrinks."""
    rng = np.random.default_rng(0)
    mu = rng.standard_normal((60, 4)) * [3, 2, 1, 0.5]
    turn = np.linalg.qr(rng.standard_normal((4, 4)))[0]
    (first, same, small), axes = views.together([mu, mu @ turn + 7, 0.1 * mu @ turn])
    np.testing.assert_allclose(same, first, atol=1e-8)
    np.testing.assert_allclose(small, 0.1 * first, atol=1e-8)
    assert re.fullmatch(r"shared component 1 \(\d+ %\)", axes[0])
    assert views.together([mu[:, :1]])[0][0].shape == (60, 2)


def test_a_sweep_has_a_model_for_each_beta(material):
    choice, epochs = models.Choice("MLP", 1.0, VAE, 0), []
    alone = models.train(material, choice)
    found = models.sweep(material, choice, [1.0, 3.0, 9.0], epochs.append)
    assert list(found) == [1.0, 3.0, 9.0] and found[1.0].from_store and epochs[-1] > 1
    np.testing.assert_array_equal(found[1.0].latents.mu, alone.latents.mu)
    assert [one.config.beta for one in found.values()] == [1.0, 3.0, 9.0]
    assert found[9.0].latents.kl.sum() < found[1.0].latents.kl.sum()


def test_a_filtered_sound_has_the_spectrum_that_is_asked_for(material):
    sound = preparation.listen(material.run, material.x.index[0])
    hz = models.mean_spectrum(material.x.iloc[0]).index
    found = models.filtered(sound, pd.Series(np.where(hz < 2000, 0.0, -20.0), hz))
    before, after = (np.abs(np.fft.rfft(y)) ** 2 for y in (sound.y, found.y))
    at = np.fft.rfftfreq(len(sound.y), 1 / sound.sr)
    change = [10 * np.log10(after[part].sum() / before[part].sum()) for part in (at < 1800, at > 2300)]
    assert len(found.y) == len(sound.y) and change == pytest.approx([0, -20], abs=0.5)


# --- the widget, without a browser ---


def test_two_models_are_shown_and_decodings_are_played(material):
    view = widget.Explorer(material.run)
    assert view.rendered.value.count("<audio") == 2 and "decoded as" in view.rendered.value
    difference = view.charts.track["spectrum"]["difference"]
    spectra = view._decoded()[0].apply(models.mean_spectrum)
    np.testing.assert_allclose(difference["values"], spectra["other"] - spectra["own"], atol=0.02)
    view.both.value = True
    assert [panel["title"].split(", ")[2] for panel in view.scatter.panels] == [
        "genre to encoder and decoder (CVAE)", "no condition"]
    assert view.second.box.layout.display != "none" and len(view.now.models) == 2
    view.second.conditioning.value = models.SHUFFLED
    assert "shuffled" in view.scatter.panels[1]["title"] and "shuffled" in view.said.value
    view.view.value = views.OVER_BETAS
    for panel, choice in zip(view.scatter.panels, view.now.models, strict=True):
        betas = [frame["beta"] for frame in panel["frames"]]
        assert betas == [1.0, 4.0] and betas[panel["at"]] == 4.0
        assert panel["frames"][1]["nmi"] == view.tried[choice].nmi
    assert len(view.still().axes) >= 2




def test_controls_change_what_is_shown(small, material):
    view = widget.Explorer(material.run)
    assert view.now.models == (models.Choice("MLP", 4.0, CVAE, 0),)
    assert "beta 4," in view.said.value and "<audio" in view.sound.value
    panel, sentence = view.scatter.panels, view.said.value
    view.first.beta.value = 1.0
    assert view.scatter.panels != panel and view.said.value != sentence and len(view.tried) == 2
    assert np.shape(view.scatter.panels[0]["frames"][0]["points"]) == (60, 2)
    view.first.conditioning.value = VAE
    assert view.charts.track["spectrum"]["difference"] is None and view.scores.value.count("<tr") == 4
    assert "no condition" in view.scatter.panels[0]["title"]
    view.first.conditioning.value = "decoder"
    view.first.condition.value = "bandwidth_hz"
    assert "low-pass corner to decoder" in view.said.value
    assert set(view.other.options) == set(material.conditions["bandwidth_hz"])
    view.first.condition.value = models.LABEL
    assert set(view.other.options) == set(material.label)
    view.scatter.set_state({"picked": 7})  # as the browser does
    assert material.names.iloc[7] in view.sound.value
    nearest = view.near[0].track
    view.near[0].click()
    assert view.now.track == nearest
    view.first.model.value = "MLP with a mixture prior (VaDE)"
    view.first.conditioning.value = CVAE
    assert "problem" in view.said.value and "without labels" in view.said.value
    view.first.model.value = "MLP"
    assert "problem" not in view.said.value
    assert len(view.still().axes) >= 2 and len(view.still_track().axes) >= 2
    assert "Synthetic music" in view.about() and material.names[view.now.track] in view.about_track()


def test_a_saved_notebook_has_the_still_picture(material):
    found = widget.Explorer(material.run)._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in found and "<img" in found["text/html"]
    assert found["text/plain"].startswith("Synthetic music") and found["image/png"]


def test_progress_is_a_bar_with_a_word(material):
    view, seen = widget.Explorer(material.run), []
    view.said.observe(lambda change: seen.append(change.new), "value")
    view.first.seed.value = 1
    view.first.model.value = "linear"
    training = [text for text in seen if "Training, epoch" in text]
    assert training and all("<progress" in text and "value=" in text for text in training)
    assert not any("held out" in text for text in seen)  # no line of a log


def test_properties_are_named_and_few_numbers_are_groups(material):
    known = {one["id"]: one for one in columns.described(material)["columns"]}
    assert known["label"]["name"] == "genre" and known["palette_from"]["name"] == "source of instruments"
    assert known["beats"]["name"] == "metre" and set(known["beats"]["levels"]) <= {"3", "4"}
    assert known["percussion_db"]["name"] == "drum level, dB" and len(known["percussion_db"]["values"]) == 60
    assert not any("_" in one["name"] for one in known.values())
    levels = known["label"]["levels"]
    assert [levels[code] for code in known["label"]["codes"]] == material.label.tolist()


def test_runs_are_named_by_what_they_are_and_opened_by_path(small, material, tmp_path):
    view = widget.Explorer(material.run)
    assert dict(view.tracks.options)["synthetic, 60 tracks, smoke"] == small[0]
    for path, why in ((tmp_path / "none", "there is no folder"), (tmp_path, "there is no run in")):
        view.path.value = str(path)
        assert why in view.said.value and "problem" in view.said.value and view.tracks.value == small[0]
    (tmp_path / "settings.json").write_text("{")
    view.path.value = f" {tmp_path} "
    assert "cannot be opened" in view.said.value and view.tracks.value == small[0]
    copy = tmp_path / "elsewhere" / "moved"
    shutil.copytree(small[0], copy)
    view.path.value = str(copy)
    assert view.material.run.folder == view.tracks.value == copy and "problem" not in view.said.value
    assert small[0] in dict(view.tracks.options).values() and view.path.value == ""


def test_a_run_that_cannot_be_read_is_said_and_the_old_one_stays(small, material):
    broken = small[0].parent / "broken"
    (broken / "store").mkdir(parents=True, exist_ok=True)
    (broken / "store" / "corpus.json").write_text("{}")
    view = widget.Explorer(material.run)
    assert "broken" in dict(view.tracks.options)
    view.tracks.value = broken
    assert "there is no run in" in view.said.value and view.tracks.value == small[0]
    shutil.rmtree(broken)


@pytest.mark.slow
def test_a_corpus_without_audio_says_so(tmp_path):
    run = runs.open_run(models.NOTEBOOK, "smoke", "gtzan_logmel", str(pack(tmp_path / "pack.npz", n=40)),
                             out=str(tmp_path / "run"), settings={"epochs": 2})
    preparation.prepare(run)
    view = widget.Explorer(run)
    assert "there is no audio" in view.sound.value and "<audio" not in view.sound.value
    assert view.charts.track["spectrogram"]["png"] and view.charts.track["spectrum"]["lines"]


# --- the notebook ---


def test_the_notebook_has_the_form_of_the_others_but_is_not_of_the_series():
    made = nbformat.read(series.NOTEBOOKS / f"{models.NOTEBOOK}.ipynb", 4)
    nbformat.validate(made)
    assert models.NOTEBOOK not in series.NEEDS
    code = [cell for cell in made.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code), "committed with outputs"
    assert max(cell.source.count("\n") + 1 for cell in code) <= 20
    assert not any(re.search(r"^\s*(def|class) ", cell.source, re.M) for cell in code)
    assert code[0].metadata.tags == ["parameters"] and code[0].source.startswith("profile: str")
    assert "?**" in made.cells[0].source and "## Limits" in made.cells[-1].source


def test_the_notebook_runs_where_there_are_no_widgets(notebook, small, tmp_path):
    """papermill, as anybody would: still pictures remain, also in the explorer's place."""
    done = subprocess.run(
        [sys.executable, "-m", "papermill", str(notebook), str(tmp_path / "out.ipynb"), "--no-progress-bar",
         "--start-timeout", "600"],
        capture_output=True, text=True, timeout=3600, env=os.environ | {"PYTHONPATH": str(series.ROOT)}, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    outputs = [output for cell in nbformat.read(tmp_path / "out.ipynb", 4).cells for output in cell.get("outputs", [])]
    assert not [output for output in outputs if output.output_type in ("error", "stream")], outputs
    pages = "".join(output.data.get("text/html", "") for output in outputs)
    assert pages.count("<img") == 3 and "Synthetic music" in pages
    assert any("application/vnd.jupyter.widget-view+json" in output.data for output in outputs)
    assert (small[0] / "figures" / "explorer_view.png").is_file()


def test_the_explorer_in_jupyterlab(lab):
    """Run all; change beta and conditioning; click a point; use the keyboard: sound and pictures follow, no errors."""
    with chromium() as browser:
        page, trouble = watched(browser, lab[: lab.index("/lab/")], viewport={"width": 1400, "height": 1250})
        page.add_init_script(COUNTED)
        run_all(page, lab)
        box = page.locator(".explorer")
        model = box.locator(".model").first
        told, heard, pictured = box.locator(".said"), box.locator("audio").first, box.locator(".panels svg")
        assert "beta 4, genre to encoder and decoder" in told.text_content()
        assert "Progress" not in told.inner_html() and pictured.count() == 1

        model.get_by_label("Beta", exact=True).select_option("1")
        told.filter(has_text="beta 1, genre to encoder and decoder").wait_for()
        model.get_by_label("Condition goes to", exact=True).select_option("decoder")
        told.filter(has_text="beta 1, genre to decoder, seed 0 (").wait_for()
        assert page.locator(".explorer tbody tr").count() == 3

        # Colours: in the browser alone, and a number of few values has a legend of groups
        before = page.evaluate(MESSAGES)
        for name, entry in (("metre", "4"), ("cluster", "0"), ("drum level, dB", None)):
            box.get_by_label("Colour by", exact=True).select_option(label=name)
            assert name in box.locator(".legend").text_content()
            if entry:
                box.locator(".legend").get_by_role("button", name=entry, exact=True).wait_for()
        assert page.evaluate(MESSAGES) == before, "recolouring asked the kernel"

        # Tracks by name: Enter picks, an unknown name is said
        name = box.get_by_role("combobox", name="Track", exact=True)
        name.fill("no such track")
        name.press("Enter")
        box.locator(".named").filter(has_text='No track here is called "no such track"').wait_for()
        name.fill("controlled track 12")
        assert re.search(r"track 12 · .+ · cluster", box.locator("[role=listbox] [role=option]").first.text_content())
        name.press("Enter")
        page.locator(".explorer audio[aria-label^='controlled track 12:']").wait_for()
        assert heard.evaluate("async a => { a.load(); await new Promise(r => a.oncanplay = r); return a.duration }") > 1

        before = heard.get_attribute("aria-label")
        pictured.first.click(position={"x": 120, "y": 120})
        page.wait_for_function("b => document.querySelector('.explorer audio').ariaLabel !== b", arg=before)
        clicked = name.input_value()
        assert clicked in heard.get_attribute("aria-label") and clicked not in before
        assert box.locator("image").count() == 1 and box.locator("path.line").count() >= 3

        pictured.first.focus()
        for key in ("ArrowRight", "ArrowDown", "ArrowRight"):
            page.keyboard.press(key)
        reached = box.locator(".named").text_content()
        assert reached and not reached.startswith(clicked + " "), "arrow keys do not move"
        page.keyboard.press("Enter")
        page.locator(f".explorer audio[aria-label^='{reached.split(' · ')[0]}:']").wait_for()
        assert page.evaluate("document.activeElement.getAttribute('role')") == "application", "JupyterLab took the keys"

        # Two controls at once, while the explorer is still busy with a third change: it ends where the controls are
        box.get_by_label("View", exact=True).select_option("PCA")
        model.get_by_label("Condition goes to", exact=True).select_option("nowhere (VAE)")
        model.get_by_label("Seed", exact=True).select_option("1")
        told.filter(has_text="beta 1, no condition, seed 1 (").wait_for()
        box.locator(".panels text").filter(has_text="component 1").wait_for()

        # Two models: a group of the legend, and points that are brushed, are highlighted in both
        box.get_by_label("Compare with a second model").check()
        pictured.nth(1).wait_for()
        told.filter(has_text="dimensions are active").wait_for()
        box.get_by_label("Colour by", exact=True).select_option("cluster:0")
        asked = page.evaluate(MESSAGES)
        box.locator(".legend button").first.click()
        dim = box.locator(".panels > div").filter(has=page.locator(".dots.dim"))
        assert dim.count() == 2 and "of 60 tracks" in box.locator(".named").text_content()
        pictured.nth(1).scroll_into_view_if_needed()
        area = pictured.nth(1).bounding_box()
        page.mouse.move(area["x"] + 60, area["y"] + 20)
        page.mouse.down()
        page.mouse.move(area["x"] + area["width"] / 2, area["y"] + area["height"] - 50, steps=3)
        page.mouse.up()
        assert dim.count() == 2 and page.evaluate(MESSAGES) == asked
        box.get_by_label("View", exact=True).select_option("all betas in one plane")
        slider = box.get_by_role("slider", name="Beta")
        slider.focus()
        before = [part.inner_html() for part in box.locator(".panels svg").all()]
        assert slider.get_attribute("aria-valuetext") == "beta 4"
        slider.press("ArrowLeft")
        assert slider.get_attribute("aria-valuetext") == "beta 1", "JupyterLab took the keys"
        assert [part.inner_html() for part in box.locator(".panels svg").all()] != before
        assert box.locator(".sliding path.line").count() >= 8
        page.evaluate("document.activeElement.blur()")

        for width, room in ((1072, 640), (640, 260)):  # of the window, and of the explorer in it
            page.set_viewport_size({"width": width, "height": 1250})
            page.wait_for_timeout(500)
            assert abs(box.bounding_box()["width"] - room) < 30
            ends = [max(page.locator(f".explorer {part}").evaluate_all(RIGHT))
                    for part in ("", ".scroll", "svg", "select")]
            assert max(ends[1:]) <= ends[0] + 1, "something is wider than the page"
            if room > 600:
                assert box.locator(".scroll").evaluate("e => e.scrollWidth <= e.clientWidth"), "the table does not fit"
        if folder := os.environ.get("LATENT_GENRE_PICTURES"):  # to look at
            page.screenshot(path=f"{folder}/narrow.png")
            page.set_viewport_size({"width": 1400, "height": 1250})
            page.screenshot(path=f"{folder}/wide.png")

        page.evaluate((files("axe_playwright_python") / "axe.min.js").read_text())
        found = page.evaluate("axe.run('.explorer', {runOnly: ['wcag2a', 'wcag2aa']})")
        assert not found["violations"], [(v["id"], [n["html"] for n in v["nodes"]][:3]) for v in found["violations"]]
        assert not trouble.console and not trouble.requests
