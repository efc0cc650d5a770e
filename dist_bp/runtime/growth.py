"""Whether there is room for more workers than a run has: looked at beside the training, which never waits for it."""

import threading
from collections.abc import Callable
from concurrent.futures import Future

from dist_bp.runtime.calls import RayLost
from dist_bp.runtime.room import Room

LOOK_SECONDS = 2.0
END_SECONDS = 5.0


class Growth:
    """A thread that calls `look` again and again until that finds room, which `outcome` gets, or raises what is not
    Ray's: then that."""

    def __init__(self, look: Callable[[], Room | None]) -> None:
        self.outcome: Future[Room] = Future()
        self._look = look
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="room for workers", daemon=True)
        self._thread.start()

    @property
    def room(self) -> Room | None:
        """What has been found by now. Raises the fault that has ended the looking."""
        return self.outcome.result() if self.outcome.done() else None

    def close(self) -> None:
        self._closed.set()
        self._thread.join(END_SECONDS)

    def _run(self) -> None:
        while not self._closed.wait(LOOK_SECONDS):
            try:
                room = self._look()
            except RayLost:  # whoever needs an answer of Ray tells that
                continue
            except Exception as error:
                if not self._closed.is_set():  # else what it has looked at may be gone
                    self.outcome.set_exception(error)
                return
            if room:
                self.outcome.set_result(room)
                return
