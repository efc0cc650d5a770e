"""Doorbells between the processes of one node: tiny messages over Unix sockets.

A bell says «the shared memory is ready for this version»; the data itself never passes through it. A wait looks again
and again for a moment, then sleeps in the kernel, and the end of the stream tells at once that the other side died.
"""

import contextlib
import os
import socket
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from dist_bp.errors import TrainingFailed
from dist_bp.ps.decision import NO_TICKET
from dist_bp.ps.spin import AdaptiveSpin

_BELL = struct.Struct("<qqq")
ABORT = -1

SILENT = "did not answer"
ABSENT = "did not connect"
UNACQUAINTED = "made no introductions"
"""What is said of a peer that was lost in these ways; of a keeper the last, which waits for those that are absent."""


class Bell(NamedTuple):
    """A message: `version` of the parameters that it is about, or ABORT; `ticket` of the work that comes next."""

    generation: int
    version: int
    ticket: int


class PeerLost(TrainingFailed):
    """Another process of the run went away or stopped answering; it, not the one that noticed, is the cause."""

    def __init__(self, peer: str, what: str) -> None:
        super().__init__(f"{peer} {what}")
        self.peer = peer
        self.what = what

    def __reduce__(self) -> tuple[type["PeerLost"], tuple[str, str]]:
        return type(self), (self.peer, self.what)


@dataclass(frozen=True)
class Peer:
    """Who is at the other end: "worker", "server" or "keeper", and its rank."""

    role: str
    rank: int

    def __str__(self) -> str:
        return f"{self.role} {self.rank}"


class Doorbell:
    """One end of a connection to `peer`."""

    def __init__(self, connection: socket.socket, peer: Peer, timeout: float) -> None:
        self.peer = peer
        self.timeout = timeout
        self._connection = connection
        self.signs: Sequence[int] = ()
        """Words that change while somebody works, however long this peer is waited for."""
        self._spin = AdaptiveSpin()
        connection.settimeout(None)
        limit(connection, timeout)

    def ring(self, generation: int, version: int, ticket: int = NO_TICKET) -> None:
        try:
            self._connection.send(_BELL.pack(generation, version, ticket))
        except OSError as error:
            raise PeerLost(str(self.peer), "died") from error

    def nudge(self) -> None:
        """Wakes the peer where it sleeps; what there is to know stands in shared memory. Raises PeerLost."""
        try:
            self._connection.send(b"\0", socket.MSG_DONTWAIT)
        except BlockingIOError:  # it has not looked at many a nudge yet
            pass
        except OSError as error:
            raise PeerLost(str(self.peer), "died") from error

    def clear(self) -> None:
        """Takes the nudges that are there. Raises PeerLost where the peer has died."""
        try:
            while self._connection.recv(_BELL.size, socket.MSG_DONTWAIT):
                pass
        except BlockingIOError:
            return
        except OSError as error:
            raise PeerLost(str(self.peer), "died") from error
        raise PeerLost(str(self.peer), "died")

    def wait(self, generation: int) -> Bell:
        """The next bell of this generation; earlier ones are stale and passed over.

        Raises PeerLost when the peer dies, or does not ring within the timeout while no sign changes.
        """
        bell = self._look(generation, self._spin.begin()) or self._sleep(generation)
        self._spin.end()
        return bell

    def _look(self, generation: int, until: float) -> Bell | None:
        while time.perf_counter() < until:
            if bell := self.poll(generation):
                return bell
            os.sched_yield()
        return None

    def _sleep(self, generation: int) -> Bell:
        while True:
            signs = [*self.signs]
            while bell := self._receive(0):
                if bell.generation == generation:
                    return bell
            if signs == [*self.signs]:
                raise self.silent()

    def poll(self, generation: int) -> Bell | None:
        """The next bell of this generation if it is there; raises PeerLost when the peer has died."""
        while bell := self._receive(socket.MSG_DONTWAIT):
            if bell.generation == generation:
                return bell
        return None

    def _receive(self, flags: int) -> Bell | None:
        try:
            message = self._connection.recv(_BELL.size, flags)
        except BlockingIOError:
            return None
        except OSError as error:
            raise PeerLost(str(self.peer), "died") from error
        if len(message) != _BELL.size:
            raise PeerLost(str(self.peer), "died")
        return Bell(*_BELL.unpack(message))

    def silent(self) -> PeerLost:
        return PeerLost(str(self.peer), f"{SILENT} for {self.timeout:g} s")

    def fileno(self) -> int:
        return self._connection.fileno()

    def close(self) -> None:
        shut(self._connection)


def limit(connection: socket.socket, seconds: float) -> None:
    """A timeout in the kernel: it costs no extra system call a message, unlike Python's own."""
    limit = struct.pack("ll", int(seconds), int(seconds % 1 * 1e6))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)


def shut(connection: socket.socket) -> None:
    """Closes a socket; a thread that waits on it wakes up, which closing alone does not bring about."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
