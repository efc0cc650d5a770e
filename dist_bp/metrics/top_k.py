"""Top-k accuracy."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from dist_bp.errors import ShapeError
from dist_bp.metrics.base import Metric, State, ratio, weighted_size, weighted_sum
from dist_bp.options import Count, Doc
from dist_bp.types import Array


@dataclass(frozen=True)
class TopK(Metric):
    """Part of the samples whose class is among the k likeliest; of equally likely ones the first class wins."""

    k: Annotated[Count, Doc("How many guesses.")] = 5
    kind = "classification"
    pattern: ClassVar[str] = r"top_(?P<k>[1-9][0-9]*)"

    @property
    def name(self) -> str:
        return f"top_{self.k}"

    def empty(self) -> State:
        return {"correct": np.zeros(1, np.int64), "count": np.zeros(1, np.int64)}

    def update(self, state: State, outputs: Array, targets: Array, weights: Array | None = None) -> None:
        rows, units = outputs.shape
        if units == 1 or targets.shape != (rows,):
            raise ShapeError(f"{self.name} needs one output unit for each class and one label a sample")
        if self.k > units:
            raise ShapeError(f"{self.name} is not defined for {units} classes: k must lie between 1 and {units}")
        own = np.take_along_axis(outputs, targets[:, None], axis=1)
        tied_before = (outputs == own) & (np.arange(units) < targets[:, None])
        ahead = np.count_nonzero(~(outputs <= own) | tied_before, axis=1)
        found = ahead < self.k
        state["correct"] = state["correct"] + weighted_sum(found, weights)
        state["count"] = state["count"] + weighted_size(found, weights)

    def result(self, state: State) -> float:
        return ratio(state["correct"][0], state["count"][0])
