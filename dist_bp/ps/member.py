"""What all have in common that work in the arena of a node."""

import socket
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dist_bp.ps.arena import Arena
from dist_bp.ps.compression import Codec
from dist_bp.ps.doorbell import Doorbell, Peer
from dist_bp.ps.exchange import Exchange
from dist_bp.ps.introductions import connect, introductions
from dist_bp.ps.layout import ArenaLayout
from dist_bp.ps.lease import Lease, Report
from dist_bp.ps.mesh import Mesh
from dist_bp.ps.recipe import Contact


@dataclass(frozen=True)
class Network:
    """How updater `lane` of a node reaches those of other nodes; `codec` makes what is sent smaller."""

    exchange: Exchange
    lane: int
    codec: Codec | None = None


class Member(ABC):
    """Works in the arena of the node that the layout describes; `bells` are its doorbells to other members."""

    def __init__(self, peer: Peer, layout: ArenaLayout, contact: Contact, network: Network | None = None) -> None:
        self.peer = peer
        self.layout = layout
        self.contact = contact
        self.mesh = Mesh(network.exchange, layout, network.lane, network.codec) if network else None
        self.bells: dict[Peer, Doorbell] = {}
        self._keeper: socket.socket | None = None
        self._arena: Arena | None = None

    def join(self, address: bytes, seconds: float | None = None, peer: Peer | None = None) -> None:
        """Connects to the keeper of the node, maps the arena and meets those whom it works with. Raises PeerLost.

        Without a mesh it may join as another `peer` of its role than it was made for.
        """
        self.peer, keeper = peer or self.peer, Peer("keeper", self.layout.node)
        self._keeper, descriptor = connect(address, keeper, self.peer, self.contact.secret, seconds)
        self._arena = Arena(self.layout, descriptor)
        self._introduced()
        if self.mesh:
            self.mesh.keep_in(self._arena)
        self._settle()

    def meet(self) -> None:
        """Meets those whom the keeper has admitted since, in the place of others that are gone. Raises PeerLost."""
        self._introduced()
        self._met()

    def _introduced(self) -> None:
        for bell in introductions(self.keeper, Peer("keeper", self.layout.node), self.contact.timeout):
            if before := self.bells.get(bell.peer):
                before.close()
            bell.signs = self.arena.signs
            self.bells[bell.peer] = bell

    def _met(self) -> None:  # noqa: B027 - most are never joined by others
        """Called when there are new members."""

    def listen(self, host: str) -> str:
        """Where those of the same place on other nodes reach this one, at the network address `host`."""
        return self.mesh.listen(host) if self.mesh else ""

    def connect(self, addresses: Sequence[str], seconds: float | None = None) -> None:
        """Connects to those of the same place, whose `addresses` are by node.

        Raises PeerLost where one is not there after `seconds` (None: START_SECONDS).
        """
        if self.mesh:
            self.mesh.connect(addresses, seconds)

    @abstractmethod
    def _settle(self) -> None:
        """Called once the arena and the other members are there."""

    @abstractmethod
    def run(self, lease: Lease) -> Report:
        """Works through the lease; raises PeerLost when another member dies or hangs."""

    @property
    def arena(self) -> Arena:
        if self._arena is None:
            raise RuntimeError(f"{self.peer} has not joined its node yet")
        return self._arena

    @property
    def keeper(self) -> socket.socket:
        """The connection to the keeper of the node."""
        if self._keeper is None:
            raise RuntimeError(f"{self.peer} has not joined its node yet")
        return self._keeper

    def of_role(self, role: str) -> Mapping[int, Doorbell]:
        """The doorbells to members of a role, by rank."""
        return {peer.rank: self.bells[peer] for peer in sorted(self.bells, key=_rank) if peer.role == role}

    def close(self) -> None:
        for bell in self.bells.values():
            bell.close()
        if self.mesh:
            self.mesh.close()
        if self._keeper is not None:
            self._keeper.close()
        if self._arena is not None:
            self._arena.close()


def _rank(peer: Peer) -> int:
    return peer.rank
