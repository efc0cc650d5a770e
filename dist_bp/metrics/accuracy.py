"""Accuracy."""

from typing import ClassVar

import numpy as np

from dist_bp.metrics.base import Metric, State, ratio, weighted_size, weighted_sum
from dist_bp.metrics.decisions import decide
from dist_bp.types import Array


class Accuracy(Metric):
    """Part of the decisions that are right; with several labels a sample, each counts by itself."""

    kind = "classification"
    decides = True
    name: ClassVar[str] = "accuracy"

    def empty(self) -> State:
        return {"correct": np.zeros(1, np.int64), "count": np.zeros(1, np.int64)}

    def update(self, state: State, outputs: Array, targets: Array, weights: Array | None = None) -> None:
        decided, true = decide(outputs, targets)
        right = decided == true
        state["correct"] = state["correct"] + weighted_sum(right, weights)
        state["count"] = state["count"] + weighted_size(right, weights)

    def result(self, state: State) -> float:
        return ratio(state["correct"][0], state["count"][0])
