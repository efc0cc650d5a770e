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
        columns = zip(*(array.T for array in kept(state)), strict=True)
        areas = [area_under_curve(scores, truth) for scores, truth in columns if 0 < truth.sum() < len(truth)]
        return sum(areas) / len(areas) if areas else float("nan")


def area_under_curve(scores: Array, truth: Array) -> float:
    """The Mann-Whitney statistic (Hanley & McNeil 1982) with tied scores sharing their mean rank.

    Ranks are halves of integers, so that their sum is exact and the order of the samples does not matter.
    """
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2
    positives = int(np.count_nonzero(truth))
    above = ranks[inverse[truth]].sum() - positives * (positives + 1) / 2
    return float(above / (positives * (len(scores) - positives)))
