"""ZeroMQ connections between the servers of all nodes, authenticated both ways: frames in, frames out, who was lost.

Every server listens on one ROUTER socket, the outbox, and dials all others from another, the inbox. Data flows from
listeners to dialers only: what an outbox receives are introductions, so its limits on the size and the number of
messages can stay tiny. A link that broke stays broken, for whoever came next would be unproven.
"""

import math
import os
import time
from collections.abc import Callable, Collection, Sequence

import zmq
from zmq.utils.monitor import recv_monitor_message

from dist_bp.errors import TrainingFailed
from dist_bp.ps import handshake, introductions
from dist_bp.ps.doorbell import ABSENT, SILENT, PeerLost
from dist_bp.ps.spin import AdaptiveSpin

LOST_SECONDS = 5
"""A host that answers nothing at all for so long is taken for dead."""
_STRANGER_BYTES = 1024
_STRANGER_MESSAGES = 8
_NEVER = 10**9
_LINGER_MILLISECONDS = 500
_EVENTS = zmq.Event.CLOSED | zmq.Event.DISCONNECTED | zmq.Event.HANDSHAKE_FAILED_NO_DETAIL

Keep = Callable[[int, list[bytes]], None]


class Links:
    """Connections of node `me`; `label` names what is at their other ends."""

    def __init__(self, me: int, nodes: int, secret: bytes, timeout: float, encrypt: bool, label: str) -> None:
        self.timeout = timeout
        self.lost: set[int] = set()
        self._spin = AdaptiveSpin()
        self._me, self._nodes, self._secret, self._label = me, nodes, secret, label
        self._routes: dict[int, bytes] = {}
        self._endpoints: dict[str, int] = {}
        self._names = {_name(node): node for node in range(nodes) if node != me}
        self._context = zmq.Context(io_threads=1)
        self._keys = zmq.curve_keypair() if encrypt else None
        self._outbox, self._inbox = self._router(), self._router()
        self._outbox.setsockopt(zmq.MAXMSGSIZE, _STRANGER_BYTES)
        self._outbox.setsockopt(zmq.RCVHWM, _STRANGER_MESSAGES)
        self._outbox.setsockopt(zmq.BACKLOG, introductions.BACKLOG)
        self._outbox.setsockopt(zmq.ROUTER_MANDATORY, 1)
        self._outbox.setsockopt(zmq.SNDTIMEO, int(timeout * 1000))
        self._monitor = self._inbox.get_monitor_socket(_EVENTS)
        self._poller = zmq.Poller()
        for socket in (self._inbox, self._monitor):
            self._poller.register(socket, zmq.POLLIN)

    def _router(self) -> zmq.Socket[bytes]:
        socket = self._context.socket(zmq.ROUTER)
        socket.setsockopt(zmq.LINGER, _LINGER_MILLISECONDS)
        # -1, for never, would throw away what a peer said last; this is never enough, in eleven days.
        socket.setsockopt(zmq.RECONNECT_IVL, _NEVER)
        # The kernel answers these probes, so a stopped or busy process is silent, and only a lost host is dead.
        # ZeroMQ's own heartbeats count whole messages: a large one over a slow network would look like death.
        socket.setsockopt(zmq.TCP_KEEPALIVE, 1)
        socket.setsockopt(zmq.TCP_KEEPALIVE_IDLE, 1)
        socket.setsockopt(zmq.TCP_KEEPALIVE_INTVL, 1)
        socket.setsockopt(zmq.TCP_KEEPALIVE_CNT, LOST_SECONDS - 1)
        socket.setsockopt(zmq.TCP_MAXRT, LOST_SECONDS * 1000)
        return socket

    def listen(self, host: str) -> str:
        """Binds to a free port of `host`, an IP address, alone; returns the address to dial, with the public key."""
        if self._keys:
            self._outbox.setsockopt(zmq.CURVE_SERVER, 1)
            self._outbox.setsockopt(zmq.CURVE_SECRETKEY, self._keys[1])
        version6 = ":" in host
        self._outbox.setsockopt(zmq.IPV6, version6)
        try:
            self._outbox.bind(f"tcp://[{host}]:*" if version6 else f"tcp://{host}:*")
        except zmq.ZMQError as error:
            raise TrainingFailed(f"cannot listen on {host}: {error}; is it an address of this machine?") from error
        self.address = self._outbox.getsockopt_string(zmq.LAST_ENDPOINT)
        if self._keys:
            self.address += f"|{self._keys[0].decode()}"
        return self.address

    def connect(self, addresses: Sequence[str], keep: Keep, seconds: float | None = None) -> None:
        """Links to all nodes, whose `addresses` are in node order; see Exchange.connect.

        `keep` takes the node and frames of data that come while others are still being waited for.
        """
        listener = handshake.Listener(self._secret, self._me, self._nodes, self.address)
        dialers = {node: self._dial(node, addresses[node]) for node in self._names.values()}
        seconds = seconds or introductions.START_SECONDS
        deadline = time.monotonic() + seconds
        self._poller.register(self._outbox, zmq.POLLIN)
        while dialers or len(self._routes) < len(self._names):
            if (left := deadline - time.monotonic()) <= 0:
                missing = min(dialers.keys() | set(self._names.values()) - self._routes.keys())
                raise PeerLost(self.name(missing), f"{ABSENT} within {seconds:g} s")
            ready = dict(self._poller.poll(_milliseconds(left)))
            if self._outbox in ready:
                self._admit(listener)
            if self._inbox in ready:
                self._proceed(dialers, keep)
            elif self._monitor in ready:
                self._note_losses()
                if gone := self.lost & dialers.keys():
                    raise PeerLost(self.name(min(gone)), f"could not be reached at {addresses[min(gone)]}")
                if gone := self.lost - self._routes.keys():
                    raise self.died(min(gone))
        self._poller.unregister(self._outbox)

    def _dial(self, node: int, address: str) -> handshake.Dialer:
        endpoint, _, key = address.partition("|")
        if self._keys:
            self._inbox.setsockopt(zmq.CURVE_SERVERKEY, key.encode())
            self._inbox.setsockopt(zmq.CURVE_PUBLICKEY, self._keys[0])
            self._inbox.setsockopt(zmq.CURVE_SECRETKEY, self._keys[1])
        self._inbox.setsockopt(zmq.IPV6, "[" in endpoint)
        self._inbox.setsockopt(zmq.CONNECT_ROUTING_ID, _name(node))
        self._inbox.connect(endpoint)
        self._endpoints[endpoint] = node
        dialer = handshake.Dialer(self._secret, self._me, node, self._nodes, address)
        self._inbox.send_multipart([_name(node), dialer.hello])
        return dialer

    def _admit(self, listener: handshake.Listener) -> None:
        """Reads one message of someone who has dialed, and answers unless it is a stranger's."""
        route, *frames = self._outbox.recv_multipart()
        answer = listener.answer(route, frames[0]) if len(frames) == 1 else None
        if answer is None or answer[1] in self._routes:
            return
        try:
            self._outbox.send_multipart([route, answer[0]], zmq.NOBLOCK)
        except zmq.ZMQError:
            return
        if answer[1] is not None:
            self._routes[answer[1]] = route

    def _proceed(self, dialers: dict[int, handshake.Dialer], keep: Keep) -> None:
        """Reads one message of a listener: a part of its introduction, or data if that is over."""
        name, *frames = self._inbox.recv_multipart()
        node = self._names[name]
        if node not in dialers:
            keep(node, frames)
            return
        try:
            answer = dialers[node].answer(frames[0])
        except ValueError as error:
            raise PeerLost(self.name(node), "does not know the run's secret") from error
        if answer is None:
            del dialers[node]
        else:
            self._inbox.send_multipart([name, answer])

    def send(self, node: int, head: bytes, payload: memoryview | None) -> None:
        try:
            self._outbox.send(self._routes[node], zmq.SNDMORE)
            if payload is None:
                self._outbox.send(head)
            else:
                self._outbox.send(head, zmq.SNDMORE)
                self._outbox.send(payload)
        except zmq.Again as error:
            raise self.silent(node) from error
        except zmq.ZMQError as error:
            raise self.died(node) from error

    def wait(self, deadline: float, nodes: Collection[int]) -> bool:
        """Whether there is a message; False: not before the `deadline` (monotonic), or one of `nodes` was lost."""
        found = self._look(self._spin.begin()) or self._sleep(deadline, nodes)
        self._spin.end()
        return found

    def _look(self, until: float) -> bool:
        while not self.ready():
            if time.perf_counter() >= until:
                return False
            os.sched_yield()
        return True

    def _sleep(self, deadline: float, nodes: Collection[int]) -> bool:
        while self.lost.isdisjoint(nodes):
            left = deadline - time.monotonic()
            ready = dict(self._poller.poll(_milliseconds(left)))
            if self._monitor in ready:
                self._note_losses()
            if self._inbox in ready:
                return True
            if not ready and left <= 0:
                return False
        return self.ready()

    def ready(self) -> bool:
        """Whether there is a message now."""
        return _readable(self._inbox)

    def look_around(self) -> set[int]:
        """The nodes that have been lost so far."""
        if _readable(self._monitor):
            self._note_losses()
        return self.lost

    def take(self) -> tuple[int, bytes]:
        """The sender and the head of the message that there is; its payload, if it has one, has to be taken next."""
        node = self._names[self._inbox.recv()]
        return node, self._inbox.recv()

    def payload(self) -> memoryview:
        return self._inbox.recv(copy=False).buffer

    def payload_into(self, buffer: memoryview) -> int:
        """Copies the payload straight to where it belongs; returns its own size, whatever that of the buffer."""
        return self._inbox.recv_into(buffer)

    def more(self) -> bool:
        return bool(self._inbox.getsockopt(zmq.RCVMORE))

    def _note_losses(self) -> None:
        while _readable(self._monitor):
            endpoint = recv_monitor_message(self._monitor)["endpoint"].decode()
            if endpoint in self._endpoints:
                self.lost.add(self._endpoints[endpoint])

    def name(self, node: int) -> str:
        return f"{self._label} on node {node}"

    def died(self, node: int) -> PeerLost:
        return PeerLost(self.name(node), "died")

    def silent(self, node: int) -> PeerLost:
        return PeerLost(self.name(node), f"{SILENT} for {self.timeout:g} s")

    def close(self) -> None:
        """Gives what was sent last half a second to leave, then closes everything."""
        if not self._context.closed:
            self._inbox.disable_monitor()
            self._context.destroy()


def _readable(socket: zmq.Socket[bytes]) -> bool:
    return bool(int(socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN)


def _milliseconds(seconds: float) -> int:
    return max(math.ceil(seconds * 1000), 0)


def _name(node: int) -> bytes:
    return b"node %d" % node
