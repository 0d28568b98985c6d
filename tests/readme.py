"""Fill README.md with the numbers of finished runs: `make readme ARGS="build/corpora"`, a folder of runs; what README
quotes of runs that are not there stays.

`figures/readme.yaml` lists what README quotes: of which run (the name of its folder), and there which number of which
finding, or the mean over which rows of the score table; or of which meeting of the consensus row. What was printed,
the runs' commits, and the table of claims (`figures/claims.csv`) are kept beside it, so that a test can compare
README with them where no run is. The pages of the book that README shows (`figures/pages.png`) are drawn with
Chromium.
"""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

import pandas as pd  # noqa: E402
import yaml  # noqa: E402
from PIL import Image  # noqa: E402

from lib.report import replication  # noqa: E402
from lib.runner import batch  # noqa: E402
from lib.scores.intervals import Interval, interval  # noqa: E402
from lib.store import artifacts, runs  # noqa: E402
from lib.store.series import NOTEBOOKS, ROOT  # noqa: E402
from lib.studies.unsupervised import consensus  # noqa: E402
from tests import browsing  # noqa: E402

README, NUMBERS, CLAIMS = ROOT / "README.md", ROOT / "figures" / "readme.yaml", ROOT / "figures" / "claims.csv"
BLOCK = re.compile(r"(?<=<!-- claims -->\n).*?(?=<!-- /claims -->)", re.DOTALL)
GALLERY = ROOT / "figures" / "pages.png"
PAGES = {"00_overview": "body", "05_beta_vae": "#fig-beta_active", "09_cvae_latent_space": "#fig-paradox_planes"}
STYLES = {replication.HOLDS: "**{}**", replication.REVERSED: "*{}*"}


class Known(NamedTuple):
    """What an earlier table says of a claim on one run."""

    state: str
    effect: Interval


def titles(about: dict[str, Any]) -> dict[str, str]:
    """What the table of claims calls each run."""
    return {name: run["title"] for name, run in about["runs"].items()}


def findings_of(folder: Path) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for record in runs.load_records(folder).values() for one in record.get("findings", [])}


def printed(folder: Path, entry: dict[str, Any]) -> str:
    """A number as README prints it."""
    if "meeting" in entry:
        value = _met(entry)
    elif "finding" in entry:
        value = findings_of(folder)[entry["finding"]]["numbers"][entry["number"]]
        value = Interval(*value) if isinstance(value, list) else value
    else:
        table = artifacts.scores_of(folder)
        for column, wanted in entry["rows"].items():
            table = table[table[column] == wanted]
        value = interval(table.groupby("seed")["value"].mean())
    part = entry.get("part")
    return format(getattr(value, part) if part else value, entry["format"]).replace("%", " %")


def _met(entry: dict[str, Any]) -> Interval | float:
    """A number of one of the meetings of the consensus row (`tests/meetings.py`)."""
    row, number = pd.read_csv(consensus.RESULTS).set_index("name").loc[entry["meeting"]], entry["number"]
    if f"{number}_low" not in row:
        return float(row[number])
    return Interval(row[number], row[f"{number}_low"], row[f"{number}_high"], int(row["seeds"]))


def pattern(entry: dict[str, Any]) -> str:
    """A regular expression for a number in README, which may be broken over lines; `kept` is what stands before it."""
    before, number = (r"\s+".join(map(re.escape, entry.get(part, "").split())) for part in ("before", "printed"))
    return rf"(?P<kept>{before}\s*){number}" if before else rf"(?P<kept>){number}"


def claims_of(folders: dict[str, Path], collections: dict[str, str], before: pd.DataFrame) -> pd.DataFrame:
    """What each run says of each general claim, and on how many collections it holds; of runs that are not there, what
    was known `before`."""
    found = {name: replication.verdicts(findings_of(folder)) if folder.is_dir() else _known(before, name)
             for name, folder in folders.items()}
    rows = []
    for claim, about in replication.general().items():
        states = {run: one[claim].state if claim in one else replication.ABSENT for run, one in found.items()}
        if set(states.values()) == {replication.ABSENT}:
            continue
        holds = replication.counted(states, collections).partition(";")[0]
        for run, one in found.items():
            effect = one[claim].effect if claim in one else Interval(*[float("nan")] * 3, 0)
            rows.append({"claim": about["says"], "run": run, "state": states[run], "effect": effect.mean,
                         "low": effect.low, "high": effect.high, "holds": holds})
    return pd.DataFrame(rows).round(7)


def _known(before: pd.DataFrame, run: str) -> dict[str, Known]:
    """A run's rows of an earlier table of claims, by claim."""
    names = {about["says"]: claim for claim, about in replication.general().items()}
    return {names[row.claim]: Known(row.state, Interval(row.effect, row.low, row.high, 0))
            for row in before[before["run"] == run].itertuples() if row.claim in names}


def markdown(claims: pd.DataFrame, titles: dict[str, str]) -> str:
    """The table of claims; **bold** holds, *italic* is reversed."""
    lines = [f"| claim | {' | '.join(titles.values())} | holds on |", "|---" * (len(titles) + 2) + "|"]
    for claim, rows in claims.groupby("claim", sort=False):
        of = rows.set_index("run").reindex(titles)
        cells = ["–" if pd.isna(row.effect) else _cell(row) for row in of.itertuples()]
        lines.append(f"| {claim} | {' | '.join(cells)} | {rows['holds'].iloc[0]} |")
    return "\n".join(lines) + "\n"


def _cell(row: Any) -> str:
    values = (row.effect, row.low, row.high)
    effect, *ends = (f"{value:+.3f}" if abs(value) < 2 else f"{value:+.1f}" for value in values)
    return f"{STYLES.get(row.state, '{}').format(effect)} [{', '.join(ends)}]"


def gallery(book: Path) -> None:
    """Draw `PAGES` of a book beside each other."""
    shots = []
    with browsing.chromium() as browser:
        page, _ = browsing.watched(browser, viewport={"width": 1080, "height": 1200}, reduced_motion="reduce")
        for name, top in PAGES.items():
            page.goto((book / f"{name}.html").as_uri())
            page.evaluate("top => document.querySelector(top).scrollIntoView()", top)
            page.wait_for_timeout(500)
            shots.append(Image.open(io.BytesIO(page.screenshot())).convert("RGB").resize((540, 600), Image.LANCZOS))
    whole = Image.new("RGB", (540 * len(shots) + 12 * (len(shots) - 1), 600), "#bbbbbb")
    for i, shot in enumerate(shots):
        whole.paste(shot, (552 * i, 0))
    whole.quantize(256).save(GALLERY, optimize=True)


def main(root: Path) -> None:
    found = batch.load(NOTEBOOKS / "corpora.yaml")
    about, text = yaml.safe_load(NUMBERS.read_text()), README.read_text()
    folders = {name: root / name for name in about["runs"]}
    for entry in about["numbers"]:
        folder = folders.get(entry.get("run"), Path())
        if not folder.is_dir():
            continue
        new = printed(folder, entry)
        text, n = re.subn(pattern(entry), lambda found, new=new: found["kept"] + new, text)
        if n != 1:
            sys.exit(f"README.md says {entry['printed']!r} {n} times: mend {NUMBERS.relative_to(ROOT)}")
        entry["printed"] = new
    for name, known in about["runs"].items():
        if folders[name].is_dir():
            known["commit"] = runs.read_record(folders[name]).get("origin", known)["commit"]
    claims = claims_of(folders, found.collections, pd.read_csv(CLAIMS, keep_default_na=False, na_values=[""]))
    claims.to_csv(CLAIMS, index=False)
    README.write_text(BLOCK.sub(lambda _: markdown(claims, titles(about)), text))
    head = "".join(re.findall(r"^#.*\n", NUMBERS.read_text(), re.MULTILINE))
    NUMBERS.write_text(head + yaml.safe_dump(about, sort_keys=False, width=120, default_flow_style=None))
    if folders["built-in"].is_dir():
        gallery(folders["built-in"] / "html")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
