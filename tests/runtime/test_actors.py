"""The actors of a run, and what they hold of the cluster."""

import os
import signal
import time

from dist_bp.control_group import local_cpus
from dist_bp.runtime.cluster import Cluster
from dist_bp.runtime.pool import Pool, Post
from dist_bp.runtime.ray_runtime import RayRuntime
from dist_bp.train.setup import prepare_job
from tests.conftest import JobMaker
from tests.runtime.test_ray_runtime import plan_of


def test_only_those_that_live_hold_cpus(ray_cluster: Cluster, pool: Pool, make_job: JobMaker) -> None:
    """Those of one that was killed are free for all, and one that waits for others to go has none."""
    job = prepare_job(make_job(scaling={"num_workers": 2}))
    node = ray_cluster.nodes[0].id
    with RayRuntime(plan_of(job), job.metrics, ray_cluster, pool) as runtime:
        runtime.start(job.initial)
        actors, victim = runtime.actors, runtime.workers[1]
        assert actors.reserved() == {node: 2}
        os.kill(actors.pids([victim])[victim], signal.SIGKILL)
        deadline = time.monotonic() + 10
        while actors.reserved() != {node: 1}:
            assert time.monotonic() < deadline, actors.reserved()
            time.sleep(0.05)
        actors.start_again(runtime.plan, victim, Post("worker", local_cpus(), node))
        assert actors.reserved() == {node: 1}
        actors.let_go([victim])
        assert actors.reserved() == {node: 1}, "the idle one's"
