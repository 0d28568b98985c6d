"""The audit of a folder of arrays, printed: `python -m lib.studies.leakage FOLDER [--json FILE]`.

Exit code 0: nothing that speaks against the study is proved; 1: something is; 2: the folder cannot be audited.
"""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from pathlib import Path

from lib.store.errors import Problem
from lib.studies.leakage.arrays import audit, reading
from lib.studies.leakage.arrays.report import ArrayReport


def main(arguments: list[str] | None = None) -> int:
    """Audit the folder, print what was found, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m lib.studies.leakage", description="Audit a folder of arrays.")
    parser.add_argument("folder", type=Path, help="arrays (.npy, .npz, .csv, .parquet, .pt) with their labels "
                                                  "(y.npy, say)")
    parser.add_argument("--json", type=Path, help="write audit.json here too (schema: "
                                                  "lib/studies/leakage/arrays/schema.md)")
    asked = parser.parse_args(arguments)
    try:
        report = audit.audit(reading.load(asked.folder))
    except Problem as problem:
        print(problem, file=sys.stderr)
        return 2
    print(written(report))
    if asked.json:
        asked.json.write_text(json.dumps(report.to_json(), indent=1, allow_nan=False))
    return int(report.proved)


def written(report: ArrayReport) -> str:
    """The report as text: verdict, what was found, what is open, what was taken for what."""
    lines = [report.verdict(), ""]
    for _, row in report.summary().iterrows():
        lines += textwrap.wrap(f"{row['where']}: {row['what']} [{row['how sure']}]", 110, subsequent_indent="    ")
    for one in report.findings:
        if one.verdict == "not decided":
            lines += textwrap.wrap(f"not decided, {one.subject}: {one.test}: {one.sentence}", 110,
                                   subsequent_indent="    ")
    lines += ["", f"looked at: {report.looked}", "taken for:"]
    lines += [f"    {name}: {kind}" for name, kind in report.kinds.items()]
    lines += [f"skipped {file}: {reason}" for file, reason in report.skipped]
    return "\n".join([*lines, "", "questions to the authors:", *(f"    {q}" for q in report.questions().iloc[:, 1])])


if __name__ == "__main__":
    sys.exit(main())
