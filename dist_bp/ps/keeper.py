"""Who makes the arena of a node, keeps it whatever becomes of those who work in it, and makes these known."""

import os
import socket
from collections.abc import Sequence

from dist_bp.ps.arena import Arena, Snapshot
from dist_bp.ps.doorbell import Acceptor, Peer, introduce, let_go
from dist_bp.ps.layout import ArenaLayout
from dist_bp.ps.recipe import Contact
from dist_bp.types import Array


class Keeper:
    """The keeper of the node that the layout describes."""

    def __init__(self, layout: ArenaLayout, contact: Contact) -> None:
        self._layout = layout
        self._acceptor = Acceptor(contact.secret, contact.timeout)
        self._connections: dict[Peer, socket.socket] = {}
        self._arena: Arena | None = None

    def listen(self) -> bytes:
        """Makes the arena; returns where those come to who work in it. Raises CapacityError without memory for it."""
        self._arena = Arena.create(self._layout)
        return self._acceptor.address

    def admit(self, arrivals: Sequence[Peer], pairs: Sequence[tuple[Peer, Peer]], seconds: float | None = None) -> None:
        """Waits for the arrivals, hands each the arena, and introduces the pairs, of whom one at least has arrived.

        Raises PeerLost where one is not there after `seconds` (None: START_SECONDS).
        """
        self._connections |= self._acceptor.accept(arrivals, self.arena.descriptor, seconds)
        for one, other in pairs:
            introduce((one, self._connections[one]), (other, self._connections[other]))
        for peer in dict.fromkeys([*arrivals, *(peer for pair in pairs for peer in pair)]):
            let_go(self._connections[peer])

    @property
    def arena(self) -> Arena:
        if self._arena is None:
            raise RuntimeError("the keeper has not made the arena yet")
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

    def close(self) -> None:
        for connection in self._connections.values():
            connection.close()
        self._acceptor.close()
        if self._arena is not None:
            self._arena.close()
