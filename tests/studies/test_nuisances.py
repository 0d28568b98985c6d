"""Conditioning on nuisances: what is tried, what each correction takes out, and verdicts that say no where they
must."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml

from lib.features import audio
from lib.models import theory
from lib.scores import grouping, nulls, properties, units
from lib.scores.intervals import LEAST_UNITS, Estimate, interval
from lib.store import artifacts, labels
from lib.store.series import NOTEBOOKS
from lib.studies.nuisances import (
    coincidence,
    corrected,
    explaining,
    found,
    gains,
    judging,
    permuted,
    protocol,
    readers,
    removal,
    rules,
    unseen,
)
from lib.studies.nuisances.corrected import NO_NETWORK, Clustered, Corrected
from tests import contrary

RNG = np.random.default_rng


def tracks(n):
    return pd.Index([f"t{i:04d}" for i in range(n)], name="track")


def made(name, groups, x, kind="column"):
    """A nuisance of these groups [track]."""
    return found.nuisance(name, kind, pd.DataFrame({name: groups}), x)


def spread(mean, n=23):
    """An estimate with an interval of 0.01 on each side."""
    return Estimate(interval([mean - 0.004, mean, mean + 0.004])._replace(n=n), 0.001 if mean else 0.9)


# --- which nuisances ---


def test_groups_of_few_tracks_are_pooled_and_groups_of_one_are_no_nuisance():
    x = pd.DataFrame(RNG(0).standard_normal((100, 5)), tracks(100))
    sizes = pd.Series(["a"] * 60 + ["b"] * 25 + [f"single {i}" for i in range(15)], x.index)
    one = made("artist", sizes, x)
    assert one.groups.value_counts().to_dict() == {"a": 60, "b": 25, grouping.POOLED: 15}
    assert made("artist", pd.Series([f"artist {i}" for i in range(100)], x.index), x).startswith("no two groups")
    assert made("studio", pd.Series(["one"] * 100, x.index), x) == "the same for all tracks"
    few = pd.Series(["a"] * 60 + ["b"] * 37 + ["c"] * 3, x.index)
    assert made("artist", few, x).groups.value_counts().to_dict() == {"a": 60, grouping.POOLED: 40}


def test_a_number_is_binned_and_a_number_that_names_things_is_not():
    n = 200
    columns = pd.DataFrame({"year": [str(1950 + i % 60) for i in range(n)],
                            "artist_id": [str(i % 15) for i in range(n)],
                            "take": ["01", "02"] * (n // 2), "free": ["", *map(str, range(n - 1))]}, tracks(n))
    columns = columns.replace("", np.nan)
    typed = grouping.typed(columns)
    numbers = [name for name in typed if pd.api.types.is_numeric_dtype(typed[name])]
    assert numbers == ["year", "free"]
    x = pd.DataFrame(RNG(0).standard_normal((n, 3)), tracks(n))
    year = found.nuisance("year", "column", typed[["year"]], x)
    assert year.groups.nunique() == 10 and year.targets.shape == (n, 1)
    assert "unknown" not in set(found.nuisance("free", "column", typed[["free"]], x).groups), "one is pooled"


def test_what_groups_explain_is_nothing_by_chance_and_all_where_they_are_the_features():
    groups = RNG(0).permutation(np.repeat(np.arange(20), 20))
    noise = RNG(1).standard_normal((400, 10))
    assert abs(found.explained(noise, groups)) < 0.03
    assert found.explained(np.eye(20)[groups], groups) == pytest.approx(1)


def test_the_built_in_corpus_gives_planted_nuisances_a_table_its_columns_and_else_descriptors(prepared_run):
    run, x, _ = prepared_run
    rng, n = RNG(0), len(x)
    measured = pd.DataFrame({"level": rng.standard_normal(n), "spectral_bandwidth": rng.standard_normal(n)}, x.index)
    artifacts.save(run, "descriptors", measured)
    kinds = {one.name: one.kind for one in found.nuisances(run, x)[0]}
    assert kinds == {"level": "measured", "spectral_bandwidth": "measured"}
    singer = [f"singer {i % 12:02d}" for i in range(n)]
    artifacts.save(run, "columns", pd.DataFrame({"singer": singer, "file": [f"f{i}" for i in range(n)]}, x.index))
    tried, left = found.nuisances(run, x)
    assert [one.name for one in tried] == ["singer"] and left["nuisance"].tolist() == ["file"]
    name, sampled = units.units(run, x.index)
    assert name == "singer" and sampled.nunique() == 12 and protocol.protocol().least_groups == LEAST_UNITS
    planted = pd.DataFrame(rng.standard_normal((n, 3)), x.index, list(found.PLANTED))
    artifacts.save(run, "factors", planted)
    names = {one.name for one in found.nuisances(run, x)[0]}
    assert names == {*found.PLANTED, found.TOGETHER, "singer", "spectral_bandwidth"}


# --- what each correction takes out ---


def test_means_and_scales_of_groups_are_those_of_training_tracks():
    rng = RNG(0)
    codes, train = np.repeat([0, 1, 2], 40), np.r_[0:30, 40:70]  # the third group is unseen
    x = rng.standard_normal((120, 4)) * (1 + codes)[:, None] + 5 * codes[:, None]
    out, scaled = removal.means(x, codes, train), removal.zscores(x, codes, train)
    for code, rows in ((0, np.arange(30)), (1, np.arange(40, 70)), (2, np.arange(80, 120))):
        assert np.allclose(out[rows].mean(0), 0), code
        assert np.allclose(scaled[rows].std(0), 1), code
        assert np.allclose(out[codes == code] - x[codes == code], -x[rows].mean(0))


def test_linear_erasure_leaves_no_linear_trace_and_touches_what_is_unrelated_as_little_as_can_be():
    rng = RNG(0)
    z = rng.standard_normal((400, 1))
    x = np.c_[z + 0.1 * rng.standard_normal((400, 1)), rng.standard_normal((400, 3))]
    train = np.arange(300)
    out = removal.linear(x, z, train)
    assert np.abs(np.cov(np.c_[out[train], z[train]].T)[-1, :-1]).max() < 1e-9
    assert np.abs(out[:, 1:] - x[:, 1:]).max() < 0.3 and out[:, 0].std() < 0.2
    assert np.allclose(removal.linear(x, np.zeros((400, 1)), train), x)


def test_controls_keep_group_sizes_and_the_second_keeps_what_the_label_says():
    x = pd.DataFrame(RNG(0).standard_normal((300, 3)), tracks(300))
    label = pd.Series(np.repeat(["p", "q", "r"], 100), x.index)
    groups = pd.Series(np.where(RNG(1).random(300) < 0.8, label, "q"), x.index)
    one, control = made("studio", groups, x), labels.for_control(label)
    for kind in permuted.KINDS:
        fake = permuted.nuisance(one, kind, control, 0)
        assert fake.groups.value_counts().to_dict() == groups.value_counts().to_dict()
        assert not fake.groups.equals(groups)
        table = pd.crosstab(fake.groups, label)
        assert table.equals(pd.crosstab(groups, label).rename_axis(table.index.name)) is (kind == permuted.WITHIN)
    with pytest.raises(ValueError, match="supervised_control"):
        permuted.nuisance(one, permuted.WITHIN, label, 0)
    told = permuted.associated(one, label, 99)
    assert told["information"] > 0.3 and told["p"] == 0.01
    free = made("noise", pd.Series(RNG(2).permutation(groups), x.index), x)
    assert permuted.associated(free, label, 99)["p"] > 0.05


# --- a corpus with a nuisance that dominates, one that says nothing, and one that is the label ---


@pytest.fixture(scope="module")
def sung(tmp_path_factory):
    """A run on `contrary.corpus` to which voices were added, with its corrected: run, x, y, tried, clusters."""
    run, x, genre = contrary.prepared(tmp_path_factory.mktemp("sung") / "run", epochs=60, n_seeds_corrections=3)
    rng, n = RNG(5), len(x)
    voice = rng.permutation(np.arange(n) % 12)
    x = x + 2.5 * rng.standard_normal((12, 40))[voice]
    groups = {"singer": voice, "coin": rng.permutation(voice), "style": np.unique(genre, return_inverse=True)[1]}
    tried = [made(name, pd.Series([f"{name} {c:02d}" for c in codes], x.index), x) for name, codes in groups.items()]
    latents = corrected.without_network(run, x, tried) | corrected.trained(run, x, tried)
    y, k = np.unique(genre, return_inverse=True)[1], genre.nunique()
    units = tried[0].groups
    clusters, associated = corrected.clustered(run, latents, k), gains.associations(run, tried, genre)
    return SimpleNamespace(run=run, x=x, genre=genre, y=y, k=k, tried=tried, latents=latents, clusters=clusters,
                           units=units, associated=associated, family=gains.family(run, clusters, tried, y, units))


@pytest.mark.slow
def test_a_dominant_voice_is_taken_out_and_what_says_nothing_gains_nothing(sung):
    family = sung.family.set_index(["nuisance", "correction", "over"])["outcome"]
    assert set(family["singer"].xs(gains.NOTHING, level="over")) == {gains.POSITIVE}
    assert gains.POSITIVE not in set(family["coin"].xs(gains.NOTHING, level="over"))
    assert set(family["style"].xs(gains.NOTHING, level="over")) <= {gains.NEGATIVE, gains.OPEN}
    assert sung.associated["goes with label"].to_dict() == {"singer": False, "coin": False, "style": True}
    ruling = rules.something_to_remove(sung.family, sung.associated)
    assert ruling["verdict"] is True and "singer" in ruling["pays"] and "coin" in ruling["rest"]


@pytest.mark.slow
def test_the_verdict_is_no_where_a_nuisance_explains_nothing(sung):
    rows = sung.family[sung.family["nuisance"] == "coin"]
    associated = sung.associated.loc[["coin"]]
    assert rules.something_to_remove(rows, associated)["verdict"] is False
    assert rules.network_pays(rows, gains.NOTHING)["verdict"] is False
    assert not rules.gained(rows.iloc[0])["verdict"] and not rules.goes_along(associated)["verdict"]


@pytest.mark.slow
def test_what_depends_on_a_group_that_goes_with_the_label_is_marked(sung):
    rows = gains.of_corrections(sung.run, sung.clusters, sung.tried, sung.y, sung.units, sung.associated)
    marked = rows[rows["label_use"] == gains.THROUGH]
    assert set(marked["nuisance"]) == {"style"} and set(marked["correction"]) == set(corrected.GIVEN)
    assert set(rows["network"]) == {NO_NETWORK, "beta 1", "beta 4"} and gains.THROUGH in labels.LABEL_USE
    base = gains.without(sung.clusters, sung.tried, sung.y)
    assert set(base["network"]) == {NO_NETWORK, "beta 1", "beta 4"} and {"singer", "coin"} <= set(base)


@pytest.mark.slow
def test_controls_stay_within_the_margin_or_say_why(sung):
    """Without voices, so that there is agreement to lose: the style is the label, and so is its second control."""
    x, control, style = contrary.corpus()[0], labels.for_control(sung.genre), sung.tried[2:]
    latents = corrected.without_network(sung.run, x, style) | corrected.trained(sung.run, x, style)
    both = corrected.clustered(sung.run, latents | permuted.trained(sung.run, x, style, control), sung.k)
    units = pd.Series(x.index, x.index)
    table = gains.control_gains(sung.run, both, style, sung.y, units, sung.associated)
    assert len(table) == len(permuted.KINDS) * len(permuted.CORRECTIONS)
    assert table.loc[table["within"], "why"].eq("").all() and table.loc[~table["within"], "why"].ne("").all()
    within = table[table["control"] == permuted.WITHIN]
    assert within["gain"].map(lambda one: one.mean).max() < -protocol.protocol().margin
    assert within["why"].str.contains("is associated with the label").all()
    assert rules.controls_stay(table, protocol.protocol().margin)["verdict"] is False


@pytest.mark.slow
def test_probes_read_the_voice_without_conditioning_and_less_of_it_with(sung):
    table = readers.readings(sung.run, sung.latents, sung.tried[:1], sung.y).set_index("correction")
    assert table.loc["nothing", "nuisance mu rbf"] > 0.6 > table.loc["decoder", "nuisance z linear"]
    assert (table["nuisance null"] < 0.3).all() and (table["label null"] < 0.5).all()


@pytest.mark.slow
def test_theory_of_what_leaves(sung):
    table = explaining.beside(sung.run, sung.latents, sung.x, sung.tried).set_index(["nuisance", "beta"])
    assert table.loc[("singer", 1.0), "leaves, theory"] > 1 > abs(table.loc[("coin", 1.0), "leaves, theory"])
    leaves = table["leaves"].map(lambda one: one.mean)
    assert leaves["singer", 1.0] > 2 * leaves.drop("singer").abs().max()
    exact = table.reset_index().assign(leaves=[interval([value]) for value in table["leaves, theory"]])
    assert rules.follows_theory(exact)["verdict"] is True
    turned = exact.assign(**{"leaves, theory": -exact["leaves, theory"]})
    assert rules.follows_theory(turned)["verdict"] is False
    values = explaining.spectra(sung.x, sung.tried)["singer"]
    assert np.allclose(values, theory.spectrum(sung.x.to_numpy(), sung.tried[0].codes))
    worse = table.reset_index().assign(above=0)
    assert rules.within_bound(worse)["verdict"] is False


@pytest.mark.slow
def test_unseen_groups_are_in_nothing_that_is_fitted(sung):
    one = unseen.chosen(sung.tried)
    aside = unseen.left_out(one, 5, 0)
    assert one.name == "singer" and (aside.sum(0) == 1).all(), "each group is left out once"
    assert all(len(set(one.groups[out]) & set(one.groups[~out])) == 0 for out in aside)
    found_in = unseen.agreements(sung.run, sung.x, one, sung.y, sung.k)
    assert found_in.shape == (5, len(unseen.CORRECTIONS)) and found_in.notna().all().all()
    ruling = rules.works_unseen(found_in)
    assert ruling["verdict"] is True and "group means" in ruling["names"]
    flat = found_in.assign(**{correction: found_in["nothing"] - 0.1 - 0.01 * found_in.index
                              for correction in unseen.CORRECTIONS if correction != "nothing"})
    assert rules.works_unseen(flat)["verdict"] is False
    assert set(unseen.table(found_in)["correction"]) == set(unseen.CORRECTIONS)


@pytest.mark.slow
def test_both_leave_where_nuisance_and_label_coincide_and_the_label_stays_where_they_are_independent(sung):
    """The ends of the curve, and a verdict of no where the ends are exchanged."""
    x = contrary.corpus()[0]
    control = labels.for_control(sung.genre)
    latents, told = coincidence.trained(sung.run, x, control)
    mixed = corrected.clustered(sung.run, latents, sung.k)
    ends = coincidence.ends(mixed, sung.y, told, pd.Series(x.index, x.index))
    assert rules.ends_hold(ends)["verdict"] is True, {at: one.interval for at, one in ends.items()}
    swapped = {(1 - strength, what): one for (strength, what), one in ends.items()}
    swapped[0.0, "label"] = ends[1.0, "label"]
    assert rules.ends_hold(swapped)["verdict"] is False
    curves = coincidence.curves(mixed, sung.y, told)
    assert set(curves) == {"label", "nuisance"} and curves["label"]["decoder"].shape == (5, 3)


# --- the planted low-pass ---


def test_a_low_pass_adds_its_response_to_the_mean_mfccs():
    rng = RNG(0)
    level = rng.standard_normal((128, 50))
    frequency = audio.librosa.mel_frequencies(n_mels=130, fmax=audio.SAMPLE_RATE / 2)[1:-1]
    response = np.maximum(coincidence.FLOOR, -10 * np.log10(1 + (frequency / 2000) ** 8))
    before, after = (audio.extract_log_mel(one.astype(np.float32), 10)["mfcc"] for one in
                     (level, level + response[:, None]))
    assert np.allclose(after[:20] - before[:20], coincidence.low_pass(2000), atol=1e-3)
    assert np.allclose(after[20:], before[20:], atol=1e-3)


def test_levels_follow_the_label_in_the_share_that_is_asked_for():
    label = labels.for_control(pd.Series([f"genre {i % 5}" for i in range(1000)], tracks(1000)))
    free, half, full = (coincidence.levels(label, s, 0) for s in (0, 0.5, 1))
    assert full.groupby(label.to_numpy()).nunique().eq(1).all() and full.nunique() == 5
    assert 0.15 < (free == full).mean() < 0.25 and 0.55 < (half == full).mean() < 0.65
    assert (half == full)[free == full].all(), "larger shares hold the smaller ones"


# --- rules and predictions ---


def test_gains_are_positive_negative_or_not_decided():
    assert gains.outcome(spread(0.1).interval, 0.01) == gains.POSITIVE
    assert gains.outcome(spread(-0.1).interval, 0.01) == gains.NEGATIVE
    assert gains.outcome(spread(0.1).interval, 0.06) == gains.OPEN
    assert gains.outcome(spread(0.1).interval, 0.01, few=True) == gains.FEW


def test_few_units_decide_nothing():
    rng = RNG(0)
    y = rng.integers(0, 3, 90)
    ids = {name: rng.integers(0, 3, (3, 1, 90)) for name in "ab"}
    units = pd.Series(np.repeat(np.arange(9), 10))
    estimate = Clustered(ids).gain("a", "b", y, units)
    assert np.isnan(estimate.p) and np.isnan(estimate.interval.low)
    rows = pd.DataFrame([{"nuisance": "sex", "correction": "decoder", "over": gains.NOTHING, "gain": estimate.interval,
                          "outcome": gains.FEW}])
    associated = pd.DataFrame({"goes with label": [False]}, index=["sex"])
    assert rules.something_to_remove(rows, associated)["verdict"] is None
    assert rules.network_pays(rows, gains.NOTHING)["verdict"] is None


def test_a_gain_that_comes_through_the_label_is_not_a_gain():
    both = (("decoder", gains.OPEN), ("both", gains.POSITIVE))
    rows = pd.DataFrame([{"nuisance": "style", "correction": correction, "over": gains.NOTHING,
                          "gain": spread(0.2).interval, "outcome": outcome} for correction, outcome in both])
    for goes, verdict in ((True, False), (False, True)):
        associated = pd.DataFrame({"goes with label": [goes]}, index=["style"])
        assert rules.something_to_remove(rows, associated)["verdict"] is verdict


def test_a_control_that_gains_is_called_out():
    value = spread(0.1).interval
    table = pd.DataFrame([{"nuisance": "singer", "control": permuted.WITHIN, "correction": "both", "gain": value,
                           "within": False, "why": gains._why(permuted.WITHIN, value, False)}])
    ruling = rules.controls_stay(table, 0.02)
    assert ruling["verdict"] is False and ruling["unexplained"] == 1
    assert "is associated with the label" in gains._why(permuted.WITHIN, value, True)
    assert "margin" in gains._why(permuted.OVER_ALL, value._replace(low=0.01), True)


def test_predictions_are_judged_where_the_corpus_has_their_nuisance_alone():
    rng = RNG(0)
    y, x = rng.integers(0, 4, 200), pd.DataFrame(rng.standard_normal((200, 3)), tracks(200))
    one = made("singer", pd.Series([f"s{i % 10}" for i in range(200)], x.index), x)
    right, wrong = np.broadcast_to(y, (3, 1, 200)), rng.integers(0, 4, (3, 1, 200))
    ids = {Corrected("", "nothing", "beta 1"): wrong}
    ids |= {Corrected("singer", correction, "beta 1"): right for correction in ("decoder", "both", "means")}
    run = SimpleNamespace(settings=SimpleNamespace(beta=4.0))
    ends = {(s, what): spread(change) for s, what, change in
            ((0.0, "label", 0.1), (0.0, "nuisance", -0.3), (1.0, "label", -0.2), (1.0, "nuisance", -0.2))}
    units = pd.Series(np.arange(200) % 20)
    table = judging.judged(run, Clustered(ids), [one], y, units, (None, None), ends)
    assert table["held"].all() and len(table) == 8 and table["replication"].sum() == 4
    contrary_ends = {at: Estimate(one.interval._replace(low=-one.interval.high, high=-one.interval.low), one.p)
                     for at, one in ends.items()}
    worse = judging.judged(run, Clustered({name: wrong for name in ids}), [one], y, units, (None, None), contrary_ends)
    assert not worse.loc[worse["predicted"] != "same", "held"].any()


def test_every_prediction_can_be_judged():
    written = yaml.safe_load((NOTEBOOKS / "predictions.yaml").read_text(encoding="utf-8"))
    for entry in written["nuisances"]:
        assert entry["correction"] in corrected.CORRECTIONS and entry["nmi"] in ("up", "down", "same", "not up")
        assert "says" in entry or entry["replication"] is True
    assert all(entry["correction"] in unseen.CORRECTIONS for entry in written["unseen"])
    strengths = protocol.protocol().strengths
    assert all(entry["strength"] in (min(strengths), max(strengths)) for entry in written["coincidence"])


def test_permutation_and_means_are_those_of_the_floor_below():
    """Nothing of the paradox is coded twice: both removals agree where every track is a training track."""
    rng = RNG(0)
    x, codes = rng.standard_normal((60, 3)), rng.integers(0, 4, 60)
    assert np.allclose(removal.means(x, codes, np.arange(60)), properties.remove_means(x, codes))
    assert (np.sort(nulls.permutation(60, rng, codes)) == np.arange(60)).all()
