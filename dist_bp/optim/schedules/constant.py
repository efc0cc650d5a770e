"""No change."""

from dist_bp.optim.schedules.base import Schedule


class Constant(Schedule):
    """The learning rate stays."""

    def multiplier(self, step: int, total: int) -> float:
        return 1.0
