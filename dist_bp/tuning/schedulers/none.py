"""Every trial runs to its end."""

from dist_bp.tuning.schedulers.base import SchedulerOptions


class NoScheduler(SchedulerOptions):
    """Every trial runs to its end."""
