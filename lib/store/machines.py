"""The cluster that a command names: a scheduler that runs somewhere, or workers asked of a queue (Slurm, PBS, ...)."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from lib.store import cluster, engine, runs
from lib.store.errors import Problem
from lib.store.series import ROOT

MANY = 4  # workers asked of a queue where no number is given


@contextlib.contextmanager
def using(where: str, workers: int, tls: str, say: Callable[[str], None]) -> Iterator[None]:
    """While this is open, what `lib.store.engine` runs, in this process and in those that it starts, is done `where`.

    `where` is the address of a scheduler, "slurm", or a YAML file about a queue; "" is this machine. `workers` are
    waited for, or asked for; `tls` is a folder of certificates. Raises `Problem` when there is no such cluster.
    """
    if workers < 0 or (workers or tls) and not where:
        raise Problem("--workers (1 or more) and --tls say something about --cluster: give that too")
    if not where:
        yield
        return
    with _address(where, workers, tls) as (address, folder), _set({engine.CLUSTER: address, cluster.TLS: folder}):
        try:
            client, enough = cluster.connected(), max(1, workers if "://" in where else 1)
            if len(client.nthreads()) < enough:
                say(f"waiting for {enough} worker{'s' * (enough > 1)} at {address}")
            client.wait_for_workers(enough)
            say(f"{len(client.nthreads())} workers at {address}")
            yield
        finally:
            if cluster.connected.cache_info().currsize:
                with contextlib.suppress(Exception):
                    cluster.connected().close()
                cluster.connected.cache_clear()


@contextlib.contextmanager
def _address(where: str, workers: int, tls: str) -> Iterator[tuple[str, str]]:
    """The address of the scheduler, which is started here for a queue, and the folder of its certificates."""
    if "://" in where:
        _must_be_safe(where, tls)
        yield where, tls and str(Path(tls).absolute())
        return
    with _queue(where, tls) as (queue, folder):
        program = shlex.split(queue.job_cls.submit_command)[0]
        if not shutil.which(program):
            raise Problem(f"--cluster {where}: there is no {program} here; start this on a machine of the queue")

        async def ask() -> None:
            queue.scale(workers or MANY)
            await queue._correct_state()  # which says what was refused; what `scale` starts later would log it

        try:
            queue.sync(ask)
        except RuntimeError as error:
            raise Problem(f"--cluster {where}: {str(error).strip().splitlines()[-1]}") from error
        queue.adapt(minimum=workers or MANY, maximum=workers or MANY)  # anew where a job's time is over
        yield queue.scheduler_address, folder


@contextlib.contextmanager
def _set(values: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


# --- a scheduler by its address ----------------------------------------------------------------------------------
def _must_be_safe(address: str, tls: str) -> None:
    """Raises `Problem` unless nobody else can reach the scheduler, or all that it is sent is encrypted and signed."""
    try:
        parts = urlsplit(address)
        host, known = parts.hostname, parts.scheme in ("tcp", "tls") and bool(parts.port)
    except ValueError:
        known = False
    if not known:
        raise Problem(f"--cluster {address}: write it as tcp://HOST:PORT or tls://HOST:PORT, slurm, or the name of a "
                      ".yaml file")
    if parts.scheme == "tls" and not tls:
        raise Problem(f"--cluster {address} needs --tls DIR: the folder of ca.pem, cert.pem and key.pem")
    if parts.scheme == "tcp" and not _own(host):
        raise Problem(f"--cluster {address} is another machine, and whoever reaches an open scheduler can run programs "
                      "there: start it with certificates, and give its tls:// address and --tls DIR")
    cluster.security(tls)


def _own(host: str) -> bool:
    """Is this an address of this machine?"""
    try:
        for family, kind, _, _, place in socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM):
            with socket.socket(family, kind) as one:
                one.bind(place)
    except OSError:
        return False
    return True


def certificates(folder: str | Path) -> None:
    """Make certificates for one cluster, for `--tls` and for its scheduler and workers; who reads them has access."""
    made, folder = cluster.imported().Security.temporary(), Path(folder)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, text in (("ca", made.tls_ca_file), ("cert", made.tls_client_cert), ("key", made.tls_client_key)):
        path = folder / f"{name}.pem"
        path.touch(mode=0o600)
        path.write_text(text)


# --- a queue -----------------------------------------------------------------------------------------------------
@contextlib.contextmanager
def _queue(where: str, tls: str) -> Iterator[tuple[Any, str]]:
    """A scheduler in this process whose workers are jobs, none yet; and the folder of its certificates."""
    kind, options = _described(where)
    cluster.imported()
    try:
        import dask_jobqueue
    except ImportError as error:
        raise Problem(f"--cluster {where} needs the package dask-jobqueue: "
                      ".venv/bin/pip install -e '.[cluster]'") from error
    kinds = {name.removesuffix("Cluster").lower(): one for name, one in vars(dask_jobqueue).items()
             if name.endswith("Cluster") and name != "JobQueueCluster"}
    if kind not in kinds:
        raise Problem(f"--cluster {where}: kind is one of {', '.join(sorted(kinds))}")
    folder = tls and str(Path(tls).absolute())
    try:
        if not folder:
            shared = runs.cache_folder().absolute() / "cluster"
            shared.mkdir(parents=True, exist_ok=True)
            folder = tempfile.mkdtemp(prefix="tls-", dir=shared)
            certificates(folder)
        try:
            queue = kinds[kind](**options, security=cluster.security(folder), protocol="tls://")
        except (TypeError, ValueError, RuntimeError) as error:
            raise Problem(f"--cluster {where}: {str(error).splitlines()[0]}; options are those of "
                          f"dask_jobqueue.{kinds[kind].__name__}") from error
        try:
            yield queue, folder
        finally:
            with contextlib.suppress(Exception):  # of a job that was refused
                queue.close()
    finally:
        if folder and not tls:
            shutil.rmtree(folder, ignore_errors=True)


def _described(where: str) -> tuple[str, dict[str, Any]]:
    """The kind of queue, and the options of its class in dask_jobqueue: a worker of one core where nothing else is
    said."""
    found: dict[str, Any] = {"kind": "slurm"}
    if where != "slurm":
        try:
            found = yaml.safe_load(Path(where).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise Problem(f"--cluster {where}: there is no YAML file that can be read; give an address, slurm, or a "
                          "file such as {kind: slurm, queue: short, cores: 8, memory: 16GB}") from error
    if not isinstance(found, dict) or not isinstance(found.get("kind"), str):
        raise Problem(f"--cluster {where}: it must say the kind of queue, for example kind: slurm")
    cores = found.get("cores", 1)
    usual = {"cores": cores, "processes": cores, "memory": f"{4 * cores}GB", "job_name": "latent-genre",
             "job_script_prologue": [f"cd {shlex.quote(str(ROOT))}"],  # from where Python finds `lib`
             "scheduler_options": {"dashboard_address": "127.0.0.1:0"}}
    return found["kind"], usual | {name: value for name, value in found.items() if name != "kind"}


def job_script(where: str, tls: str) -> str:
    """What would be handed to the queue for each job."""
    if "://" in where:
        return f"{where}: its workers are started by hand"
    with _queue(where, tls) as (queue, _):
        return queue.job_script()
