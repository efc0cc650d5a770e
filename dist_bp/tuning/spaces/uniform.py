"""Any number between two."""

from dataclasses import dataclass
from typing import Annotated

from dist_bp.options import Doc
from dist_bp.tuning.spaces.base import Range


@dataclass(frozen=True, kw_only=True)
class UniformSpace(Range):
    """Any number between low and high."""

    low: Annotated[float, Doc("The lower end.")]
    high: Annotated[float, Doc("The upper end.")]
