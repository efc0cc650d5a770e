"""What the loop of a run keeps in a checkpoint beside arrays, and whether a checkpoint has it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from dist_bp.checkpoint import Checkpoint
from dist_bp.errors import CheckpointError
from dist_bp.foreign import checked
from dist_bp.messages import one_line
from dist_bp.metrics import Metric
from dist_bp.train.meter import EpochMeter


@dataclass(frozen=True)
class Watched:
    """How far the monitored value of `train.stop` had come."""

    best: float | None
    best_step: int
    waited: int


@dataclass(frozen=True)
class Reduced:
    """How far the schedule `plateau` had come."""

    best: float | None
    waited: int
    factor: float


@dataclass(frozen=True)
class Window:
    """Sums over the steps since the last point of the step curves."""

    loss: float
    weight: float


@dataclass(frozen=True)
class LoopState:
    """Times in seconds, samples trained on, and texts that a language model has told, by epoch."""

    stopping: Watched
    plateau: Reduced | None
    seconds: float
    samples: int
    window: Window = Window(0.0, 0)
    texts: dict[int, str] = field(default_factory=dict)


def loop_state(checkpoint: Checkpoint, metrics: Mapping[str, Metric]) -> LoopState:
    """Raises CheckpointError where the checkpoint has another, or cannot be one in the middle of a run."""
    try:
        for row in checkpoint.history:
            if missing := {"epoch", "step", "train_loss"} - row.keys():
                raise ValueError(f"a row of its history has no {', '.join(sorted(missing))}")
        if checkpoint.step_in_epoch:
            _check_sums(checkpoint, metrics)
        state: LoopState = checked(LoopState, checkpoint.loop_state)
    except ValueError as error:
        raise CheckpointError(f"no run goes on from this checkpoint: {error}") from None
    return state


def _check_sums(checkpoint: Checkpoint, metrics: Mapping[str, Metric]) -> None:
    """The sums of the epoch that is not over are such as its further steps can be added to. Raises ValueError."""
    meter = EpochMeter(metrics)
    try:
        meter.restore(checkpoint.progress)
        for name, state in meter.states.items():
            metrics[name].merge(metrics[name].empty(), state)
    except (LookupError, TypeError, ValueError) as error:
        raise ValueError(f"the sums of its epoch are not what they should be: {one_line(error)}") from error
