"""Sums over the part of an epoch that is done, and over a window of steps for the log."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from typing import Any

import numpy as np

from dist_bp.metrics import Metric
from dist_bp.metrics.base import merged
from dist_bp.metrics.best_threshold import at_threshold
from dist_bp.ps.lease import Evaluation, MetricStates
from dist_bp.ps.recipe import followed
from dist_bp.runtime.lease_report import LeaseReport
from dist_bp.track.names import STEP
from dist_bp.train.trace import SERVER, WORKER
from dist_bp.types import Array

SHOWN_PROCESSES = 4
"""Up to so many workers or servers each have their own times in the tracker."""

TIMES = "system/time/"
"""Where MLflow shows them beside the machine's load and not among the curves of the training."""


@dataclass
class EpochMeter:
    """Loss and metrics over the samples that an epoch has trained on so far, and the time that took.

    Sums have the same bits wherever leases end: losses are added step by step, `states` are those of each share.
    """

    metrics: Mapping[str, Metric]
    loss: float = 0.0
    count: int = 0
    weight: float = 0.0
    seconds: float = 0.0
    states: dict[int, MetricStates] = field(default_factory=dict)
    worker_seconds: dict[int, Array] = field(default_factory=dict)
    server_seconds: dict[int, Array] = field(default_factory=dict)
    wire_bytes: int = 0
    staleness: int = 0
    dropped: int = 0
    updated_steps: int = 0

    def add(self, report: LeaseReport, seconds: float) -> None:
        self.loss = _added(self.loss, report.losses)
        self.count += int(report.counts.sum())
        self.weight = _added(self.weight, report.weights)
        self.seconds += seconds
        self.states |= report.metrics
        _add(self.worker_seconds, report.worker_seconds)
        _add(self.server_seconds, report.server_seconds)
        self.wire_bytes += report.wire_bytes
        self.staleness = max(self.staleness, report.staleness)
        self.dropped += report.dropped
        self.updated_steps += report.steps

    def evaluation(self) -> Evaluation:
        return Evaluation(
            self.loss, self.weight, merged(self.metrics, (self.states[share] for share in sorted(self.states)))
        )

    def timings(self) -> dict[str, float]:
        """Milliseconds a step by process and activity, and what else the epoch shows of them, for the tracker."""
        values = {f"{TIMES}samples_per_second": self.count / self.seconds}
        if not self.updated_steps:  # all of them were skipped
            return values
        values |= _named("worker", WORKER, self.worker_seconds, self.updated_steps)
        values |= _named("server", SERVER, self.server_seconds, self.updated_steps)
        if self.wire_bytes:
            values["system/wire_bytes_per_step"] = self.wire_bytes / self.updated_steps  # of all nodes
        if self.staleness:
            values["system/largest_staleness"] = self.staleness
        if self.dropped:
            values["system/dropped_gradients"] = self.dropped
        return values

    def arrays(self) -> dict[str, Array]:
        """The sums as named arrays for a checkpoint in the middle of an epoch."""
        arrays: dict[str, Array] = {"sums": np.array([self.loss, self.count, self.weight, self.seconds])}
        for share, states in self.states.items():
            for name, state in states.items():
                arrays |= {f"metric/{share}/{name}/{key}": value for key, value in state.items()}
        return arrays

    def restore(self, arrays: Mapping[str, Array]) -> None:
        self.loss, count, self.weight, self.seconds = arrays["sums"].tolist()
        self.count = int(count)
        self.states = {}
        for path, value in arrays.items():
            if path.startswith("metric/"):
                _, *shares, name, key = path.split("/")
                if name not in followed(self.metrics):  # the job does not measure it any more
                    continue
                share = int(shares[0]) if shares else 0  # before, those of all shares were one
                self.states.setdefault(share, {}).setdefault(name, {})[key] = value


@dataclass
class StepLog:
    """Averages of what is logged a step, over windows that end at multiples of `every` steps."""

    every: int
    loss: float = 0.0
    weight: float = 0.0

    def add(self, first: int, report: LeaseReport) -> Iterator[tuple[int, dict[str, float]]]:
        """Yields (step, values) for each window that ends within the lease that began at `first`."""
        for index, (loss, weight) in enumerate(zip(report.losses.tolist(), report.weights.tolist(), strict=True)):
            self.loss += loss
            self.weight += weight
            step = first + index + 1
            if step % self.every == 0:
                yield (
                    step,
                    {
                        f"{STEP}loss": mean(self.loss, self.weight),
                        f"{STEP}learning_rate": float(report.learning_rates[index]),
                        f"{STEP}gradient_norm": float(report.gradient_norms[index]),
                    },
                )
                self.loss, self.weight = 0.0, 0.0

    def skip(self, first: int, last: int) -> Iterator[tuple[int, dict[str, float]]]:
        """As `add`, for the steps first + 1 ... last, of which no update was made: they are in no average."""
        for step in range(first + 1, last + 1):
            if step % self.every == 0:
                if self.weight:
                    yield step, {f"{STEP}loss": mean(self.loss, self.weight)}
                self.loss, self.weight = 0.0, 0.0

    def state(self) -> dict[str, Any]:
        """The window that is not over, for a checkpoint."""
        return {"loss": self.loss, "weight": self.weight}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.loss, self.weight = state["loss"], state["weight"]


def _added(total: float, values: Array) -> float:
    """One after the other: NumPy's own sum depends on how many there are at once."""
    return reduce(add, values.tolist(), total)


def mean(total: float, weight: float) -> float:
    """Of a loss; nan over samples that all have the weight 0."""
    return total / weight if weight else math.nan


def scores(
    evaluation: Evaluation, metrics: Mapping[str, Metric], threshold: float | None = None
) -> tuple[dict[str, float], dict[str, Array]]:
    """The loss and metrics of an evaluation: numbers, and those that are arrays (the confusion matrix).

    A threshold between two classes is chosen by these samples, unless it is given.
    """
    numbers = {"loss": mean(evaluation.loss, evaluation.weight)}
    arrays: dict[str, Array] = {}
    for name, value in at_threshold(evaluation.metrics, metrics, threshold).items():
        if isinstance(value, np.ndarray):
            arrays[name] = value
        else:
            numbers[name] = float(value)
    return numbers, arrays


def _add(total: dict[int, Array], more: Mapping[int, Array]) -> None:
    for rank, seconds in more.items():
        total[rank] = total[rank] + seconds if rank in total else seconds


def _named(role: str, activities: tuple[str, ...], seconds: Mapping[int, Array], steps: int) -> dict[str, float]:
    """The times of each process by rank, or of many their averages and the slowest one's own work."""
    if len(seconds) > SHOWN_PROCESSES:
        rows = np.stack(list(seconds.values())) / steps
        means = zip(activities, rows.mean(axis=0), strict=True)
        values = {f"{TIMES}{role}s_{activity}_ms": 1e3 * float(value) for activity, value in means}
        return values | {f"{TIMES}slowest_{role}_{activities[0]}_ms": 1e3 * float(rows[:, 0].max())}
    return {
        f"{TIMES}{role}_{rank}_{activity}_ms": 1e3 * float(value) / steps
        for rank, row in sorted(seconds.items())
        for activity, value in zip(activities, row, strict=True)
    }
