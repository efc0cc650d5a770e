"""Lowering the learning rate when a monitored value no longer improves."""

import math
from typing import Any

from dist_bp.types import Direction


class Plateau:
    """Multiplies the learning rate by `factor` after more than `patience` observations without a new best.

    One observation is made an epoch, as in PyTorch's ReduceLROnPlateau without a threshold. A value that is
    not a number never counts as an improvement.
    """

    def __init__(
        self,
        factor: float = 0.5,
        patience: int = 3,
        min_factor: float = 0.0,
        mode: Direction = "min",
    ) -> None:
        self._factor = factor
        self._patience = patience
        self._min_factor = min_factor
        self._sign = 1.0 if mode == "min" else -1.0
        self._best: float | None = None
        self._waited = 0
        self._current = 1.0

    @property
    def current(self) -> float:
        """The product of all reductions so far, never below `min_factor`."""
        return self._current

    def observe(self, value: float) -> float:
        """Takes the epoch's value; returns the factor to train with from now on."""
        if not math.isnan(value) and (self._best is None or self._sign * value < self._sign * self._best):
            self._best, self._waited = float(value), 0
        else:
            self._waited += 1
        if self._waited > self._patience:
            self._current = max(self._current * self._factor, self._min_factor)
            self._waited = 0
        return self._current

    def state(self) -> dict[str, Any]:
        """All that changed since the start, fit for JSON."""
        return {"best": self._best, "waited": self._waited, "factor": self._current}

    def restore(self, state: dict[str, Any]) -> None:
        self._best, self._waited, self._current = state["best"], state["waited"], state["factor"]
