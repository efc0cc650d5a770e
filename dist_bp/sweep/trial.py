"""What is known of a sweep's trials, as a list that only grows: the same while it runs and when it is read back."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from dist_bp.types import Direction

Status = Literal["waiting", "running", "paused", "finished", "stopped", "failed"]
"""waiting: not begun, or cut off and to go on. stopped: given up by the scheduler. failed: ended by an error."""
Over = Literal["finished", "stopped", "failed"]
OVER: tuple[Over, ...] = get_args(Over)


@dataclass
class Trial:
    """One trial: the varied settings, and how far it has come.

    `curve` has the sweep's metric by epoch; `score` is that of the parameters that the trial gives back, and `metrics`
    are theirs: of the best epoch so far. `seconds` are of training, without start and end.
    """

    number: int
    values: dict[str, Any]
    run_id: str
    status: Status = "waiting"
    curve: dict[int, float] = field(default_factory=dict)
    score: float | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    cause: str = ""
    doing: str = field(default="", compare=False)
    """What a running trial is busy with, of which nothing is kept."""

    @property
    def epochs(self) -> int:
        return max(self.curve, default=0)

    @property
    def over(self) -> bool:
        return self.status in OVER

    @property
    def comparable(self) -> bool:
        """Whether it has a score that counts."""
        return self.status != "failed" and self.score is not None and math.isfinite(self.score)

    def observe(self, epoch: int, value: float, score: float, metrics: dict[str, float], seconds: float) -> None:
        """An epoch is over: `value` is the sweep's metric of it."""
        self.curve[epoch] = value
        self.score, self.metrics, self.seconds = score, metrics, seconds


def ranked(trials: Iterable[Trial], mode: Direction) -> list[Trial]:
    """The best first; those without a score, and failed ones, at the end."""

    def rank(trial: Trial) -> tuple[bool, float, int]:
        score = trial.score if trial.comparable and trial.score is not None else 0.0
        return not trial.comparable, (score if mode == "min" else -score), trial.number

    return sorted(trials, key=rank)


def best(trials: Iterable[Trial], mode: Direction) -> Trial | None:
    """The trial with the best score; None where there is none."""
    return next((trial for trial in ranked(trials, mode) if trial.comparable), None)
