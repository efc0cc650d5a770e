"""Numbers around a mean."""

from dataclasses import dataclass
from typing import Annotated, Any

from dist_bp.options import Doc, Positive
from dist_bp.tuning.spaces.base import Space


@dataclass(frozen=True, kw_only=True)
class NormalSpace(Space):
    """Numbers around a mean."""

    mean: Annotated[float, Doc("The mean.")]
    sd: Annotated[Positive, Doc("The standard deviation.")]
    countable = False

    def probes(self) -> list[Any]:
        return [self.mean]
