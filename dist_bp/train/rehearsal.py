"""Some leases of a job on this machine, and what its steps were made of."""

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import psutil

from dist_bp.errors import TrainingFailed
from dist_bp.runtime.base import Runtime
from dist_bp.runtime.cluster import Cluster
from dist_bp.runtime.lease_report import LeaseReport
from dist_bp.runtime.plan import RunPlan
from dist_bp.runtime.pool import Pool
from dist_bp.runtime.ray_runtime import RayRuntime
from dist_bp.train.setup import PreparedJob
from dist_bp.types import Array

WARM_UP_STEPS = 20
LEASES = 5
LEASE_SECONDS = 0.6
STEADY = 1.25
"""How many times as long as a step of the fastest lease one of the slowest may take on a machine with no other work."""


@dataclass(frozen=True)
class Rehearsal:
    """Seconds of the lease that was in the middle by its pace, the driver's part included.

    `steps` (sorted) are those of a whole global batch in each lease, also where the last ones of epochs are not whole,
    and `step` is that of the lease in the middle; `gradient` the mean of a
    worker's gradient, `slowest` of a step's slowest one, and `update` of a step's slowest updater, with what it
    exchanges with other nodes. `spread` (sorted) are the gradients of all leases beside the mean of their worker's.
    `memory` are the bytes that the largest process of each role has for itself.
    """

    steps: Sequence[float]
    gradient: float
    slowest: float
    update: float
    spread: Sequence[float]
    memory: dict[str, int]

    @property
    def step(self) -> float:
        return self.steps[len(self.steps) // 2]

    @property
    def unsteady(self) -> str | None:
        """Tells where leases differed so much that other work must have been in their way."""
        if self.steps[-1] <= STEADY * self.steps[0]:
            return None
        return (
            f"a step took {1e3 * self.steps[0]:.3g} to {1e3 * self.steps[-1]:.3g} ms: other work keeps this machine "
            "busy, and the forecast is as uncertain"
        )

    @property
    def signal(self) -> float:
        """What is left of a step: waits, doorbells, wake-ups, the driver's part."""
        return max(self.step - self.slowest - self.update, 0.0)


def rehearse(job: PreparedJob, cluster: Cluster, pool: Pool, by_rows: bool = True) -> Rehearsal:
    """Runs some leases of the job, in processes of the `pool` if it has them. Raises TrainingFailed if it diverges."""
    plan = RunPlan(
        job.config, job.prepared.directory.resolve(), job.total_steps, secrets.token_bytes(32), by_rows=by_rows
    )
    with RayRuntime(plan, job.metrics, cluster, pool) as runtime:
        runtime.start(job.initial)
        _, seconds = _train(runtime, 0, WARM_UP_STEPS)
        steps = max(int(WARM_UP_STEPS * LEASE_SECONDS / seconds), WARM_UP_STEPS)
        firsts = range(WARM_UP_STEPS, WARM_UP_STEPS + LEASES * steps, steps)
        leases = [_train(runtime, first, first + steps) for first in firsts]
        memory = _memory(runtime)
    train = job.config.train
    return _of_leases(leases, train.batch_size * train.accumulate, memory)


def _of_leases(leases: list[tuple[LeaseReport, float]], batch: int, memory: dict[str, int]) -> Rehearsal:
    paced = sorted(
        (seconds / float(report.counts.sum()) * batch, index) for index, (report, seconds) in enumerate(leases)
    )
    report = leases[paced[len(paced) // 2][1]][0]
    gradients, everyone = _gradients([report]), _gradients([report for report, _ in leases])
    return Rehearsal(
        steps=[step for step, _ in paced],
        gradient=float(gradients.mean()),
        slowest=float(gradients.max(axis=1).mean()),
        update=float(np.max([server.times[:, 2] - server.times[:, 1] for server in report.servers], axis=0).mean()),
        spread=np.sort((everyone / everyone.mean(axis=0)).ravel()).tolist(),
        memory=memory,
    )


def _train(runtime: Runtime, first: int, last: int) -> tuple[LeaseReport, float]:
    """A lease, and the seconds that it took the driver."""
    started = time.perf_counter()
    report = runtime.train(first, last, 1.0, runtime.plan.timeout)
    if report.non_finite:
        raise TrainingFailed(
            f"the loss or gradient is not finite at step {report.non_finite.step + 1} of the measurement: "
            "lower train.optimizer.learning_rate or set train.clip_norm"
        )
    return report, time.perf_counter() - started


def _gradients(reports: Sequence[LeaseReport]) -> Array:
    """(steps, workers): seconds of each."""
    return np.concatenate([np.stack([w.times[:, 1] - w.times[:, 0] for w in r.workers], axis=1) for r in reports])


def _memory(runtime: RayRuntime) -> dict[str, int]:
    memory: dict[str, int] = {}
    for peer, pid in runtime.pids().items():
        memory[peer.role] = max(memory.get(peer.role, 0), psutil.Process(pid).memory_full_info().uss)
    return memory
