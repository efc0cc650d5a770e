"""All trials of a running sweep: what has been proposed, what runs, and when it is enough."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from dist_bp.sweep.journal import Journal
from dist_bp.sweep.search import Search
from dist_bp.sweep.trial import Status, Trial

Watcher = Callable[[Sequence[Trial]], None]
PAUSE_SECONDS = 0.5


class SweepState(Enum):
    """How a sweep is; in all states but RUNNING no trial begins, or goes on."""

    RUNNING = auto()
    COMPLETED = auto()
    """All trials are over, and not all have failed."""
    FAILED = auto()
    """All trials, or more than `max_failures`, have failed."""
    BROKEN = auto()
    """No more trials can be proposed: `Study.error` says why."""
    INTERRUPTED = auto()
    """By the user or the system."""


@dataclass(frozen=True)
class Outside:
    """Whom a study asks, and tells.

    `new_run` makes the MLflow run of a trial, or returns None where it cannot at the moment; `watcher` is shown every
    change, `warn` is told what people should know, `interrupted` says whether the user or the system wants the end.
    """

    new_run: Callable[[int], str | None]
    watcher: Watcher
    warn: Callable[[str], None]
    interrupted: Callable[[], bool]


@dataclass
class Study:
    """The trials in the order of their numbers; every change is journaled and shown."""

    search: Search
    journal: Journal
    outside: Outside
    max_concurrent: int | None
    max_failures: int
    trials: list[Trial] = field(default_factory=list)
    given: set[int] = field(default_factory=set)
    """Numbers of the trials that this process has begun, or has gone on with."""
    error: Exception | None = None
    seconds: float = 0.0
    """Those that the trials of this process took, with their starts and ends."""

    def __post_init__(self) -> None:
        self._over_before = {trial.number for trial in self.trials if trial.over}

    def __deepcopy__(self, memo: Any) -> "Study":
        return self

    def __reduce__(self) -> tuple[type, tuple[str]]:
        """Tune pickles all that it is given into its own folder, to restore from; sweeps go on from the journal."""
        return str, ("the study of a sweep stays in its process",)

    @property
    def full(self) -> bool:
        """No more trials may run beside those that do, or are about to."""
        active = sum(trial.status in ("waiting", "running") for trial in self.trials if trial.number in self.given)
        return self.max_concurrent is not None and active >= self.max_concurrent

    @property
    def all_given(self) -> bool:
        """Nothing is left to begin, or to go on with."""
        return len(self.trials) >= self.search.total and self._cut_off is None

    @property
    def all_over(self) -> bool:
        """Nothing is left to run."""
        return len(self.trials) >= self.search.total and all(trial.over for trial in self.trials)

    @property
    def _cut_off(self) -> Trial | None:
        """The first trial of an earlier process that has yet to go on."""
        return next((trial for trial in self.trials if not trial.over and trial.number not in self.given), None)

    @property
    def failed(self) -> list[Trial]:
        return [trial for trial in self.trials if trial.status == "failed"]

    @property
    def ran(self) -> list[Trial]:
        """The trials that have run in this process."""
        return [trial for trial in self.trials if trial.number not in self._over_before]

    @property
    def state(self) -> SweepState:
        if self.outside.interrupted():
            return SweepState.INTERRUPTED
        if self.error:
            return SweepState.BROKEN
        if len(self.failed) > self.max_failures:
            return SweepState.FAILED
        if not self.all_over:
            return SweepState.RUNNING
        return SweepState.FAILED if len(self.failed) == len(self.trials) else SweepState.COMPLETED

    @property
    def ended_early(self) -> bool:
        return self.state not in (SweepState.RUNNING, SweepState.COMPLETED)

    def of(self, run_id: str) -> Trial:
        """The trial with this MLflow run, by which Tune calls it."""
        return next(trial for trial in self.trials if trial.run_id == run_id)

    def population(self) -> list[Trial]:
        """All trials that have not ended, proposed at once."""
        while len(self.trials) < self.search.total and not self.ended_early:
            if self._propose() is None:
                time.sleep(PAUSE_SECONDS)
        left = [trial for trial in self.trials if not trial.over]
        self.given.update(trial.number for trial in left)
        return left

    def next(self) -> Trial | None:
        """The next trial to begin, or to go on with; None where all have begun, or none can at the moment."""
        if self.all_given:
            return None
        trial = self._cut_off or self._propose()
        if trial:
            self.given.add(trial.number)
        return trial

    def _propose(self) -> Trial | None:
        number = len(self.trials)
        values = self.search.propose(number, self.trials)
        run_id = self.outside.new_run(number)
        if run_id is None:
            return None
        trial = Trial(number, values, run_id)
        self.trials.append(trial)
        self.journal.began(trial)
        return trial

    def set(self, trial: Trial, status: Status) -> None:
        trial.status, trial.doing = status, ""
        if trial.over:
            self.journal.ended(trial)
        self.outside.watcher(self.trials)

    def busy(self, trial: Trial, doing: str) -> None:
        """What a running trial is doing, which is shown and forgotten."""
        if trial.doing != doing:
            trial.doing = doing
            self.outside.watcher(self.trials)

    def observe(
        self, trial: Trial, epoch: int, value: float, score: float, metrics: dict[str, float], seconds: float
    ) -> None:
        again = trial.curve.get(epoch) == value  # it was told before a kill, and its checkpoint was not yet there
        trial.observe(epoch, value, score, metrics, seconds)
        if not again:
            self.journal.epoch(trial, epoch)
        self.outside.watcher(self.trials)
