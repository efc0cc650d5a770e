"""A run that outlasts what goes wrong with it: what is decided about a fault is done, from points to go back to."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from dist_bp.checkpoint import Checkpoint
from dist_bp.errors import Interrupted, TrainingFailed, UserError
from dist_bp.messages import one_line
from dist_bp.ps.arena import Snapshot, VersionGone
from dist_bp.ps.doorbell import Peer, PeerLost
from dist_bp.runtime.base import Runtime
from dist_bp.runtime.calls import RayLost
from dist_bp.runtime.failures import LOST, ProcessDied
from dist_bp.train.due import round_end
from dist_bp.train.events import LeaseDone, Listener, Recovered
from dist_bp.train.faults import Fault, Recovery, Remedy, Standing, Stop, decide
from dist_bp.train.provenance import Provenance
from dist_bp.train.recoveries import advice, broken, failure
from dist_bp.train.saving import Saver
from dist_bp.train.state import Points, RunState
from dist_bp.train.steering import Steering
from dist_bp.train.waiting import form_once_there_is_room

T = TypeVar("T")


@contextmanager
def _after(why: object) -> Iterator[None]:
    """A checkpoint that cannot be written in the body ends a run that ends anyway: its own reason is told first."""
    try:
        yield
    except TrainingFailed as error:
        raise TrainingFailed("; ".join(filter(None, [str(why), str(error)]))) from error


class Lasting:
    """Holds together a runtime, whose committed version is that of `state`, and those that save and hear of it."""

    def __init__(
        self, state: RunState, runtime: Runtime, saver: Saver, steering: Steering, listeners: Sequence[Listener]
    ) -> None:
        self._state = state
        self._job = state.job
        self._runtime = runtime
        self._saver = saver
        self._steering = steering
        self._listeners = listeners
        state.point = state.point or state.checkpoint(self._job.initial)
        self._kept_at = time.monotonic()
        self._began = time.perf_counter()
        """When the last lease began."""
        self._given: Snapshot | None = None
        """What training has given, once it has ended."""

    def lasting(self, work: Callable[[], T]) -> T:
        """What `work` returns. Where processes are lost without which the others cannot go on, it is done again, from
        the newest point to go back to, with processes formed anew; raises TrainingFailed where it is not to be."""
        lost: ProcessDied | PeerLost | None = None
        while True:
            try:
                if lost:
                    self._salvage()
                    self._recover(broken(lost, self._state.step), self._state.step)
                return work()
            except LOST as error:
                lost = error

    def _recover(self, fault: Fault, last: int) -> None:
        """Does what is decided about a fault in a lease to `last`. Raises TrainingFailed."""
        state, started = self._state, time.perf_counter()
        stood = state.step
        decision = decide(Standing(self._job.config.failure, state.recoveries, state.saved), fault)
        if isinstance(decision, Stop):
            raise self._failure(fault, decision)
        lost: Exception | None = None
        points = Points()
        try:
            points = self._act(decision, fault, last)
        except LOST as error:  # in the middle of that: it counts all the same, so that it is not tried for ever
            lost = error
        seconds = time.perf_counter() - started
        recovery = Recovery(fault, decision, state.step, max(stood - state.step, 0), seconds)
        state.recoveries.append(recovery)
        for listener in self._listeners:
            listener.recovered(state, Recovered(recovery, points))
        if lost:
            raise lost
        if decision == "rollback":  # whoever goes on from there after a kill knows of it, too
            self._save(again=True)
        elif decision == "skip":
            self._keep()

    def _act(self, remedy: Remedy, fault: Fault, last: int) -> Points:
        """Returns the points of the step curves that end within what is skipped."""
        state, runtime = self._state, self._runtime
        if remedy == "replace":
            runtime.replace([Peer("worker", fault.worker or 0)])
        elif remedy == "skip":
            points = state.skip(round_end(state, last))
            runtime.skip(state.step)
            return points
        elif remedy == "rollback":
            runtime.write(state.go_back(self._last_checkpoint(fault)))
        else:
            for listener in self._listeners:
                listener.recovering(state, fault)
            committed = self._given or self._go_back()
            self._end_if_requested()
            self._form_again(self._runtime.reform, fault, committed)
        return Points()

    def _form_again(self, form: Callable[[Snapshot], None], why: object, committed: Snapshot) -> None:
        """Forms the processes anew once there is room. What makes that impossible ends the run after a checkpoint."""
        listeners, state = self._listeners, self._state

        def tell(lacking: str) -> None:
            for listener in listeners:
                listener.waiting(state, lacking)

        try:
            form_once_there_is_room(self._runtime, lambda: self._form(form, committed), tell, self._end_if_requested)
        except UserError as error:
            why = f"{why}; {one_line(error)}"
            if not self._given:
                self._store_point(why)
            raise TrainingFailed(self._ended_message(f"{why}. Ended")) from error

    def _salvage(self) -> None:
        """Where all nodes still have what was made of the lease that was cut short, that counts."""
        state = self._state
        found = self._runtime.salvage()
        if not found:
            return
        report, snapshot = found
        if report.steps:
            first, seconds = state.step, time.perf_counter() - self._began
            done = LeaseDone(first, report, seconds, state.add(first, report, seconds), warm=False)
            for listener in self._listeners:
                listener.lease(state, done)
        state.point = state.checkpoint(snapshot)

    def _grow(self) -> None:
        """Forms the processes anew as soon as there is room for more of them than there are; whatever is wrong with
        that, it costs but the time."""
        try:
            if not self._runtime.may_grow:
                return
        except Exception as error:
            self._tell_stayed(error)
            return
        self._keep()
        try:
            self._form(self._runtime.grow, self._go_back())
        except (RayLost, Interrupted):
            raise
        except Exception as error:
            self._tell_stayed(error)
            self._form_again(self._runtime.stay, "there are no more workers", self._go_back())

    def _tell_stayed(self, why: Exception) -> None:
        for listener in self._listeners:
            listener.stayed(self._state, why)

    def _form(self, form: Callable[[Snapshot], None], committed: Snapshot) -> None:
        state, runtime = self._state, self._runtime
        before = runtime.formed
        try:
            form(committed)
        except Interrupted:
            self._end_if_requested()
            raise
        state.provenance = Provenance.of(self._job, runtime)
        if runtime.formed != before:
            for listener in self._listeners:
                listener.formed(state, runtime.formed)

    def _last_checkpoint(self, fault: Fault) -> Checkpoint:
        try:
            return self._saver.last()
        except TrainingFailed as error:
            raise TrainingFailed(f"{fault}; that update was not applied; {error}") from error

    def _go_back(self) -> Snapshot:
        """To the newest point that is kept in memory; returns its version."""
        assert self._state.point
        return self._state.go_back(self._state.point)

    def _end_if_requested(self) -> None:
        """Ends a run that has gone back to a point where a signal has come. Raises Interrupted after a checkpoint."""
        if requested := self._steering.interrupt.requested:
            self._store_point(requested)
            raise Interrupted(self._ended_message(requested))

    def _failure(self, fault: Fault, stop: Stop) -> TrainingFailed:
        why = failure(fault, stop, self._state.recoveries)
        with _after(why):
            if stop.saves:
                if fault.kind != "broken":
                    self._save()
                elif not self._given:
                    self._go_back()
                    self._store_point()
                why = self._ended_message(f"{why}. Ended")
            self._saver.finish()
        return TrainingFailed(f"{why}. {advice(fault, stop)}")

    def _save(self, again: bool = False) -> None:
        """Takes a checkpoint of the committed version, if there is none or it is to be taken again; it is written while
        training goes on."""
        if self._state.saved == self._state.step and not again:
            return
        self._saver.finish()  # so that no more than one snapshot waits for the disk
        self._store(self._keep())

    def _keep(self) -> Checkpoint:
        """Makes where the run stands the point to go back to. Raises VersionGone where the run has gone back, and the
        processes have not followed yet."""
        state, snapshot = self._state, self._runtime.read()
        if snapshot.step != state.step:
            raise VersionGone(f"the processes are at step {snapshot.step}, the run is at step {state.step}")
        state.point = point = state.checkpoint(snapshot)
        self._kept_at = time.monotonic()
        return point

    def _store(self, checkpoint: Checkpoint) -> None:
        """Begins to write the checkpoint of where the run stands."""
        for listener in self._listeners:
            listener.saving(self._state)
        self._saver.save(checkpoint, checkpoint.metrics.get(self._job.config.checkpoint.monitor))
        self._state.saved = self._state.step

    def _store_point(self, why: object = "") -> None:
        """Writes the point that the run has gone back to, unless it is the newest checkpoint already. Raises
        TrainingFailed where that cannot be, which tells `why` it was to be first."""
        with _after(why):
            if self._state.point and self._state.saved != self._state.step:
                self._store(self._state.point)
            self._saver.finish()

    def _store_newest(self, why: object = "") -> bool:
        """Goes back to the point that is kept in memory and writes it; False where the newest checkpoint is as new."""
        self._go_back()
        if self._state.step <= (self._state.saved or 0):
            return False
        self._store_point(why)
        return True

    def _ended_message(self, why: str) -> str:
        return "; ".join(filter(None, [f"{why} after step {self._state.step}: checkpoint saved", self._saver.remedy]))
