"""Runs jobs on two raylets of this machine: `python -m tests.runtime.two_raylets CASES.json OUT.npz`.

A process of its own, since a process connects to one Ray only. Each case is a configuration; OUT gets the parameters of
each by its name, and `NAME/bytes`, what crossed between the nodes.
"""

import json
import secrets
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from dist_bp.config import JobConfig
from dist_bp.runtime.cluster import Cluster, import_ray
from dist_bp.runtime.lean_ray import lean_ray
from dist_bp.runtime.plan import RunPlan
from dist_bp.runtime.pool import Pool
from dist_bp.runtime.ray_runtime import RayRuntime
from dist_bp.runtime.warden import Warden
from dist_bp.train.setup import prepare_job

STEPS = 24
NODE = {"num_cpus": 2, "object_store_memory": 100 * 2**20}
HOSTS = ("127.0.0.2", "127.0.0.3")  # Ray takes 127.0.0.1 for "this machine, whatever its address"


def run(content: dict[str, Any], warden: Warden, pool: Pool) -> tuple[Any, int, tuple[int, ...]]:
    job = prepare_job(JobConfig.model_validate(content))
    plan = RunPlan(job.config, job.prepared.directory.resolve(), job.total_steps, secrets.token_bytes(32))
    with RayRuntime(plan, job.metrics, Cluster("there", 0, warden), pool) as runtime:
        runtime.start(job.initial)
        sent = runtime.train(0, STEPS // 2, 1.0, 10.0).wire_bytes
        sent += runtime.train(STEPS // 2, STEPS, 1.0, 10.0).wire_bytes
        return runtime.read().parameters, sent, runtime.plan.placement


def main(cases: Path, out: Path) -> None:
    ray = import_ray(own=True)
    from ray.cluster_utils import Cluster as Raylets

    found: dict[str, Any] = {}
    with Warden() as warden:
        warden.guard(out.parent / "ray")  # below RAY_TMPDIR
        with lean_ray():
            raylets = Raylets(head_node_args={**NODE, "node_ip_address": HOSTS[0]}, initialize_head=True)
        try:
            with lean_ray():
                raylets.add_node(**NODE, node_ip_address=HOSTS[1])
            ray.init(address=raylets.address, log_to_driver=False, logging_level="WARNING")
            with closing(Pool()) as pool:  # to start processes takes most of the time
                for name, content in json.loads(cases.read_text()).items():
                    found[name], found[f"{name}/bytes"], found[f"{name}/placement"] = run(content, warden, pool)
        finally:
            ray.shutdown()
            raylets.shutdown()
    np.savez(out, **found)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
