"""The logarithmic loss of the probabilities."""

from typing import ClassVar

import numpy as np

from dist_bp.metrics.base import Metric, State, misfit, ratio, weighted_size, weighted_sum
from dist_bp.types import Array


class LogLoss(Metric):
    """Mean of -log(probability of what is true): cross-entropy without weights or smoothing.

    Of several labels a sample, the mean over the labels too.
    """

    kind = "classification"
    name: ClassVar[str] = "log_loss"
    greater_is_better = False

    def empty(self) -> State:
        return {"sum": np.zeros(1), "count": np.zeros(1, np.int64)}

    def update(self, state: State, outputs: Array, targets: Array, weights: Array | None = None) -> None:
        rows, units = outputs.shape
        scores = outputs.astype(np.float64)
        if targets.shape == outputs.shape or (units == 1 and targets.shape == (rows,)):
            losses = np.logaddexp(0.0, scores) - targets.reshape(scores.shape) * scores
        elif targets.shape == (rows,):
            losses = np.logaddexp.reduce(scores, axis=1) - scores[np.arange(rows), targets]
        else:
            raise misfit(outputs, targets)
        state["sum"] = state["sum"] + weighted_sum(losses, weights)
        state["count"] = state["count"] + weighted_size(losses, weights)

    def result(self, state: State) -> float:
        return ratio(state["sum"][0], state["count"][0])
