"""How far sequences of labels are from the true ones."""

from typing import ClassVar

import numpy as np

from dist_bp.errors import ShapeError
from dist_bp.metrics.base import Metric, State, ratio
from dist_bp.metrics.best_path import best_path
from dist_bp.signals import Ragged, Signal, with_lengths
from dist_bp.types import Array


class LabelErrorRate(Metric):
    """Labels to insert, delete or replace in what is predicted, by the number of true ones: 0 where all are right.

    The distance is that of Levenshtein 1966; a rate above 1 is possible. Predictions are the best paths of ctc.
    """

    kind = "classification"
    name: ClassVar[str] = "label_error_rate"
    greater_is_better = False
    on_training = False
    of_sequences = True

    def empty(self) -> State:
        return {"errors": np.zeros(1, np.int64), "labels": np.zeros(1, np.int64)}

    def update(self, state: State, outputs: Signal, targets: Signal, weights: Array | None = None) -> None:
        values = outputs.values if isinstance(outputs, Ragged) else outputs
        if values.ndim != 3:
            raise ShapeError(f"{self.name} compares sequences of labels, and there is one output for each sample")
        true = Ragged(*with_lengths(targets))
        errors, labels = distances(best_path(outputs), true), true.lengths
        state["errors"] = state["errors"] + (errors.sum() if weights is None else np.dot(weights, errors))
        state["labels"] = state["labels"] + (labels.sum() if weights is None else np.dot(weights, labels))

    def result(self, state: State) -> float:
        return ratio(state["errors"][0], state["labels"][0])


def distances(found: Ragged, true: Ragged) -> Array:
    """Of each sample (n,): how many labels are to be inserted, deleted or replaced to make `true` of `found`."""
    most = true.values.shape[1]
    places = np.arange(most + 1)
    costs = np.tile(places, (len(true.lengths), 1))
    for position in range(int(found.lengths.max(initial=0))):
        replaced = costs[:, :-1] + (true.values != found.values[:, position : position + 1])
        best = costs + 1
        np.minimum(best[:, 1:], replaced, out=best[:, 1:])
        inserted = np.minimum.accumulate(best - places, axis=1) + places
        costs = np.where((position < found.lengths)[:, np.newaxis], inserted, costs)
    return costs[np.arange(len(costs)), true.lengths]
