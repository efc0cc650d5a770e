"""Ctrl-C, SIGTERM, a closed terminal: the first asks the run to stop at a safe point, the second ends it at once."""

import signal
import threading
from types import FrameType
from typing import Any, Self

from dist_bp.errors import Interrupted

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupt:
    """While entered, `requested` names the signal that came; nothing happens outside the main thread."""

    def __init__(self) -> None:
        self.requested: str | None = None
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Self:
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
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def check(self) -> None:
        """Raises Interrupted if a signal has come: for the time before there is anything to save."""
        if self.requested:
            raise Interrupted(f"{self.requested} before training began")

    def _receive(self, number: int, _: FrameType | None) -> None:
        if self.requested:
            raise Interrupted("interrupted again: stopped at once, the last checkpoint stands")
        self.requested = signal.Signals(number).name
