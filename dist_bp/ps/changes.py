"""What the last updates have made of the rows of a table that they changed."""

from collections import deque
from typing import NamedTuple

import numpy as np

from dist_bp.ps.arena import Arena
from dist_bp.types import Array


class Change(NamedTuple):
    """Different rows `ids` (n,) and what they are since: `values` (arrays, n, size) of parameters and state."""

    ids: Array
    values: Array


class Changes:
    """The changes that memory with an older version has to catch up on before an update makes others there.

    None are known where the last version was not made here, but written, or by an update that came to no end or changed
    all rows, after which `forget` is called. A row of `size` elements has `arrays` of them: parameters and state.
    """

    def __init__(self, arena: Arena, arrays: int, size: int) -> None:
        self._arena = arena
        versions = len(arena.parameters)
        self._memory = [np.empty((arrays, 0, size), arena.layout.dtype) for _ in range(versions)]
        self._last: deque[Change] = deque(maxlen=versions - 1)
        self._made: tuple[int, int] | None = None

    def begin(self, version: int, ids: Array) -> Change:
        """The change by the update to `version`, whose values are to be filled in."""
        if self._made != (version - 1, self._arena.writes):
            self._last.clear()
        self._made = None
        place = version % len(self._memory)
        arrays, room, size = self._memory[place].shape
        if room < len(ids):
            self._memory[place] = np.empty((arrays, max(len(ids), 2 * room), size), self._memory[place].dtype)
        return Change(ids, self._memory[place][:, : len(ids)])

    def last(self, updates: int) -> list[Change] | None:
        """Those of so many updates before, the oldest first; None: not known."""
        return None if len(self._last) < updates else list(self._last)[-updates:]

    def end(self, version: int, change: Change) -> None:
        """The update to `version` has made it, and changed no other rows."""
        self._last.append(change)
        self._made = version, self._arena.writes

    def forget(self) -> None:
        self._made = None
