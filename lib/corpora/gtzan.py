"""GTZAN, downloaded once where the network allows it."""

from __future__ import annotations

from pathlib import Path

from lib.errors import Problem
from lib.series import ROOT


def local_folder() -> Path:
    """The folder of genres under data/gtzan."""
    raise Problem(f"GTZAN is not in {ROOT / 'data' / 'gtzan'}: give its folder with --source")
