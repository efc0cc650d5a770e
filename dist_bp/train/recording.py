"""The MLflow run of a job: opened beside whatever starts, closed whatever happens there."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from threading import Lock, Thread

from dist_bp.errors import Interrupted, TrackingError
from dist_bp.messages import first_line, without_password
from dist_bp.processes import patience
from dist_bp.track.port import DESCRIPTION, RunStatus, Tracker
from dist_bp.train.interrupt import Interrupt
from dist_bp.train.observer import Observer

OPEN_SECONDS = 120.0
LATE_SECONDS = 5.0
"""For a store that is still being opened when the job has failed: whoever waits is to be told why."""

POLL_SECONDS = 0.1

Opener = Callable[[Callable[[], None]], Tracker]
"""Opens a tracker; what it is given is to be called before a run begins, and may raise Interrupted."""


@contextmanager
def tracked_run(
    open_tracker: Opener,
    store: str,
    observer: Observer,
    interrupt: Interrupt,
    describe: Callable[[str, str, str], str],
    greet: Callable[[Tracker], None] = lambda _: None,
) -> Iterator[Callable[[], Tracker]]:
    """Opens the tracker beside whatever the body does; whatever happens there, closes it with the right status.

    What the body gets waits for the tracker: it raises TrackingError with the name of the `store` at the deadline, and
    Interrupted after a signal. `describe` makes the run's description of its id, its status and the reason where it did
    not come to its end, and the tracker goes to `greet` first: when the body gets it, or else at the end. A body that
    fails before the run has begun leaves none where that would take long.
    """
    status: RunStatus = "FINISHED"
    why = ""
    opening = _Opening(open_tracker, greet)
    try:
        yield lambda: opening.result(store, interrupt)
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

    def __init__(self, open_tracker: Opener, greet: Callable[[Tracker], None]) -> None:
        self.given_up = False
        self._greet = greet
        self._greeted = False
        self._begun = False
        self._lock = Lock()
        self._tracker: Future[Tracker] = Future()
        self._seconds = patience(OPEN_SECONDS)
        self._deadline = time.monotonic() + self._seconds
        Thread(target=self._run, args=(open_tracker,), name="tracker", daemon=True).start()

    def result(self, store: str, interrupt: Interrupt) -> Tracker:
        while not self._tracker.done():
            interrupt.check()
            if time.monotonic() >= self._deadline:
                name = without_password(store)
                raise TrackingError(f"tracking: {name} was not open after {self._seconds:.0f} s: is it overloaded?")
            wait([self._tracker], POLL_SECONDS)
        return self._opened()

    def end(self) -> Tracker | None:
        """What there is to be closed. One that has not begun its run never does."""
        wait([self._tracker], LATE_SECONDS)
        with self._lock:
            self.given_up = not (self._begun or self._tracker.done())
        if not self.given_up:
            wait([self._tracker], max(self._deadline - time.monotonic(), 0))
        return self._opened() if self._tracker.done() and not self._tracker.exception() else None

    def _opened(self) -> Tracker:
        tracker, greeted, self._greeted = self._tracker.result(), self._greeted, True
        if not greeted:
            self._greet(tracker)
        return tracker

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
