"""A line to the end of the job."""

from dataclasses import dataclass
from typing import Annotated

from dist_bp.optim.schedules.base import FINAL, ToTheEnd
from dist_bp.options import Ratio


@dataclass(frozen=True, kw_only=True)
class Linear(ToTheEnd):
    """Falls along a line to the job's last step."""

    final: Annotated[Ratio, FINAL] = 0.0

    def at(self, progress: float) -> float:
        return (1 - progress) + progress * self.final
