"""Who makes the arena of a node, keeps it whatever becomes of those who work in it, and makes these known."""

import os
import signal
import socket
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from dist_bp.processes import Known, alive, known
from dist_bp.ps.arena import Arena, Log, Part, Snapshot
from dist_bp.ps.doorbell import Peer
from dist_bp.ps.introductions import Acceptor, introduce, let_go, peer_pid
from dist_bp.ps.layout import MEASURED_VERSIONS, ArenaLayout
from dist_bp.ps.recipe import Contact
from dist_bp.types import Array


@dataclass(frozen=True)
class Account:
    """What has been measured up to the newest `version`: the log of the lease, with the squares of those who updated,
    and by share the bytes of a StateBuffer."""

    version: int
    log: Log
    metrics: dict[int, Array]


def together(accounts: Sequence[Account]) -> Account:
    """That of all nodes, of the same version."""
    first, squares = accounts[0], np.concatenate([account.log.squares for account in accounts])
    metrics = {share: state for account in accounts for share, state in account.metrics.items()}
    return Account(first.version, first.log._replace(squares=squares), metrics)


class Keeper:
    """The keeper of the node that the layout describes."""

    def __init__(self, layout: ArenaLayout, contact: Contact) -> None:
        self._layout = layout
        self._acceptor = Acceptor(contact.secret, contact.timeout)
        self._connections: dict[Peer, socket.socket] = {}
        self._pids: dict[Peer, Known] = {}
        self._arena: Arena | None = None

    def listen(self) -> bytes:
        """Makes the arena; returns where those come to who work in it. Raises CapacityError without memory for it."""
        self._arena = Arena.create(self._layout)
        return self._acceptor.address

    def admit(
        self,
        arrivals: Sequence[Peer],
        pairs: Sequence[tuple[Peer, Peer]],
        seconds: float | None = None,
        processes: Mapping[Peer, Known] = MappingProxyType({}),
    ) -> None:
        """Waits for the arrivals, hands each the arena, and introduces the pairs.

        Those of the arrivals whose `processes` are known can be ended from now on, whether they come or not. Raises
        PeerLost where one is not there after `seconds` (None: START_SECONDS).
        """
        self._pids |= processes
        for peer, connection in self._acceptor.accept(arrivals, self.arena.descriptor, seconds).items():
            if before := self._connections.get(peer):
                before.close()
            self._connections[peer] = connection
            self._pids[peer] = known([peer_pid(connection)])
        self.introduce(pairs, arrivals)

    def introduce(self, pairs: Sequence[tuple[Peer, Peer]], others: Sequence[Peer] = ()) -> None:
        """Makes the pairs known to each other; whoever is gone is known by that. All of them, and the `others`, then
        know that nobody else comes."""
        for one, other in pairs:
            introduce((one, self._connections[one]), (other, self._connections[other]))
        for peer in dict.fromkeys([*others, *(peer for pair in pairs for peer in pair)]):
            let_go(self._connections[peer])

    @property
    def arena(self) -> Arena:
        if self._arena is None:
            raise RuntimeError("the keeper has not made the arena yet")
        return self._arena

    def fence(self, peer: Peer, seconds: float) -> bool:
        """Ends the process of a member that does not answer, so that it writes nothing any more; says whether it is
        gone. One that is an object of this process stays, and so does one of whom nothing is known."""
        if (process := self._pids.get(peer)) is None:
            return False
        deadline = time.monotonic() + seconds
        for pid in process.keys() - {os.getpid()}:
            while alive(process) and time.monotonic() < deadline:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                time.sleep(0.002)
        return not alive(process)

    def version(self) -> int:
        """The newest that the node has in full."""
        return self.arena.version

    def account(self, steps: int, version: int | None = None) -> Account:
        """What the arena has of a lease of so many steps, however it has ended, up to a version (None: the newest)."""
        arena = self.arena
        version, updaters = arena.version if version is None else version, arena.updating[0]
        log = Log(*(array[..., :steps].copy() for array in arena.log))
        states = zip(self._layout.own_shares, arena.metrics, strict=True)
        metrics = {share: versions[version % MEASURED_VERSIONS].copy() for share, versions in states}
        return Account(version, log._replace(squares=log.squares[:updaters]), metrics)

    def memory(self) -> tuple[str, ArenaLayout]:
        """Where other processes of this machine and user can open the arena, and what lies where in it."""
        return f"/proc/{os.getpid()}/fd/{self.arena.descriptor}", self._layout

    def read(self, version: int) -> Part:
        """What this node has of a version."""
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
