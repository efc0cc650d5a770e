"""What one server does in a lease, as it goes: where it is, and what it will report."""

from typing import NamedTuple

import numpy as np

from dist_bp.ps.layout import ArenaLayout
from dist_bp.ps.lease import Lease, NonFinite, ServerReport, clock_offset


class Scores(NamedTuple):
    """Sums of losses, numbers of samples, and weights: each a row for each share, with a number for each step."""

    losses: list[list[float]]
    counts: list[list[int]]
    weights: list[list[float]]


class Update(NamedTuple):
    """An update that was made: of which scores, with which squared norm of the server's part and learning rate, and by
    how many versions the oldest gradient in it was behind."""

    scores: Scores
    squares: float
    rate: float
    staleness: int


class LeaseLog:
    """Where a server is in a lease, and what it will report."""

    def __init__(self, lease: Lease, layout: ArenaLayout) -> None:
        self.lease = lease
        self._layout = layout
        self._parts: dict[tuple[int, ...], tuple[tuple[int, ...], tuple[int, ...]]] = {}
        self.updates = layout.mode.updates(lease.first, lease.last, layout.shares)
        self.done = 0
        self.non_finite: NonFinite | None = None
        self.staleness = np.zeros(len(self.updates), np.int64)
        self._before = layout.mode.made_before(lease.first, layout.shares)
        self._losses = np.zeros(lease.steps)
        self._counts = np.zeros(lease.steps, np.int64)
        self._weights = np.zeros(lease.steps)
        self._log = np.zeros((len(self.updates), 6))

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

    def parts(self, shares: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The places of the shares that are this node's among its own, and the nodes of all of them."""
        if shares not in self._parts:
            layout = self._layout
            own = layout.own_shares
            places = tuple(share - own.start for share in shares if share in own)
            nodes = tuple(n for n in range(layout.nodes) if any(share in layout.shares_of(n) for share in shares))
            self._parts[shares] = places, nodes
        return self._parts[shares]

    def add(self, made: Update, times: tuple[float, ...]) -> None:
        scores = made.scores
        first = self.step - self.lease.first
        for index in range(self.length):
            self._losses[first + index] += sum(row[index] for row in scores.losses)
            self._counts[first + index] += sum(row[index] for row in scores.counts)
            self._weights[first + index] += sum(row[index] for row in scores.weights)
        self.staleness[self.done] = made.staleness
        self._log[self.done] = made.squares, made.rate, *times
        self.done += 1

    def report(self, index: int, wire_bytes: tuple[int, int]) -> ServerReport:
        """Steps of which not every update was made are left out."""
        log = self._log[: self.done]
        steps = self.step - self.lease.first if self.done < len(self.updates) else self.lease.steps
        return ServerReport(
            index=index,
            losses=self._losses[:steps],
            counts=self._counts[:steps],
            weights=self._weights[:steps],
            squares=log[:, 0],
            learning_rates=log[:, 1],
            staleness=self.staleness[: self.done],
            times=log[:, 2:],
            non_finite=self.non_finite,
            wire_bytes=wire_bytes,
            clock=clock_offset(),
        )
