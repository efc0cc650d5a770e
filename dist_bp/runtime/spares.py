"""Processes that wait, with all made that a worker needs, to take the place of one that is lost."""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from dist_bp.processes import STOPPED, Known, state_of

TRIES = 3
"""So many may end before anybody needs them; then there are no more."""


@dataclass
class Spare:
    """An actor, and its process once it is ready; whether somebody has been told of that."""

    actor: Any
    ready: Future[Known]
    told: bool = False

    @property
    def usable(self) -> bool:
        """Whether it is ready or may still become so."""
        if not self.ready.done():
            return True
        return self.ready.exception() is None and state_of(self.ready.result()) not in (None, *STOPPED)


class Spares:
    """As many as are `wanted`, on this machine, as long as they live; `start` begins one and `end` ends one."""

    def __init__(self, wanted: int, start: Callable[[], Spare], end: Callable[[Spare], None]) -> None:
        self._wanted = wanted
        self._start = start
        self._end = end
        self._here: list[Spare] = []
        self._tries = TRIES

    def tend(self) -> list[int]:
        """Begins those that are missing; returns the processes of those that have become ready since."""
        self._drop()
        while len(self._here) < self._wanted and self._tries:
            self._here.append(self._start())
        new = [spare for spare in self._here if spare.ready.done() and not spare.told]
        for spare in new:
            spare.told = True
        return [pid for spare in new for pid in spare.ready.result()]

    @property
    def ready(self) -> list[int]:
        """The processes of those that are."""
        self._drop()
        return [pid for spare in self._here if spare.ready.done() for pid in spare.ready.result()]

    def take(self) -> Spare | None:
        """The one that has been there longest, and is ready or will be; None without any."""
        self._drop()
        return self._here.pop(0) if self._here else None

    def close(self) -> None:
        while self._here:
            self._end(self._here.pop())

    def _drop(self) -> None:
        """Forgets those that have ended or hang."""
        for spare in [spare for spare in self._here if not spare.usable]:
            self._here.remove(spare)
            self._end(spare)
            self._tries = max(self._tries - 1, 0)
