"""Modes of consistency: which gradients make an update, and how old the parameters may be that they come from.

| mode | an update is made of | a gradient's parameters are |
| --- | --- | --- |
| `sync` | the gradients of all workers | the version before that update |
| `backup` | the first W - b gradients (Chen et al. 2016); the late ones are dropped and never counted | that version |
| `ssp` | the gradients of all workers (bounded delay: Ho et al. 2013, Li et al. 2014) | at most s versions older |
| `async` | one gradient (Dean et al. 2012); its part of the weight scales the learning rate | any older one |
| `local` | the average of what H local steps made of the parameters (Stich 2019) | the average of the last round |

Everything here is a decision, made from what has arrived and nothing else; acting on it is left to the servers.
"""

from collections import deque
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal, NamedTuple

ModeName = Literal["sync", "backup", "ssp", "async", "local"]
NO_TICKET = -1
"""The answer to a worker whose gradient did not count, or for which there is no more work."""
COUNTED = 0
"""The answer to a worker whose gradient counted where no ticket is handed out."""


@dataclass(frozen=True)
class Mode:
    """A mode and its options: `staleness` of ssp, `backups` of backup, `local_steps` and `outer_momentum` of local."""

    name: ModeName = "sync"
    staleness: int = 0
    backups: int = 0
    local_steps: int = 1
    outer_momentum: float = 0.0

    @property
    def has_leader(self) -> bool:
        """Whether one server decides, in the order of arrival, which gradients make an update."""
        return self.name in ("backup", "async")

    @property
    def exact(self) -> bool:
        """Whether every gradient comes from the newest version."""
        return self.name in ("sync", "local")

    @property
    def slots(self) -> int:
        """Gradient slots of a worker: it may be `staleness` steps ahead of the oldest update that lacks it."""
        return self.staleness + 1

    @property
    def versions(self) -> int:
        """Versions of the parameters that are kept: those that workers may read and the one being written."""
        return self.staleness + 2

    def updates(self, first: int, last: int, workers: int) -> list[tuple[int, int]]:
        """The steps (start, stop) that each update of a lease over first ... last belongs to, in order.

        Rounds of local steps end at multiples of their length, wherever a lease begins.
        """
        if self.name == "async":
            return [(step, step + 1) for step in range(first, last) for _ in range(workers)]
        length = self.local_steps
        return list(pairwise([first, *range((first // length + 1) * length, last, length), last]))


SYNC = Mode()


class Decision(NamedTuple):
    """The workers whose gradients make the next update, and the answer that each of them gets after it."""

    workers: tuple[int, ...]
    answers: tuple[int, ...]


@dataclass
class Backup:
    """Takes the first `needed` gradients for each version; `version` is the newest one."""

    needed: int
    version: int
    arrived: list[int] = field(default_factory=list)

    def arrive(self, worker: int, version: int) -> bool:
        """Counts a gradient for the update to `version`; False: it is late, and dropped."""
        if version != self.version + 1:
            return False
        self.arrived.append(worker)
        return True

    def decide(self) -> Decision | None:
        if len(self.arrived) < self.needed:
            return None
        workers = tuple(sorted(self.arrived))
        self.arrived = []
        self.version += 1
        return Decision(workers, (COUNTED,) * len(workers))


@dataclass
class Async:
    """Takes each gradient as it comes; shares of the work are handed out in order to whoever is free.

    Ticket t of a lease is share t % workers of its global batch t // workers, so every sample is used exactly once
    an epoch however fast each worker is. Worker w begins with ticket w.
    """

    next_ticket: int
    tickets: int
    queue: deque[int] = field(default_factory=deque)

    def arrive(self, worker: int, version: int) -> bool:
        self.queue.append(worker)
        return True

    def decide(self) -> Decision | None:
        if not self.queue:
            return None
        ticket = NO_TICKET
        if self.next_ticket < self.tickets:
            ticket = self.next_ticket
            self.next_ticket += 1
        return Decision((self.queue.popleft(),), (ticket,))


def policy(mode: Mode, workers: int, version: int, steps: int) -> Backup | Async:
    """What decides in a lease of `steps` global batches that begins at `version`, in a mode that has a leader."""
    if mode.name == "backup":
        return Backup(workers - mode.backups, version)
    return Async(workers, workers * steps)
