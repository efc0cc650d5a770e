"""Where a run stands: all that a checkpoint holds beside the committed version, and how it comes back from there."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from dist_bp.checkpoint import Checkpoint, check_matches
from dist_bp.errors import CheckpointError
from dist_bp.foreign import checked
from dist_bp.messages import one_line
from dist_bp.metrics import Metric
from dist_bp.metrics.base import merged
from dist_bp.metrics.best_threshold import THRESHOLD
from dist_bp.ps.arena import Snapshot
from dist_bp.ps.owed import debts_of
from dist_bp.runtime.lease_report import LeaseReport
from dist_bp.runtime.plan import state_names
from dist_bp.train.course import Course, CourseFacts, check_same_course
from dist_bp.train.faults import Recovery, lowered
from dist_bp.train.meter import EpochMeter, StepLog
from dist_bp.train.provenance import Provenance
from dist_bp.train.setup import PreparedJob
from dist_bp.train.telling import KEPT, some
from dist_bp.train.trail import Trail
from dist_bp.types import Array

BEST = "best/"
OWED = "owed/"
Points = list[tuple[int, dict[str, float]]]
"""Values by name, and the step of which they are."""


class RunState:
    """Where the run of a job stands after `step` updates; everything in it is in a checkpoint, too.

    `seconds` are those of training and `samples` those trained on so far; `history` has a row for each epoch that was
    measured. `best` is the version that is given back where it is not the last, `texts` are what a language model has
    told, by epoch. `trail` is what the steps can be compared by, `provenance` what computes them, once that is there.
    `run_id` is the run that it is recorded in, `saved` the step of the newest checkpoint, and `point` the newest of the
    points to go back to, kept in memory.
    """

    def __init__(self, job: PreparedJob) -> None:
        self.job = job
        self.step = 0
        self.seconds = 0.0
        self.samples = 0
        self.stopping = job.stopping()
        self.plateau = job.plateau()
        self.meter = EpochMeter(job.metrics)
        self.window = StepLog(job.log_every)
        self.trail = Trail()
        self.history: list[dict[str, float]] = []
        self.best: Snapshot | None = None
        self.course = Course()
        self.provenance: Provenance | None = None
        self.texts: dict[int, str] = {}
        self.run_id = ""
        self.saved: int | None = None
        self.point: Checkpoint | None = None
        self.recoveries: list[Recovery] = []

    @property
    def folder(self) -> Path:
        """For all files of the run."""
        config = self.job.config
        return Path(config.checkpoint.directory, self.run_id or config.name)

    @property
    def epoch(self) -> int:
        """The number of the epoch that the last step belongs to, from 1."""
        return -(-self.step // self.job.steps_per_epoch)

    @property
    def epoch_over(self) -> bool:
        return self.step % self.job.steps_per_epoch == 0

    @property
    def unmeasured(self) -> bool:
        """Whether an epoch has all its steps and no row yet."""
        return self.epoch_over and self.step > (self.history[-1]["step"] if self.history else 0)

    @property
    def rate_factor(self) -> float:
        """By which the scheduled learning rate is multiplied now."""
        return (self.plateau.current if self.plateau else 1.0) * lowered(self.recoveries)

    @property
    def kept_step(self) -> int:
        """The step of the parameters that would be given back now."""
        return self.best.step if self.best else self.step

    @property
    def kept(self) -> dict[str, float]:
        """Their metrics, by monitor name; none of parameters within an epoch."""
        return self._measured_at(self.kept_step)

    def add(self, first: int, report: LeaseReport, seconds: float) -> Points:
        """Takes a lease that began at step `first`; returns the points of the step curves that end within it."""
        self.step += report.steps
        self.seconds += seconds
        self.samples += int(report.counts.sum())
        self.meter.add(report, seconds)
        self.trail.add(report.losses, report.weights, self.job.batches)
        return list(self.window.add(first, report))

    def skip(self, last: int) -> Points:
        """Counts the steps up to `last` as done, of which no update was made; returns points as `add`."""
        points = list(self.window.skip(self.step, last))
        self.trail.add(np.full(last - self.step, np.nan), np.ones(last - self.step), self.job.batches)
        self.step = last
        return points

    def measured(self, values: Mapping[str, float]) -> bool:
        """Takes the values of the epoch that ends here; returns whether it is the best so far, and to be kept."""
        job = self.job
        self.history.append({"epoch": self.epoch, "step": self.step, **values})
        self.meter = EpochMeter(job.metrics)
        if self.plateau and (watched := values.get(job.plateau_monitor)) is not None:
            self.plateau.observe(watched)
        monitored = values.get(job.config.train.stop.monitor)
        return monitored is not None and self.stopping.observe(monitored, self.step) and job.restores_best

    def checkpoint(self, committed: Snapshot) -> Checkpoint:
        """The run as it stands, with the committed version; `restored` is the way back."""
        epoch, inside = divmod(self.step, self.job.steps_per_epoch)
        if self.unmeasured:
            epoch, inside = epoch - 1, self.job.steps_per_epoch
        best, arrays = self.best, self.trail.arrays() | (self.meter.arrays() if inside else {})
        arrays |= {f"{OWED}{name}": array for name, array in committed.owed.items()}
        if best and best.step != self.step:
            arrays |= {f"{BEST}parameters": best.parameters, f"{BEST}statistics": best.statistics}
            arrays |= {f"{BEST}step": np.array(best.step)}
        return self.job.checkpoint(
            committed,
            threshold=self.history[-1].get(f"val_{THRESHOLD}") if self.history else None,
            run_id=self.run_id,
            epoch=epoch,
            step_in_epoch=inside,
            metrics=self._measured_at(self.step),
            progress=arrays,
            history=tuple(self.history),
            loop_state={
                "stopping": self.stopping.state(),
                "plateau": self.plateau.state() if self.plateau else None,
                "seconds": self.seconds,
                "samples": self.samples,
                "window": self.window.state(),
                "course": self.course.state(),
                "texts": some(self.texts, KEPT),
                "recoveries": [asdict(recovery) for recovery in self.recoveries],
                **(self.provenance.state() if self.provenance else {}),
            },
        )

    @classmethod
    def restored(cls, job: PreparedJob, checkpoint: Checkpoint) -> tuple["RunState", Snapshot]:
        """The run as the checkpoint has it, and the committed version.

        Raises CheckpointError, naming each difference, where the checkpoint is of another model or data, and where the
        rest of the run would not go on from where it stands.
        """
        committed, best = _versions(job, checkpoint)
        if checkpoint.config != job.rendered:  # the same text needs no reading, which takes longer than all else here
            check_same_course(checkpoint, job.config)
        kept, state = _loop_state(checkpoint, job.metrics), cls(job)
        state.step = state.saved = committed.step
        state.seconds, state.samples = kept.seconds, kept.samples
        state.stopping.restore(vars(kept.stopping))
        if state.plateau and kept.plateau:
            state.plateau.restore(vars(kept.plateau))
        if checkpoint.step_in_epoch:
            state.meter.restore(checkpoint.progress)
        state.window.restore(vars(kept.window))
        state.trail = Trail.of(checkpoint.progress, checkpoint.step)
        state.history = list(checkpoint.history)
        if job.restores_best and (best or state.stopping.best_step == committed.step):
            state.best = best or committed
        state.course, state.texts, state.run_id = Course.of(kept.course), kept.texts, checkpoint.run_id
        state.recoveries = [*kept.recoveries]
        state.point = checkpoint
        return state, committed

    def go_back(self, checkpoint: Checkpoint) -> Snapshot:
        """Takes all from an earlier checkpoint of the run but what has been since and stays: the time that it took,
        what it has recovered from and what computes it. Returns the committed version."""
        before, committed = RunState.restored(self.job, checkpoint)
        before.seconds, before.recoveries, before.saved = self.seconds, self.recoveries, self.saved
        before.course, before.run_id, before.provenance = self.course, self.run_id, self.provenance
        before.texts = {epoch: text for epoch, text in self.texts.items() if epoch <= before.epoch}
        vars(self).update(vars(before))
        return committed

    def _measured_at(self, step: int) -> dict[str, float]:
        return metrics_of(next((row for row in reversed(self.history) if row["step"] == step), {}))


def metrics_of(row: Mapping[str, float]) -> dict[str, float]:
    """What was measured of an epoch, by monitor name; `row` is one of a history."""
    return {name: value for name, value in row.items() if name not in ("epoch", "step")}


@dataclass(frozen=True)
class Watched:
    """How far the monitored value of `train.stop` had come."""

    best: float | None
    best_step: int
    waited: int


@dataclass(frozen=True)
class Reduced:
    """How far the schedule `plateau` had come."""

    best: float | None
    waited: int
    factor: float


@dataclass(frozen=True)
class Window:
    """Sums over the steps since the last point of the step curves."""

    loss: float
    weight: float


@dataclass(frozen=True)
class LoopState:
    """What a checkpoint's `loop_state` has to be; what has a default was not in it from the beginning."""

    stopping: Watched
    plateau: Reduced | None
    seconds: float
    samples: int
    window: Window = Window(0.0, 0)
    course: CourseFacts = ("", ())
    texts: dict[int, str] = field(default_factory=dict)
    recoveries: tuple[Recovery, ...] = ()


def _loop_state(checkpoint: Checkpoint, metrics: Mapping[str, Metric]) -> LoopState:
    """Raises CheckpointError where the checkpoint has another, or cannot be one in the middle of a run."""
    try:
        for row in checkpoint.history:
            if missing := {"epoch", "step", "train_loss"} - row.keys():
                raise ValueError(f"a row of its history has no {', '.join(sorted(missing))}")
        Trail.of(checkpoint.progress, checkpoint.step)
        if checkpoint.step_in_epoch:
            _check_sums(checkpoint, metrics)
        state: LoopState = checked(LoopState, checkpoint.loop_state)
    except ValueError as error:
        raise CheckpointError(f"no run goes on from this checkpoint: {error}") from None
    return state


def _check_sums(checkpoint: Checkpoint, metrics: Mapping[str, Metric]) -> None:
    """The sums of the epoch that is not over are such as its further steps can be added to. Raises ValueError."""
    meter = EpochMeter(metrics)
    try:
        meter.restore(checkpoint.progress)
        merged(metrics, [{name: metric.empty() for name, metric in metrics.items()}, meter.evaluation().metrics])
    except (LookupError, TypeError, ValueError) as error:
        raise ValueError(f"the sums of its epoch are not what they should be: {one_line(error)}") from error


def _versions(job: PreparedJob, checkpoint: Checkpoint) -> tuple[Snapshot, Snapshot | None]:
    """The committed version and, where it is another one, the best one so far. Raises CheckpointError."""
    model = job.model
    check_matches(
        checkpoint,
        parameters=model.layout.shapes,
        statistics=model.statistics_layout.shapes,
        dtype=job.config.model.dtype,
        data_digest=job.prepared.digest,
        slots=state_names(job.config, job.updater),
    )
    owed = {name.removeprefix(OWED): array for name, array in checkpoint.progress.items() if name.startswith(OWED)}
    try:
        debts_of(owed, model.layout.size)
    except ValueError as error:
        raise CheckpointError(f"no run goes on from this checkpoint: {error}") from None
    committed = Snapshot(
        checkpoint.step,
        model.layout.flat(checkpoint.parameters, model.dtype),
        model.statistics_layout.flat(checkpoint.statistics, model.dtype),
        checkpoint.optimizer,
        owed,
    )
    if f"{BEST}step" not in checkpoint.progress:
        return committed, None
    shapes = {"step": (), "parameters": committed.parameters.shape, "statistics": committed.statistics.shape}
    kept: dict[str, Array] = {name: checkpoint.progress.get(BEST + name, np.empty(0)) for name in shapes}
    if any(kept[name].shape != shape for name, shape in shapes.items()):
        raise CheckpointError("no run goes on from this checkpoint: its best parameters are of another model")
    return committed, Snapshot(int(kept["step"]), kept["parameters"], kept["statistics"], checkpoint.optimizer)
