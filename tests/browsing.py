"""A headless browser for tests, with the network off and everything that goes wrong on a page written down."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
REQUIRED = "LATENT_GENRE_BROWSER"  # set by .ci/run: a missing browser is then a failure, never a skip
PATIENCE = 300_000  # milliseconds for one answer: a loaded machine is slow
expect.set_options(timeout=PATIENCE)


@dataclass
class Trouble:
    """What a page complained about."""

    console: list[str] = field(default_factory=list)  # errors on the console, exceptions that nobody caught
    messages: list[str] = field(default_factory=list)  # all that the console says
    requests: list[str] = field(default_factory=list)  # requests that failed, or went to a network


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """The machine's own Chromium, headless. Without one the test is skipped, but fails where one was promised."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        (pytest.fail if os.environ.get(REQUIRED) else pytest.skip)("no Chromium here: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


def watched(browser: Browser, local: str = "file://", **settings) -> tuple[Page, Trouble]:
    """A new page, and the list of what went wrong on it. Requests that do not begin with `local` are cut off.

    `settings` go to `Browser.new_context` (viewport, color_scheme, ...).
    """
    page, trouble = browser.new_context(**settings).new_page(), Trouble()
    page.set_default_timeout(PATIENCE)
    page.on("console", lambda message: trouble.console.append(message.text) if message.type == "error" else None)
    page.on("console", lambda message: trouble.messages.append(message.text))
    page.on("pageerror", lambda error: trouble.console.append(str(error)))
    page.on("requestfailed", lambda request: trouble.requests.append(request.url))

    def gate(route):
        allowed = route.request.url.startswith((local, "data:", "blob:"))
        return route.continue_() if allowed else route.abort()  # an aborted request is a failed one

    page.route("**/*", gate)
    return page, trouble
