"""The median stopping rule, as decisions on plain values.

Golovin et al., Google Vizier: A Service for Black-Box Optimization (2017), section 3.2.2: a trial is given up at an
epoch if its best score by then is worse than the median of the other trials' averages up to that epoch. Tune's own
also pauses trials while there are too few to compare with, which would restart their processes after every epoch.
"""

from dataclasses import dataclass, field
from statistics import mean, median

from dist_bp.types import Direction


@dataclass
class MedianRule:
    """Gives up nothing before the epoch `grace`, nor with fewer than `least` other trials that came so far."""

    mode: Direction
    grace: int
    least: int
    curves: dict[int, dict[int, float]] = field(default_factory=dict)
    """By trial the scores by epoch, larger being better."""

    def observe(self, trial: int, epoch: int, score: float) -> None:
        """A trial has come to an epoch; NaN is no score."""
        if score == score:
            self.curves.setdefault(trial, {})[epoch] = score if self.mode == "max" else -score

    def gives_up(self, trial: int, epoch: int) -> bool:
        """Whether the trial, which has come to this epoch, should end."""
        own = self.curves.get(trial, {})
        averages = [
            mean(scores)
            for other, curve in self.curves.items()
            if other != trial
            and max(curve) >= epoch
            and (scores := [score for at, score in curve.items() if self.grace <= at <= epoch])
        ]
        if epoch < self.grace or len(averages) < self.least:
            return False
        return not own or max(own.values()) < median(averages)
