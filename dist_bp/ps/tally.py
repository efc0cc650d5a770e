"""What a share has measured in a lease, by the version of the parameters with which it counts."""

from collections.abc import Mapping, Sequence

from dist_bp.metrics import Metric
from dist_bp.ps.lease import MetricStates
from dist_bp.ps.states import StateBuffer
from dist_bp.types import Array


class Tally:
    """States of the `metrics` that training follows over a share's samples, of updates that are made and no others.

    They are left in `memory`, that of the arena for even and odd versions: it outlives whoever computes, and has what
    counts even where a version that was expected comes to nothing.
    """

    def __init__(self, metrics: Mapping[str, Metric], memory: Sequence[Array]) -> None:
        self._metrics = metrics
        self._buffers = [StateBuffer(metrics, half) for half in memory]
        self.begin()

    def begin(self) -> None:
        """Begins a lease."""
        self._pending: MetricStates = {}
        self._total: MetricStates = {}
        self._counted: dict[int, tuple[int, MetricStates]] = {}
        for buffer in self._buffers:
            buffer.forget()

    def fresh(self) -> MetricStates:
        """Where the samples of an update are added."""
        self._pending = {name: metric.empty() for name, metric in self._metrics.items()}
        return self._pending

    def count(self, version: int) -> None:
        """They count from `version` on."""
        if not self._metrics:
            return
        new, total = self._pending, self._total
        if total:
            new = {name: metric.merge(total[name], new[name]) for name, metric in self._metrics.items()}
        half = version % 2
        self._buffers[half].write(new)
        self._counted[half] = version, new
        self._total = new

    def until(self, version: int | None = None) -> MetricStates:
        """All that counts with `version`, the newest unless told; empty where nothing does."""
        counted = [one for one in self._counted.values() if version is None or one[0] <= version]
        return max(counted, key=lambda one: one[0])[1] if counted else {}
