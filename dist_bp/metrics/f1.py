"""F1."""

from dist_bp.metrics.base import State, quotients
from dist_bp.metrics.class_counts import ClassScore
from dist_bp.types import Array


class F1(ClassScore):
    """The harmonic mean of precision and recall: 2 hits / (predictions + occurrences)."""

    score = "f1"

    def _fraction(self, state: State) -> tuple[Array, Array]:
        return 2 * state["hits"], state["predicted"] + state["actual"]


class F1Macro(F1):
    """F1 of each class, averaged over the classes that occur in targets or predictions."""

    average = "macro"


class F1Micro(F1):
    """F1 of all decisions together."""

    average = "micro"


class F1Positive(F1):
    """The harmonic mean of precision and recall of the positive class."""

    average = "positive"
    of_positive = True
    otherwise = "f1_macro"

    def of_counts(self, hits: Array, predicted: Array, actual: Array) -> Array:
        """The scores (...) of counts (..., 2)."""
        counts = {"hits": hits, "predicted": predicted, "actual": actual}
        numerator, denominator = self._fraction({name: of[..., 1] for name, of in counts.items()})
        return quotients(numerator, denominator)
