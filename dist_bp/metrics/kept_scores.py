"""Metrics that need the scores of all samples at once, so keep them."""

from abc import abstractmethod

import numpy as np

from dist_bp.metrics.base import Metric, State
from dist_bp.types import Array


class KeptScores(Metric):
    """Keeps a score and a truth for each sample and column."""

    kind = "classification"
    on_training = False

    def empty(self) -> State:
        return {"scores": np.zeros((0, 1)), "truth": np.zeros((0, 1), bool), "count": np.zeros(1, np.int64)}

    def update(self, state: State, outputs: Array, targets: Array) -> None:
        scores, truth = self._scores(outputs, targets)
        _append(state, scores, truth)

    def merge(self, a: State, b: State) -> State:
        merged = self.empty()
        for state in (a, b):
            _append(merged, *kept(state))
        return merged

    @abstractmethod
    def _scores(self, outputs: Array, targets: Array) -> tuple[Array, Array]:
        """Scores in float64 and what is true, both (n, columns); raises ShapeError."""


def kept(state: State) -> tuple[Array, Array]:
    """Scores and truth (n, columns) of all samples so far."""
    count = int(state["count"][0])
    return state["scores"][:count], state["truth"][:count]


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
