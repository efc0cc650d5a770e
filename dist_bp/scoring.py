"""Outputs, loss and metrics of a batch: the same in training, evaluation and serving."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from dist_bp.data.samples import Amount, Batch
from dist_bp.metrics import Metric
from dist_bp.metrics.base import State
from dist_bp.nn import Backward, Context, Loss, Model, Views
from dist_bp.nn.losses.rows import rows_of
from dist_bp.types import Array

NO_GRADIENT: Array = np.empty(0)


class Scored(NamedTuple):
    """The summed loss of a batch, how much it is the sum of, its gradient by the outputs (empty without a loss), and
    the way back."""

    loss: float
    amount: Amount
    gradient: Array
    backward: Backward


class Scorer:
    """Runs a model over batches; `loss` may be missing where only metrics are asked for."""

    def __init__(self, model: Model, loss: Loss | None, metrics: Mapping[str, Metric]) -> None:
        self._model = model
        self._loss = loss
        self._metrics = metrics

    def score(self, batch: Batch, parameters: Views, context: Context, states: Mapping[str, State]) -> Scored:
        """`context` has begun the step; the batch is added to the `states` of metrics, those that are there."""
        outputs, backward = self._model.forward(batch.inputs, parameters, context)
        samples = len(batch)
        scored = Scored(0.0, Amount(samples, float(samples)), NO_GRADIENT, backward)
        if self._loss:
            total, weight, gradient = self._loss(outputs, batch.targets, context, batch.weights)
            scored = Scored(total, Amount(samples, weight), gradient, backward)
        of_rows = []
        for name, state in states.items():
            if self._metrics[name].of_sequences:
                self._metrics[name].update(state, outputs, batch.targets, batch.weights)
            else:
                of_rows.append(name)
        if of_rows:
            rows = rows_of(outputs, batch.targets, batch.weights, context)
            weights = None if rows.weights is None else rows.weights[:, 0]
            for name in of_rows:
                self._metrics[name].update(states[name], rows.outputs, rows.targets, weights)
        return scored
