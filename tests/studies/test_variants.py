"""Variants of the built-in corpus: the answer to what clusters capture follows what was made to vary most."""

import types

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from lib.studies.paradox import rules, variants


@pytest.fixture
def factors() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    columns = {"bandwidth_hz": rng.uniform(5900, 10800, 300), "loudness_db": rng.normal(-22, 3, 300),
               "tempo_bpm": rng.uniform(60, 200, 300)}
    return pd.DataFrame(columns, pd.Index([f"t{i:03d}" for i in range(300)]))


def test_variants_have_the_ranges_that_they_are_named_for(factors):
    found = variants.drawn(factors, 0)
    spread = {name: factors.loc[part].std() for name, part in found.items()}
    assert [len(part) for part in found.values()] == [100] * 5
    assert not set(found["as composed, first draw"]) & set(found["as composed, second draw"])
    edge, level = ({name: one[of] for name, one in spread.items()} for of in (rules.EDGE, variants.LEVEL))
    first = "as composed, first draw"
    less, more = (edge[f"low-pass corner {how} varied"] for how in ("less", "more"))
    assert less < 0.5 * edge[first] < edge[first] < 0.8 * more
    both = "low-pass corner less, loudness more varied"
    assert edge[both] < 0.7 * edge[first] and level[both] > 1.2 * level[first]


@pytest.mark.parametrize("second, verdict", [("loudness_db", True), ("bandwidth_hz", False)])
def test_by_construction_is_said_only_where_the_share_differs(factors, second, verdict):
    genre = pd.Series((np.arange(300) % 3).astype(str), factors.index)
    run = types.SimpleNamespace(settings=types.SimpleNamespace(n_clusters=0, seed=0, n_permutations=99))

    def latents(name: str, part: pd.Index) -> xr.Dataset:
        mu = factors.loc[part, [name]].rank(pct=True).to_numpy()
        return xr.Dataset({"mu": (("seed", "track", "latent"), np.stack([mu, mu]))},
                          {"seed": [0, 1], "track": part.to_numpy()})

    halves = {rules.MORE: latents("bandwidth_hz", factors.index[:150]),
              rules.LESS: latents(second, factors.index[150:])}
    table = variants.captured(run, halves, factors, genre)
    assert table["most between clusters"].tolist() == ["bandwidth_hz", second]
    assert all(0.7 < share.mean <= 1 for share in table["share"])
    assert rules.by_construction(table)["verdict"] is verdict


def test_clusters_of_noise_capture_nothing_and_decide_nothing(factors):
    genre = pd.Series((np.arange(300) % 3).astype(str), factors.index)
    run = types.SimpleNamespace(settings=types.SimpleNamespace(n_clusters=0, seed=0, n_permutations=99))
    noise = xr.Dataset({"mu": (("seed", "track", "latent"), np.random.default_rng(1).standard_normal((2, 300, 2)))},
                       {"seed": [0, 1], "track": factors.index.to_numpy()})
    table = variants.captured(run, {rules.MORE: noise, rules.LESS: noise}, factors, genre)
    assert set(table["most between clusters"]) == {rules.NOTHING} and table["p"].min() > 0.05
    assert rules.by_construction(table)["verdict"] is False


def test_p_counts_the_draws(factors):
    genre = pd.Series((np.arange(300) % 3).astype(str), factors.index)
    run = types.SimpleNamespace(settings=types.SimpleNamespace(n_clusters=0, seed=0, n_permutations=99))
    mu = factors[["tempo_bpm"]].rank(pct=True).to_numpy()
    same = xr.Dataset({"mu": (("seed", "track", "latent"), np.stack([mu, mu]))},
                      {"seed": [0, 1], "track": factors.index.to_numpy()})
    alone, among = (variants.captured(run, dict.fromkeys(names, same), factors, genre) for names in ("a", "abcdef"))
    assert alone["p"].tolist() == [0.01] and alone["most between clusters"].tolist() == ["tempo_bpm"]
    assert among["p"].to_numpy() == pytest.approx(0.06) and set(among["most between clusters"]) == {rules.NOTHING}
