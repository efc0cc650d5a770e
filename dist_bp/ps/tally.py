"""What a share has measured in an epoch, by the version of the parameters with which it counts."""

from collections.abc import Mapping, Sequence

from dist_bp.metrics import Metric
from dist_bp.metrics.base import merged
from dist_bp.ps.layout import MEASURED_VERSIONS
from dist_bp.ps.lease import MetricStates
from dist_bp.ps.states import StateBuffer
from dist_bp.types import Array


class Tally:
    """States of the `metrics` that training follows over a share's samples, of updates that are made and no others.

    They are left in `memory`, that of the arena for version v at v % MEASURED_VERSIONS: it outlives whoever computes,
    and has what counts even where versions that were expected come to nothing.
    """

    def __init__(self, metrics: Mapping[str, Metric], memory: Sequence[Array]) -> None:
        self._metrics = metrics
        self._buffers = [StateBuffer(metrics, one) for one in memory]
        self.begin()

    def begin(self, before: MetricStates | None = None) -> None:
        """Begins a lease; `before` is what the share has measured in the epoch so far."""
        self._pending: MetricStates = {}
        self._total = before or {}
        self._counted: dict[int, tuple[int, MetricStates]] = {}
        for buffer in self._buffers:
            buffer.forget()

    def fresh(self) -> MetricStates:
        """Where the samples of an update are added."""
        self._pending = {name: metric.empty() for name, metric in self._metrics.items()}
        return self._pending

    def count(self, version: int, states: MetricStates | None = None) -> None:
        """They count from `version` on: those that were asked for last, unless told."""
        if not self._metrics:
            return
        new = merged(self._metrics, (self._total, self._pending if states is None else states))
        place = version % MEASURED_VERSIONS
        self._buffers[place].write(new)
        self._counted[place] = version, new
        self._total = new

    def until(self, version: int | None = None) -> MetricStates:
        """All that counts with `version`, the newest unless told; empty where nothing does."""
        counted = [one for one in self._counted.values() if version is None or one[0] <= version]
        return max(counted, key=lambda one: one[0])[1] if counted else {}
