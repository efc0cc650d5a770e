"""The worker's side of an arena: gradients of shares into their slots, and evaluation of shares."""

import time
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import NamedTuple

import numpy as np

from dist_bp.data.samples import NOTHING
from dist_bp.data.shards import evaluation_rows
from dist_bp.errors import TrainingFailed
from dist_bp.nn.layout import aligned_zeros
from dist_bp.ps.arena import Arena
from dist_bp.ps.gradient import Gradient, GradientBuffers, Weights
from dist_bp.ps.lease import Evaluation, MetricStates
from dist_bp.ps.local_steps import LocalSteps
from dist_bp.ps.recipe import Rules, Task
from dist_bp.ps.tally import Tally
from dist_bp.scoring import Scorer
from dist_bp.types import Array


class Slot(NamedTuple):
    """What a share gives to an update: its gradient, and words of the arena for the loss and amount of each step (3,
    steps), and for the amount (2,) of the whole."""

    buffers: GradientBuffers
    scores: "memoryview[float]"
    expected: "memoryview[float]"


class Computing:
    """Computes shares of the node of an arena; `rules` make the steps of modes in which workers make some."""

    def __init__(self, task: Task, rules: Rules, arena: Arena, timeout: float) -> None:
        self._task = task
        self._rules = rules
        self._arena = arena
        self._timeout = timeout
        self._first = arena.layout.own_shares.start
        self._gradient = Gradient(task, arena.signs)
        self._scorer = Scorer(task.model, task.loss, task.metrics)
        self._slots: dict[tuple[int, int], Slot] = {}
        model = task.model
        self._versions = [
            Weights(model.layout.views(parameters), model.statistics_layout.views(statistics))
            for parameters, statistics in zip(arena.parameters, arena.statistics, strict=True)
        ]

    def gradient(self, step: int, share: int, version: int, slot: int, metrics: MetricStates) -> None:
        """Fills a slot of a share with its gradient, loss and amount of a step, from a version of the parameters."""
        self.gradient_from(self._versions[version % len(self._versions)], step, share, (share, slot), metrics)

    def gradient_from(
        self, weights: Weights, step: int, share: int, place: tuple[int, int], metrics: MetricStates
    ) -> None:
        """The same from any `weights`, and into the slot of another share: `place` is that and the slot's number."""
        slot, whole = self._slots.get(place) or self._slot(place), self._gradient.whole(step)
        loss, amount = self._gradient.compute(step, share, weights, slot.buffers, whole, metrics)
        slot.scores[0, 0] = loss
        slot.scores[1, 0], slot.scores[2, 0] = amount
        slot.expected[0], slot.expected[1] = whole

    def note_source(self, share: int, slot: int, version: int) -> None:
        """Says from which version the gradient in a slot is."""
        self._arena.sources[share - self._first, slot] = version

    def copy_of_newest(self) -> tuple[int, Weights]:
        """The newest version and a copy of it: servers may write the one after next while it is read."""
        arena, (weights, parameters, statistics) = self._arena, self._copy
        until = time.monotonic() + self._timeout
        while time.monotonic() < until:
            version = arena.version
            np.copyto(parameters, arena.parameters[version % len(arena.parameters)])
            np.copyto(statistics, arena.statistics[version % len(arena.statistics)])
            if int(arena.begun.max()) <= version + 1:
                return version, weights
        raise TrainingFailed(f"the servers let no version be copied for {self._timeout:g} s")

    def tallies(self, shares: Iterable[int], measured: Mapping[int, MetricStates]) -> dict[int, Tally]:
        """Of a lease that begins: what each of the shares measures in it, and has `measured` before."""
        tallies = {share: self._tallies[share - self._first] for share in shares}
        for share, tally in tallies.items():
            tally.begin(measured.get(share))
        return tallies

    @cached_property
    def _tallies(self) -> list[Tally]:
        return [Tally(self._task.followed, halves) for halves in self._arena.metrics]

    @cached_property
    def local_steps(self) -> LocalSteps:
        return LocalSteps(self._task.model, self._rules, self._gradient, self._arena)

    def evaluate(self, split: str, version: int, shares: Iterable[int]) -> list[Evaluation]:
        """Loss and metrics of a version over the rows of a split that belong to each of the shares."""
        return [self._evaluate(split, version, share) for share in shares]

    def _evaluate(self, split: str, version: int, share: int) -> Evaluation:
        samples, arena, context = self._task.data[split], self._arena, self._gradient.context
        weights = self._versions[version % len(self._versions)]
        context.begin(training=False, statistics=weights.statistics)
        metrics = {name: metric.empty() for name, metric in self._task.metrics.items()}
        loss, amount = 0.0, NOTHING
        start, stop = evaluation_rows(len(samples), arena.layout.shares, share)
        for batch in samples.blocks(start, stop, *self._task.model.at_a_time):
            scored = self._scorer.score(batch, weights.parameters, context, metrics)
            loss += scored.loss
            amount += scored.amount
        return Evaluation(loss, amount.weight, metrics, share)

    def non_finite(self, share: int) -> str | None:
        """The first parameter of which what a share left last holds a NaN or an infinity."""
        for slot in range(self._arena.layout.mode.slots):
            buffers = self._slot((share, slot)).buffers
            for entry in self._task.model.layout.entries:
                if not np.isfinite(buffers.written(entry)).all():
                    return entry.name
        return None

    def _slot(self, place: tuple[int, int]) -> Slot:
        """That of a share and number."""
        if place not in self._slots:
            arena, own, slot = self._arena, place[0] - self._first, place[1]
            names = [table.name for table in arena.layout.by_rows]
            touched = dict(zip(names, arena.touched[own][slot], strict=True))
            gradients, sums = arena.gradients[own][slot], arena.sums[own][slot]
            buffers = GradientBuffers.over(self._task.model, gradients, sums, touched)
            self._slots[place] = Slot(buffers, arena.scores[own, slot].data, arena.expected[own, slot].data)
        return self._slots[place]

    @cached_property
    def _copy(self) -> tuple[Weights, Array, Array]:
        model = self._task.model
        parameters = aligned_zeros(model.layout.size, model.dtype)
        statistics = aligned_zeros(model.statistics_layout.size, model.dtype)
        views = Weights(model.layout.views(parameters), model.statistics_layout.views(statistics))
        return views, parameters, statistics
