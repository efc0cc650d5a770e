"""Where everything lies in the arena, computed from the sizes alone: every process of a node derives the same."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from dist_bp.nn.layout import Table
from dist_bp.optim.updater import BLOCK
from dist_bp.ps.modes import Mode, Sync
from dist_bp.ps.tree import Summation, summation

CACHE_LINE = 64
CHUNK = 32768
MEASURED_VERSIONS = 3
"""Of how many versions the arena keeps what shares have measured: of one that all nodes have, the next one, which only
some may have, and the one that those already compute."""
LEASE_STEPS = 1 << 15
"""Of how many steps of a lease the arena keeps what was measured."""
SYNC = Sync()


@dataclass(frozen=True)
class Region:
    """A named array inside the arena: byte offset, shape and dtype."""

    offset: int
    shape: tuple[int, ...]
    dtype: str

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize


@dataclass(frozen=True)
class ArenaLayout:
    """Regions of the arena of one node.

    `parameters` and `statistics` are element counts of the model's two flat vectors, `optimizer` names the
    optimizer's state arrays. `placement` says how many shares of a global batch each node computes, `servers` how many
    processes of its own update: 0 where workers do, see `updaters`. Of several nodes the first `lanes` updaters
    exchange. The parameters are cut into one slice a node; the servers of `node` update theirs and keep the state of
    that slice alone, except what workers go on from by themselves in the `local` mode. Where nodes exchange in
    `one_round` (see rounds.py) the slice of each is everything. The gradients of `tables` may
    come by rows, see `by_rows`. `states` are bytes for the states of the metrics of a share. Where
    sums are sent `compressed`, what other nodes are still owed is kept.

    Nothing is changed in place: version v of the parameters and statistics lives at v % versions, that of the state at
    v % 2, and an update reads one version and writes the next.
    """

    parameters: int
    statistics: int
    optimizer: tuple[str, ...]
    placement: tuple[int, ...]
    servers: int
    dtype: str
    mode: Mode = SYNC
    node: int = 0
    tables: tuple[Table, ...] = ()
    lanes: int = 0
    states: int = 0
    compressed: bool = False
    one_round: bool = False

    @property
    def nodes(self) -> int:
        return len(self.placement)

    @property
    def shares(self) -> int:
        """Of all nodes together."""
        return sum(self.placement)

    @property
    def own_shares(self) -> range:
        """Those of this node."""
        return self.shares_of(self.node)

    def shares_of(self, node: int) -> range:
        """Those of a node; shares are counted over all nodes."""
        first = sum(self.placement[:node])
        return range(first, first + self.placement[node])

    @property
    def updaters(self) -> int:
        """How many of this node may update a part each."""
        return self.servers or len(self.own_shares)

    def sharing(self, workers: int) -> int:
        """How many of so many workers have a part of this node's slice to update, where workers are servers, too."""
        return min(workers, max(self._count(self.node), 1))

    def slice(self, node: int) -> tuple[int, int]:
        """The elements of the parameter vector that a node updates: all, or even parts of whole blocks."""
        return (0, self.parameters) if self.one_round else (self._cut(node), self._cut(node + 1))

    @property
    def _slices(self) -> range:
        """The nodes whose slices make the whole, in order."""
        return range(1 if self.one_round else self.nodes)

    def _cut(self, node: int) -> int:
        if node == self.nodes:
            return self.parameters
        return min((self.parameters * node // self.nodes + BLOCK // 2) // BLOCK * BLOCK, self.parameters)

    def kept(self, name: str) -> tuple[int, int]:
        """The elements whose state of this name the node keeps."""
        return (0, self.parameters) if name in self.averaged else self.slice(self.node)

    @cached_property
    def by_rows(self) -> tuple[Table, ...]:
        """The tables of which only the touched rows of a gradient are written and read: none in modes whose
        workers change all rows by themselves, and none on several nodes, which exchange whole slices."""
        if self.nodes > 1 or not self.mode.by_rows:
            return ()
        return tuple(table for table in self.tables if 0 < table.size <= CHUNK)

    def table_at(self, element: int) -> int | None:
        """The index in `by_rows` of the table that has this element."""
        return next((i for i, table in enumerate(self.by_rows) if table.start <= element < table.stop), None)

    def _spans(self, node: int) -> list["_Span"]:
        """A node's slice, cut where its tables begin and end."""
        start, stop = self.slice(node)
        spans = []
        for table in self.by_rows:
            spans.append(_Span(start, table.start, CHUNK))
            spans.append(_Span(table.start, table.stop, rows_of_chunk(table) * table.size))
            start = table.stop
        return [*spans, _Span(start, stop, CHUNK)]

    @cached_property
    def chunks(self) -> list[tuple[int, int]]:
        """Pieces of the parameter vector, the same whatever the number of servers of a node: of whole rows in a table
        that comes by rows."""
        return [piece for node in self._slices for span in self._spans(node) for piece in span.pieces()]

    @cached_property
    def blocks(self) -> list[int]:
        """Where among the squared norms of all blocks those of each chunk begin, and where the last ones end."""
        return [0, *accumulate(_blocks(stop - start) for start, stop in self.chunks)]

    def _count(self, node: int) -> int:
        """The number of chunks of a node's slice."""
        return sum(span.chunks for span in self._spans(node))

    def owned_chunks(self, index: int, updaters: int, node: int | None = None) -> list[tuple[int, int, int]]:
        """(number, start, stop) of the contiguous chunks of the slice of a node, this one unless told, that one of so
        many `updaters` updates."""
        node = self.node if node is None else node
        before = 0 if self.one_round else sum(self._count(other) for other in range(node))
        count = self._count(node)
        first, last = index * count // updaters, (index + 1) * count // updaters
        return [(number, *self.chunks[number]) for number in range(before + first, before + last)]

    @cached_property
    def regions(self) -> dict[str, Region]:
        line, slots = CACHE_LINE // 8, self.mode.slots
        scores, shares = max(self.mode.steps, line), len(self.own_shares)
        wanted: list[tuple[str, tuple[int, ...], str]] = [
            ("stages", (shares, line), "int64"),
            ("signs", (shares, line), "int64"),
            ("asleep", (shares, line), "int64"),
            ("ended", (1, line), "int64"),
            ("updating", (1, line), "int64"),
            ("begun", (self.updaters, line), "int64"),
            ("committed", (self.updaters, line), "int64"),
            ("chosen", (self.shares, line), "int64"),
            ("source", (shares, slots, line), "int64"),
            ("expected", (shares, slots, line), "float64"),
            ("scores", (shares, slots, 3, scores), "float64"),
            ("squares", (sum(span.blocks for node in self._slices for span in self._spans(node)),), "float64"),
            ("written", (1, line), "int64"),
            ("log/losses", (LEASE_STEPS,), "float64"),
            ("log/counts", (LEASE_STEPS,), "int64"),
            ("log/weights", (LEASE_STEPS,), "float64"),
            ("log/rates", (LEASE_STEPS,), "float64"),
            ("log/squares", (self.updaters, LEASE_STEPS), "float64"),
        ]
        for share in range(shares):
            for slot in range(slots):
                wanted.append((f"gradients/{share}/{slot}", (self.parameters,), self.dtype))
                wanted.append((f"sums/{share}/{slot}", (self.statistics,), self.dtype))
                for index, table in enumerate(self.by_rows):
                    wanted.append((f"touched/{share}/{slot}/{index}", (1 + table.rows,), "int64"))
            wanted += [(f"state/{share}/{name}", (self.parameters,), self.dtype) for name in self.averaged]
            wanted += [(f"states/{share}/{version}", (self.states,), "uint8") for version in range(MEASURED_VERSIONS)]
        for version in range(self.mode.versions):
            wanted.append((f"parameters/{version}", (self.parameters,), self.dtype))
            wanted.append((f"statistics/{version}", (self.statistics,), self.dtype))
        for other in self.owing:
            start, stop = self.slice(other)
            wanted += [(f"owed/{other}/{half}", (stop - start,), "float32") for half in (0, 1)]
        for name in self.optimizer:
            start, stop = self.kept(name)
            wanted += [(f"optimizer/{name}/{half}", (stop - start,), self.dtype) for half in (0, 1)]
        regions: dict[str, Region] = {}
        offset = 0
        for name, shape, dtype in wanted:
            regions[name] = Region(offset, shape, dtype)
            offset = _aligned(offset + regions[name].nbytes)
        return regions

    def summation(self, shares: Sequence[int]) -> Summation:
        """How this node adds what some of all shares give."""
        return summation(self.placement, self.node, shares, self.compressed)

    @property
    def owing(self) -> tuple[int, ...]:
        """The nodes that this one owes what compression has left out."""
        return tuple(node for node in range(self.nodes) if node != self.node) if self.compressed else ()

    @property
    def averaged(self) -> tuple[str, ...]:
        """The state arrays that workers change by themselves."""
        return self.mode.averaged(self.optimizer)

    @property
    def nbytes(self) -> int:
        last = list(self.regions.values())[-1]
        return max(_aligned(last.offset + last.nbytes), CACHE_LINE)


class _Span(NamedTuple):
    """Elements start ... stop of the parameter vector, in chunks of `step`."""

    start: int
    stop: int
    step: int

    @property
    def chunks(self) -> int:
        return -(-(self.stop - self.start) // self.step)

    @property
    def blocks(self) -> int:
        whole, rest = divmod(self.stop - self.start, self.step)
        return whole * _blocks(self.step) + _blocks(rest)

    def pieces(self) -> list[tuple[int, int]]:
        return [(first, min(first + self.step, self.stop)) for first in range(self.start, self.stop, self.step)]


def rows_of_chunk(table: Table) -> int:
    """How many rows a chunk of it has, but the last one."""
    return CHUNK // table.size


def _blocks(elements: int) -> int:
    """How many squared norms a chunk of so many elements has."""
    return -(-elements // BLOCK)


def _aligned(offset: int) -> int:
    return -(-offset // CACHE_LINE) * CACHE_LINE
