"""A parameter-server group in this process: servers and workers on threads, without configuration or Ray."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, TypeVar

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
from dist_bp.ps.bringup import Call, Crew, bring_up, call
from dist_bp.ps.colocated import Colocated
from dist_bp.ps.compression import CodecName, make_codec
from dist_bp.ps.doorbell import Peer
from dist_bp.ps.exchange import Exchange
from dist_bp.ps.keeper import Keeper
from dist_bp.ps.layout import ArenaLayout
from dist_bp.ps.lease import Evaluation, Lease, ServerReport, WorkerReport
from dist_bp.ps.member import Member, Network
from dist_bp.ps.modes import Mode, Sync
from dist_bp.ps.recipe import Contact, Rules, Task
from dist_bp.ps.rounds import in_rounds
from dist_bp.ps.server import Server
from dist_bp.ps.shares import assign
from dist_bp.ps.states import bytes_of
from dist_bp.ps.worker import Worker
from dist_bp.signals import Spec
from dist_bp.types import Array

T = TypeVar("T")
SYNC = Sync()

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
    one_round: bool | None = False
    """Whether nodes exchange in one round; None: where that is faster."""
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

    def batches(self, shares: int = 1) -> Batches:
        sizes = self.samples, self.batch_size, self.group_size
        return Batches(*sizes, shares, seed=3, accumulate=self.accumulate, context=self.context)


class LocalGroup:
    """The processes of a problem as objects here, connected and with the initial parameters committed.

    There are so many `shares` and, unless told, as many `workers`, evenly over the nodes: unless `placement` says how
    many shares, and workers, each has. Without `servers` workers are servers, too. `inputs` are each worker's own, to
    be spoilt.
    """

    def __init__(
        self,
        problem: Problem,
        shares: int = 1,
        servers: int = 1,
        nodes: int = 1,
        workers: int | None = None,
        placement: tuple[int, ...] = (),
    ) -> None:
        self.model = problem.model()
        workers_of = placement or ((shares if workers is None else workers) // nodes,) * nodes
        placement = placement or (shares // nodes,) * nodes
        self._problem = problem
        self._servers = servers
        self._updater = Updater(
            replace(problem.rule, weight_decay=problem.weight_decay),
            clip_norm=problem.clip_norm,
            decayed=self.model.decayed,
        )
        lanes = (servers or min(workers_of)) if len(placement) > 1 else 0
        self._layouts = [self._layout(placement, node, lanes) for node in range(len(placement))]
        self._crews = [self._crew(layout, count) for layout, count in zip(self._layouts, workers_of, strict=True)]
        homes = {peer: layout for crew, layout in zip(self._crews, self._layouts, strict=True) for peer in crew.members}
        self.keepers = [Keeper(layout, self._contact) for layout in self._layouts]
        members = {peer: self._member(peer, layout, sum(placement)) for peer, layout in homes.items()}
        self._processes: dict[Peer, Keeper | Member] = {**members}
        self._processes |= {Peer("keeper", node): keeper for node, keeper in enumerate(self.keepers)}
        self.servers = [member for member in members.values() if isinstance(member, Server)]
        self.workers = [member for member in members.values() if isinstance(member, Worker)]
        self.inputs = [worker.task.data["train"].inputs for worker in self.workers]
        self.shares = assign((layout.own_shares for layout in self._layouts), {one.rank for one in self.workers})
        # One each: calls wait for each other, and of a shared pool a thread may be counted as free that is not.
        self._threads = {peer: ThreadPoolExecutor(1) for peer in self._processes}
        self._generation = self._version = self._step = 0
        bring_up(self._crews, self._ask, 30, problem.timeout)
        parameters, statistics = self.model.initialize(11)
        state = {name: np.zeros(self.model.layout.size, self.model.dtype) for name in self._layouts[0].optimizer}
        self.write(Snapshot(0, parameters, statistics, state))

    @property
    def _contact(self) -> Contact:
        return Contact(b"k" * 32, self._problem.timeout)

    def _layout(self, placement: tuple[int, ...], node: int, lanes: int) -> ArenaLayout:
        problem, model = self._problem, self.model
        layout = ArenaLayout(
            model.layout.size,
            model.statistics_layout.size,
            (*problem.rule.slots, *problem.mode.outer),
            placement,
            self._servers,
            problem.dtype,
            problem.mode,
            node,
            model.tables if problem.by_rows else (),
            lanes,
            bytes_of({"accuracy": Accuracy()}, problem.classes),
            problem.compression != "none",
        )
        return in_rounds(layout, problem.one_round)

    def _crew(self, layout: ArenaLayout, workers: int) -> Crew:
        return Crew(
            Peer("keeper", layout.node),
            tuple(Peer("worker", rank) for rank in layout.own_shares[:workers]),
            tuple(Peer("server", layout.node * self._servers + index) for index in range(self._servers)),
            "127.0.0.1",
        )

    def _member(self, peer: Peer, layout: ArenaLayout, shares: int) -> Server | Worker:
        problem, rules = self._problem, Rules(self._updater, lambda step: self._problem.rate)
        if peer.role == "server":
            index = peer.rank % self._servers
            momentum = self.model.statistic_momentum
            return Server(index, layout, self._contact, rules, momentum, self._network(layout, index))
        metrics, data = {"accuracy": Accuracy()}, {"train": problem.samples_of()}
        task = Task(problem.model(), problem.loss(), metrics, data, problem.batches(shares), seed=3)
        if self._servers:
            return Worker(peer.rank, layout, self._contact, task, rules)
        network = self._network(layout, peer.rank - layout.own_shares.start)
        return Colocated(peer.rank, layout, self._contact, task, rules, network)

    def _network(self, layout: ArenaLayout, lane: int) -> Network | None:
        if layout.nodes == 1 or lane >= layout.lanes:
            return None
        exchange = Exchange(layout.node, layout.nodes, self._contact.secret, self._problem.timeout)
        return Network(exchange, lane, make_codec(self._problem.compression))

    def __enter__(self) -> "LocalGroup":
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes.values():
            process.close()
        for thread in self._threads.values():
            thread.shutdown(wait=True)

    def _ask(self, calls: Sequence[Call[T]], seconds: float) -> list[T]:
        """Raises what a worker or else a server raised, whoever has not answered by then."""
        ways = [(call.peer, getattr(self._processes[call.peer], call.method), call.arguments) for call in calls]
        futures = [self._threads[peer].submit(method, *arguments) for peer, method, arguments in ways]
        done, _ = wait(futures, timeout=60)
        for future in reversed(futures):
            if future in done:
                future.result()
        return [future.result(0) for future in futures]

    def run(self, first: int, last: int) -> tuple[list[ServerReport], list[WorkerReport]]:
        """One lease."""
        self._generation += 1
        lease = Lease(self._generation, self._version, first, last, self.shares)
        reports = self._ask([call(one.peer, Member.run, lease) for one in (*self.servers, *self.workers)], 60)
        servers = [report.server for report in reports if report.server]
        self._version += min(len(report.squares) for report in servers)
        self._step = first + min(len(report.losses) for report in servers)
        return servers, [report.worker for report in reports if report.worker]

    def evaluate(self, split: str) -> list[Evaluation]:
        """Of each share, in their order."""
        parts = [
            (self.shares[one.rank], one.evaluate(split, self._version, self.shares[one.rank])) for one in self.workers
        ]
        found = dict(pair for shares, evaluations in parts for pair in zip(shares, evaluations, strict=True))
        return [found[share] for share in sorted(found)]

    def write(self, snapshot: Snapshot, version: int = 0) -> None:
        for keeper in self.keepers:
            keeper.write(version, snapshot)

    def snapshot(self) -> Snapshot:
        parts = [keeper.read(self._version) for keeper in self.keepers]
        for part in parts:
            np.testing.assert_array_equal(part.parameters, parts[0].parameters)
            np.testing.assert_array_equal(part.statistics, parts[0].statistics)
        return assemble(self._step, parts)


def train(
    problem: Problem,
    shares: int = 1,
    servers: int = 1,
    steps: int = 50,
    leases: int = 1,
    nodes: int = 1,
    workers: int | None = None,
    placement: tuple[int, ...] = (),
) -> Snapshot:
    """The committed version after `steps` global batches in `leases` equal leases."""
    with LocalGroup(problem, shares, servers, nodes, workers, placement) as group:
        edges = np.linspace(0, steps, leases + 1).astype(int).tolist()
        for first, last in pairwise(edges):
            group.run(first, last)
        return group.snapshot()


def assert_same_bits(one: Snapshot, other: Snapshot) -> None:
    assert one.parameters.tobytes() == other.parameters.tobytes()
    assert one.statistics.tobytes() == other.statistics.tobytes()
    assert {name: array.tobytes() for name, array in one.optimizer.items()} == {
        name: array.tobytes() for name, array in other.optimizer.items()
    }


def straggle(group: LocalGroup, rank: int, seconds: float) -> None:
    """Makes a worker late at each of its steps."""
    computing = group.workers[rank].computing
    compute = computing.gradient_from

    def late(*arguments: Any, **options: Any) -> None:
        time.sleep(seconds)
        compute(*arguments, **options)

    computing.gradient_from = late  # type: ignore[method-assign]


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
