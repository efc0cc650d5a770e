"""Whether there is room for more workers than a run has: looked at beside the training, which never waits for it."""

import threading
from collections.abc import Callable

from dist_bp.runtime.room import Room

LOOK_SECONDS = 2.0
END_SECONDS = 5.0


class Growth:
    """A thread that calls `look` again and again until that finds room; `room` is what it has found."""

    def __init__(self, look: Callable[[], Room | None]) -> None:
        self.room: Room | None = None
        self._look = look
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="room for workers", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._closed.set()
        self._thread.join(END_SECONDS)

    def _run(self) -> None:
        while self.room is None and not self._closed.wait(LOOK_SECONDS):
            try:
                self.room = self._look()
            except Exception:  # Ray does not answer: whoever needs an answer tells that
                continue
