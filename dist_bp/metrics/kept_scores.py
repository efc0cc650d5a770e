"""Metrics that need the scores of all samples at once, so keep them."""

from abc import abstractmethod
from typing import NamedTuple

import numpy as np

from dist_bp.metrics.base import Metric, State
from dist_bp.types import Array


class Kept(NamedTuple):
    """Scores and truth (n, columns) of samples, and their weights (n,)."""

    scores: Array
    truth: Array
    weights: Array


class KeptScores(Metric):
    """Keeps a score and a truth for each sample and column, and the sample's weight; those of weight 0 are left out."""

    kind = "classification"
    on_training = False

    def empty(self) -> State:
        return {
            "scores": np.zeros((0, 1)),
            "truth": np.zeros((0, 1), bool),
            "weights": np.zeros(0),
            "count": np.zeros(1, np.int64),
        }

    def update(self, state: State, outputs: Array, targets: Array, weights: Array | None = None) -> None:
        scores, truth = self._scores(outputs, targets)
        if weights is None:
            _append(state, Kept(scores, truth, np.ones(len(scores))))
        else:
            counted = weights > 0
            _append(state, Kept(scores[counted], truth[counted], weights[counted]))

    def merge(self, a: State, b: State) -> State:
        merged = self.empty()
        for state in (a, b):
            _append(merged, kept(state))
        return merged

    @abstractmethod
    def _scores(self, outputs: Array, targets: Array) -> tuple[Array, Array]:
        """Scores in float64 and what is true, both (n, columns); raises ShapeError."""


def kept(state: State) -> Kept:
    """All samples so far."""
    count = int(state["count"][0])
    return Kept(*(state[name][:count] for name in Kept._fields))


def _append(state: State, more: Kept) -> None:
    """Adds rows in place; the arrays grow by doubling, `count` says how many rows are filled."""
    if not len(more.scores):
        return
    count = int(state["count"][0])
    end = count + len(more.scores)
    for name, rows in more._asdict().items():
        if end > len(state[name]):
            grown = np.zeros((max(end, 2 * len(state[name])), *rows.shape[1:]), rows.dtype)
            grown[:count] = state[name][:count]
            state[name] = grown
        state[name][count:end] = rows
    state["count"][0] = end
