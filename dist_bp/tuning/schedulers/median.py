"""Stops a trial whose best value is worse than the median of the others' averages."""

from dataclasses import dataclass
from typing import Annotated

from dist_bp.options import Count, Doc
from dist_bp.tuning.schedulers.base import SchedulerOptions


@dataclass(frozen=True, kw_only=True)
class Median(SchedulerOptions):
    """Stops a trial whose best value is worse than the median of the others' averages."""

    grace_period: Annotated[Count | None, Doc("Epochs of every trial; null: enough to tell.")] = None
    min_samples_required: Annotated[Count, Doc("Trials that are compared with at least.")] = 3
