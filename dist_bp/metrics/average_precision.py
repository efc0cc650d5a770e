"""Average precision, the area under the precision-recall curve: keeps the scores of all samples."""

from typing import ClassVar

import numpy as np

from dist_bp.metrics.base import State
from dist_bp.metrics.kept_scores import KeptScores, kept
from dist_bp.metrics.two_classes import margins
from dist_bp.types import Array


class AveragePrecision(KeptScores):
    """Area under the precision-recall curve of the positive class: its precision, averaged over the recall.

    The sum over the thresholds of precision times the gain in recall, without interpolation.
    """

    name: ClassVar[str] = "average_precision"
    of_positive = True
    otherwise = "roc_auc"

    def _scores(self, outputs: Array, targets: Array) -> tuple[Array, Array]:
        return margins(outputs, targets)[:, np.newaxis], targets.reshape(len(outputs), 1) > 0.5

    def result(self, state: State) -> float:
        scores, truth, weights = kept(state)
        if not truth.any():
            return float("nan")
        _, place = np.unique(-scores[:, 0], return_inverse=True)
        hits, found = np.bincount(place, weights * truth[:, 0]), np.bincount(place, weights)
        precision = np.cumsum(hits) / np.cumsum(found)
        return float((precision * hits).sum() / hits.sum())
