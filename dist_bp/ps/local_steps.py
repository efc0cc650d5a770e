"""Steps that a worker makes by itself between two averages of the parameters (Stich 2019, local SGD).

Parameters and the optimizer's state are averaged alike, by the weight of a worker's samples (Yu, Jin & Yang 2019
average the momentum, too), running statistics by their number: a round of one step of SGD is a step of the `sync` mode.
"""

import math

import numpy as np

from dist_bp.data.samples import NOTHING, Amount
from dist_bp.nn import Model
from dist_bp.nn.layout import aligned_zeros
from dist_bp.optim import Slice
from dist_bp.ps.arena import Arena
from dist_bp.ps.gradient import Gradient, GradientBuffers, Weights
from dist_bp.ps.layout import CHUNK
from dist_bp.ps.lease import MetricStates
from dist_bp.ps.modes.base import Round
from dist_bp.ps.recipe import Rules
from dist_bp.types import Array


class LocalSteps:
    """Rounds of local steps, of one share after the other; `rules` are those of the job."""

    def __init__(self, model: Model, rules: Rules, gradient: Gradient, arena: Arena) -> None:
        self._rules = rules
        self._gradient = gradient
        self._momentum = model.statistic_momentum
        self._arena = arena
        self._parameters = aligned_zeros(model.layout.size, model.dtype)
        self._statistics = aligned_zeros(model.statistics_layout.size, model.dtype)
        self._weights = Weights(model.layout.views(self._parameters), model.statistics_layout.views(self._statistics))
        self._buffers = GradientBuffers.private(model)
        self._scratch = np.empty((2, CHUNK), model.dtype)

    def round(self, round: Round, share: int, metrics: MetricStates) -> None:
        """Makes the steps of a share and leaves in the arena what the servers average."""
        arena, own, (version, steps, _, factor) = self._arena, share - self._arena.layout.own_shares.start, round
        start = arena.parameters[version % len(arena.parameters)]
        state = arena.states[own]
        np.copyto(self._parameters, start)
        np.copyto(self._statistics, arena.statistics[version % len(arena.statistics)])
        for name, array in state.items():
            np.copyto(array, arena.optimizer[version % 2][name])
        made = NOTHING
        for index, step in enumerate(steps):
            loss, amount = self._step(step, share, state, factor, metrics)
            arena.scores[own, 0, :, index] = loss, *amount
            made += amount
        whole = sum((self._gradient.whole(step) for step in steps), NOTHING)
        arena.expected[own, 0] = whole
        by_samples = made.samples / whole.samples
        weight = made.weight / whole.weight if whole.weight else by_samples
        moved = arena.gradients[own][0]
        np.subtract(start, self._parameters, out=moved)
        moved *= weight
        np.multiply(self._statistics, by_samples, out=arena.sums[own][0])
        for array in state.values():
            array *= weight

    def _step(
        self, step: int, share: int, state: dict[str, Array], factor: float, metrics: MetricStates
    ) -> tuple[float, Amount]:
        own = self._gradient.share(step, share)
        if not own.samples:
            return 0.0, own
        loss, amount = self._gradient.compute(step, share, self._weights, self._buffers, own, metrics)
        self._apply(step, state, self._rules.rate(step) * factor)
        if self._buffers.sums.size:
            self._statistics += (1 - self._momentum) * (self._buffers.sums - self._statistics)
        return loss, amount

    def _apply(self, step: int, state: dict[str, Array], rate: float) -> None:
        gradients, updater = self._buffers.gradients, self._rules.updater
        chunks = [(start, min(start + CHUNK, len(gradients))) for start in range(0, len(gradients), CHUNK)]
        squares = [updater.prepare(gradients[start:stop], 1.0) for start, stop in chunks]
        clip = updater.clip_factor(math.sqrt(math.fsum(squares)))
        for start, stop in chunks:
            part = Slice(self._parameters[start:stop], _cut(state, start, stop))
            scratch = self._scratch[:, : stop - start]
            updater.apply(part, part, gradients[start:stop], start, step + 1, rate, clip, scratch)


def _cut(state: dict[str, Array], start: int, stop: int) -> dict[str, Array]:
    return {name: array[start:stop] for name, array in state.items()}
