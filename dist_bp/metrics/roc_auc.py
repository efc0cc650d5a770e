"""Area under the ROC curve, exact: keeps the scores of all samples."""

from typing import ClassVar

import numpy as np

from dist_bp.metrics.base import Metric, State, misfit
from dist_bp.types import Array


class RocAuc(Metric):
    """Area under the ROC curve: the chance that a positive sample scores higher than a negative one.

    One logit: of class 1. Several classes: of each class against the rest by its log-probability, averaged
    over the classes. Several labels a sample: averaged over the labels. A class that is never or always
    present is left out of the average.
    """

    kind = "classification"
    name: ClassVar[str] = "roc_auc"
    on_training = False

    def empty(self) -> State:
        return {"scores": np.zeros((0, 1)), "truth": np.zeros((0, 1), bool), "count": np.zeros(1, np.int64)}

    def update(self, state: State, outputs: Array, targets: Array) -> None:
        rows, units = outputs.shape
        scores = outputs.astype(np.float64)
        if targets.shape == outputs.shape or (units == 1 and targets.shape == (rows,)):
            truth = targets.reshape(outputs.shape) > 0.5
        elif targets.shape == (rows,):
            scores -= scores.max(axis=1, keepdims=True)
            scores -= np.log(np.exp(scores).sum(axis=1, keepdims=True))
            truth = targets[:, None] == np.arange(units)
        else:
            raise misfit(outputs, targets)
        _append(state, scores, truth)

    def merge(self, a: State, b: State) -> State:
        merged = self.empty()
        for state in (a, b):
            count = int(state["count"][0])
            _append(merged, state["scores"][:count], state["truth"][:count])
        return merged

    def result(self, state: State) -> float:
        count = int(state["count"][0])
        columns = zip(state["scores"][:count].T, state["truth"][:count].T, strict=True)
        areas = [area_under_curve(scores, truth) for scores, truth in columns if 0 < truth.sum() < count]
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


def _append(state: State, scores: Array, truth: Array) -> None:
    """Adds rows in place; the arrays grow by doubling, `count` says how many rows are filled."""
    if not len(scores):
        return
    count = int(state["count"][0])
    end = count + len(scores)
    for name, rows in (("scores", scores), ("truth", truth)):
        if end > len(state[name]):
            grown = np.zeros((max(end, 2 * len(state[name])), rows.shape[1]), rows.dtype)
            grown[:count] = state[name][:count]
            state[name] = grown
        state[name][count:end] = rows
    state["count"][0] = end
