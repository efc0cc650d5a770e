"""What each is told has this base."""

from dist_bp.component import Component

EVIDENCE_STEPS = 100
EVIDENCE_FRACTION = 20


class SchedulerOptions(Component):
    """A way of giving trials up. `grace_period` are the epochs of every trial; None: as many as `enough_epochs`."""

    grace_period: int | None = 0


def enough_epochs(steps_per_epoch: int, total_steps: int) -> int:
    """After how many epochs a score says something of a trial: 100 steps, and a twentieth of all of them.

    At most half of the epochs, so that there is something left to save.
    """
    steps = max(EVIDENCE_STEPS, -(-total_steps // EVIDENCE_FRACTION))
    epochs = -(-total_steps // steps_per_epoch)
    return max(min(-(-steps // steps_per_epoch), epochs // 2), 1)
