"""Telling which worker holds the others up."""

from collections.abc import Sequence

import numpy as np

from dist_bp.ps.lease import WorkerReport

FACTOR = 1.5


def straggler(reports: Sequence[WorkerReport]) -> tuple[int, float, float] | None:
    """The slowest worker's rank, its seconds a gradient and the median of all workers, if it is a straggler.

    It is one when it computes more than 1.5 times as long as the median.
    """
    seconds = [
        float((report.times[:, 1] - report.times[:, 0]).mean()) if len(report.times) else 0.0 for report in reports
    ]
    slowest, median = int(np.argmax(seconds)), float(np.median(seconds))
    if len(seconds) < 2 or seconds[slowest] <= FACTOR * median:
        return None
    return reports[slowest].rank, seconds[slowest], median
