"""The matrix products of a step and nothing else: what no implementation on this machine can beat."""

from itertools import pairwise
from pathlib import Path

import numpy as np

from benchmarks.processes import Contender
from benchmarks.works import Work


class Products(Contender):
    """The products of a step on one process's share of the batch, into buffers that exist."""

    def __init__(self, work: Work, folder: Path, rank: int, size: int) -> None:
        generator = np.random.default_rng(rank)
        rows = work.batch // size
        self._values = [generator.normal(size=(rows, units)).astype(np.float32) for units in work.sizes]
        self._weights = [generator.normal(size=pair).astype(np.float32) for pair in pairwise(work.sizes)]
        self._outputs = [np.empty_like(value) for value in self._values]
        self._gradients = [np.empty_like(weight) for weight in self._weights]

    def run(self, first: int, count: int) -> None:
        for _ in range(count):
            self._step()

    def _step(self) -> None:
        values, weights, outputs = self._values, self._weights, self._outputs
        for layer, weight in enumerate(weights):
            np.matmul(values[layer], weight, out=outputs[layer + 1])
        for layer in reversed(range(len(weights))):
            np.matmul(values[layer].T, values[layer + 1], out=self._gradients[layer])
            if layer:
                np.matmul(values[layer + 1], weights[layer].T, out=outputs[layer])
