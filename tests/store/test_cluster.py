"""Work on a Dask cluster of this machine: the outcomes, and the scores, of a local run."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

import run_notebooks
from lib.corpora.folder import find as discovered
from lib.features import extraction
from lib.models import latents
from lib.models.vae import ModelConfig
from lib.store import cluster, engine, runs
from lib.store import machines as opening
from lib.store.errors import Problem
from lib.store.series import ROOT
from lib.store.settings import load
from tests.conftest import fill
from tests.machines import machines, signed, working_at
from tests.running import wait_until
from tests.sounds import collection, noise, write
from tests.tasks import task

LIMIT = 10.0  # seconds: so long does no other input take, however busy the machine is


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    """A scheduler and three workers."""
    with machines(tmp_path_factory.mktemp("cluster"), 3) as found:
        yield found


def outcomes(orders):
    """By index: kind, what was answered (without the process), and why not."""
    found = {o.index: (o.kind, o.value and o.value[0], o.reason) for o in engine.run(task, orders, None, LIMIT)}
    assert sorted(found) == list(range(len(orders)))
    return found


@pytest.mark.slow
def test_outcomes_are_those_of_a_local_run_though_a_worker_is_killed(three, tmp_path, monkeypatch):
    kinds = ["ok", "crash", "bad", "ok", "hang", "exit", "error", "crash answering", *["ok"] * 40]
    orders = [(kind, None if kind == "hang" else i) for i, kind in enumerate(kinds)]
    here = outcomes(orders)
    assert {kind for kind, *_ in here.values()} == {"done", "died", "failed", "late"}
    with working_at(monkeypatch, three.address):
        killed = tmp_path / "killed"
        there = outcomes([*orders, ("kill who asked", killed)])
    assert killed.exists() and there.pop(len(orders)) == ("done", killed, "")
    assert there == here


@pytest.mark.slow
def test_who_kills_every_worker_is_found_and_its_pack_is_not_blamed(three, tmp_path, monkeypatch):
    orders = [("ok", i) for i in range(48)]
    orders[5] = ("kill who asked", tmp_path / "nowhere" / "always")
    with working_at(monkeypatch, three.address):
        found = outcomes(orders)
    assert found.pop(5)[::2] == ("died", "the worker that read it was lost, 2 times")
    assert found == {i: ("done", i, "") for i in range(48) if i != 5}


@pytest.mark.slow
def test_large_inputs_travel_by_path_and_a_problem_is_raised_here(three, tmp_path, monkeypatch):
    monkeypatch.setenv("LATENT_GENRE_CACHE", str(tmp_path))
    large = "x" * (cluster.LARGE + 1)
    with working_at(monkeypatch, three.address):
        assert engine.call(task, "ok", large)[0] == large
        assert not [*tmp_path.rglob("*.pickle")] and [*tmp_path.rglob("*.json")]
        with pytest.raises(Problem, match="no such luck"):
            engine.call(task, "problem")
        with pytest.raises(Problem, match="a good reason; the same command carries on"):
            engine.call(task, "bad")
        assert engine.together({i: lambda i=i: engine.call(task, "ok", i)[0] for i in "ab"}) == {"a": "a", "b": "b"}


@pytest.mark.slow
def test_a_lost_scheduler_is_one_sentence(tmp_path, monkeypatch):
    with machines(tmp_path, 1) as found, working_at(monkeypatch, found.address):
        place = tmp_path / "hanging"
        with contextlib.closing(engine.run(task, [("hang", place)], None, 1000.0)) as there:
            threading.Thread(target=lambda: wait_until(place.exists) and found.scheduler.kill()).start()
            with pytest.raises(Problem, match="has gone.*the same command carries on"):
                next(there)


@pytest.mark.slow
def test_certificates_let_in_who_has_them_and_nobody_else(tmp_path, monkeypatch):
    ours, others = signed(tmp_path / "ours"), signed(tmp_path / "others")
    monkeypatch.setattr(cluster, "PATIENCE", 5)
    with machines(tmp_path, 1, ours) as found:
        assert found.address.startswith("tls://")
        with opening.using(found.address, 1, str(ours), print):
            assert engine.call(task, "ok", 1)[0] == 1
        with pytest.raises(Problem, match="no scheduler answers at tls"), \
                opening.using(found.address, 1, str(others), print):
            pass


def slurm(folder, monkeypatch, sbatch):
    """Slurm as far as dask_jobqueue knows it: two programs, that run a job here and end it."""
    programs = {"sbatch": sbatch, "scancel": "kill -9 -- -$1"}
    for name, text in programs.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    monkeypatch.setenv("LATENT_GENRE_CACHE", str(folder / "cache"))


@pytest.mark.slow
def test_a_queue_is_asked_for_workers(tmp_path, monkeypatch, capsys):
    job = tmp_path / "job.sh"
    slurm(tmp_path, monkeypatch, f"cp $1 {job}; setsid sh {job} > {tmp_path}/log 2>&1 & echo Submitted batch job $!")
    with opening.using("slurm", 1, "", print):
        assert os.environ[engine.CLUSTER].startswith("tls://")
        assert engine.call(task, "ok", 1)[0] == 1
    assert engine.CLUSTER not in os.environ and not [*tmp_path.rglob("key.pem")]
    assert "waiting for 1 worker at tls://" in capsys.readouterr().out and "#SBATCH" in job.read_text()


def test_what_a_queue_refuses_is_said(tmp_path, monkeypatch):
    slurm(tmp_path, monkeypatch, "echo sbatch: error: invalid partition >&2; exit 1")
    with pytest.raises(Problem, match="--cluster slurm: sbatch: error: invalid partition"), \
            opening.using("slurm", 1, "", print):
        pass
    (tmp_path / "sbatch").unlink()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Problem, match="there is no sbatch here"), opening.using("slurm", 1, "", print):
        pass


def test_the_job_of_a_queue_is_printed(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("LATENT_GENRE_CACHE", str(tmp_path))
    queue = tmp_path / "queue.yaml"
    queue.write_text("{kind: slurm, queue: short, cores: 8, walltime: '02:00:00'}")
    assert run_notebooks.main(["--cluster", str(queue), "--dry-run"]) == 0
    script = capsys.readouterr().out
    for line in ("#SBATCH -p short", "#SBATCH --cpus-per-task=8", "#SBATCH --mem=30G", "#SBATCH -t 02:00:00",
                 f"cd {ROOT}"):
        assert line in script.splitlines()
    assert "--nthreads 1" in script and "--nworkers 8" in script and "--tls-key" in script and sys.executable in script


@pytest.mark.parametrize("options, said", [
    (["--cluster", "tcp://192.0.2.1:8786"], "is another machine"),
    (["--cluster", "tls://192.0.2.1:8786"], "needs --tls DIR"),
    (["--cluster", "tls://192.0.2.1:8786", "--tls", "/nowhere"], "there is no /nowhere/ca.pem"),
    (["--cluster", "http://localhost:1"], "write it as tcp://HOST:PORT"),
    (["--cluster", "tcp://localhost"], "write it as tcp://HOST:PORT"),
    (["--cluster", "tcp://127.0.0.1:9"], "no scheduler answers at tcp://127.0.0.1:9"),
    (["--cluster", "nowhere.yaml"], "there is no YAML file that can be read"),
    (["--workers", "3"], "say something about --cluster"),
    (["--cluster", "{abacus}"], "kind is one of"),
    (["--cluster", "{speed}"], "options are those of dask_jobqueue.SLURMCluster"),
])
def test_a_wrong_cluster_is_one_sentence(options, said, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(cluster, "PATIENCE", 2)
    monkeypatch.setenv("LATENT_GENRE_CACHE", str(tmp_path / "cache"))
    for name, text in {"abacus": "kind: abacus", "speed": "{kind: slurm, speed: 9}"}.items():
        (tmp_path / name).write_text(text)
    options = [option.format(**{name: tmp_path / name for name in ("abacus", "speed")}) for option in options]
    assert run_notebooks.main([*options, "--out", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1 and not (tmp_path / "run" / "run.json").exists()


@pytest.mark.parametrize("what, said", [
    (lambda have: have, ""),
    (lambda have: have | {"packages": have["packages"] | {"numpy": "0.1"}}, "numpy"),
    (lambda have: have | {"packages": have["packages"] | {"new": "1"}}, ""),  # which is not here: nobody needs it
    (lambda have: have | {"code": "other"}, "runs other code of lib"),
])
def test_a_worker_with_other_packages_or_code_is_refused(what, said, tmp_path, monkeypatch):
    path = tmp_path / "about.json"
    path.write_text(json.dumps(what(cluster._have())))
    with pytest.raises(Problem, match=said) if said else contextlib.nullcontext():
        cluster.must_equal(str(path), [str(tmp_path)])


def test_a_worker_that_does_not_see_the_files_is_refused(tmp_path):
    with pytest.raises(Problem, match="does not see .*nowhere.*share the folders"):
        cluster.must_equal(cluster.about(), [str(tmp_path / "nowhere")])


def test_without_dask_work_is_done_here_and_a_cluster_is_refused_with_the_remedy():
    code = ("import sys\nfor name in ('dask', 'distributed', 'dask_jobqueue'): sys.modules[name] = None\n"
            "from lib.store import engine\nfrom tests.tasks import task\nimport os, run_notebooks\n"
            "assert [o.value[0] for o in engine.run(task, [('ok', 1)])] == [1] and engine.call(task, 'ok', 2)[0] == 2\n"
            "sys.exit(run_notebooks.main(['--cluster', 'tcp://127.0.0.1:1']))")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and "pip install -e '.[cluster]'" in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.slow
def test_features_and_networks_are_those_of_a_local_run(three, tmp_path, monkeypatch):
    """To the last bit, in the caches and folders of two runs."""
    music = collection(tmp_path / "music", {"a": 4})
    write(music / "a" / "silent.wav", 0 * noise(0))
    config, found = ModelConfig(12, 2, (8,)), []
    for where in ("", three.address):
        folder = tmp_path / ("there" if where else "here")
        monkeypatch.setenv("NUMBA_CACHE_DIR", str(runs.numba_folder()))
        monkeypatch.setenv("LATENT_GENRE_CACHE", str(folder / "cache"))
        with working_at(monkeypatch, where):
            settings = {"epochs": 3, "min_seconds": 1.0}
            clips = extraction.extract_all(discovered(music, 30.0).items, load(corpus="folder", settings=settings))
            run = runs.open_run("04_vae", "smoke", out=str(folder / "run"), settings=settings)
            x, _ = fill(run, 60)
            swept = latents.sweep_latents(run, "vae", x, config, [1.0, 4.0], [0, 1])
            stack = {name: latents.Setting(config, x.to_numpy() * name) for name in (1.0, 2.0)}
            stacked = latents.stacked_latents(run, stack, [0, 1], x.index, latents.schedule_of(run))
        found.append(([extraction.load_clip(path) for path in clips.paths.values()], clips.skipped, swept, stacked))
    (clips, skipped, *trained), (other_clips, other_skipped, *other_trained) = found
    assert len(clips) == 4 and skipped.equals(other_skipped) and len(skipped) == 1
    for clip, other in zip(clips, other_clips, strict=True):
        assert all(np.array_equal(one, same) for one, same in zip(clip, other, strict=True))
    assert all(by[name].identical(same[name]) for by, same in zip(trained, other_trained, strict=True) for name in by)


@pytest.mark.slow
def test_a_run_on_a_cluster_has_the_scores_of_a_local_one(three, smoke, tmp_path):
    """Nothing is in its cache, so every clip and every network is the workers'; one is killed when features come. All
    notebooks that score run."""
    from distributed import Client

    folder, cache = tmp_path / "run", tmp_path / "cache"
    environment = os.environ | {"LATENT_GENRE_CACHE": str(cache)}
    with Client(three.address, set_as_default=False) as client:
        client.wait_for_workers(3, timeout=600)
        victim = next(iter(client.run(os.getpid).values()))
        threading.Thread(target=lambda: wait_until(lambda: [*cache.rglob("features/*/*.npz")])
                         and os.kill(victim, signal.SIGKILL)).start()
        command = [sys.executable, str(ROOT / "run_notebooks.py"), "--profile", "smoke", "--no-html", "--only", "12"]
        done = subprocess.run([*command, "--out", str(folder), "--cluster", three.address, "--workers", "3"],
                              env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        assert victim not in client.run(os.getpid).values()
        did = client.run_on_scheduler(lambda dask_scheduler: [*dask_scheduler.task_prefixes])
    assert "store" in did and any("train" in one for one in did), did  # features; networks
    assert (folder / "scores.csv").read_bytes() == (smoke[0] / "scores.csv").read_bytes()
