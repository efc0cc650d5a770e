"""Outputs, loss and metrics of a batch: the same in training, evaluation and serving."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from dist_bp.data.samples import Amount, Batch
from dist_bp.metrics import Metric
from dist_bp.metrics.base import State
from dist_bp.nn import Backward, Context, Loss, Model, Views
from dist_bp.nn.losses.rows import rows_of
from dist_bp.signals import Signal
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
        self._of_sequences = {name: metric for name, metric in metrics.items() if metric.of_sequences}
        self._of_rows = {name: metric for name, metric in metrics.items() if not metric.of_sequences}

    def score(self, batch: Batch, parameters: Views, context: Context, states: Mapping[str, State]) -> Scored:
        """`context` has begun the step; the batch is added to the `states` of metrics, those that are there."""
        outputs, backward = self._model.forward(batch.inputs, parameters, context)
        samples = len(batch)
        total, weight, gradient = 0.0, float(samples), NO_GRADIENT
        if self._loss:
            total, weight, gradient = self._loss(outputs, batch.targets, context, batch.weights)
        if states:
            self._measure(outputs, batch, context, states)
        return Scored(total, Amount(samples, weight), gradient, backward)

    def _measure(self, outputs: Signal, batch: Batch, context: Context, states: Mapping[str, State]) -> None:
        for name, metric in self._of_sequences.items():
            if name in states:
                metric.update(states[name], outputs, batch.targets, batch.weights)
        if self._of_rows:
            rows = rows_of(outputs, batch.targets, batch.weights, context)
            weights = None if rows.weights is None else rows.weights[:, 0]
            for name, metric in self._of_rows.items():
                if name in states:
                    metric.update(states[name], rows.outputs, rows.targets, weights)
