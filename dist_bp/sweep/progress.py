"""The curve of a sweep: the best value of its metric so far."""

from collections.abc import Sequence

from dist_bp.sweep.trial import Trial, best
from dist_bp.track.port import Tracker
from dist_bp.types import Direction

BEST = "sweep/best"


class BestSoFar:
    """Watches the trials and records the best score of those that are over, at the number of them."""

    def __init__(self, tracker: Tracker, mode: Direction) -> None:
        self._tracker = tracker
        self._mode = mode
        self._told = 0

    def __call__(self, trials: Sequence[Trial]) -> None:
        over = [trial for trial in trials if trial.over]
        if len(over) <= self._told:
            return
        self._told = len(over)
        winner = best(over, self._mode)
        if winner and winner.score is not None:
            self._tracker.log(len(over), {BEST: winner.score})
