"""Any number between two, its logarithm evenly spread."""

from dataclasses import dataclass
from typing import Annotated

from dist_bp.options import Doc, Positive
from dist_bp.tuning.spaces.base import Range


@dataclass(frozen=True, kw_only=True)
class LogUniformSpace(Range):
    """Any number between low and high, its logarithm evenly spread."""

    low: Annotated[Positive, Doc("The lower end, above 0.")]
    high: Annotated[float, Doc("The upper end.")]
