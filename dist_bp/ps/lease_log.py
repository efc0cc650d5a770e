"""What one server does in a lease, as it goes: where it is, and what it will report."""

from typing import NamedTuple

import numpy as np

from dist_bp.ps.layout import ArenaLayout
from dist_bp.ps.lease import Lease, NonFinite, ServerReport, clock_offset


class Scores(NamedTuple):
    """Sums of losses, numbers of samples, and weights: each a row for each worker, with a number for each step."""

    losses: list[list[float]]
    counts: list[list[int]]
    weights: list[list[float]]


class LeaseLog:
    """Where a server is in a lease, and what it will report."""

    def __init__(self, lease: Lease, layout: ArenaLayout) -> None:
        total = sum(layout.placement)
        self.lease = lease
        self._layout = layout
        self._parts: dict[tuple[int, ...], tuple[tuple[int, ...], tuple[int, ...]]] = {}
        self.updates = layout.mode.updates(lease.first, lease.last, total)
        self.done = 0
        self.non_finite: NonFinite | None = None
        self.staleness = np.zeros(len(self.updates), np.int64)
        self._before = lease.first * (total if layout.mode.name == "async" else 1)
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

    def parts(self, ranks: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The local indices of this node's workers among the ranks, and the nodes of all of them."""
        if ranks not in self._parts:
            layout = self._layout
            own = layout.ranks(layout.node)
            workers = tuple(rank - own.start for rank in ranks if rank in own)
            nodes = tuple(node for node in range(layout.nodes) if any(rank in layout.ranks(node) for rank in ranks))
            self._parts[ranks] = workers, nodes
        return self._parts[ranks]

    def add(self, scores: Scores, squares: float, rate: float, times: tuple[float, ...]) -> None:
        first = self.step - self.lease.first
        for index in range(self.length):
            self._losses[first + index] += sum(row[index] for row in scores.losses)
            self._counts[first + index] += sum(row[index] for row in scores.counts)
            self._weights[first + index] += sum(row[index] for row in scores.weights)
        self._log[self.done] = squares, rate, *times
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
