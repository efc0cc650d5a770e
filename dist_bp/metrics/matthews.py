"""The correlation coefficient of Matthews."""

from typing import ClassVar

import numpy as np

from dist_bp.metrics.count_score import CountScore
from dist_bp.types import Array


class Matthews(CountScore):
    """Correlation of predicted and true classes: 1 where all are right, 0 where prediction tells nothing.

    For any number of classes (Gorodkin 2004); 0 where all samples are of one class or predicted to be.
    """

    name: ClassVar[str] = "matthews"

    def of_counts(self, hits: Array, predicted: Array, actual: Array) -> Array:
        hits, predicted, actual = (counts.astype(np.float64) for counts in (hits, predicted, actual))
        samples = actual.sum(axis=-1)
        together = hits.sum(axis=-1) * samples - (actual * predicted).sum(axis=-1)
        spreads = [samples**2 - np.square(of).sum(axis=-1) for of in (actual, predicted)]
        scale = np.sqrt(spreads[0] * spreads[1])
        correlation: Array = np.divide(together, scale, out=np.zeros_like(scale), where=scale > 0)
        return correlation
