"""How workers that are servers, too, wait for each other: they look at words of the arena, and then sleep.

Each has a word that says how far it is, a stage that only grows: the generation of the lease, and how many times it has
had something to tell in it. Whoever waits looks for a moment, then says in another word what for and sleeps on its
doorbells; whoever brings the last of it about nudges it. The end of a stream tells at once that a peer has died.
"""

import os
import select
import socket
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

from dist_bp.ps.arena import Arena
from dist_bp.ps.decision import Aborted
from dist_bp.ps.doorbell import SILENT, Doorbell, Peer, PeerLost
from dist_bp.ps.spin import AdaptiveSpin

NAP_SECONDS = 0.02
"""How long a sleeper may overlook a peer that told it something in the moment in which it fell asleep."""
_GENERATION = 1 << 32


class Rendezvous:
    """The side of the member at place `me` of its node; `bells` are those to all others, by place. The connection to
    the keeper only tells of its end."""

    def __init__(self, arena: Arena, me: int, keeper: socket.socket, timeout: float) -> None:
        self.bells: Mapping[int, Doorbell] = {}
        self._keeper = Peer("keeper", arena.layout.node), keeper
        self._me = me
        self._timeout = timeout
        self._stages, self._asleep, self._ended, self._signs = arena.stages, arena.asleep, arena.ended, arena.signs
        self._spin = AdaptiveSpin()
        self._generation = self._base = 0
        self._crew: dict[int, Doorbell] = {}

    def begin(self, generation: int, crew: Sequence[int]) -> None:
        """From now on stages are those of this lease, in which the members at the places of the crew meet."""
        self._generation, self._base = generation, generation * _GENERATION
        self._crew = {place: bell for place, bell in self.bells.items() if place in crew}
        self._by_descriptor = {bell.fileno(): bell for bell in self._crew.values()}
        self._poll = select.poll()
        for descriptor in self._by_descriptor:
            self._poll.register(descriptor, select.POLLIN)
        self._poll.register(self._keeper[1].fileno(), 0)

    def arrive(self, stage: int) -> None:
        """Says that this member has reached a stage, to whoever waits for it. Raises PeerLost."""
        self._stages[self._me] = self._base + stage
        for place in self._crew:
            self._wake(place)

    def abort(self) -> None:
        """Ends the lease for all that are there."""
        self._ended[0] = self._generation
        for place in self._crew:
            with suppress(PeerLost):
                self._wake(place)

    def wait(self, stage: int, places: Sequence[int], timeout: float | None = None) -> None:
        """Waits until the members at all these places have reached a stage.

        Raises PeerLost where a peer dies or is silent for `timeout` seconds (None: that of all waits) while no sign
        changes, Aborted where one ends the lease.
        """
        wanted = self._base + stage
        if self._there(wanted, places):
            return
        until = self._spin.begin()
        while not self._there(wanted, places):
            if time.perf_counter() >= until:
                self._sleep(wanted, places, timeout or self._timeout)
                break
            self._look(0)
            os.sched_yield()
        self._spin.end()

    def _there(self, wanted: int, places: Sequence[int]) -> bool:
        stages = self._stages
        for place in places:
            if stages[place] < wanted:
                if self._ended[0] == self._generation:
                    raise Aborted
                return False
        return True

    def _sleep(self, wanted: int, places: Sequence[int], timeout: float) -> None:
        deadline, signs = time.monotonic() + timeout, [*self._signs]
        self._asleep[self._me] = wanted
        try:
            while not self._there(wanted, places):
                if signs != [*self._signs]:
                    deadline, signs = time.monotonic() + timeout, [*self._signs]
                if time.monotonic() > deadline:
                    late = next(place for place in places if self._stages[place] < wanted)
                    raise PeerLost(str(self._crew[late].peer), f"{SILENT} for {timeout:g} s")
                try:
                    self._look(NAP_SECONDS)
                except PeerLost:
                    if self._there(wanted, places):  # it has died after that
                        return
                    raise
        finally:
            self._asleep[self._me] = 0

    def _look(self, seconds: float) -> None:
        """Takes nudges; raises PeerLost where a peer has died."""
        for descriptor, _ in self._poll.poll(1000 * seconds):
            if descriptor not in self._by_descriptor:
                raise PeerLost(str(self._keeper[0]), "died")
            self._by_descriptor[descriptor].clear()

    def _wake(self, place: int) -> None:
        if self._asleep[place]:
            self._crew[place].nudge()
