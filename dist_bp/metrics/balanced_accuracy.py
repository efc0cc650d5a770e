"""Balanced accuracy."""

from typing import ClassVar

import numpy as np

from dist_bp.metrics.matrix_score import MatrixScore
from dist_bp.types import Array


class BalancedAccuracy(MatrixScore):
    """Recall of each class, averaged over the classes that occur in the targets: rare ones weigh the same."""

    name: ClassVar[str] = "balanced_accuracy"

    def of_matrices(self, matrices: Array) -> Array:
        hits, actual = np.diagonal(matrices, axis1=-2, axis2=-1), matrices.sum(axis=-1)
        recalls: Array = (hits / np.maximum(actual, 1)).sum(axis=-1) / np.count_nonzero(actual, axis=-1)
        return recalls
