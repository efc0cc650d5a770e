"""Errors of predicted values, averaged over samples and outputs."""

from abc import abstractmethod

import numpy as np

from dist_bp.metrics.base import Metric, State, misfit, ratio, weighted_size, weighted_sum
from dist_bp.types import Array


def residuals(outputs: Array, targets: Array) -> tuple[Array, Array]:
    """(outputs - targets, targets), both (n, k) in float64; targets (n,) fit one unit."""
    rows, units = outputs.shape
    if targets.shape != outputs.shape and not (units == 1 and targets.shape == (rows,)):
        raise misfit(outputs, targets)
    true = targets.reshape(outputs.shape).astype(np.float64, copy=False)
    return np.subtract(outputs, true), true


class MeanError(Metric):
    """The mean of an error over samples and outputs."""

    kind = "regression"
    greater_is_better = False

    def empty(self) -> State:
        return {"sum": np.zeros(1), "count": np.zeros(1, np.int64)}

    def update(self, state: State, outputs: Array, targets: Array, weights: Array | None = None) -> None:
        difference, _ = residuals(outputs, targets)
        state["sum"] = state["sum"] + weighted_sum(self._errors(difference), weights)
        state["count"] = state["count"] + weighted_size(difference, weights)

    def result(self, state: State) -> float:
        return ratio(state["sum"][0], state["count"][0])

    @abstractmethod
    def _errors(self, difference: Array) -> Array: ...
