"""Trains a job on raylets that come and go: `python -m tests.train.raylets JOB.json EVENTS.json`.

A process of its own, since a process connects to one Ray only. It begins with one raylet. EVENTS is a list of what
happens, each once a lease has ended after its step: [step, "add"], [step, "remove"] (the youngest raylet, with all its
processes) or [step, "kill"] (a worker there). The result and all that was told are printed as JSON.
"""

import json
import os
import random
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from dist_bp.config import JobConfig
from dist_bp.runtime.cluster import import_ray
from dist_bp.runtime.lean_ray import lean_ray
from dist_bp.runtime.warden import Warden
from dist_bp.train import job as job_module
from dist_bp.train.job import run_job
from dist_bp.train.observer import Observer, Progress

NODE = {"num_cpus": 1, "object_store_memory": 100 * 2**20}
ADDRESSES = [f"127.0.0.{number}" for number in range(2, 10)]  # Ray takes 127.0.0.1 for "this machine, wherever"
GROW_SECONDS = 30


class Weather(Observer):
    """Makes the raylets come and go."""

    def __init__(self, raylets: Any, events: list[tuple[int, str]]) -> None:
        self.lines: list[str] = []
        self._raylets = raylets
        self._nodes: list[Any] = []
        self._addresses = iter(ADDRESSES[1:])
        self._events = events
        self._runtime: Any = None
        open_runtime = job_module.open_runtime

        def opened(*arguments: Any) -> Any:
            self._runtime = open_runtime(*arguments)
            return self._runtime

        job_module.open_runtime = opened

    def progress(self, progress: Progress) -> None:
        if self._events and progress.step > self._events[0][0]:
            _, what = self._events.pop(0)
            getattr(self, what)()

    def add(self) -> None:
        with lean_ray():
            self._nodes.append(self._raylets.add_node(**NODE, node_ip_address=next(self._addresses)))
        growth, deadline = self._runtime.formed, time.monotonic() + GROW_SECONDS
        while not self._runtime.may_grow:  # so that it has grown before anything else happens
            assert time.monotonic() < deadline, growth
            time.sleep(0.05)

    def remove(self) -> None:
        self._soon(self._raylets.remove_node, self._nodes.pop(), False)

    def kill(self) -> None:
        pids = self._runtime.pids()
        self._soon(_kill, pids[self._runtime.workers[-1]])

    def _soon(self, what: Any, *arguments: Any) -> None:
        threading.Timer(random.uniform(0, 0.2), what, arguments).start()

    def note(self, text: str) -> None:
        self.lines.append(text)

    warn = note


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def main(job: Path, events: Path) -> None:
    ray = import_ray(own=True)
    from ray.cluster_utils import Cluster as Raylets

    with Warden() as warden:
        warden.guard(Path(os.environ["RAY_TMPDIR"]) / "ray")
        with lean_ray():
            raylets = Raylets(head_node_args={**NODE, "node_ip_address": ADDRESSES[0]}, initialize_head=True)
        try:
            ray.init(address=raylets.address, log_to_driver=False, logging_level="ERROR")
            weather = Weather(raylets, [(step, what) for step, what in json.loads(events.read_text())])
            result = run_job(JobConfig.model_validate_json(job.read_text()), observer=weather)
        finally:
            ray.shutdown()
            raylets.shutdown()
    told = [[one.remedy, one.fault.step, one.after, one.redone, one.seconds] for one in result.recoveries]
    found = {"sha256": result.parameters_sha256, "run_id": result.run_id, "metrics": result.metrics}
    print(json.dumps({**found, "recoveries": told, "lines": weather.lines, "left": len(weather._events)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
