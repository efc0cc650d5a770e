"""How a run ended: with what it gives back, or at a number that is none."""

from dataclasses import dataclass
from pathlib import Path

from dist_bp.ps.arena import Snapshot
from dist_bp.ps.lease import NonFinite
from dist_bp.runtime.base import Runtime
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


def non_finite_message(runtime: Runtime, found: NonFinite) -> str:
    """Where a loss or gradient that is NaN or infinite came up, and what to do about it."""
    gradients = runtime.non_finite_gradients()
    worker = found.worker if found.worker is not None else next(iter(gradients), None)
    where = f" on worker {worker}" if worker is not None else ""
    what = "loss" if found.worker is not None else "gradient"
    layer = f", first in the gradient of {gradients[worker]}" if worker in gradients else ""
    return (
        f"the {what} is NaN or infinite at step {found.step + 1}{where}{layer}; that update was not applied. "
        "Lower train.optimizer.learning_rate or set train.clip_norm"
    )
