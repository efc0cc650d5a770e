"""The coefficient of determination."""

from typing import ClassVar

import numpy as np

from dist_bp.metrics.base import Metric, State, quotients
from dist_bp.metrics.regression import residuals
from dist_bp.types import Array


class R2(Metric):
    """Part of the targets' variance that is explained, averaged over the outputs.

    1 - squared residuals / squared deviations of the targets from their mean. An output whose targets are constant
    counts 1 if it is predicted exactly and 0 otherwise. Defined from two samples on. Deviations are merged pairwise
    (Chan, Golub & LeVeque 1983), so a large mean cancels nothing.
    """

    kind = "regression"
    name: ClassVar[str] = "r2"

    def empty(self) -> State:
        state: State = {name: np.zeros(1) for name in ("residual", "mean", "deviation")}
        return {**state, "count": np.zeros(1), "samples": np.zeros(1, np.int64)}

    def update(self, state: State, outputs: Array, targets: Array, weights: Array | None = None) -> None:
        difference, true = residuals(outputs, targets)
        if weights is not None:
            counted = weights > 0
            difference, true, weights = difference[counted], true[counted], weights[counted].astype(np.float64)
        if not len(true):
            return
        # Relative to the first sample, so that constant targets deviate by exactly 0.
        shifted = true - true[0]
        shift = np.average(shifted, axis=0, weights=weights)
        batch = {
            "count": np.array([len(true) if weights is None else weights.sum()]),
            "samples": np.array([len(true)]),
            "residual": _sums(np.square(difference), weights),
            "mean": true[0] + shift,
            "deviation": _sums(np.square(shifted - shift), weights),
        }
        state.update(self.merge(state, batch))

    def merge(self, a: State, b: State) -> State:
        count = a["count"] + b["count"]
        fraction = quotients(b["count"], count)
        gap = b["mean"] - a["mean"]
        return {
            "count": count,
            "samples": a["samples"] + b["samples"],
            "residual": a["residual"] + b["residual"],
            "mean": a["mean"] + gap * fraction,
            "deviation": a["deviation"] + b["deviation"] + gap**2 * (a["count"] * fraction),
        }

    def result(self, state: State) -> float:
        if state["samples"][0] < 2:
            return float("nan")
        residual, deviation = state["residual"], state["deviation"]
        varies = deviation > 0
        scores = np.where(residual > 0, 0.0, 1.0)
        scores[varies] = 1 - residual[varies] / deviation[varies]
        return float(scores.mean())


def _sums(values: Array, weights: Array | None) -> Array:
    """Of each column."""
    sums: Array = values.sum(axis=0) if weights is None else weights @ values
    return sums
