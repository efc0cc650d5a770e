"""One server's links to its counterparts on the other nodes: sums of gradients out, updated slices back.

Each node adds its own workers' gradients first and sends every other node that node's slice of the sum; whoever owns a
slice updates it and sends it to all. With n nodes and P bytes of parameters that is 2 (n - 1) P / n bytes a node and
update, what a ring all-reduce moves (Patarasuk & Yuan 2009, theorem 1), in two messages instead of 2 (n - 1).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

from dist_bp.ps.compression import Bytes, Codec, ErrorFeedback
from dist_bp.ps.decision import Decision
from dist_bp.ps.exchange import Exchange, Message
from dist_bp.types import Array

if TYPE_CHECKING:
    from dist_bp.ps.arena import Arena
    from dist_bp.ps.layout import ArenaLayout


class Kind(IntEnum):
    """What a message between nodes is about."""

    SUMS = 1
    STATISTICS = 2
    SLICE = 3
    SQUARES = 4
    ARRIVAL = 5
    DECISION = 6
    LATE = 7


class Mesh:
    """The exchange of updater `lane` of a node; all calls of a lease carry its generation."""

    def __init__(self, exchange: Exchange, layout: ArenaLayout, lane: int, codec: Codec | None = None) -> None:
        self.others = tuple(node for node in range(layout.nodes) if node != layout.node)
        self.node = layout.node
        self.generation = 0
        self._exchange = exchange
        owned = [layout.owned_chunks(lane, layout.lanes, node) for node in range(layout.nodes)]
        self._bounds = [(chunks[0][1], chunks[-1][2]) if chunks else (0, 0) for chunks in owned]
        self._numbers = [(chunks[0][0], chunks[-1][0] + 1) if chunks else (0, 0) for chunks in owned]
        own = self._bounds[layout.node]
        self.incoming = {node: np.empty(own[1] - own[0], layout.dtype) for node in self.others}
        self._outgoing = {
            node: np.empty(stop - start, layout.dtype)
            for node, (start, stop) in enumerate(self._bounds)
            if node != layout.node
        }
        self._codec = codec
        self._feedback = (
            {node: ErrorFeedback(codec, len(sums)) for node, sums in self._outgoing.items()} if codec else {}
        )
        self._owed: list[dict[int, Array]] = []

    def keep_in(self, arena: Arena) -> None:
        """From now on what compression leaves out is kept there."""
        starts = [arena.layout.slice(node)[0] for node in range(arena.layout.nodes)]
        bounds = zip(self._bounds, starts, strict=True)
        cuts = [slice(start - first, stop - first) for (start, stop), first in bounds]
        self._owed = [{node: owed[cuts[node]] for node, owed in half.items()} for half in arena.owed]

    def listen(self, host: str) -> str:
        return self._exchange.listen(host)

    def connect(self, addresses: Sequence[str], seconds: float | None) -> None:
        self._exchange.connect(addresses, seconds)

    @property
    def wire_bytes(self) -> tuple[int, int]:
        """Payload bytes sent and received so far."""
        return self._exchange.bytes_sent, self._exchange.bytes_received

    def exchange_sums(
        self,
        version: int,
        sources: Sequence[Array],
        contributors: Collection[int],
        scores: Sequence[float],
        lossy: bool,
    ) -> dict[int, tuple[float, ...]]:
        """Sends each node its slice of the sum over `sources`, this node's vectors (parameters,).

        The sums of this server's slice that the other `contributors` sent are then in `incoming`; returns their
        scores by node. `lossy` sums go through the codec.
        """
        if self.node in contributors:
            for node in self.others:
                sums = self._sum([source[slice(*self._bounds[node])] for source in sources], node)
                payload = self._encoded(node, version, sums) if lossy and self._codec else sums
                self._exchange.send(node, Kind.SUMS, self.generation, version, scores, payload)
        elif lossy and self._codec:
            for before, after in zip(*(self._owed[half % 2].values() for half in (version - 1, version)), strict=True):
                np.copyto(after, before)
        into = {node: self.incoming[node] for node in self.others if node in contributors}
        return self._exchange.receive(Kind.SUMS, self.generation, version, into, self._codec if lossy else None)

    def _encoded(self, node: int, version: int, sums: Array) -> Bytes:
        before, after = self._owed[(version - 1) % 2][node], self._owed[version % 2][node]
        return self._feedback[node].encode(sums, before, after)

    def _sum(self, sources: Sequence[Array], node: int) -> Array:
        if len(sources) == 1:
            return sources[0]
        add_up(sources, self._outgoing[node])
        return self._outgoing[node]

    def exchange_whole(self, kind: Kind, version: int, array: Array, senders: Collection[int]) -> dict[int, Array]:
        """Sends `array` to all other nodes if this one is among the senders; returns what the others sent."""
        if self.node in senders:
            for node in self.others:
                self._exchange.send(node, kind, self.generation, version, (), array)
        into = {node: np.empty_like(array) for node in self.others if node in senders}
        self._exchange.receive(kind, self.generation, version, into)
        return into

    def exchange_slices(self, version: int, vector: Array) -> None:
        """Fills `vector` (parameters,), of which this server has written its slice, with those of its counterparts."""
        start, stop = self._bounds[self.node]
        for node in self.others:
            self._exchange.send(node, Kind.SLICE, self.generation, version, (), vector[start:stop])
        into = {node: vector[slice(*self._bounds[node])] for node in self.others}
        self._exchange.receive(Kind.SLICE, self.generation, version, into)

    def exchange_squares(self, version: int, squares: Array) -> None:
        """Completes the squared norms of the chunks, of which this server has written its own."""
        first, last = self._numbers[self.node]
        for node in self.others:
            self._exchange.send(node, Kind.SQUARES, self.generation, version, squares[first:last].tolist(), None)
        got = self._exchange.receive(Kind.SQUARES, self.generation, version, dict.fromkeys(self.others))
        for node, values in got.items():
            squares[slice(*self._numbers[node])] = values

    def tell(self, node: int, kind: Kind, version: int, values: Sequence[float]) -> None:
        self._exchange.send(node, kind, self.generation, version, values, None)

    def poll(self, kinds: Collection[Kind]) -> Message | None:
        """The next message of one of these kinds, if it is there."""
        return self._exchange.receive_any(kinds, self.generation, 0.0)

    def abort(self) -> None:
        self._exchange.abort(self.generation)

    def close(self) -> None:
        self._exchange.close()


def pack(decision: Decision) -> tuple[float, ...]:
    return (*decision.shares, *decision.answers)


def unpack(values: Sequence[float]) -> Decision:
    whole = [int(value) for value in values]
    half = len(whole) // 2
    return Decision(tuple(whole[:half]), tuple(whole[half:]))


def add_up(sources: Sequence[Array], out: Array) -> None:
    """The sum of the sources, in their order."""
    if len(sources) == 1:
        np.copyto(out, sources[0])
        return
    np.add(sources[0], sources[1], out=out)
    for source in sources[2:]:
        np.add(out, source, out=out)
