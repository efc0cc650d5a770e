"""What a mode of consistency decides: the worker's side of a step, the servers' side, and what both need in the arena.

A mode is one file. Nothing else asks which one it is; a sixth is written as a subclass of `Mode` and named in MODES.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

import numpy as np

from dist_bp.optim import Updater
from dist_bp.types import Array

if TYPE_CHECKING:
    from dist_bp.ps.collect import Collector
    from dist_bp.ps.computing import Computing
    from dist_bp.ps.lease import Lease, MetricStates
    from dist_bp.ps.server import Server
    from dist_bp.ps.worker import Worker
    from dist_bp.ps.worker_log import WorkerLog

ModeName = Literal["sync", "backup", "ssp", "async", "local", "diloco"]


class Round(NamedTuple):
    """What an update is made of: `steps` are its global batches, `version` the parameters that they start from."""

    version: int
    steps: range
    slot: int = 0
    rate_factor: float = 1.0


class Mode(ABC):
    """A mode with its options, an immutable value: equal ones are of the same kind and options."""

    name: ClassVar[ModeName]
    exact: ClassVar[bool] = False
    """Whether every gradient comes from the newest version, and every update waits for those of all shares: what is
    computed then depends on no clock, and servers, which have nothing to do while workers compute, may live in their
    processes."""
    by_rows: ClassVar[bool] = True
    """Whether gradients of tables may come by rows."""
    alone: ClassVar[bool] = False
    """Whether a gradient of a part of a global batch is an update of its own, with that part of the learning rate."""

    predictable: ClassVar[bool] = False
    """Whether a step is a gradient, a sum and an update, one after the other."""

    @property
    def slots(self) -> int:
        """Gradient slots of a share."""
        return 1

    @property
    def versions(self) -> int:
        """Versions of the parameters that are kept: those that workers may read and the one that is written."""
        return 2

    @property
    def steps(self) -> int:
        """Global batches of an update, at most."""
        return 1

    def updates(self, first: int, last: int, shares: int) -> list[tuple[int, int]]:
        """The steps (start, stop) that each update of a lease over first ... last belongs to, in order.

        Rounds of several steps end at multiples of their length, wherever a lease begins.
        """
        return list(pairwise([first, *range((first // self.steps + 1) * self.steps, last, self.steps), last]))

    def made_before(self, first: int, shares: int) -> int:
        """How many updates the global batches before `first` have made, as an optimizer counts them."""
        return first

    @property
    def outer(self) -> tuple[str, ...]:
        """State arrays of the servers' own, beside those of the job's optimizer."""
        return ()

    def averaged(self, names: Sequence[str]) -> tuple[str, ...]:
        """Those of the optimizer's state arrays that workers change by themselves, and servers average."""
        return ()

    def servers_rule(self, updater: Updater) -> Updater:
        """What servers make the next version with, where `updater` is the job's."""
        return updater

    def servers_rate(self, rate: float) -> float:
        """The learning rate that they do it with, where `rate` is the scheduled one."""
        return rate

    def servers_state(self, state: dict[str, Array]) -> dict[str, Array]:
        """The state that they do it with, of all that is kept."""
        return state

    def next_statistics(self, old: Array, mean: Array, kept: Array, new: Array) -> None:
        """Makes `new` running statistics of `old` ones and the `mean` over the samples, which is lost; `kept` is the
        part of each old one that stays."""
        mean -= old
        mean *= 1 - kept
        np.add(old, mean, out=new)

    def fill(self, computing: Computing, round: Round, share: int, metrics: MetricStates) -> None:
        """Leaves in the arena what a share gives to an update."""
        computing.gradient(round.steps.start, share, round.version, round.slot, metrics)

    @abstractmethod
    def work(self, worker: Worker, lease: Lease, log: WorkerLog) -> None:
        """The worker's side of a lease, where servers are processes of their own."""

    @abstractmethod
    def collector(self, server: Server, lease: Lease) -> Collector:
        """What tells a server of its own process which gradients make the next update."""
