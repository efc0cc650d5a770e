"""The loop of a run: it acts as the run's state asks for, in leases of about a second, and tells all that listen."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from dist_bp.errors import DistBpError, Interrupted, TrainingFailed
from dist_bp.messages import one_line
from dist_bp.ps.arena import VersionGone
from dist_bp.ps.lease import Evaluation
from dist_bp.runtime.base import Runtime
from dist_bp.runtime.calls import RayLost
from dist_bp.runtime.failures import LOST
from dist_bp.train.due import checkpoint_due, lease_end, verdict
from dist_bp.train.events import EpochDone, LeaseDone, Listener
from dist_bp.train.faults import Fault
from dist_bp.train.interrupt import InterruptedAgain
from dist_bp.train.lasting import Lasting
from dist_bp.train.meter import scores
from dist_bp.train.outcome import Outcome
from dist_bp.train.recoveries import non_finite_fault
from dist_bp.train.saving import Saver
from dist_bp.train.state import RunState, metrics_of
from dist_bp.train.steering import Steering


class Trainer(Lasting):
    """Drives a runtime, whose committed version is that of `state`, to the end of training."""

    def __init__(
        self, state: RunState, runtime: Runtime, saver: Saver, steering: Steering, listeners: Sequence[Listener]
    ) -> None:
        super().__init__(state, runtime, saver, steering, listeners)
        self._step_seconds: float | None = None
        self._steered: tuple[int, str | None] = 0, None
        """The number of the last epoch that the steering has answered on, and its answer: it stands where that epoch is
        made again."""

    def run(self) -> Outcome:
        """Trains to the end. Raises Interrupted after a checkpoint, TrainingFailed when it cannot go on."""
        with self._saver:
            try:
                self._begin()
                return self.lasting(lambda: self._outcome(self._train()))
            except RayLost as error:
                raise self._rescued(error) from None
            except Exception as error:
                if not isinstance(error, DistBpError):
                    self._keep_what_is_made(error)
                raise
            finally:
                for listener in self._listeners:
                    listener.ended(self._state)

    @contextmanager
    def telling_how_to_go_on(self) -> Iterator[None]:
        """Where Ray is lost in the body without another checkpoint, or a second signal comes, the last one is told of,
        if there is one."""
        try:
            yield
        except (RayLost, InterruptedAgain) as error:
            saved, remedy = self._state.saved, self._saver.remedy
            if saved is None or not remedy or remedy in str(error):
                raise
            raise type(error)(f"{error}; the last checkpoint is of step {saved}; {remedy}") from error

    def evaluate(self, split: str) -> Evaluation:
        """Loss and metrics of the committed version over a split, though workers are lost meanwhile. Raises
        TrainingFailed where too many are; Interrupted where a signal comes while nobody is left."""
        evaluation = self._runtime.evaluate(split, self._replace_lost_or_end)
        self._replace_lost()
        return evaluation

    def _begin(self) -> None:
        state = self._state
        if state.saved is not None:
            for listener in self._listeners:
                listener.resumed(state)

    def _train(self) -> str:
        """Says why training ended."""
        state = self._state
        reason = self._first_verdict()
        while reason is None:
            self._lease()
            self._saver.check()
            reason = self._end_of_lease()
            requested = self._steering.interrupt.requested
            if reason or requested or checkpoint_due(state):
                self._save()
            elif time.monotonic() - self._kept_at > self._job.config.failure.snapshot_seconds:
                self._keep()
            if reason is None and not requested:
                self._grow()
            if requested and reason is None:
                self._saver.finish()
                raise Interrupted(self._ended_message(requested))
            if (trouble := self._runtime.trouble) and reason is None:
                raise RayLost(trouble)
        if not state.epoch_over:
            self._finish_epoch()
        self._saver.finish()
        return reason

    def _first_verdict(self) -> str | None:
        """As that of a lease, if a checkpoint was taken before its epoch could be measured."""
        if not self._state.unmeasured:
            return verdict(self._state) or self._answered
        if reason := self._end_of_lease():
            self._save()
        return reason

    def _lease(self) -> None:
        state, warm = self._state, self._step_seconds is not None
        first, last = state.step, lease_end(state, self._step_seconds, self._runtime.awaiting)
        expected = (last - first) * (self._step_seconds or 0.0)
        self._began = time.perf_counter()
        report = self._runtime.train(first, last, state.rate_factor, expected, state.meter.states)
        seconds = time.perf_counter() - self._began
        lease = LeaseDone(first, report, seconds, state.add(first, report, seconds), warm)
        for listener in self._listeners:
            listener.lease(state, lease)
        if report.steps:
            self._step_seconds = seconds / report.steps
        self._replace_lost()
        if report.non_finite:
            self._recover(non_finite_fault(self._runtime, report.non_finite), last)

    def _replace_lost(self) -> None:
        """Does what is decided about workers that were lost since, and tells who is back. Raises TrainingFailed."""
        for peer, seconds in self._runtime.returns().items():
            for listener in self._listeners:
                listener.joined(self._state, peer.rank, seconds)
        for peer, why in self._runtime.losses().items():
            self._recover(Fault("lost", self._state.step + 1, why, peer.rank), self._state.step)

    def _replace_lost_or_end(self) -> None:
        self._replace_lost()
        requested = self._steering.interrupt.requested
        if requested and not self._runtime.workers:
            self._save_now()
            raise Interrupted(self._ended_message(requested))

    def _end_of_lease(self) -> str | None:
        """Measures an epoch that is over; says why training should end now, the run's own rules before the steering."""
        state = self._state
        over = state.unmeasured
        if over:
            self._finish_epoch()
        if (reason := verdict(state)) or not over:
            return reason
        if state.epoch > self._steered[0]:
            values = metrics_of(state.history[-1])
            answer = self._steering.epoch(state.epoch, values, state.kept, state.seconds, self._save_now)
            self._steered = state.epoch, answer
        return self._answered

    @property
    def _answered(self) -> str | None:
        """What the steering has said of the epoch that ends here."""
        epoch, answer = self._steered
        return answer if self._state.epoch_over and self._state.epoch == epoch else None

    def _finish_epoch(self) -> None:
        job, state = self._job, self._state
        values = {f"train_{name}": value for name, value in scores(state.meter.evaluation(), job.metrics)[0].items()}
        if "validation" in job.splits:
            numbers, _ = scores(self.evaluate("validation"), job.metrics)
            values |= {f"val_{name}": value for name, value in numbers.items()}
        epoch = EpochDone(values, state.meter.timings())
        if state.measured(values):
            state.best = self._runtime.read()
        for listener in self._listeners:
            listener.epoch(state, epoch)

    def _save_now(self) -> Path:
        self._save()
        self._saver.finish()
        return self._saver.newest

    def _rescued(self, lost: RayLost) -> RayLost:
        """Saves the committed version, of before the lease that Ray's end cut short, if it can be read, and says so."""
        try:
            self._save()
            self._saver.finish()
        except (RayLost, VersionGone, *LOST):
            return self._kept(lost)
        except TrainingFailed as error:
            return RayLost(f"{lost}; {error}")
        return RayLost(self._ended_message(f"{lost}. Ended"))

    def _kept(self, lost: RayLost) -> RayLost:
        """The same with what is kept in memory, where the committed version is gone, or not that which the run has
        gone back to, and that is newer than the newest checkpoint."""
        try:
            stored = self._store_newest(lost)
        except TrainingFailed as error:
            return RayLost(str(error))
        return RayLost(self._ended_message(f"{lost}. Ended")) if stored else lost

    def _keep_what_is_made(self, fault: Exception) -> None:
        """Saves what is kept in memory where a fault of dist_bp, or of code that it runs, ends the run in whatever
        state the processes are, which takes nothing that was made; the fault is the one to be told of."""
        if self._given:
            return
        try:
            self._store_newest()
        except Exception as error:
            first, *others = fault.args or ("",)
            fault.args = (f"{first}; nor could a checkpoint be written: {one_line(error)}", *others)

    def _outcome(self, reason: str) -> Outcome:
        snapshot, best = self._runtime.read(), self._state.best
        if best and best.step != self._state.step:
            snapshot = best
            self._runtime.write(snapshot)
        self._given = snapshot
        return Outcome(reason, self._state, snapshot, self._saver.newest)
