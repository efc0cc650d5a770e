"""dist_bp and the example of Ray's documentation, in turn on one Ray."""

from pathlib import Path

import numpy as np

from benchmarks.contenders.ray_example import RayExample
from benchmarks.dist_bp_runs import RayRun
from benchmarks.processes import Contender
from benchmarks.threads import thread_counts
from benchmarks.works import Array, Servers, Work
from dist_bp.ps.layout import CHUNK

WORKERS = 2


class OnRay(Contender):
    """The driver of both; servers that would get no piece of the parameters are left out."""

    def __init__(self, work: Work, folder: Path, rank: int, size: int, servers: Servers, example: bool) -> None:
        most = -(-work.parameters // CHUNK)
        self._run = RayRun(work, folder, WORKERS, servers if servers == "auto" else min(servers, most))
        try:
            self._example = RayExample(work, folder, WORKERS) if example else None
        except BaseException:
            self._run.close()
            raise

    def run(self, first: int, count: int) -> Array:
        """The losses of dist_bp's next steps, which it counts itself."""
        return self._run.train(count)

    def worker_seconds(self, count: int) -> Array:
        """(workers, 3): seconds of the next steps spent computing, pushing and waiting."""
        return np.stack(list(self._run.lease(count).worker_seconds.values()))

    def run_example(self, first: int, count: int) -> Array:
        if self._example is None:
            raise RuntimeError("the example was not asked for")
        return self._example.train(first, count)

    def threads(self) -> dict[str, int]:
        found = thread_counts()
        actors = [*self._run.threads(), *(self._example.threads() if self._example else [])]
        for number, counts in enumerate(actors):
            found |= {f"actor {number}: {where}": count for where, count in counts.items()}
        return found

    def close(self) -> None:
        if self._example:
            self._example.close()
        self._run.close()
