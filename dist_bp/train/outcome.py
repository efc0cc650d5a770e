"""How a run ended: with what it gives back, or at a number that is none."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dist_bp.ps.arena import Snapshot
from dist_bp.ps.lease import NonFinite
from dist_bp.runtime.base import Runtime
from dist_bp.train.course import Course

MAX_SECONDS = "max_seconds reached"


@dataclass(frozen=True)
class Outcome:
    """Where a run ended: `reason` says why, `snapshot` is what it gives back, `metrics` are that epoch's; `texts` are
    what a language model told after each epoch."""

    reason: str
    snapshot: Snapshot
    step: int
    epoch: int
    best_step: int | None
    checkpoint: Path
    seconds: float
    samples: int
    history: list[dict[str, float]]
    metrics: dict[str, float]
    course: Course
    texts: Mapping[int, str] = field(default_factory=dict)


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
