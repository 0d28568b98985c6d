"""Work on the machines of a cluster, through Dask (https://distributed.dask.org): all that the project knows of it.

Two variables of the environment say that there is one, to every process whose work then goes there. The runner sets
them for its kernels, papermill and JupyterLab read them too, and no number depends on them:

    LATENT_GENRE_CLUSTER  the address of a scheduler, tcp://127.0.0.1:8786 or tls://node1:8786
    LATENT_GENRE_TLS      the folder of its certificates: ca.pem, cert.pem, key.pem

Dask says which machine works at what. There, below Dask's worker, a process of `lib.store.engine` does the work, as it
would here: an input that crashes or hangs costs itself, and is reported as here. Dask's worker does not die of it (what
it runs itself is short), so nobody else is blamed, whatever limits and threads it was started with, and its nanny's
settings of memory do not reach the work.

Data go by path on a file system that all machines share: the code, the cache (`runs.cache_folder`), the run's folder
and the music must be under the same path on each, and packages and code the same: every pack of inputs checks that.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import pickle
import platform
import threading
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from lib.store import engine, files, runs
from lib.store.engine import Outcome, Worker
from lib.store.errors import Problem

TLS, PROCESSOR = "LATENT_GENRE_TLS", "LATENT_GENRE_PROCESSOR"
NOT_OURS = {"MALLOC_TRIM_THRESHOLD_", engine.CLUSTER, TLS}  # a nanny's threshold costs half of a clip's time again
PACK = 16  # inputs at most that travel together
LARGE = 2**20  # bytes: an input of more is left in the cache, and its path travels
PATIENCE = 60  # seconds for a scheduler to answer
HELPERS = {"pip", "setuptools", "wheel", "latent-genre"}  # packages whose versions do not matter


# --- where the work comes from -----------------------------------------------------------------------------------
def run(task: Callable, inputs: Sequence[tuple], limit: float, seen: Sequence[Path]) -> Iterator[Outcome]:
    """`engine.run` on the cluster. A pack whose worker was lost again and again is run again, input by input; and an
    input of which that is true, at last, while nothing else runs: it may have waited behind another one."""
    from distributed import KilledWorker, as_completed

    client, left = connected(), []
    common = _common(seen)
    messages = [_message(task, arguments, left) for arguments in inputs]
    size = max(1, min(PACK, len(messages) // (4 * max(1, sum(client.nthreads().values())))))
    every = range(len(messages))

    def submitted(packs: list[Sequence[int]]) -> dict:
        name = f"{task.__name__}-{os.urandom(8).hex()}"
        parts = [[messages[i] for i in pack] for pack in packs]
        return dict(zip(client.map(worked, parts, limit=limit, **common, key=name, pure=False), packs, strict=True))

    futures: dict = {}
    suspects: list[int] = []
    try:
        futures = submitted([every[start : start + size] for start in every[::size]])
        done = as_completed(futures, loop=client.loop)
        for future in done:
            pack = futures.pop(future)
            try:
                found = future.result()
            except KilledWorker:
                if len(pack) > 1:
                    again = submitted([[i] for i in pack])
                    futures |= again
                    done.update(again)
                else:
                    suspects += pack
                continue
            for i, outcome in zip(pack, found, strict=True):
                yield outcome._replace(index=i)
        for i in suspects:
            futures = submitted([[i]])
            yield _alone(*futures)._replace(index=i)
    except Exception as error:
        raise _explained(error) from None
    finally:
        if client.status == "running":
            client.cancel([*futures])
        for path in left:
            path.unlink(missing_ok=True)


def _alone(future: Any) -> Outcome:
    """What became of an input beside which nothing else ran."""
    from distributed import KilledWorker

    try:
        return future.result()[0]
    except KilledWorker as lost:
        return Outcome(0, "died", reason=f"the worker that read it was lost, {lost.allowed_failures + 1} times")


def compare(seen: Sequence[Path]) -> None:
    """Raises `Problem` unless every worker there may be has this process's packages and code, and sees these paths."""
    if not engine.elsewhere():
        return
    client = connected()
    asked = [client.submit(worked, [], 0.0, **_common(seen), workers=[one], pure=False) for one in client.nthreads()]
    try:
        for each in asked:
            each.result()
    except Exception as error:
        raise _explained(error) from None


def _explained(error: Exception) -> Problem:
    """What to say when Dask, or the work, failed as a whole."""
    from distributed import CancelledError
    from distributed.comm import CommClosedError

    if isinstance(error, Problem):
        return error
    address = os.environ[engine.CLUSTER]
    if isinstance(error, CancelledError | CommClosedError | TimeoutError):
        connected.cache_clear()
        return Problem(f"the scheduler at {address} has gone, and with it what its workers were at: start it again, "
                       "and the same command carries on")
    line = next(iter(str(error).splitlines()), "")
    return Problem(f"a machine of the cluster at {address} cannot run this project ({type(error).__name__}: {line}): "
                   "start its scheduler and workers with the environment and the code of this machine")


@functools.cache
def connected() -> Any:
    """This process's client of the scheduler. Raises `Problem` when there is none."""
    distributed = imported()
    address = os.environ[engine.CLUSTER]
    try:
        return distributed.Client(address, security=security(os.environ.get(TLS, "")), timeout=PATIENCE,
                                  set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise Problem(f"no scheduler answers at {address} ({error}): start it, or see whether the address, and for a "
                      "tls:// address the certificates, are right") from error


def imported() -> Any:
    """The package `distributed`, which says nothing: what goes wrong is said once, by who uses it."""
    try:
        import dask

        spoken = ("distributed", "distributed.client", "tornado.application")
        dask.config.set(logging=dict.fromkeys(spoken, "critical"))
        import distributed
    except ImportError as error:
        raise Problem(f"a cluster needs the package '{error.name}': .venv/bin/pip install -e '.[cluster]'") from error
    return distributed


def security(folder: str) -> Any:
    """The certificates in a folder, for Dask; None without a folder. Raises `Problem` when one is not there."""
    if not folder:
        return None
    paths = {name: Path(folder).absolute() / f"{name}.pem" for name in ("ca", "cert", "key")}
    if missing := [path for path in paths.values() if not path.is_file()]:
        raise Problem(f"there is no {missing[0]}: a folder of certificates holds ca.pem, cert.pem and key.pem")
    own = {f"tls_{role}_{name}": str(paths[name]) for role in ("client", "scheduler", "worker")
           for name in ("cert", "key")}
    return imported().Security(require_encryption=True, tls_ca_file=str(paths["ca"]), **own)


def _common(seen: Sequence[Path]) -> dict[str, Any]:
    return {"about": about(), "seen": [str(path) for path in seen], "environment": _environment()}


def _message(task: Callable, arguments: tuple, left: list[Path]) -> bytes:
    """An input as `Worker.give` takes it; a large one is left at a path, which is put on the list."""
    import cloudpickle

    message = cloudpickle.dumps((task, arguments))
    if len(message) <= LARGE:
        return message
    path = _folder() / f"{hashlib.sha256(message).hexdigest()[:32]}-{os.getpid()}-{threading.get_ident()}.pickle"
    files.write(path, lambda temporary: temporary.write_bytes(message), len(message))
    left.append(path)
    return pickle.dumps((_left, (str(path),)))


def _left(path: str) -> Any:
    """Do what was left at a path."""
    task, arguments = pickle.loads(Path(path).read_bytes())
    return task(*arguments)


def _folder() -> Path:
    """Where this machine leaves what others read: in the cache, which all share."""
    return runs.cache_folder() / "cluster"


# --- where the work is done --------------------------------------------------------------------------------------
_own = threading.local()  # of a thread of a Dask worker: its process, and what it was started with


def worked(messages: list[bytes], limit: float, about: str, seen: list[str],
           environment: dict[str, str]) -> list[Outcome]:
    """What becomes of a pack of inputs, one after another. Runs in Dask's worker; raises the `Problem` of a task."""
    asked = pickle.dumps((must_equal, (about, seen)))
    found = []
    for i, message in enumerate([asked, *messages], -1):
        if getattr(_own, "started_with", None) != (about, environment) or _own.worker.process.poll() is not None:
            _stop()
            _own.worker, _own.started_with = Worker(_environment_here(environment)), (about, environment)
        try:
            _own.worker.give(i, message, engine.START if i < 0 else limit)
            found.append(_own.worker.wait())
        except BaseException:
            _stop()
            raise
        if found[-1].kind in ("died", "late"):
            _stop()
        if found[0].kind != "done":
            raise Problem(f"no process of this project starts on {platform.node()}: {found[0].reason}")
    return found[1:]


def _stop() -> None:
    if getattr(_own, "started_with", None):
        _own.started_with = None
        _own.worker.stop()


def _environment() -> dict[str, str]:
    """What the processes of a cluster see of this one's environment."""
    from lib.store import remembering

    same = {name: os.environ[name] for name in (remembering.IN_RUN,) if name in os.environ}
    return same | {"LATENT_GENRE_CACHE": str(runs.cache_folder().absolute()), "NUMBA_CACHE_DIR":
                   str(runs.numba_folder().absolute()), "PYTHONHASHSEED": "0", PROCESSOR: _processor()}


def _environment_here(sent: dict[str, str]) -> dict[str, str]:
    """The environment of a process on this machine; compiled code of another kind of processor has its own folder."""
    usual = {name: value for name, value in os.environ.items() if name not in NOT_OURS}
    if sent[PROCESSOR] != _processor():
        sent = sent | {"NUMBA_CACHE_DIR": f"{sent['NUMBA_CACHE_DIR']}-{_processor()}"}
    return usual | sent


@functools.cache
def _processor() -> str:
    """A name of this machine's kind of processor."""
    with contextlib.suppress(OSError):
        lines = {line for line in Path("/proc/cpuinfo").read_text().splitlines()
                 if line.startswith(("model name", "flags", "Features", "CPU part"))}
        return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()[:8]
    return platform.machine()


# --- are they the same? ------------------------------------------------------------------------------------------
def about() -> str:
    """The path of a file that says what packages and code this process has, for others to compare."""
    have = json.dumps({"machine": platform.node(), **_have()}, sort_keys=True)
    path = _folder() / f"{hashlib.sha256(have.encode()).hexdigest()[:16]}.json"
    if not path.is_file():
        files.write_text(path, have)
    return str(path)


def must_equal(path: str, seen: list[str]) -> None:
    """Raises `Problem` unless this process has the packages and the code described in a file, and sees these paths."""
    where = f"a worker on {platform.node()}"
    for one in [path, *seen]:
        if not os.path.exists(one):
            raise Problem(f"{where} does not see {one}: all machines of a cluster must share the folders of the code, "
                          "the cache, the run and the music")
    theirs, ours = json.loads(Path(path).read_text()), _have()
    other = [name for name, version in theirs["packages"].items() if ours["packages"].get(name, version) != version]
    if other:
        name = other[0]
        raise Problem(f"{where} has {name} {ours['packages'][name]}, and this machine {theirs['packages'][name]}: "
                      "all machines of a cluster must have the same packages")
    if theirs["code"] != ours["code"]:
        raise Problem(f"{where} runs other code of lib than this machine: start it in the same state of the clone")


def _have() -> dict[str, Any]:
    from lib.store import remembering

    return {"packages": _packages(), "code": remembering.code_of()}


@functools.cache
def _packages() -> dict[str, str]:
    """Versions of Python and of all packages that are installed."""
    found = {one.metadata["Name"].lower(): one.version for one in metadata.distributions()}
    return {"python": platform.python_version()} | {n: v for n, v in sorted(found.items()) if n not in HELPERS}
