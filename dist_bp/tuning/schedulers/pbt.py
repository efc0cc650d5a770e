"""Population based training."""

from dataclasses import dataclass
from typing import Annotated

from dist_bp.options import Count, Doc, Gt, Le, OpenFraction
from dist_bp.tuning.schedulers.base import SchedulerOptions


@dataclass(frozen=True, kw_only=True)
class Pbt(SchedulerOptions):
    """Population based training: the worst trials copy weights of the best and vary their parameters."""

    perturbation_interval: Annotated[Count, Doc("Epochs between two comparisons.")] = 2
    quantile_fraction: Annotated[float, Gt(0), Le(0.5), Doc("Part of the population that copies, and is copied.")] = (
        0.25
    )
    resample_probability: Annotated[OpenFraction, Doc("How often a parameter is drawn anew instead of varied.")] = 0.25
