"""Doorbells between the processes of one node: tiny messages over Unix sockets.

A bell says «the shared memory is ready for this version»; the data itself never passes through it. A wait looks again
and again for a moment, then sleeps in the kernel, and the end of the stream tells at once that the other side died.
The sockets live in Linux's abstract namespace, so no file is left behind whatever is killed; only processes of the
same user that know the run's secret are let in.
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
from dataclasses import dataclass
from typing import NamedTuple, Self

from dist_bp.errors import TrainingFailed
from dist_bp.ps.decision import NO_TICKET
from dist_bp.ps.spin import AdaptiveSpin

_BELL = struct.Struct("<qqq")
_HELLO = struct.Struct("<32s8sq")
_INTRODUCTION = struct.Struct("<8sq")
_CREDENTIALS = struct.Struct("3i")
ABORT = -1
BACKLOG = 1024
START_SECONDS = 120.0

SILENT = "did not answer"


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
        self._spin = AdaptiveSpin()
        connection.settimeout(None)
        _limit(connection, timeout)

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

        Raises PeerLost when the peer dies or does not ring within the timeout.
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
        while bell := self._receive(0):
            if bell.generation == generation:
                return bell
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
        _close(self._connection)


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
                    raise PeerLost(str(missing[0]), f"did not connect within {seconds:g} s")
                for connection in hall.spoken(left):
                    peer = self._identify(connection)
                    if peer is None or peer not in peers or peer in come:
                        connection.close()
                        continue
                    socket.send_fds(connection, [b"a"], [arena])
                    _limit(connection, self._timeout)
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
        _close(self._listener)


def connect(
    address: bytes, keeper: Peer, me: Peer, secret: bytes, seconds: float | None = None
) -> tuple[socket.socket, int]:
    """Connects to a keeper; returns the connection and a descriptor of the arena, both the caller's to close.

    Raises PeerLost where the keeper has not answered after `seconds` (None: START_SECONDS).
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    # Unlike Python's own timeout it also holds where too many wait to be let in.
    _limit(connection, seconds or START_SECONDS)
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
            raise PeerLost(str(keeper), "made no introductions") from error
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


def _limit(connection: socket.socket, seconds: float) -> None:
    """A timeout in the kernel: it costs no extra system call a message, unlike Python's own."""
    limit = struct.pack("ll", int(seconds), int(seconds % 1 * 1e6))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)


def _close(connection: socket.socket) -> None:
    """Closes a socket; a thread that waits on it wakes up, which closing alone does not bring about."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
