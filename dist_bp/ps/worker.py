"""A worker whose servers are processes of their own."""

from collections.abc import Iterable

import numpy as np

from dist_bp.ps.computing import Computing
from dist_bp.ps.doorbell import ABORT, Bell, Peer, PeerLost
from dist_bp.ps.environment import environment
from dist_bp.ps.layout import ArenaLayout
from dist_bp.ps.lease import Evaluation, Lease, Report
from dist_bp.ps.member import Member, Network
from dist_bp.ps.recipe import Contact, Rules, Task
from dist_bp.ps.worker_log import WorkerLog


class Worker(Member):
    """Worker `rank` of a run: computes its shares of every global batch, and leaves gradients in the arena.

    `rules` make the local steps of the `local` mode.
    """

    def __init__(
        self,
        rank: int,
        layout: ArenaLayout,
        contact: Contact,
        task: Task,
        rules: Rules,
        network: Network | None = None,
    ) -> None:
        super().__init__(Peer("worker", rank), layout, contact, network)
        self.task = task
        self._rules = rules

    @property
    def rank(self) -> int:
        return self.peer.rank

    def _settle(self) -> None:
        self.computing = Computing(self.task, self._rules, self.arena, self.contact.timeout)
        self._servers = list(self.of_role("server").values())
        self._committed = [0] * len(self._servers)

    @np.errstate(all="ignore")  # the servers end the lease at a NaN, with a message of their own
    def run(self, lease: Lease) -> Report:
        log = self._log(lease)
        self._committed = [lease.version] * len(self._servers)
        try:
            self.layout.mode.work(self, lease, log)
        except BaseException:
            self.close()
            raise
        return Report(worker=log.report())

    def _log(self, lease: Lease) -> WorkerLog:
        return WorkerLog(self.rank, self.computing.tallies(lease.shares_of(self.rank), lease.measured))

    @np.errstate(all="ignore")
    def evaluate(self, split: str, version: int, shares: Iterable[int]) -> list[Evaluation]:
        """Loss and metrics of a version over each of the shares of a split."""
        return self.computing.evaluate(split, version, shares)

    def non_finite(self, shares: Iterable[int]) -> dict[int, str]:
        """For each of the shares whose last gradient holds a NaN or an infinity, the first parameter that has one."""
        found = {share: self.computing.non_finite(share) for share in shares}
        return {share: name for share, name in found.items() if name}

    def environment(self) -> dict[str, str]:
        """What its bits depend on beside code and input."""
        return environment()

    def ring(self, generation: int, version: int) -> None:
        """Tells all servers that the gradients for `version` are there."""
        for bell in self._servers:
            bell.ring(generation, version)

    def ask_leader(self, generation: int, version: int, log: WorkerLog) -> Bell:
        """Tells the first server of a gradient for `version`, and waits for what it answers."""
        leader = self._servers[0]
        log.lap()
        leader.ring(generation, version)
        log.lap()
        bell = leader.wait(generation)
        if bell.version == ABORT:
            leader.ring(generation, ABORT)
        return bell

    @property
    def committed(self) -> int:
        """The newest version that is known to be made: what one server commits, all do."""
        return max(self._committed)

    def await_version(self, generation: int, version: int) -> bool:
        """Waits until all servers have committed `version`; False when one ended the lease instead."""
        committed = self._committed
        for index, doorbell in enumerate(self._servers):
            while committed[index] < version:
                bell = doorbell.wait(generation)
                if bell.version == ABORT:
                    for other in self._servers:
                        other.ring(generation, ABORT)
                    return False
                if bell.version != committed[index] + 1:
                    raise PeerLost(str(doorbell.peer), f"committed version {bell.version}, not {committed[index] + 1}")
                committed[index] = bell.version
        return True
