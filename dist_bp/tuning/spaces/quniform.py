"""Numbers in equal steps."""

from dataclasses import dataclass
from typing import Annotated, Any

from dist_bp.options import Doc, Positive
from dist_bp.tuning.spaces.base import Range


@dataclass(frozen=True, kw_only=True)
class QUniformSpace(Range):
    """Numbers from low to high in steps of q."""

    low: Annotated[float, Doc("The lower end.")]
    high: Annotated[float, Doc("The upper end.")]
    q: Annotated[Positive, Doc("The step.")]

    @property
    def steps(self) -> int:
        """How many steps fit between the ends."""
        return int((self.high - self.low) / self.q + 1e-9)

    def probes(self) -> list[Any]:
        return [self.low, self.low + self.steps * self.q]

    def nearest(self, value: Any) -> Any:
        return self.low + min(max(round((value - self.low) / self.q), 0), self.steps) * self.q
