"""What lasts takes no more of the machine with every worker that is lost."""

import os
import signal
import time

import psutil

from dist_bp.ps.doorbell import Peer
from dist_bp.runtime.cluster import Cluster
from dist_bp.runtime.ray_runtime import RayRuntime
from dist_bp.train.setup import prepare_job
from tests.conftest import JobMaker
from tests.runtime.test_ray_runtime import plan_of

FAULTS = 3


def test_faults_leave_no_descriptors_or_threads_behind(ray_cluster: Cluster, make_job: JobMaker) -> None:
    """In the driver and in the keeper, between which and the workers all connections are."""
    scaling, failure = {"num_workers": 2}, {"spare_workers": 1}
    job = prepare_job(make_job(scaling=scaling, train={"epochs": 1_000_000}, failure=failure))
    with RayRuntime(plan_of(job), job.metrics, ray_cluster) as runtime:
        runtime.start(job.initial)
        step = replaced(runtime, 0)  # the first makes what is made once, such as threads of Ray
        lasting = [psutil.Process(), psutil.Process(runtime.pids()[Peer("keeper", 0)])]
        before = taken(lasting)
        for _ in range(FAULTS):
            step = replaced(runtime, step)
        assert step > 200
        deadline = time.monotonic() + 10
        while any(now - then >= FAULTS for now, then in zip(taken(lasting), before, strict=True)):
            assert time.monotonic() < deadline, (before, taken(lasting))
            time.sleep(0.1)


def taken(processes: list[psutil.Process]) -> list[int]:
    """Descriptors and threads; those of Ray come and go, but not with every fault."""
    return [count for process in processes for count in (process.num_fds(), process.num_threads())]


def replaced(runtime: RayRuntime, step: int) -> int:
    """Trains until a worker that is killed works again, and a spare is there; returns the step after that."""
    os.kill(runtime.pids()[runtime.workers[0]], signal.SIGKILL)
    deadline = time.monotonic() + 60
    back = False
    while not (back and runtime.spares):
        assert time.monotonic() < deadline
        step += runtime.train(step, step + 50, 1.0, 1.0).steps
        runtime.replace(runtime.losses())
        back = back or bool(runtime.returns())
    return step
