"""The Ray runtime computes the bits of the in-process one, and names what died."""

import os
import secrets
import signal
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from dist_bp.config import JobConfig
from dist_bp.errors import CapacityError
from dist_bp.processes import descendants
from dist_bp.ps.arena import Snapshot
from dist_bp.ps.doorbell import PeerLost
from dist_bp.runtime.base import ProcessDied, Runtime
from dist_bp.runtime.cluster import Cluster
from dist_bp.runtime.plan import RunPlan
from dist_bp.runtime.pool import Pool
from dist_bp.runtime.ray_runtime import RayRuntime
from dist_bp.runtime.threads import ThreadRuntime
from dist_bp.train.setup import PreparedJob, prepare_job
from tests.conftest import JobMaker, shared_memory_files


def plan_of(job: PreparedJob) -> RunPlan:
    return RunPlan(job.config, job.prepared.directory.resolve(), job.total_steps, secrets.token_bytes(32))


def trained(runtime: Runtime, job: PreparedJob, steps: int) -> Snapshot:
    with runtime:
        runtime.start(job.initial)
        runtime.train(0, steps // 2, 1.0, 10.0)
        runtime.train(steps // 2, steps, 1.0, 10.0)
        return runtime.read()


def with_workers(config: JobConfig, workers: int) -> JobConfig:
    return config.model_copy(update={"scaling": config.scaling.model_copy(update={"num_workers": workers})})


@pytest.mark.parametrize("servers", ["auto", 2])
def test_actors_and_threads_compute_the_same_bits(
    servers: object, ray_cluster: Cluster, pool: Pool, make_job: JobMaker
) -> None:
    job = prepare_job(make_job(scaling={"num_workers": 2, "servers_per_node": servers}, train={"clip_norm": 0.5}))
    on_ray = trained(RayRuntime(plan_of(job), job.metrics, ray_cluster, pool), job, 30)
    in_process = trained(ThreadRuntime(plan_of(job), job.metrics), job, 30)
    assert on_ray.step == in_process.step == 30
    np.testing.assert_array_equal(on_ray.parameters, in_process.parameters)
    np.testing.assert_array_equal(on_ray.statistics, in_process.statistics)
    for name, array in in_process.optimizer.items():
        np.testing.assert_array_equal(on_ray.optimizer[name], array)


def test_workers_evaluate_exactly(ray_cluster: Cluster, pool: Pool, make_job: JobMaker) -> None:
    job = prepare_job(make_job(scaling={"num_workers": 2}))
    with RayRuntime(plan_of(job), job.metrics, ray_cluster, pool) as runtime:
        runtime.start(job.initial)
        shared = runtime.evaluate("test")
    alone_job = prepare_job(with_workers(job.config, 0))
    with ThreadRuntime(plan_of(alone_job), job.metrics) as runtime:
        runtime.start(job.initial)
        alone = runtime.evaluate("test")
    assert shared.weight == alone.weight == 80
    assert shared.loss == pytest.approx(alone.loss, rel=1e-6)
    np.testing.assert_array_equal(
        shared.metrics["confusion_matrix"]["matrix"], alone.metrics["confusion_matrix"]["matrix"]
    )


@pytest.mark.parametrize("role", ["worker", "server", "keeper"])
def test_a_killed_process_is_named_and_nothing_is_left(
    role: str, ray_cluster: Cluster, pool: Pool, make_job: JobMaker
) -> None:
    before = shared_memory_files()
    servers = 1 if role in ("worker", "server") else "auto"
    scaling = {"num_workers": 2, "servers_per_node": servers}
    job = prepare_job(make_job(scaling=scaling, train={"epochs": 1_000_000}))
    runtime = RayRuntime(plan_of(job), job.metrics, ray_cluster, pool)
    with runtime:
        runtime.start(job.initial)
        pids = {peer: pid for peer, pid in runtime.pids().items()}
        victim = {"worker": runtime.workers[1:], "server": runtime.servers, "keeper": runtime.keepers}[role][0]
        os.kill(pids[victim], signal.SIGKILL)
        started = time.monotonic()
        with pytest.raises((ProcessDied, PeerLost), match=f"{victim} died"):
            runtime.train(0, 30_000, 1.0, 10.0)
        assert time.monotonic() - started < 10
    deadline = time.monotonic() + 10
    while alive := [pid for pid in pids.values() if os.path.exists(f"/proc/{pid}/exe")]:
        assert time.monotonic() < deadline, f"still there: {alive}"
        time.sleep(0.1)
    assert shared_memory_files() <= before


def test_a_user_layer_that_fails_is_quoted(
    ray_cluster: Cluster, pool: Pool, make_job: JobMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = prepare_job(
        make_job(scaling={"num_workers": 2}, model={"layers": [{"type": "tests.runtime.layers:Failing"}]})
    )
    with RayRuntime(plan_of(job), job.metrics, ray_cluster, pool) as runtime:
        runtime.start(job.initial)
        with pytest.raises(ValueError, match="this layer fails at step 3") as caught:
            runtime.train(0, 10, 1.0, 10.0)
    where, traceback = caught.value.__notes__
    assert where in ("on worker 0", "on worker 1")
    assert "tests/runtime/layers.py" in traceback


def test_a_hanging_worker_is_the_one_that_is_named(ray_cluster: Cluster, pool: Pool, make_job: JobMaker) -> None:
    layers = [{"type": "tests.runtime.layers:Sleeping", "seconds": 4}]
    scaling = {"num_workers": 2, "servers_per_node": 1}  # without recovery
    job = prepare_job(make_job(scaling=scaling, model={"layers": layers}, parameter_server={"timeout_seconds": 1}))
    with RayRuntime(plan_of(job), job.metrics, ray_cluster, pool) as runtime:
        runtime.start(job.initial)
        with pytest.raises(PeerLost, match="worker 1 did not answer for 1 s"):
            runtime.train(0, 10, 1.0, 1.0)


def test_more_workers_than_processors_are_refused(ray_cluster: Cluster, make_job: JobMaker) -> None:
    job = prepare_job(make_job(scaling={"num_workers": 4, "cpus_per_worker": 100}))
    with pytest.raises(CapacityError, match=r"needs 400 CPUs \(4 workers x 100\), this Ray has \d+"):
        RayRuntime(plan_of(job), job.metrics, ray_cluster)


def test_a_private_ray_runs_only_what_training_needs(ray_cluster: Cluster) -> None:
    commands = ""
    for pid in descendants(os.getpid()):
        with suppress(OSError):  # it has ended
            commands += Path(f"/proc/{pid}/cmdline").read_text()
    assert "raylet" in commands
    for idle in ("dashboard/dashboard.py", "DashboardAgent", "monitor.py", "log_monitor.py"):
        assert idle not in commands
    assert not os.environ.keys() & {"RAY_preload_python_modules"}, "the environment is that of Ray's processes alone"
