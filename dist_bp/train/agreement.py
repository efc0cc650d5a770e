"""Where two trainings of the same steps part, to the bit."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from dist_bp.checkpoint import Checkpoint
from dist_bp.train.trail import Trail
from dist_bp.types import Array


class LossMismatch(NamedTuple):
    """The first step of which the loss is another."""

    step: int
    recorded: float
    now: float


class ArrayMismatch(NamedTuple):
    """The first array that is another: at how many of its elements, and by how much at most."""

    name: str
    differing: int
    elements: int
    largest: float


@dataclass(frozen=True)
class Agreement:
    """What was compared: the losses of the newest `losses` steps, and the arrays at the end where a checkpoint of it is
    kept."""

    losses: int
    arrays: bool
    loss: LossMismatch | None
    array: ArrayMismatch | None

    @property
    def whole(self) -> bool:
        return self.loss is None and self.array is None


def agreement(recorded: Checkpoint, again: Checkpoint, start: int) -> Agreement:
    """Of the steps from `start` to that of `again`; the arrays of `recorded` are compared where it is of that, too."""
    before, now = (Trail.of(one.progress, one.step) for one in (recorded, again))
    first = max(start + 1, before.first, now.first)
    losses, at_end = before.losses_of(first, again.step), recorded.step == again.step
    loss = _first_loss(first, losses, now.losses_of(first, again.step))
    return Agreement(len(losses), at_end, loss, _first_array(recorded, again) if at_end else None)


def _first_loss(first: int, recorded: Array, now: Array) -> LossMismatch | None:
    """Both are those of step `first` and its followers."""
    for place in np.flatnonzero(_bits(recorded) != _bits(now)):
        return LossMismatch(first + int(place), float(recorded[place]), float(now[place]))
    return None


def _first_array(recorded: Checkpoint, now: Checkpoint) -> ArrayMismatch | None:
    """Parameters first, then statistics, then the optimizer's state, each in the order of the layers."""
    for kind in ("parameters", "statistics", "optimizer"):
        before = getattr(recorded, kind)
        for name, array in getattr(now, kind).items():
            differing = int(np.count_nonzero(_bits(before[name]) != _bits(array)))
            if differing:
                with np.errstate(invalid="ignore", over="ignore"):
                    largest = float(np.max(np.abs(before[name].astype(np.float64) - array.astype(np.float64))))
                shown = name if kind == "parameters" else f"{name} of the {kind}"
                return ArrayMismatch(shown, differing, array.size, largest)
    return None


def _bits(array: Array) -> Array:
    return np.ascontiguousarray(array).view(f"u{array.dtype.itemsize}")
