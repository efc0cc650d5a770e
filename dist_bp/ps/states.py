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
        self._forms: list[tuple[np.dtype[np.generic], tuple[int, ...]]] = []
        self._places: list[Array] = []

    def write(self, states: Mapping[str, State]) -> None:
        """Raises RuntimeError where they take more room than there is, or hold other numbers than these kinds."""
        arrays = [states[name][key] for name, key in self._names]
        forms = [(array.dtype, array.shape) for array in arrays]
        if forms != self._forms:
            self._places, self._forms = self._laid_out(arrays), forms
        for place, array in zip(self._places, arrays, strict=True):
            place[...] = array

    def forget(self) -> None:
        """Others may have written arrays of other shapes since."""
        self._forms = []

    def _laid_out(self, arrays: list[Array]) -> list[Array]:
        """Where arrays of these kinds and shapes lie, which is written before each of them."""
        at, words, places = 0, self._words, []
        for (name, key), array in zip(self._names, arrays, strict=True):
            kind = 0 if array.dtype == _KINDS[0] else 1
            numbers = at + 2 + array.ndim
            if array.dtype != _KINDS[kind] or numbers + array.size > len(words):
                raise RuntimeError(f"the state {key} of the metric {name} ({array.dtype}, {array.shape}) has no room")
            words[at], words[at + 1] = kind, array.ndim
            for axis, length in enumerate(array.shape):
                words[at + 2 + axis] = length
            at = numbers + array.size
            places.append(self._views[kind][numbers:at].reshape(array.shape))
        return places

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
