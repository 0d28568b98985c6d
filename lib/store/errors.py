"""A user's mistake, said in one sentence."""

from __future__ import annotations


class Problem(Exception):
    """Something that the user can put right: the message says what is wrong, where, and what to do next.

    Jupyter shows the sentence alone; the runner prints it and exits with a non-zero code.
    """

    def _render_traceback_(self) -> list[str]:
        return [f"Problem: {self}"]


class Unusable(Exception):
    """One clip cannot be used, and the message is the reason: it is listed and skipped, the run goes on."""
