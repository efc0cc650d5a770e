"""A worker that is a server, too: it computes, waits for all others, and updates its part.

In modes in which every update waits for all gradients a server has nothing to do while workers compute. In a process
with a worker it takes no processor from it, and there is no third process to wake.
"""

import time

import numpy as np

from dist_bp.ps.decision import Aborted
from dist_bp.ps.doorbell import PeerLost
from dist_bp.ps.exchange import PeerAborted
from dist_bp.ps.lease import Lease, Report
from dist_bp.ps.lease_log import LeaseLog
from dist_bp.ps.modes.base import Round
from dist_bp.ps.rendezvous import Rendezvous
from dist_bp.ps.serving import Serving
from dist_bp.ps.worker import Worker
from dist_bp.ps.worker_log import WorkerLog

COMPUTED, MEASURED, UPDATED = 1, 2, 3
"""What members tell each other of an update, in this order: their gradients are there, the squared norms of their
parts, their parts of the next version. Who has none to make is there at once: whoever waits is further than whoever is
waited for."""


class Colocated(Worker):
    """Worker `rank` of a run, and one of its node's servers; on several nodes only one that has a lane."""

    def _settle(self) -> None:
        super()._settle()
        self._first = self.layout.own_shares.start
        self._all = tuple(range(self.layout.shares))
        self._serving = Serving(self.arena, self._rules, self.task.model.statistic_momentum, self.mesh)
        self._rendezvous = Rendezvous(self.arena, self.rank - self._first, self.keeper, self.contact.timeout)
        self._met()

    def _met(self) -> None:
        self._rendezvous.bells = {rank - self._first: bell for rank, bell in self.of_role("worker").items()}

    @np.errstate(all="ignore")  # a NaN ends the lease with a message of its own
    def run(self, lease: Lease) -> Report:
        crew = lease.crew(self.layout.own_shares)
        working, served = self._log(lease), None
        updaters = crew[: self.layout.lanes or self.layout.sharing(len(crew))]
        self._rendezvous.begin(lease.generation, self._places(crew))
        if self.rank in updaters:
            served = self._serving.begin(lease, updaters.index(self.rank), len(updaters))
        else:
            self._serving.rest()
        before, lost = self._serving.wire_bytes, None
        try:
            self._work(lease, working, served, self._places(crew), self._places(updaters))
        except (Aborted, PeerAborted):
            self._end()
        except PeerLost as error:
            if self.mesh:
                self.close()
                raise
            self._end()
            lost = error
        except BaseException:
            self.close()
            raise
        moved = self._serving.wire_bytes_since(before)
        return Report(
            working.report(lease.version + working.done), served.report(self.rank, moved) if served else None, lost
        )

    def _end(self) -> None:
        """Ends the lease for all others, too."""
        self._rendezvous.abort()
        if self.mesh:
            self.mesh.abort()

    def _places(self, ranks: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(rank - self._first for rank in ranks)

    def _work(
        self,
        lease: Lease,
        working: WorkerLog,
        served: LeaseLog | None,
        crew: tuple[int, ...],
        updaters: tuple[int, ...],
    ) -> None:
        meeting, mode, computing = self._rendezvous, self.layout.mode, self.computing
        updates = served.updates if served else mode.updates(lease.first, lease.last, self.layout.shares)
        for index, (start, stop) in enumerate(updates):
            stage = UPDATED * index
            one = Round(lease.version + index, range(start, stop), 0, lease.rate_factor)
            working.begin()
            for share, tally in working.tallies.items():
                mode.fill(computing, one, share, tally.fresh())
                tally.count(one.version + 1)
            working.lap()
            meeting.arrive(stage + (COMPUTED if served else UPDATED))
            working.lap()
            if served:
                self._update(served, stage, crew, updaters)
            meeting.wait(stage + UPDATED, updaters, self.contact.patience)
            working.end(start)

    def _update(self, log: LeaseLog, stage: int, crew: tuple[int, ...], updaters: tuple[int, ...]) -> None:
        """Makes this member's part of an update; raises Aborted where a NaN or infinity ends the lease before it."""
        meeting, version = self._rendezvous, log.lease.version + log.done + 1

        def meet(_: int) -> None:
            meeting.arrive(stage + MEASURED)
            meeting.wait(stage + MEASURED, updaters, self.contact.patience)

        begun = time.perf_counter()
        meeting.wait(stage + COMPUTED, crew)
        collected = time.perf_counter()
        made = self._serving.make(log, self._all, meet)
        if made is None:
            raise Aborted
        updated = time.perf_counter()
        log.note(made)
        self._serving.commit(version)
        meeting.arrive(stage + UPDATED)
        log.commit((begun, collected, updated, time.perf_counter()))
