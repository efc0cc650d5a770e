"""dist_bp on two hosts, one worker on each."""

from contextlib import ExitStack
from pathlib import Path

from benchmarks.dist_bp_runs import RayRun, ray_of
from benchmarks.hosts import enter
from benchmarks.processes import Contender
from benchmarks.threads import thread_counts
from benchmarks.works import Array, Servers, Work

WORKERS = 2


class OnTwoNodes(Contender):
    """dist_bp's driver, on the first host; a worker and the servers on each node of the Ray there."""

    def __init__(
        self, work: Work, folder: Path, rank: int, size: int, host: str, address: str, servers: Servers
    ) -> None:
        enter(host)
        with ExitStack() as stack:
            stack.enter_context(ray_of(address, WORKERS))
            self._run = RayRun(work, folder, WORKERS, servers, placement="spread")
            stack.callback(self._run.close)
            self._stack = stack.pop_all()

    def run(self, first: int, count: int) -> Array:
        """The losses of the next steps, which dist_bp counts itself."""
        return self._run.train(count)

    def threads(self) -> dict[str, int]:
        found = thread_counts()
        for number, counts in enumerate(self._run.threads()):
            found |= {f"actor {number}: {where}": count for where, count in counts.items()}
        return found

    def close(self) -> None:
        self._stack.close()
