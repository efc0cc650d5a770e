"""The confusion matrix."""

from typing import ClassVar

import numpy as np

from dist_bp.errors import ShapeError
from dist_bp.metrics.base import State
from dist_bp.metrics.class_counts import ClassCounts
from dist_bp.metrics.decisions import decide
from dist_bp.types import Array


class ConfusionMatrix(ClassCounts):
    """Counts of each true class (rows) and predicted class (columns)."""

    name: ClassVar[str] = "confusion_matrix"
    on_training = False
    scalar = False
    counts = ("matrix",)

    def _count(self, outputs: Array, targets: Array, classes: int, weights: Array | None) -> State:
        decided, true = decide(outputs, targets)
        if true.ndim != 1:
            raise ShapeError(f"{self.name} needs one label a sample")
        cells = np.bincount(true * classes + decided, weights, minlength=classes**2)
        return {"matrix": cells.reshape(classes, classes)}

    def result(self, state: State) -> Array:
        return state["matrix"].copy()
