"""What does a stage of the series cost as tracks grow? CPU seconds and peak memory at 1k, 3k, 10k and 30k tracks.

    make bench-scale                                     # an hour or two; each stage is a process of its own
    make bench-scale ARGS="--sizes 1000 3000 --stages scores readers"

Log-mels are those of tracks of the built-in corpus, mixed two and two within a genre, shifted in time and equalised at
random, so that no two are copies. Models are trained for a few epochs of few seeds: it is the exponent that counts.
Measurements are kept in build/bench-scale/measured.json and replaced one by one; the figure shows all of them.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np  # noqa: E402
import pandas as pd
import scipy.fft
import xarray as xr

from lib.corpora import registry
from lib.features import audio, extraction, sets
from lib.models import consensus, contrastive, convolutional
from lib.models.latents import mlp_latents, umap_latents
from lib.report import plots, showing, style
from lib.scores import clustering, how_many, jackknife, probes, sampling
from lib.scores import table as scores
from lib.store import artifacts, labels, runs, sizes
from lib.store.artifacts import OnDisk
from lib.store.engine import ONE_THREAD
from lib.store.runs import Run
from lib.store.series import ROOT
from lib.store.settings import load
from lib.studies.leakage import copies
from lib.studies.paradox import experiments

OUT = ROOT / "build" / "bench-scale"
FMA = 106_574  # tracks of FMA (Defferrard et al. 2017)
FROM = 3_000  # tracks from which exponents count
SETTINGS = {"epochs": 4, "conv_epochs": 1, "n_seeds": 2, "n_seeds_sweep": 2, "n_cluster_seeds": 1, "n_nulls": 5}


# --- a corpus of any size ----------------------------------------------------------------------------------------
def make(run: Run, n: int, base: int) -> None:
    """Fill a run's store with `n` tracks made from `base` composed ones."""
    settings = load("default", settings={"n_tracks": base})
    items = registry.open(settings).items
    paths = extraction.extract_all(items, settings, progress=print).paths
    known = np.stack([extraction.load_log_mel(path) for path in paths.values()])
    genre = np.array([items[i].label for i in paths])
    rng = np.random.default_rng(n)
    first = rng.integers(0, len(known), n)
    second = np.array([rng.choice(np.flatnonzero(genre == genre[i])) for i in first])
    ids = [f"t{i:016x}" for i in range(n)]
    artifacts.save_corpus(run, ids, {"corpus": "controlled", "title": "resampled", "synthetic": True, "n_labels": 10})
    labels.seal(run, pd.Series(genre[first], index=ids))
    about = pd.DataFrame({"group": ids, "seconds": 30.0}, index=pd.Index(ids, name="track"))
    artifacts.save(run, "tracks", about)
    statistics: list[np.ndarray] = []

    def blocks() -> Iterator[np.ndarray]:
        for rows in np.split(np.arange(n), range(sizes.BLOCK, n, sizes.BLOCK)):
            shift = rng.integers(0, known.shape[2], len(rows))
            mixed = 0.7 * known[first[rows]] + 0.3 * known[second[rows]]
            mixed += 200 * np.cumsum(rng.standard_normal((len(rows), known.shape[1], 1)), axis=1) / 8
            made = np.stack([np.roll(one, s, axis=1) for one, s in zip(mixed, shift, strict=True)]).astype(np.int16)
            cepstrum = scipy.fft.dct(made / np.float32(100), axis=1, norm="ortho")[:, :20]
            statistics.append(np.concatenate([cepstrum.mean(2), cepstrum.std(2), np.diff(cepstrum).std(2)], axis=1))
            yield made

    large = OnDisk("log_mel", ("track", "band", "frame"), np.dtype(np.int16),
                   {"scale_factor": np.float32(0.01), "units": "dB"}, blocks())
    coords = {"track": ids, "band": audio.band_frequencies(True, audio.SAMPLE_RATE),
              "frame": np.arange(known.shape[2]) * extraction.POOL * extraction.HOP_LENGTH / audio.SAMPLE_RATE}
    artifacts.save(run, "features", xr.Dataset(coords=coords), large=large)
    mfcc = np.concatenate(statistics)
    both = {"mfcc": (("track", "mfcc_stat"), mfcc[:, :40]), "mfcc_delta": (("track", "mfcc_delta_stat"), mfcc)}
    artifacts.save(run, "statistics", xr.Dataset(both, {"track": ids, "mfcc_stat": audio.MFCC_STATS,
                                                        "mfcc_delta_stat": [f"s{i}" for i in range(60)]}))


def features(run: Run) -> pd.DataFrame:
    return artifacts.load(run, "statistics", ["mfcc"]).mfcc.to_pandas()


def log_mel(run: Run) -> xr.DataArray:
    return artifacts.load(run, "features").log_mel


def genres(run: Run) -> pd.Series:
    return labels.open_labels(run, "conditioning")


def vae(run: Run) -> xr.Dataset:
    x = features(run)
    return mlp_latents(run, "vae", x, experiments.config(run, x.shape[1]), run.seeds)


def mu(run: Run) -> np.ndarray:
    return vae(run).mu.values[0].astype(float)


# --- stages, in an order in which each finds what it reads -----------------------------------------------------------
def _cvae(run: Run) -> tuple:
    x, given = features(run), genres(run)
    return mlp_latents(run, "cvae", x, experiments.config(run, x.shape[1], given), run.seeds, labels=given), x, given


def _conditioning(run: Run) -> None:
    found = _cvae(run)
    experiments.swap(*found)
    experiments.decode_under(*found)


def _stability(run: Run) -> None:
    groups = np.arange(len(features(run)))
    experiments.stability(run, {"vae": vae(run)}, groups, 10)


def _left_out(run: Run) -> None:
    for metric in ("nmi", "silhouette", "probe_mu"):
        jackknife.of(run, vae(run), genres(run), metric, 10)


def _page(run: Run) -> None:
    showing.show(run, plots.scatter(mu(run), genres(run)), "scatter", "Points.")


STAGES: dict[str, Callable[[Run], object]] = {
    "feature sets": lambda run: (sets.log_mel_statistics(log_mel(run)), sets.modulation_spectrum(log_mel(run))),
    "crops": lambda run: contrastive.crop_statistics(log_mel(run), 21.5, 10.0, 5),
    "VAE": vae,
    "CVAE": _cvae,
    "swap": _conditioning,
    "scores": lambda run: scores.score(run, vae(run), genres(run), probes=True),
    "units": _left_out,
    **{name: (lambda run, name=name: clustering.cluster(mu(run), 10, name)) for name in clustering.CLUSTERERS},
    **{name: (lambda run, name=name: probes.probe_accuracy(mu(run), genres(run).to_numpy(), name))
       for name in probes.READERS},
    "online code": lambda run: probes.online_code(mu(run), genres(run).to_numpy()),
    "how many": lambda run: how_many.criteria(mu(run), 6),
    "stability": _stability,
    "sampling": lambda run: sampling.errors(features(run).to_numpy(float), genres(run).to_numpy(), 10),
    "consensus": lambda run: consensus.consensus(mu(run).astype(np.float32), 10, 0, consensus.protocol()),
    "UMAP": lambda run: umap_latents(run, features(run), 10, [0]),
    "contrastive": lambda run: contrastive.contrastive_latents(run, log_mel(run), [0],
                                                               contrastive.protocol(most_epochs=3)),
    "ConvVAE": lambda run: convolutional.conv_latents(run, log_mel(run), [0]),
    "near copies": lambda run: copies.near_copies(features(run).to_numpy(float)),
    "scatter": _page,
}


def child(stage: str, n: int, base: int) -> None:
    """Measure one stage in this process and print it as JSON: CPU seconds (of it alone), peak GB (of the process)."""
    run = runs.open_run("paradox", "smoke", out=str(OUT / f"run-{n}"), settings=SETTINGS)
    start = time.process_time()
    make(run, n, base) if stage == "make" else STAGES[stage](run)
    used = time.process_time() - start
    print(json.dumps({"cpu": used, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}))


# --- all of them -------------------------------------------------------------------------------------------------
def measure(stage: str, n: int, base: int, limit: float) -> dict[str, float] | str:
    """CPU seconds and peak memory of a stage at `n` tracks, or why there are none."""
    command = [sys.executable, __file__, "--child", stage, "--sizes", str(n), "--base", str(base)]
    try:
        done = subprocess.run(command, env=os.environ | ONE_THREAD, capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired:
        return f"not within {limit:g} s"
    if done.returncode:
        return (done.stderr.strip().splitlines() or ["it died"])[-1]
    return json.loads(done.stdout.strip().splitlines()[-1])


def exponent(points: dict[int, float], start: int = FROM) -> float:
    """Slope of log values over log sizes, of sizes from `start` on; NaN of fewer than two."""
    some = [(np.log(n), np.log(max(value, 1e-3))) for n, value in points.items() if n >= start]
    return float(np.polyfit(*zip(*some, strict=True), 1)[0]) if len(some) > 1 else float("nan")


def tables(measured: dict[str, dict[str, dict]]) -> pd.DataFrame:
    """A row per stage: CPU seconds and peak GB at each size, the exponent of the seconds from `FROM` on and of the last
    two sizes (a stage that begins to sample, or to do more, above `FROM` makes one step there), and what `FMA` would
    take."""
    rows = []
    for stage in STAGES:
        found = {int(n): one for n, one in measured.get(stage, {}).items() if isinstance(one, dict)}
        if not found:
            continue
        cpu, peak = ({n: found[n][what] for n in sorted(found)} for what in ("cpu", "peak"))
        slope, last = exponent(cpu), max(cpu)
        late = exponent(cpu, sorted(cpu)[-2]) if len(cpu) > 1 else np.nan
        large = [(n, gb) for n, gb in peak.items() if n >= FROM]
        most = np.polyfit(*zip(*large, strict=True), 1) if len(large) > 1 else [np.nan]
        rows.append({"stage": stage, **{f"{n} s": value for n, value in cpu.items()}, "exponent": slope,
                     "of the last two": late,
                     **{f"{n} GB": value for n, value in peak.items()},
                     "FMA s": cpu[last] * (FMA / last) ** slope, "FMA GB": np.polyval(most, FMA)})
    return pd.DataFrame(rows).set_index("stage")


def draw(measured: dict[str, dict[str, dict]], table: pd.DataFrame) -> Path:
    figure, axes = style.new(style.PAGE, 5.5, 1, 2)
    for i, stage in enumerate(table.index):
        found = sorted((int(n), one) for n, one in measured[stage].items() if isinstance(one, dict))
        for ax, what in zip(axes, ("cpu", "peak"), strict=True):
            ax.loglog([n for n, _ in found], [one[what] for _, one in found], color=style.PALETTE[i % 10],
                      marker=style.MARKERS[i % 10], ls=("-", "--", ":")[i // 10 % 3], ms=3, lw=1,
                      label=f"{stage}: {table.loc[stage, 'exponent']:.2f}")
    axes[0].set(xlabel="tracks", ylabel="CPU seconds")
    axes[1].set(xlabel="tracks", ylabel="peak memory, GB")
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside right upper", fontsize=5, title="stage: exponent", title_fontsize=6)
    path = OUT / "scale.png"
    path.write_bytes(showing.png(figure))
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 3000, 10000, 30000])
    parser.add_argument("--stages", nargs="+", default=[*STAGES], choices=[*STAGES], metavar="STAGE")
    parser.add_argument("--base", type=int, default=1000, help="composed tracks that the others are made from")
    parser.add_argument("--limit", type=float, default=3600.0, help="seconds for one stage")
    parser.add_argument("--child", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        return child(options.child, options.sizes[0], options.base)
    OUT.mkdir(parents=True, exist_ok=True)
    kept = OUT / "measured.json"
    measured = json.loads(kept.read_text()) if kept.is_file() else {}
    for n in options.sizes:
        if not (OUT / f"run-{n}" / "store" / "statistics.nc").is_file():
            print(f"{n} tracks: {measure('make', n, options.base, options.limit)}", flush=True)
        for stage in options.stages:
            found = measure(stage, n, options.base, options.limit)
            print(f"{n:7} {stage:14} {found}", flush=True)
            measured.setdefault(stage, {})[str(n)] = found
            kept.write_text(json.dumps(measured, indent=1))
    table = tables(measured)
    print(table.round(2).to_string())
    print(f"{FMA} tracks would take {table['FMA s'].sum() / 3600:.1f} CPU hours in these stages, with few epochs of "
          f"few seeds, and {table['FMA GB'].max():.1f} GB in the largest process, if it goes on like that.")
    print(draw(measured, table))


if __name__ == "__main__":
    main()
