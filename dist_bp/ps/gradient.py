"""Forward and backward passes over a share of a global batch, written into flat vectors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dist_bp.data.shards import Batches, gather
from dist_bp.metrics import Metric
from dist_bp.nn import Gradients, Group, Loss, Model, Views
from dist_bp.nn.layout import aligned_zeros
from dist_bp.ps.lease import MetricStates
from dist_bp.types import Array


@dataclass(frozen=True)
class Weights:
    """The layers' views of one version of the parameters and running statistics."""

    parameters: Views
    statistics: Views


@dataclass(frozen=True)
class GradientBuffers:
    """Where backward passes write: flat vectors, and the layers' places in them."""

    gradients: Array
    sums: Array
    gradient_views: Gradients
    sum_views: Gradients

    @classmethod
    def over(cls, model: Model, gradients: Array, sums: Array) -> "GradientBuffers":
        views = Gradients(model.layout.views(gradients)), Gradients(model.statistics_layout.views(sums))
        return cls(gradients, sums, *views)

    @classmethod
    def private(cls, model: Model) -> "GradientBuffers":
        """In memory of its own."""
        gradients = aligned_zeros(model.layout.size, model.dtype)
        return cls.over(model, gradients, aligned_zeros(model.statistics_layout.size, model.dtype))


class Gradient:
    """The gradient of the loss over shares of the training split; `train` holds its inputs and targets."""

    def __init__(
        self,
        model: Model,
        loss: Loss,
        metrics: Mapping[str, Metric],
        train: tuple[Array, Array],
        batches: Batches,
        seed: int,
    ) -> None:
        self.context = model.context(seed)
        self.batches = batches
        self._model = model
        self._loss = loss
        self._metrics = metrics
        self._train = train
        inputs, targets = train
        self._inputs = np.empty((batches.largest, *inputs.shape[1:]), inputs.dtype)
        self._targets = np.empty((batches.largest, *targets.shape[1:]), targets.dtype)

    def compute(
        self, step: int, share: int, weights: Weights, buffers: GradientBuffers, divisor: float, metrics: MetricStates
    ) -> tuple[float, int]:
        """Fills `buffers` with the gradient of the sum over the share's samples, divided by `divisor`.

        Returns the sum of their losses and their number, and adds them to `metrics`.
        """
        total, count = 0.0, 0
        buffers.gradient_views.begin()
        buffers.sum_views.begin()
        for rows, groups in self.batches.parts(step, share):
            loss, samples = self._pass(step, rows, groups, weights, buffers, divisor, metrics)
            total += loss
            count += samples
        buffers.gradient_views.end()
        buffers.sum_views.end()
        if buffers.sums.size:
            np.multiply(buffers.sums, 1.0 / divisor, out=buffers.sums)
        return total, count

    def _pass(
        self,
        step: int,
        rows: Array,
        groups: Sequence[Group],
        weights: Weights,
        buffers: GradientBuffers,
        divisor: float,
        metrics: MetricStates,
    ) -> tuple[float, int]:
        inputs, targets = self._inputs[: len(rows)], self._targets[: len(rows)]
        gather(self._train[0], rows, inputs)
        gather(self._train[1], rows, targets)
        self.context.begin(
            training=True, step=step, groups=groups, statistics=weights.statistics, sums=buffers.sum_views
        )
        outputs, backward = self._model.forward(inputs, weights.parameters, self.context)
        loss, _, gradient = self._loss(outputs, targets, self.context)
        for name, state in metrics.items():
            self._metrics[name].update(state, outputs, targets)
        gradient *= 1.0 / divisor  # the smallest array of the pass: whatever follows is divided with it
        backward(gradient, buffers.gradient_views)
        return loss, len(rows)
