"""A parameter-server group in this process: servers and workers on threads, without configuration or Ray."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from dist_bp.data.samples import SampleStore
from dist_bp.data.shards import Batches
from dist_bp.metrics.accuracy import Accuracy
from dist_bp.nn import Gradients, Layer, Loss, Model
from dist_bp.nn.layers.dense import Dense
from dist_bp.nn.losses.cross_entropy import CrossEntropy
from dist_bp.optim import Rule, Updater
from dist_bp.optim.rules.sgd import Sgd
from dist_bp.ps.arena import Snapshot, assemble
from dist_bp.ps.compression import CodecName, make_codec
from dist_bp.ps.exchange import Exchange
from dist_bp.ps.layout import OUTER, ArenaLayout
from dist_bp.ps.lease import Lease, ServerReport, WorkerReport
from dist_bp.ps.modes import SYNC, Mode
from dist_bp.ps.server import Server
from dist_bp.ps.worker import Worker
from dist_bp.signals import Spec
from dist_bp.types import Array

MOMENTUM = Sgd(learning_rate=1.0, momentum=0.9)


@dataclass
class Problem:
    """What a group trains: change a field to change the problem."""

    layers: Callable[[], Sequence[Layer]] = lambda: [Dense(24, activation="tanh"), Dense(5)]
    features: int = 12
    classes: int = 5
    samples: int = 330
    dtype: Any = "float64"
    loss: Callable[[], Loss] = CrossEntropy
    rule: Rule = MOMENTUM
    clip_norm: float | None = None
    weight_decay: float = 0.0
    batch_size: int = 64
    group_size: int = 8
    accumulate: int = 1
    rate: float = 0.1
    timeout: float = 20.0
    mode: Mode = SYNC
    compression: CodecName = "none"
    by_rows: bool = True
    """Whether gradients of tables come by rows."""
    spec: Spec | None = None
    store: Callable[[], SampleStore] | None = None
    """Samples of another kind than rows of numbers, and what they are."""
    context: int | None = None

    def samples_of(self) -> SampleStore:
        return self.store() if self.store else SampleStore(*self.data())

    def model(self) -> Model:
        return Model(self.layers(), self.spec or (self.features,), self.dtype)

    def data(self) -> tuple[Array, Array]:
        generator = np.random.default_rng(5)
        inputs = generator.normal(size=(self.samples, self.features)).astype(self.dtype)
        return inputs, generator.integers(0, self.classes, self.samples)

    def batches(self, workers: int = 1, rank: int = 0) -> Batches:
        sizes = self.samples, self.batch_size, self.group_size
        return Batches(*sizes, workers, rank, seed=3, accumulate=self.accumulate, context=self.context)


class LocalGroup:
    """Servers and workers of a problem, connected and with the initial parameters committed.

    `inputs` are each worker's own, to be spoilt.
    """

    def __init__(self, problem: Problem, workers: int = 1, servers: int = 1, nodes: int = 1) -> None:
        model = problem.model()
        rule = replace(problem.rule, weight_decay=problem.weight_decay)
        updater = Updater(rule, clip_norm=problem.clip_norm, decayed=model.decayed)
        names = (*problem.rule.slots, OUTER) if problem.mode.outer_momentum else problem.rule.slots
        placement = (workers // nodes,) * nodes
        layouts = [
            ArenaLayout(
                model.layout.size,
                model.statistics_layout.size,
                names,
                placement,
                servers,
                problem.dtype,
                problem.mode,
                node,
                model.tables if problem.by_rows else (),
            )
            for node in range(nodes)
        ]
        secret = b"k" * 32
        self.model = model
        self.nodes = nodes
        self.servers = [
            Server(
                index,
                layout,
                updater,
                lambda step: problem.rate,
                model.statistic_momentum,
                secret,
                problem.timeout,
                Exchange(layout.node, nodes, secret, problem.timeout) if nodes > 1 else None,
                make_codec(problem.compression),
            )
            for layout in layouts
            for index in range(servers)
        ]
        data = [problem.samples_of() for _ in range(workers)]
        self.inputs = [samples.inputs for samples in data]
        self.workers = [
            Worker(
                rank,
                layouts[rank // placement[0]],
                model,
                problem.loss(),
                {"accuracy": Accuracy()},
                {"train": data[rank]},
                problem.batches(workers, rank),
                seed=3,
                secret=secret,
                timeout=problem.timeout,
                updater=updater,
                rate=lambda step: problem.rate,
            )
            for rank in range(workers)
        ]
        self._pool = ThreadPoolExecutor(workers + servers * nodes)
        self._generation = 0
        self._version = self._step = 0
        addresses = [server.listen() for server in self.servers]
        reachable = [
            [acceptor for acceptor, _ in addresses[node * servers : (node + 1) * servers]] for node in range(nodes)
        ]
        joining = []
        for number, server in enumerate(self.servers):
            meshed = [address for _, address in addresses[number % servers :: servers]]
            joining.append(self._pool.submit(server.gather, reachable[number // servers], meshed))
        for worker in self.workers:
            joining.append(self._pool.submit(worker.join, reachable[worker.rank // placement[0]]))
        for future in joining:
            future.result(30)
        parameters, statistics = model.initialize(11)
        state = {name: np.zeros(model.layout.size, model.dtype) for name in names}
        for server in self.servers[::servers]:
            server.write(0, Snapshot(0, parameters, statistics, state))

    def __enter__(self) -> "LocalGroup":
        return self

    def __exit__(self, *_: object) -> None:
        for member in (*self.servers, *self.workers):
            member.close()
        self._pool.shutdown(wait=True)

    def run(self, first: int, last: int, may_skip: bool = False) -> tuple[list[ServerReport], list[WorkerReport]]:
        """One lease; raises what a worker or else a server raised."""
        self._generation += 1
        lease = Lease(self._generation, self._version, first, last, may_skip=may_skip)
        futures = [self._pool.submit(member.run, lease) for member in (*self.servers, *self.workers)]
        wait(futures, timeout=60)
        for future in reversed(futures):
            future.result(0)
        results = [future.result() for future in futures]
        done = results[: len(self.servers)]
        self._version += min(len(report.squares) for report in done)
        self._step = first + min(len(report.losses) for report in done)
        return results[: len(self.servers)], results[len(self.servers) :]

    def snapshot(self) -> Snapshot:
        parts = [server.read(self._version) for server in self.servers[:: len(self.servers) // self.nodes]]
        for parameters, statistics, _ in parts:
            np.testing.assert_array_equal(parameters, parts[0][0])
            np.testing.assert_array_equal(statistics, parts[0][1])
        return assemble(self._step, parts)


def train(
    problem: Problem, workers: int = 1, servers: int = 1, steps: int = 50, leases: int = 1, nodes: int = 1
) -> Snapshot:
    """The committed version after `steps` updates in `leases` equal leases."""
    with LocalGroup(problem, workers, servers, nodes) as group:
        edges = np.linspace(0, steps, leases + 1).astype(int).tolist()
        for first, last in pairwise(edges):
            group.run(first, last)
        return group.snapshot()


def straggle(group: LocalGroup, rank: int, seconds: float) -> None:
    """Makes a worker late at each of its steps."""
    compute = group.workers[rank].compute

    def late(*arguments: Any, **options: Any) -> None:
        time.sleep(seconds)
        compute(*arguments, **options)

    group.workers[rank].compute = late  # type: ignore[method-assign]


def plain_pass(model: Model, parameters: Array, inputs: Array, labels: Array) -> tuple[float, Array, Array]:
    """Sum of losses, mean gradient and outputs of a network without dropout and statistics."""
    gradient, context = np.zeros_like(parameters), model.context(0)
    context.begin(training=True)
    outputs, backward = model.forward(inputs, model.layout.views(parameters), context)
    loss, count, slope = CrossEntropy()(outputs, labels, context)
    kept = outputs.copy()
    grads = Gradients(model.layout.views(gradient))
    grads.begin()
    backward(slope, grads)
    grads.end()
    return loss, gradient / count, kept
