"""Learning-rate schedules: pure functions of the number of updates made so far."""

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Annotated, Self

from dist_bp.component import Component
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

    def fitting(self, total: int) -> Self:
        """For a job of so many updates: a warm-up that would not end takes the first half of them."""
        return self if self.warmup_steps < total else replace(self, warmup_steps=total // 2)

    @abstractmethod
    def multiplier(self, step: int, total: int) -> float:
        """The factor `step` updates after the warm-up, of `total` that are left to the job then."""


FINAL = Doc(
    "Factor that it ends at: the next step's after the last, as with T_max of PyTorch set to the job's steps. "
    "The last step's own lies one step before it."
)


class ToTheEnd(Schedule):
    """Runs over all updates of the job, warm-up included, and stays where it ends.

    The end is where the update after the last would be, so that the last one still does something where the end is 0.
    """

    def multiplier(self, step: int, total: int) -> float:
        return self.at(min(1.0, step / total))

    @abstractmethod
    def at(self, progress: float) -> float:
        """The factor after a fraction of the updates, in [0, 1]."""
