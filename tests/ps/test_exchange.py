"""The exchange between nodes: order, bytes, strangers, deaths. All over loopback, on threads unless one has to die."""

import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from multiprocessing.connection import Connection

import numpy as np
import pytest
import zmq

from dist_bp.errors import TrainingFailed
from dist_bp.ps import handshake, introductions
from dist_bp.ps.compression import ErrorFeedback, Int8
from dist_bp.ps.doorbell import PeerLost
from dist_bp.ps.exchange import Exchange, PeerAborted
from dist_bp.ps.handshake import Listener
from dist_bp.ps.links import Links

SECRET = b"s" * 32
HOST = "127.0.0.1"
SUM, SLICE = 1, 2

Makers = Callable[..., Exchange]
Meshes = Callable[..., list[Exchange]]


def connect(exchanges: Sequence[Exchange], addresses: Sequence[str]) -> None:
    with ThreadPoolExecutor(len(exchanges)) as pool:
        for result in [pool.submit(exchange.connect, addresses) for exchange in exchanges]:
            result.result(timeout=20)


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    files, threads = len(os.listdir("/proc/self/fd")), threading.active_count()
    yield
    deadline = time.monotonic() + 5
    while (left := len(os.listdir("/proc/self/fd"))) > files and time.monotonic() < deadline:
        time.sleep(0.01)
    assert left <= files
    assert threading.active_count() <= threads


@pytest.fixture
def make(nothing_left_behind: None) -> Iterator[Makers]:
    """Makes an exchange that is closed after the test."""
    with ExitStack() as stack:

        def one(
            me: int, nodes: int = 2, secret: bytes = SECRET, timeout: float = 10.0, encrypt: bool = False
        ) -> Exchange:
            exchange = Exchange(me, nodes, secret, timeout, encrypt)
            stack.callback(exchange.close)
            return exchange

        yield one


@pytest.fixture
def mesh(make: Makers) -> Meshes:
    """Makes exchanges that are connected."""

    def connected(nodes: int, timeout: float = 10.0, encrypt: bool = False) -> list[Exchange]:
        exchanges = [make(me, nodes, timeout=timeout, encrypt=encrypt) for me in range(nodes)]
        connect(exchanges, [exchange.listen(HOST) for exchange in exchanges])
        return exchanges

    return connected


def send_sums(exchanges: Sequence[Exchange], n: int, step: int) -> None:
    for me, exchange in enumerate(exchanges):
        for node in range(len(exchanges)):
            if node != me:
                exchange.send(node, SUM, 1, step, (me, 0.5), np.full(n, 10 * me + node + 100 * step, np.float32))


def check_sums(exchanges: Sequence[Exchange], n: int, step: int) -> None:
    for me, exchange in enumerate(exchanges):
        into = {node: np.empty(n, np.float32) for node in range(len(exchanges)) if node != me}
        assert exchange.receive(SUM, 1, step, into) == {node: (node, 0.5) for node in into}
        for node, got in into.items():
            np.testing.assert_array_equal(got, np.full(n, 10 * node + me + 100 * step))


@pytest.mark.parametrize("encrypt", [False, True])
@pytest.mark.parametrize("nodes", [2, 3])
def test_every_node_hears_every_other(mesh: Meshes, nodes: int, encrypt: bool) -> None:
    exchanges = mesh(nodes, encrypt=encrypt)
    for step, n in enumerate((3, 1, 200_000)):
        send_sums(exchanges, n, step)
        check_sums(exchanges, n, step)


def test_payload_bytes_are_counted_exactly(mesh: Meshes) -> None:
    exchanges = mesh(3)
    send_sums(exchanges, 1000, 0)
    check_sums(exchanges, 1000, 0)
    exchanges[0].send(1, SLICE, 1, 0, (1.0,), None)
    exchanges[1].receive(SLICE, 1, 0, {0: None})
    assert [exchange.bytes_sent for exchange in exchanges] == [8000] * 3
    assert [exchange.bytes_received for exchange in exchanges] == [8000] * 3


def test_what_comes_early_is_kept_in_order(mesh: Meshes) -> None:
    sender, receiver = mesh(2)
    for step in (5, 6):
        for kind in (SUM, SLICE):
            sender.send(1, kind, 1, step, (), np.array([step, kind], np.int64))
    sender.send(1, SUM, 1, 6, (9.0,), None)
    sender.send(1, SLICE, 1, 7, (), None)
    receiver.receive(SLICE, 1, 7, {0: None})
    got = np.empty(2, np.int64)
    for kind, step in ((SLICE, 6), (SUM, 5), (SUM, 6), (SLICE, 5)):
        receiver.receive(kind, 1, step, {0: got})
        assert got.tolist() == [step, kind]
    assert receiver.receive(SUM, 1, 6, {0: None}) == {0: (9.0,)}


def test_messages_of_an_older_generation_are_dropped(mesh: Meshes) -> None:
    sender, receiver = mesh(2)
    for generation in (1, 2, 3):
        sender.send(1, SUM, generation, 0, (generation,), np.array([generation]))
    got = np.empty(1, np.int64)
    assert receiver.receive(SUM, 3, 0, {0: got}) == {0: (3.0,)}
    assert got == 3
    assert receiver.receive_any([SUM], 3, 0) is None
    assert receiver.receive_any([SUM], 2, 0) is None


def test_whichever_message_comes_first(mesh: Meshes) -> None:
    a, b, c = mesh(3)
    assert a.receive_any([SUM, SLICE], 1, 0) is None
    b.send(0, SLICE, 1, 4, (1.5, 2.5), b"abc")
    message = a.receive_any([SUM, SLICE], 1, 5)
    assert message is not None
    assert message[:5] == (1, SLICE, 1, 4, (1.5, 2.5))
    assert message.payload == b"abc"
    b.send(0, SUM, 1, 7, (), None)
    c.send(0, SLICE, 1, 5, (), None)
    assert a.receive(SLICE, 1, 5, {2: None}) == {2: ()}
    message = a.receive_any([SUM], 1, 5)
    assert message is not None
    assert (message.node, message.step, message.payload) == (1, 7, None)
    started = time.monotonic()
    assert a.receive_any([SUM], 1, 0.2) is None
    assert 0.2 <= time.monotonic() - started < 2


def test_compressed_payloads_are_decoded(mesh: Meshes) -> None:
    sender, receiver = mesh(2)
    vector, codec = np.linspace(-1, 1, 3000, dtype=np.float32), Int8()
    got, kept = np.empty_like(vector), np.empty_like(vector)
    for step in (0, 1):
        sender.send(1, SUM, 1, step, (), ErrorFeedback(codec, 3000).encode(vector, *np.zeros((2, 3000), np.float32)))
    receiver.receive(SUM, 1, 1, {0: got}, codec)
    receiver.receive(SUM, 1, 0, {0: kept}, codec)
    np.testing.assert_allclose(got, vector, atol=1 / 254 * 1.0001)
    np.testing.assert_array_equal(got, kept)
    assert sender.bytes_sent == receiver.bytes_received == 2 * codec.nbytes(3000)


@pytest.mark.parametrize("early", [False, True])
def test_a_payload_of_another_size_is_refused(mesh: Meshes, early: bool) -> None:
    sender, receiver = mesh(2)
    sender.send(1, SUM, 1, 0, (), np.zeros(4))
    sender.send(1, SLICE, 1, 0, (), None)
    if early:
        receiver.receive(SLICE, 1, 0, {0: None})
    with pytest.raises(PeerLost, match=r"^server on node 0 sent 32 bytes, not 40$"):
        receiver.receive(SUM, 1, 0, {0: np.zeros(5)})


@pytest.mark.parametrize("head", [b"", bytes(31), bytes(33), bytes(24) + b"\1" + bytes(7)])
def test_a_message_that_makes_no_sense_is_refused(make: Makers, head: bytes) -> None:
    with closing(Links(0, 2, SECRET, 10.0, encrypt=False, label="server")) as sender:
        receiver = make(1)
        addresses = [sender.listen(HOST), receiver.listen(HOST)]
        with ThreadPoolExecutor(1) as pool:
            connected = pool.submit(receiver.connect, addresses)
            sender.connect(addresses, keep=lambda node, frames: None)
            connected.result(timeout=20)
        sender.send(1, head, None)
        with pytest.raises(PeerLost, match=r"^server on node 0 sent a message that cannot be read$"):
            receiver.receive(SUM, 1, 0, {0: None})


def test_giving_up_reaches_all_and_concerns_one_generation(mesh: Meshes) -> None:
    a, b, c = mesh(3)
    a.abort(1)
    b.send(2, SUM, 2, 0, (), None)
    with pytest.raises(PeerAborted, match="server on node 0 gave up"):
        b.receive(SUM, 1, 0, {2: None})
    with pytest.raises(PeerAborted):
        b.receive_any([SUM], 1, 0)
    assert c.receive(SUM, 2, 0, {1: None}) == {1: ()}
    with pytest.raises(PeerAborted):
        c.receive(SUM, 1, 0, {1: None})


def test_a_silent_peer_is_lost_at_the_deadline(mesh: Meshes) -> None:
    exchanges = mesh(3, timeout=0.3)
    exchanges[1].send(0, SUM, 1, 0, (), None)
    with pytest.raises(PeerLost, match=r"^server on node 2 did not answer for 0.3 s$"):
        exchanges[0].receive(SUM, 1, 0, {1: None, 2: None})


def test_what_a_peer_said_last_is_heard_after_its_end(mesh: Meshes) -> None:
    a, b = mesh(2)
    b.send(0, SUM, 1, 0, (), np.ones(300_000))
    b.abort(2)
    b.close()
    time.sleep(0.2)
    got = np.zeros(300_000)
    a.receive(SUM, 1, 0, {1: got})
    assert (got == 1).all()
    with pytest.raises(PeerAborted):
        a.receive(SUM, 2, 0, {1: None})
    with pytest.raises(PeerLost, match="server on node 1 died"):
        a.receive(SUM, 3, 0, {1: None})
    with pytest.raises(PeerLost, match="server on node 1 died"):
        a.send(1, SUM, 3, 0, (), None)
    a.abort(3)


def _peer(pipe: Connection, me: int, nodes: int) -> None:
    exchange = Exchange(me, nodes, SECRET, 60.0)
    pipe.send(exchange.listen(HOST))
    exchange.connect(pipe.recv())
    pipe.send("connected")
    exchange.receive(SUM, 1, 0, {0: None})


@pytest.mark.parametrize(
    "waits",
    [lambda ours: ours.receive(SUM, 1, 0, {1: None}), lambda ours: ours.receive_any([SUM], 1, 30)],
    ids=["for one", "for any"],
)
def test_a_killed_peer_is_noticed(make: Makers, waits: Callable[[Exchange], object]) -> None:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=_peer, args=(theirs, 1, 2))
    process.start()
    exchange = make(0, timeout=60.0)
    try:
        addresses = [exchange.listen(HOST), ours.recv()]
        ours.send(addresses)
        exchange.connect(addresses)
        assert ours.poll(10)
        assert process.pid
        killer = threading.Timer(0.3, os.kill, (process.pid, signal.SIGKILL))
        killer.start()
        started = time.monotonic()
        with pytest.raises(PeerLost, match=r"^server on node 1 died$"):
            waits(exchange)
        assert time.monotonic() - started < 5
        killer.join()
    finally:
        process.kill()
        process.join()
        process.close()
        ours.close()
        theirs.close()


def test_a_peer_that_never_comes_is_named(make: Makers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(introductions, "START_SECONDS", 0.3)
    exchanges = [make(me) for me in range(2)]
    addresses = [exchange.listen(HOST) for exchange in exchanges]
    with pytest.raises(PeerLost, match=r"server on node 1 did not connect within 0.3 s"):
        exchanges[0].connect(addresses)


def test_a_peer_that_is_gone_before_the_start_is_named(make: Makers) -> None:
    exchanges = [make(me) for me in range(2)]
    addresses = [exchange.listen(HOST) for exchange in exchanges]
    exchanges[1].close()
    with pytest.raises(PeerLost, match=r"server on node 1 could not be reached at tcp://127.0.0.1:\d+"):
        exchanges[0].connect(addresses)


def test_an_address_of_another_machine_is_refused(make: Makers) -> None:
    exchange = make(0)
    with pytest.raises(TrainingFailed, match=r"cannot listen on 192.0.2.1: .*; is it an address of this machine\?"):
        exchange.listen("192.0.2.1")


@pytest.mark.parametrize("encrypt", [False, True])
def test_one_who_does_not_know_the_secret_is_dropped(
    make: Makers, monkeypatch: pytest.MonkeyPatch, encrypt: bool
) -> None:
    exchanges = [make(me, encrypt=encrypt) for me in range(2)]
    addresses = [exchange.listen(HOST) for exchange in exchanges]
    impostor = make(1, secret=b"x" * 32, encrypt=encrypt)
    impostor.listen(HOST)
    with ThreadPoolExecutor(1) as pool:
        monkeypatch.setattr(introductions, "START_SECONDS", 1.0)
        outcome = pool.submit(impostor.connect, [addresses[0], addresses[1]])
        time.sleep(0.3)
        monkeypatch.setattr(introductions, "START_SECONDS", 20.0)
        connect(exchanges, addresses)
        with pytest.raises(PeerLost, match="server on node 0 did not connect"):
            outcome.result(timeout=10)
    send_sums(exchanges, 10, 0)
    check_sums(exchanges, 10, 0)


def test_a_listener_that_does_not_know_the_secret_is_no_peer(make: Makers) -> None:
    honest, impostor = make(0), make(1, secret=b"x" * 32)
    addresses = [honest.listen(HOST), impostor.listen(HOST)]

    class Credulous(Listener):
        """Takes whatever it hears for a proof of node 0."""

        def answer(self, connection: bytes, message: bytes) -> tuple[bytes, int | None] | None:
            return super().answer(connection, message) or (bytes(32), 0)

    def listener(secret: bytes, me: int, nodes: int, address: str) -> Listener:
        return (Credulous if me == 1 else Listener)(secret, me, nodes, address)

    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(1) as pool:
        patch.setattr(introductions, "START_SECONDS", 3.0)
        patch.setattr(handshake, "Listener", listener)
        outcome = pool.submit(impostor.connect, addresses)
        with pytest.raises(PeerLost, match="server on node 1 does not know the run's secret"):
            honest.connect(addresses)
        with pytest.raises(PeerLost):
            outcome.result(timeout=10)


def test_garbage_on_the_port_is_ignored(make: Makers) -> None:
    exchanges = [make(me) for me in range(2)]
    addresses = [exchange.listen(HOST) for exchange in exchanges]
    port = int(addresses[0].rpartition(":")[2])
    with ExitStack() as stack:
        for garbage in (b"", b"GET / HTTP/1.1\r\n\r\n", os.urandom(4096), b"\xff" + bytes(8) + b"\x7f"):
            stranger = stack.enter_context(socket.create_connection((HOST, port)))
            stranger.sendall(garbage)
        context = stack.enter_context(zmq.Context())
        polite = stack.enter_context(context.socket(zmq.DEALER))
        polite.linger = 0
        polite.connect(addresses[0])
        for frames in ([b""], [bytes(56)], [bytes(88)], [b"a", b"b"], [bytes(5000)]):
            polite.send_multipart(frames)
        time.sleep(0.1)
        connect(exchanges, addresses)
        send_sums(exchanges, 10, 0)
        check_sums(exchanges, 10, 0)
        assert not polite.poll(200), "a stranger was answered"


def test_a_listener_drops_a_large_message_unread(make: Makers) -> None:
    exchange = make(0)
    address = exchange.listen(HOST)
    with zmq.Context() as context, context.socket(zmq.DEALER) as stranger:
        stranger.linger = 0
        stranger.reconnect_ivl = -1
        monitor = stranger.get_monitor_socket(zmq.Event.DISCONNECTED)
        stranger.connect(address)
        stranger.send(bytes(2000))
        assert monitor.poll(5000), "the connection stayed"
        stranger.disable_monitor()
        monitor.close()


def test_only_the_host_that_was_asked_for_listens(make: Makers) -> None:
    exchange = make(0)
    port = int(exchange.listen(HOST).rpartition(":")[2])
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", port), timeout=2)
