"""What each is told has this base."""

from dist_bp.component import Component


class SchedulerOptions(Component):
    """A way of giving trials up. `grace_period` are the epochs of every trial, where it has any."""

    grace_period: int = 0
