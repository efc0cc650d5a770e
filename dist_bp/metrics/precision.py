"""Precision."""

from dist_bp.metrics.base import State
from dist_bp.metrics.class_counts import ClassScore
from dist_bp.types import Array


class Precision(ClassScore):
    """Hits / predictions."""

    score = "precision"

    def _fraction(self, state: State) -> tuple[Array, Array]:
        return state["hits"], state["predicted"]


class PrecisionMacro(Precision):
    """Precision of each class, averaged over the classes that occur in targets or predictions."""

    average = "macro"


class PrecisionMicro(Precision):
    """Precision of all decisions together."""

    average = "micro"


class PrecisionPositive(Precision):
    """Of the samples taken for positive, the part that is."""

    average = "positive"
    of_positive = True
    otherwise = "precision_macro"
