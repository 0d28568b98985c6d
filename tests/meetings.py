"""The consensus row's meetings with real corpora, by notebooks/protocols/consensus.yaml: `make meetings`.

Each corpus of notebooks/corpora.yaml that the protocol names is met with its seeds, one seed of every corpus after the
other; each seed's clusters are kept in build/meetings, so that a stop loses one seed. What was found until then is
written to notebooks/protocols/consensus_results.csv: numbers only. LATENT_GENRE_DATA names the folder of the corpora.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import yaml  # noqa: E402

from lib.features import preparation  # noqa: E402
from lib.models import consensus, contrastive  # noqa: E402
from lib.runner import batch  # noqa: E402
from lib.scores import agreement, clustering, intervals  # noqa: E402
from lib.scores import table as scores  # noqa: E402
from lib.store import artifacts, files, runs  # noqa: E402
from lib.store.errors import Problem  # noqa: E402
from lib.store.labels import open_labels  # noqa: E402
from lib.store.runs import Run  # noqa: E402
from lib.store.series import NOTEBOOKS, ROOT  # noqa: E402
from lib.studies.unsupervised import consensus as study  # noqa: E402

OUT = ROOT / "build" / "meetings"
K_MEANS = 3  # clustering seeds of the old row, as in the default profile


def prepared(entry: batch.Entry) -> Run:
    """A corpus of the batch in a folder of its own, its features made where they are missing."""
    given = {name: getattr(entry, name) for name in ("corpus", "source", "labels")}  # no words are needed
    run = runs.open_run("clustering_without_labels", "default", out=str(OUT / entry.name), **given)
    try:
        artifacts.load(run, "features", ["mfcc"])
    except (Problem, FileNotFoundError):
        preparation.prepare(run)
    return run


def meet(run: Run, k: int, seed: int, choice: consensus.Protocol) -> dict[str, np.ndarray]:
    """Both rows' clusters of one seed: `new` [track], `old` [K_MEANS, track], and of the first seeds `null` [track];
    `part_nmi` and `part_nmi_null` say how far partitions agree with `new` and with `null`."""
    log_mel = artifacts.load(run, "features", ["log_mel"]).log_mel
    best = contrastive.protocol()
    points = contrastive.joined(run, log_mel, [seed], best)[0]
    new, agreed = consensus.consensus(points, k, seed, choice)
    embedded = contrastive.best_latents(run, log_mel, [seed], best).mu.values[0].astype(float)
    old = [clustering.cluster(embedded, k, seed=1000 * seed + j) for j in range(K_MEANS)]
    found = {"track": log_mel.track.values.astype(str), "new": new, "part_nmi": agreed, "old": np.stack(old)}
    if seed < choice.null_seeds:
        found["null"], found["part_nmi_null"] = consensus.of_nothing(points, k, seed, choice)
    return found


def units(run: Run, column: str, tracks: np.ndarray) -> np.ndarray:
    """The sampling units of tracks: a column of the corpus's table (artist, singer), or exact copies as one."""
    if column:
        return artifacts.load(run, "columns").loc[tracks, column].astype(str).to_numpy()
    return artifacts.load(run, "tracks").loc[tracks, "group"].to_numpy()


def summary(found: dict[int, dict[str, np.ndarray]], labels: pd.Series, groups: np.ndarray) -> dict[str, object]:
    """The numbers of one corpus over the seeds that are there."""
    y = np.unique(labels.to_numpy(), return_inverse=True)[1]
    scored = agreement.counted(y)

    def nmi(clusters: np.ndarray, rows: np.ndarray) -> float:
        rows = rows[scored[rows]]
        return agreement.nmi(y[rows], clusters[rows])

    def of(one: dict[str, np.ndarray], rows: np.ndarray) -> tuple[float, float]:
        return nmi(one["new"], rows), float(np.mean([nmi(each, rows) for each in one["old"]]))

    def gains(rows: np.ndarray) -> np.ndarray:
        return np.array([np.subtract(*of(one, rows)) for one in found.values()])

    every = np.arange(len(y))
    new, old = np.array([of(one, every) for one in found.values()]).T
    null = [agreement.nmi_null(y, one["new"], np.random.default_rng([seed, 0]), 1)[0] for seed, one in found.items()]
    drawn = [one for one in found.values() if "null" in one]
    spans = {**{name: intervals.interval(each, within=intervals.SHARE) for name, each in (("nmi", new), ("old", old))},
             "gain": intervals.interval(new - old),
             "gain_over_tracks": intervals.over_seeds_and_groups(gains, groups).interval}
    return {
        "tracks": int(scored.sum()), "clusters": len(np.unique(y[scored])), "seeds": len(found),
        **{name + end: f"{value:.4f}" for name, span in spans.items()
           for end, value in zip(("", "_low", "_high"), span[:3], strict=True)},
        "units": spans["gain_over_tracks"].n, "nmi_null": f"{np.mean(null):.4f}",
        "nmi_gaussian": f"{np.mean([nmi(one['null'], every) for one in drawn]):.4f}",
        "part_nmi": f"{np.mean([one['part_nmi'] for one in drawn]):.4f}",
        "part_nmi_null": f"{np.mean([one['part_nmi_null'] for one in drawn]):.4f}",
    }


def kept(folder: Path) -> dict[int, dict[str, np.ndarray]]:
    """What was found so far in a corpus's folder, by seed."""
    found = {int(path.stem): dict(np.load(path)) for path in (folder / "seeds").glob("*.npz")}
    return dict(sorted(found.items()))


def write(row: dict[str, object]) -> None:
    """A corpus's row in the results, in place of an earlier one; rows in the protocol's order."""
    with files.locked(OUT):  # of several that meet a corpus each
        rows = {}
        if study.RESULTS.is_file():
            with study.RESULTS.open(newline="") as file:
                rows = {one["name"]: one for one in csv.DictReader(file)}
        rows[row["name"]] = row
        table = pd.DataFrame([rows[name] for name in meetings() if name in rows])
        files.write(study.RESULTS, lambda path: table.to_csv(path, index=False))


def meetings() -> dict[str, dict[str, str]]:
    """The corpora that the protocol wants met, by their name in notebooks/corpora.yaml."""
    return yaml.safe_load(consensus.PROTOCOL.read_text())["meetings"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", help="names of corpora; default: all of the protocol")
    parser.add_argument("--seeds", type=int, default=20, help="at most so many")
    asked, choice = parser.parse_args(), consensus.protocol()
    wanted = {name: about for name, about in meetings().items() if not asked.only or name in asked.only}
    entries = {entry.name: entry for entry in batch.load(NOTEBOOKS / "corpora.yaml").entries}
    opened = {}
    for name in wanted:
        print(f"{name}: preparing", flush=True)
        run = prepared(entries[name])
        opened[name] = run, open_labels(run, "evaluation")
    for seed in range(asked.seeds):
        for name, (run, labels) in opened.items():
            path = run.folder / "seeds" / f"{seed}.npz"
            if not path.is_file():
                found = meet(run, scores.n_clusters(run, labels), seed, choice)
                files.write(path, lambda path, found=found: np.savez(path, **found))
            found = kept(run.folder)
            if len(found) < 2:  # one seed has no interval
                continue
            tracks = next(iter(found.values()))["track"]
            about = {"name": name, "protocol": study.digest()} | wanted[name]
            units_of = units(run, about.pop("units"), tracks)
            write(about | summary(found, labels.loc[tracks], units_of))
            print(f"{name}: seed {seed} done", flush=True)


if __name__ == "__main__":
    main()
