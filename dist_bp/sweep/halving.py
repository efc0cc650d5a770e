"""Asynchronous successive halving, as decisions on plain values.

Li et al., A System for Massively Parallel Hyperparameter Tuning (2020), algorithm 2: a trial pauses at the epochs
`grace_period * reduction_factor ** k`, the rungs; of those that have come to a rung, the best one in
`reduction_factor` goes on to the next. Trials that never do cost no more than they have.
"""

import math
from dataclasses import dataclass, field

from dist_bp.types import Direction


@dataclass
class Halving:
    """The rungs and who stands where. `last` is the epoch at which trials end by themselves: no rung."""

    mode: Direction
    first: int
    factor: int
    last: int
    rungs: dict[int, dict[int, float]] = field(default_factory=dict)
    """By epoch the scores of the trials that came to it, larger being better."""

    def is_rung(self, epoch: int) -> bool:
        rung = self.first
        while rung < epoch:
            rung *= self.factor
        return rung == epoch < self.last

    def observe(self, trial: int, epoch: int, score: float) -> None:
        """A trial has come to an epoch; at a rung its score counts, NaN as the worst."""
        if self.is_rung(epoch):
            value = -math.inf if math.isnan(score) else score if self.mode == "max" else -score
            self.rungs.setdefault(epoch, {})[trial] = value

    def may_pass(self, trial: int, epoch: int, at_least: int = 0) -> bool:
        """Whether the trial, which has come to this rung, is among the best that go on from it."""
        scores = self.rungs[epoch]
        passing = max(len(scores) // self.factor, at_least)
        return trial in sorted(scores, key=lambda other: (-scores[other], other))[:passing]

    def promotable(self, waiting: dict[int, int], closing: bool = False) -> int | None:
        """Of the paused trials, by the epoch of their rung, the one to go on: at the highest rung the best.

        Once no further trial will come (`closing`) at least one goes on from every rung, so that few trials too make
        one that is trained to the end.
        """
        ready = [trial for trial, epoch in waiting.items() if self.may_pass(trial, epoch, at_least=int(closing))]
        return max(ready, key=lambda trial: (waiting[trial], self.rungs[waiting[trial]][trial]), default=None)
