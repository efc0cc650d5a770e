"""A parameter server in a process of its own."""

import time
from collections.abc import Sequence

import numpy as np

from dist_bp.ps.collect import Collector, expect
from dist_bp.ps.decision import Aborted
from dist_bp.ps.doorbell import ABORT, Doorbell, Peer
from dist_bp.ps.exchange import PeerAborted
from dist_bp.ps.layout import ArenaLayout
from dist_bp.ps.lease import Lease, Report
from dist_bp.ps.lease_log import LeaseLog
from dist_bp.ps.member import Member, Network
from dist_bp.ps.recipe import Contact, Rules
from dist_bp.ps.serving import Serving
from dist_bp.types import Array


class Server(Member):
    """Server `index` of the node that the layout describes; `network` is for more than one node."""

    def __init__(
        self,
        index: int,
        layout: ArenaLayout,
        contact: Contact,
        rules: Rules,
        statistic_momentum: Array,
        network: Network | None = None,
    ) -> None:
        super().__init__(Peer("server", layout.node * layout.servers + index), layout, contact, network)
        self.index = index
        self._rules = rules
        self._statistic_momentum = statistic_momentum

    def _settle(self) -> None:
        self.workers = self.of_role("worker")
        self.servers: Sequence[Doorbell] = list(self.of_role("server").values())
        self._serving = Serving(self.arena, self._rules, self._statistic_momentum, self.mesh)

    @np.errstate(all="ignore")  # a NaN ends the lease with a message of its own
    def run(self, lease: Lease) -> Report:
        log = self._serving.begin(lease, self.index, self.layout.servers)
        before = self._serving.wire_bytes
        collector = self.layout.mode.collector(self, lease)
        try:
            for _ in log.updates:
                if not self._make(log, collector):
                    break
            else:
                collector.finish(lease.version + log.done)
        except (Aborted, PeerAborted):
            self._abort(lease.generation)
        except BaseException:
            self.close()
            raise
        return Report(server=log.report(self.peer.rank, self._serving.wire_bytes_since(before)))

    def _make(self, log: LeaseLog, collector: Collector) -> bool:
        """Makes the next update; False where a NaN or infinity ends the lease before it."""
        version, generation = log.lease.version + log.done + 1, log.lease.generation
        begun = time.perf_counter()
        shares = collector.collect(version)
        collected = time.perf_counter()
        made = self._serving.make(log, shares, lambda version: self._meet(generation, version))
        if made is None:
            self._abort(generation)
            return False
        updated = time.perf_counter()
        log.note(made)
        self._serving.commit(version)
        collector.release(version)
        log.commit((begun, collected, updated, time.perf_counter()))
        return True

    def _meet(self, generation: int, version: int) -> None:
        for bell in self.servers:
            bell.ring(generation, version)
        for bell in self.servers:
            expect(bell, generation, version)

    def _abort(self, generation: int) -> None:
        for bell in self.bells.values():
            bell.ring(generation, ABORT)
        if self.mesh:
            self.mesh.abort()
