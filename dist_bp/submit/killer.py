"""Kills the processes of a job of this Ray cluster: sent as text and run as `python -c TEXT SUBMISSION_ID [NODE_ID]`.

Of a job that has not started, and so has no node, it ends what waits to start it. It needs Ray and nothing else.
The warden of a training job is spared, as it closes the job's MLflow run.
"""

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

SPARED = b"dist_bp.runtime.guard"
SECONDS = 60
"""After which it ends itself: Ray may wait without an end."""


def kill(job: str) -> int:
    """Kills what was started on this machine as this job; returns how many processes that were."""
    mark = f'"job_submission_id": "{job}"'.encode()
    killed = 0
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            ours = entry.name.isdecimal() and mark in (entry / "environ").read_bytes()
            if ours and SPARED not in (entry / "cmdline").read_bytes():
                os.kill(int(entry.name), signal.SIGKILL)
                killed += 1
    return killed


if __name__ == "__main__":
    signal.alarm(SECONDS)
    import ray
    from ray._private.worker import global_worker
    from ray.dashboard.modules.job import common
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    name, *node = sys.argv[1:]
    ray.init(address="auto", log_to_driver=False)
    if node:
        there = NodeAffinitySchedulingStrategy(node[0], soft=False)
        task = ray.remote(kill).options(num_cpus=0, scheduling_strategy=there, max_retries=0)
        print(ray.get(task.remote(name), timeout=30), "processes killed")
    else:
        starter = common.JOB_ACTOR_NAME_TEMPLATE.format(job_id=name)
        actor = ray.get_actor(starter, namespace=common.SUPERVISOR_ACTOR_RAY_NAMESPACE)
        jobs = common.JobInfoStorageClient(global_worker.gcs_client)
        asyncio.run(jobs.put_status(name, common.JobStatus.STOPPED))  # or else its status would be FAILED
        ray.kill(actor)
