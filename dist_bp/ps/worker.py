"""A worker: forward and backward passes over its share of every global batch, straight into its gradient slot."""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dist_bp.data.shards import Batches, evaluation_rows, gather
from dist_bp.metrics import Metric
from dist_bp.nn import Group, Loss, Model, Views
from dist_bp.nn.layout import aligned_zeros
from dist_bp.ps.arena import Arena
from dist_bp.ps.doorbell import ABORT, Doorbell, Peer, PeerLost, call
from dist_bp.ps.layout import ArenaLayout
from dist_bp.ps.lease import Evaluation, Lease, MetricStates, WorkerReport

Array = npt.NDArray[Any]
EVALUATION_ROWS = 1024


@dataclass(frozen=True)
class _Slot:
    """Where a backward pass writes: flat vectors and the layers' views of them."""

    gradients: Array
    sums: Array
    gradient_views: Views
    sum_views: Views


class Worker:
    """Worker `rank` of a node.

    `data` maps the name of a split to its inputs (n, *input shape) and targets; `batches` says which rows of the
    training split belong to this worker at each step.
    """

    def __init__(
        self,
        rank: int,
        layout: ArenaLayout,
        model: Model,
        loss: Loss,
        metrics: Mapping[str, Metric],
        data: Mapping[str, tuple[Array, Array]],
        batches: Batches,
        seed: int,
        secret: bytes,
        timeout: float,
    ) -> None:
        self.rank = rank
        self._layout = layout
        self._model = model
        self._loss = loss
        self._metrics = metrics
        self._data = data
        self._batches = batches
        self._secret = secret
        self._timeout = timeout
        self._context = model.context(seed)
        self._servers: list[Doorbell] = []
        self._arena: Arena | None = None

    def join(self, addresses: Sequence[bytes]) -> None:
        """Connects to all servers of the node and maps the arena. Raises PeerLost."""
        me = Peer("worker", self.rank)
        for index, address in enumerate(addresses):
            bell, descriptor = call(address, Peer("server", index), me, self._secret, self._timeout)
            self._servers.append(bell)
            if self._arena is None:
                self._arena = Arena(self._layout, descriptor)
            else:
                os.close(descriptor)
        model, halves = self._model, self.arena.halves
        self._parameters = [model.layout.views(half.parameters) for half in halves]
        self._statistics = [model.statistics.views(half.statistics) for half in halves]
        self._slot = self._bind(self.arena.gradients[self.rank], self.arena.sums[self.rank])
        if self._batches.accumulates:
            self._part = self._bind(
                aligned_zeros(model.layout.size, model.dtype),
                aligned_zeros(model.statistics.size, model.dtype),
            )
        inputs, targets = self._data["train"]
        rows = self._batches.largest
        self._inputs = np.empty((rows, *inputs.shape[1:]), inputs.dtype)
        self._targets = np.empty((rows, *targets.shape[1:]), targets.dtype)

    @property
    def arena(self) -> Arena:
        if self._arena is None:
            raise RuntimeError("the worker has not joined its node yet")
        return self._arena

    @np.errstate(all="ignore")  # the servers end the lease at a NaN, with a message of their own
    def run(self, lease: Lease) -> WorkerReport:
        """Works through the lease; raises PeerLost when a server dies or hangs."""
        seconds = np.zeros((lease.steps, 2))
        metrics = {name: metric.empty() for name, metric in self._metrics.items() if metric.on_training}
        done = 0
        try:
            for step in range(lease.first, lease.last):
                started = time.perf_counter()
                self.compute(step, metrics)
                computed = time.perf_counter()
                committed = self._exchange(lease.generation, step)
                if not committed:
                    break
                seconds[done] = computed - started, time.perf_counter() - computed
                done += 1
        except BaseException:
            self.close()
            raise
        return WorkerReport(self.rank, seconds[:done], metrics)

    @np.errstate(all="ignore")
    def evaluate(self, split: str) -> Evaluation:
        """Loss and metrics of the committed version over this worker's blocks of a split."""
        inputs, targets = self._data[split]
        half = self.arena.step % 2
        context = self._context
        context.begin(training=False, step=0, groups=(), statistics=self._statistics[half], sums=self._slot.sum_views)
        metrics = {name: metric.empty() for name, metric in self._metrics.items()}
        total, count = 0.0, 0
        for start, stop in evaluation_rows(len(inputs), self._layout.workers, self.rank, EVALUATION_ROWS):
            block = np.ascontiguousarray(inputs[start:stop])
            wanted = targets[start:stop]
            outputs, _ = self._model.forward(block, self._parameters[half], context)
            loss, samples, _ = self._loss(outputs, wanted, context)
            total += loss
            count += samples
            for name, state in metrics.items():
                self._metrics[name].update(state, outputs, wanted)
        return Evaluation(total, count, metrics)

    def non_finite_gradient(self) -> str | None:
        """The first parameter whose gradient of the last step holds a NaN or an infinity."""
        for entry in self._model.layout.entries:
            size = int(np.prod(entry.shape))
            if not np.isfinite(self._slot.gradients[entry.offset : entry.offset + size]).all():
                return entry.name
        return None

    def close(self) -> None:
        for bell in self._servers:
            bell.close()
        if self._arena is not None:
            self._arena.close()

    def compute(self, step: int, metrics: MetricStates) -> None:
        """Fills this worker's slot with the gradient, loss and sample count of its share of the batch."""
        slot = self._slot
        total, count = 0.0, 0
        parts = self._batches.parts(step)
        if not parts:
            slot.gradients.fill(0)
            slot.sums.fill(0)
        for number, (rows, groups) in enumerate(parts):
            target = slot if number == 0 else self._part
            loss, samples = self._pass(step, rows, groups, target, metrics)
            total += loss
            count += samples
            if number:
                np.add(slot.gradients, target.gradients, out=slot.gradients)
                np.add(slot.sums, target.sums, out=slot.sums)
        self.arena.losses[self.rank] = total
        self.arena.counts[self.rank] = count

    def _pass(
        self, step: int, rows: Array, groups: Sequence[Group], slot: _Slot, metrics: MetricStates
    ) -> tuple[float, int]:
        """One forward and backward pass over `rows`; returns the loss sum and the number of samples."""
        half = step % 2
        split = self._data["train"]
        inputs, targets = self._inputs[: len(rows)], self._targets[: len(rows)]
        gather(split[0], rows, inputs)
        gather(split[1], rows, targets)
        context = self._context
        context.begin(training=True, step=step, groups=groups, statistics=self._statistics[half], sums=slot.sum_views)
        outputs, backward = self._model.forward(inputs, self._parameters[half], context)
        loss, count, gradient = self._loss(outputs, targets, context)
        for name, state in metrics.items():
            self._metrics[name].update(state, outputs, targets)
        backward(gradient, slot.gradient_views)
        return loss, count

    def _exchange(self, generation: int, step: int) -> bool:
        """Rings the servers and waits until all have committed; False when one ended the lease instead."""
        for bell in self._servers:
            bell.ring(generation, step)
        answers = [bell.wait(generation) for bell in self._servers]
        if ABORT in answers:
            for bell in self._servers:
                bell.ring(generation, ABORT)
            return False
        for bell, answer in zip(self._servers, answers, strict=True):
            if answer != step + 1:
                raise PeerLost(str(bell.peer), f"committed step {answer}, not {step + 1}")
        return True

    def _bind(self, gradients: Array, sums: Array) -> _Slot:
        model = self._model
        return _Slot(gradients, sums, model.layout.views(gradients), model.statistics.views(sums))
