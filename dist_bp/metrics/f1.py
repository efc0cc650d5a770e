"""F1."""

from dist_bp.metrics.base import State
from dist_bp.metrics.class_counts import ClassScore
from dist_bp.types import Array


class F1(ClassScore):
    """The harmonic mean of precision and recall: 2 hits / (predictions + occurrences)."""

    score = "f1"

    def _fraction(self, state: State) -> tuple[Array, Array]:
        return 2 * state["hits"], state["predicted"] + state["actual"]


class F1Macro(F1):
    """F1 of each class, averaged over the classes."""

    average = "macro"


class F1Micro(F1):
    """F1 of all decisions together."""

    average = "micro"
