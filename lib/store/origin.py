"""What made a run: the commit of the code, and the kind of machine; no path and no name of either."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

from lib.store.series import ROOT


def origin() -> dict[str, str]:
    """Commit, processor, cores and system; what is not known is left out."""
    found = {"commit": _commit(), "processor": _processor(), "cores": str(os.cpu_count() or ""),
             "system": f"{platform.system()} {platform.release()}, {platform.machine()}",
             "python": f"{platform.python_implementation()} {platform.python_version()}"}
    return {name: value for name, value in found.items() if value}


def _commit() -> str:
    """The commit, and whether files of it have changed since; "" outside a repository."""
    try:
        commit = _git("rev-parse", "HEAD")[:12]
        return commit + " with changes" * bool(_git("status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.SubprocessError):
        return ""


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.strip()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "Model")))
    except (OSError, StopIteration):
        return platform.processor()
