"""How a run ended: with what it gives back."""

from dataclasses import dataclass
from pathlib import Path

from dist_bp.ps.arena import Snapshot
from dist_bp.train.state import RunState

MAX_SECONDS = "max_seconds reached"


@dataclass(frozen=True)
class Outcome:
    """How a run ended: `state` says where and `reason` why, `snapshot` is what it gives back, `checkpoint` the newest
    one."""

    reason: str
    state: RunState
    snapshot: Snapshot
    checkpoint: Path

    @property
    def best_step(self) -> int | None:
        """None where no epoch is the best one."""
        return self.state.best.step if self.state.best else None
