"""States of metrics in shared memory, so that what a share has measured outlives whoever has computed it."""

import math
from collections.abc import Mapping

import numpy as np

from dist_bp.metrics import Metric
from dist_bp.metrics.base import State
from dist_bp.types import Array

WORD = 8
MOST_AXES = 3
_KINDS = (np.dtype(np.int64), np.dtype(np.float64))


def bytes_of(metrics: Mapping[str, Metric], outputs: int) -> int:
    """Room for the states of metrics of so many outputs: an array of a state has a number for each, or one."""
    arrays = sum(len(metric.empty()) for metric in metrics.values())
    return arrays * WORD * (2 + MOST_AXES + max(outputs, 2))


class StateBuffer:
    """Memory that holds the states of `metrics`; an array there is its kind, its shape and its numbers, a word each."""

    def __init__(self, metrics: Mapping[str, Metric], memory: Array) -> None:
        self._names = [(name, key) for name, metric in metrics.items() for key in metric.empty()]
        self._whole: Array = memory.view(np.int64)
        self._views = [memory.view(kind) for kind in _KINDS]
        self._words: memoryview = self._whole.data

    def write(self, states: Mapping[str, State]) -> None:
        """Raises RuntimeError where they take more room than there is, or hold other numbers than these kinds."""
        place, words = 0, self._words
        for name, key in self._names:
            array = states[name][key]
            kind = 0 if array.dtype == _KINDS[0] else 1
            numbers = place + 2 + array.ndim
            if array.dtype != _KINDS[kind] or numbers + array.size > len(words):
                raise RuntimeError(f"the state {key} of the metric {name} ({array.dtype}, {array.shape}) has no room")
            words[place], words[place + 1] = kind, array.ndim
            for axis, length in enumerate(array.shape):
                words[place + 2 + axis] = length
            self._views[kind][numbers : numbers + array.size] = array.ravel()
            place = numbers + array.size

    def read(self) -> dict[str, State]:
        """What was written last."""
        place, words = 0, self._words
        states: dict[str, State] = {}
        for name, key in self._names:
            kind, axes = words[place], words[place + 1]
            shape = tuple(words[place + 2 : place + 2 + axes])
            numbers, size = place + 2 + axes, math.prod(shape)
            states.setdefault(name, {})[key] = self._views[kind][numbers : numbers + size].reshape(shape).copy()
            place = numbers + size
        return states
