"""Metrics of decisions: classes by the largest logit, or each label by the sign of its logit."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from dist_bp.errors import ShapeError
from dist_bp.metrics.base import Kind, Metric, State, misfit, ratio
from dist_bp.types import Array


def decide(outputs: Array, targets: Array) -> tuple[Array, Array]:
    """What the network says and what is true.

    Logits (n, k) with labels (n,): classes, two int arrays (n,). One unit (n, 1) with labels {0, 1}: the
    same, class 1 where the logit is positive. Logits (n, k) with targets (n, k): k labels of their own, two
    bool arrays (n, k).
    """
    rows, units = outputs.shape
    if units == 1 and targets.shape in ((rows,), (rows, 1)):
        return (outputs.ravel() > 0).astype(np.int64), targets.ravel().astype(np.int64, copy=False)
    if targets.shape == (rows,):
        return outputs.argmax(axis=1), targets
    if targets.shape == outputs.shape:
        return outputs > 0, targets > 0.5
    raise misfit(outputs, targets)


@dataclass(frozen=True)
class Accuracy(Metric):
    """The fraction of right decisions; with several labels a sample, each label counts by itself."""

    kind: ClassVar[Kind] = "classification"
    name: ClassVar[str] = "accuracy"

    def empty(self) -> State:
        return {"correct": np.zeros(1, np.int64), "count": np.zeros(1, np.int64)}

    def update(self, state: State, outputs: Array, targets: Array) -> None:
        decided, true = decide(outputs, targets)
        state["correct"] += np.count_nonzero(decided == true)
        state["count"] += true.size

    def result(self, state: State) -> float:
        return ratio(state["correct"][0], state["count"][0])


@dataclass(frozen=True)
class TopK(Metric):
    """The fraction of samples whose class is among the k largest logits; of equal ones the first class wins."""

    k: int = 5
    kind: ClassVar[Kind] = "classification"

    @property
    def name(self) -> str:
        return f"top_{self.k}"

    def empty(self) -> State:
        return {"correct": np.zeros(1, np.int64), "count": np.zeros(1, np.int64)}

    def update(self, state: State, outputs: Array, targets: Array) -> None:
        rows, units = outputs.shape
        if units == 1 or targets.shape != (rows,):
            raise ShapeError(f"{self.name} needs one output unit for each class and one label a sample")
        own = np.take_along_axis(outputs, targets[:, None], axis=1)
        tied_before = (outputs == own) & (np.arange(units) < targets[:, None])
        ahead = np.count_nonzero(~(outputs <= own) | tied_before, axis=1)
        state["correct"] += np.count_nonzero(ahead < self.k)
        state["count"] += rows

    def result(self, state: State) -> float:
        return ratio(state["correct"][0], state["count"][0])


@dataclass(frozen=True)
class ClassScore(Metric):
    """A score computed from each class's numbers of hits, predictions and occurrences.

    `micro` sums the counts of all classes first; `macro` averages the scores of the classes that occur in
    the targets or predictions, where a score without denominator is 0.
    """

    classes: int
    average: Literal["macro", "micro"] = "macro"
    kind: ClassVar[Kind] = "classification"
    score: ClassVar[str]

    @property
    def name(self) -> str:
        return f"{self.score}_{self.average}"

    def empty(self) -> State:
        return {name: np.zeros(self.classes, np.int64) for name in ("hits", "predicted", "actual")}

    def update(self, state: State, outputs: Array, targets: Array) -> None:
        decided, true = decide(outputs, targets)
        if true.ndim == 1:
            hits = true[decided == true]
        else:
            hits, decided, true = (np.nonzero(labels)[1] for labels in (decided & true, decided, true))
        for name, classes in (("hits", hits), ("predicted", decided), ("actual", true)):
            state[name] += np.bincount(classes, minlength=self.classes)

    def result(self, state: State) -> float:
        numerator, denominator = self._fraction(state)
        if self.average == "micro":
            return ratio(numerator.sum(), denominator.sum())
        occurs = state["predicted"] + state["actual"] > 0
        scores = numerator[occurs] / np.maximum(denominator[occurs], 1)
        return ratio(scores.sum(), len(scores))

    @abstractmethod
    def _fraction(self, state: State) -> tuple[Array, Array]:
        """Numerator and denominator of the score of each class."""


@dataclass(frozen=True)
class Precision(ClassScore):
    """Hits / predictions."""

    score: ClassVar[str] = "precision"

    def _fraction(self, state: State) -> tuple[Array, Array]:
        return state["hits"], state["predicted"]


@dataclass(frozen=True)
class Recall(ClassScore):
    """Hits / occurrences."""

    score: ClassVar[str] = "recall"

    def _fraction(self, state: State) -> tuple[Array, Array]:
        return state["hits"], state["actual"]


@dataclass(frozen=True)
class F1(ClassScore):
    """The harmonic mean of precision and recall: 2 hits / (predictions + occurrences)."""

    score: ClassVar[str] = "f1"

    def _fraction(self, state: State) -> tuple[Array, Array]:
        return 2 * state["hits"], state["predicted"] + state["actual"]


@dataclass(frozen=True)
class ConfusionMatrix(Metric):
    """Counts (classes, classes): row = true class, column = predicted class."""

    classes: int
    kind: ClassVar[Kind] = "classification"
    name: ClassVar[str] = "confusion_matrix"
    on_training: ClassVar[bool] = False

    def empty(self) -> State:
        return {"matrix": np.zeros((self.classes, self.classes), np.int64)}

    def update(self, state: State, outputs: Array, targets: Array) -> None:
        decided, true = decide(outputs, targets)
        if true.ndim != 1:
            raise ShapeError("confusion_matrix needs one label a sample")
        cells = np.bincount(true * self.classes + decided, minlength=self.classes**2)
        state["matrix"] += cells.reshape(self.classes, self.classes)

    def result(self, state: State) -> Array:
        return state["matrix"].copy()
