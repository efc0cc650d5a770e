"""`ssp`: workers may be ahead of the slowest one (bounded delay: Ho et al. 2013, Li et al. 2014)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from dist_bp.ps.modes.base import ModeName, Round
from dist_bp.ps.modes.every_share import EveryShare

if TYPE_CHECKING:
    from dist_bp.ps.computing import Computing
    from dist_bp.ps.lease import MetricStates
    from dist_bp.ps.worker import Worker


@dataclass(frozen=True)
class Ssp(EveryShare):
    """An update is made of the gradients of all shares, of parameters at most `max_staleness` versions older than those
    before it; 0 is `sync`."""

    max_staleness: int

    name: ClassVar[ModeName] = "ssp"

    @property
    def slots(self) -> int:
        return self.max_staleness + 1

    @property
    def versions(self) -> int:
        return self.max_staleness + 2

    def behind(self) -> int:
        return self.max_staleness

    def starts_from(self, worker: Worker, version: int) -> int:
        return worker.arena.version

    def fill(self, computing: Computing, round: Round, share: int, metrics: MetricStates) -> None:
        computing.note_source(share, round.slot, round.version)
        super().fill(computing, round, share, metrics)
