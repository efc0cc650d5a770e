"""What a worker does in a lease, as it goes, and what it will report."""

import time
from collections.abc import Mapping

import numpy as np

from dist_bp.metrics import Metric
from dist_bp.ps.lease import MetricStates, WorkerReport, clock_offset


class WorkerLog:
    """Moments of each gradient, and the states of the `metrics` that training follows, by share: of updates that were
    made, and no others."""

    def __init__(self, metrics: Mapping[str, Metric]) -> None:
        self.dropped = 0
        self._metrics = metrics
        self._states: dict[int, MetricStates] = {}
        self._pending: dict[int, MetricStates] = {}
        self._totals: dict[int, MetricStates] = {}
        self._steps: list[int] = []
        self._times: list[float] = []
        self._row: tuple[float, ...] = ()

    def begin(self) -> None:
        self._row = (time.perf_counter(),)
        self._pending, self._totals = {}, {}

    def lap(self) -> None:
        self._row = (*self._row, time.perf_counter())

    def metrics_of(self, share: int) -> MetricStates:
        """Where the samples of a share are added, to count when the update has been made."""
        states = self._pending[share] = {name: metric.empty() for name, metric in self._metrics.items()}
        return states

    def total(self, share: int) -> MetricStates:
        """All samples of a share so far, with those that count only when the update has been made."""
        self._totals[share] = total = self._merged(share, self._pending[share])
        return total

    def end(self, step: int, counts: bool = True) -> None:
        """The update has been made, or the gradient was dropped."""
        self.lap()
        self._steps.append(step)
        self._times += self._row
        self.dropped += not counts
        if counts:
            for share, states in self._pending.items():
                self._states[share] = self._totals[share] if share in self._totals else self._merged(share, states)

    def _merged(self, share: int, states: MetricStates) -> MetricStates:
        if share not in self._states:
            return states
        before = self._states[share]
        return {name: metric.merge(before[name], states[name]) for name, metric in self._metrics.items()}

    def report(self, rank: int) -> WorkerReport:
        times = np.array(self._times).reshape(-1, 4)
        return WorkerReport(rank, np.array(self._steps, np.int64), times, self._states, self.dropped, clock_offset())
