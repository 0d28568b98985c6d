"""Toy series for tests of the runner."""

from __future__ import annotations

import pytest

from tests.toys import notebook, series, writes


@pytest.fixture
def chain(tmp_path):
    """a -> b -> c, and d on its own."""
    folder = tmp_path / "notebooks"
    for name in "abcd":
        notebook(folder, name, f"value = '{name}'", writes(name, "value"))
    return series(folder, a="", b="a", c="b", d="")
