"""A worker: takes its share of every global batch, and leaves a gradient in the arena for the servers."""

import os
import time
from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np

from dist_bp.data.samples import NOTHING, SampleStore
from dist_bp.data.shards import Batches, evaluation_rows
from dist_bp.metrics import Metric
from dist_bp.nn import Loss, Model
from dist_bp.nn.layout import aligned_zeros
from dist_bp.optim import Updater
from dist_bp.ps.arena import Arena
from dist_bp.ps.doorbell import ABORT, Bell, Doorbell, Peer, PeerLost, connect
from dist_bp.ps.environment import environment
from dist_bp.ps.gradient import Gradient, GradientBuffers, Weights
from dist_bp.ps.layout import ArenaLayout
from dist_bp.ps.lease import Evaluation, Lease, MetricStates, WorkerReport, clock_offset
from dist_bp.ps.local_steps import LocalSteps, Rate
from dist_bp.ps.modes import NO_TICKET
from dist_bp.scoring import Scorer
from dist_bp.types import Array


class Worker:
    """Worker `rank` of a run, on the node that the layout describes.

    `data` maps the name of a split to its samples; `batches` says which rows of the training split are whose at each
    step. `updater` and `rate` make the local steps of the `local` mode.
    """

    def __init__(
        self,
        rank: int,
        layout: ArenaLayout,
        model: Model,
        loss: Loss,
        metrics: Mapping[str, Metric],
        data: Mapping[str, SampleStore],
        batches: Batches,
        seed: int,
        secret: bytes,
        timeout: float,
        updater: Updater,
        rate: Rate,
    ) -> None:
        self.rank = rank
        self._layout = layout
        self._local = layout.ranks(layout.node).index(rank)
        self._model = model
        self._metrics = metrics
        self._scorer = Scorer(model, loss, metrics)
        self._data = data
        self._batches = batches
        self._secret = secret
        self._timeout = timeout
        self._updater = updater
        self._rate = rate
        self._gradient = Gradient(model, loss, metrics, data["train"], batches, seed)
        self._servers: list[Doorbell] = []
        self._arena: Arena | None = None

    def join(self, addresses: Sequence[bytes], seconds: float | None = None) -> None:
        """Connects to all servers of the node and maps the arena. Raises PeerLost."""
        me = Peer("worker", self.rank)
        first = self._layout.node * self._layout.servers
        for index, address in enumerate(addresses):
            server = Peer("server", first + index)
            bell, descriptor = connect(address, server, me, self._secret, self._timeout, seconds)
            self._servers.append(bell)
            if self._arena is None:
                self._arena = Arena(self._layout, descriptor)
            else:
                os.close(descriptor)
        model, arena = self._model, self.arena
        self._versions = [
            Weights(model.layout.views(parameters), model.statistics_layout.views(statistics))
            for parameters, statistics in zip(arena.parameters, arena.statistics, strict=True)
        ]
        names, local = [table.name for table in self._layout.by_rows], self._local
        slots = zip(arena.gradients[local], arena.sums[local], arena.touched[local], strict=True)
        self._slots = [
            GradientBuffers.over(model, gradients, sums, dict(zip(names, touched, strict=True)))
            for gradients, sums, touched in slots
        ]

    @property
    def arena(self) -> Arena:
        if self._arena is None:
            raise RuntimeError("the worker has not joined its node yet")
        return self._arena

    @np.errstate(all="ignore")  # the servers end the lease at a NaN, with a message of their own
    def run(self, lease: Lease) -> WorkerReport:
        """Works through the lease; raises PeerLost when a server dies or hangs."""
        log = _Log(self._empty_states())
        try:
            if self._layout.mode.has_leader:
                self._follow_leader(lease, log)
            else:
                self._keep_pace(lease, log)
        except BaseException:
            self.close()
            raise
        return log.report(self.rank)

    @np.errstate(all="ignore")
    def evaluate(self, split: str) -> Evaluation:
        """Loss and metrics of the committed version over this worker's blocks of a split."""
        samples = self._data[split]
        context, weights = self._gradient.context, self._weights(self.arena.version)
        context.begin(training=False, statistics=weights.statistics)
        metrics = {name: metric.empty() for name, metric in self._metrics.items()}
        loss, amount = 0.0, NOTHING
        start, stop = evaluation_rows(len(samples), sum(self._layout.placement), self.rank)
        for batch in samples.blocks(start, stop, *self._model.at_a_time):
            scored = self._scorer.score(batch, weights.parameters, context, metrics)
            loss += scored.loss
            amount += scored.amount
        return Evaluation(loss, amount.weight, metrics)

    def non_finite_gradient(self) -> str | None:
        """The first parameter of which what this worker left last holds a NaN or an infinity."""
        for slot in self._slots:
            for entry in self._model.layout.entries:
                if not np.isfinite(slot.written(entry)).all():
                    return entry.name
        return None

    def environment(self) -> dict[str, str]:
        """What its bits depend on beside code and input."""
        return environment()

    def close(self) -> None:
        for bell in self._servers:
            bell.close()
        if self._arena is not None:
            self._arena.close()

    def compute(self, step: int, metrics: MetricStates, share: int | None = None, slot: int = 0) -> None:
        """Fills a slot with gradient, loss and amount of a share, the worker's own unless given, of a batch."""
        arena = self.arena
        whole = self._gradient.whole(step)
        weights = self._private_copy() if self._layout.mode.name == "async" else self._weights(arena.version)
        loss, amount = self._gradient.compute(
            step, self.rank if share is None else share, weights, self._slots[slot], whole, metrics
        )
        arena.losses[self._local, slot, 0] = loss
        arena.counts[self._local, slot, 0], arena.weights[self._local, slot, 0] = amount
        arena.expected[self._local, slot] = whole

    def _keep_pace(self, lease: Lease, log: "_Log") -> None:
        """Computes without waiting as far ahead of the servers as the mode allows."""
        mode, generation = self._layout.mode, lease.generation
        updates = mode.updates(lease.first, lease.last, sum(self._layout.placement))
        committed = [lease.version] * len(self._servers)
        for index, (start, stop) in enumerate(updates):
            version, slot = lease.version + index + 1, index % mode.slots
            log.begin()
            metrics = self._empty_states() if lease.may_skip else log.metrics
            if not mode.exact:
                self.arena.sources[self._local, slot] = self.arena.version
            if mode.name == "local":
                self._own_steps.round(version - 1, range(start, stop), self.rank, lease.rate_factor, metrics)
            else:
                self.compute(start, metrics, slot=slot)
            log.lap()
            for bell in self._servers:
                bell.ring(generation, version)
            log.lap()
            last = index + 1 == len(updates)
            if not self._await(generation, version if last else version - mode.staleness, committed):
                break
            log.end(start)
            if lease.may_skip:
                log.count(metrics, self._metrics)

    def _follow_leader(self, lease: Lease, log: "_Log") -> None:
        """Computes what the leader has not got yet, until it says that there is no more."""
        backup, leader = self._layout.mode.name == "backup", self._servers[0]
        workers, ticket, end = sum(self._layout.placement), self.rank, lease.version + lease.steps
        while not (backup and self.arena.version >= end):
            log.begin()
            version = self.arena.version
            self.arena.sources[self._local, 0] = version
            step, share = (version - lease.version, self.rank) if backup else divmod(ticket, workers)
            pending = self._empty_states()
            self.compute(lease.first + step, pending, share)
            log.lap()
            leader.ring(lease.generation, version + 1)
            log.lap()
            bell = leader.wait(lease.generation)
            if bell.version == ABORT:
                leader.ring(lease.generation, ABORT)
                break
            log.end(lease.first + step)
            if backup and bell.ticket == NO_TICKET:
                log.dropped += 1
                continue
            log.count(pending, self._metrics)
            ticket = bell.ticket
            if not backup and ticket == NO_TICKET:
                break

    def _await(self, generation: int, version: int, committed: list[int]) -> bool:
        """Waits until all servers have committed `version`; False when one ended the lease instead."""
        for index, doorbell in enumerate(self._servers):
            while committed[index] < version:
                bell: Bell = doorbell.wait(generation)
                if bell.version == ABORT:
                    for other in self._servers:
                        other.ring(generation, ABORT)
                    return False
                if bell.version != committed[index] + 1:
                    raise PeerLost(str(doorbell.peer), f"committed version {bell.version}, not {committed[index] + 1}")
                committed[index] = bell.version
        return True

    def _weights(self, version: int) -> Weights:
        return self._versions[version % len(self._versions)]

    def _private_copy(self) -> Weights:
        """A copy of the newest version: in the `async` mode servers write the one after next while workers compute."""
        arena, weights, (parameters, statistics) = self.arena, *self._copy
        until = time.monotonic() + self._timeout
        while time.monotonic() < until:
            version = arena.version
            np.copyto(parameters, arena.parameters[version % 2])
            np.copyto(statistics, arena.statistics[version % 2])
            if int(arena.begun.max()) <= version + 1:
                return weights
        raise PeerLost(str(self._servers[0].peer), f"let no version be copied for {self._timeout:g} s")

    @cached_property
    def _copy(self) -> tuple[Weights, tuple[Array, Array]]:
        model = self._model
        parameters = aligned_zeros(model.layout.size, model.dtype)
        statistics = aligned_zeros(model.statistics_layout.size, model.dtype)
        return Weights(model.layout.views(parameters), model.statistics_layout.views(statistics)), (
            parameters,
            statistics,
        )

    @cached_property
    def _own_steps(self) -> LocalSteps:
        return LocalSteps(self._model, self._updater, self._rate, self._gradient, self.arena, self._local)

    def _empty_states(self) -> MetricStates:
        return {name: metric.empty() for name, metric in self._metrics.items() if metric.on_training}


class _Log:
    """What a worker will report of a lease."""

    def __init__(self, metrics: MetricStates) -> None:
        self.metrics = metrics
        self.dropped = 0
        self._steps: list[int] = []
        self._times: list[list[float]] = []
        self._row: list[float] = []

    def begin(self) -> None:
        self._row = [time.perf_counter()]

    def lap(self) -> None:
        self._row.append(time.perf_counter())

    def end(self, step: int) -> None:
        self.lap()
        self._steps.append(step)
        self._times.append(self._row)

    def count(self, states: MetricStates, metrics: Mapping[str, Metric]) -> None:
        for name, state in states.items():
            self.metrics[name] = metrics[name].merge(self.metrics[name], state)

    def report(self, rank: int) -> WorkerReport:
        times = np.array(self._times).reshape(-1, 4)
        return WorkerReport(rank, np.array(self._steps, np.int64), times, self.metrics, self.dropped, clock_offset())
