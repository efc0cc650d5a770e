"""The root of the mean squared error."""

from typing import ClassVar

import numpy as np

from dist_bp.metrics.base import Metric, State, weighted_size
from dist_bp.metrics.regression import residuals
from dist_bp.types import Array


class Rmse(Metric):
    """Root of the mean squared error of each output, averaged over the outputs: in the targets' units."""

    kind = "regression"
    name: ClassVar[str] = "rmse"
    greater_is_better = False

    def empty(self) -> State:
        return {"sum": np.zeros(1), "count": np.zeros(1, np.int64)}

    def update(self, state: State, outputs: Array, targets: Array, weights: Array | None = None) -> None:
        difference, _ = residuals(outputs, targets)
        squares = np.square(difference)
        columns = squares.sum(axis=0) if weights is None else weights @ squares
        state["sum"] = state["sum"] + columns
        state["count"] = state["count"] + weighted_size(squares[:, 0], weights)

    def result(self, state: State) -> float:
        count = state["count"][0]
        return float(np.sqrt(state["sum"] / count).mean()) if count else float("nan")
