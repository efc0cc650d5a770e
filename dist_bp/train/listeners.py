"""Those that listen to a run: the tracker, whoever watches, the file of `--trace`, a language model that tells."""

from collections.abc import Callable, Iterable, Mapping

from dist_bp.errors import DataError, DistBpError
from dist_bp.messages import one_line
from dist_bp.ps.arena import Snapshot
from dist_bp.runtime.base import Runtime
from dist_bp.track.port import DESCRIPTION, Tracker
from dist_bp.train import recoveries
from dist_bp.train.describe import describe_begin
from dist_bp.train.events import EpochDone, LeaseDone, Listener, Recovered
from dist_bp.train.faults import Fault
from dist_bp.train.meter import mean
from dist_bp.train.models import curves
from dist_bp.train.observer import Observer, Progress
from dist_bp.train.state import RunState, metrics_of
from dist_bp.train.straggler import StragglerWatch
from dist_bp.train.telling import Teller, teller_of, told_line
from dist_bp.train.trace import TraceFile


def listeners(
    state: RunState, runtime: Runtime, tracker: Tracker, observer: Observer, trace: TraceFile | None
) -> list[Listener]:
    """All that there are of a run."""
    may_go_back = state.job.config.failure.non_finite == "rollback"
    found: list[Listener] = [Recorder(tracker, may_go_back), Watched(observer)]
    if trace:
        found.append(Tracing(trace, observer))
    if teller := teller_of(state.job):
        found.append(Telling(teller, runtime.read, tracker, observer))
    return found


class Recorder(Listener):
    """Gives the tracker the points of all curves, and as metrics by monitor name those of what would be given back.

    A tracker takes no point back: where the run `may_go_back` and make other values of the same steps, those since the
    newest checkpoint wait for the next. Of steps that are made again all the same the first points stand, so that each
    has one.
    """

    def __init__(self, tracker: Tracker, may_go_back: bool) -> None:
        self._tracker = tracker
        self._waits = may_go_back
        self._waiting: list[tuple[int, Mapping[str, float]]] = []
        self._told: dict[str, int] = {}
        """The last step of each curve."""

    def resumed(self, state: RunState) -> None:
        """All epochs again: where the tracker has them already, it records none twice."""
        for row in state.history:
            self._tracker.log(int(row["step"]), curves(metrics_of(row)))
        self._tracker.log(state.kept_step, state.kept)

    def lease(self, state: RunState, lease: LeaseDone) -> None:
        self._log(lease.points)

    def recovered(self, state: RunState, event: Recovered) -> None:
        self._waiting = [point for point in self._waiting if point[0] <= event.recovery.after]
        self._log(event.points)
        recoveries.record(state.recoveries, self._tracker)

    def joined(self, state: RunState, worker: int, seconds: float | None) -> None:
        if seconds is not None:
            self._tracker.log(state.step, {"system/replaced_after_seconds": seconds})

    def epoch(self, state: RunState, epoch: EpochDone) -> None:
        self._log([(state.step, {**curves(epoch.values), **epoch.timings})])
        if state.kept_step == state.step:
            self._log([(state.step, epoch.values)])

    def saving(self, state: RunState) -> None:
        self._waiting = [point for point in self._waiting if point[0] <= state.step]
        self._release()

    def ended(self, state: RunState) -> None:
        self._release()

    def _log(self, points: Iterable[tuple[int, Mapping[str, float]]]) -> None:
        self._waiting += points
        if not self._waits:
            self._release()

    def _release(self) -> None:
        waiting, self._waiting = self._waiting, []
        for step, values in waiting:
            new = {name: value for name, value in values.items() if step > self._told.get(name, -1)}
            self._told |= dict.fromkeys(new, step)
            if new:
                self._tracker.log(step, new)


class Watched(Listener):
    """Tells an observer how far the run is, and which worker holds the others up."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._stragglers = StragglerWatch()

    def lease(self, state: RunState, lease: LeaseDone) -> None:
        if not lease.report.steps:
            return
        self._observer.progress(progress(state, lease))
        if lease.warm and (line := self._stragglers.add(lease.report.workers, lease.seconds)):
            self._observer.note(f"{line} (step {state.step})")

    def recovering(self, state: RunState, fault: Fault) -> None:
        self._observer.warn(recoveries.begun(fault))

    def recovered(self, state: RunState, event: Recovered) -> None:
        self._observer.warn(recoveries.told(event.recovery))

    def formed(self, state: RunState, what: str) -> None:
        self._observer.note(f"{what} from step {state.step + 1} on")

    def waiting(self, state: RunState, lacking: str) -> None:
        self._observer.warn(recoveries.waiting(lacking))

    def stayed(self, state: RunState, why: Exception) -> None:
        ours = isinstance(why, DistBpError)
        what = "though there seemed to be room for them" if ours else "by a fault of dist_bp or of code that it runs"
        self._observer.warn(f"no more workers, {what}: {one_line(why)}")

    def joined(self, state: RunState, worker: int, seconds: float | None) -> None:
        self._observer.note(recoveries.joined(worker, seconds))

    def epoch(self, state: RunState, epoch: EpochDone) -> None:
        self._observer.epoch(state.epoch, dict(epoch.values))


class Tracing(Listener):
    """Writes each lease into a file, until that cannot be written any more."""

    def __init__(self, trace: TraceFile, observer: Observer) -> None:
        self._trace: TraceFile | None = trace
        self._observer = observer

    def lease(self, state: RunState, lease: LeaseDone) -> None:
        try:
            if self._trace:
                self._trace.add(lease.first, lease.report)
        except OSError as error:
            what = f"the file of --trace cannot be written ({error.strerror})"
            self._observer.warn(f"{what}: it ends at step {lease.first}")
            self._trace = None


class Telling(Listener):
    """Shows on the run's page what a language model makes of a text after each epoch; it is worth no run that it fails.

    `read` gives the committed version.
    """

    def __init__(self, teller: Teller, read: Callable[[], Snapshot], tracker: Tracker, observer: Observer) -> None:
        self._teller = teller
        self._read = read
        self._tracker = tracker
        self._observer = observer

    def resumed(self, state: RunState) -> None:
        self._show(state, state.texts)

    def epoch(self, state: RunState, epoch: EpochDone) -> None:
        prompt, number = self._teller.prompt.text, state.epoch
        try:
            text = self._teller(self._read())
        except DataError as error:
            self._observer.note(f"epoch {number}: no text: {error}")
            return
        state.texts[number] = prompt + text
        self._show(state, {number: prompt + text})
        self._observer.note(told_line(number, prompt, text))

    def _show(self, state: RunState, texts: Mapping[int, str]) -> None:
        """Puts them beside those that the run's page has already."""
        for epoch, text in texts.items():
            self._tracker.log_text(f"texts/epoch-{epoch:04}.txt", text)
        if texts:
            self._tracker.log_tags({DESCRIPTION: describe_begin(state)})


def progress(state: RunState, lease: LeaseDone) -> Progress:
    """Where the run stands after a lease."""
    job, report = state.job, lease.report
    left = None
    if lease.warm:
        left = max((job.total_steps - state.step) * lease.seconds / report.steps, 0.0)
        if limit := job.config.train.stop.max_seconds:
            left = max(min(left, limit - state.seconds), 0.0)
    return Progress(
        epoch=state.epoch,
        epochs=job.epochs,
        step=state.step,
        total_steps=job.total_steps,
        loss=mean(float(report.losses.sum()), float(report.weights.sum())),
        samples_per_second=float(report.counts.sum()) / lease.seconds,
        seconds_left=left,
    )
