"""`async`: every gradient is an update (Dean et al. 2012)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from dist_bp.ps.decision import NO_TICKET, Decision
from dist_bp.ps.doorbell import ABORT
from dist_bp.ps.modes.base import ModeName
from dist_bp.ps.modes.led import Led

if TYPE_CHECKING:
    from dist_bp.ps.lease import Lease
    from dist_bp.ps.worker import Worker
    from dist_bp.ps.worker_log import WorkerLog


@dataclass(frozen=True)
class Async(Led):
    """An update is made of one gradient, of any older parameters; its part of the weight scales the learning rate."""

    name: ClassVar[ModeName] = "async"
    alone: ClassVar[bool] = True

    def updates(self, first: int, last: int, shares: int) -> list[tuple[int, int]]:
        return [(step, step + 1) for step in range(first, last) for _ in range(shares)]

    def made_before(self, first: int, shares: int) -> int:
        return first * shares

    def policy(self, shares: int, version: int, steps: int) -> Tickets:
        return Tickets(shares, shares * steps)

    def work(self, worker: Worker, lease: Lease, log: WorkerLog) -> None:
        shares, ticket, tally = worker.layout.shares, worker.rank, log.tallies[worker.rank]
        while ticket != NO_TICKET:
            log.begin()
            step, share = divmod(ticket, shares)
            step += lease.first
            version, weights = worker.computing.copy_of_newest()
            worker.computing.note_source(worker.rank, 0, version)
            worker.computing.gradient_from(weights, step, share, (worker.rank, 0), tally.fresh())
            bell = worker.ask_leader(lease.generation, version + 1, log)
            if bell.version == ABORT:
                break
            tally.count(version + 1)
            log.end(step)
            ticket = bell.ticket


@dataclass
class Tickets:
    """Takes each gradient as it comes; shares of the work are handed out in order to whoever is free.

    Ticket t of a lease is share t % shares of its global batch t // shares, so every sample is used exactly once
    an epoch however fast each worker is. Worker w begins with ticket w.
    """

    next_ticket: int
    tickets: int
    queue: deque[int] = field(default_factory=deque)

    def arrive(self, share: int, version: int) -> bool:
        self.queue.append(share)
        return True

    def decide(self) -> Decision | None:
        if not self.queue:
            return None
        ticket = NO_TICKET
        if self.next_ticket < self.tickets:
            ticket = self.next_ticket
            self.next_ticket += 1
        return Decision((self.queue.popleft(),), (ticket,))
