"""Half a cosine to the end of the job."""

import math
from dataclasses import dataclass
from typing import Annotated

from dist_bp.optim.schedules.base import FINAL, ToTheEnd
from dist_bp.options import Ratio


@dataclass(frozen=True, kw_only=True)
class Cosine(ToTheEnd):
    """Falls along half a cosine to the job's last step.

    From 1 to `final` (Loshchilov & Hutter 2017, equation 5, without restarts).
    """

    final: Annotated[Ratio, FINAL] = 0.0

    def at(self, progress: float) -> float:
        return half_cosine(1.0, self.final, progress)


def half_cosine(first: float, last: float, progress: float) -> float:
    """From `first` at progress 0 to `last` at 1."""
    return last + (first - last) * (1 + math.cos(math.pi * progress)) / 2
