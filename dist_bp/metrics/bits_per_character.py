"""The logarithmic loss in bits."""

import math
from typing import ClassVar

from dist_bp.metrics.base import State
from dist_bp.metrics.log_loss import LogLoss


class BitsPerCharacter(LogLoss):
    """The log_loss in bits, log_loss / ln 2: per character where each position is one, else per position."""

    name: ClassVar[str] = "bits_per_character"

    def result(self, state: State) -> float:
        return super().result(state) / math.log(2.0)
