"""Whole numbers."""

from dataclasses import dataclass
from typing import Annotated, Any

from dist_bp.options import Doc
from dist_bp.tuning.spaces.base import Range


@dataclass(frozen=True, kw_only=True)
class RandIntSpace(Range):
    """Whole numbers from low to high, high itself excluded, as in Tune."""

    low: Annotated[int, Doc("The smallest number.")]
    high: Annotated[int, Doc("One more than the largest number.")]
    countable = True

    def probes(self) -> list[Any]:
        return [self.low, self.high - 1]
