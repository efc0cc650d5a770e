"""A fall when a monitored value stops to improve."""

from dataclasses import dataclass
from typing import Annotated

from dist_bp.optim.plateau import Plateau
from dist_bp.optim.schedules.base import Schedule
from dist_bp.options import Count, Doc, MinLen, OpenFraction, Ratio
from dist_bp.types import Direction


@dataclass(frozen=True, kw_only=True)
class ReduceOnPlateau(Schedule):
    """Multiplied by `factor` when the monitor has stopped improving.

    What was observed lives in a `Plateau`, whose factor comes on top of this schedule's warm-up.
    """

    monitor: Annotated[str, MinLen(1), Doc("Value that is watched; without a validation split train_loss.")] = (
        "val_loss"
    )
    factor: Annotated[OpenFraction, Doc("What remains after a fall, in (0, 1).")] = 0.5
    patience: Annotated[Count, Doc("Epochs without improvement that are borne; the next brings a fall.")] = 3
    min_factor: Annotated[Ratio, Doc("The factor does not fall below this.")] = 0.0

    def multiplier(self, step: int, total: int) -> float:
        return 1.0

    def observer(self, mode: Direction) -> Plateau:
        """Follows the monitor from the start of a run; `mode` is what of it is better."""
        return Plateau(self.factor, self.patience, self.min_factor, mode)
