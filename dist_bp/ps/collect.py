"""How servers in processes of their own learn which gradients make the next update, and let workers go on after it."""

from __future__ import annotations

import os
import select
import time
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from dist_bp.ps.decision import NO_TICKET, Aborted, Decision
from dist_bp.ps.doorbell import ABORT, Bell, Doorbell, PeerLost
from dist_bp.ps.exchange import Message
from dist_bp.ps.mesh import Kind, Mesh, pack, unpack
from dist_bp.ps.spin import AdaptiveSpin
from dist_bp.types import Array

if TYPE_CHECKING:
    from dist_bp.ps.modes.led import Policy
    from dist_bp.ps.server import Server

Workers = Mapping[int, Doorbell]
"""The node's workers by their rank in the run."""
POLL_SECONDS = 1e-3
"""How long a sleeping leader may overlook a message of another node."""


class Collector(ABC):
    """One server's side of the doorbells in one lease."""

    @abstractmethod
    def collect(self, version: int) -> tuple[int, ...]:
        """Waits for the gradients of the update to `version`; returns the shares that they are of.

        Raises PeerLost when a peer dies or hangs, Aborted when one ends the lease.
        """

    @abstractmethod
    def release(self, version: int) -> None:
        """Tells whoever waits for it that `version` is committed."""

    @abstractmethod
    def finish(self, version: int) -> None:
        """Ends the lease: whoever still computes learns that `version` is the last."""


class Barrier(Collector):
    """All gradients make the update: every server hears every worker, so there is one hop each way."""

    def __init__(self, workers: Workers, generation: int, shares: Sequence[int]) -> None:
        self._workers = workers
        self._generation = generation
        self._shares = tuple(shares)

    def collect(self, version: int) -> tuple[int, ...]:
        for doorbell in self._workers.values():
            expect(doorbell, self._generation, version)
        return self._shares

    def release(self, version: int) -> None:
        for doorbell in self._workers.values():
            doorbell.ring(self._generation, version)

    def finish(self, version: int) -> None:
        pass  # nobody computes what no update has waited for


class Follower(Collector):
    """A server that does what the node's first server has been told; `chosen` is the arena's, by share."""

    def __init__(self, leader: Doorbell, generation: int, chosen: Array) -> None:
        self._leader = leader
        self._generation = generation
        self._chosen = chosen

    def collect(self, version: int) -> tuple[int, ...]:
        expect(self._leader, self._generation, version)
        return tuple(self._chosen.nonzero()[0].tolist())

    def release(self, version: int) -> None:
        self._leader.ring(self._generation, version)

    def finish(self, version: int) -> None:
        pass  # the leader tells the workers


class _FirstServer(Collector):
    """The first server of a node: hears the workers, passes decisions on, answers those that were chosen."""

    def __init__(self, server: Server, generation: int) -> None:
        self._workers = server.workers
        self._followers = server.servers
        self._mesh = server.mesh
        self._generation = generation
        self._chosen = server.arena.chosen
        self._decision = Decision((), ())
        self._spin = AdaptiveSpin()

    def collect(self, version: int) -> tuple[int, ...]:
        self._decision = self._await(version)
        self._chosen[:] = 0
        self._chosen[list(self._decision.shares)] = 1
        for follower in self._followers:
            follower.ring(self._generation, version)
        return self._decision.shares

    @abstractmethod
    def _await(self, version: int) -> Decision:
        """The decision for the update to `version`."""

    def release(self, version: int) -> None:
        for follower in self._followers:
            expect(follower, self._generation, version)
        for rank, answer in zip(*self._decision, strict=True):
            if rank in self._workers:
                self._workers[rank].ring(self._generation, version, answer)

    def finish(self, version: int) -> None:
        for doorbell in self._workers.values():
            doorbell.ring(self._generation, version, NO_TICKET)

    def _news(self, kinds: Collection[Kind]) -> tuple[list[tuple[int, Bell]], list[Message]]:
        """Waits for bells of the workers or messages of these kinds; returns all that are there."""
        began = time.perf_counter()
        until = self._spin.begin()
        while True:
            bells = [(rank, bell) for rank, doorbell in self._workers.items() if (bell := self._look(doorbell))]
            messages = list(iter(partial(self._mesh.poll, kinds), None)) if self._mesh else []
            if bells or messages:
                self._spin.end()
                return bells, messages
            now = time.perf_counter()
            if now < until:
                os.sched_yield()
            else:
                self._sleep(now - began)

    def _look(self, doorbell: Doorbell) -> Bell | None:
        bell = doorbell.poll(self._generation)
        if bell and bell.version == ABORT:
            raise Aborted
        return bell

    def _sleep(self, waited: float) -> None:
        doorbells = list(self._workers.values())
        poll = select.poll()
        for doorbell in doorbells:
            poll.register(doorbell.fileno(), select.POLLIN)
        left = doorbells[0].timeout - waited
        if left < 0:
            raise doorbells[0].silent()
        poll.poll(1000 * (POLL_SECONDS if self._mesh else left))


class Leader(_FirstServer):
    """The first server of the first node: decides by the mode's policy."""

    def __init__(self, server: Server, generation: int, policy: Policy) -> None:
        super().__init__(server, generation)
        self._policy = policy

    def _await(self, version: int) -> Decision:
        while (decision := self._policy.decide()) is None:
            bells, messages = self._news((Kind.ARRIVAL,))
            for rank, bell in bells:
                if not self._policy.arrive(rank, bell.version):
                    self._workers[rank].ring(self._generation, version - 1, NO_TICKET)
            for message in messages:
                rank = int(message.scalars[0])
                if not self._policy.arrive(rank, message.step) and self._mesh:
                    self._mesh.tell(message.node, Kind.LATE, version - 1, (rank,))
        if self._mesh:
            for node in self._mesh.others:
                self._mesh.tell(node, Kind.DECISION, version, pack(decision))
        return decision


class Delegate(_FirstServer):
    """The first server of another node: reports arrivals to the leader and does what it decides."""

    def __init__(self, server: Server, mesh: Mesh, generation: int) -> None:
        super().__init__(server, generation)
        self._leader = mesh

    def _await(self, version: int) -> Decision:
        while True:
            bells, messages = self._news((Kind.DECISION, Kind.LATE))
            for rank, bell in bells:
                self._leader.tell(0, Kind.ARRIVAL, bell.version, (rank,))
            for message in messages:
                if message.kind == Kind.DECISION:
                    return unpack(message.scalars)
                self._workers[int(message.scalars[0])].ring(self._generation, message.step, NO_TICKET)


def expect(doorbell: Doorbell, generation: int, version: int) -> None:
    """Waits for a bell about `version`; raises Aborted, or PeerLost where it is about another."""
    bell = doorbell.wait(generation)
    if bell.version == ABORT:
        raise Aborted
    if bell.version != version:
        raise PeerLost(str(doorbell.peer), f"is at version {bell.version}, not {version}")
