"""Area under the ROC curve, exact: keeps the scores of all samples."""

from typing import ClassVar

import numpy as np

from dist_bp.metrics.base import State, misfit
from dist_bp.metrics.kept_scores import KeptScores, kept
from dist_bp.types import Array


class RocAuc(KeptScores):
    """Area under the ROC curve: the chance that a positive sample scores higher than a negative one.

    One logit: of class 1. Several classes: of each class against the rest by its log-probability, averaged
    over the classes. Several labels a sample: averaged over the labels. A class that is never or always
    present is left out of the average.
    """

    name: ClassVar[str] = "roc_auc"

    def _scores(self, outputs: Array, targets: Array) -> tuple[Array, Array]:
        rows, units = outputs.shape
        scores = outputs.astype(np.float64)
        if targets.shape == outputs.shape or (units == 1 and targets.shape == (rows,)):
            return scores, targets.reshape(outputs.shape) > 0.5
        if targets.shape == (rows,):
            scores -= scores.max(axis=1, keepdims=True)
            scores -= np.log(np.exp(scores).sum(axis=1, keepdims=True))
            return scores, targets[:, None] == np.arange(units)
        raise misfit(outputs, targets)

    def result(self, state: State) -> float:
        scores, truth, weights = kept(state)
        columns = zip(scores.T, truth.T, strict=True)
        areas = [area_under_curve(one, true, weights) for one, true in columns if 0 < true.sum() < len(true)]
        return sum(areas) / len(areas) if areas else float("nan")


def area_under_curve(scores: Array, truth: Array, weights: Array) -> float:
    """The Mann-Whitney statistic (Hanley & McNeil 1982), tied scores counting half, of pairs by their weights' product.

    Without weights all sums are of halves of integers, so exact, and the order of the samples does not matter.
    """
    _, place = np.unique(scores, return_inverse=True)
    positive, negative = (np.bincount(place, weights * mask) for mask in (truth, ~truth))
    below = np.cumsum(negative) - negative / 2
    return float(positive @ below / (positive.sum() * negative.sum()))
