"""What modes have in common in which one server decides, in the order of arrival, which gradients make an update."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Protocol

from dist_bp.ps.collect import Delegate, Follower, Leader
from dist_bp.ps.decision import Decision
from dist_bp.ps.modes.base import Mode

if TYPE_CHECKING:
    from dist_bp.ps.collect import Collector
    from dist_bp.ps.lease import Lease
    from dist_bp.ps.server import Server


class Policy(Protocol):
    """What decides, from what has arrived and nothing else; acting on it is left to the servers."""

    def arrive(self, share: int, version: int) -> bool:
        """Counts a gradient for the update to `version`; False: it is late, and dropped."""

    def decide(self) -> Decision | None:
        """The next update; None: it has to wait for more."""


class Led(Mode):
    """Workers tell the first server of their node, which answers each when its gradient has been used."""

    @abstractmethod
    def policy(self, shares: int, version: int, steps: int) -> Policy:
        """What decides in a lease of `steps` global batches that begins at `version`."""

    def collector(self, server: Server, lease: Lease) -> Collector:
        layout, mesh = server.layout, server.mesh
        if server.index:
            return Follower(server.servers[0], lease.generation, server.arena.chosen)
        if layout.node and mesh:
            return Delegate(server, mesh, lease.generation)
        return Leader(server, lease.generation, self.policy(layout.shares, lease.version, lease.steps))
