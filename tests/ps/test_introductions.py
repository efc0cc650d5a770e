"""How the processes of a node come to know each other: the arena in their hands, strangers at the door."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from dist_bp.ps import introductions
from dist_bp.ps.doorbell import Doorbell, Peer, PeerLost

SECRET = b"s" * 32
WORKER, SERVER, KEEPER = Peer("worker", 1), Peer("server", 0), Peer("keeper", 0)


@pytest.fixture
def descriptor() -> Iterator[int]:
    fd = os.memfd_create("test")
    os.write(fd, b"hello")
    yield fd
    os.close(fd)


class Guest:
    """Who comes to a keeper, is handed the arena and introduced to another."""

    def __init__(self, address: bytes, me: Peer, timeout: float = 5.0) -> None:
        self._connection, self.handed = introductions.connect(address, KEEPER, me, SECRET, timeout)
        self.bells: dict[Peer, Doorbell] = {}
        try:
            self.bells |= {bell.peer: bell for bell in introductions.introductions(self._connection, KEEPER, timeout)}
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        for bell in self.bells.values():
            bell.close()
        self._connection.close()
        os.close(self.handed)


@contextmanager
def introduced(descriptor: int, timeout: float = 5.0) -> Iterator[tuple[Guest, Guest]]:
    """A worker and a server that know each other."""
    acceptor = introductions.Acceptor(SECRET, timeout)
    with ThreadPoolExecutor() as pool:
        coming = [pool.submit(Guest, acceptor.address, peer, timeout) for peer in (WORKER, SERVER)]
        come = acceptor.accept([WORKER, SERVER], descriptor)
        introductions.introduce((WORKER, come[WORKER]), (SERVER, come[SERVER]))
        for connection in come.values():
            introductions.let_go(connection)
        worker, server = (future.result(5) for future in coming)
    try:
        yield worker, server
    finally:
        for guest in (worker, server):
            guest.close()
        for connection in come.values():
            connection.close()
        acceptor.close()


def test_the_arena_is_handed_over_without_a_name(descriptor: int) -> None:
    with introduced(descriptor) as (worker, _):
        assert os.pread(worker.handed, 5, 0) == b"hello"
        assert not os.get_inheritable(worker.handed)
        assert not os.get_inheritable(worker.bells[SERVER].fileno())


@pytest.mark.parametrize("secret", [b"x" * 32, b"s" * 31])
def test_a_caller_without_the_secret_is_sent_away(descriptor: int, secret: bytes) -> None:
    acceptor = introductions.Acceptor(SECRET, 5.0)
    stranger = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    stranger.connect(acceptor.address)
    stranger.send(secret.ljust(48, b"\0"))
    with ThreadPoolExecutor() as pool:
        friend = pool.submit(introductions.connect, acceptor.address, KEEPER, WORKER, SECRET, 5.0)
        come = acceptor.accept([WORKER], descriptor)
        connection, handed = friend.result(5)
    assert list(come) == [WORKER]
    stranger.settimeout(5)
    assert stranger.recv(1) == b""
    for one in (stranger, connection, come[WORKER]):
        one.close()
    acceptor.close()
    os.close(handed)


def test_strangers_that_say_nothing_keep_nobody_waiting(descriptor: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many of them there are; they are sent away once all have come."""
    monkeypatch.setattr(introductions, "BACKLOG", 8)
    acceptor = introductions.Acceptor(SECRET, 5.0)
    strangers = [socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(20)]
    entered = threading.Event()

    def come() -> tuple[socket.socket, int]:
        for stranger in strangers:
            stranger.connect(acceptor.address)
        entered.set()
        return introductions.connect(acceptor.address, KEEPER, WORKER, SECRET, 5.0)

    with ThreadPoolExecutor() as pool:
        friend = pool.submit(come)
        started = time.monotonic()
        accepted = acceptor.accept([WORKER], descriptor)
        assert time.monotonic() - started < 5
        connection, handed = friend.result(5)
    assert entered.is_set()
    for stranger in strangers:
        stranger.settimeout(5)
        assert stranger.recv(1) == b""
        stranger.close()
    acceptor.close()
    accepted[WORKER].close()
    connection.close()
    os.close(handed)


def test_a_peer_that_never_comes_is_named(descriptor: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(introductions, "START_SECONDS", 0.2)
    acceptor = introductions.Acceptor(SECRET, 5.0)
    with pytest.raises(PeerLost, match=r"worker 1 did not connect within 0\.2 s"):
        acceptor.accept([WORKER], descriptor)
    acceptor.close()


def test_a_keeper_that_is_gone_is_named(descriptor: int) -> None:
    acceptor = introductions.Acceptor(SECRET, 5.0)
    with ThreadPoolExecutor() as pool:
        coming = pool.submit(Guest, acceptor.address, WORKER)
        acceptor.accept([WORKER], descriptor)[WORKER].close()
        with pytest.raises(PeerLost, match="keeper 0 made no introductions"):
            coming.result(5)
    acceptor.close()
    with pytest.raises(PeerLost, match="keeper 0 could not be reached"):
        introductions.connect(acceptor.address, KEEPER, WORKER, SECRET, 5.0)


def test_no_socket_file_is_made() -> None:
    acceptor = introductions.Acceptor(SECRET, 5.0)
    assert acceptor.address.startswith(b"\0")
    acceptor.close()
