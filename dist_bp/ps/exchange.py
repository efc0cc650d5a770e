"""Messages between the servers of all nodes: of which kind, generation and step they are, their order, their bytes.

On the wire a message is a head (kind, generation, step, bytes of the payload, then the scalars) and,
if there is one, the payload as it lies in memory. Links knows how frames travel; nothing here knows ZeroMQ.
"""

import struct
import time
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from dist_bp.errors import TrainingFailed
from dist_bp.ps.compression import Codec
from dist_bp.ps.doorbell import PeerLost
from dist_bp.ps.links import Links
from dist_bp.types import Array

Payload = Array | bytes | bytearray | memoryview

ABORT = -1
_HEAD = struct.Struct("<qqqQ")
_SCALAR_BYTES = 8


class PeerAborted(TrainingFailed):
    """A server of another node has given up this generation; what made it do so is told by that node."""

    def __init__(self, peer: str) -> None:
        super().__init__(f"{peer} gave up")
        self.peer = peer

    def __reduce__(self) -> tuple[type["PeerAborted"], tuple[str]]:
        return type(self), (self.peer,)


class Message(NamedTuple):
    """What `node` sent; `payload` is its bytes, or None."""

    node: int
    kind: int
    generation: int
    step: int
    scalars: tuple[float, ...]
    payload: memoryview | None = None


class Exchange:
    """The connections of the server of node `me` to its counterparts, one on each of the `nodes`.

    `secret` (32 bytes) is the run's: both ends of a connection prove that they know it, and it never travels. With
    `encrypt`, CURVE (CurveZMQ, RFC 26 of ZeroMQ) encrypts and authenticates everything; without it the data are open to
    whoever can read or change the network's packets. `label` names a peer in errors: "server on node 2".

    `bytes_sent` and `bytes_received` count payloads as they were on the wire, without their heads and what ZeroMQ, TCP
    and IP add. Not to be used by two threads, nor after a fork.
    """

    def __init__(
        self, me: int, nodes: int, secret: bytes, timeout: float, encrypt: bool = False, label: str = "server"
    ) -> None:
        self.bytes_sent = 0
        self.bytes_received = 0
        self._others = tuple(node for node in range(nodes) if node != me)
        self._timeout = timeout
        self._links = Links(me, nodes, secret, timeout, encrypt, label)
        self._early: list[Message] = []
        self._aborted: dict[int, int] = {}

    def listen(self, host: str) -> str:
        """Opens a free port on `host`, an IP address of this machine, and nowhere else; returns the address to hand on.

        Raises TrainingFailed if that is no address of this machine.
        """
        return self._links.listen(host)

    def connect(self, addresses: Sequence[str], seconds: float | None = None) -> None:
        """Connects to all nodes; `addresses` are what their `listen` returned, in node order, this one's included.

        Returns when all connections stand, in both directions; strangers are left waiting. Raises PeerLost if a
        node is not there after `seconds` (None: START_SECONDS) or does not know the secret.
        """
        self._links.connect(addresses, self._keep_frames, seconds)

    def send(
        self, node: int, kind: int, generation: int, step: int, scalars: Sequence[float], payload: Payload | None
    ) -> None:
        """Sends a message; `payload`, C-contiguous, has been copied when this returns and may be overwritten.

        Waits only if the peer is very many messages behind. Raises PeerLost.
        """
        body = None if payload is None else _bytes_of(payload)
        nbytes = body.nbytes if body is not None else 0
        head = _HEAD.pack(kind, generation, step, nbytes)
        if scalars:
            head += struct.pack(f"<{len(scalars)}d", *scalars)
        self._links.send(node, head, body if nbytes else None)
        self.bytes_sent += nbytes

    def receive(
        self, kind: int, generation: int, step: int, into: Mapping[int, Array | None], codec: Codec | None = None
    ) -> dict[int, tuple[float, ...]]:
        """Waits for one such message of every node in `into`; returns their scalars by node.

        A payload is copied into the node's array (C-contiguous), or decoded into it by `codec`; None stands for no
        payload. Messages of older generations are dropped, all others kept for later. Raises PeerLost when one of
        these nodes dies, is silent for the timeout or sends a payload of another size, and PeerAborted when any node
        gives up this generation.
        """
        self._begin(generation)
        wanted = (kind, generation, step)
        missing = dict(into)
        scalars: dict[int, tuple[float, ...]] = {}
        early, self._early = self._early, []
        for message in early:
            if message.node in missing and message[1:4] == wanted:
                self._fill(message, missing.pop(message.node), codec)
                scalars[message.node] = message.scalars
            else:
                self._early.append(message)
        deadline = time.monotonic() + self._timeout
        while missing:
            if not self._links.wait(deadline, missing):
                if gone := self._links.lost & missing.keys():
                    raise self._links.died(min(gone))
                raise self._links.silent(min(missing))
            message, nbytes = self._take_head()
            if message.node in missing and message[1:4] == wanted:
                self._take_payload(message.node, nbytes, missing.pop(message.node), codec)
                scalars[message.node] = message.scalars
            else:
                self._keep(self._complete(message, nbytes))
                self._begin(generation)
        return scalars

    def receive_any(self, kinds: Collection[int], generation: int, timeout: float) -> Message | None:
        """The message of one of these kinds and this generation that came first; None if there is none in `timeout`.

        Raises PeerLost when any node has died, and PeerAborted.
        """
        self._begin(generation)
        for index, message in enumerate(self._early):
            if message.kind in kinds and message.generation == generation:
                return self._early.pop(index)
        deadline = time.monotonic() + timeout
        while self._links.ready() or (timeout > 0 and self._links.wait(deadline, self._others)):
            message = self._complete(*self._take_head())
            if message.kind in kinds and message.generation == generation:
                return message
            self._keep(message)
            self._begin(generation)
        if gone := self._links.look_around():
            raise self._links.died(min(gone))
        return None

    def abort(self, generation: int) -> None:
        """Tells all peers that are still there that this generation is given up."""
        for node in self._others:
            try:
                self.send(node, ABORT, generation, 0, (), None)
            except PeerLost:
                continue

    def close(self) -> None:
        """Closes everything; what was sent just before still has half a second to leave. May be called twice."""
        self._links.close()

    def _begin(self, generation: int) -> None:
        """Forgets what is older than this generation; raises PeerAborted if it is given up already."""
        if self._early:
            self._early = [message for message in self._early if message.generation >= generation]
        for node, aborted in self._aborted.items():
            if aborted == generation:
                raise PeerAborted(self._links.name(node))

    def _keep(self, message: Message) -> None:
        if message.kind == ABORT:
            self._aborted[message.node] = message.generation
        else:
            self._early.append(message)

    def _keep_frames(self, node: int, frames: list[bytes]) -> None:
        message, nbytes = self._read_head(node, frames[0], len(frames) > 1)
        payload = memoryview(frames[1]) if nbytes else None
        self._check(node, len(frames[1]) if nbytes else 0, nbytes)
        self._keep(message._replace(payload=payload))

    def _take_head(self) -> tuple[Message, int]:
        node, head = self._links.take()
        return self._read_head(node, head, self._links.more())

    def _read_head(self, node: int, head: bytes, more: bool) -> tuple[Message, int]:
        """The message without its payload, and the bytes of that."""
        count = (len(head) - _HEAD.size) // _SCALAR_BYTES
        if len(head) < _HEAD.size or len(head) % _SCALAR_BYTES:
            raise PeerLost(self._links.name(node), "sent a message that cannot be read")
        kind, generation, step, nbytes = _HEAD.unpack_from(head)
        if more != (nbytes > 0):
            raise PeerLost(self._links.name(node), "sent a message that cannot be read")
        scalars = struct.unpack_from(f"<{count}d", head, _HEAD.size)
        self.bytes_received += nbytes
        return Message(node, kind, generation, step, scalars), nbytes

    def _complete(self, message: Message, nbytes: int) -> Message:
        if not nbytes:
            return message
        payload = self._links.payload()
        self._check(message.node, payload.nbytes, nbytes)
        return message._replace(payload=payload)

    def _take_payload(self, node: int, nbytes: int, target: Array | None, codec: Codec | None) -> None:
        """Brings the payload that comes next into `target`."""
        self._check(node, nbytes, _expected(target, codec))
        if target is None or not nbytes:
            return
        if codec is None:
            self._check(node, self._links.payload_into(target.data), nbytes)
        else:
            payload = self._links.payload()
            self._check(node, payload.nbytes, nbytes)
            codec.decode(payload, target)

    def _fill(self, message: Message, target: Array | None, codec: Codec | None) -> None:
        """Brings the payload of a message that was kept into `target`."""
        payload = message.payload
        self._check(message.node, payload.nbytes if payload else 0, _expected(target, codec))
        if target is None or payload is None:
            return
        if codec is None:
            _bytes_of(target).cast("B")[:] = payload
        else:
            codec.decode(payload, target)

    def _check(self, node: int, nbytes: int, expected: int) -> None:
        if nbytes != expected:
            raise PeerLost(self._links.name(node), f"sent {nbytes} bytes, not {expected}")


def _bytes_of(payload: Payload) -> memoryview:
    return payload.data if isinstance(payload, np.ndarray) else memoryview(payload)


def _expected(target: Array | None, codec: Codec | None) -> int:
    if target is None:
        return 0
    return codec.nbytes(target.size) if codec else target.nbytes
