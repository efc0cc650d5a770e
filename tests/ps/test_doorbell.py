"""Doorbells: messages, stale generations, the end of a peer, strangers at the door."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from dist_bp.ps import doorbell
from dist_bp.ps.doorbell import Acceptor, Doorbell, Peer, PeerLost, connect

SECRET = b"s" * 32
WORKER, SERVER = Peer("worker", 1), Peer("server", 0)


@pytest.fixture
def descriptor() -> Iterator[int]:
    fd = os.memfd_create("test")
    os.write(fd, b"hello")
    yield fd
    os.close(fd)


def connected(descriptor: int, timeout: float = 5.0) -> tuple[Doorbell, Doorbell, int]:
    """The worker's bell, the server's bell, and the descriptor that the worker was handed."""
    acceptor = Acceptor(SECRET, timeout)
    result: list[tuple[Doorbell, int]] = []
    caller = threading.Thread(target=lambda: result.append(connect(acceptor.address, SERVER, WORKER, SECRET, timeout)))
    caller.start()
    bell = acceptor.accept([WORKER], descriptor)[WORKER]
    caller.join()
    acceptor.close()
    return result[0][0], bell, result[0][1]


def test_a_step_travels_each_way(descriptor: int) -> None:
    worker, server, handed = connected(descriptor)
    worker.ring(1, 7)
    assert server.wait(1).version == 7
    server.ring(1, 8)
    assert worker.wait(1).version == 8
    for bell in (worker, server):
        bell.close()
    os.close(handed)


def test_the_arena_is_handed_over_without_a_name(descriptor: int) -> None:
    worker, server, handed = connected(descriptor)
    assert os.pread(handed, 5, 0) == b"hello"
    assert not os.get_inheritable(handed)
    for bell in (worker, server):
        bell.close()
    os.close(handed)


def test_bells_of_an_earlier_lease_are_passed_over(descriptor: int) -> None:
    worker, server, handed = connected(descriptor)
    worker.ring(1, 3)
    worker.ring(1, doorbell.ABORT)
    worker.ring(2, 4)
    assert server.wait(2).version == 4
    for bell in (worker, server):
        bell.close()
    os.close(handed)


def test_the_death_of_a_peer_is_noticed_at_once(descriptor: int) -> None:
    worker, server, handed = connected(descriptor, timeout=60)
    threading.Timer(0.1, worker.close).start()
    started = time.monotonic()
    with pytest.raises(PeerLost, match="worker 1 died"):
        server.wait(1)
    assert time.monotonic() - started < 5
    with pytest.raises(PeerLost, match="worker 1 died"):
        server.ring(1, 1)
    server.close()
    os.close(handed)


def test_a_silent_peer_is_lost_at_the_deadline(descriptor: int) -> None:
    worker, server, handed = connected(descriptor, timeout=0.2)
    with pytest.raises(PeerLost, match=r"worker 1 did not answer for 0\.2 s"):
        server.wait(1)
    for bell in (worker, server):
        bell.close()
    os.close(handed)


def test_closing_wakes_a_thread_that_waits(descriptor: int) -> None:
    worker, server, handed = connected(descriptor, timeout=60)
    raised: list[PeerLost] = []

    def wait() -> None:
        with pytest.raises(PeerLost) as caught:
            server.wait(1)
        raised.append(caught.value)

    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(0.1)
    server.close()
    thread.join(5)
    assert raised
    worker.close()
    os.close(handed)


@pytest.mark.parametrize("secret", [b"x" * 32, b"s" * 31])
def test_a_caller_without_the_secret_is_sent_away(descriptor: int, secret: bytes) -> None:
    acceptor = Acceptor(SECRET, 5.0)
    stranger = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    stranger.connect(acceptor.address)
    stranger.send(secret.ljust(48, b"\0"))
    friend: list[tuple[Doorbell, int]] = []
    thread = threading.Thread(target=lambda: friend.append(connect(acceptor.address, SERVER, WORKER, SECRET, 5.0)))
    thread.start()
    bells = acceptor.accept([WORKER], descriptor)
    thread.join()
    assert list(bells) == [WORKER]
    stranger.settimeout(5)
    assert stranger.recv(1) == b""
    stranger.close()
    acceptor.close()
    bells[WORKER].close()
    friend[0][0].close()
    os.close(friend[0][1])


def test_strangers_that_say_nothing_keep_nobody_waiting(descriptor: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many of them there are; they are sent away once all have come."""
    monkeypatch.setattr(doorbell, "BACKLOG", 8)
    acceptor = Acceptor(SECRET, 5.0)
    strangers = [socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(20)]
    entered = threading.Event()

    def come() -> tuple[Doorbell, int]:
        for stranger in strangers:
            stranger.connect(acceptor.address)
        entered.set()
        return connect(acceptor.address, SERVER, WORKER, SECRET, 5.0)

    with ThreadPoolExecutor() as pool:
        friend = pool.submit(come)
        started = time.monotonic()
        bells = acceptor.accept([WORKER], descriptor)
        assert time.monotonic() - started < 5
        bell, handed = friend.result(5)
    assert entered.is_set()
    for stranger in strangers:
        stranger.settimeout(5)
        assert stranger.recv(1) == b""
        stranger.close()
    acceptor.close()
    bells[WORKER].close()
    bell.close()
    os.close(handed)


def test_a_peer_that_never_comes_is_named(descriptor: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doorbell, "START_SECONDS", 0.2)
    acceptor = Acceptor(SECRET, 5.0)
    with pytest.raises(PeerLost, match=r"worker 1 did not connect within 0\.2 s"):
        acceptor.accept([WORKER], descriptor)
    acceptor.close()


def test_no_socket_file_is_made() -> None:
    acceptor = Acceptor(SECRET, 5.0)
    assert acceptor.address.startswith(b"\0")
    acceptor.close()
