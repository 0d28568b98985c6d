"""How long does the explorer take to answer? `make bench-explorer` prints milliseconds, as a browser sees them:
JupyterLab, Chromium, a small synthetic corpus that is prepared first. It needs a quiet machine; tests say what happens.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from lib.studies.explorer import models  # noqa: E402
from tests.browsing import chromium, watched  # noqa: E402
from tests.jupyterlab import copied, run_all, serving  # noqa: E402

# From a change of a list to the first frames after which places have changed and hold texts, milliseconds of each
WAITED = """([list, value, waits]) => Promise.all(waits.map(([place, texts]) => new Promise((done, failed) => {
  const begun = performance.now(), first = document.querySelector(place).outerHTML;
  const look = () => {
    const now = document.querySelector(place), waited = Math.round(performance.now() - begun);
    if (now.outerHTML !== first && texts.every((text) => now.textContent.includes(text))) done(waited);
    else if (waited > 60000) failed(`${place} does not show ${texts} but: ${now.textContent}`);
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})).concat(new Promise((done) => {
  list.value = value;
  list.dispatchEvent(new Event("change", { bubbles: true }));
  done(0);
})))"""
SAID, PANELS = ".explorer .said", ".explorer .panels"


def measured(page) -> dict[str, int]:
    """Milliseconds by what was waited for."""
    box = page.locator(".explorer")

    def wait(name: str, option: str, waits: dict[str, tuple[str, list[str]]]) -> None:
        listed = box.get_by_label(name, exact=True).first
        value = listed.locator("option").filter(has_text=option).first.get_attribute("value")
        times = page.evaluate(WAITED, [listed.element_handle(), value, list(waits.values())])
        found.update(zip(waits, times, strict=False))

    found: dict[str, int] = {}
    wait("Beta", "1", {"stored model, first feedback": (SAID, []), "stored model, picture": (PANELS, ["beta 1, "]),
                       "stored model, all numbers": (SAID, ["beta 1, ", "(read from the store)", "are active"])})
    wait("Colour by", "metre", {"recolouring": (PANELS, [])})
    wait("Seed", "1", {"untrained model, progress": (SAID, ["Training"]),
                       "untrained model, all numbers": (SAID, ["seed 1 (trained now)", "are active"])})
    return found


def main() -> None:
    """Prepare, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tracks", type=int, default=200)
    settings = {"n_tracks": parser.parse_args().tracks, "seconds": 8.0, "betas": [1.0, 4.0], "n_seeds": 2}
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        run = models.open_run("smoke", out=f"{folder}/controlled-small", settings=settings)
        for beta in settings["betas"]:
            models.train(models.read(run), models.Choice("MLP", beta, "encoder and decoder (CVAE)", 0))
        with serving(copied(Path(folder), run.folder)) as address:
            page, _ = watched(browser, address[: address.index("/lab/")], viewport={"width": 1400, "height": 1250})
            run_all(page, address)
            for what, milliseconds in measured(page).items():
                print(f"{milliseconds:7d} ms  {what}")


if __name__ == "__main__":
    main()
