"""Kills the processes of a job of this Ray cluster: sent as text and run as `python -c TEXT SUBMISSION_ID NODE_ID`.

It needs Ray and nothing else. The warden of a training job is spared, as it closes the job's MLflow run.
"""

import contextlib
import os
import signal
import sys
from pathlib import Path

SPARED = b"runtime/warden.py"


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
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    ray.init(address="auto", log_to_driver=False)
    there = NodeAffinitySchedulingStrategy(sys.argv[2], soft=False)
    task = ray.remote(kill).options(num_cpus=0, scheduling_strategy=there, max_retries=0)
    print(ray.get(task.remote(sys.argv[1]), timeout=30), "processes killed")
