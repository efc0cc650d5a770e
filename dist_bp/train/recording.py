"""The MLflow run of a job: opened beside whatever starts, closed whatever happens there."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from threading import Lock, Thread

from dist_bp.errors import Interrupted
from dist_bp.messages import first_line
from dist_bp.processes import patience
from dist_bp.track.port import DESCRIPTION, RunStatus, Tracker
from dist_bp.train.observer import Observer

OPEN_SECONDS = 120.0
LATE_SECONDS = 5.0
"""For a store that is still being opened when the job has failed: whoever waits is to be told why."""

Opener = Callable[[Callable[[], None]], Tracker]
"""Opens a tracker; what it is given is to be called before a run begins, and may raise Interrupted."""


@contextmanager
def tracked_run(
    open_tracker: Opener, observer: Observer, describe: Callable[[str, str, str], str]
) -> Iterator[Callable[[], Tracker]]:
    """Opens the tracker beside whatever the body does; whatever happens there, closes it with the right status.

    `describe` makes the run's description of its id, its status and the reason where it did not come to its end. A
    body that fails before the run has begun leaves none where that would take long.
    """
    status: RunStatus = "FINISHED"
    why = ""
    opening = _Opening(open_tracker)
    try:
        yield opening.result
    except BaseException as error:
        status = "KILLED" if isinstance(error, Interrupted | KeyboardInterrupt) else "FAILED"
        why = first_line(error)
        raise
    finally:
        tracker = opening.end()
        if tracker:
            if why:
                tracker.log_tags({DESCRIPTION: describe(tracker.run_id or "", status, why)})
            for line in tracker.finish(status):
                observer.warn(line)
        elif opening.given_up:
            observer.warn("MLflow was not ready yet: this start is not recorded")


class _Opening:
    """A thread that opens a tracker."""

    def __init__(self, open_tracker: Opener) -> None:
        self.given_up = False
        self._begun = False
        self._lock = Lock()
        self._tracker: Future[Tracker] = Future()
        Thread(target=self._run, args=(open_tracker,), name="tracker", daemon=True).start()

    def result(self) -> Tracker:
        return self._tracker.result(patience(OPEN_SECONDS))

    def end(self) -> Tracker | None:
        """What there is to be closed. One that has not begun its run never does."""
        wait([self._tracker], LATE_SECONDS)
        with self._lock:
            self.given_up = not (self._begun or self._tracker.done())
        if not self.given_up:
            wait([self._tracker], patience(OPEN_SECONDS))
        return self._tracker.result() if self._tracker.done() and not self._tracker.exception() else None

    def _begin(self) -> None:
        with self._lock:
            if self.given_up:
                raise Interrupted("the job has ended before its run began")
            self._begun = True

    def _run(self, open_tracker: Opener) -> None:
        try:
            self._tracker.set_result(open_tracker(self._begin))
        except BaseException as error:
            self._tracker.set_exception(error)
