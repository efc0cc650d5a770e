"""dist_bp's workers that compute and never exchange anything: the bound of any synchronisation."""

from pathlib import Path

from benchmarks.dist_bp_runs import ThreadRun
from benchmarks.processes import Contender
from benchmarks.works import Work

WARM_STEPS = 4


class Unsynchronised(Contender):
    """Worker `rank` of `size`, computing the gradients of its share of the batches."""

    def __init__(self, work: Work, folder: Path, rank: int, size: int, warm: int = WARM_STEPS) -> None:
        self._rank = rank
        self._run = ThreadRun(work, folder, workers=size, servers=1)
        if warm:
            self._run.train(warm)

    def run(self, first: int, count: int) -> None:
        self._run.compute(self._rank, first, count)

    def close(self) -> None:
        self._run.close()
