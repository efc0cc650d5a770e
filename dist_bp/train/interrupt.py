"""Ctrl-C, SIGTERM, a closed terminal: the first asks the run to stop at a safe point, the second ends it at once."""

import signal
import threading
from concurrent.futures import Future
from queue import SimpleQueue
from types import FrameType
from typing import Any, Self

from dist_bp.errors import Interrupted

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class InterruptedAgain(Interrupted):
    """By a second signal: the run ends where it is."""


class Interrupt:
    """While entered, `requested` names the signal that came, and `coming` gets that name, for whoever waits for other
    things, too. Outside the main thread no signal comes."""

    def __init__(self) -> None:
        self.coming: Future[str] = Future()
        self._requested: str | None = None
        self._said: SimpleQueue[str | None] = SimpleQueue()
        self._previous: dict[int, Any] = {}

    @property
    def requested(self) -> str | None:
        return self._requested

    @requested.setter
    def requested(self, why: str) -> None:
        self._requested = why
        self._said.put(why)

    def __enter__(self) -> Self:
        threading.Thread(target=self._tell, name="interrupt", daemon=True).start()
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.getsignal(number) for number in SIGNALS}
            if self._previous[signal.SIGHUP] is signal.SIG_IGN:  # nohup
                del self._previous[signal.SIGHUP]
        self.arm()
        return self

    def arm(self) -> None:
        """Takes the signals again: Ray installs handlers of its own when it starts."""
        for number in self._previous:
            signal.signal(number, self._receive)

    def __exit__(self, *_: object) -> None:
        self._said.put(None)
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def check(self) -> None:
        """Raises Interrupted if a signal has come: for the time before there is anything to save."""
        if self.requested:
            raise Interrupted(f"{self.requested} before training began")

    def _receive(self, number: int, _: FrameType | None) -> None:
        if self.requested:
            raise InterruptedAgain("interrupted again: stopped at once")
        self.requested = signal.Signals(number).name

    def _tell(self) -> None:
        """In a thread: a handler that interrupts whoever waits for a future must not take the locks of that."""
        if (why := self._said.get()) and not self.coming.done():
            self.coming.set_result(why)
