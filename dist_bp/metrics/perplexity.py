"""How many equally likely classes a network hesitates between."""

from typing import ClassVar

import numpy as np

from dist_bp.metrics.base import State
from dist_bp.metrics.log_loss import LogLoss


class Perplexity(LogLoss):
    """exp of the log_loss: of so many equally likely classes a position would be as uncertain."""

    name: ClassVar[str] = "perplexity"

    def result(self, state: State) -> float:
        mean = super().result(state)
        with np.errstate(over="ignore"):
            return float(np.exp(mean))
