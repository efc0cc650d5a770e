"""A store that fails on command, and waiting with a deadline."""

import threading
import time
from collections.abc import Callable, Sequence

from dist_bp.track.spool import Point
from dist_bp.track.writer import Rejected


class FakeStore:
    """Keeps batches. `fail` makes writes raise, `stuck` makes them hang until it is cleared."""

    def __init__(self) -> None:
        self.batches: list[list[Point]] = []
        self.attempts = 0
        self.fail = False
        self.seconds = 0.0
        self.reject_step: int | None = None
        self._running = threading.Event()
        self._running.set()

    def write(self, points: Sequence[Point]) -> None:
        self.attempts += 1
        time.sleep(self.seconds)
        self._running.wait(20)
        if self.fail:
            raise ConnectionError("store is down")
        if any(point.step == self.reject_step for point in points):
            raise Rejected("bad name")
        self.batches.append(list(points))

    def hang(self) -> None:
        self._running.clear()

    def resume(self) -> None:
        self._running.set()

    @property
    def points(self) -> list[Point]:
        return [point for batch in self.batches for point in batch]

    @property
    def steps(self) -> list[int]:
        return [point.step for point in self.points]


def eventually(condition: Callable[[], bool], seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.005)
    return False
