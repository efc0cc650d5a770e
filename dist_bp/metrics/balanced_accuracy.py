"""Balanced accuracy."""

from typing import ClassVar

import numpy as np

from dist_bp.metrics.base import quotients
from dist_bp.metrics.count_score import CountScore
from dist_bp.types import Array


class BalancedAccuracy(CountScore):
    """Recall of each class, averaged over the classes that occur in the targets: rare ones weigh the same."""

    name: ClassVar[str] = "balanced_accuracy"

    def of_counts(self, hits: Array, predicted: Array, actual: Array) -> Array:
        recalls: Array = quotients(hits, actual).sum(axis=-1) / np.count_nonzero(actual, axis=-1)
        return recalls
