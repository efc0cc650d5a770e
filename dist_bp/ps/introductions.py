"""How the processes of a node come to know each other: a keeper receives them, and gives every two a connection.

The keeper's socket lives in Linux's abstract namespace, so no file is left behind whatever is killed; only processes of
the same user that know the run's secret are let in.
"""

import contextlib
import hmac
import math
import os
import select
import socket
import struct
import time
from collections.abc import Iterator, Sequence
from typing import Self

from dist_bp.ps.doorbell import ABSENT, UNACQUAINTED, Doorbell, Peer, PeerLost, limit, shut

_HELLO = struct.Struct("<32s8sq")
_INTRODUCTION = struct.Struct("<8sq")
_CREDENTIALS = struct.Struct("3i")
BACKLOG = 1024
START_SECONDS = 120.0


class _Hall:
    """Who has come to a listening socket and has not said yet who it is."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._waiting: list[socket.socket] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for connection in self._waiting:
            connection.close()

    def spoken(self, seconds: float) -> list[socket.socket]:
        """Those that say something within `seconds`, or nobody; they are the caller's from then on."""
        poll = select.poll()
        for connection in (self._listener, *self._waiting):
            poll.register(connection, select.POLLIN)
        ready = {descriptor for descriptor, _ in poll.poll(math.ceil(1000 * seconds))}
        spoken = [connection for connection in self._waiting if connection.fileno() in ready]
        self._waiting = [connection for connection in self._waiting if connection not in spoken]
        if self._listener.fileno() in ready:
            self._let_in(self._listener.accept()[0])
        return spoken

    def _let_in(self, connection: socket.socket) -> None:
        if _credentials(connection)[1] != os.geteuid():
            connection.close()
            return
        connection.setblocking(False)
        self._waiting.append(connection)
        if len(self._waiting) > BACKLOG // 2:  # whoever belongs here speaks at once
            self._waiting.pop(0).close()


class Acceptor:
    """Where a keeper receives its peers: a listening socket that hands the arena's descriptor to each of them."""

    def __init__(self, secret: bytes, timeout: float) -> None:
        self._secret = secret
        self._timeout = timeout
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.bind(b"\0dist_bp-" + os.urandom(12).hex().encode())
        self._listener.listen(BACKLOG)
        self.address: bytes = self._listener.getsockname()

    def accept(self, peers: Sequence[Peer], arena: int, seconds: float | None = None) -> dict[Peer, socket.socket]:
        """Waits until all `peers` have come; strangers are sent away, and one that says nothing keeps nobody waiting.

        Raises PeerLost after `seconds` (None: START_SECONDS).
        """
        come: dict[Peer, socket.socket] = {}
        seconds = seconds or START_SECONDS
        deadline = time.monotonic() + seconds
        with _Hall(self._listener) as hall:
            while missing := [peer for peer in peers if peer not in come]:
                if (left := deadline - time.monotonic()) <= 0:
                    raise PeerLost(str(missing[0]), f"{ABSENT} within {seconds:g} s")
                for connection in hall.spoken(left):
                    peer = self._identify(connection)
                    if peer is None or peer not in peers or peer in come:
                        connection.close()
                        continue
                    socket.send_fds(connection, [b"a"], [arena])
                    limit(connection, self._timeout)
                    connection.settimeout(None)
                    come[peer] = connection
        return come

    def _identify(self, connection: socket.socket) -> Peer | None:
        try:
            secret, role, rank = _HELLO.unpack(connection.recv(_HELLO.size))
        except (OSError, struct.error):
            return None
        if not hmac.compare_digest(secret, self._secret):
            return None
        return Peer(role.rstrip(b"\0").decode(errors="replace"), rank)

    def close(self) -> None:
        shut(self._listener)


def connect(
    address: bytes, keeper: Peer, me: Peer, secret: bytes, seconds: float | None = None
) -> tuple[socket.socket, int]:
    """Connects to a keeper; returns the connection and a descriptor of the arena, both the caller's to close.

    Raises PeerLost where the keeper has not answered after `seconds` (None: START_SECONDS).
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    # Unlike Python's own timeout it also holds where too many wait to be let in.
    limit(connection, seconds or START_SECONDS)
    try:
        connection.connect(address)
        connection.send(_HELLO.pack(secret, me.role.encode(), me.rank))
        message, descriptors, _, _ = socket.recv_fds(connection, 1, 1)
    except OSError as error:
        connection.close()
        raise PeerLost(str(keeper), "could not be reached") from error
    if not message or len(descriptors) != 1:
        connection.close()
        raise PeerLost(str(keeper), "refused the connection")
    os.set_inheritable(descriptors[0], False)
    return connection, descriptors[0]


def introduce(one: tuple[Peer, socket.socket], other: tuple[Peer, socket.socket]) -> None:
    """Gives both, over their connections to whoever calls, an end of a connection between them."""
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        for (_, connection), (peer, _), end in ((one, other, ends[0]), (other, one, ends[1])):
            with contextlib.suppress(OSError):  # it is gone, as the other will see
                socket.send_fds(connection, [_INTRODUCTION.pack(peer.role.encode(), peer.rank)], [end.fileno()])
    finally:
        for end in ends:
            end.close()


def let_go(connection: socket.socket) -> None:
    """Says that all introductions have been made."""
    with contextlib.suppress(OSError):  # it is gone
        connection.send(_INTRODUCTION.pack(b"", 0))


def introductions(connection: socket.socket, keeper: Peer, timeout: float) -> Iterator[Doorbell]:
    """The doorbells to those whom the keeper introduces now. Raises PeerLost."""
    while True:
        try:
            message, descriptors, _, _ = socket.recv_fds(connection, _INTRODUCTION.size, 1)
            role, rank = _INTRODUCTION.unpack(message)
        except (OSError, struct.error) as error:
            raise PeerLost(str(keeper), UNACQUAINTED) from error
        if not descriptors:
            return
        os.set_inheritable(descriptors[0], False)
        peer = Peer(role.rstrip(b"\0").decode(), rank)
        yield Doorbell(socket.socket(fileno=descriptors[0]), peer, timeout)


def peer_pid(connection: socket.socket) -> int:
    """The process at the other end, when it connected."""
    return _credentials(connection)[0]


def _credentials(connection: socket.socket) -> tuple[int, int, int]:
    """Process, user and group at the other end."""
    told = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, user, group = _CREDENTIALS.unpack(told)
    return pid, user, group
