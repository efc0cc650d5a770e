"""One server's links to its counterparts on the other nodes: sums of gradients out, updated slices back.

Each node adds its own shares' gradients first, as far as the order of all sums has them together (see tree.py), and
sends every other node that node's slice of the sums; whoever owns a slice updates it and sends it to all. Where that is
one sum a node, n nodes with P bytes of parameters send 2 (n - 1) P / n bytes each in an update, what a ring all-reduce
moves (Patarasuk & Yuan 2009, theorem 1), in two messages instead of 2 (n - 1). In one round (see rounds.py) the slice
of each node is everything: all send all sums to all, and nothing comes back.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

from dist_bp.ps.compression import Bytes, Codec, ErrorFeedback
from dist_bp.ps.decision import Decision
from dist_bp.ps.exchange import Exchange, Message
from dist_bp.ps.tree import Summation
from dist_bp.types import Array

if TYPE_CHECKING:
    from dist_bp.ps.arena import Arena
    from dist_bp.ps.layout import ArenaLayout


PIECE = 32768
"""Elements that are added at a time, so that they stay in the cache."""


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
        blocks = layout.blocks
        self._blocks = [(blocks[chunks[0][0]], blocks[chunks[-1][0] + 1]) if chunks else (0, 0) for chunks in owned]
        sizes = [stop - start for start, stop in self._bounds]
        whole = layout.summation(range(layout.shares))
        self.incoming = {node: np.empty((count, sizes[self.node]), layout.dtype) for node, count in whole.received}
        """What each other node has sent of this server's slice: (sums, elements)."""
        self._statistics = {node: np.empty((count, layout.statistics), layout.dtype) for node, count in whole.received}
        self._outgoing = {node: np.empty((len(whole.sent), sizes[node]), layout.dtype) for node in self.others}
        self._scratch = np.empty((max(order.scratch for _, order in whole.sent), PIECE), layout.dtype)
        self._one_round = layout.one_round
        self._codec = codec
        self._feedback = {node: ErrorFeedback(codec, sizes[node]) for node in self.others} if codec else {}
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
        summation: Summation,
        scores: Sequence[float],
        lossy: bool,
    ) -> dict[int, tuple[float, ...]]:
        """Sends each node its slice of the sums over `sources`, this node's vectors (parameters,).

        The sums of this server's slice that others sent are then in `incoming`; returns their scores by node. `lossy`
        sums go through the codec.
        """
        if sources:
            sums: Array | None = None
            for node in self.others:
                if sums is None or not self._one_round:
                    slices = [source[slice(*self._bounds[node])] for source in sources]
                    sums = self._sums(slices, summation, self._outgoing[node])
                payload = self._encoded(node, version, sums) if lossy and self._codec else sums
                self._exchange.send(node, Kind.SUMS, self.generation, version, scores, payload)
        elif lossy and self._codec:
            for before, after in zip(*(self._owed[half % 2].values() for half in (version - 1, version)), strict=True):
                np.copyto(after, before)
        into = {node: self.incoming[node][:count].reshape(-1) for node, count in summation.received}
        return self._exchange.receive(Kind.SUMS, self.generation, version, into, self._codec if lossy else None)

    def _encoded(self, node: int, version: int, sums: Array) -> Bytes:
        before, after = self._owed[(version - 1) % 2][node], self._owed[version % 2][node]
        return self._feedback[node].encode(sums, before, after)

    def _sums(self, sources: Sequence[Array], summation: Summation, out: Array) -> Array:
        """What is sent of `sources` (n,), in one line; `out` (sums, n) is room for it."""
        if len(sources) == 1:
            return sources[0]
        for row, (own, order) in zip(out, summation.sent, strict=False):
            for start in range(0, len(row), PIECE):
                piece = slice(start, start + PIECE)
                order.add_up([source[piece] for source in sources[own]], self._scratch, row[piece])
        return out[: len(summation.sent)].reshape(-1)

    def send_statistics(self, version: int, sources: Sequence[Array], summation: Summation) -> None:
        """Sends all other nodes the sums over `sources`, this node's vectors (statistics,)."""
        if sources:
            room = np.empty((len(summation.sent), len(sources[0])), sources[0].dtype)
            sums = self._sums(sources, summation, room)
            for node in self.others:
                self._exchange.send(node, Kind.STATISTICS, self.generation, version, (), sums)

    def receive_statistics(self, version: int, summation: Summation) -> dict[int, Array]:
        """What the other nodes have sent: (sums, statistics) each."""
        sums = {node: self._statistics[node][:count] for node, count in summation.received}
        into = {node: array.reshape(-1) for node, array in sums.items()}
        self._exchange.receive(Kind.STATISTICS, self.generation, version, into)
        return sums

    def exchange_slices(self, version: int, vector: Array) -> None:
        """Fills `vector` (parameters,), of which this server has written its slice, with those of its counterparts."""
        if self._one_round:
            return
        start, stop = self._bounds[self.node]
        for node in self.others:
            self._exchange.send(node, Kind.SLICE, self.generation, version, (), vector[start:stop])
        into = {node: vector[slice(*self._bounds[node])] for node in self.others}
        self._exchange.receive(Kind.SLICE, self.generation, version, into)

    def exchange_squares(self, version: int, squares: Array) -> None:
        """Completes the squared norms of the blocks, of which this server has written its own."""
        if self._one_round:
            return
        start, stop = self._blocks[self.node]
        for node in self.others:
            self._exchange.send(node, Kind.SQUARES, self.generation, version, (), squares[start:stop])
        into = {node: squares[slice(*self._blocks[node])] for node in self.others}
        self._exchange.receive(Kind.SQUARES, self.generation, version, into)

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
