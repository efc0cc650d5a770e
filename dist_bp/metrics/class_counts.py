"""Metrics of counts for each class."""

from abc import abstractmethod
from typing import ClassVar, Literal

import numpy as np

from dist_bp.errors import ShapeError
from dist_bp.metrics.base import Metric, State, quotients, ratio
from dist_bp.metrics.decisions import decide
from dist_bp.types import Array


class ClassCounts(Metric):
    """Keeps whole numbers of the shape (classes, ...); the first batch tells how many classes there are."""

    kind = "classification"
    decides = True
    counts: ClassVar[tuple[str, ...]]

    def empty(self) -> State:
        return {name: np.zeros(0, np.int64) for name in self.counts}

    def update(self, state: State, outputs: Array, targets: Array, weights: Array | None = None) -> None:
        rows, units = outputs.shape
        classes = 2 if units == 1 and targets.shape in ((rows,), (rows, 1)) else units
        batch = self._count(outputs, targets, classes, weights)
        state.update(self.merge(state, batch))

    def merge(self, a: State, b: State) -> State:
        return {name: _sum(a[name], b[name]) for name in a}

    @abstractmethod
    def _count(self, outputs: Array, targets: Array, classes: int, weights: Array | None) -> State:
        """The counts of one batch."""


class HitCounts(ClassCounts):
    """Keeps each class's numbers of hits, predictions and occurrences; with `one_label` of one label a sample only."""

    counts = ("hits", "predicted", "actual")
    one_label: ClassVar[bool] = False

    def _count(self, outputs: Array, targets: Array, classes: int, weights: Array | None) -> State:
        decided, true = decide(outputs, targets)
        if true.ndim == 1:
            rows = np.arange(len(true))
            right = np.flatnonzero(decided == true)
            found = {"hits": (right, true[right]), "predicted": (rows, decided), "actual": (rows, true)}
        elif self.one_label:
            raise ShapeError(f"{self.name} needs one label a sample")
        else:
            masks = {"hits": decided & true, "predicted": decided, "actual": true}
            found = {name: (np.nonzero(mask)[0], np.nonzero(mask)[1]) for name, mask in masks.items()}
        return {
            name: np.bincount(labels, None if weights is None else weights[rows], minlength=classes)
            for name, (rows, labels) in found.items()
        }


class ClassScore(HitCounts):
    """A score of each class, in one number.

    `micro` sums the counts of all classes first; `macro` averages the scores of the classes that occur in
    the targets or predictions, where a score without denominator is 0; `positive` is the score of class 1.
    """

    score: ClassVar[str]
    average: ClassVar[Literal["macro", "micro", "positive"]]

    @property
    def name(self) -> str:
        return self.score if self.average == "positive" else f"{self.score}_{self.average}"

    def result(self, state: State) -> float:
        numerator, denominator = self._fraction(state)
        if self.average == "micro":
            return ratio(numerator.sum(), denominator.sum())
        if self.average == "positive":
            return float(quotients(numerator, denominator)[1]) if state["actual"].any() else float("nan")
        occurs = state["predicted"] + state["actual"] > 0
        scores = quotients(numerator[occurs], denominator[occurs])
        return ratio(scores.sum(), len(scores))

    @abstractmethod
    def _fraction(self, state: State) -> tuple[Array, Array]:
        """Numerator and denominator of the score of each class."""


def _sum(a: Array, b: Array) -> Array:
    """Both counts; one that is still empty has no classes yet."""
    if a.size and b.size:
        return np.add(a, b)
    return (a if a.size else b).copy()
