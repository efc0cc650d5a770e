"""`diloco`: `local` with the values of the paper (Douillard et al. 2023, https://arxiv.org/abs/2311.08105)."""

from dataclasses import dataclass
from typing import ClassVar

from dist_bp.ps.modes.base import ModeName
from dist_bp.ps.modes.local import Local


@dataclass(frozen=True)
class DiLoCo(Local):
    """Rounds of many steps, whose averages are followed with Nesterov's momentum.

    Unlike the paper's workers, who keep a state of their optimizer each, these go on from the average of all.
    """

    local_steps: int = 500
    outer_learning_rate: float = 0.7
    outer_momentum: float = 0.9
    outer_nesterov: bool = True

    name: ClassVar[ModeName] = "diloco"
