"""Doorbells: messages, stale generations, the end of a peer."""

import select
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import pytest

from dist_bp.ps.doorbell import ABORT, Doorbell, Peer, PeerLost

WORKER, SERVER = Peer("worker", 1), Peer("server", 0)


@contextmanager
def connected(timeout: float) -> Iterator[tuple[Doorbell, Doorbell]]:
    """The worker's bell, and the server's."""
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    worker, server = (Doorbell(end, peer, timeout) for end, peer in zip(ends, (SERVER, WORKER), strict=True))
    try:
        yield worker, server
    finally:
        worker.close()
        server.close()


@pytest.fixture
def pair() -> Iterator[tuple[Doorbell, Doorbell]]:
    with connected(5) as bells:
        yield bells


def test_a_step_travels_each_way(pair: tuple[Doorbell, Doorbell]) -> None:
    worker, server = pair
    worker.ring(1, 7)
    assert server.wait(1).version == 7
    server.ring(1, 8)
    assert worker.wait(1).version == 8


def test_bells_of_an_earlier_lease_are_passed_over(pair: tuple[Doorbell, Doorbell]) -> None:
    worker, server = pair
    worker.ring(1, 3)
    worker.ring(1, ABORT)
    worker.ring(2, 4)
    assert server.wait(2).version == 4


def test_the_death_of_a_peer_is_noticed_at_once() -> None:
    with connected(60) as (worker, server):
        threading.Timer(0.1, worker.close).start()
        started = time.monotonic()
        with pytest.raises(PeerLost, match="worker 1 died"):
            server.wait(1)
        assert time.monotonic() - started < 5
        for action in (partial(server.ring, 1, 1), server.nudge, server.clear):
            with pytest.raises(PeerLost, match="worker 1 died"):
                action()


def test_a_silent_peer_is_lost_at_the_deadline() -> None:
    with (
        connected(0.2) as (_, server),
        pytest.raises(PeerLost, match=r"worker 1 did not answer for 0\.2 s"),
    ):
        server.wait(1)


def test_closing_wakes_a_thread_that_waits() -> None:
    with connected(60) as (_, server), ThreadPoolExecutor() as pool:
        waiting = pool.submit(server.wait, 1)
        time.sleep(0.1)
        server.close()
        with pytest.raises(PeerLost):
            waiting.result(5)


def test_nudges_wake_and_are_taken_all_at_once(pair: tuple[Doorbell, Doorbell]) -> None:
    worker, server = pair
    for _ in range(100_000):  # more than a socket holds
        worker.nudge()
    assert select.select([server], [], [], 5)[0]
    server.clear()
    assert not select.select([server], [], [], 0)[0]
