"""What fails before its run has begun does not wait for a store, and leaves no run behind."""

import time
from collections.abc import Callable
from functools import partial
from threading import Event

import pytest

from dist_bp.errors import Interrupted, TrackingError, TrainingFailed
from dist_bp.track.null import NullTracker
from dist_bp.track.port import RunStatus
from dist_bp.train import recording
from dist_bp.train.interrupt import Interrupt
from dist_bp.train.observer import Observer
from dist_bp.train.recording import tracked_run

STORE = "postgresql://me:secret@host/db"


class Recorded(NullTracker):
    """Remembers how it was finished."""

    status: RunStatus | None = None

    def finish(self, status: RunStatus) -> list[str]:
        self.status = status
        return []


class Warned(Observer):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def warn(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "LATE_SECONDS", 0.1)


def failing(opener: recording.Opener, observer: Observer, begun: Callable[[], object] = lambda: True) -> None:
    def body() -> None:
        with tracked_run(opener, STORE, observer, Interrupt(), lambda *_: ""):
            assert begun()
            raise TrainingFailed("Ray is gone")

    with pytest.raises(TrainingFailed, match="Ray is gone"):
        body()


def test_a_store_that_is_late_gets_no_run() -> None:
    ready, left, begun = Event(), Event(), Event()

    def late(begin: Callable[[], None]) -> Recorded:
        try:
            ready.wait(20)
            begin()
            begun.set()
        finally:
            left.set()
        return Recorded()

    observer = Warned()
    failing(late, observer)
    assert observer.lines == ["MLflow was not ready yet: this start is not recorded"]
    ready.set()
    assert left.wait(20)
    assert not begun.is_set()


def test_a_run_that_has_begun_is_closed() -> None:
    begun, failed, tracker = Event(), Event(), Recorded()

    def slow(begin: Callable[[], None]) -> Recorded:
        begin()
        begun.set()
        failed.wait(0.5)
        return tracker

    observer = Warned()
    failing(slow, observer, partial(begun.wait, 20))
    assert tracker.status == "FAILED"
    assert not observer.lines


@pytest.mark.parametrize("begins", [False, True])
@pytest.mark.parametrize(
    ("signal", "error", "says"),
    [
        (None, TrackingError, r"tracking: postgresql://me:\*\*\*@host/db was not open after "),
        ("SIGTERM", Interrupted, "SIGTERM before training began"),
    ],
)
def test_a_store_that_hangs_is_waited_for_until_a_deadline_or_a_signal(
    signal: str | None,
    error: type[Exception],
    says: str,
    begins: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recording, "OPEN_SECONDS", 1.0 if signal else 0.2)
    ready, interrupt = Event(), Interrupt()
    interrupt.requested = signal

    def hanging(begin: Callable[[], None]) -> Recorded:
        if begins:
            begin()
        ready.wait(60)
        return Recorded()

    def body() -> None:
        with tracked_run(hanging, STORE, Warned(), interrupt, lambda *_: "") as get_tracker:
            get_tracker()

    begin = time.monotonic()
    with pytest.raises(error, match=says):
        body()
    assert time.monotonic() - begin < 30
    ready.set()
