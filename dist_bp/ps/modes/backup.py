"""`backup`: an update does not wait for the slowest gradients (Chen et al. 2016)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from dist_bp.ps.decision import COUNTED, NO_TICKET, Decision
from dist_bp.ps.doorbell import ABORT
from dist_bp.ps.modes.base import ModeName, Round
from dist_bp.ps.modes.led import Led

if TYPE_CHECKING:
    from dist_bp.ps.lease import Lease
    from dist_bp.ps.worker import Worker
    from dist_bp.ps.worker_log import WorkerLog


@dataclass(frozen=True)
class Backup(Led):
    """An update is made of the first gradients of the newest version, of all shares but `backup_workers`; the late ones
    are dropped and never counted."""

    backup_workers: int

    name: ClassVar[ModeName] = "backup"

    def policy(self, shares: int, version: int, steps: int) -> FirstArrivals:
        return FirstArrivals(shares - self.backup_workers, version)

    def work(self, worker: Worker, lease: Lease, log: WorkerLog) -> None:
        end = lease.version + lease.steps
        ((share, tally),) = log.tallies.items()
        while worker.arena.version < end:
            log.begin()
            version = worker.arena.version
            step = lease.first + version - lease.version
            worker.computing.note_source(share, 0, version)
            self.fill(worker.computing, Round(version, range(step, step + 1)), share, tally.fresh())
            bell = worker.ask_leader(lease.generation, version + 1, log)
            if bell.version == ABORT:
                break
            counts = bell.ticket != NO_TICKET
            if counts:
                tally.count(version + 1)
            log.end(step, counts)


@dataclass
class FirstArrivals:
    """Takes the first `needed` gradients for each version; `version` is the newest one."""

    needed: int
    version: int
    arrived: list[int] = field(default_factory=list)

    def arrive(self, share: int, version: int) -> bool:
        if version != self.version + 1:
            return False
        self.arrived.append(share)
        return True

    def decide(self) -> Decision | None:
        if len(self.arrived) < self.needed:
            return None
        shares = tuple(sorted(self.arrived))
        self.arrived = []
        self.version += 1
        return Decision(shares, (COUNTED,) * len(shares))
