"""A metric of outputs and targets in another form than the network has them."""

from collections.abc import Callable

from dist_bp.metrics.base import Metric, State
from dist_bp.types import Array

View = Callable[[Array, Array], tuple[Array, Array]]


class Viewed(Metric):
    """Measures what `view` makes of outputs (n, units) and targets: a regression's in their own units, say."""

    def __init__(self, metric: Metric, view: View) -> None:
        self.kind = metric.kind
        self.greater_is_better = metric.greater_is_better
        self.on_training = metric.on_training
        self.scalar = metric.scalar
        self.decides = metric.decides
        self.of_positive = metric.of_positive
        self._metric = metric
        self._view = view

    @property
    def name(self) -> str:
        return self._metric.name

    def empty(self) -> State:
        return self._metric.empty()

    def update(self, state: State, outputs: Array, targets: Array, weights: Array | None = None) -> None:
        self._metric.update(state, *self._view(outputs, targets), weights)

    def merge(self, a: State, b: State) -> State:
        return self._metric.merge(a, b)

    def result(self, state: State) -> float | Array:
        return self._metric.result(state)
