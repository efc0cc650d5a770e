"""Up and down once."""

from dataclasses import dataclass
from typing import Annotated

from dist_bp.optim.schedules.base import Schedule
from dist_bp.optim.schedules.cosine import half_cosine
from dist_bp.options import Doc, OpenFraction, Ratio


@dataclass(frozen=True, kw_only=True)
class OneCycle(Schedule):
    """Rises to the learning rate and falls again, once in the job.

    From `start` at the first step up to 1 at the last of the first `peak_fraction` of the steps, then down to `final`
    at the job's last step (Smith & Topin 2018), both along half a cosine. Where that part is one step or none, as of a
    job of up to four steps by default, it begins at the peak; a job of one step has the peak alone.
    """

    peak_fraction: Annotated[OpenFraction, Doc("Part of the job's steps spent rising, in (0, 1).")] = 0.3
    start: Annotated[Ratio, Doc("Factor at the first step, where there is one before the peak.")] = 0.04
    final: Annotated[Ratio, Doc("Factor at the last step.")] = 1e-4

    def multiplier(self, step: int, total: int) -> float:
        last = total - 1
        peak = max(0, min(round(self.peak_fraction * total) - 1, last - 1))
        if step < peak:
            return half_cosine(self.start, 1.0, step / peak)
        return half_cosine(1.0, self.final, min(1.0, (step - peak) / max(1, last - peak)))
