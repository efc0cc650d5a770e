"""The threshold between two classes that is best by a metric: keeps the probabilities of all samples."""

from collections.abc import Mapping
from typing import ClassVar, Protocol

import numpy as np

from dist_bp.metrics.base import Metric, State
from dist_bp.metrics.kept_scores import KeptScores, kept
from dist_bp.metrics.two_classes import Decision, as_outputs
from dist_bp.types import Array

THRESHOLD = "threshold"
"""The name of what is chosen, among the metrics."""


class Judge(Protocol):
    """A metric that can judge many thresholds at once."""

    def of_counts(self, hits: Array, predicted: Array, actual: Array) -> Array:
        """The scores (...) of counts (..., 2), those of the positive class second."""


class BestThreshold(KeptScores):
    """The probability of the positive class from which on to decide for it; of equally good ones the next to 0.5."""

    name: ClassVar[str] = THRESHOLD

    def __init__(self, judge: Judge, decision: Decision) -> None:
        self._judge = judge
        self._decision = decision

    def _scores(self, outputs: Array, targets: Array) -> tuple[Array, Array]:
        probabilities = self._decision.probabilities(outputs)
        return probabilities[:, np.newaxis], targets.reshape(len(outputs), 1) == self._decision.positive

    def result(self, state: State) -> float:
        probabilities, truth, weights = kept(state)
        if not len(truth):
            return float("nan")
        values, place = np.unique(probabilities[:, 0], return_inverse=True)
        hits, counts = np.bincount(place, weights * truth[:, 0]), np.bincount(place, weights)
        total = weights.sum()
        # Taken for positive is what lies above: all from each value on, or nothing.
        found, taken = (np.append(np.cumsum(of[::-1])[::-1], 0.0) for of in (hits, counts))
        actual = np.array([total - found[0], found[0]])
        predicted = np.stack([total - taken, taken], -1)
        right = np.stack([actual[0] - (taken - found), found], -1)
        thresholds = _between(values)
        reachable = thresholds < np.append(values, np.inf)
        scores = np.where(reachable, self._judge.of_counts(right, predicted, actual), -np.inf)
        best = thresholds[scores == scores.max()]
        return float(best[np.abs(best - 0.5).argmin()])

    def decided_anew(self, state: State, threshold: float, metrics: Mapping[str, Metric]) -> dict[str, float | Array]:
        """What those of the metrics that depend on the threshold are at this one, over the samples of `state`."""
        probabilities, truth, weights = kept(state)
        decision = Decision(self._decision.positive, threshold)
        outputs = as_outputs(decision.classes(probabilities[:, 0]))
        labels = np.where(truth[:, 0], decision.positive, 1 - decision.positive)
        found: dict[str, float | Array] = {}
        for name, metric in metrics.items():
            if metric.decides:
                filled = metric.empty()
                metric.update(filled, outputs, labels, None if (weights == 1).all() else weights)
                found[name] = metric.result(filled)
        return found


def at_threshold(
    states: Mapping[str, State], metrics: Mapping[str, Metric], threshold: float | None = None
) -> dict[str, float | Array]:
    """Results of an evaluation's states; where a threshold is chosen, at the one that is given, or else at the best
    one, which is then among them."""
    found = {name: metrics[name].result(dict(state)) for name, state in states.items() if name != THRESHOLD}
    chooser = metrics.get(THRESHOLD)
    if THRESHOLD not in states or not isinstance(chooser, BestThreshold):
        return found
    state = dict(states[THRESHOLD])
    chosen = chooser.result(state) if threshold is None else threshold
    found |= chooser.decided_anew(state, chosen, metrics)
    return found | ({THRESHOLD: chosen} if threshold is None else {})


def _between(values: Array) -> Array:
    """A threshold below the first of these ascending probabilities, one between each two, and one above the last."""
    edges = np.concatenate([[0.0], values, [1.0]])
    middle = edges[:-1] + (edges[1:] - edges[:-1]) / 2
    return np.where(middle < edges[1:], middle, edges[:-1])  # next to each other, they have no middle
