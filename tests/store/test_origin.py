"""What made a run is said without a path or a name of this machine."""

import platform
import re

from lib.store import origin


def test_commit_and_machine_are_said_and_no_path(monkeypatch):
    found = origin.origin()
    assert int(found["cores"]) > 0 and platform.python_version() in found["python"]
    assert "commit" not in found or re.fullmatch(r"[0-9a-f]{12}( with changes)?", found["commit"])
    assert not any(str(origin.ROOT) in value or platform.node() in value.split() for value in found.values())
    monkeypatch.setenv("PATH", "")  # no git
    assert "commit" not in origin.origin()
