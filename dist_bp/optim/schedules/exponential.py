"""A smooth fall."""

from dataclasses import dataclass
from typing import Annotated

from dist_bp.optim.schedules.base import Schedule
from dist_bp.options import Count, Doc, OpenFraction


@dataclass(frozen=True, kw_only=True)
class Exponential(Schedule):
    """Multiplied by decay_rate over each decay_steps, smoothly."""

    decay_rate: Annotated[OpenFraction, Doc("What remains after decay_steps, in (0, 1).")]
    decay_steps: Annotated[Count, Doc("Steps over which decay_rate applies.")]

    def multiplier(self, step: int, total: int) -> float:
        return float(self.decay_rate ** (step / self.decay_steps))
