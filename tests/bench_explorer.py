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

# From a change of a list to the first frame after which `seen` holds, milliseconds
WAITED = """([list, value, place, text]) => new Promise((done) => {
  const begun = performance.now(), first = document.querySelector(place).outerHTML;
  list.value = value;
  list.dispatchEvent(new Event("change", { bubbles: true }));
  const look = () => {
    const now = document.querySelector(place);
    if (text ? now.textContent.includes(text) : now.outerHTML !== first) done(Math.round(performance.now() - begun));
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})"""


def measured(page) -> dict[str, int]:
    """Milliseconds by what was waited for."""
    box = page.locator(".explorer")

    def wait(name: str, option: str, place: str, text: str = "") -> int:
        listed = box.get_by_label(name, exact=True).first
        value = listed.locator("option").filter(has_text=option).first.get_attribute("value")
        return page.evaluate(WAITED, [listed.element_handle(), value, place, text])

    found = {"first feedback": wait("Beta", "1", ".explorer .said")}
    box.locator(".said").filter(has_text="beta 1, ").wait_for()
    found["recolouring"] = wait("Colour by", "metre", ".explorer .panels")
    found["stored model, picture"] = wait("Beta", "4", ".explorer .panels", "beta 4")
    box.locator(".said").filter(has_text="beta 4, ").wait_for()
    found["stored model, all numbers"] = wait("Beta", "1", ".explorer .said", "dimensions are active")
    found["untrained model, progress"] = wait("Seed", "1", ".explorer .said", "Training")
    box.locator(".said").filter(has_text="dimensions are active").wait_for()
    return found


def main() -> None:
    """Prepare, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tracks", type=int, default=200)
    settings = {"n_tracks": parser.parse_args().tracks, "seconds": 8.0, "betas": [1.0, 4.0], "n_seeds": 2}
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        run = models.open_run("smoke", out=f"{folder}/controlled-small", settings=settings)
        with serving(copied(Path(folder), run.folder)) as address:
            page, _ = watched(browser, address[: address.index("/lab/")], viewport={"width": 1400, "height": 1250})
            run_all(page, address)
            for what, milliseconds in measured(page).items():
                print(f"{milliseconds:7d} ms  {what}")


if __name__ == "__main__":
    main()
