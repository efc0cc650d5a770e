"""What a step would take on many nodes: a model of its parts, from costs measured on one machine.

A step on n nodes, each with W workers and a server group, is the sum of

- compute: what the slowest of the nW gradients takes (for `backup`, the slowest that counts);
- signals: the doorbells and wake-ups within a node;
- reduce: the node's workers' gradients added up for the slices of the other nodes, (W - 1) additions an element;
- exchange: two rounds of n - 1 messages, the sums to the owners of the slices and the updated slices to all: a fixed
  cost and the network's latency for each round, a cost for each further message, and for each byte its cost at both
  ends and the network card's;
- update: the node's slice, 1/n of the parameters, whose sums from the other nodes cost n - 1 more additions.

Nothing is taken to overlap and every network card to be free, with a network behind it that is no bottleneck. `local`
pays everything but the compute once in H steps.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from dist_bp.errors import ConfigError
from dist_bp.ps.compression import Codec
from dist_bp.ps.layout import ArenaLayout
from dist_bp.runtime.probe import ExchangeCosts

Array = npt.NDArray[Any]
Growth = Literal["weak", "strong"]
PREDICTED_MODES = ("sync", "backup", "local")


@dataclass(frozen=True)
class Costs:
    """Seconds measured on one machine, and bytes of memory that a process has for itself.

    A gradient takes `compute + compute_row * rows` on average, and `spread` (sorted) times that in each of the steps
    that were measured. `update`, `add`, `encode` and `decode` are for one element of the parameters; `signal` is for
    each step, `exchange` as ExchangeCosts has it.
    """

    compute: float
    compute_row: float
    spread: Sequence[float]
    update: float
    add: float
    signal: float
    exchange: ExchangeCosts
    encode: float
    decode: float
    worker_memory: int
    server_memory: int


@dataclass(frozen=True)
class Network:
    """The network card of a node: bytes a second in each direction, and the seconds of the way."""

    bandwidth: float
    latency: float


@dataclass(frozen=True)
class Prediction:
    """A step on `nodes` nodes: its parts and the whole in seconds, payload bytes that a node sends, memory in bytes.

    `batch` is the global batch and `efficiency` the samples a second beside those of one node, times the nodes.
    `arena` is shared by the processes of a node; `worker` and `server` are what one such process has beside it.
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


@dataclass(frozen=True)
class Load:
    """What a job asks of a node: the arena of one with W workers, and the global batch of a single node."""

    layout: ArenaLayout
    batch: int
    codec: Codec | None = None


def check_predictable(mode: str) -> None:
    """Raises ConfigError for a mode of consistency whose steps are not the sum of their parts."""
    if mode not in PREDICTED_MODES:
        raise ConfigError(
            f"parameter_server.mode: {mode} cannot be predicted, since its steps overlap: "
            f"plan with one of {', '.join(PREDICTED_MODES)}"
        )


def predict(load: Load, costs: Costs, network: Network, nodes: Sequence[int], growth: Growth) -> list[Prediction]:
    """A prediction for each number of nodes. `weak`: the batch grows with the nodes; `strong`: it stays."""
    alone = _predict(load, costs, network, 1, growth, 0.0)
    return [_predict(load, costs, network, count, growth, alone.samples_per_second) for count in nodes]


def expected_slowest(values: Sequence[float], draws: int, left_out: int = 0) -> float:
    """The mean of the largest of so many draws from `values` (sorted), or of the largest but `left_out`.

    At most j of n draws exceed a value of which a part F is not larger with probability
    sum over i <= j of C(n, i) (1 - F)^i F^(n - i) (David & Nagaraja, Order Statistics, 2.1.3).
    """
    shares = np.arange(len(values) + 1) / len(values)
    below = sum(
        math.comb(draws, count) * (1 - shares) ** count * shares ** (draws - count) for count in range(left_out + 1)
    )
    return float(np.diff(below) @ np.asarray(values))


def _predict(load: Load, costs: Costs, network: Network, nodes: int, growth: Growth, alone: float) -> Prediction:
    layout = load.layout
    mode, size, per_node = layout.mode, layout.parameters, layout.workers
    itemsize = np.dtype(layout.dtype).itemsize
    workers = nodes * per_node
    batch = load.batch * nodes if growth == "weak" else load.batch
    elements = size / nodes
    peers = nodes - 1
    slice_bytes = elements * itemsize
    sums_bytes = load.codec.nbytes(math.ceil(elements)) if load.codec and peers else slice_bytes
    wire_bytes = peers * (sums_bytes + slice_bytes)

    compute = (costs.compute + costs.compute_row * batch / workers) * expected_slowest(
        costs.spread, workers, mode.backups
    )
    reduce = costs.add * max(per_node - 1, 1) * (size - elements) / layout.servers
    exchange = _exchange(costs, network, peers, elements, wire_bytes, layout.servers) if peers else 0.0
    update = (costs.update + peers * costs.add) * elements / layout.servers
    synchronised = costs.signal + reduce + exchange + update
    rounds = mode.local_steps
    step = compute + synchronised / rounds
    pace = batch / step
    buffers = 2 * peers * slice_bytes / layout.servers
    node_arena = ArenaLayout(
        parameters=size,
        statistics=layout.statistics,
        optimizer=layout.optimizer,
        placement=(per_node,) * nodes,
        servers=layout.servers,
        dtype=layout.dtype,
        mode=mode,
    )
    return Prediction(
        nodes=nodes,
        workers=workers,
        batch=batch,
        compute=compute,
        signal=costs.signal / rounds,
        reduce=reduce / rounds,
        exchange=exchange / rounds,
        update=update / rounds,
        step=step,
        wire_bytes=wire_bytes / rounds,
        samples_per_second=pace,
        efficiency=pace / (nodes * alone) if alone else 1.0,
        arena=node_arena.nbytes,
        worker=costs.worker_memory,
        server=costs.server_memory + round(buffers),
    )


def _exchange(costs: Costs, network: Network, peers: int, elements: float, wire_bytes: float, servers: int) -> float:
    """Seconds of both rounds; the servers of a node share the work at its ends, and the network card."""
    rounds = 2 * (costs.exchange.round + network.latency + (peers - 1) * costs.exchange.message)
    handled = wire_bytes * costs.exchange.byte + peers * elements * (costs.encode + costs.decode)
    return rounds + handled / servers + wire_bytes / network.bandwidth
