"""What modes have in common whose updates are made of the gradients of all shares."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from dist_bp.ps.collect import Barrier
from dist_bp.ps.modes.base import Mode, Round

if TYPE_CHECKING:
    from dist_bp.ps.collect import Collector
    from dist_bp.ps.lease import Lease, MetricStates
    from dist_bp.ps.server import Server
    from dist_bp.ps.worker import Worker
    from dist_bp.ps.worker_log import WorkerLog


class EveryShare(Mode):
    """A worker computes for its shares, tells all servers, and waits until it may go on."""

    def behind(self) -> int:
        """How many updates may be missing when a worker goes on."""
        return 0

    def starts_from(self, worker: Worker, version: int) -> int:
        """The version that a gradient for the one after `version` is computed from."""
        return version

    def work(self, worker: Worker, lease: Lease, log: WorkerLog) -> None:
        updates = self.updates(lease.first, lease.last, worker.layout.shares)
        expected: deque[tuple[int, dict[int, MetricStates]]] = deque()  # versions, and what counts once they are made
        for index, (start, stop) in enumerate(updates):
            version, slot = lease.version + index + 1, index % self.slots
            log.begin()
            source = self.starts_from(worker, version - 1)
            one = Round(source, range(start, stop), slot, lease.rate_factor)
            measured = {share: tally.fresh() for share, tally in log.tallies.items()}
            for share, states in measured.items():
                self.fill(worker.computing, one, share, states)
            expected.append((version, measured))
            log.lap()
            worker.ring(lease.generation, version)
            log.lap()
            last = index + 1 == len(updates)
            goes_on = worker.await_version(lease.generation, version if last else version - self.behind())
            while expected and expected[0][0] <= worker.committed:
                made, measured = expected.popleft()
                for share, tally in log.tallies.items():
                    tally.count(made, measured[share])
            if not goes_on:
                break
            log.end(start)

    def collector(self, server: Server, lease: Lease) -> Collector:
        return Barrier(server.workers, lease.generation, range(server.layout.shares))
