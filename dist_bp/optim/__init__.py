"""Optimizers: update rules on flat slices, learning-rate schedules, clipping and weight decay."""

from dist_bp.optim.plateau import Plateau
from dist_bp.optim.rules.base import Rule, Slice
from dist_bp.optim.schedules.base import Schedule
from dist_bp.optim.updater import Updater

__all__ = ["Plateau", "Rule", "Schedule", "Slice", "Updater"]
