"""A fall in stairs."""

from dataclasses import dataclass
from typing import Annotated

from dist_bp.optim.schedules.base import Schedule
from dist_bp.options import Count, Doc, OpenFraction


@dataclass(frozen=True, kw_only=True)
class StepDecay(Schedule):
    """Multiplied by `factor` after every `every_steps` steps."""

    every_steps: Annotated[Count, Doc("Steps between two falls.")]
    factor: Annotated[OpenFraction, Doc("What remains after a fall, in (0, 1).")] = 0.1

    def multiplier(self, step: int, total: int) -> float:
        return float(self.factor ** (step // self.every_steps))
