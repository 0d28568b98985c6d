"""GTZAN, downloaded once where the network allows it, and unpacked with care.

Some of its faults (one file that cannot be decoded, exact copies, two of them across genres) a run finds as it would in
any collection. What only listeners found (Sturm 2013, 1306.1461: versions, several clips of one recording, distortion,
wrong labels) is left out on request, by a published list.
"""

from __future__ import annotations

import re
import tarfile
import tempfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import pooch
import requests

from lib.corpora.items import Item
from lib.store import files
from lib.store.errors import Problem
from lib.store.series import ROOT

# Where the archive has been published: the collection's own server (often down), and its copy on Hugging Face. Neither
# is under this project's control; what arrives is accepted by its hash alone, so plain HTTP does no harm.
MIRRORS = (
    "https://huggingface.co/datasets/marsyas/gtzan/resolve/main/data/genres.tar.gz",
    "http://opihi.cs.uvic.ca/sound/genres.tar.gz",
)
GENRES = {"blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock"}
SHA256 = "24347e0223d2ba798e0a558c4c172d9d4a19c00bb7963fe055d183dadb4ef2c6"
MAX_DOWNLOAD, MAX_UNPACKED, MAX_FILES = 2 * 10**9, 4 * 10**9, 20_000  # bytes, bytes, files; GTZAN: 1.2 and 1.3 GB, 1000
FAULTS = Path(__file__).with_name("gtzan_faults.txt")  # says its source
FAULT = "left out by the setting faults: it is in none of GTZAN's fault-filtered lists"
NAME = re.compile(r"([a-z]+\.\d{5})(\.|$)")
TIMEOUT = 30  # seconds without an answer before the next mirror is tried


def local_folder(
    folder: Path = ROOT / "data" / "gtzan", mirrors: Sequence[str] = MIRRORS, sha256: str = SHA256
) -> Path:
    """The folder of genres, downloaded into `folder` and unpacked there if it is not there yet.

    An interrupted download goes on where it stopped. Raises `Problem` when no mirror gives the archive.
    """
    genres = folder / "genres"
    if genres.is_dir():
        return genres
    archive = folder / "genres.tar.gz"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        failures = []
        for url in mirrors:
            try:
                pooch.retrieve(url, sha256, fname=archive.name, path=folder, downloader=download)
                break
            except (requests.RequestException, ValueError) as error:  # ValueError: another file than the one expected
                failures.append(f"{url}: {type(error).__name__}")
        else:
            raise Problem(
                f"GTZAN is not in {folder} and cannot be downloaded ({'; '.join(failures)}): put genres.tar.gz there, "
                "or its genre folders into genres/ there, or give the folder that holds them with --source"
            )
        unpack(archive, genres)
    except OSError as error:
        raise files.refused(folder, error) from error
    return genres


def without_faults(items: Sequence[Item]) -> tuple[list[Item], list[tuple[str, str]]]:
    """The items that are not among GTZAN's known faults, and (name, reason) of those that are.

    Raises `Problem` when no item has a name of GTZAN's, so that nothing could be looked up.
    """
    faults = {line for line in FAULTS.read_text().splitlines() if not line.startswith("#")}
    named = {item.name: NAME.match(item.name.rsplit("/", 1)[-1]) for item in items}
    if not any(named.values()):
        raise Problem("faults=drop needs GTZAN's own file names, such as blues.00000.wav: no track is called so "
                      f"(the first is {items[0].name})")
    faulty = {name for name, found in named.items() if found and found[1] in faults}
    return [item for item in items if item.name not in faulty], [(name, FAULT) for name in sorted(faulty)]


def download(url: str, output: str, caller: object = None) -> None:
    """A downloader for pooch that goes on with what an interrupted call left: pooch's own starts from zero."""
    part = Path(output).with_name("genres.tar.gz.part")
    start = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as answer:
        if not (start and answer.status_code == 416):  # 416: nothing is missing
            answer.raise_for_status()
            continues = answer.status_code == 206
            with open(part, "ab" if continues else "wb") as file:
                for block in answer.iter_content(2**16):
                    if file.tell() + len(block) > MAX_DOWNLOAD:
                        raise ValueError("larger than GTZAN")
                    file.write(block)
    part.replace(output)


def unpack(archive: Path, target: Path) -> None:
    """Unpack the folder `genres` of a tar archive as `target`, all of it or nothing.

    Raises `Problem` for an archive that is damaged, that would write outside its folder, that holds links or devices,
    or that is too large.
    """
    try:
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".unpacking-") as folder:
            with tarfile.open(archive) as tar:
                size = n = 0
                for member in tar:
                    size, n = size + member.size, n + 1
                    if size > MAX_UNPACKED or n > MAX_FILES:
                        raise Problem(f"{archive} unpacks to more than GTZAN: it is another archive; remove it")
                    if not (member.isfile() or member.isdir()):
                        raise Problem(f"{archive} holds a link or a device ({member.name}): it is not GTZAN; remove it")
                    tar.extract(member, folder, filter="data")
            if not Path(folder, "genres").is_dir():
                raise Problem(f"{archive} holds no folder 'genres': it is not GTZAN; remove it")
            Path(folder, "genres").rename(target)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise Problem(f"{archive} cannot be unpacked ({error}): remove it") from error
