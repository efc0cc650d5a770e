"""When a worker does what in a lease, as it goes."""

import time
from collections.abc import Mapping

import numpy as np

from dist_bp.ps.lease import WorkerReport, clock_offset
from dist_bp.ps.tally import Tally


class WorkerLog:
    """Moments of each gradient: begun, computed, pushed, released; and what shares measure, by share."""

    def __init__(self, rank: int, tallies: Mapping[int, Tally]) -> None:
        self.tallies = tallies
        self.dropped = 0
        self._rank = rank
        self._steps: list[int] = []
        self._times: list[float] = []
        self._row: list[float] = []

    @property
    def done(self) -> int:
        """How many gradients have an end."""
        return len(self._steps)

    def begin(self) -> None:
        self._row = [time.perf_counter()]

    def lap(self) -> None:
        self._row.append(time.perf_counter())

    def end(self, step: int, counts: bool = True) -> None:
        """The update has been made, or the gradient was dropped."""
        self._row.append(time.perf_counter())
        self._times += self._row
        self._steps.append(step)
        self.dropped += not counts

    def report(self, version: int | None = None) -> WorkerReport:
        """With what counts until `version`; None: all that does."""
        times = np.array(self._times).reshape(-1, 4)
        measured = {share: tally.until(version) for share, tally in self.tallies.items()}
        metrics = {share: states for share, states in measured.items() if states}
        steps, shares = np.array(self._steps, np.int64), len(self.tallies)
        return WorkerReport(self._rank, steps, times, metrics, self.dropped, clock_offset(), shares)
