"""All trials of a running sweep: what has been proposed, what runs, and when it is enough."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from dist_bp.sweep.journal import Journal
from dist_bp.sweep.search import Search
from dist_bp.sweep.trial import Status, Trial

Watcher = Callable[[Sequence[Trial]], None]


@dataclass
class Study:
    """The trials in the order of their numbers; every change is journaled and shown.

    `new_run` makes the MLflow run of a trial; `warn` is told what people should know.
    """

    search: Search
    journal: Journal
    new_run: Callable[[int], str]
    watcher: Watcher
    warn: Callable[[str], None]
    max_concurrent: int | None
    max_failures: int
    interrupted: Callable[[], bool]
    trials: list[Trial] = field(default_factory=list)
    given: set[int] = field(default_factory=set)
    """Numbers of the trials that this process has begun, or has gone on with."""
    error: Exception | None = None

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
    def _cut_off(self) -> Trial | None:
        """The first trial of an earlier process that has yet to go on."""
        return next((trial for trial in self.trials if not trial.over and trial.number not in self.given), None)

    @property
    def failures(self) -> int:
        return sum(trial.status == "failed" for trial in self.trials)

    @property
    def ended_early(self) -> bool:
        return self.interrupted() or self.error is not None or self.failures > self.max_failures

    def of(self, run_id: str) -> Trial:
        """The trial with this MLflow run, by which Tune calls it."""
        return next(trial for trial in self.trials if trial.run_id == run_id)

    def population(self) -> list[Trial]:
        """All trials that have not ended, proposed at once."""
        while len(self.trials) < self.search.total:
            self._propose()
        left = [trial for trial in self.trials if not trial.over]
        self.given.update(trial.number for trial in left)
        return left

    def next(self) -> Trial | None:
        """The next trial to begin, or to go on with; None where all have begun."""
        if self.all_given:
            return None
        trial = self._cut_off or self._propose()
        self.given.add(trial.number)
        return trial

    def _propose(self) -> Trial:
        number = len(self.trials)
        trial = Trial(number, self.search.propose(number, self.trials), self.new_run(number))
        self.trials.append(trial)
        self.journal.began(trial)
        return trial

    def set(self, trial: Trial, status: Status) -> None:
        trial.status = status
        if trial.over:
            self.journal.ended(trial)
        self.watcher(self.trials)

    def observe(self, trial: Trial, epoch: int, score: float, metrics: dict[str, float], seconds: float) -> None:
        trial.observe(epoch, score, metrics, seconds)
        self.journal.epoch(trial)
        self.watcher(self.trials)
