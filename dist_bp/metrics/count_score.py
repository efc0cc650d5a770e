"""Scores of one label a sample."""

from abc import abstractmethod
from typing import ClassVar

from dist_bp.metrics.base import State
from dist_bp.metrics.class_counts import HitCounts
from dist_bp.types import Array


class CountScore(HitCounts):
    """A number that each class's numbers of hits, predictions and occurrences tell."""

    one_label: ClassVar[bool] = True

    def result(self, state: State) -> float:
        if not state["actual"].any():
            return float("nan")
        return float(self.of_counts(state["hits"], state["predicted"], state["actual"]))

    @abstractmethod
    def of_counts(self, hits: Array, predicted: Array, actual: Array) -> Array:
        """The scores (...) of counts (..., classes)."""
