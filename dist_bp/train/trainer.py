"""The loop of a run: leases of about a second, epochs, evaluation, stopping rules, checkpoints."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from dist_bp.checkpoint import CheckpointStore, Found
from dist_bp.errors import DataError, Interrupted, TrainingFailed
from dist_bp.metrics.best_threshold import THRESHOLD
from dist_bp.ps.arena import Snapshot, VersionGone
from dist_bp.runtime.base import LeaseReport, Runtime
from dist_bp.runtime.calls import RayLost
from dist_bp.runtime.ray_job import again
from dist_bp.track.port import DESCRIPTION, Tracker
from dist_bp.train.course import Course
from dist_bp.train.describe import describe_begin
from dist_bp.train.due import checkpoint_due, lease_end
from dist_bp.train.interrupt import Interrupt
from dist_bp.train.meter import TIMES, EpochMeter, StepLog, mean, scores
from dist_bp.train.models import CheckpointModels, curves
from dist_bp.train.observer import Observer, Progress
from dist_bp.train.outcome import MAX_SECONDS, Outcome, non_finite_message
from dist_bp.train.saving import Saver
from dist_bp.train.setup import PreparedJob
from dist_bp.train.state import loop_state
from dist_bp.train.steering import Steering
from dist_bp.train.straggler import StragglerWatch
from dist_bp.train.telling import KEPT, some, teller_of, told_line
from dist_bp.train.trace import TraceFile


class Trainer:
    """Drives a runtime from a committed version to the end of training.

    Everything that a later resume needs is in `checkpoint()`; `restore()` takes it back. `texts` takes what a language
    model tells, by epoch.
    """

    def __init__(
        self,
        job: PreparedJob,
        runtime: Runtime,
        tracker: Tracker,
        store: CheckpointStore,
        models: CheckpointModels | None,
        observer: Observer,
        interrupt: Interrupt,
        trace: TraceFile | None = None,
        steering: Steering | None = None,
        texts: dict[int, str] | None = None,
    ) -> None:
        self._job = job
        self._runtime = runtime
        self._tracker = tracker
        # of a trial nothing: it goes on with its sweep, and would leave that by itself
        self._remedy = "" if steering else f"go on with {again(tracker.run_id or 'auto')}"
        self._saver = Saver(store, tracker, models, self._remedy)
        self._observer = observer
        self._interrupt = interrupt
        self._trace = trace
        self._steering = steering
        self._watch = StragglerWatch()
        self._stopping = job.stopping()
        self._plateau = job.plateau()
        self._meter = EpochMeter(job.metrics)
        self._log = StepLog(job.log_every)
        self._step = 0
        self._seconds = 0.0
        self._samples = 0
        self._step_seconds: float | None = None
        self._leases = 0
        self._best: Snapshot | None = None
        self._history: list[dict[str, float]] = []
        self._saved_at: int | None = None
        self._course = Course()
        self._teller = teller_of(job)
        self._texts = {} if texts is None else texts

    def run(self) -> Outcome:
        """Trains to the end. Raises Interrupted after a checkpoint, TrainingFailed when it cannot go on."""
        with self._saver:
            try:
                return self._run()
            except RayLost as error:
                raise self._rescued(error) from None

    @contextmanager
    def telling_how_to_go_on(self) -> Iterator[None]:
        """Where Ray is lost in the body without another checkpoint, the last one is told of."""
        try:
            yield
        except RayLost as error:
            if self._saved_at is None or not self._remedy or self._remedy in str(error):
                raise
            raise RayLost(f"{error}; the last checkpoint is of step {self._saved_at}; {self._remedy}") from error

    def _run(self) -> Outcome:
        reason = self._first_verdict()
        while reason is None:
            self._lease()
            self._saver.check()
            reason = self._end_of_lease()
            requested = self._interrupt.requested
            ends = reason or requested
            if self._saved_at != self._step and (ends or checkpoint_due(self._job, self._step)):
                self.save()
            if requested and reason is None:
                self._saver.finish()
                raise Interrupted(self._ended_message(requested))
            if (trouble := self._runtime.trouble) and reason is None:
                raise RayLost(trouble)
        if self._step % self._job.steps_per_epoch:
            self._finish_epoch()
        self._saver.finish()
        return self._outcome(reason)

    def _first_verdict(self) -> str | None:
        """As that of a lease, if a checkpoint was taken before its epoch could be measured."""
        if not self._unmeasured:
            return self._verdict()
        if reason := self._end_of_lease():
            self.save()
        return reason

    @property
    def _unmeasured(self) -> bool:
        """Whether an epoch has all its steps and no row yet."""
        measured = self._history[-1]["step"] if self._history else 0
        return self._step % self._job.steps_per_epoch == 0 and self._step > measured

    def _rescued(self, lost: RayLost) -> RayLost:
        """Saves the committed version, of before the lease that Ray's end cut short, if it can be read, and says so."""
        try:
            if self._saved_at != self._step:
                self.save()
            self._saver.finish()
        except (RayLost, VersionGone):
            return lost
        except TrainingFailed as error:
            return RayLost(f"{lost}; {error}")
        return RayLost(self._ended_message(f"{lost}. Ended"))

    def _end_of_lease(self) -> str | None:
        """Measures an epoch that is over; says why training should end now, the run's own rules before the steering."""
        over = self._step % self._job.steps_per_epoch == 0
        if over:
            self._finish_epoch()
        reason = self._verdict()
        if reason or not over or self._steering is None:
            return reason
        row = self._history[-1]
        return self._steering.epoch(int(row["epoch"]), _metrics(row), self._kept, self._seconds, self._save_now)

    @property
    def _kept_step(self) -> int:
        """The step of the parameters that would be given back now."""
        return self._best.step if self._best else self._step

    @property
    def _kept(self) -> dict[str, float]:
        """Their metrics, by monitor name; none of parameters within an epoch."""
        return _metrics(next((row for row in reversed(self._history) if row["step"] == self._kept_step), {}))

    def _save_now(self) -> Path:
        if self._saved_at != self._step:
            self.save()
        self._saver.finish()
        return self._saver.newest

    def _lease(self) -> None:
        first, last = self._step, lease_end(self._job, self._step, self._seconds, self._step_seconds)
        expected = (last - first) * (self._step_seconds or 0.0)
        started = time.perf_counter()
        factor = self._plateau.current if self._plateau else 1.0
        report = self._runtime.train(first, last, factor, expected)
        seconds = time.perf_counter() - started
        self._step += report.steps
        self._leases += 1
        self._meter.add(report, seconds)
        self._seconds += seconds
        self._samples += int(report.counts.sum())
        for step, values in self._log.add(first, report):
            self._tracker.log(step, values)
        self._write_trace(first, report)
        if report.non_finite:
            raise TrainingFailed(non_finite_message(self._runtime, report.non_finite))
        warm = self._step_seconds is not None  # the first step of a process says nothing about the next ones
        self._step_seconds = seconds / report.steps
        self._observer.progress(self._progress(report, seconds))
        if warm and (line := self._watch.add(report.workers, seconds)):
            self._observer.note(f"{line} (step {self._step})")

    def _write_trace(self, first: int, report: LeaseReport) -> None:
        try:
            if self._trace:
                self._trace.add(first, report)
        except OSError as error:
            self._observer.warn(f"the file of --trace cannot be written ({error.strerror}): it ends at step {first}")
            self._trace = None

    def _finish_epoch(self) -> None:
        job = self._job
        epoch = -(-self._step // job.steps_per_epoch)
        values = {f"train_{name}": value for name, value in scores(self._meter.evaluation(), job.metrics)[0].items()}
        if "validation" in job.splits:
            numbers, _ = scores(self._runtime.evaluate("validation"), job.metrics)
            values |= {f"val_{name}": value for name, value in numbers.items()}
        timing = self._meter.timings() | {f"{TIMES}samples_per_second": self._meter.count / self._meter.seconds}
        self._tracker.log(self._step, curves(values) | timing)
        self._history.append({"epoch": epoch, "step": self._step, **values})
        self._meter = EpochMeter(job.metrics)
        if self._plateau and (watched := values.get(job.plateau_monitor)) is not None:
            self._plateau.observe(watched)
        monitored = values.get(job.config.train.stop.monitor)
        if monitored is not None and self._stopping.observe(monitored, self._step) and job.restores_best:
            self._best = self._runtime.read()
        if self._kept_step == self._step:
            self._tracker.log(self._step, values)
        self._observer.epoch(epoch, values)
        self._tell(epoch)

    def _tell(self, epoch: int) -> None:
        """What a language model makes of a text now; it is worth no run that it fails."""
        if self._teller is None:
            return
        prompt = self._teller.prompt.text
        try:
            text = self._teller(self._runtime.read())
        except DataError as error:
            self._observer.note(f"epoch {epoch}: no text: {error}")
            return
        self._show({epoch: prompt + text})
        self._observer.note(told_line(epoch, prompt, text))

    def _show(self, texts: Mapping[int, str]) -> None:
        """Puts them beside those that the run's page has already."""
        for epoch, text in texts.items():
            self._texts[epoch] = text
            self._tracker.log_text(f"texts/epoch-{epoch:04}.txt", text)
        if texts:
            self._tracker.log_tags({DESCRIPTION: describe_begin(self._job, self._course, self._texts)})

    def _verdict(self) -> str | None:
        job, stop = self._job, self._job.config.train.stop
        at_epoch_end = self._step % job.steps_per_epoch == 0
        if at_epoch_end and (verdict := self._stopping.verdict):
            return verdict
        if self._step >= job.total_steps:
            return "all epochs done" if at_epoch_end and stop.max_steps != self._step else "max_steps reached"
        if stop.max_seconds and self._seconds >= stop.max_seconds:
            return MAX_SECONDS
        return None

    def save(self) -> None:
        """Takes a checkpoint of the committed version; it is written while training goes on."""
        job = self._job
        self._saver.finish()  # so that no more than one snapshot waits for the disk
        epoch, inside = divmod(self._step, job.steps_per_epoch)
        if self._unmeasured:
            epoch, inside = epoch - 1, job.steps_per_epoch
        last = self._history[-1] if self._history else {}
        values = _metrics(last) if last.get("step") == self._step else {}
        best = self._best
        checkpoint = job.checkpoint(
            self._runtime.read(),
            best=best if best and best.step != self._step else None,
            run_id=self._tracker.run_id,
            epoch=epoch,
            step_in_epoch=inside,
            metrics=values,
            threshold=last.get(f"val_{THRESHOLD}"),
            progress=self._meter.arrays() if inside else {},
            history=tuple(self._history),
            loop_state={
                "stopping": self._stopping.state(),
                "plateau": self._plateau.state() if self._plateau else None,
                "seconds": self._seconds,
                "samples": self._samples,
                "window": self._log.state(),
                "course": self._course.state(),
                "texts": some(self._texts, KEPT),
            },
        )
        self._saver.save(checkpoint, values.get(job.config.checkpoint.monitor))
        self._saved_at = self._step

    def restore(self, found: Found, course: Course) -> None:
        """Takes everything back from a checkpoint, the committed version included.

        The tracker is told of all epochs again: where it has them already, it records none twice.
        """
        checkpoint, self._saver.newest = found.checkpoint, found.path
        snapshot, best = self._job.snapshots(checkpoint)
        self._runtime.write(snapshot)
        state = loop_state(checkpoint, self._job.metrics)
        self._step = self._saved_at = snapshot.step
        self._stopping.restore(asdict(state.stopping))
        if self._plateau and state.plateau:
            self._plateau.restore(asdict(state.plateau))
        self._history = list(checkpoint.history)
        self._seconds, self._samples = state.seconds, state.samples
        self._log.restore(asdict(state.window))
        if checkpoint.step_in_epoch:
            self._meter.restore(checkpoint.progress)
        if self._job.restores_best and (best or self._stopping.best_step == snapshot.step):
            self._best = best or snapshot
        self._course = course
        for row in self._history:
            self._tracker.log(int(row["step"]), curves(_metrics(row)))
        self._tracker.log(self._kept_step, self._kept)
        self._show(state.texts)

    def _outcome(self, reason: str) -> Outcome:
        snapshot = self._runtime.read()
        if self._best and self._best.step != self._step:
            snapshot = self._best
            self._runtime.write(snapshot)
        return Outcome(
            reason=reason,
            snapshot=snapshot,
            step=self._step,
            epoch=-(-self._step // self._job.steps_per_epoch),
            best_step=self._best.step if self._best else None,
            checkpoint=self._saver.newest,
            seconds=self._seconds,
            samples=self._samples,
            history=self._history,
            metrics=self._kept,
            course=self._course,
            texts=self._texts,
        )

    def _progress(self, report: LeaseReport, seconds: float) -> Progress:
        job = self._job
        left = None
        if self._leases > 1:  # the first, a single step of processes that have just begun, tells nothing of the others
            left = max((job.total_steps - self._step) * seconds / report.steps, 0.0)
            if limit := job.config.train.stop.max_seconds:
                left = max(min(left, limit - self._seconds), 0.0)
        return Progress(
            epoch=-(-self._step // job.steps_per_epoch),
            epochs=job.epochs,
            step=self._step,
            total_steps=job.total_steps,
            loss=mean(float(report.losses.sum()), float(report.weights.sum())),
            samples_per_second=float(report.counts.sum()) / seconds,
            seconds_left=left,
        )

    def _ended_message(self, why: str) -> str:
        return "; ".join(filter(None, [f"{why} after step {self._step}: checkpoint saved", self._remedy]))


def _metrics(row: dict[str, float]) -> dict[str, float]:
    """What was measured of an epoch, by monitor name."""
    return {name: value for name, value in row.items() if name not in ("epoch", "step")}
