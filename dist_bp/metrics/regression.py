"""Errors of predicted values, averaged over samples and outputs."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from dist_bp.metrics.base import Kind, Metric, State, misfit, ratio
from dist_bp.types import Array


def residuals(outputs: Array, targets: Array) -> tuple[Array, Array]:
    """(outputs - targets, targets), both (n, k) in float64; targets (n,) fit one unit."""
    rows, units = outputs.shape
    if targets.shape != outputs.shape and not (units == 1 and targets.shape == (rows,)):
        raise misfit(outputs, targets)
    true = targets.reshape(outputs.shape).astype(np.float64, copy=False)
    return np.subtract(outputs, true), true


class MeanError(Metric):
    """The mean of an error over samples and outputs."""

    kind: ClassVar[Kind] = "regression"
    greater_is_better: ClassVar[bool] = False

    def empty(self) -> State:
        return {"sum": np.zeros(1), "count": np.zeros(1, np.int64)}

    def update(self, state: State, outputs: Array, targets: Array) -> None:
        difference, _ = residuals(outputs, targets)
        state["sum"] += self._errors(difference).sum()
        state["count"] += difference.size

    def result(self, state: State) -> float:
        return ratio(state["sum"][0], state["count"][0])

    @abstractmethod
    def _errors(self, difference: Array) -> Array: ...


@dataclass(frozen=True)
class MeanSquaredError(MeanError):
    name: ClassVar[str] = "mse"

    def _errors(self, difference: Array) -> Array:
        return np.square(difference)


@dataclass(frozen=True)
class MeanAbsoluteError(MeanError):
    name: ClassVar[str] = "mae"

    def _errors(self, difference: Array) -> Array:
        return np.abs(difference)


@dataclass(frozen=True)
class R2(Metric):
    """1 - squared residuals / squared deviations of the targets from their mean, averaged over the outputs.

    An output whose targets are constant counts 1 if it is predicted exactly and 0 otherwise. Defined from two
    samples on. Deviations are merged pairwise (Chan, Golub & LeVeque 1983), so a large mean cancels nothing.
    """

    kind: ClassVar[Kind] = "regression"
    name: ClassVar[str] = "r2"

    def empty(self) -> State:
        state: State = {name: np.zeros(1) for name in ("residual", "mean", "deviation")}
        return {**state, "count": np.zeros(1, np.int64)}

    def update(self, state: State, outputs: Array, targets: Array) -> None:
        difference, true = residuals(outputs, targets)
        if not len(true):
            return
        # Relative to the first sample, so that constant targets deviate by exactly 0.
        shifted = true - true[0]
        shift = shifted.mean(axis=0)
        batch = {
            "count": np.array([len(true)]),
            "residual": np.square(difference).sum(axis=0),
            "mean": true[0] + shift,
            "deviation": np.square(shifted - shift).sum(axis=0),
        }
        state.update(self.merge(state, batch))

    def merge(self, a: State, b: State) -> State:
        count = a["count"] + b["count"]
        fraction = b["count"] / np.maximum(count, 1)
        gap = b["mean"] - a["mean"]
        return {
            "count": count,
            "residual": a["residual"] + b["residual"],
            "mean": a["mean"] + gap * fraction,
            "deviation": a["deviation"] + b["deviation"] + gap**2 * (a["count"] * fraction),
        }

    def result(self, state: State) -> float:
        if state["count"][0] < 2:
            return float("nan")
        residual, deviation = state["residual"], state["deviation"]
        varies = deviation > 0
        scores = np.where(residual > 0, 0.0, 1.0)
        scores[varies] = 1 - residual[varies] / deviation[varies]
        return float(scores.mean())
