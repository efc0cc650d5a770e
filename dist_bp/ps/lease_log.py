"""What one server does in a lease, as it goes: where it is, and what it will report."""

from typing import Any, NamedTuple

import numpy as np

from dist_bp.ps.arena import Arena, Log
from dist_bp.ps.lease import Lease, NonFinite, ServerReport, clock_offset
from dist_bp.ps.tree import Summation


class Scores(NamedTuple):
    """Sums of losses, numbers of samples, and weights of all shares of an update, for each of its steps."""

    losses: list[float]
    counts: list[float]
    weights: list[float]


class Update(NamedTuple):
    """An update that was made: of which scores, with which squared norm of the server's part and learning rate, and by
    how many versions the oldest gradient in it was behind."""

    scores: Scores
    squares: float
    rate: float
    staleness: int


class LeaseLog:
    """Where a server is in a lease, and what it will report."""

    def __init__(self, lease: Lease, arena: Arena, index: int) -> None:
        layout = arena.layout
        self.lease = lease
        self._layout = layout
        self._summations: dict[tuple[int, ...], Summation] = {}
        self.updates = layout.mode.updates(lease.first, lease.last, layout.shares)
        self.done = 0
        self.non_finite: NonFinite | None = None
        self.staleness = np.zeros(len(self.updates), np.int64)
        self._before = layout.mode.made_before(lease.first, layout.shares)
        self._times: list[float] = []
        self._log = _log_of(arena, index, lease.steps, len(self.updates))
        self._words: list[Any] = [array.data for array in self._log]  # an element costs less than an array's

    @property
    def step(self) -> int:
        return self.updates[self.done][0]

    @property
    def length(self) -> int:
        """Steps that the update stands for."""
        start, stop = self.updates[self.done]
        return stop - start

    @property
    def number(self) -> int:
        """The number of the update since the beginning of training, from 1."""
        return self._before + self.done + 1

    def summation(self, shares: tuple[int, ...]) -> Summation:
        """How what the shares give is added."""
        if shares not in self._summations:
            self._summations[shares] = self._layout.summation(shares)
        return self._summations[shares]

    def note(self, made: Update) -> None:
        """Notes an update that is about to be made."""
        losses, counts, weights, rates, squares = self._words
        first = self.step - self.lease.first
        for place, (loss, count, weight) in enumerate(zip(*made.scores, strict=True), start=first):
            losses[place] += loss
            counts[place] += int(count)
            weights[place] += weight
        squares[self.done], rates[self.done] = made.squares, made.rate
        self.staleness[self.done] = made.staleness

    def commit(self, times: tuple[float, ...]) -> None:
        """The update that was noted is made."""
        self._times += times
        self.done += 1

    def report(self, index: int, wire_bytes: tuple[int, int]) -> ServerReport:
        """Steps of which not every update was made are left out."""
        log = self._log
        steps = self.step - self.lease.first if self.done < len(self.updates) else self.lease.steps
        return ServerReport(
            index=index,
            losses=log.losses[:steps].copy(),
            counts=log.counts[:steps].copy(),
            weights=log.weights[:steps].copy(),
            squares=log.squares[: self.done].copy(),
            learning_rates=log.rates[: self.done].copy(),
            staleness=self.staleness[: self.done],
            times=np.array(self._times).reshape(-1, 4),
            non_finite=self.non_finite,
            wire_bytes=wire_bytes,
            clock=clock_offset(),
        )


def _log_of(arena: Arena, index: int, steps: int, updates: int) -> Log:
    """Where a server keeps what it measures: in the arena, which outlives it, where all servers measure the same."""
    log = Log(np.zeros(steps), np.zeros(steps, np.int64), np.zeros(steps), np.zeros(updates), np.zeros(updates))
    if not arena.layout.mode.exact:
        return log
    squares = arena.log.squares[index]
    if index:
        return log._replace(squares=squares)
    for array in arena.log[:3]:
        array[:steps] = 0
    return arena.log._replace(squares=squares)
