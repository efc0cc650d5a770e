"""Scores of a confusion matrix."""

from abc import abstractmethod

from dist_bp.metrics.base import State
from dist_bp.metrics.confusion_matrix import ConfusionMatrix
from dist_bp.types import Array


class MatrixScore(ConfusionMatrix):
    """A number that the confusion matrix alone tells."""

    on_training = True
    scalar = True

    def result(self, state: State) -> float:  # type: ignore[override]
        return float(self.of_matrices(state["matrix"])) if state["matrix"].any() else float("nan")

    @abstractmethod
    def of_matrices(self, matrices: Array) -> Array:
        """The scores of confusion matrices (..., classes, classes), true classes before predicted ones."""
