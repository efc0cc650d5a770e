"""Processes that serve one run after the other compute what fresh ones do, and keep nothing of a former run."""

import os
import re
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import psutil
import pytest

from dist_bp.control_group import local_cpus
from dist_bp.processes import descendants
from dist_bp.ps.arena import Snapshot
from dist_bp.runtime.calls import CALLER
from dist_bp.runtime.cluster import Cluster
from dist_bp.runtime.pool import Pool, Post
from dist_bp.runtime.ray_runtime import RayRuntime
from dist_bp.runtime.threads import ThreadRuntime
from dist_bp.train.job import Lent, run_job
from dist_bp.train.setup import PreparedJob, prepare_job
from tests.conftest import JobMaker
from tests.runtime.test_ray_runtime import plan_of, trained

LARGE = {"layers": [{"type": "dense", "units": 300_000}, {"type": "dense", "units": 4}]}
"""Some 13 MB of parameters; its arena has several times as much."""


def on_warm(job: PreparedJob, pool: Pool, cluster: Cluster, steps: int = 6) -> tuple[Snapshot, set[int]]:
    runtime = RayRuntime(plan_of(job), job.metrics, cluster, pool)
    with runtime:
        runtime.start(job.initial)
        pids = set(runtime.pids().values())
        return trained_on(runtime, steps), pids


def trained_on(runtime: RayRuntime, steps: int) -> Snapshot:
    runtime.train(0, steps, 1.0, 10.0)
    return runtime.read()


def fresh(job: PreparedJob) -> Snapshot:
    return trained(ThreadRuntime(plan_of(job), job.metrics), job, 6)


def test_each_run_has_the_bits_of_fresh_processes(ray_cluster: Cluster, pool: Pool, make_job: JobMaker) -> None:
    narrow = {"layers": [{"type": "dense", "units": 4}]}
    rest = {"optimizer": {"type": "sgd", "learning_rate": 0.1}, "batch_size": 48}
    half = {"source": {"type": "npz", "path": "blobs.npz"}, "split": {"validation": 0.2, "test": 0.5}}
    pool.close()  # the first are fresh
    before: set[int] = set()
    for sections, kept in (
        ({"scaling": {"num_workers": 2}}, 0),
        ({"scaling": {"num_workers": 2}, "model": narrow, "seed": 4}, 3),
        ({"scaling": {"num_workers": 1}, "data": half, "train": rest}, 2),
        ({"scaling": {"num_workers": 1, "cpus_per_worker": local_cpus()}}, 1),  # needs those of the idle ones, too
    ):
        job = prepare_job(make_job(**sections))
        warm, pids = on_warm(job, pool, ray_cluster)
        assert len(pids & before) == kept
        before = pids
        alone = fresh(job)
        np.testing.assert_array_equal(warm.parameters, alone.parameters)
        np.testing.assert_array_equal(warm.statistics, alone.statistics)
        for name, array in alone.optimizer.items():
            np.testing.assert_array_equal(warm.optimizer[name], array)


def test_processes_outlive_the_warden_of_a_job(database: Path, pool: Pool, make_job: JobMaker) -> None:
    job = make_job(scaling={"num_workers": 1}, train={"epochs": 1})
    before: set[int] = set()
    for _ in range(2):
        run_job(job, lent=Lent(pool=pool))
        pids = processes_of_runs()
        assert len(pids) == 2
        assert before in (set(), pids)
        before = pids


def processes_of_runs() -> set[int]:
    """Workers, servers and keepers of this process's Ray, with a run or without."""
    told = {pid: Path("/proc", str(pid), "cmdline").read_bytes() for pid in descendants(os.getpid())}
    return {pid for pid, command in told.items() if re.match(rb"ray::(Worker|Server|Keeper)Process", command)}


def test_nothing_of_a_run_stays_in_memory(ray_cluster: Cluster, pool: Pool, make_job: JobMaker) -> None:
    large = prepare_job(make_job(scaling={"num_workers": 2}, model=LARGE))
    own, descriptors = [], []
    for _ in range(5):
        _, pids = on_warm(large, pool, ray_cluster, steps=2)
        processes = [psutil.Process(pid) for pid in sorted(pids)]
        own.append([(info.rss - info.shared) / 2**20 for info in (process.memory_info() for process in processes)])
        descriptors.append([process.num_fds() for process in processes])
        for pid in pids:
            assert "/memfd:dist_bp" not in Path("/proc", str(pid), "maps").read_text()
    for index in range(3):
        assert own[-1][index] - own[1][index] < 10
        assert descriptors[-1][index] - descriptors[1][index] < 4  # three runs, each with an arena and connections


def test_a_dead_or_hanging_process_is_replaced(
    ray_cluster: Cluster, pool: Pool, make_job: JobMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dist_bp.runtime.pool.RELEASE_SECONDS", 3)
    job = prepare_job(make_job(scaling={"num_workers": 2}))
    _, pids = on_warm(job, pool, ray_cluster)
    dead, hanging, _ = sorted(pids)
    os.kill(dead, signal.SIGKILL)
    os.kill(hanging, signal.SIGSTOP)
    try:
        warm, after = on_warm(job, pool, ray_cluster)
    finally:
        with suppress(ProcessLookupError):
            os.kill(hanging, signal.SIGKILL)  # Ray, too, would wait for it at its end
    assert {dead, hanging} & after == set()
    assert len(after & pids) == 1
    np.testing.assert_array_equal(warm.parameters, fresh(job).parameters)


def test_a_run_that_failed_gives_no_process_back(ray_cluster: Cluster, pool: Pool, make_job: JobMaker) -> None:
    good = prepare_job(make_job(scaling={"num_workers": 2, "servers_per_node": 1}))  # without recovery
    failing = make_job(scaling={"num_workers": 2}, model={"layers": [{"type": "tests.runtime.layers:Failing"}]})
    with pytest.raises(ValueError, match="this layer fails at step 3"):
        on_warm(prepare_job(failing), pool, ray_cluster)
    with pytest.raises(Exception, match="worker 1 died"):
        _killed(good, pool, ray_cluster)
    warm, _ = on_warm(good, pool, ray_cluster)
    np.testing.assert_array_equal(warm.parameters, fresh(good).parameters)


def _killed(job: PreparedJob, pool: Pool, cluster: Cluster) -> None:
    runtime = RayRuntime(plan_of(job), job.metrics, cluster, pool)
    with runtime:
        runtime.start(job.initial)
        pids = runtime.pids()
        os.kill(pids[runtime.workers[1]], signal.SIGKILL)
        try:
            trained_on(runtime, 6)
        finally:
            runtime.close()
            deadline = time.monotonic() + 10
            while any(psutil.pid_exists(pid) for pid in pids.values()):
                assert time.monotonic() < deadline
                time.sleep(0.05)


@pytest.mark.usefixtures("ray_cluster")
def test_closing_does_not_wait_for_a_ray_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    pool, answer = Pool(), threading.Event()
    actor = Mock()
    actor.release.remote = lambda: ray.put(None)
    pool.keep([(Post("server", 0, "here"), actor)])
    monkeypatch.setattr("dist_bp.runtime.pool.RELEASE_SECONDS", 0.1)
    monkeypatch.setattr("ray.kill", lambda actor: answer.wait())
    closing = threading.Thread(target=pool.close, daemon=True)
    closing.start()
    closing.join(10)
    stuck = closing.is_alive()
    answer.set()
    deadline = time.monotonic() + 10
    while CALLER.busy:  # the file's Ray is taken for lost where it has not answered, and this process then ends with it
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert not stuck
