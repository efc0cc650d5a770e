"""Learning-rate schedules: pure functions of the number of updates made so far."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

from dist_bp.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Schedule(ABC):
    """`schedule(step)` multiplies the base learning rate of the update after `step` updates.

    Warm-up is linear from 1/warmup_steps to 1 (times the schedule's first value) over the first
    `warmup_steps` updates (Goyal et al. 2017); the schedule proper counts from the end of the warm-up.
    """

    warmup_steps: int = 0

    def __call__(self, step: int) -> float:
        if step < self.warmup_steps:
            return (step + 1) / self.warmup_steps * self.after_warmup(0)
        return self.after_warmup(step - self.warmup_steps)

    @abstractmethod
    def after_warmup(self, steps: int) -> float:
        """The factor `steps` updates after the warm-up."""


@dataclass(frozen=True)
class Constant(Schedule):
    def after_warmup(self, steps: int) -> float:
        return 1.0


@dataclass(frozen=True)
class StepDecay(Schedule):
    """Multiplies by `factor` after every `every_steps` updates."""

    every_steps: int
    factor: float

    def after_warmup(self, steps: int) -> float:
        return float(self.factor ** (steps // self.every_steps))


@dataclass(frozen=True)
class Exponential(Schedule):
    """Decays smoothly, by `decay_rate` every `decay_steps` updates."""

    decay_rate: float
    decay_steps: int

    def after_warmup(self, steps: int) -> float:
        return float(self.decay_rate ** (steps / self.decay_steps))


@dataclass(frozen=True)
class _Bounded(Schedule):
    """Runs over the job's `total_steps` updates, warm-up included, and stays where it ends."""

    total_steps: int

    def __post_init__(self) -> None:
        if self.warmup_steps >= self.total_steps:
            raise ConfigError(
                f"the schedule's warmup_steps ({self.warmup_steps}) must be fewer than the job's steps "
                f"({self.total_steps}): lower warmup_steps or train longer"
            )

    def progress(self, steps: int) -> float:
        return min(1.0, steps / (self.total_steps - self.warmup_steps))


@dataclass(frozen=True)
class Cosine(_Bounded):
    """From 1 to `final` along half a cosine (Loshchilov & Hutter 2017, equation 5, without restarts)."""

    final: float = 0.0

    def after_warmup(self, steps: int) -> float:
        return _cosine(1.0, self.final, self.progress(steps))


@dataclass(frozen=True)
class Linear(_Bounded):
    """From 1 to `final` along a line."""

    final: float = 0.0

    def after_warmup(self, steps: int) -> float:
        progress = self.progress(steps)
        return (1 - progress) + progress * self.final


@dataclass(frozen=True)
class OneCycle(_Bounded):
    """From `start` up to 1 within `peak_fraction` of the steps, then down to `final` (Smith & Topin 2018),
    both along half a cosine.
    """

    peak_fraction: float = 0.3
    start: float = 0.04
    final: float = 1e-4

    def after_warmup(self, steps: int) -> float:
        progress = self.progress(steps)
        if progress < self.peak_fraction:
            return _cosine(self.start, 1.0, progress / self.peak_fraction)
        return _cosine(1.0, self.final, (progress - self.peak_fraction) / (1 - self.peak_fraction))


def _cosine(first: float, last: float, progress: float) -> float:
    return last + (first - last) * (1 + math.cos(math.pi * progress)) / 2
