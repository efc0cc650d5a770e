"""How features change over time."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from dist_bp.data.preprocess.sound_step import SoundStep
from dist_bp.options import Doc
from dist_bp.sounds.limits import Order, Positions

if TYPE_CHECKING:
    from dist_bp.sounds.operations import WithDeltas


@dataclass(frozen=True)
class Deltas(SoundStep):
    """Put beside each number of a position its slope over time, and with order 2 the slope of that.

    The slope is that of the regression line over `width` positions on both sides.
    """

    name = "deltas"
    width: Annotated[Positions, Doc("Positions on each side.")] = 2
    order: Annotated[Order, Doc("1: slopes; 2: their slopes, too.")] = 1

    @property
    def operation(self) -> "WithDeltas":
        from dist_bp.sounds.operations import WithDeltas

        return WithDeltas(self.width, self.order)
