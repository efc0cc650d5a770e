"""A parameter server: averages the workers' gradients and applies one optimizer update at a time to its slice."""

import math
import os
import time
from collections.abc import Callable, Sequence
from itertools import chain

import numpy as np

from dist_bp.data.samples import Amount
from dist_bp.optim import Updater
from dist_bp.optim.rules.sgd import Sgd
from dist_bp.ps.arena import Arena, Snapshot
from dist_bp.ps.collect import Aborted, Barrier, Collector, Delegate, Follower, Leader, expect
from dist_bp.ps.compression import Codec
from dist_bp.ps.contribution import Contribution
from dist_bp.ps.doorbell import ABORT, Acceptor, Doorbell, Peer, connect
from dist_bp.ps.exchange import Exchange, PeerAborted
from dist_bp.ps.layout import ArenaLayout
from dist_bp.ps.lease import Lease, NonFinite, ServerReport
from dist_bp.ps.lease_log import LeaseLog, Scores
from dist_bp.ps.mesh import Mesh
from dist_bp.ps.modes import policy
from dist_bp.ps.update import SliceUpdate
from dist_bp.types import Array

Rate = Callable[[int], float]


class Server:
    """Server `index` of a node. Server 0 creates the arena, all others receive it from there.

    `rate` maps the number of global batches so far to the scheduled learning rate; `exchange`, with more than one
    node, reaches the server of the same index on the others, and `codec` makes what is sent there smaller.
    """

    def __init__(
        self,
        index: int,
        layout: ArenaLayout,
        updater: Updater,
        rate: Rate,
        statistic_momentum: Array,
        secret: bytes,
        timeout: float,
        exchange: Exchange | None = None,
        codec: Codec | None = None,
    ) -> None:
        self.index = index
        self._layout = layout
        self._updater = averaging(layout) if layout.mode.name == "local" else updater
        self._rate = rate
        self._statistic_momentum = statistic_momentum
        self._secret = secret
        self._timeout = timeout
        self._exchange = exchange
        self._mesh = Mesh(exchange, layout, index, codec) if exchange else None
        self._acceptor = Acceptor(secret, timeout)
        self._workers: dict[int, Doorbell] = {}
        self._servers: list[Doorbell] = []
        self._arena: Arena | None = None

    def listen(self, host: str = "127.0.0.1") -> tuple[bytes, str]:
        """Where peers of this node and the servers of others reach this one, at the network address `host`.

        Raises CapacityError without memory for the arena.
        """
        if self.index == 0:
            self._arena = Arena.create(self._layout)
        return self._acceptor.address, self._exchange.listen(host) if self._exchange else ""

    def gather(self, addresses: Sequence[bytes], meshed: Sequence[str] = (), seconds: float | None = None) -> None:
        """Connects to the servers before this one and receives the workers and the servers after it.

        `addresses` are those of the node's servers, `meshed` those of this server's counterparts, by node.
        Raises PeerLost where one is not there after `seconds` (None: START_SECONDS).
        """
        node = self._layout.node
        me = self._peer(self.index)
        for other in range(self.index):
            bell, descriptor = connect(addresses[other], self._peer(other), me, self._secret, self._timeout, seconds)
            self._servers.append(bell)
            if self._arena is None:
                self._arena = Arena(self._layout, descriptor)
            else:
                os.close(descriptor)
        workers = [Peer("worker", rank) for rank in self._layout.ranks(node)]
        later = [self._peer(other) for other in range(self.index + 1, self._layout.servers)]
        bells = self._acceptor.accept([*workers, *later], self.arena.descriptor, seconds)
        self._workers = {peer.rank: bells[peer] for peer in workers}
        self._servers += [bells[peer] for peer in later]
        self._acceptor.close()
        if self._exchange:
            self._exchange.connect(meshed, seconds)
        self._update = SliceUpdate(self.arena, self.index, self._updater, self._statistic_momentum, self._mesh)

    def _peer(self, index: int) -> Peer:
        return Peer("server", self._layout.node * self._layout.servers + index)

    @property
    def arena(self) -> Arena:
        if self._arena is None:
            raise RuntimeError("the server has not joined its node yet")
        return self._arena

    def memory(self) -> tuple[str, ArenaLayout]:
        """Where other processes of this machine and user can open the arena, and what lies where in it."""
        return f"/proc/{os.getpid()}/fd/{self.arena.descriptor}", self._layout

    def read(self, version: int) -> tuple[Array, Array, dict[str, Array]]:
        """Parameters, statistics and this node's part of the optimizer's state."""
        return self.arena.read(version)

    def write(self, version: int, snapshot: Snapshot) -> None:
        """Makes the snapshot the committed version of this node."""
        self.arena.write(version, snapshot)

    @np.errstate(all="ignore")  # a NaN ends the lease with a message of its own
    def run(self, lease: Lease) -> ServerReport:
        """Makes the updates of the lease; raises PeerLost when a worker or server dies or hangs."""
        log = LeaseLog(lease, self._layout)
        self.arena.begun[self.index] = self.arena.committed[self.index] = lease.version
        if self._mesh:
            self._mesh.generation = lease.generation
            if lease.version == 0:  # the version was written, not made here
                self._mesh.forget()
        before = self._wire_bytes()
        collector = self._collector(lease)
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
        sent, received = self._wire_bytes()
        return log.report(self.index, (sent - before[0], received - before[1]))

    def close(self) -> None:
        for bell in (*self._workers.values(), *self._servers):
            bell.close()
        self._acceptor.close()
        if self._exchange:
            self._exchange.close()
        if self._arena is not None:
            self._arena.close()

    def _collector(self, lease: Lease) -> Collector:
        layout, generation, chosen = self._layout, lease.generation, self.arena.chosen
        total = sum(layout.placement)
        if not layout.mode.has_leader:
            return Barrier(self._workers, generation, range(total))
        if self.index:
            return Follower(self._servers[0], generation, chosen)
        if layout.node and self._mesh:
            return Delegate(self._workers, self._servers, self._mesh, generation, chosen)
        decides = policy(layout.mode, total, lease.version, lease.steps)
        return Leader(self._workers, self._servers, self._mesh, generation, chosen, decides)

    def _make(self, log: LeaseLog, collector: Collector) -> bool:
        """Makes the next update; False where a NaN or infinity ends the lease before it."""
        arena, version = self.arena, log.lease.version + log.done + 1
        begun = time.perf_counter()
        ranks = collector.collect(version)
        collected = time.perf_counter()
        arena.begun[self.index] = version
        contribution, scores = self._scores(log, version, ranks)
        rate = self._rate(log.step) * log.lease.rate_factor * contribution.fraction
        squares = math.nan
        if math.isfinite(sum(chain(*scores.losses))):
            applied = 1.0 if self._layout.mode.name == "local" else rate  # local steps have been made with it
            squares = self._update.apply(
                version, log.number, applied, contribution, lambda: self._total_norm(log.lease.generation, version)
            )
        if not math.isfinite(squares):
            self._abort(log.lease.generation)
            culprits = [rank for rank, own in zip(ranks, scores.losses, strict=True) if not math.isfinite(sum(own))]
            log.non_finite = NonFinite(log.step, culprits[0] if culprits else None)
            return False
        self._update.complete(version, contribution)
        updated = time.perf_counter()
        arena.committed[self.index] = version
        collector.release(version)
        log.staleness[log.done] = self._staleness(contribution, version)
        log.add(scores, squares, rate, (begun, collected, updated, time.perf_counter()))
        return True

    def _scores(self, log: LeaseLog, version: int, ranks: tuple[int, ...]) -> tuple[Contribution, Scores]:
        """What the update is made of, and the scores of its workers, in the order of ranks, and steps."""
        arena, slot, length = self.arena, log.done % self._layout.mode.slots, log.length
        workers, nodes = log.parts(ranks)
        tables = (table[:, slot, :length].tolist() for table in (arena.losses, arena.counts, arena.weights))
        scores = Scores(*([table[worker] for worker in workers] for table in tables))
        samples, weight = arena.expected[workers[0], slot].tolist() if workers else (0.0, 0.0)
        contribution = Contribution(workers, slot, nodes)
        if self._mesh:
            sent = [samples, weight, *chain(*scores.losses), *chain(*scores.counts), *chain(*scores.weights)]
            got = self._update.gather(version, contribution, sent)
            got[self._layout.node] = tuple(sent)
            samples, weight = got[nodes[0]][:2]
            parts = [np.array(got[node][2:]).reshape(3, -1, length) for node in nodes]
            losses, counts, weights = (np.concatenate([part[row] for part in parts]) for row in range(3))
            scores = Scores(losses.tolist(), counts.astype(np.int64).tolist(), weights.tolist())
        part = Amount(sum(chain(*scores.counts)), sum(chain(*scores.weights)))
        whole = Amount(int(samples), weight)
        contribution = contribution.of_part(part, whole, alone=self._layout.mode.name == "async")
        return contribution, scores

    def _staleness(self, contribution: Contribution, version: int) -> int:
        """By how many versions the oldest of this node's gradients was behind."""
        if self._layout.mode.exact:
            return 0
        sources = [int(self.arena.sources[worker, contribution.slot]) for worker in contribution.workers]
        return version - 1 - min(sources, default=version - 1)

    def _total_norm(self, generation: int, version: int) -> float:
        """The norm over all slices, added in chunk order so that it does not depend on the number of servers."""
        if self._mesh:
            self._mesh.exchange_squares(version, self.arena.squares)
        for bell in self._servers:
            bell.ring(generation, version)
        for bell in self._servers:
            expect(bell, generation, version)
        return math.sqrt(math.fsum(self.arena.squares.tolist()))

    def _abort(self, generation: int) -> None:
        for bell in (*self._workers.values(), *self._servers):
            bell.ring(generation, ABORT)
        if self._mesh:
            self._mesh.abort()

    def _wire_bytes(self) -> tuple[int, int]:
        return self._mesh.wire_bytes if self._mesh else (0, 0)


def averaging(layout: ArenaLayout) -> Updater:
    """What makes the next parameters of the `local` mode from how far the workers have moved on average."""
    return Updater(Sgd(learning_rate=1.0, momentum=layout.mode.outer_momentum))
