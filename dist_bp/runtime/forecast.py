"""What a step would take on many nodes in the `sync` mode: a model of its parts, from costs measured on one machine.

A step on one node is what was measured. On n nodes, each with W workers and a server group, it is the sum of

- compute: what the slowest of the nW gradients takes, by the rows of the fullest worker;
- signals: waits, doorbells and wake-ups within a node;
- reduce: the node's workers' gradients added up for the slices of the other nodes, W - 1 additions an element where
  that makes one sum (see ps/tree.py), and W - k where it makes k;
- exchange: two rounds of n - 1 messages, the sums to the owners of the slices and the slices to all, and a round for
  the norm to clip by: a fixed cost and the network's latency for each round, a cost for each further message, such as
  those of batch statistics, and for each byte its cost at both ends and the network card's;
- update: the node's slice, 1/n of the parameters, whose sums from the other nodes cost an addition more each.

Small networks are exchanged in one round, see ps/rounds.py: then the slice of each node is everything, and nothing but
sums is sent.

Where two nodes fit on the machine they have been measured together: their gradients tell what the slowest of several
takes, and the rest of their step what an exchange takes within a job.

Nothing is taken to overlap and every network card to be free, with a network behind it that is no bottleneck.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np

from dist_bp.errors import ConfigError
from dist_bp.messages import plural
from dist_bp.ps.compression import Codec
from dist_bp.ps.layout import ArenaLayout
from dist_bp.ps.modes import MODES, ModeName
from dist_bp.ps.rounds import in_rounds
from dist_bp.ps.tree import subtrees
from dist_bp.runtime.probe import ExchangeCosts

Growth = Literal["weak", "strong"]

HANDLING = 1.4
"""Processor time of 1.3 MB there and back between two network namespaces, beside loopback, whose packets are larger."""


@dataclass(frozen=True)
class OneNode:
    """Seconds of a step on one node, as it was measured: of the slowest gradient, of what is left of it beside that and
    the update, and of the update."""

    compute: float
    signal: float
    update: float


@dataclass(frozen=True)
class Gradients:
    """How gradients of `workers` at once go: the mean slowest takes `slowest` times as long as one of a node's worker
    alone, and each `spread` (sorted) times what that worker's take on average."""

    workers: int
    slowest: float
    spread: Sequence[float]

    def slowest_of(self, workers: int) -> float:
        """The same of more of them, or of fewer."""
        expected = [expected_slowest(self.spread, count) for count in (workers, self.workers)]
        return self.slowest * expected[0] / expected[1]


@dataclass(frozen=True)
class Costs:
    """Seconds measured on one machine, and bytes of memory that a process has for itself.

    A gradient takes `compute + compute_row * rows` on average. `update`, `add`, `encode` and `decode` are for one
    element of the parameters, `exchange` as ExchangeCosts has it; within a job it takes `entangled` times that, which
    was measured with `together` workers of two nodes (None: not measured, and `apart` says why).
    `server_memory` is 0 where workers are servers, too.
    """

    alone: OneNode
    compute: float
    compute_row: float
    gradients: Gradients
    update: float
    add: float
    exchange: ExchangeCosts
    together: int | None
    apart: str | None
    entangled: float
    encode: float
    decode: float
    worker_memory: int
    server_memory: int


@dataclass(frozen=True)
class Network:
    """The network card of a node: bytes a second in each direction, the seconds of the way, and what a byte costs at
    its two ends beside one of loopback."""

    bandwidth: float
    latency: float
    handling: float = HANDLING


LOOPBACK = Network(bandwidth=math.inf, latency=0.0, handling=1.0)


@dataclass(frozen=True)
class Prediction:
    """A step on `nodes` nodes: its parts and the whole in seconds, payload bytes that a node sends, memory in bytes.

    `batch` is the global batch and `efficiency` the samples a second beside those of one node, times the nodes.
    `arena` is shared by the processes of a node; `worker` and `server` are what one such process has beside it, the
    latter 0 where workers are servers, too. `rounds` are those of an exchange of sums and slices.
    """

    nodes: int
    workers: int
    batch: int
    compute: float
    signal: float
    reduce: float
    exchange: float
    update: float
    step: float
    wire_bytes: float
    samples_per_second: float
    efficiency: float
    arena: int
    worker: int
    server: int
    rounds: int = 0


@dataclass(frozen=True)
class Load:
    """What a job asks of a node: the arena of one with W workers, and the global batch of a single node.

    A batch is cut into groups of `group` samples, of which a worker computes whole ones; `clips` tells whether the
    gradient's norm is limited.
    """

    layout: ArenaLayout
    batch: int
    group: int
    clips: bool = False
    codec: Codec | None = None

    @property
    def workers(self) -> int:
        """Of a node."""
        return len(self.layout.own_shares)

    def on(self, nodes: int) -> ArenaLayout:
        """The arena of a node of so many."""
        compressed = nodes > 1 and self.codec is not None
        return in_rounds(replace(self.layout, placement=(self.workers,) * nodes, compressed=compressed))

    def rows(self, batch: int, workers: int) -> int:
        """The rows of the worker that has the most. Raises ConfigError where some would have none."""
        groups = -(-batch // self.group)
        if groups < workers:
            raise ConfigError(
                f"{plural(batch, 'sample')} in groups of {self.group} make {plural(groups, 'group')}, too few for "
                f"{plural(workers, 'worker')}: "
                "plan fewer nodes, a larger batch or a smaller train.group_size"
            )
        return min(-(-groups // workers) * self.group, batch)


def check_predictable(mode: ModeName) -> None:
    """Raises ConfigError for a mode of consistency whose steps are not the sum of these parts."""
    if not MODES[mode].predictable:
        raise ConfigError(f"parameter_server.mode: only sync can be predicted, not {mode}: plan with mode: sync")


def check_batch(load: Load, nodes: Sequence[int], growth: Growth) -> None:
    """Raises ConfigError where the batch does not go round."""
    for count in nodes:
        load.rows(load.batch * count if growth == "weak" else load.batch, load.workers * count)


def predict(load: Load, costs: Costs, network: Network, nodes: Sequence[int], growth: Growth) -> list[Prediction]:
    """A prediction for each number of nodes. `weak`: the batch grows with the nodes; `strong`: it stays."""
    alone = _predict(load, costs, network, 1, growth, 0.0)
    return [_predict(load, costs, network, count, growth, alone.samples_per_second) for count in nodes]


def expected_slowest(values: Sequence[float], draws: int) -> float:
    """The mean of the largest of so many draws from `values` (sorted).

    All n draws are at most a value of which a part F is not larger with probability F^n (David & Nagaraja, Order
    Statistics, 2.1.1). However many they are, none is beyond the largest value.
    """
    below = (np.arange(len(values) + 1) / len(values)) ** draws
    return float(np.diff(below) @ np.asarray(values))


def measured_exchange(load: Load, costs: Costs, step: float, slowest: float) -> float:
    """How many times what the model says the exchange of two nodes of this machine took, where each worker had the
    rows of `load` and a step took `step` seconds, of which its slowest gradient took `slowest`."""
    reduce, exchange, update = _between(load, replace(costs, entangled=1.0), LOOPBACK, 2)
    return max(step - slowest - costs.alone.signal - reduce - update, 0.0) / exchange


def _predict(load: Load, costs: Costs, network: Network, nodes: int, growth: Growth, alone: float) -> Prediction:
    layout = load.on(nodes)
    batch = load.batch * nodes if growth == "weak" else load.batch
    workers = nodes * load.workers
    if nodes == 1:
        compute, reduce, exchange, update = costs.alone.compute, 0.0, 0.0, costs.alone.update
    else:
        compute = costs.compute + costs.compute_row * load.rows(batch, workers)
        compute *= costs.gradients.slowest_of(workers)
        reduce, exchange, update = _between(load, costs, network, nodes)
    step = compute + costs.alone.signal + reduce + exchange + update
    pace = batch / step
    return Prediction(
        nodes=nodes,
        workers=workers,
        batch=batch,
        compute=compute,
        signal=costs.alone.signal,
        reduce=reduce,
        exchange=exchange,
        update=update,
        step=step,
        wire_bytes=_wire_bytes(load, nodes),
        samples_per_second=pace,
        efficiency=pace / (nodes * alone) if alone else 1.0,
        arena=layout.nbytes,
        worker=costs.worker_memory + (0 if layout.servers else _buffers(load, nodes)),
        server=costs.server_memory + _buffers(load, nodes) if layout.servers else 0,
        rounds=0 if nodes == 1 else 1 if layout.one_round else 2,
    )


def _between(load: Load, costs: Costs, network: Network, nodes: int) -> tuple[float, float, float]:
    """Seconds of the parts of a step that depend on the other nodes: reduce, exchange, update."""
    layout, sums = load.on(nodes), _sums(load, nodes)
    elements = _elements(layout)
    sent = layout.parameters if layout.one_round else layout.parameters - elements
    reduce = costs.add * (load.workers - sums) * sent / layout.updaters
    update = (costs.update + (nodes - 1) * sums * costs.add) * elements / layout.updaters
    return reduce, _exchange(load, costs, network, nodes), update


def _wire_bytes(load: Load, nodes: int) -> float:
    """Payload that a node sends in a step on average: without compression 2 (n - 1) P / n in two rounds, (n - 1) P in
    one, where that is one sum of gradients a node, and its sums of batch statistics."""
    layout = load.on(nodes)
    elements, itemsize, sums = _elements(layout), np.dtype(layout.dtype).itemsize, _sums(load, nodes)
    gradients = load.codec.nbytes(math.ceil(elements)) if load.codec else sums * elements * itemsize
    slices = 0 if layout.one_round else elements * itemsize
    return (nodes - 1) * (gradients + slices + sums * layout.statistics * itemsize)


def _elements(layout: ArenaLayout) -> float:
    """Those of a node's slice."""
    return layout.parameters if layout.one_round else layout.parameters / layout.nodes


def _sums(load: Load, nodes: int) -> float:
    """How many a node sends on average: one where the tree of all sums parts as the nodes do."""
    return float(np.mean(_sums_of_each(load.workers, nodes, load.codec is not None)))


@lru_cache
def _sums_of_each(workers: int, nodes: int, compressed: bool) -> tuple[int, ...]:
    placement = (workers,) * nodes
    return tuple(len(subtrees(placement, node, compressed)) for node in range(nodes))


def _exchange(load: Load, costs: Costs, network: Network, nodes: int) -> float:
    """Seconds of all rounds; the servers of a node share the work at its ends, and the network card."""
    layout, peers, wire_bytes = load.on(nodes), nodes - 1, _wire_bytes(load, nodes)
    rounds = 1 if layout.one_round else 2 + load.clips
    further = rounds * (peers - 1) + (peers if layout.statistics else 0)
    waited = rounds * costs.exchange.round + further * costs.exchange.message
    coded = peers * layout.parameters / nodes * (costs.encode + costs.decode)
    handled = (wire_bytes * costs.exchange.byte * network.handling + coded) / layout.updaters
    return costs.entangled * (waited + handled) + rounds * network.latency + wire_bytes / network.bandwidth


def _buffers(load: Load, nodes: int) -> int:
    """Bytes that a server keeps for the exchange where its node sends the most sums: for each peer the sums in and
    out, and what a codec makes of one."""
    layout, peers = load.on(nodes), nodes - 1
    elements, sums = _elements(layout), _sums_of_each(load.workers, nodes, load.codec is not None)
    kept = (sum(sums) - max(sums) + peers * max(sums)) * elements * np.dtype(layout.dtype).itemsize
    if load.codec:
        kept += peers * (elements * np.dtype(np.float32).itemsize + load.codec.nbytes(math.ceil(elements)))
    return round(kept / layout.updaters)
