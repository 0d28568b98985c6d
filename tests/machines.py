"""A Dask cluster of this machine for tests: a scheduler and workers, each a process, all ended at the end."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from lib.store import cluster, engine
from lib.store.series import ROOT
from tests.running import wait_until


class Machines(NamedTuple):
    address: str
    scheduler: subprocess.Popen
    workers: list[subprocess.Popen]


@contextlib.contextmanager
def machines(folder: Path, workers: int, tls: Path | None = None) -> Iterator[Machines]:
    """A scheduler and its workers, which leave their files in `folder`."""
    found = folder / "scheduler.json"
    safe = [f"--tls-{part}={tls / name}.pem" for part, name in (("ca-file", "ca"), ("cert", "cert"), ("key", "key"))
            ] if tls else []
    settings = {"ALLOWED_FAILURES": "1", "IDLE_TIMEOUT": "1h"}  # who is killed ends nobody: then they end themselves
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    environment |= {f"DASK_DISTRIBUTED__SCHEDULER__{name}": value for name, value in settings.items()}

    def start(program: str, *options: str) -> subprocess.Popen:
        log = (folder / f"{program}.log").open("a")
        return subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.{program}", "--scheduler-file", str(found), *options, *safe],
            cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True)

    protocol = "tls" if tls else "tcp"
    started = [start("dask_scheduler", "--port=0", f"--protocol={protocol}", "--host=127.0.0.1",
                     "--dashboard-address=127.0.0.1:0")]
    try:
        assert wait_until(lambda: found.is_file() and found.read_text().endswith("}"))
        started += [start("dask_worker", "--nthreads=1", "--no-dashboard", f"--local-directory={folder}")
                    for _ in range(workers)]
        yield Machines(json.loads(found.read_text())["address"], started[0], started[1:])
    finally:
        for one in reversed(started):
            with contextlib.suppress(OSError):
                os.killpg(one.pid, 9)
            one.wait()


@contextlib.contextmanager
def working_at(monkeypatch, address: str, tls: Path | None = None) -> Iterator[None]:
    """While this is open, the engine's work in this process is done there."""
    monkeypatch.setenv(engine.CLUSTER, address)
    monkeypatch.setenv(cluster.TLS, str(tls or ""))
    cluster.connected.cache_clear()
    try:
        yield
    finally:
        if cluster.connected.cache_info().currsize:
            cluster.connected().close()
        cluster.connected.cache_clear()


def signed(folder: Path) -> Path:
    """Certificates as an administrator makes them: an authority of its own, and one certificate for all roles."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    folder.mkdir()
    now = datetime.datetime.now(datetime.UTC)
    keys = {name: ec.generate_private_key(ec.SECP256R1()) for name in ("ca", "cert")}
    names = {name: x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in keys}
    for name, key in keys.items():
        made = x509.CertificateBuilder(
            issuer_name=names["ca"], subject_name=names[name], public_key=key.public_key(),
            serial_number=x509.random_serial_number(), not_valid_before=now - datetime.timedelta(days=1),
            not_valid_after=now + datetime.timedelta(days=1),
        ).add_extension(x509.BasicConstraints(ca=name == "ca", path_length=None), critical=True)
        signed_by_authority = made.sign(keys["ca"], hashes.SHA256())
        (folder / f"{name}.pem").write_bytes(signed_by_authority.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(keys["cert"].private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return folder
