"""Telling which worker holds the others up."""

from collections.abc import Sequence

import numpy as np

from dist_bp.ps.lease import WorkerReport
from dist_bp.types import Array

FACTOR = 1.5
WINDOW_SECONDS = 5.0
"""A worker that is late for a moment is none: others may use its processor, too."""


class StragglerWatch:
    """Adds leases up until they are WINDOW_SECONDS long, then names the straggler among them, each worker once."""

    def __init__(self) -> None:
        self._reports: list[Sequence[WorkerReport]] = []
        self._seconds = 0.0
        self._named: set[int] = set()

    def add(self, reports: Sequence[WorkerReport], seconds: float) -> str | None:
        """Takes a lease of so many seconds; returns a line to tell, if there is one."""
        if self._reports and [one.rank for one in reports] != [one.rank for one in self._reports[0]]:
            self._reports, self._seconds = [], 0.0  # some were lost, or have come back
        self._reports.append(reports)
        self._seconds += seconds
        if self._seconds < WINDOW_SECONDS:
            return None
        slow = straggler(self._reports)
        self._reports, self._seconds = [], 0.0
        if slow is None or slow[0] in self._named:
            return None
        rank, own, median = slow
        self._named.add(rank)
        return (
            f"worker {rank} is a straggler: it computes {own * 1e3:.1f} ms a share of a step, "
            f"the median is {median * 1e3:.1f} ms"
        )


def straggler(leases: Sequence[Sequence[WorkerReport]]) -> tuple[int, float, float] | None:
    """The slowest worker's rank, its seconds a share and the median of the other workers, if it is a straggler.

    It is one when it computes more than 1.5 times as long: who computes the share of a lost worker, too, is none.
    """
    workers = [np.concatenate([_seconds(report) for report in worker]) for worker in zip(*leases, strict=True)]
    seconds = [float(own.mean()) if len(own) else 0.0 for own in workers]
    if len(seconds) < 2:
        return None
    slowest = int(np.argmax(seconds))
    median = float(np.median(np.delete(seconds, slowest)))
    if seconds[slowest] <= FACTOR * median:
        return None
    return leases[0][slowest].rank, seconds[slowest], median


def _seconds(report: WorkerReport) -> Array:
    """Of each gradient, a share."""
    computing: Array = (report.times[:, 1] - report.times[:, 0]) / report.shares
    return computing
