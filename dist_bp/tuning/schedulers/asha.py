"""Asynchronous successive halving."""

from dataclasses import dataclass
from typing import Annotated

from dist_bp.options import Count, Doc, Ge
from dist_bp.tuning.schedulers.base import SchedulerOptions


@dataclass(frozen=True, kw_only=True)
class Asha(SchedulerOptions):
    """Asynchronous successive halving: trials pause at epochs, the best go on from their checkpoints."""

    grace_period: Annotated[Count | None, Doc("Epochs of every trial, the first rung; null: enough to tell.")] = None
    reduction_factor: Annotated[int, Ge(2), Doc("One of so many goes on from a rung, to so many times the epochs.")] = 4
