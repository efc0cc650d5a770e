"""The parameter server of Ray's documentation, synchronous, in NumPy: actor calls and the object store carry it all.

The gradients are averaged, where the documentation adds them up.
"""

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.numpy_net import loss_and_gradients
from benchmarks.threads import thread_counts, thread_variables
from benchmarks.works import MOMENTUM, Array, Work, read_inputs

ANSWER_SECONDS = 120.0


class ParameterServer:
    """Holds the weights; gradient descent with momentum."""

    def __init__(self, work: Work, folder: Path) -> None:
        self._rate = work.rate
        self._weights = read_inputs(work, folder).arrays
        self._momentum = [np.zeros_like(weight) for weight in self._weights]

    def get_weights(self) -> list[Array]:
        return self._weights

    def apply_gradients(self, *gradients: list[Array]) -> list[Array]:
        averages = [np.stack(parts).mean(axis=0) for parts in zip(*gradients, strict=True)]
        for weight, momentum, average in zip(self._weights, self._momentum, averages, strict=True):
            momentum *= MOMENTUM
            momentum += average
            weight -= self._rate * momentum
        return self._weights

    def threads(self) -> dict[str, int]:
        return thread_counts()


class DataWorker:
    """Computes the gradients of its share of each batch."""

    def __init__(self, work: Work, folder: Path, rank: int, size: int) -> None:
        self._inputs = read_inputs(work, folder)
        self._place = rank, size
        self._losses: list[float] = []

    def compute_gradients(self, step: int, weights: list[Array]) -> list[Array]:
        rows = self._inputs.rows(step, *self._place)
        layers = list(zip(weights[::2], weights[1::2], strict=True))
        loss, gradients = loss_and_gradients(layers, self._inputs.x[rows], self._inputs.y[rows])
        self._losses.append(loss)
        return gradients

    def losses(self) -> Array:
        losses, self._losses = np.array(self._losses), []
        return losses

    def threads(self) -> dict[str, int]:
        return thread_counts()


class RayExample:
    """The actors and the loop of the example, on a Ray that this process is connected to."""

    def __init__(self, work: Work, folder: Path, workers: int) -> None:
        import ray

        self._ray = ray
        options = {"num_cpus": 0, "runtime_env": {"env_vars": thread_variables(1)}}
        self._server: Any = ray.remote(ParameterServer).options(**options).remote(work, folder)
        worker = ray.remote(DataWorker).options(**options)
        self._workers: list[Any] = [worker.remote(work, folder, rank, workers) for rank in range(workers)]
        self.threads()

    def train(self, first: int, count: int) -> Array:
        """The losses of the steps."""
        weights = self._server.get_weights.remote()
        for step in range(first, first + count):
            gradients = [worker.compute_gradients.remote(step, weights) for worker in self._workers]
            weights = self._server.apply_gradients.remote(*gradients)
        self._ray.get(weights, timeout=ANSWER_SECONDS)
        losses = self._ray.get([worker.losses.remote() for worker in self._workers], timeout=ANSWER_SECONDS)
        return np.mean(losses, axis=0)

    def threads(self) -> list[dict[str, int]]:
        calls = [actor.threads.remote() for actor in (self._server, *self._workers)]
        return list(self._ray.get(calls, timeout=ANSWER_SECONDS))

    def close(self) -> None:
        for actor in (self._server, *self._workers):
            self._ray.kill(actor)
