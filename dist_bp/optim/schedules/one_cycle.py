"""Up and down once."""

from dataclasses import dataclass
from typing import Annotated

from dist_bp.optim.schedules.base import ToTheEnd
from dist_bp.optim.schedules.cosine import half_cosine
from dist_bp.options import Doc, OpenFraction, Ratio


@dataclass(frozen=True, kw_only=True)
class OneCycle(ToTheEnd):
    """Rises to the learning rate and falls again, once in the job.

    From `start` up to 1 within `peak_fraction` of the steps, then down to `final` (Smith & Topin 2018), both along
    half a cosine.
    """

    peak_fraction: Annotated[OpenFraction, Doc("Part of the job's steps spent rising, in (0, 1).")] = 0.3
    start: Annotated[Ratio, Doc("Factor at the first step.")] = 0.04
    final: Annotated[Ratio, Doc("Factor at the last step.")] = 1e-4

    def at(self, progress: float) -> float:
        if progress < self.peak_fraction:
            return half_cosine(self.start, 1.0, progress / self.peak_fraction)
        return half_cosine(1.0, self.final, (progress - self.peak_fraction) / (1 - self.peak_fraction))
