"""When training has gone far enough: decided from values alone, so that the decisions can be tested as a table."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from dist_bp.messages import plural
from dist_bp.types import Direction


@dataclass
class Stopping:
    """Watches one monitored value, an epoch at a time.

    A value improves on the best so far when it is better by more than `min_delta`; `patience` epochs without
    improvement (NaN is none), or a value as good as `target`, end training. `best_step` is the step of the best value.
    """

    mode: Direction
    patience: int | None = None
    min_delta: float = 0.0
    target: float | None = None
    best: float | None = None
    best_step: int = 0
    waited: int = 0

    def observe(self, value: float, step: int) -> bool:
        """Takes the value of an epoch that ended at `step`; returns whether it is the best so far."""
        improved = not math.isnan(value) and (self.best is None or self._gain(value, self.best) > self.min_delta)
        if improved:
            self.best, self.best_step, self.waited = value, step, 0
        else:
            self.waited += 1
        return improved

    @property
    def verdict(self) -> str | None:
        """Why training should stop now; None to go on."""
        if self.best is not None and self.target is not None and self._gain(self.best, self.target) >= 0:
            return f"target {self.target:g} reached"
        if self.patience is not None and self.waited >= self.patience:
            return f"no improvement for {plural(self.waited, 'epoch')}"
        return None

    def state(self) -> dict[str, Any]:
        kept = ("best", "best_step", "waited")
        return {name: value for name, value in asdict(self).items() if name in kept}

    def restore(self, state: dict[str, Any]) -> None:
        self.best, self.best_step, self.waited = state["best"], state["best_step"], state["waited"]

    def _gain(self, value: float, than: float) -> float:
        return than - value if self.mode == "min" else value - than
