"""What every metric is: an accumulator that can be filled in parts and merged."""

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import ClassVar

import numpy as np

from dist_bp.component import Component
from dist_bp.errors import ShapeError
from dist_bp.signals import Signal
from dist_bp.types import Array, Task

State = dict[str, Array]


class Metric(Component):
    """Measures a network's raw `outputs` (n, units) against `targets`; holds no data itself.

    Rows count as often as their `weights` (n,) say, once without any. A row is a sample or a position of one.

    The state is a dict of plain arrays. Updating one state with all samples, or several with parts of them
    and merging these in any order, gives the same result.
    """

    kind: Task
    greater_is_better: bool = True
    on_training: bool = True
    """Whether it is cheap enough to follow on every training batch."""
    scalar: bool = True
    """Whether the result is one number, so that it can be watched."""
    decides: bool = False
    """Whether it is about the classes decided for, so that the threshold between two of them matters."""
    of_positive: bool = False
    """Whether it is about one of two classes, the positive one: class 1 as it sees outputs and targets."""
    of_sequences: bool = False
    """Whether it compares sequences of labels with the outputs of whole samples: it is given the signals of a batch,
    (n, positions, units) and (n, labels), ragged or not, and the weights of samples."""
    otherwise: str = ""
    """The metric to take where there are not two classes."""
    pattern: ClassVar[str] = ""
    """Names that say the options as well: a regular expression with a group for each, as in top_5."""

    @property
    @abstractmethod
    def name(self) -> str: ...

    @abstractmethod
    def empty(self) -> State:
        """The state before the first sample."""

    @abstractmethod
    def update(self, state: State, outputs: Signal, targets: Signal, weights: Array | None = None) -> None:
        """Adds samples to `state` in place; raises ShapeError if outputs and targets do not fit."""

    @abstractmethod
    def result(self, state: State) -> float | Array:
        """The value over all samples so far; nan where it is not defined, as without samples."""

    def merge(self, a: State, b: State) -> State:
        """The state of the samples of both."""
        return {name: a[name] + b[name] for name in a}


def merged(metrics: Mapping[str, Metric], parts: Iterable[Mapping[str, State]]) -> dict[str, State]:
    """By the names of metrics the states of the samples of all parts, merged in their order."""
    whole: dict[str, State] = {}
    for part in parts:
        for name, state in part.items():
            whole[name] = metrics[name].merge(whole[name], state) if name in whole else state
    return whole


def misfit(outputs: Array, targets: Array) -> ShapeError:
    return ShapeError(
        f"{outputs.shape[1]} output units do not fit targets of shape {targets.shape[1:]} a sample: "
        "change the units of the last layer"
    )


def weighted_sum(values: Array, weights: Array | None) -> float:
    """The sum of numbers or truths (n, ...), each times the weight of its row."""
    if weights is None:
        return int(np.count_nonzero(values)) if values.dtype == bool else float(values.sum())
    return float(np.dot(weights, values.reshape(len(values), -1).sum(axis=1, dtype=np.float64)))


def weighted_size(values: Array, weights: Array | None) -> float:
    """How many values (n, ...) there are, each counted by the weight of its row."""
    if weights is None or not values.size:
        return values.size
    return float(weights.sum(dtype=np.float64)) * (values.size // len(values))


def quotients(numerators: Array, denominators: Array) -> Array:
    """Elementwise; 0 where there is nothing to divide by."""
    where = denominators > 0
    return np.divide(numerators, denominators, out=np.zeros(np.shape(numerators)), where=where)


def ratio(numerator: float, denominator: float) -> float:
    return float(numerator / denominator) if denominator else float("nan")
