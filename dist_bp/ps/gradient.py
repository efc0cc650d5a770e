"""Forward and backward passes over a share of a global batch, written into flat vectors."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from dist_bp.data.samples import NOTHING, Amount, Gatherer
from dist_bp.nn import Gradients, Model, Views
from dist_bp.nn.layout import Entry, aligned_zeros, nested
from dist_bp.nn.touched import TouchedRows
from dist_bp.ps.lease import MetricStates
from dist_bp.ps.recipe import Task
from dist_bp.scoring import Scorer
from dist_bp.types import Array

NOTHING_BY_ROWS: Mapping[str, TouchedRows] = {}


@dataclass(frozen=True)
class Weights:
    """The layers' views of one version of the parameters and running statistics."""

    parameters: Views
    statistics: Views


@dataclass(frozen=True)
class GradientBuffers:
    """Where backward passes write: flat vectors, and the layers' places in them. Of gradients that come by rows,
    `touched` says by their names which ones are written."""

    gradients: Array
    sums: Array
    gradient_views: Gradients
    sum_views: Gradients
    touched: Mapping[str, TouchedRows]

    @classmethod
    def over(
        cls, model: Model, gradients: Array, sums: Array, touched: Mapping[str, TouchedRows] = NOTHING_BY_ROWS
    ) -> "GradientBuffers":
        gradient_views = Gradients(model.layout.views(gradients), nested(touched.items()))
        sum_views = Gradients(model.statistics_layout.views(sums))
        return cls(gradients, sums, gradient_views, sum_views, touched)

    @classmethod
    def private(cls, model: Model) -> "GradientBuffers":
        """In memory of its own."""
        gradients = aligned_zeros(model.layout.size, model.dtype)
        return cls.over(model, gradients, aligned_zeros(model.statistics_layout.size, model.dtype))

    def written(self, entry: Entry) -> Array:
        """What the last step has written of a parameter's gradient."""
        gradient = self.gradients[entry.offset : entry.stop]
        ids = self.touched[entry.name].ids if entry.name in self.touched else None
        return gradient if ids is None else gradient.reshape(entry.shape)[ids]


class Gradient:
    """The gradient of the loss over shares of the training split; `signs` are words that show that it is computed, one
    of which changes with each of its parts."""

    def __init__(self, task: Task, signs: "memoryview[int]") -> None:
        self._signs = signs
        self.context = task.model.context(task.seed)
        self.batches = task.batches
        self._scorer = Scorer(task.model, task.loss, task.metrics)
        self._train = task.data["train"]
        self._gatherer = Gatherer(self._train, task.batches.largest)
        self._step, self._shift, self._whole = -1, 0, NOTHING

    def whole(self, step: int) -> Amount:
        """How much the global batch of a step is."""
        self._turn_to(step)
        return self._whole

    def share(self, step: int, share: int) -> Amount:
        """How much a share of it is."""
        self._turn_to(step)
        samples, parts = self._gatherer.samples, self.batches.parts(step, share)
        return sum((samples.amount(part.rows) for part in parts), NOTHING)

    def _turn_to(self, step: int) -> None:
        """Makes the global batch of a step the current one, of the samples as they are cut in its epoch."""
        if step == self._step:
            return
        if (shift := self.batches.shift(step)) != self._shift:
            self._gatherer.samples, self._shift = self._train.shifted(shift), shift
        self._whole = self._gatherer.samples.amount(self.batches.whole(step))
        self._step = step

    def compute(
        self, step: int, share: int, weights: Weights, buffers: GradientBuffers, whole: Amount, metrics: MetricStates
    ) -> tuple[float, Amount]:
        """Fills `buffers` with the gradient of the sum over the share's samples, divided by the weight of `whole`.

        Returns the sum of their losses and how much it is the sum of, and adds the samples to `metrics`.
        """
        total, amount = 0.0, NOTHING
        self._turn_to(step)
        buffers.gradient_views.begin()
        buffers.sum_views.begin()
        gatherer, rows, signs, sign = self._gatherer, self.batches.whole(step), self._signs, share % len(self._signs)
        for part in self.batches.parts(step, share):
            batch = gatherer.batch(*part, rows)
            self.context.begin(
                training=True,
                step=step,
                groups=batch.groups,
                statistics=weights.statistics,
                sums=buffers.sum_views,
            )
            loss, more, gradient, backward = self._scorer.score(batch, weights.parameters, self.context, metrics)
            gradient *= 1.0 / (whole.weight or 1.0)  # the smallest array of the pass: the rest is divided with it
            backward(gradient, buffers.gradient_views)
            total += loss
            amount = more if amount is NOTHING else amount + more
            signs[sign] += 1
        buffers.gradient_views.end()
        buffers.sum_views.end()
        if buffers.sums.size:
            np.multiply(buffers.sums, 1.0 / whole.samples, out=buffers.sums)
        return total, amount
