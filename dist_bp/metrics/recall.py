"""Recall."""

from dist_bp.metrics.base import State
from dist_bp.metrics.class_counts import ClassScore
from dist_bp.types import Array


class Recall(ClassScore):
    """Hits / occurrences."""

    score = "recall"

    def _fraction(self, state: State) -> tuple[Array, Array]:
        return state["hits"], state["actual"]


class RecallMacro(Recall):
    """Recall of each class, averaged over the classes that occur in targets or predictions."""

    average = "macro"


class RecallMicro(Recall):
    """Recall of all decisions together."""

    average = "micro"


class RecallPositive(Recall):
    """Of the positive samples, the part that is found."""

    average = "positive"
    of_positive = True
    otherwise = "recall_macro"
