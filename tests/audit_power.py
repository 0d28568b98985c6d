"""How far the audit of arrays can be trusted: public runs, innocent folders, planted faults (`make audit-power`).

Prints three tables. Options: `--runs`, `--innocent`, `--guilty` for one of them, `--development` for other seeds.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import joblib
import yaml
from scipy import stats

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lib.studies.leakage.arrays import audit  # noqa: E402
from tests import public_runs, simulated_arrays  # noqa: E402

EFFECTS = yaml.safe_load((Path(__file__).parent / "effects.yaml").read_text())


def accusations(kind: str, seed: int) -> list[str]:
    """What an innocent folder is accused of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        report = audit.audit(simulated_arrays.innocent(kind, seed), n_nulls=0)
    return [f"{kind}, seed {seed}: {one.test} {one.subject}: {one.sentence}" for one in report.accusations]


def is_found(test: str, seed: int) -> bool:
    """Is a planted fault found?"""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        report = audit.audit(simulated_arrays.guilty(test, seed, **EFFECTS["effects"][test]), n_nulls=0)
    return bool(report.found(test.partition(",")[0]))


def innocent(first: int, jobs: int = 2) -> bool:
    """Print how many innocent folders of each kind are accused; are they few enough?"""
    n, total = EFFECTS["innocent_per_kind"], 0
    print(f"\nInnocent folders, {n} of each kind: accused of anything, upper 95 % bound of the rate")
    for kind in simulated_arrays.INNOCENT:
        said = joblib.Parallel(jobs)(joblib.delayed(accusations)(kind, first + i) for i in range(n))
        count = sum(map(bool, said))
        total += count
        bound = stats.binomtest(count, n, alternative="less").proportion_ci(0.95).high
        print(f"  {kind:20s} {count:3d} of {n}   at most {bound:.3f}", flush=True)
        for line in (line for lines in said for line in lines):
            print(f"      {line[:300]}")
    print(f"  {total} of {n * len(simulated_arrays.INNOCENT)} accused; allowed are {EFFECTS['alarms']}")
    return total <= EFFECTS["alarms"]


def guilty(first: int, jobs: int = 2) -> bool:
    """Print how often each planted fault is found; often enough?"""
    n, enough = EFFECTS["guilty_per_kind"], True
    print(f"\nPlanted faults, {n} folders each: found, lower 95 % bound (effects: tests/effects.yaml)")
    for test in EFFECTS["effects"]:
        count = sum(joblib.Parallel(jobs)(joblib.delayed(is_found)(test, first + i) for i in range(n)))
        bound = stats.binomtest(count, n, alternative="greater").proportion_ci(0.95).low
        enough &= count >= EFFECTS["power"] * n
        print(f"  {test:28s} {count:3d} of {n}   at least {bound:.3f}", flush=True)
    return enough


def main(arguments: list[str]) -> int:
    """Print what was asked for; 1 where it is not good enough."""
    every = not {"--runs", "--innocent", "--guilty"} & set(arguments)
    first = EFFECTS["seeds"]["development" if "--development" in arguments else "judgement"]
    good = True
    if every or "--runs" in arguments:
        good &= public_runs.show()
    if every or "--guilty" in arguments:
        good &= guilty(first)
    if every or "--innocent" in arguments:
        good &= innocent(first)
    return int(not good)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
