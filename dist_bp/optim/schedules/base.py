"""Learning-rate schedules: pure functions of the number of updates made so far."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Annotated

from dist_bp.component import Component
from dist_bp.errors import ConfigError
from dist_bp.options import Doc, Whole


@dataclass(frozen=True, kw_only=True)
class Schedule(Component):
    """`schedule(step, total)` multiplies the learning rate of the update after `step` of a job's `total` updates.

    Warm-up is linear from 1/warmup_steps to 1 (times the schedule's first value) over the first
    `warmup_steps` updates (Goyal et al. 2017); the schedule proper counts from the end of the warm-up.
    """

    warmup_steps: Annotated[Whole, Doc("Steps over which the learning rate first rises from 0.")] = 0

    def __call__(self, step: int, total: int) -> float:
        after = total - self.warmup_steps
        if step < self.warmup_steps:
            return (step + 1) / self.warmup_steps * self.multiplier(0, after)
        return self.multiplier(step - self.warmup_steps, after)

    def check(self, total: int) -> None:
        """Raises ConfigError where a job of so many updates is too short."""

    @abstractmethod
    def multiplier(self, step: int, total: int) -> float:
        """The factor `step` updates after the warm-up, of `total` that are left to the job then."""


class ToTheEnd(Schedule):
    """Runs over all updates of the job, warm-up included, and stays where it ends."""

    def check(self, total: int) -> None:
        if self.warmup_steps >= total:
            raise ConfigError(
                f"the schedule's warmup_steps ({self.warmup_steps}) must be fewer than the job's steps "
                f"({total}): lower warmup_steps or train longer"
            )

    def multiplier(self, step: int, total: int) -> float:
        return self.at(min(1.0, step / total))

    @abstractmethod
    def at(self, progress: float) -> float:
        """The factor after a fraction of the updates, in [0, 1]."""
