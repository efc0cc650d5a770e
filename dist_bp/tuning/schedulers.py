"""Which trials of a sweep are given up early: what each way is told."""

from dataclasses import dataclass
from typing import Annotated

from dist_bp.component import Component
from dist_bp.options import Count, Doc, Ge, Gt, Le, OpenFraction


class Scheduler(Component):
    """A way of giving trials up. `grace_period` are the epochs of every trial, where it has any."""

    grace_period: int = 0


class NoScheduler(Scheduler):
    """Every trial runs to its end."""


@dataclass(frozen=True, kw_only=True)
class Asha(Scheduler):
    """Asynchronous successive halving: trials pause at epochs, the best go on from their checkpoints."""

    grace_period: Annotated[Count, Doc("Epochs of every trial: the first rung.")] = 1
    reduction_factor: Annotated[int, Ge(2), Doc("One of so many goes on from a rung, to so many times the epochs.")] = 4


@dataclass(frozen=True, kw_only=True)
class Median(Scheduler):
    """Stops a trial whose best value is worse than the median of the others' averages."""

    grace_period: Annotated[Count, Doc("Epochs of every trial.")] = 1
    min_samples_required: Annotated[Count, Doc("Trials that are compared with at least.")] = 3


@dataclass(frozen=True, kw_only=True)
class Pbt(Scheduler):
    """Population based training: the worst trials copy weights of the best and vary their parameters."""

    perturbation_interval: Annotated[Count, Doc("Epochs between two comparisons.")] = 2
    quantile_fraction: Annotated[float, Gt(0), Le(0.5), Doc("Part of the population that copies, and is copied.")] = (
        0.25
    )
    resample_probability: Annotated[OpenFraction, Doc("How often a parameter is drawn anew instead of varied.")] = 0.25
